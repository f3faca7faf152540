"""`registers`: what is listed, written out and taken in."""

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from tests.cli.conftest import Shell

TODAY = datetime.now(UTC).date() - timedelta(days=1)
"""A day that is over wherever the installation thinks it is."""

POLICIES = """
countries = []
[[registers]]
name = "rpo-it"
countries = ["IT"]
channels = ["postal"]
purposes = ["marketing"]
valid_for = "P30D"
source = "a decree"
[[registers]]
name = "calls"
countries = ["IT"]
channels = ["voice"]
valid_for = "P15D"
"""


NAMES = ["Żaneta", "Γιώργος"]


def box(number: int) -> dict[str, Any]:
    place = {"street": f"Via Garibaldi {number}", "postcode": "20121", "city": "Milano", "country": "IT"}
    return {"kind": "postal", "data": place}


@pytest.fixture
def asked(shell: Shell) -> Shell:
    """Two people in Italy, and a register that protects them."""
    # A channel that is named is known, although nothing of that name can be loaded.
    shell.place.write("channels.toml", '[channels.voice]\nurl = "https://calls.example.com"\n')
    shell.place.write("policies.toml", POLICIES)
    people = shell.place.folder / "people.ndjson"
    rows = [{"id": f"c-{n}", "name": name, "country": "IT", "addresses": [box(n)]} for n, name in enumerate(NAMES)]
    people.write_bytes(b"\n".join(map(msgspec.json.encode, rows)))
    shell.told("import", "recipients", str(people))
    return shell


def upload(shell: Shell, *lines: str, on: date = TODAY) -> list[str]:
    file = shell.place.folder / "said.ndjson"
    file.write_text("\n".join(lines), encoding="utf-8")
    return ["registers", "upload", "rpo-it", str(file), "--screened-on", on.isoformat()]


def answered(file: Path, *listed: bool) -> list[str]:
    rows = file.read_text(encoding="utf-8").splitlines()
    return [f'{row[:-1]},"listed":{str(is_listed).lower()}}}' for row, is_listed in zip(rows, listed, strict=True)]


def test_addresses_are_written_out_screened_and_taken_in(asked: Shell) -> None:
    file = asked.place.folder / "ask.ndjson"
    asked.told("registers", "to-screen", "rpo-it", str(file))
    assert [msgspec.json.decode(line)["name"] for line in file.read_text().splitlines()] == NAMES
    assert asked.told(*upload(asked, *answered(file, False, True))) == "2 addresses on record, 0 lines refused\n"
    assert asked.told("registers", "to-screen", "rpo-it") == ""
    assert len(asked.told("registers", "to-screen", "rpo-it", "--within-days", "40").splitlines()) == 2


def test_the_list_counts_how_addresses_stand(asked: Shell) -> None:
    file = asked.place.folder / "ask.ndjson"
    asked.told("registers", "to-screen", "rpo-it", str(file))
    asked.told(*upload(asked, answered(file, False, True)[1]))
    rows = [line.strip("│┃ ").split() for line in asked.told("registers", "list").splitlines()]
    found = {row[0]: [cell for cell in row if cell not in "│┃"] for row in rows if row}
    assert found["rpo-it"] == ["rpo-it", "IT", "postal", "30", "days", "0", "1", "0", "1", "a", "decree"]
    assert found["calls"] == ["calls", "IT", "voice", "15", "days", "?", "?", "?", "?"]


def test_refused_lines_are_told_with_file_line_and_reason(asked: Shell) -> None:
    told = asked(*upload(asked, '{"address": {"kind": "phone", "value": "+390655500101"}, "listed": false}'))
    assert told.exit_code == 1
    assert told.stdout == "0 addresses on record, 1 lines refused\n"
    assert "said.ndjson:1: /address/kind: the register is about postal" in told.stderr


def test_a_day_of_the_future_is_refused(asked: Shell) -> None:
    told = asked.refused(*upload(asked, on=TODAY + timedelta(days=5)))
    assert f"Error: --screened-on: {TODAY + timedelta(days=5)} is in the future" in told


def test_a_day_too_long_ago_is_refused(asked: Shell) -> None:
    told = asked.refused(*upload(asked, on=TODAY - timedelta(days=31)))
    assert "is too long ago: a screening of rpo-it holds for 30 days" in told


def test_an_unknown_register_is_told_with_those_that_there_are(asked: Shell) -> None:
    assert "there is no register rpo; there is rpo-it, calls" in asked.refused("registers", "to-screen", "rpo")


def test_a_register_whose_channel_cannot_be_found_is_asked_about_nothing(asked: Shell) -> None:
    assert "none of its channels is ready (voice)" in asked.refused("registers", "to-screen", "calls")


def test_a_table_is_taken_in_as_well(asked: Shell) -> None:
    file = asked.place.folder / "said.csv"
    row = "Via Garibaldi {},20121,Milano,IT,{}"
    rows = ["street,postcode,city,postal_country,listed", row.format(0, "false"), row.format(1, "TRUE")]
    file.write_text("\n".join(rows), encoding="utf-8")
    command = ["registers", "upload", "rpo-it", str(file), "--screened-on", TODAY.isoformat()]
    assert asked.told(*command) == "2 addresses on record, 0 lines refused\n"
    assert asked.told("registers", "to-screen", "rpo-it") == ""
    file.write_text("nothing of use", encoding="utf-8")
    assert "said.csv: no column nothing of use; screenings have listed, name" in asked.refused(*command)
