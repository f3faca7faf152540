"""The postal batch: exported, handed over, and read again as the print shop would."""

import asyncio
import csv
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import msgspec
import pikepdf
from msgspec import Struct

from gateway.demo.ledger import Piece
from gateway.demo.serving import GatewayFailed
from gateway.demo.shop import Batch, Shop

_POLL_S: Final = 0.1
_WITHIN_S: Final = 60.0


class Printed(Struct, frozen=True, kw_only=True):
    """What is in the print files: pages of the PDF parts, and the end of each code by sequence number.

    `sides` are the pages of one piece, as the job ticket says.
    """

    files: tuple[Path, ...]
    pages: int
    sides: int
    code_ends: dict[int, str]


class Mailing(Struct, frozen=True, kw_only=True):
    """A batch that was handed over. `pull` are the numbers of cards that are taken out before mailing."""

    batch: Batch
    printed: Printed
    pieces: Sequence[Piece]
    pull: frozenset[int]

    @property
    def mailed(self) -> list[Piece]:
        return [piece for piece in self.pieces if piece.sequence is not None and piece.sequence not in self.pull]


async def export(shop: Shop, batch: Batch) -> Batch:
    """Close the batch and wait for its files, which the gateway writes by itself."""
    await shop.close(batch.id)
    deadline_s = time.monotonic() + _WITHIN_S
    while time.monotonic() < deadline_s:
        found = await shop.batch(batch.id)
        if found.state == "exported":
            return found
        await asyncio.sleep(_POLL_S)
    raise GatewayFailed(f"batch {batch.id} was not exported within {_WITHIN_S:.0f} s")


def read_again(batch: Batch, prints: Path) -> Printed:
    folder = prints / batch.id
    files = tuple(folder / file.name for file in batch.files)
    [manifest] = [path for path in files if path.name.endswith("_manifest.csv")]
    [ticket] = [path for path in files if path.name.endswith("_jobticket.json")]
    return Printed(
        files=files,
        pages=sum(_pages(path) for path in files if path.suffix == ".pdf" and "_part" in path.name),
        sides=msgspec.json.decode(ticket.read_bytes())["format"]["pages_per_record"],
        code_ends=dict(_code_ends(manifest)),
    )


def _pages(path: Path) -> int:
    with pikepdf.open(path) as pdf:
        return len(pdf.pages)


def _code_ends(path: Path) -> list[tuple[int, str]]:
    with path.open(encoding="utf-8-sig", newline="") as lines:
        return [(int(row["seq"]), row["code_last4"]) for row in csv.DictReader(lines, delimiter=";")]
