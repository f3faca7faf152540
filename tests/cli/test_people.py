"""`risveglio person` and `risveglio audit`."""

import csv
import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Shell

PEOPLE = [
    {"id": "ada", "name": "Ада", "addresses": [{"kind": "email", "value": "ada@example.com"}]},
    {"id": "ada-2", "name": "=Ада", "attributes": {"n": 1}, "addresses": [{"kind": "phone", "value": "+12025550142"}]},
]


@pytest.fixture
def peopled(shell: Shell, tmp_path: Path) -> Shell:
    file = tmp_path / "people.ndjson"
    file.write_text("".join(json.dumps(each) + "\n" for each in PEOPLE), encoding="utf-8")
    shell.told("import", "recipients", str(file))
    return shell


def test_a_person_is_exported_to_a_file_or_to_the_screen(peopled: Shell, tmp_path: Path) -> None:
    target = tmp_path / "ada.json"
    peopled.told("person", "export", "ada", str(target))
    found = json.loads(target.read_text(encoding="utf-8"))
    assert (found["id"], found["profile"]["name"]) == ("ada", "Ада")
    assert json.loads(peopled.told("person", "export", "ada"))["addresses"][0]["value"] == "ada@example.com"
    assert "there is no recipient nobody" in peopled.refused("person", "export", "nobody", str(tmp_path / "none.json"))
    assert not (tmp_path / "none.json").exists()


def test_nobody_is_forgotten_without_a_word(peopled: Shell) -> None:
    asked = peopled("person", "erase", "ada")
    assert (asked.exit_code, "Nothing brings the person back" in asked.stderr) == (1, True)
    assert "1 addresses suppressed, 0 messages cancelled" in peopled.told("person", "erase", "ada", "--yes")
    assert "there is no recipient ada" in peopled.refused("person", "erase", "ada", "--yes")
    assert '"ada"' not in peopled.told("export", "recipients", "-")


def test_two_records_become_one(peopled: Shell) -> None:
    told = peopled.told("person", "merge", "ada-2", "ada")
    assert "ada-2 is ada from now on; moved: 1 addresses" in told
    found = json.loads(peopled.told("person", "export", "ada-2"))
    assert (found["id"], len(found["addresses"]), found["profile"]["attributes"]) == ("ada", 2, {"n": 1})
    assert "is the recipient itself" in peopled.refused("person", "merge", "ada", "ada")


def test_the_audit_log_tells_what_was_done_and_by_whom(peopled: Shell) -> None:
    peopled.told("person", "merge", "ada-2", "ada")
    peopled.told("key", "create", "shop", "--scope", "jobs:read")
    everything = peopled.told("audit")
    for action in ("recipients.imported", "recipient.merged", "key.created"):
        assert action in everything
    assert "key.created" not in peopled.told("audit", "--recipient", "ada-2")
    assert "recipient.merged" in peopled.told("audit", "--recipient", "ada")
    assert "key.created" in peopled.told("audit", "--last", "1")
    assert "recipients.imported" in peopled.told("audit", "--subject", "recipients")
    assert "there is no recipient nobody" in peopled.refused("audit", "--recipient", "nobody")


def test_a_sheet_goes_out_and_comes_in_again(peopled: Shell, tmp_path: Path) -> None:
    sheet = tmp_path / "people.csv"
    peopled.told("export", "recipients", str(sheet), "--format", "csv")
    rows = list(csv.DictReader(io.StringIO(sheet.read_text(encoding="utf-8-sig"))))
    assert [(row["id"], row["name"], row["phone"]) for row in rows] == [
        ("ada", "Ада", ""),
        ("ada-2", "'=Ада", "'+12025550142"),
    ]
    before = peopled.told("export", "recipients", "-")
    assert peopled.told("import", "recipients", str(sheet)) == "2 recipients written, 0 lines refused\n"
    assert peopled.told("export", "recipients", "-") == before


def test_faults_in_a_sheet_are_told_by_line_and_column(peopled: Shell, tmp_path: Path) -> None:
    sheet = tmp_path / "some.txt"
    sheet.write_text("id;email\nc-1;nowhere\nc-2;c2@example.com\n")
    result = peopled("import", "recipients", str(sheet), "--format", "csv")
    assert result.stdout == "1 recipients written, 1 lines refused\n"
    assert "some.txt:2: email: not an e-mail address" in result.stderr
    sheet.write_text("id;mail\n")
    assert "some.txt: no column mail" in peopled.refused("import", "recipients", str(sheet), "--format", "csv")
