"""Keys for e-mails, made on the command line."""

import stat
import tomllib
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from channels.email.signing_keys import DkimKey, dns_record, read_key, zone_line
from gateway.cli import main
from gateway.contract import Secret


def told(*command: str) -> Result:
    return CliRunner().invoke(main, ["dkim-key", *command])


@pytest.mark.parametrize("algorithm", ["rsa", "ed25519"])
def test_a_key_is_written_for_its_owner_alone_and_its_record_is_printed(tmp_path: Path, algorithm: str) -> None:
    file = tmp_path / "s2026a.pem"
    result = told("shop.example", "s2026a", "--algorithm", algorithm, "--file", str(file))
    assert result.exit_code == 0, result.output
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    key = read_key(file.read_text())
    assert zone_line(*dns_record("shop.example", "s2026a", key)) in result.stdout
    assert file.read_text()[40:80] not in result.stdout


def test_the_printed_settings_are_ready_to_be_used(tmp_path: Path) -> None:
    file = tmp_path / "s2026a.pem"
    printed = told("shop.example", "s2026a", "--file", str(file)).stdout.partition("# for channels.toml\n")[2]
    (table,) = tomllib.loads(printed)["channels"]["email"]["dkim"]
    assert table.pop("key") == f"file:{file}"
    assert msgspec.convert(table | {"key": Secret("")}, DkimKey).name == "s2026a._domainkey.shop.example"


def test_a_file_that_is_there_is_left_alone(tmp_path: Path) -> None:
    file = tmp_path / "s2026a.pem"
    file.write_text("precious")
    result = told("shop.example", "s2026a", "--file", str(file))
    assert (result.exit_code, file.read_text()) == (1, "precious")
    assert "is there already" in result.stderr


@pytest.mark.parametrize(("domain", "selector"), [("Shop.example", "s1"), ("shop", "s1"), ("shop.example", "s_1")])
def test_what_the_dns_could_not_hold_is_refused_before_anything_is_written(
    tmp_path: Path, domain: str, selector: str
) -> None:
    file = tmp_path / "key.pem"
    result = told(domain, selector, "--file", str(file))
    assert result.exit_code == 1
    assert "is written" in result.stderr
    assert not file.exists()


def test_a_folder_that_is_not_there_is_told(tmp_path: Path) -> None:
    result = told("shop.example", "s1", "--file", str(tmp_path / "none" / "key.pem"))
    assert result.exit_code == 1
    assert "cannot be written" in result.stderr
