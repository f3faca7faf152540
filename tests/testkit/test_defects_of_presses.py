"""Defects of channels that print, planted one at a time."""

import hashlib
from collections.abc import AsyncIterator, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import Struct

from gateway.contract import (
    API,
    Address,
    BatchTicket,
    Capabilities,
    Outbound,
    Outcome,
    Part,
    PermanentFailure,
    Piece,
    PrintFile,
    Quiet,
)
from gateway.testkit import NOW, Case, Report, assert_conforms, check, outbounds


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    paper: str = "A5"


def assert_only_failed(report: Report, name: str, reason: str) -> None:
    assert {finding.check for finding in report.failed} == {name}, str(report)
    assert reason in report.failed[0].reason


class Press(Quiet):
    """A small well-behaved batched channel: one text file of lines."""

    kind: ClassVar[str] = "press"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = Config
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="house", parts={"line": Part(kind="line")}, batched=True
    )

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.failed(message, PermanentFailure("batched"))

    def export(self, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        return [printed(folder / f"{ticket.id}.txt", ticket.created_at, pieces)]


def printed(path: Path, at: datetime, pieces: Sequence[Piece], **changes: Any) -> PrintFile:
    content = "\n".join([at.isoformat(), *(f"{piece.sequence} {piece.message.name}" for piece in pieces)]).encode()
    path.write_bytes(content)
    told = PrintFile(
        path=path,
        media_type="text/plain",
        records=len(pieces),
        sha256=hashlib.sha256(content).hexdigest(),
        bytes=len(content),
    )
    return msgspec.structs.replace(told, **changes)


TICKET = BatchTicket(id="b-1", job_name="Primavera", pieces=3, mailing_on=date(2026, 4, 1), created_at=NOW)


def batched(export: Any = Press.export) -> Case:
    press = type("Variant", (Press,), {"export": export})
    houses = [Address(kind="house", value=f"house {number}") for number in range(1, 4)]
    return Case(channel=press, config={}, messages=outbounds(Press.capabilities, houses), ticket=TICKET)


async def test_a_sound_press_conforms() -> None:
    report = await assert_conforms(batched())
    verdicts = {finding.check: finding.verdict for finding in report.findings}
    assert verdicts["an_export_is_deterministic"] == verdicts["an_export_counts_its_records"] == "passed"


async def test_the_time_of_day_in_an_export_is_found() -> None:
    def export(self: Any, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        return [printed(folder / "b.txt", datetime.now(UTC).replace(microsecond=0), pieces)]

    assert_only_failed(await check(batched(export)), "an_export_is_deterministic", "b.txt: two exports")


async def test_a_file_name_that_changes_is_found() -> None:
    names = iter("abcdef")

    def export(self: Any, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        return [printed(folder / f"{next(names)}.txt", NOW, pieces)]

    assert_only_failed(await check(batched(export)), "an_export_is_deterministic", "different names")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"records": 2}, "count 2 records for 3 pieces"),
        ({"records": 0}, "no kind of file holds all 3 pieces"),
        ({"bytes": 1}, "size or SHA-256"),
        ({"sha256": ""}, "size or SHA-256"),
    ],
)
async def test_a_false_count_is_found(changes: dict[str, Any], told: str) -> None:
    def export(self: Any, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        return [printed(folder / "b.txt", NOW, pieces, **changes)]

    assert_only_failed(await check(batched(export)), "an_export_counts_its_records", told)


async def test_a_file_left_lying_about_is_found() -> None:
    def export(self: Any, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        (folder / "b.tmp").write_text("half")
        return [printed(folder / "b.txt", NOW, pieces)]

    assert_only_failed(await check(batched(export)), "an_export_counts_its_records", "1 files were left")


async def test_a_press_that_sends_one_by_one_is_found() -> None:
    async def send(self: Any, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.accepted(message)

    told = batched()
    hasty = type("Variant", (told.channel,), {"send": send})
    report = await check(msgspec.structs.replace(told, channel=hasty))
    assert_only_failed(report, "every_message_gets_exactly_one_outcome", "one by one")


async def test_a_batched_channel_without_a_ticket_to_try_it_with_is_told() -> None:
    report = await check(msgspec.structs.replace(batched(), ticket=None))
    assert_only_failed(report, "its_capabilities_make_sense", "`ticket`")
