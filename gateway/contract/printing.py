"""What a channel on paper is handed, the files it makes, and the door between the two.

A batch is written part by part. Each part is sealed when it is written: its pieces keep their numbers, so that a run
that was broken off goes on behind its last part, and a part that was lost can be made again, byte for byte.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from pathlib import Path
from typing import Protocol

from msgspec import Struct

from gateway.contract.channel import Channel
from gateway.contract.message import Outbound


class Piece(Struct, frozen=True, kw_only=True):
    """One printed piece of a batch. `sequence` starts at 1 in the first part and has no gaps over all parts."""

    sequence: int
    message: Outbound
    is_seed: bool = False
    """Goes to the sender's own house, to see what the post makes of the run. Its coupon is a specimen."""


class BatchTicket(Struct, frozen=True, kw_only=True):
    """What the print shop must know of a batch, and all that makes a rendering reproducible."""

    id: str
    job_name: str
    mailing_on: date
    created_at: datetime
    """The timestamp written into the files: the same ticket and pieces give the same bytes."""
    cut_off_at: datetime | None = None
    """When the batch was closed: nothing came in later."""


class BatchTotals(Struct, frozen=True, kw_only=True):
    """The control totals: `gathered` is `printed` and all that `left_out` counts by reason; seeds come on top."""

    gathered: int
    printed: int
    seeds: int = 0
    left_out: Mapping[str, int] = {}


class PrintFile(Struct, frozen=True, kw_only=True):
    """A file that an export wrote. `records` counts the pieces in it, 0 for papers about the batch."""

    path: Path
    media_type: str
    records: int
    sha256: str
    bytes: int


class PrintedPart(Struct, frozen=True, kw_only=True):
    """A part that was written and sealed. `files` are those that `write_part` gave."""

    number: int
    first_sequence: int
    last_sequence: int
    files: tuple[PrintFile, ...]


class Refusal(Struct, frozen=True, kw_only=True):
    """A piece that cannot be printed: which, a code for machines, and why. The text names no address."""

    sequence: int
    code: str
    detail: str


class PiecesRefused(Exception):
    """Some pieces of a part cannot be printed; nothing of the part counts. `refusals` names all that were found."""

    def __init__(self, refusals: Sequence[Refusal]) -> None:
        super().__init__("; ".join(f"piece {each.sequence}: {each.code}: {each.detail}" for each in refusals))
        self.refusals = tuple(refusals)


class Unbalanced(ValueError):
    """The papers of a batch do not add up. The text says which figures, and names no person."""


class BatchChannel(Channel, Protocol):
    """A channel whose sends are gathered into batches and written to files. Its methods block; they run in threads."""

    @property
    def part_size(self) -> int:
        """The most pieces that `write_part` takes."""
        ...

    def write_part(
        self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> Sequence[PrintFile]:
        """Write part `number` (from 1) into `folder`: files of the part alone, whole or not at all.

        Deterministic: the same ticket, number and pieces give the same bytes, in whatever process. Raises
        PiecesRefused with every piece that cannot be printed.
        """
        ...

    def write_papers(
        self, ticket: BatchTicket, totals: BatchTotals, parts: Sequence[PrintedPart], folder: Path
    ) -> Sequence[PrintFile]:
        """Write what goes with the parts of the whole batch: manifest, job ticket, checksums.

        All from the parts' own files, read again: what the papers say is what is printed. Raises Unbalanced where
        they do not add up to `totals`.
        """
        ...

    def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        """One PDF to look at and sign: the pieces as they will be, each marked as a specimen. Raises PiecesRefused."""
        ...

    def picture(self, message: Outbound) -> bytes:
        """All sides of one piece as a PNG picture, for the screen. Raises PiecesRefused."""
        ...
