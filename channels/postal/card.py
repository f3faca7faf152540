"""What one piece shows: every string that is printed, checked to be printable."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct
from msgspec.structs import replace

from channels.postal.address import Incomplete, PostalAddress, address_lines, postal_address
from channels.postal.codes import MODULE_MM, Code, code_128, coupon_code, qr_text
from channels.postal.config import PostalConfig
from channels.postal.designs import BadDesign, Design, Designs, UnknownDesign
from channels.postal.geometry import Box
from channels.postal.text import lines, one_line
from channels.postal.typeface import Typeface
from channels.postal.words import language, last_day, words
from gateway.contract import CouponView, Outbound, Piece, Refusal

_BARS_MAX: Final = 30
"""More characters than this cannot fit any piece at 0.33 mm a module."""
_QR_MAX: Final = 300
"""More characters than this make modules too fine for paper."""


class Voucher(Struct, frozen=True, kw_only=True):
    """The coupon's part of a card. `until` is empty where it never ends."""

    code: Code
    qr: str
    """What the QR code holds."""
    kicker: str
    title: str
    until_label: str
    until: str
    scan: str


class Card(Struct, frozen=True, kw_only=True):
    """One piece, ready to be set in type."""

    sequence: int
    sequence_text: str
    lang: str
    locale: str
    design: Design
    headline: str
    body: str
    footer: str
    address: PostalAddress
    address_pt: float
    address_lines: list[str]
    """As printed; where the print shop writes the address, as it is told to."""
    voucher: Voucher | None
    is_specimen: bool = False
    """Marked as one across all its sides; its codes stay as they are."""
    is_seed: bool = False


class Refused(Exception):
    """Why one piece cannot be printed: a code for machines and a sentence that names no person."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(f"{code}: {detail}")
        self.code = code
        self.detail = detail


class Press:
    """Makes cards of pieces: the sender's settings, the designs and the typeface, which all pieces share."""

    def __init__(self, config: PostalConfig, designs: Designs, typeface: Typeface) -> None:
        self._config = config
        self._designs = designs
        self._typeface = typeface
        self._zone = ZoneInfo(config.time_zone)

    def cards(self, batch: str, pieces: Iterable[Piece]) -> tuple[list[Card], list[Refusal]]:
        """The cards of a part's pieces, and those pieces that cannot be printed; all cards have the first one's format.

        Codes: unknown-design, bad-design, other-format, address-incomplete, missing-glyph, footer-missing,
        code-unprintable, overflow (of the address; other texts show only when they are set).
        """
        cards: list[Card] = []
        refusals: list[Refusal] = []
        designs = _Once(self._designs)
        for piece in pieces:
            try:
                cards.append(self._card(batch, piece, designs))
            except Refused as refused:
                refusals.append(Refusal(sequence=piece.sequence, code=refused.code, detail=refused.detail))
        return cards, refusals

    def _card(self, batch: str, piece: Piece, designs: "_Once") -> Card:
        message = piece.message
        design = designs.of(message.parts.get("design", ""))
        address = _address(message)
        card = Card(
            sequence=piece.sequence,
            sequence_text=f"{batch} · {piece.sequence:06d}",
            lang=language(message.locale),
            locale=message.locale,
            design=design,
            headline=one_line(message.parts["headline"]),
            body=lines(message.parts["body"]),
            footer=_footer(message),
            address=address,
            address_pt=0,
            address_lines=self._lines(address, design),
            voucher=self._voucher(message, message.coupon, design) if message.coupon else None,
            is_specimen=message.is_test,
            is_seed=piece.is_seed,
        )
        self._refuse_missing_glyphs(card)
        return self._with_wrapped_address(card) if design.prints_address else card

    def _lines(self, address: PostalAddress, design: Design) -> list[str]:
        most = design.profile.lines
        return address_lines(address, self._config.sender_country, self._config.country_names, most)

    def _voucher(self, message: Outbound, coupon: CouponView, design: Design) -> Voucher:
        spoken = words(message.locale)
        voucher = Voucher(
            code=coupon_code(coupon.code),
            qr=qr_text(coupon),
            kicker=spoken.kicker,
            title=one_line(coupon.title),
            until_label=spoken.until if coupon.valid_until else "",
            until=last_day(coupon.valid_until, message.locale, self._zone) if coupon.valid_until else "",
            scan=spoken.scan,
        )
        blocks = design.layout.coupon[-1].blocks
        if "bars" in blocks:
            _refuse_bars(voucher.code, blocks["bars"].box)
        if len(voucher.qr) > _QR_MAX:
            raise Refused("code-unprintable", f"the QR code would hold more than {_QR_MAX} characters")
        return voucher

    def _refuse_missing_glyphs(self, card: Card) -> None:
        for what, text in _printed(card):
            if missing := self._typeface.missing(text):
                raise Refused("missing-glyph", f"{what}: {self._typeface.family} has no {missing}")

    def _with_wrapped_address(self, card: Card) -> Card:
        profile = card.design.profile
        wrapped = self._typeface.address_lines(card.address_lines, profile)
        if wrapped is None:
            width_mm = profile.address_lines.w_mm
            raise Refused(
                "overflow", f"address: more than {profile.lines} lines of {width_mm:g} mm, or too wide a word"
            )
        size_pt, printed = wrapped
        return replace(card, address_pt=size_pt, address_lines=printed)


class _Once:
    """The designs of one part: each is looked at once, and all have the first one's sheet."""

    def __init__(self, designs: Designs) -> None:
        self._designs = designs
        self._found: dict[str, Design | Refused] = {}
        self._first: Design | None = None

    def of(self, name: str) -> Design:
        name = one_line(name)
        if name not in self._found:
            self._found[name] = self._look(name)
        found = self._found[name]
        if isinstance(found, Refused):
            raise found
        self._first = self._first or found
        if found.layout.media != self._first.layout.media or found.layout.format != self._first.layout.format:
            raise Refused(
                "other-format",
                f"the design {found.name} is a {found.layout.format.name}, others of this batch are of the design "
                f"{self._first.name}: a batch has one format, all with crop marks or all without",
            )
        return found

    def _look(self, name: str) -> Design | Refused:
        try:
            return self._designs.of(name)
        except UnknownDesign as error:
            return Refused("unknown-design", str(error))
        except BadDesign as error:
            return Refused("bad-design", str(error))


def designs_of(cards: Sequence[Card]) -> list[Design]:
    """Each design of the cards once, in the order in which they come."""
    return list({card.design.name: card.design for card in cards}.values())


def _footer(message: Outbound) -> str:
    """The sender and the right to object (GDPR 13, 14 and 21(4)): no piece without them."""
    footer = lines(message.parts.get("footer", ""))
    if not footer:
        raise Refused("footer-missing", "the footer, which names the sender and the right to object, is empty")
    return footer


def _address(message: Outbound) -> PostalAddress:
    try:
        return postal_address(message.name, message.address.data)
    except Incomplete as error:
        raise Refused("address-incomplete", str(error)) from None


def _refuse_bars(code: Code, place: Box) -> None:
    if not (code.bare.isascii() and code.bare.isprintable() and code.bare and " " not in code.bare):
        raise Refused("code-unprintable", "a Code 128 here takes printable ASCII without spaces")
    if len(code.bare) > _BARS_MAX or code_128(code.bare).modules * MODULE_MM > place.w:
        raise Refused(
            "code-unprintable",
            f'too long for {place.w:g} mm of Code 128; a design with hide = ["bars"] shows the QR code alone',
        )


def _printed(card: Card) -> Iterator[tuple[str, str]]:
    if card.design.prints_address:
        yield "addressee", card.address.addressee
        for line in card.address_lines:
            yield "address", line
    yield "headline", card.headline
    yield "body", card.body
    yield "footer", card.footer
    if card.voucher:
        yield "offer title", card.voucher.title
        yield "coupon code", card.voucher.code.shown
