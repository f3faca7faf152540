"""Checks of channels that gather, and write a batch to files part by part. The case's messages make two parts."""

import asyncio
import hashlib
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from msgspec import Struct
from msgspec.structs import replace

from gateway.contract import (
    BatchTicket,
    BatchTotals,
    ChannelMisconfigured,
    Piece,
    PiecesRefused,
    PrintedPart,
    PrintFile,
    Unbalanced,
)
from gateway.testkit.case import Bench, Defect, NotApplicable, NotTried

T = TypeVar("T")

_PNG: Final = b"\x89PNG\r\n\x1a\n"


class Run(Struct, frozen=True, kw_only=True):
    """A batch to print: its pieces by part."""

    ticket: BatchTicket
    parts: Sequence[Sequence[Piece]]

    @property
    def totals(self) -> BatchTotals:
        count = sum(len(part) for part in self.parts)
        return BatchTotals(gathered=count + 2, printed=count, left_out={"no_consent": 2})


async def a_batch_is_made_again_byte_for_byte(bench: Bench) -> None:
    """By a channel that has just begun, as after a crash: it has not seen the parts before."""
    run, first, second = _run(bench), _new(bench, "first"), _new(bench, "second")
    channel = bench.build()
    parts = await _written(channel, run, first)
    papers = await _papers(channel, run, parts, first)
    await _next_second()
    channel = bench.build()
    backwards = replace(run, parts=list(reversed(run.parts)))
    again = list(reversed(await _written(channel, backwards, second, numbers=(2, 1))))
    for one, other in zip(parts, again, strict=True):
        _expect_same(f"part {one.number}", one.files, other.files)
    _expect_same("the papers", papers, await _papers(channel, run, again, second))


async def a_part_holds_its_pieces_and_no_others(bench: Bench) -> None:
    run, folder = _run(bench), _new(bench, "counted")
    parts = await _written(bench.build(), run, folder)
    for part, pieces in zip(parts, run.parts, strict=True):
        _expect_measured(part.files)
        if counts := {file.records for file in part.files} - {0, len(pieces)}:
            raise Defect(f"part {part.number}: a file of {min(counts)} records for {len(pieces)} pieces")
        if not any(file.records for file in part.files):
            raise Defect(f"part {part.number}: no file holds its {len(pieces)} pieces")
    _expect_only(folder, [file for part in parts for file in part.files])


async def a_part_keeps_the_numbers_of_its_pieces(bench: Bench) -> None:
    run, channel = _run(bench), bench.build()
    pieces = run.parts[1]
    later = [replace(piece, sequence=piece.sequence + 1000) for piece in pieces]
    here = await _write(channel, run.ticket, 2, pieces, _new(bench, "numbered"))
    there = await _write(channel, run.ticket, 2, later, _new(bench, "renumbered"))
    if all(_same(one, other) for one, other in zip(here, there, strict=True)):
        raise Defect("a part is the same whatever the numbers of its pieces: print `Piece.sequence`, do not count anew")


async def a_refused_piece_leaves_nothing_of_its_part(bench: Bench) -> None:
    run, channel = _run(bench), bench.build()
    if not bench.case.refused:
        raise NotTried("the case names no `refused` messages")
    folder, good = _new(bench, "refused"), run.parts[0]
    bad = [Piece(sequence=len(good) + at, message=each) for at, each in enumerate(bench.case.refused, start=1)]
    told = await _refused(channel, run.ticket, [*good, *bad], folder)
    if told != {piece.sequence for piece in bad}:
        numbers = ", ".join(map(str, sorted(told)))
        raise Defect(f"pieces {numbers} were refused; all that cannot be printed must be, at once, and no others")
    if left := _files(folder):
        raise Defect(f"{len(left)} files were left of a part that was refused")
    again = await _write(channel, run.ticket, 1, good, folder)
    clean = await _write(channel, run.ticket, 1, good, _new(bench, "clean"))
    for one, other in zip(again, clean, strict=True):
        if not _same(one, other):
            raise Defect(f"{one.path.name}: after a refusal the part is another one")


async def the_papers_add_up(bench: Bench) -> None:
    run, channel, folder = _run(bench), bench.build(), _new(bench, "papers")
    parts = await _written(channel, run, folder)
    await _expect_unbalanced(channel, run, parts[:1], folder, "papers were written for a batch that lacks a part")
    more = replace(run.totals, gathered=run.totals.gathered + 1, printed=run.totals.printed + 1)
    await _expect_unbalanced(
        channel, run, parts, folder, "papers were written over totals that are not the parts'", more
    )
    papers = await _papers(channel, run, parts, folder)
    _expect_measured(papers)
    for part in parts:
        _expect_measured(part.files)
    _expect_only(folder, [*papers, *(file for part in parts for file in part.files)])


async def a_proof_and_a_picture_can_be_looked_at(bench: Bench) -> None:
    run, channel = _run(bench), bench.build()
    target = _new(bench, "proof") / "proof.pdf"
    file = await _called(lambda: channel.write_proof(run.ticket, run.parts[0], target))
    _expect_inside(file, target.parent)
    _expect_measured([file])
    if file.path != target or not target.read_bytes().startswith(b"%PDF-"):
        raise Defect("the proof is no PDF under the name that was asked for")
    picture = await _called(lambda: channel.picture(run.parts[0][0].message))
    if not isinstance(picture, bytes) or not picture.startswith(_PNG):
        raise Defect("the picture is no PNG")


def _run(bench: Bench) -> Run:
    if not bench.capabilities.batched:
        raise NotApplicable("the channel is not batched")
    if bench.case.ticket is None:
        raise NotTried("the case names no `ticket`")
    pieces = [Piece(sequence=number, message=message) for number, message in enumerate(bench.case.messages, start=1)]
    middle = (len(pieces) + 1) // 2
    return Run(ticket=bench.case.ticket, parts=[pieces[:middle], pieces[middle:]])


def _new(bench: Bench, name: str) -> Path:
    folder = bench.folder / name
    folder.mkdir()
    return folder


async def _written(channel: Any, run: Run, folder: Path, numbers: Sequence[int] = (1, 2)) -> list[PrintedPart]:
    parts = []
    for number, pieces in zip(numbers, run.parts, strict=True):
        files = await _write(channel, run.ticket, number, pieces, folder)
        first, last = pieces[0].sequence, pieces[-1].sequence
        parts.append(PrintedPart(number=number, first_sequence=first, last_sequence=last, files=tuple(files)))
    return parts


async def _write(
    channel: Any, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
) -> list[PrintFile]:
    if len(pieces) > channel.part_size:
        raise NotTried(f"the case has more than {2 * channel.part_size} messages, too many for two parts")
    files = list(await _called(lambda: channel.write_part(ticket, number, pieces, folder)))
    for file in files:
        _expect_inside(file, folder)
    return files


async def _papers(channel: Any, run: Run, parts: Sequence[PrintedPart], folder: Path) -> list[PrintFile]:
    files = list(await _called(lambda: channel.write_papers(run.ticket, run.totals, parts, folder)))
    for file in files:
        _expect_inside(file, folder)
    return files


async def _called(work: Callable[[], T]) -> T:
    """What the channel gives, in a thread as in the gateway."""
    try:
        return await asyncio.to_thread(work)
    except PiecesRefused as refused:
        raise Defect(f"refused, although the case says that it can be printed: {refused}") from refused
    except Unbalanced as fault:
        raise Defect(f"the papers do not add up, although all parts are there: {fault}") from fault
    except ChannelMisconfigured as failure:
        raise Defect(f"it says that it is set up wrong: {failure}") from failure


async def _refused(channel: Any, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> set[int]:
    try:
        await asyncio.to_thread(channel.write_part, ticket, 1, pieces, folder)
    except PiecesRefused as refused:
        return {each.sequence for each in refused.refusals}
    raise Defect("a piece that cannot be printed was printed")


async def _expect_unbalanced(
    channel: Any, run: Run, parts: Sequence[PrintedPart], folder: Path, defect: str, totals: BatchTotals | None = None
) -> None:
    before = _files(folder)
    try:
        await asyncio.to_thread(channel.write_papers, run.ticket, totals or run.totals, parts, folder)
    except Unbalanced:
        if _files(folder) != before:
            raise Defect("papers that do not add up were left in the folder") from None
        return
    raise Defect(f"{defect}: raise Unbalanced")


def _expect_same(what: str, files: Sequence[PrintFile], again: Sequence[PrintFile]) -> None:
    if [file.path.name for file in files] != [file.path.name for file in again]:
        raise Defect(f"{what}, made twice, gave files of different names")
    for one, other in zip(files, again, strict=True):
        if not _same(one, other):
            raise Defect(
                f"{one.path.name}: {what}, made twice, differ: take all times from the ticket, "
                "and nothing from the parts before"
            )


async def _next_second() -> None:
    """Until the clock shows another second, so that a timestamp of whole seconds would show in the files."""
    await asyncio.sleep(1.01 - time.time() % 1)


def _same(one: PrintFile, other: PrintFile) -> bool:
    return one.path.read_bytes() == other.path.read_bytes()


def _expect_measured(files: Sequence[PrintFile]) -> None:
    for file in files:
        content = file.path.read_bytes()
        if (file.bytes, file.sha256) != (len(content), hashlib.sha256(content).hexdigest()):
            raise Defect(f"{file.path.name}: its size or SHA-256 is not what the channel says")


def _expect_only(folder: Path, named: Sequence[PrintFile]) -> None:
    if extra := _files(folder) - {file.path for file in named}:
        raise Defect(f"{len(extra)} files were left in the folder that the channel does not name")


def _files(folder: Path) -> set[Path]:
    return {path for path in folder.rglob("*") if path.is_file()}


def _expect_inside(file: Any, folder: Path) -> None:
    if not isinstance(file, PrintFile):
        raise Defect(f"it gave a {type(file).__name__}, not a PrintFile")
    if not file.path.is_file() or not file.path.resolve().is_relative_to(folder.resolve()):
        raise Defect(f"{file.path.name}: not a file in the batch's folder")
