"""`offer`: made from a file, listed, and filled with a partner's codes."""

import msgspec
import pytest

from tests.cli.conftest import Shell

WINBACK = """
key = "winback-15"
title = "Sconto −15 %"
kind = "percentage"
value = 15
zone = "Europe/Rome"
valid_until = 2027-01-31T23:59:59
total = 5000
"""
PARTNER = {"key": "kino", "title": "Билет в кино", "kind": "voucher", "codes": {"kind": "pool", "low_stock": 1}}


@pytest.fixture
def cinema(shell: Shell) -> Shell:
    file = shell.place.folder / "kino.json"
    file.write_bytes(msgspec.json.encode(PARTNER))
    assert shell.told("offer", "make", str(file)) == "the offer kino is made\n"
    return shell


def test_an_offer_is_made_once_from_toml_and_listed_with_what_is_left(shell: Shell) -> None:
    file = shell.place.folder / "winback.toml"
    file.write_text(WINBACK, encoding="utf-8")
    assert shell.told("offer", "make", str(file)) == "the offer winback-15 is made\n"
    assert shell.told("offer", "make", str(file)) == "the offer winback-15 is there already, the same\n"
    file.write_text(WINBACK.replace("5000", "6000"), encoding="utf-8")
    assert "another offer winback-15, and offers are frozen" in shell.refused("offer", "make", str(file))
    listed = shell.told("offer", "list")
    for cell in ("winback-15", "Sconto −15 %", "percentage 15", "2027-01-31 22:59", "5000"):
        assert cell in listed


@pytest.mark.parametrize(
    ("name", "body", "told"),
    [
        ("x.json", '{"key": "x", "title": "x", "kind": "percentage", "value": 0}', "value: a percentage is between"),
        ("x.json", "{", "x.json: offer: "),
        ("x.toml", 'key = "x"\nkey = "y"', "x.toml: "),
        ("x.toml", 'key = "x"\ntitle = "x"\nkind = "percent"', "x.toml: kind: "),
    ],
)
def test_a_file_that_makes_no_offer_is_told_with_where(shell: Shell, name: str, body: str, told: str) -> None:
    file = shell.place.folder / name
    file.write_text(body, encoding="utf-8")
    assert told in shell.refused("offer", "make", str(file))


def test_money_is_listed_as_people_write_it(shell: Shell) -> None:
    euros = {"key": "rabatt-5", "title": "5 € Rabatt", "kind": "amount", "value": 500, "currency": "EUR"}
    yen = {"key": "en", "title": "500円", "kind": "amount", "value": 500, "currency": "JPY", "budget_minor": 90_000}
    for wanted in (euros, yen):
        file = shell.place.folder / "offer.json"
        file.write_bytes(msgspec.json.encode(wanted))
        shell.told("offer", "make", str(file))
    listed = shell.told("offer", "list")
    for cell in ("amount 5.00 EUR", "amount 500 JPY", "90000 JPY"):
        assert cell in listed


def test_codes_come_in_once_from_any_kind_of_file(cinema: Shell) -> None:
    plain, table = cinema.place.folder / "codes.txt", cinema.place.folder / "codes.csv"
    plain.write_text("KINO-1\nKINO-2\n", encoding="utf-8")
    table.write_text("code\nKINO-2\nKINO-3\n", encoding="utf-8")
    assert cinema.told("offer", "import-codes", "kino", str(plain)) == (
        "2 codes added, 0 were there already, 0 lines refused\n"
    )
    assert cinema.told("offer", "import-codes", "kino", str(table)) == (
        "1 codes added, 1 were there already, 0 lines refused\n"
    )
    [row] = [line for line in cinema.told("offer", "list").splitlines() if "kino" in line]
    assert row.rstrip(" │┃").endswith("3")


def test_a_code_that_cannot_be_taken_is_told_with_its_line(cinema: Shell) -> None:
    file = cinema.place.folder / "codes.ndjson"
    file.write_text('{"code": "KINO-1"}\n{"code": "K"}\n', encoding="utf-8")
    result = cinema("offer", "import-codes", "kino", str(file))
    assert result.exit_code == 1
    assert result.stdout == "1 codes added, 0 were there already, 1 lines refused\n"
    assert "codes.ndjson:2: /code: has 1 characters" in result.stderr


def test_codes_for_nothing_are_refused(cinema: Shell) -> None:
    file = cinema.place.folder / "codes.csv"
    file.write_text("voucher\nKINO-1\n", encoding="utf-8")
    assert "there is no offer theatre" in cinema("offer", "import-codes", "theatre", str(file)).stderr
    assert "no column voucher" in cinema("offer", "import-codes", "kino", str(file)).stderr
