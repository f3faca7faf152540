"""The bulk import files: complete, in order, and the same every time."""

from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import msgspec
import pytest
from msgspec import Struct

from gateway.demo.bulk import ActivityLine, BulkFiles, ConsentLine, RecipientLine, SuppressionLine, write_bulk
from gateway.demo.cdnow.purchases import load
from gateway.demo.people import Person, people

_S = TypeVar("_S", bound=Struct)

PUSH_URL = "http://127.0.0.1:8765"
DEMO_BEGINS_AT = datetime(1998, 7, 1, tzinfo=UTC)


@pytest.fixture(scope="module")
def everybody() -> list[Person]:
    return people(load())


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory, everybody: list[Person]) -> BulkFiles:
    return write_bulk(tmp_path_factory.mktemp("bulk"), everybody, load(), PUSH_URL)


def test_every_recipient_has_a_line(written: BulkFiles, everybody: list[Person]) -> None:
    lines = _read(written.recipients.path, RecipientLine)

    assert [line.id for line in lines] == [one.id for one in everybody]
    assert written.recipients.lines == 2_357


def test_a_recipient_line_has_the_fields_of_the_import(written: BulkFiles) -> None:
    first = written.recipients.path.read_text("utf-8").splitlines()[0]

    assert msgspec.json.decode(first) == {
        "id": "cd-0001",
        "name": "Sofia Ventaluna",
        "locale": "it-IT",
        "time_zone": "Europe/Rome",
        "country": "IT",
        "attributes": {"genre": "soundtracks", "member_since": "1997-01-01"},
        "addresses": [
            {"kind": "email", "value": "sofia.0001@example.com"},
            {"kind": "phone", "value": "+12025550101"},
            {
                "kind": "postal",
                "data": {
                    "street": "Via dei Vinili 33",
                    "postcode": "80198",
                    "city": "Napoli",
                    "country": "IT",
                    "region": "NA",
                },
            },
        ],
    }


def test_push_addresses_carry_the_push_url_of_the_run_and_real_keys(written: BulkFiles) -> None:
    lines = _read(written.recipients.path, RecipientLine)
    devices = [address for line in lines for address in line.addresses if address.kind == "webpush"]

    assert len(devices) > 600
    assert all(str(device.value).startswith(f"{PUSH_URL}/push/") for device in devices)
    assert all(isinstance(device.data, dict) and len(device.data["p256dh"]) == 87 for device in devices)
    assert all(isinstance(device.data, dict) and len(device.data["auth"]) == 22 for device in devices)


def test_all_purchases_become_activities_with_ids_of_their_own(written: BulkFiles) -> None:
    lines = _read(written.activities.path, ActivityLine)

    assert len(lines) == len({line.id for line in lines}) == 6_919
    assert lines[0] == ActivityLine(
        recipient="cd-0001",
        kind="purchase",
        at=datetime(1997, 1, 1, 12, tzinfo=UTC),
        amount_minor=2_933,
        currency="USD",
        id="cdnow-0001-1",
    )


def test_everything_is_dated_before_the_demonstration_begins(written: BulkFiles) -> None:
    instants = [
        *(line.at for line in _read(written.consents.path, ConsentLine)),
        *(line.at for line in _read(written.suppressions.path, SuppressionLine)),
        *(line.at for line in _read(written.activities.path, ActivityLine)),
    ]

    assert max(instants) < DEMO_BEGINS_AT


def test_whoever_never_consented_has_no_line(written: BulkFiles, everybody: list[Person]) -> None:
    consented = {line.recipient for line in _read(written.consents.path, ConsentLine)}

    assert not consented & {one.id for one in everybody if one.standing == "none"}
    assert {one.id for one in everybody if one.standing == "granted" and one.email} <= consented


def test_every_withdrawal_follows_a_grant(written: BulkFiles) -> None:
    lines = _read(written.consents.path, ConsentLine)
    granted = {(line.recipient, line.channel): line.at for line in lines if line.action == "granted"}
    withdrawn = [line for line in lines if line.action != "granted"]

    assert {line.action for line in withdrawn} == {"withdrawn", "objected"}
    assert all(granted[line.recipient, line.channel] < line.at for line in withdrawn)


def test_suppressed_addresses_are_addresses_of_recipients(written: BulkFiles) -> None:
    known = {
        (line.id, msgspec.json.encode(address))
        for line in _read(written.recipients.path, RecipientLine)
        for address in line.addresses
    }
    lines = _read(written.suppressions.path, SuppressionLine)

    assert len(lines) > 40
    assert {(line.recipient, msgspec.json.encode(line.address)) for line in lines} <= known


def test_the_files_are_the_same_every_time(written: BulkFiles, everybody: list[Person], tmp_path: Path) -> None:
    again = write_bulk(tmp_path, everybody, load(), PUSH_URL)

    for before, after in zip(_paths(written), _paths(again), strict=True):
        assert before.read_bytes() == after.read_bytes()


def test_names_are_written_in_their_own_letters(written: BulkFiles) -> None:
    text = written.recipients.path.read_text("utf-8")

    assert all(word in text for word in ("Лунёва", "Ελένη", "Źdźbło", "Nadelöhr", "Giosuè"))
    assert "\\u" not in text


def _paths(bulk: BulkFiles) -> list[Path]:
    return [bulk.recipients.path, bulk.consents.path, bulk.suppressions.path, bulk.activities.path]


def _read(path: Path, line_type: type[_S]) -> list[_S]:
    return [msgspec.json.decode(line, type=line_type) for line in path.read_bytes().splitlines()]
