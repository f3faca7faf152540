"""A batch from first to last: check every piece, set the parts, write the papers, put all in place."""

import hashlib
import os
import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Final, Self

from channels.postal.card import Card, Press
from channels.postal.config import PostalConfig
from channels.postal.finish import finish
from channels.postal.geometry import card_layout
from channels.postal.papers import PrintedPart, write_job_ticket, write_manifest, write_sums
from channels.postal.typeface import Typeface
from channels.postal.typeset import Typesetter
from gateway.contract import BatchTicket, Piece, PieceRefused, PrintFile

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")


def export(config: PostalConfig, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> list[PrintFile]:
    """See `PostalChannel.export`."""
    _check(ticket, pieces)
    layout, typeface = card_layout(config.address_profile), Typeface.load()
    typeface.check_sender(config, layout)
    press = Press(config, layout, typeface)
    cards = [press.card(ticket, piece) for piece in pieces]
    _refuse_repeated_codes(cards)
    typesetter = Typesetter(config, layout, typeface, ticket)
    with Shelf(folder) as shelf:
        parts = [
            _part(ticket, typesetter, number, part, shelf)
            for number, part in enumerate(_parts(cards, config.records_per_part), 1)
        ]
        _papers(config, ticket, parts, shelf)
        return shelf.publish()


def _check(ticket: BatchTicket, pieces: Sequence[Piece]) -> None:
    if not _NAME.fullmatch(ticket.id):
        raise ValueError(f"batch id {ticket.id!r}: it names files, so letters, digits, - and _ only")
    if ticket.created_at.tzinfo is None:
        raise ValueError(f"batch {ticket.id}: created_at has no time zone")
    if not pieces or len(pieces) != ticket.pieces:
        raise ValueError(f"batch {ticket.id}: the ticket says {ticket.pieces} pieces, got {len(pieces)}")
    for expected, piece in zip(count(1), pieces, strict=False):
        if piece.sequence != expected:
            raise ValueError(f"batch {ticket.id}: piece {piece.sequence} stands where {expected} belongs")


def _refuse_repeated_codes(cards: Sequence[Card]) -> None:
    seen: dict[str, int] = {}
    for card in cards:
        if card.voucher is None:
            continue
        first = seen.setdefault(card.voucher.code.bare, card.sequence)
        if first != card.sequence:
            raise PieceRefused(card.sequence, "duplicate-code", f"piece {first} has the same coupon code")


def _parts(cards: Sequence[Card], size: int) -> list[Sequence[Card]]:
    return [cards[start : start + size] for start in range(0, len(cards), size)]


def _part(
    ticket: BatchTicket, typesetter: Typesetter, number: int, cards: Sequence[Card], shelf: "Shelf"
) -> PrintedPart:
    name = f"{ticket.id}_part{number:04d}"
    pdfs, stationery = typesetter.pdfs(cards), typesetter.stationery()
    file = shelf.add(
        f"{name}.pdf",
        "application/pdf",
        lambda target: finish(cards, pdfs, stationery, ticket, name, target),
        records=len(cards),
    )
    return PrintedPart(number=number, file=file, cards=cards)


def _papers(config: PostalConfig, ticket: BatchTicket, parts: Sequence[PrintedPart], shelf: "Shelf") -> None:
    manifest = shelf.add(
        f"{ticket.id}_manifest.csv",
        "text/csv; charset=utf-8",
        lambda target: write_manifest(parts, config.csv_delimiter, target),
    )
    shelf.add(
        f"{ticket.id}_jobticket.json",
        "application/json",
        lambda target: write_job_ticket(ticket, config, parts, manifest, target),
    )
    written = shelf.files
    shelf.add(f"{ticket.id}_SHA256SUMS", "text/plain; charset=utf-8", lambda target: write_sums(written, target))


class Shelf:
    """A folder into which finished files are put all at once.

    Until `publish` they have hidden temporary names, so a crash leaves no half file under a
    final name; leaving the `with` without `publish` removes them.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._files: list[PrintFile] = []

    def __enter__(self) -> Self:
        self._folder.mkdir(parents=True, exist_ok=True)
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files:
            self._temporary(file.path).unlink(missing_ok=True)

    @property
    def files(self) -> list[PrintFile]:
        return list(self._files)

    def add(self, name: str, media_type: str, write: Callable[[Path], None], *, records: int = 0) -> PrintFile:
        """Have `write` fill a file; it gets its name at `publish`."""
        path = self._folder / name
        temporary = self._temporary(path)
        try:
            write(temporary)
            file = _measured(path, temporary, media_type, records)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        self._files.append(file)
        return file

    def publish(self) -> list[PrintFile]:
        """Give all files their names, in the order in which they were added."""
        for file in self._files:
            self._temporary(file.path).replace(file.path)
        with suppress(OSError):  # Windows does not open folders
            _sync(self._folder)
        return self.files

    @staticmethod
    def _temporary(path: Path) -> Path:
        return path.with_name(f".{path.name}.unfinished")


def _measured(path: Path, temporary: Path, media_type: str, records: int) -> PrintFile:
    _sync(temporary)
    with temporary.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return PrintFile(path=path, media_type=media_type, records=records, sha256=sha256, bytes=temporary.stat().st_size)


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
