"""`risveglio import` and `risveglio export`."""

import json
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import func, select

from gateway.storage.database import Database
from gateway.storage.tables import activities, consents, recipients, suppressions
from tests.cli.conftest import Shell

AT = "2026-05-01T10:00:00Z"
PEOPLE: list[dict[str, Any]] = [
    {"id": "c-1", "name": "Łucja Żółć", "locale": "pl-PL", "addresses": [{"kind": "email", "value": "c1@example.com"}]},
    {"id": "c-2", "name": "Иван", "country": "IT", "addresses": [{"kind": "phone", "value": "+393123456789"}]},
    {"id": "c-3", "name": "محمد 🎈", "time_zone": "Europe/Rome", "attributes": {"city": "Torino"}},
]
GRANT = {
    "channel": "email",
    "purpose": "marketing",
    "action": "granted",
    "source": "form",
    "at": AT,
}
LINES: dict[str, list[dict[str, Any]]] = {
    "recipients": PEOPLE,
    "consents": [{"recipient": each["id"], **GRANT} for each in PEOPLE],
    "activities": [
        {"recipient": "c-1", "kind": "purchase", "at": AT, "id": "o-1", "amount_minor": 2990} | {"currency": "EUR"},
        {"recipient": "c-2", "kind": "visit", "at": "2026-05-02T10:00:00Z", "id": "v-1"},
    ],
    "suppressions": [{"address": {"kind": "email", "value": "C9@Example.com"}, "reason": "hard-bounce", "at": AT}],
}
TABLES = {"recipients": recipients, "consents": consents, "activities": activities, "suppressions": suppressions}


def ndjson(path: Path, *rows: Any) -> str:
    """Objects as lines; text as it is."""
    lines = [row if isinstance(row, str) else json.dumps(row, ensure_ascii=False) for row in rows]
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return str(path)


def count(shell: Shell, kind: str) -> int:
    db = Database(shell.place.settings().database.url.reveal())
    try:
        with db.snapshot() as tx:
            return tx.scalar(select(func.count()).select_from(TABLES[kind])) or 0
    finally:
        db.close()


@pytest.fixture
def peopled(shell: Shell, tmp_path: Path) -> Shell:
    shell.told("import", "recipients", ndjson(tmp_path / "people.ndjson", *PEOPLE))
    return shell


@pytest.mark.parametrize("kind", list(LINES))
def test_every_kind_is_imported_and_again_changes_nothing(peopled: Shell, tmp_path: Path, kind: str) -> None:
    file, lines = ndjson(tmp_path / "lines.ndjson", *LINES[kind]), len(LINES[kind])
    for _ in range(2):
        assert peopled.told("import", kind, file) == f"{lines} {kind} written, 0 lines refused\n"
        assert count(peopled, kind) == lines


BAD: dict[str, list[tuple[Any, str]]] = {
    "recipients": [
        ('{"id": "c-8"', "line"),
        ({"id": "c-8", "nam": "x"}, "/nam"),
        ({"id": "c-8", "addresses": [{"kind": "email", "value": "nowhere"}]}, "/addresses/0/value"),
        ({"id": "c-8", "time_zone": "Europe/Atlantis"}, "/time_zone"),
        ({"id": "c-8", "addresses": [{"kind": "email", "value": "c1@example.com"}]}, "/addresses/0"),
        ("\x00", "line"),
    ],
    "consents": [
        ({"recipient": "nobody", **GRANT}, "/recipient"),
        ({"recipient": "c-1", **GRANT, "action": "perhaps"}, "/action"),
        ({"recipient": "c-1", **GRANT, "at": "yesterday"}, "/at"),
    ],
    "activities": [
        ({"recipient": "nobody", "kind": "visit", "at": "2026-05-02T10:00:00Z", "id": "v-2"}, "/recipient"),
        ({"recipient": "c-1", "kind": "visit", "at": "2026-05-02T10:00:00", "id": "v-2"}, "/at"),
    ],
    "suppressions": [
        (
            {"address": {"kind": "email", "value": "nowhere"}, "reason": "x", "at": AT},
            "/address/value",
        ),
        ({"address": {"kind": "email", "value": "a@example.com"}, "at": AT}, "/reason"),
    ],
}


@pytest.mark.parametrize("kind", list(LINES))
def test_bad_lines_are_told_with_their_numbers_and_the_others_written(
    peopled: Shell, tmp_path: Path, kind: str
) -> None:
    good, bad = LINES[kind], BAD[kind]
    file = ndjson(tmp_path / "mixed.ndjson", good[0], "", *(row for row, _ in bad), *good[1:])
    result = peopled("import", kind, file)
    assert result.exit_code == 1
    assert result.stdout == f"{len(good)} {kind} written, {len(bad)} lines refused\n"
    told = [line for line in result.stderr.splitlines() if line.startswith("mixed.ndjson:")]
    assert [line.split(": ")[:2] for line in told] == [
        [f"mixed.ndjson:{number}", where] for number, (_, where) in enumerate(bad, start=3)
    ]
    assert count(peopled, kind) == len(good), "nothing of a bad line"


def test_only_the_first_fifty_bad_lines_are_shown(peopled: Shell, tmp_path: Path) -> None:
    result = peopled("import", "recipients", ndjson(tmp_path / "bad.ndjson", *["{}"] * 2500))
    assert result.stdout == "0 recipients written, 2500 lines refused\n"
    assert result.stderr.count("bad.ndjson:") == 50
    assert "... and 2450 more" in result.stderr


def test_a_file_of_bytes_is_refused_line_by_line(peopled: Shell, tmp_path: Path) -> None:
    path = tmp_path / "latin.ndjson"
    path.write_bytes('{"id": "c-7", "name": "Niccolò"}\n'.encode("latin-1") + b'{"id": "c-8", "name": "Anna"}')
    result = peopled("import", "recipients", str(path))
    assert result.stdout == "1 recipients written, 1 lines refused\n"
    assert "latin.ndjson:1: " in result.stderr


def test_a_file_that_is_not_there_and_a_kind_that_is_not_known_are_told(shell: Shell, tmp_path: Path) -> None:
    missing = shell("import", "recipients", str(tmp_path / "none.ndjson"))
    assert (missing.exit_code, "does not exist" in missing.stderr) == (2, True)
    unknown = shell("import", "friends", ndjson(tmp_path / "x.ndjson"))
    assert (unknown.exit_code, "'friends' is not one of" in unknown.stderr) == (2, True)


@pytest.mark.parametrize("kind", ["recipients", "consents"])
def test_what_is_exported_can_be_imported_elsewhere_and_is_the_same(peopled: Shell, tmp_path: Path, kind: str) -> None:
    peopled.told("import", "consents", ndjson(tmp_path / "consents.ndjson", *LINES["consents"]))
    exported = tmp_path / "exported.ndjson"
    peopled.told("export", kind, str(exported))
    assert len(exported.read_text().splitlines()) == 3

    elsewhere = tmp_path / "elsewhere"
    peopled.bare("init", str(elsewhere / "config"))
    config = elsewhere / "config"
    peopled.told("import", "recipients", ndjson(tmp_path / "people.ndjson", *PEOPLE), config=config)
    peopled.told("import", kind, str(exported), config=config)
    again = peopled.told("export", kind, "-", config=config)
    assert again == exported.read_text(encoding="utf-8")
    assert json.loads(again.splitlines()[2]).get("name", "محمد 🎈") == "محمد 🎈"


def test_an_export_that_cannot_begin_leaves_an_earlier_file_alone(shell: Shell, tmp_path: Path) -> None:
    earlier = tmp_path / "earlier.ndjson"
    earlier.write_text("kept")
    shell.refused("export", "recipients", str(earlier), config=tmp_path / "nowhere")
    assert earlier.read_text() == "kept"
