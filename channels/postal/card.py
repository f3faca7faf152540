"""What one card shows: every string that is printed, checked to be printable."""

from collections.abc import Iterable
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from channels.postal.address import Incomplete, PostalAddress, address_lines, postal_address
from channels.postal.codes import MODULE_MM, Code, code_128, coupon_code
from channels.postal.config import PostalConfig
from channels.postal.geometry import CardLayout
from channels.postal.text import lines, one_line
from channels.postal.typeface import Typeface
from channels.postal.words import language, last_day, words
from gateway.contract import BatchTicket, CouponView, Outbound, Piece, PieceRefused

_BARS_MAX: Final = 30
"""More characters than this cannot fit the widest card at 0.33 mm a module."""


class Voucher(Struct, frozen=True, kw_only=True):
    """The coupon's part of a card. `until` is empty where it never ends."""

    code: Code
    kicker: str
    title: str
    until_label: str
    until: str
    scan: str


class Card(Struct, frozen=True, kw_only=True):
    """One card, ready to be set in type."""

    sequence: int
    sequence_text: str
    lang: str
    locale: str
    headline: str
    body: str
    footer: str
    address: PostalAddress
    address_pt: float
    address_lines: list[str]
    voucher: Voucher | None


class Press:
    """Makes cards of pieces: the sender's settings, the layout and the typeface, which all pieces share."""

    def __init__(self, config: PostalConfig, layout: CardLayout, typeface: Typeface) -> None:
        self._config = config
        self._layout = layout
        self._typeface = typeface
        self._zone = ZoneInfo(config.time_zone)

    def card(self, ticket: BatchTicket, piece: Piece) -> Card:
        """The card of a piece. Raises PieceRefused: address-incomplete, missing-glyph, overflow, code-unprintable."""
        message = piece.message
        address = self._address(piece)
        card = Card(
            sequence=piece.sequence,
            sequence_text=f"{ticket.id} · {piece.sequence:06d}",
            lang=language(message.locale),
            locale=message.locale,
            headline=one_line(message.parts["headline"]),
            body=lines(message.parts["body"]),
            footer=lines(message.parts["footer"]),
            address=address,
            address_pt=0,
            address_lines=address_lines(address, self._config.sender_country, self._config.country_names),
            voucher=self._voucher(piece, message.coupon) if message.coupon else None,
        )
        self._refuse_missing_glyphs(card)
        return self._with_wrapped_address(card)

    def _address(self, piece: Piece) -> PostalAddress:
        message: Outbound = piece.message
        try:
            return postal_address(message.name, message.address.data)
        except Incomplete as error:
            raise PieceRefused(piece.sequence, "address-incomplete", str(error)) from None

    def _voucher(self, piece: Piece, coupon: CouponView) -> Voucher:
        spoken = words(piece.message.locale)
        code = coupon_code(coupon.code)
        self._refuse_unprintable(piece.sequence, code)
        return Voucher(
            code=code,
            kicker=spoken.kicker,
            title=one_line(coupon.title),
            until_label=spoken.until if coupon.valid_until else "",
            until=last_day(coupon.valid_until, piece.message.locale, self._zone) if coupon.valid_until else "",
            scan=spoken.scan,
        )

    def _refuse_unprintable(self, sequence: int, code: Code) -> None:
        if not (code.bare.isascii() and code.bare.isprintable() and code.bare and " " not in code.bare):
            raise PieceRefused(sequence, "code-unprintable", "a Code 128 here takes printable ASCII without spaces")
        if len(code.bare) > _BARS_MAX or code_128(code.bare).modules * MODULE_MM > self._layout.bars.w:
            raise PieceRefused(
                sequence, "code-unprintable", f"the code is too long for {self._layout.bars.w:g} mm of Code 128"
            )

    def _refuse_missing_glyphs(self, card: Card) -> None:
        for what, text in _printed(card):
            if missing := self._typeface.missing(text):
                raise PieceRefused(card.sequence, "missing-glyph", f"{what}: {self._typeface.family} has no {missing}")

    def _with_wrapped_address(self, card: Card) -> Card:
        wrapped = self._typeface.address_lines(card.address_lines, self._layout.address_lines)
        if wrapped is None:
            raise PieceRefused(
                card.sequence,
                "overflow",
                f"address: more than six lines of {self._layout.address.w:g} mm, or too wide a word",
            )
        size_pt, printed = wrapped
        return replace(card, address_pt=size_pt, address_lines=printed)


def _printed(card: Card) -> Iterable[tuple[str, str]]:
    yield "addressee", card.address.addressee
    for line in card.address_lines:
        yield "address", line
    yield "headline", card.headline
    yield "body", card.body
    yield "footer", card.footer
    if card.voucher:
        yield "offer title", card.voucher.title
        yield "coupon code", card.voucher.code.shown
