"""Cards into PDF pages, with Typst and the template `card.typ`.

Texts travel as JSON and are shown as strings: nothing in them is ever read as markup. The compiler sees no fonts but
ours, no packages, and of all files only a design's art.
"""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from importlib.resources import files
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final, Literal, cast

import typst
from msgspec import Struct, json

from channels.postal.card import Card, Voucher, designs_of
from channels.postal.codes import MODULE_MM, code_128, qr_code
from channels.postal.config import PostalConfig
from channels.postal.designs import Design
from channels.postal.geometry import BARS_QUIET_MM
from channels.postal.layout import Layout
from channels.postal.typeface import RETURN_LINE_PT, Typeface, folder
from gateway.contract import PiecesRefused, Refusal

CHUNK: Final = 100
"""Cards per compilation: memory grows with this, not with the batch."""
_EMPTY_COMPILATIONS: Final = 5
PICTURE_PPI: Final = 120

_OVERFLOWS: Final = re.compile(r"overflow: ((?:\d+ \w+;?)+)\.")
_NOWHERE: Final = "/nonexistent"
"""Where the compiler looks for packages: a design needs none, and none is fetched."""


class _Kind(Struct, frozen=True, kw_only=True):
    """What the stationery of a card depends on."""

    design: int
    variant: Literal["coupon", "plain"]
    is_specimen: bool


class Typesetter:
    """Sets the cards of one part, or of a proof; all have one format."""

    def __init__(self, config: PostalConfig, typeface: Typeface, cards: Sequence[Card], created_at: datetime) -> None:
        self._designs = designs_of(cards)
        self._numbers = {design.name: number for number, design in enumerate(self._designs)}
        self._kinds = list(dict.fromkeys(map(self._kind, cards)))
        self._timestamp_s = int(created_at.timestamp())
        self._template = files("channels.postal").joinpath("card.typ").read_bytes()
        self._frame = json.encode(_frame(config, self._designs, self._kinds, typeface)).decode()
        self._compiler = _compiler()

    @property
    def layout(self) -> Layout:
        """The sheet of all cards: its boxes are those of every page."""
        return self._designs[0].layout

    @property
    def pages_per_record(self) -> int:
        return self.layout.format.sides

    def stationery(self) -> bytes:
        """What cards share, as a PDF: all sides of each kind of card that there is."""
        return cast(bytes, self._with_art(format="pdf", sheet="stationery"))

    def underlays(self, card: Card) -> tuple[int, ...]:
        """Which page of the stationery, from 0, lies under each page of a card."""
        first = self._kinds.index(self._kind(card)) * self.pages_per_record
        return tuple(range(first, first + self.pages_per_record))

    def pdfs(self, cards: Sequence[Card]) -> Iterator[bytes]:
        """The cards as PDFs of `CHUNK` cards, the last of fewer; a card's pages stand together, front first.

        Raises PiecesRefused at the end where texts are too long for their places, with all of them.
        """
        remaining = iter(cards)
        refusals: list[Refusal] = []
        while chunk := list(islice(remaining, CHUNK)):
            try:
                pdf = self._pdf(chunk)
            except PiecesRefused as refused:
                refusals += refused.refusals
            else:
                yield pdf
        if refusals:
            raise PiecesRefused(refusals)

    def picture(self, card: Card) -> bytes:
        """All sides of a card beside each other, cut, as a PNG. Raises PiecesRefused."""
        with _overflow_refused():
            pages = self._with_art(format="png", ppi=PICTURE_PPI, sheet="picture", pieces=self._written([card]))
        return pages[0] if isinstance(pages, list) else pages

    def _kind(self, card: Card) -> _Kind:
        variant: Literal["coupon", "plain"] = "coupon" if card.voucher else "plain"
        return _Kind(design=self._numbers[card.design.name], variant=variant, is_specimen=card.is_specimen)

    def _pdf(self, chunk: Sequence[Card]) -> bytes:
        try:
            with _overflow_refused():
                return cast(bytes, self._compiled(format="pdf", sheet="cards", pieces=self._written(chunk)))
        finally:
            self._forget()

    def _forget(self) -> None:
        """Have the compiler drop what it keeps of the last chunk, 140 MB in all: it does so by the number of
        compilations since it was used, and those of nothing take no time."""
        for _ in range(_EMPTY_COMPILATIONS):
            self._compiler.compile(input=b"", format="pdf")

    def _with_art(self, **wanted: Any) -> bytes | list[bytes]:
        """Compiled where the designs' art can be seen, and nothing else."""
        with TemporaryDirectory() as root:
            for number, design in enumerate(self._designs):
                if design.art:
                    (Path(root) / _art_name(number)).write_bytes(design.art.pdf)
            return self._compiled(root=root, **wanted)

    def _compiled(
        self, *, format: Literal["pdf", "png"], ppi: float | None = None, root: str | None = None, **inputs: str
    ) -> bytes | list[bytes]:
        made = self._compiler.compile(
            input=self._template,
            format=format,
            ppi=ppi,
            root=root,
            sys_inputs={"frame": self._frame, **inputs},
            timestamp=self._timestamp_s,
            pdf_tags=False,
        )
        return cast("bytes | list[bytes]", made)

    def _written(self, cards: Sequence[Card]) -> str:
        return json.encode([self._shown(card) for card in cards]).decode()

    def _shown(self, card: Card) -> dict[str, Any]:
        """What the template reads of a card."""
        shown: dict[str, Any] = {
            "sequence": card.sequence,
            "design": self._numbers[card.design.name],
            "variant": "coupon" if card.voucher else "plain",
            "lang": card.lang,
            "is_specimen": card.is_specimen,
            "address_pt": card.address_pt,
            "address_lines": card.address_lines,
            "texts": {
                "headline": card.headline,
                "body": card.body,
                "footer": card.footer,
                "sequence": card.sequence_text,
            },
        }
        if voucher := card.voucher:
            shown["texts"] |= {
                "title": voucher.title,
                "benefit": voucher.title,
                "kicker": voucher.kicker,
                "scan": voucher.scan,
                "code": voucher.code.shown,
            }
            shown |= {"until_label": voucher.until_label, "until": voucher.until} | _machine_codes(card, voucher)
        return shown


def _machine_codes(card: Card, voucher: Voucher) -> dict[str, Any]:
    blocks = card.design.layout.coupon[-1].blocks
    outline = card.design.layout.coupon[-1].outline
    drawn: dict[str, Any] = {"on_tint": outline is not None and outline.perforation_x is not None}
    if "qr" in blocks:
        drawn["qr"] = qr_code(voucher.qr).pdf
    if "bars" in blocks:
        bars = code_128(voucher.code.bare)
        drawn |= {"bars": bars.pdf, "bars_w_mm": bars.modules * MODULE_MM}
    return drawn


@contextmanager
def _overflow_refused() -> Iterator[None]:
    """The template's word of texts that fit nowhere as the refusals of their pieces."""
    try:
        yield
    except typst.TypstError as error:
        if not (found := _OVERFLOWS.search(str(error))):
            raise
        named: dict[int, list[str]] = {}
        for each in found[1].split(";"):
            sequence, _, part = each.partition(" ")
            named.setdefault(int(sequence), []).append(part)
        refusals = [
            Refusal(sequence=sequence, code="overflow", detail=f"{', '.join(parts)}: {_TOO_LONG}")
            for sequence, parts in named.items()
        ]
        raise PiecesRefused(refusals) from None


_TOO_LONG: Final = "too long for its place, even at the smallest size"


def _compiler() -> typst.Compiler:
    fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder())])
    return typst.Compiler(font_paths=fonts, package_path=_NOWHERE, package_cache_path=_NOWHERE)


def _art_name(number: int) -> str:
    return f"art-{number}.pdf"


def _frame(
    config: PostalConfig, designs: Sequence[Design], kinds: Sequence[_Kind], typeface: Typeface
) -> dict[str, Any]:
    """What the template reads once: the same for all cards of a part."""
    layout = designs[0].layout
    return {
        "media": layout.media,
        "trim": layout.trim,
        "family": typeface.family,
        "brand": config.sender_name,
        "return_pt": RETURN_LINE_PT,
        "bars_quiet_mm": BARS_QUIET_MM,
        "stationery": kinds,
        "designs": [_seen(config, design, number, typeface) for number, design in enumerate(designs)],
    }


def _seen(config: PostalConfig, design: Design, number: int, typeface: Typeface) -> dict[str, Any]:
    return {
        "accent": design.accent_cmyk,
        "on_accent": _ink_on(design.accent_cmyk),
        "art": _art_name(number) if design.art else None,
        "brand_pt": typeface.brand_pt(config, design),
        "return_line": typeface.return_line(config.return_parts, design.profile.address_lines.w_mm),
        "crop_marks": design.layout.crop_marks,
        "coupon": design.layout.coupon,
        "plain": design.layout.plain,
    }


def _ink_on(accent: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Paper white on a dark panel, black on a light one."""
    cyan, magenta, yellow, black = (percent / 100 for percent in accent)
    brightness = (1 - black) * (1 - (0.3 * cyan + 0.59 * magenta + 0.11 * yellow))
    return (0, 0, 0, 0) if brightness < 0.65 else (0, 0, 0, 100)
