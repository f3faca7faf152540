"""Checks of `export`, for channels that gather and write files."""

import asyncio
import hashlib
from collections import Counter
from pathlib import Path
from typing import Any

from gateway.contract import BatchTicket, Piece, PrintFile
from gateway.testkit.case import Bench, Defect, NotApplicable, NotTried


async def an_export_is_deterministic(bench: Bench) -> None:
    first = await _export(bench, "first")
    # long enough for a timestamp of whole seconds to show in the files
    await asyncio.sleep(1.1)
    second = await _export(bench, "second")
    if [file.path.name for file in first] != [file.path.name for file in second]:
        raise Defect("two exports of the same batch gave files of different names")
    for one, other in zip(first, second, strict=True):
        if one.path.read_bytes() != other.path.read_bytes():
            raise Defect(f"{one.path.name}: two exports of the same batch differ: take all times from the ticket")


async def an_export_counts_its_records(bench: Bench) -> None:
    files = await _export(bench, "counted")
    for file in files:
        content = file.path.read_bytes()
        if (file.bytes, file.sha256) != (len(content), hashlib.sha256(content).hexdigest()):
            raise Defect(f"{file.path.name}: its size or SHA-256 is not what the export says")
    _compare_counts(files, len(bench.case.messages))
    folder = bench.folder / "counted"
    extra = {path for path in folder.rglob("*") if path.is_file()} - {file.path for file in files}
    if extra:
        raise Defect(f"{len(extra)} files were left in the folder that the export does not name")


def _compare_counts(files: list[PrintFile], pieces: int) -> None:
    counts: Counter[str] = Counter()
    for file in files:
        counts[file.media_type] += file.records
    for media_type, records in counts.items():
        if records not in (0, pieces):
            raise Defect(f"the files of {media_type} count {records} records for {pieces} pieces")
    if pieces not in counts.values():
        raise Defect(f"no kind of file holds all {pieces} pieces")


async def _export(bench: Bench, name: str) -> list[PrintFile]:
    ticket, pieces = _batch(bench)
    folder = bench.folder / name
    folder.mkdir()
    channel = bench.build()
    files = list(await asyncio.to_thread(channel.export, ticket, pieces, folder))
    for file in files:
        _assert_inside(file, folder)
    return files


def _batch(bench: Bench) -> tuple[BatchTicket, list[Piece]]:
    if not bench.capabilities.batched:
        raise NotApplicable("the channel is not batched")
    if bench.case.ticket is None:
        raise NotTried("the case names no `ticket`")
    pieces = [Piece(sequence=number, message=message) for number, message in enumerate(bench.case.messages, start=1)]
    return bench.case.ticket, pieces


def _assert_inside(file: Any, folder: Path) -> None:
    if not isinstance(file, PrintFile):
        raise Defect(f"`export` returned a {type(file).__name__}, not a PrintFile")
    if not file.path.is_file() or not file.path.resolve().is_relative_to(folder.resolve()):
        raise Defect(f"{file.path.name}: not a file in the batch's folder")
