"""Webhooks from the command line."""

import pytest

from gateway.domain.notices import TYPES
from tests.cli.conftest import Shell

URL = "https://crm.example.com/risveglio"


@pytest.fixture
def added(shell: Shell) -> tuple[str, str]:
    """The id of an endpoint, and its secret."""
    id, secret = shell.told("webhooks", "add", "crm", URL, "--type", "send.*", "--type", "job.done").split()
    return id, secret


def test_an_endpoint_is_added_and_listed_without_its_secret(shell: Shell, added: tuple[str, str]) -> None:
    id, secret = added
    assert secret.startswith("whsec_")
    listed = shell.told("webhooks", "list")
    assert all(word in listed for word in (id, "crm", URL, "send.* job.done", "enabled"))
    assert secret not in listed


def test_the_types_are_told_with_their_meaning(shell: Shell) -> None:
    told = shell.bare("webhooks", "types").stdout
    for type, meaning in TYPES.items():
        assert type in told
        assert meaning.split(";")[0][:40] in told


def test_a_new_secret_is_printed(shell: Shell, added: tuple[str, str]) -> None:
    id, secret = added
    new = shell.told("webhooks", "rotate", id).strip()
    assert new.startswith("whsec_")
    assert new != secret


def test_a_test_waits_for_a_worker_and_is_listed(shell: Shell, added: tuple[str, str]) -> None:
    id, _ = added
    message = shell.told("webhooks", "test", id).strip()
    listed = shell.told("webhooks", "messages", id)
    assert all(word in listed for word in (message, "test.ping", "waiting"))
    assert message not in shell.told("webhooks", "messages", id, "--state", "failed")
    assert shell.told("webhooks", "redeliver", id, "--since", "2020-01-01").strip() == "0"


def test_an_endpoint_is_disabled_enabled_and_removed(shell: Shell, added: tuple[str, str]) -> None:
    id, _ = added
    assert shell.told("webhooks", "disable", id) == f"disabled {id}\n"
    assert "disabled by cli" in shell.told("webhooks", "list")
    assert "enable it first" in shell.refused("webhooks", "test", id)
    assert shell.told("webhooks", "enable", id) == f"enabled {id}\n"
    assert shell.told("webhooks", "remove", id) == f"removed {id}\n"
    assert id not in shell.told("webhooks", "list")
    for command in ("enable", "disable", "remove", "rotate", "test", "messages"):
        assert f"there is no endpoint {id}" in shell.refused("webhooks", command, id)


def test_what_makes_no_sense_is_refused_in_a_line(shell: Shell, added: tuple[str, str]) -> None:
    assert added[0] in shell.refused("webhooks", "add", "crm", URL)
    assert "plain http" in shell.refused("webhooks", "add", "crm", "http://crm.example.com/")
    wrong = shell("webhooks", "add", "crm", URL, "--type", "dove.flew")
    assert wrong.exit_code == 2
    assert "there is no dove.flew" in wrong.stderr
