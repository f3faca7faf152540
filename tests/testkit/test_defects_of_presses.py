"""Defects of channels that print, planted one at a time."""

import csv
import hashlib
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from datetime import UTC, date, datetime
from itertools import count
from pathlib import Path
from typing import Any, ClassVar

import msgspec
import pytest
from msgspec import Struct

from gateway.contract import (
    API,
    Address,
    BatchTicket,
    BatchTotals,
    Capabilities,
    Outbound,
    Outcome,
    Part,
    PermanentFailure,
    Piece,
    PiecesRefused,
    PrintedPart,
    PrintFile,
    Quiet,
    Refusal,
    Unbalanced,
)
from gateway.testkit import NOW, Case, Report, assert_conforms, check, outbounds

AGAIN = "a_batch_is_made_again_byte_for_byte"
HOLDS = "a_part_holds_its_pieces_and_no_others"
NUMBERS = "a_part_keeps_the_numbers_of_its_pieces"
REFUSED = "a_refused_piece_leaves_nothing_of_its_part"
PAPERS = "the_papers_add_up"
LOOKED_AT = "a_proof_and_a_picture_can_be_looked_at"
ALL = {AGAIN, HOLDS, NUMBERS, REFUSED, PAPERS, LOOKED_AT}


class Config(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    paper: str = "A5"


def assert_only_failed(report: Report, name: str, reason: str) -> None:
    assert {finding.check for finding in report.failed} == {name}, str(report)
    assert reason in report.failed[0].reason


class Press(Quiet):
    """A small well-behaved batched channel: a line a piece. It cannot print names that hold a Z."""

    kind: ClassVar[str] = "press"
    api: ClassVar[int] = API
    config_type: ClassVar[type[Struct]] = Config
    capabilities: ClassVar[Capabilities] = Capabilities(
        address_kind="house", parts={"line": Part(kind="line")}, batched=True
    )
    part_size = 3

    async def send(self, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.failed(message, PermanentFailure("batched"))

    def write_part(
        self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> Sequence[PrintFile]:
        refuse_z(pieces)
        return [printed(folder / f"{ticket.id}-{number}.csv", self.lines(ticket, pieces), len(pieces))]

    def lines(self, ticket: BatchTicket, pieces: Sequence[Piece]) -> list[str]:
        return [f"{piece.sequence},{piece.message.name}" for piece in pieces]

    def write_papers(
        self, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> Sequence[PrintFile]:
        rows = [row for part in parts for row in rows_of(part)]
        if len(rows) != totals.printed + totals.seeds:
            raise Unbalanced(f"{len(rows)} pieces in the parts, {totals.printed} in the totals")
        return [printed(folder / f"{ticket.id}-ticket.txt", self.told(ticket, rows), 0)]

    def told(self, ticket: BatchTicket, rows: list[list[str]]) -> list[str]:
        return [ticket.created_at.isoformat(), str(len(rows))]

    def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        return printed(target, ["%PDF-1.7"], len(pieces))

    def picture(self, message: Outbound) -> bytes:
        return b"\x89PNG\r\n\x1a\n" + message.name.encode()


def refuse_z(pieces: Sequence[Piece], shift: int = 0) -> None:
    refusals = [
        Refusal(sequence=piece.sequence + shift, code="missing-glyph", detail="there is no Z")
        for piece in pieces
        if "Z" in piece.message.name
    ]
    if refusals:
        raise PiecesRefused(refusals)


def rows_of(part: PrintedPart) -> list[list[str]]:
    return list(csv.reader(part.files[0].path.read_text().splitlines()))


def printed(path: Path, lines: Sequence[str], records: int, changes: Mapping[str, Any] = {}) -> PrintFile:
    content = "\n".join(lines).encode()
    path.write_bytes(content)
    sha256 = hashlib.sha256(content).hexdigest()
    told = {"path": path, "media_type": "text/csv", "records": records, "sha256": sha256, "bytes": len(content)}
    return PrintFile(**{**told, **changes})


def batched(**methods: Any) -> Case:
    press = type("Variant", (Press,), methods)
    houses = [Address(kind="house", value=f"house {number}") for number in range(1, 7)]
    names = ("Lucia Provà", "Мила Тестова", "Δήμητρα Δοκιμή", "ליאת דוגמה", "Zoé Échantillon", "Zosia Próbna")
    sent = outbounds(Press.capabilities, houses, names)
    return Case(
        channel=press,
        config={},
        messages=sent[:4],
        refused=sent[4:],
        ticket=BatchTicket(id="b-1", job_name="Primavera", mailing_on=date(2026, 4, 1), created_at=NOW),
    )


def part(written: Callable[[BatchTicket, int, Sequence[Piece], Path], list[PrintFile]]) -> Case:
    """A press that writes its parts so, and refuses what it must."""

    def write_part(
        self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> list[PrintFile]:
        refuse_z(pieces)
        return written(ticket, number, pieces, folder)

    return batched(write_part=write_part)


def lines(pieces: Sequence[Piece]) -> list[str]:
    return [f"{piece.sequence},{piece.message.name}" for piece in pieces]


async def test_a_sound_press_conforms() -> None:
    report = await assert_conforms(batched())
    assert {finding.check for finding in report.findings if finding.verdict == "passed"} >= ALL


async def test_the_time_of_day_in_a_part_is_found() -> None:
    def written(ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        now = f"{datetime.now(UTC):%X}"
        return [printed(folder / f"{number}.csv", [f"{line},{now}" for line in lines(pieces)], len(pieces))]

    assert_only_failed(await check(part(written)), AGAIN, "1.csv: part 1, made twice, differ")


async def test_a_part_that_depends_on_the_parts_before_is_found() -> None:
    def write_part(
        self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> list[PrintFile]:
        refuse_z(pieces)
        self.before = getattr(self, "before", "") + f"{number}"
        written = [f"{line},{self.before}" for line in lines(pieces)]
        return [printed(folder / f"{number}.csv", written, len(pieces))]

    report = await check(batched(write_part=write_part))
    assert AGAIN in {finding.check for finding in report.failed}
    assert "nothing from the parts before" in str(report)


async def test_a_file_name_that_changes_is_found() -> None:
    names = count()

    def written(ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        return [printed(folder / f"{next(names)}.csv", lines(pieces), len(pieces))]

    assert_only_failed(await check(part(written)), AGAIN, "different names")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"records": 1}, "part 1: a file of 1 records for 2 pieces"),
        ({"records": 0}, "no file holds its 2 pieces"),
        ({"bytes": 1}, "size or SHA-256"),
        ({"sha256": ""}, "size or SHA-256"),
    ],
)
async def test_a_false_count_is_found(changes: dict[str, Any], told: str) -> None:
    def written(ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        return [printed(folder / f"{number}.csv", lines(pieces), len(pieces), changes)]

    report = await check(part(written))
    assert HOLDS in {finding.check for finding in report.failed}
    assert told in str(report)


async def test_a_second_part_written_over_the_first_is_found() -> None:
    def written(ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        return [printed(folder / "part.csv", lines(pieces), len(pieces))]

    report = await check(part(written))
    assert HOLDS in {finding.check for finding in report.failed}


async def test_a_file_left_lying_about_is_found() -> None:
    def written(ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        (folder / f"{number}.tmp").write_text("half")
        return [printed(folder / f"{number}.csv", lines(pieces), len(pieces))]

    report = await check(part(written))
    assert HOLDS in {finding.check for finding in report.failed}
    assert "2 files were left" in str(report)


async def test_pieces_counted_anew_in_each_part_are_found() -> None:
    def written(ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
        anew = [f"{at},{piece.message.name}" for at, piece in enumerate(pieces, start=1)]
        return [printed(folder / f"{number}.csv", anew, len(pieces))]

    assert_only_failed(await check(part(written)), NUMBERS, "do not count anew")


async def test_a_half_part_left_after_a_refusal_is_found() -> None:
    def write_part(
        self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> list[PrintFile]:
        half = printed(folder / f"{number}.csv", lines(pieces), len(pieces))
        refuse_z(pieces)
        return [half]

    assert_only_failed(await check(batched(write_part=write_part)), REFUSED, "1 files were left")


async def test_a_press_that_names_only_the_first_piece_it_cannot_print_is_found() -> None:
    def write_part(
        self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> list[PrintFile]:
        for piece in pieces:
            refuse_z([piece])
        return [printed(folder / f"{number}.csv", lines(pieces), len(pieces))]

    assert_only_failed(await check(batched(write_part=write_part)), REFUSED, "pieces 3 were refused")


async def test_a_refusal_that_counts_from_zero_is_found() -> None:
    def write_part(
        self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> list[PrintFile]:
        refuse_z(pieces, shift=-1)
        return [printed(folder / f"{number}.csv", lines(pieces), len(pieces))]

    assert_only_failed(await check(batched(write_part=write_part)), REFUSED, "pieces 2, 3 were refused")


async def test_a_press_that_prints_what_it_cannot_is_found() -> None:
    def write_part(
        self: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> list[PrintFile]:
        return [printed(folder / f"{number}.csv", lines(pieces), len(pieces))]

    assert_only_failed(await check(batched(write_part=write_part)), REFUSED, "was printed")


async def test_papers_that_do_not_add_up_are_found() -> None:
    def write_papers(
        self: Any, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> list[PrintFile]:
        return [printed(folder / "ticket.txt", [str(totals.printed)], 0)]

    assert_only_failed(await check(batched(write_papers=write_papers)), PAPERS, "lacks a part: raise Unbalanced")


async def test_papers_that_trust_the_totals_are_found() -> None:
    def write_papers(
        self: Any, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> list[PrintFile]:
        if len(parts) < 2:
            raise Unbalanced("a part is missing")
        return [printed(folder / "ticket.txt", [str(totals.printed)], 0)]

    assert_only_failed(await check(batched(write_papers=write_papers)), PAPERS, "totals that are not the parts'")


async def test_papers_left_behind_that_do_not_add_up_are_found() -> None:
    def write_papers(
        self: Any, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> Sequence[PrintFile]:
        (folder / "sums").write_text("half")
        return Press.write_papers(self, ticket, totals, parts, folder)

    assert_only_failed(await check(batched(write_papers=write_papers)), PAPERS, "left in the folder")


async def test_papers_with_the_time_of_day_are_found() -> None:
    def told(self: Any, ticket: BatchTicket, rows: list[list[str]]) -> list[str]:
        return [f"{datetime.now(UTC):%X}"]

    assert_only_failed(await check(batched(told=told)), AGAIN, "b-1-ticket.txt: the papers")


async def test_a_proof_under_another_name_is_found() -> None:
    def write_proof(self: Any, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        return printed(target.with_name("other.pdf"), ["%PDF-1.7"], len(pieces))

    assert_only_failed(await check(batched(write_proof=write_proof)), LOOKED_AT, "no PDF under the name")


async def test_a_picture_that_is_none_is_found() -> None:
    assert_only_failed(await check(batched(picture=lambda self, message: b"<svg/>")), LOOKED_AT, "no PNG")


async def test_a_press_that_sends_one_by_one_is_found() -> None:
    async def send(self: Any, batch: Sequence[Outbound]) -> AsyncIterator[Outcome]:
        for message in batch:
            yield Outcome.accepted(message)

    assert_only_failed(await check(batched(send=send)), "every_message_gets_exactly_one_outcome", "one by one")


async def test_a_batched_channel_without_a_ticket_to_try_it_with_is_told() -> None:
    report = await check(msgspec.structs.replace(batched(), ticket=None))
    assert_only_failed(report, "its_capabilities_make_sense", "`ticket`")


@pytest.mark.parametrize("missing", ["part_size", "write_part", "write_papers", "write_proof", "picture"])
async def test_a_batched_channel_that_lacks_a_method_has_not_the_shape_of_one(missing: str) -> None:
    lacking = {name: thing for name, thing in vars(Press).items() if name != missing and not name.startswith("__")}
    press = type("Lacking", (Quiet,), lacking)
    report = await check(msgspec.structs.replace(batched(), channel=press))
    assert f"a batched channel needs `{missing}`" in str(report)
