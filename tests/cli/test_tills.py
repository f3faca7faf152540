"""`risveglio till`: a list goes to the till, and what the till took comes back."""

import contextlib
import csv
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from gateway.app.opening import open_database
from gateway.domain.coupon import new_code, normalised
from gateway.domain.till_list import Writer, header, public_keys
from gateway.domain.tokens import KeyRing
from gateway.storage import redemptions
from gateway.storage.database import Database
from tests.app.place import Place
from tests.builders import World, step
from tests.cli.conftest import Shell

TODAY = datetime.now(UTC)


class Counter:
    """Two people with coupons, and a folder for the till's files."""

    def __init__(self, place: Place, db: Database) -> None:
        self.folder = place.folder
        self.list = place.folder / "list.ndjson"
        world = World(db)
        world.at(TODAY - timedelta(hours=2))
        world.people("c-1", "c-2")
        world.offer("w15", valid_for="PT72H", title="15 % für Żaneta ✂", currency="EUR", min_order_minor=2500)
        world.run(step(text="{{ coupon.code }}"), offer="w15")
        self.codes = {each.recipient_id: each.coupon.code for each in world.pump() if each.coupon}
        world.at(TODAY)

    def uses(self, *rows: dict[str, Any], name: str = "uses.csv") -> Path:
        file = self.folder / name
        with file.open("w", encoding="utf-8", newline="") as target:
            writer = csv.DictWriter(target, list(rows[0]))
            writer.writeheader()
            writer.writerows(rows)
        return file


@pytest.fixture
def counter(shell: Shell) -> Iterator[Counter]:
    db = open_database(shell.place.settings(), migrate=True)
    try:
        yield Counter(shell.place, db)
    finally:
        db.close()


def use(code: str, number: int | str, **fields: Any) -> dict[str, Any]:
    at = TODAY - timedelta(hours=1)
    order = {"order_minor": 4000, "currency": "EUR"}
    return {"till": "kasa-3", "line": number, "code": code, "at": at.isoformat(), "place": "Łódź 🧺"} | order | fields


def test_a_list_that_cannot_be_written_says_where(shell: Shell, counter: Counter) -> None:
    told = shell.refused("till", "list", "--to", str(counter.folder / "ключ" / "list.ndjson"))
    assert str(counter.folder / "ключ") in told
    assert "No such file or directory" in told


def test_a_list_is_written_and_codes_are_looked_up_in_it_without_the_database(shell: Shell, counter: Counter) -> None:
    code = counter.codes["c-1"]
    told = shell.told("till", "list", "--to", str(counter.list), "--offer", "w15")
    assert told.startswith(f"2 coupons in {counter.list}: til_")
    assert counter.list.stat().st_mode & 0o777 == 0o600
    assert normalised(code) not in counter.list.read_text()
    keys = counter.folder / "keys.json"
    shell.told("till", "keys", str(keys))
    # A till has neither settings nor a database.
    found = shell.told("till", "check", str(counter.list), code.lower(), "--keys", str(keys), config=Path("/nowhere"))
    until = (TODAY + timedelta(hours=70)).strftime("%Y-%m-%d")
    assert f"15 % für Żaneta ✂ (w15): valid until {until}" in found
    assert "orders from 2500 minor units of EUR, left: 1" in found
    assert shell.told("till", "check", str(counter.list), code) == found


def test_what_is_not_good_is_told_apart(shell: Shell, counter: Counter) -> None:
    code = counter.codes["c-1"]
    shell.told("till", "list", "--to", str(counter.list))
    assert "not in the list: it was used" in shell.refused("till", "check", str(counter.list), new_code())
    assert "one character is wrong" in shell.refused("till", "check", str(counter.list), f"{code[:-1]}{other(code)}")
    whole = counter.list.read_bytes()
    counter.list.write_bytes(whole.replace(b'"value":15', b'"value":95'))
    assert "cannot be trusted: it was changed" in shell.refused("till", "check", str(counter.list), code)
    counter.list.write_bytes(whole[: whole.rindex(b"{")])
    assert "cut short" in shell.refused("till", "check", str(counter.list), code)
    counter.list.write_bytes(b"\x89PNG\r\n")
    assert "first line is no header" in shell.refused("till", "check", str(counter.list), code)


def other(code: str) -> str:
    return "2" if code[-1] != "2" else "3"


def test_a_list_that_is_too_old_is_not_used(shell: Shell, counter: Counter) -> None:
    ring = KeyRing(1, {1: b"a" * 32}, b"p" * 32)
    writer = Writer(ring)
    head = header("til_x", TODAY - timedelta(hours=25), timedelta(hours=24), "plain", b"")
    counter.list.write_bytes(writer.begin(head) + writer.seal())
    keys = counter.folder / "keys.json"
    keys.write_bytes(msgspec.json.encode(public_keys(ring)))
    told = shell.refused("till", "check", str(counter.list), new_code(), "--keys", str(keys))
    assert "is too old" in told


def test_an_offer_or_job_that_is_not_there_makes_no_list(shell: Shell, counter: Counter) -> None:
    told = shell.refused("till", "list", "--to", str(counter.list), "--offer", "none")
    assert "there is no offer none" in told
    assert not counter.list.exists()


def test_what_a_till_took_comes_back_once_and_is_reported(shell: Shell, counter: Counter) -> None:
    report = counter.folder / "report.csv"
    rows = [
        use(counter.codes["c-1"], 1),
        use(counter.codes["c-1"], 2),
        use(counter.codes["c-2"], 3, order_minor=100),
        use(counter.codes["c-2"], 4, at="tomorrow"),
    ]
    for replayed in (0, 3):
        answer = shell("till", "upload", str(counter.uses(*rows)), "--report", str(report))
        assert answer.exit_code == 1
        assert answer.stdout == (
            f"1 double_use, 1 order_too_small, 1 redeemed, 1 unreadable; {replayed} of 4 had been told before\n"
        )
        assert "uses.csv:3: double_use: This coupon was used before." in answer.stderr
        with report.open(encoding="utf-8-sig", newline="") as file:
            found = list(csv.DictReader(file))
        assert [row["outcome"] for row in found] == ["redeemed", "double_use", "order_too_small", "unreadable"]
        assert found[1]["first_place"] == "Łódź 🧺"
    kept = list(csv.DictReader(shell.told("till", "conflicts").lstrip("\ufeff").splitlines()))
    assert [(row["client"], row["line"], row["outcome"]) for row in kept] == [
        ("cli", "3", "order_too_small"),
        ("cli", "2", "double_use"),
    ]
    assert len(shell.told("till", "conflicts", "--till", "kasa-9").splitlines()) == 1


def test_a_file_without_a_conflict_is_a_success(shell: Shell, counter: Counter) -> None:
    file = counter.folder / "uses.ndjson"
    rows = [use(code, str(n)) for n, code in enumerate(counter.codes.values())]
    file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    told = shell.told("till", "upload", str(file), "--client", "shop")
    assert told == "2 redeemed; 0 of 2 had been told before\n"


def test_a_table_with_other_columns_is_refused(shell: Shell, counter: Counter) -> None:
    file = counter.uses({"code": "x"})
    assert "the column till, line, at is missing" in shell.refused("till", "upload", str(file))


def test_two_processes_at_once_redeem_each_line_once(tmp_path: Path, database_url: str) -> None:
    place = Place(tmp_path, database_url=database_url)
    with contextlib.closing(open_database(place.settings(), migrate=True)) as db:
        counter = Counter(place, db)
        codes = list(counter.codes.values())
        rows = [use(codes[n % 2], n, till=f"kasa-{n % 3}") for n in range(60)]
        files = [counter.uses(*rows, name="forth.csv"), counter.uses(*rows[::-1], name="back.csv")]
        reports = [tmp_path / f"{file.stem}.report.csv" for file in files]
        command = (sys.executable, "-m", "gateway", "till", "upload", "--config", str(place.config))
        running = [
            subprocess.Popen(
                [*command, str(file), "--report", str(report)],
                env=os.environ | place.environ,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            for file, report in zip(files, reports, strict=True)
        ]
        told = [each.communicate(timeout=120)[0].decode() for each in running]
        assert [line.startswith("58 double_use, 2 redeemed; ") for line in told] == [True, True], told
        forth, back = ({(row["till"], row["line"]): row for row in _rows(report)} for report in reports)
        assert {name: _plain(row) for name, row in forth.items()} == {name: _plain(row) for name, row in back.items()}
        assert [forth[name]["replayed"] == back[name]["replayed"] for name in forth] == [False] * 60
        with db.snapshot() as tx:
            assert [len(redemptions.of_code(tx, normalised(code))) for code in codes] == [1, 1]


def _rows(report: Path) -> list[dict[str, str]]:
    with report.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def _plain(row: dict[str, str]) -> dict[str, str]:
    return {name: cell for name, cell in row.items() if name not in ("row", "replayed")}
