"""A part of a batch, and the proof: pieces checked, set in type, finished, and written with their rows."""

import os
import re
from collections.abc import Sequence
from datetime import UTC, datetime
from itertools import chain, count
from pathlib import Path
from typing import Final

from msgspec.structs import replace

from channels.postal import designs
from channels.postal.card import Card, Press, designs_of
from channels.postal.config import PostalConfig
from channels.postal.designs import Designs
from channels.postal.finish import Finish, finish
from channels.postal.hands import in_type
from channels.postal.icc import output_intent
from channels.postal.imprint import Imprint, look_of, mark, sheet_of
from channels.postal.manifest import Row, write_csv
from channels.postal.shelf import Shelf
from channels.postal.typeface import Typeface
from channels.postal.typeset import Typesetter
from gateway.contract import BatchTicket, Outbound, Piece, PiecesRefused, PrintFile, Refusal

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}")
_HANDS: Final = 2
"""Typesetters at work at once: more would wait for the pass that joins their pages."""
_LONG_AGO: Final = datetime(2000, 1, 1, tzinfo=UTC)


class PressRoom:
    """What parts and proofs are made with. Raises ChannelMisconfigured where the configuration cannot print."""

    def __init__(self, config: PostalConfig, known: Designs) -> None:
        self._config = config
        self._typeface = Typeface.load()
        self._press = Press(config, known, self._typeface)

    def check(self) -> None:
        """Raise ChannelMisconfigured where the sender's lines, the channel's design or the colours cannot be used."""
        designs.check(self._config)
        output_intent(self._config.order)

    def write_part(
        self, ticket: BatchTicket, number: int, pieces: Sequence[Piece], folder: Path
    ) -> Sequence[PrintFile]:
        """See `PostalChannel.write_part`."""
        _check_ticket(ticket)
        _check_numbers(number, pieces, self._config.records_per_part)
        cards = self._cards(ticket, pieces)
        name = f"{ticket.id}_part{number:04d}"
        with Shelf(folder) as shelf:
            shelf.add(
                f"{name}.pdf",
                "application/pdf",
                lambda target: self._print(ticket, name, cards, target, imprint=_imprint(cards, pieces)),
                records=len(cards),
            )
            rows = (_row(number, at, card, piece) for at, card, piece in zip(count(1), cards, pieces, strict=False))
            shelf.add(
                f"{name}.csv",
                "text/csv; charset=utf-8",
                lambda target: write_csv((row.cells for row in rows), self._config.csv_delimiter, target),
                records=len(cards),
            )
            return shelf.publish()

    def write_proof(self, ticket: BatchTicket, pieces: Sequence[Piece], target: Path) -> PrintFile:
        """See `PostalChannel.write_proof`."""
        _check_ticket(ticket)
        cards = self._cards(ticket, [replace(piece, message=_specimen(piece.message)) for piece in pieces])
        with Shelf(target.parent) as shelf:
            shelf.add(
                target.name,
                "application/pdf",
                lambda hidden: self._print(ticket, f"{ticket.id}_proof", cards, hidden),
                records=len(cards),
            )
            [file] = shelf.publish()
            return file

    def picture(self, message: Outbound) -> bytes:
        """See `PostalChannel.picture`."""
        cards, refusals = self._press.cards("", [Piece(sequence=1, message=message)])
        if refusals:
            raise PiecesRefused(refusals)
        return Typesetter(self._config, self._typeface, cards, _LONG_AGO).picture(cards[0])

    def _cards(self, ticket: BatchTicket, pieces: Sequence[Piece]) -> list[Card]:
        """A card for each piece. Raises PiecesRefused with all that cannot be printed, those that overflow too."""
        cards, refusals = self._press.cards(ticket.id, pieces)
        refusals += _repeated(cards, pieces)
        if refusals:
            refusals += self._overflowing(ticket, cards)
            raise PiecesRefused(sorted(refusals, key=lambda each: each.sequence))
        for design in designs_of(cards):
            self._typeface.check_sender(self._config, design)
        return cards

    def _overflowing(self, ticket: BatchTicket, cards: Sequence[Card]) -> Sequence[Refusal]:
        """What else is to be refused: it shows only when the cards are set."""
        if not cards:
            return ()
        try:
            for _ in in_type(self._hands(ticket, cards), cards):
                pass
        except PiecesRefused as refused:
            return refused.refusals
        return ()

    def _print(
        self, ticket: BatchTicket, title: str, cards: Sequence[Card], target: Path, *, imprint: bytes = b""
    ) -> None:
        hands = self._hands(ticket, cards)
        how = Finish(
            title=title,
            created_at=ticket.created_at,
            bleed=hands[0].layout.bleed,
            trim=hands[0].layout.trim,
            stationery=hands[0].stationery(),
            intent=output_intent(self._config.order),
            imprint=imprint,
        )
        sheets = list(chain.from_iterable(map(hands[0].underlays, cards)))
        finish(in_type(hands, cards), sheets, how, target)

    def _hands(self, ticket: BatchTicket, cards: Sequence[Card]) -> list[Typesetter]:
        hands = min(_HANDS, os.cpu_count() or 1)
        return [Typesetter(self._config, self._typeface, cards, ticket.created_at) for _ in range(hands)]


def _check_ticket(ticket: BatchTicket) -> None:
    if not _NAME.fullmatch(ticket.id):
        raise ValueError(f"batch id {ticket.id!r}: it names files, so letters, digits, - and _ only")
    if ticket.created_at.tzinfo is None:
        raise ValueError(f"batch {ticket.id}: created_at has no time zone")


def _check_numbers(number: int, pieces: Sequence[Piece], limit: int) -> None:
    if not 1 <= number <= 9999:
        raise ValueError(f"part {number}: parts are numbered from 1 to 9999")
    if not 1 <= len(pieces) <= limit:
        raise ValueError(f"part {number}: {len(pieces)} pieces, from 1 to {limit} belong into a part")
    if pieces[0].sequence < 1 or (number == 1) != (pieces[0].sequence == 1):
        raise ValueError(f"part {number}: its first piece has the number {pieces[0].sequence}")
    for expected, piece in zip(count(pieces[0].sequence), pieces, strict=False):
        if piece.sequence != expected:
            raise ValueError(f"part {number}: piece {piece.sequence} stands where {expected} belongs")


def _repeated(cards: Sequence[Card], pieces: Sequence[Piece]) -> list[Refusal]:
    """Pieces whose code another in the part has too. Specimens may share theirs: it buys nothing."""
    specimens = {piece.sequence for piece in pieces if _is_specimen(piece)}
    seen: dict[str, int] = {}
    refusals = []
    for card in cards:
        if card.voucher is None or card.sequence in specimens:
            continue
        first = seen.setdefault(card.voucher.code.bare, card.sequence)
        if first != card.sequence:
            detail = f"piece {first} has the same coupon code"
            refusals.append(Refusal(sequence=card.sequence, code="duplicate-code", detail=detail))
    return refusals


def _is_specimen(piece: Piece) -> bool:
    return piece.is_seed or piece.message.is_test


def _specimen(message: Outbound) -> Outbound:
    return replace(message, is_test=True)


def _imprint(cards: Sequence[Card], pieces: Sequence[Piece]) -> bytes:
    looks = designs_of(cards)
    own = (
        card.voucher.code.bare if card.voucher and not _is_specimen(piece) else None
        for card, piece in zip(cards, pieces, strict=True)
    )
    return Imprint(
        sheet=sheet_of(looks[0].layout),
        looks=[look_of(design) for design in looks],
        marks=b"".join(map(mark, own)),
    ).encoded()


def _row(part: int, at: int, card: Card, piece: Piece) -> Row:
    place, pages = card.address, card.design.layout.format.sides
    return Row(
        seq=card.sequence,
        part=part,
        page_in_part=(at - 1) * pages + 1,
        record_no=at,
        code_last4=card.voucher.code.bare[-4:] if card.voucher else "",
        address_lines=card.address_lines,
        postcode=place.postcode,
        city=place.city,
        country=place.country,
        lang=card.lang,
        is_seed=piece.is_seed,
    )
