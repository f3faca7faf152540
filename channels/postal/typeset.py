"""Cards into PDF pages, with Typst and the template `card.typ`.

Texts travel as JSON and are shown as strings: nothing in them is ever read as markup.
"""

import re
from collections.abc import Iterator, Sequence
from importlib.resources import files
from itertools import islice
from typing import Any, Final, cast

import typst
from msgspec import json

from channels.postal.card import Card
from channels.postal.codes import MODULE_MM, code_128, qr_code, redeem_url
from channels.postal.config import PostalConfig
from channels.postal.geometry import BARS_QUIET_MM, BLEED_MM, TRIM_H_MM, TRIM_W_MM, CardLayout
from channels.postal.typeface import BRAND_PT, RETURN_LINE_PT, Typeface, folder
from gateway.contract import BatchTicket, PieceRefused

CHUNK: Final = 100
"""Pages per compilation. The compiler keeps its last ten results: memory grows with this, not with the batch."""

_OVERFLOW: Final = re.compile(r"overflow (\d+) ([a-z]+)")


class Typesetter:
    """Sets chunks of cards; one per export."""

    def __init__(self, config: PostalConfig, layout: CardLayout, typeface: Typeface, ticket: BatchTicket) -> None:
        self._qr_base_url = config.qr_base_url
        self._timestamp_s = int(ticket.created_at.timestamp())
        self._template = files("channels.postal").joinpath("card.typ").read_bytes()
        self._frame = json.encode(_frame(config, layout, typeface)).decode()
        fonts = typst.Fonts(include_system_fonts=False, include_embedded_fonts=False, font_paths=[str(folder())])
        self._compiler = typst.Compiler(font_paths=fonts)

    def stationery(self) -> bytes:
        """What all cards share, as a PDF of two pages: with a coupon, and without."""
        return self._compiled(sheet="stationery")

    def pdfs(self, cards: Sequence[Card]) -> Iterator[bytes]:
        """The cards as PDFs of `CHUNK` pages, the last of fewer. Raises PieceRefused on overflow."""
        remaining = iter(cards)
        while chunk := list(islice(remaining, CHUNK)):
            yield self._pdf(chunk)

    def _pdf(self, chunk: Sequence[Card]) -> bytes:
        pieces = json.encode([self._shown(card) for card in chunk]).decode()
        try:
            return self._compiled(sheet="cards", pieces=pieces)
        except typst.TypstError as error:
            if overflow := _OVERFLOW.search(str(error)):
                sequence, part = overflow.groups()
                detail = f"{part}: too long for its place, even at the smallest size"
                raise PieceRefused(int(sequence), "overflow", detail) from None
            raise

    def _compiled(self, **inputs: str) -> bytes:
        pdf = self._compiler.compile(
            input=self._template,
            format="pdf",
            sys_inputs={"frame": self._frame, **inputs},
            timestamp=self._timestamp_s,
            pdf_tags=False,
        )
        return cast(bytes, pdf)

    def _shown(self, card: Card) -> dict[str, Any]:
        """What the template reads of a card."""
        shown: dict[str, Any] = {
            "sequence": card.sequence,
            "sequence_text": card.sequence_text,
            "lang": card.lang,
            "headline": card.headline,
            "body": card.body,
            "footer": card.footer,
            "address_pt": card.address_pt,
            "address_lines": card.address_lines,
            "voucher": None,
        }
        if voucher := card.voucher:
            bars = code_128(voucher.code.bare)
            shown["voucher"] = {
                "code": voucher.code.shown,
                "kicker": voucher.kicker,
                "title": voucher.title,
                "until_label": voucher.until_label,
                "until": voucher.until,
                "scan": voucher.scan,
                "qr": qr_code(redeem_url(self._qr_base_url, voucher.code)).pdf,
                "bars": bars.pdf,
                "bars_w_mm": bars.modules * MODULE_MM,
            }
        return shown


def _frame(config: PostalConfig, layout: CardLayout, typeface: Typeface) -> dict[str, Any]:
    """What the template reads once: the same for all cards of a batch."""
    return {
        "trim_w_mm": TRIM_W_MM,
        "trim_h_mm": TRIM_H_MM,
        "bleed_mm": BLEED_MM,
        "family": typeface.family,
        "brand": config.sender_name,
        "brand_pt": BRAND_PT,
        "return_line": typeface.return_line(config.return_parts, layout.address.w),
        "return_pt": RETURN_LINE_PT,
        "accent": config.accent_cmyk,
        "on_accent": _ink_on(config.accent_cmyk),
        "bars_quiet_mm": BARS_QUIET_MM,
        "boxes": layout,
    }


def _ink_on(accent: tuple[int, int, int, int]) -> tuple[int, int, int, int]:
    """Paper white on a dark band, black on a light one."""
    cyan, magenta, yellow, black = (percent / 100 for percent in accent)
    brightness = (1 - black) * (1 - (0.3 * cyan + 0.59 * magenta + 0.11 * yellow))
    return (0, 0, 0, 0) if brightness < 0.65 else (0, 0, 0, 100)
