"""The codes on the pages, scanned from a rendering by two decoders that others wrote, and what should be white."""

from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import pypdfium2
import zxingcpp
from msgspec import Struct
from PIL import Image

from gateway.contract import Piece
from tests.channels.postal.preflight.order import Order, PrintFault, Zone, bare

DPI = 300
_WHITE = 250
_KINDS = {zxingcpp.BarcodeFormat.QRCode: "qr", zxingcpp.BarcodeFormat.Code128: "bars"}


class Window(Struct, frozen=True, kw_only=True):
    """Where codes of a kind stand on a side: millimetres of the trimmed page."""

    side: int
    kind: str
    zone: Zone


class Scanned(Struct, frozen=True, kw_only=True):
    """What was read on one page (from 1), by decoder and kind; `soiled` says where it is not white as it should be."""

    page: int
    zxing: Mapping[str, str]
    zbar: Mapping[str, str]
    soiled: str = ""


class Sheet:
    """The pages of a part, rendered in cut-outs."""

    def __init__(self, part: Path, order: Order) -> None:
        self._document = pypdfium2.PdfDocument(part)
        self._inset = order.bleed_mm + order.marks_mm

    def __len__(self) -> int:
        return len(self._document)

    def close(self) -> None:
        self._document.close()

    def render(self, page: int, zone: Zone | None = None, dpi: int = DPI) -> Image.Image:
        """A grey picture of a zone of the page (from 1), or of all of it up to the media's edge."""
        loaded = self._document[page - 1]
        width, height = loaded.get_size()
        crop = (0.0, 0.0, 0.0, 0.0)
        if zone is not None:
            x, y = (zone.x + self._inset) * 72 / 25.4, (zone.y + self._inset) * 72 / 25.4
            right, bottom = x + zone.w * 72 / 25.4, y + zone.h * 72 / 25.4
            crop = tuple(max(edge, 0.0) for edge in (x, height - bottom, width - right, y))
        bitmap = loaded.render(scale=dpi / 72, crop=crop, grayscale=True)
        picture = bitmap.to_pil().convert("L").copy()
        bitmap.close()
        loaded.close()
        return picture


def zxing(picture: Image.Image) -> dict[str, str]:
    found = zxingcpp.read_barcodes(picture, formats=[*_KINDS])
    return {_KINDS[code.format]: code.text for code in found}


def zbar(picture: Image.Image) -> dict[str, str]:
    from pyzbar import pyzbar

    kinds = {"QRCODE": "qr", "CODE128": "bars"}
    symbols = [pyzbar.ZBarSymbol.QRCODE, pyzbar.ZBarSymbol.CODE128]
    return {kinds[code.type]: code.data.decode() for code in pyzbar.decode(picture, symbols=symbols)}


def windows(part: Path, first_page: int, order: Order) -> list[Window]:
    """Where a reader that sees the whole sheet finds codes on the record that begins at `first_page`."""
    sheet, inset = Sheet(part, order), order.bleed_mm + order.marks_mm
    found = []
    for side in range(order.sides):
        for code in zxingcpp.read_barcodes(sheet.render(first_page + side), formats=[*_KINDS]):
            at = code.position
            corners = (at.top_left, at.top_right, at.bottom_left, at.bottom_right)
            xs = [corner.x / DPI * 25.4 - inset for corner in corners]
            ys = [corner.y / DPI * 25.4 - inset for corner in corners]
            zone = Zone(min(xs), min(ys), max(xs) - min(xs), max(ys) - min(ys))
            found.append(Window(side=side, kind=_KINDS[code.format], zone=zone))
    sheet.close()
    return found


Letters = Sequence[Sequence[Zone]]
"""For each record: where in the address block ink may be."""


def scan_part(
    part: Path, order: Order, looked_at: Sequence[Window], letters: Letters, processes: int = 2
) -> list[Scanned]:
    """Every page's codes in the windows, by both decoders, in several processes."""
    with pypdfium2.PdfDocument(part) as document:
        pages = range(1, len(document) + 1)
    shares = [pages[start::processes] for start in range(processes)]
    if len(pages) < 200:  # beginning a process costs as much as scanning sixty pages
        return _scan(part, order, looked_at, letters, pages)
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        done = [pool.submit(_scan, part, order, looked_at, letters, share) for share in shares]
        return sorted((scanned for share in done for scanned in share.result()), key=lambda scanned: scanned.page)


def _scan(
    part: Path, order: Order, looked_at: Sequence[Window], letters: Letters, pages: Sequence[int]
) -> list[Scanned]:
    sheet = Sheet(part, order)
    try:
        return [_scan_page(sheet, order, looked_at, letters[(page - 1) // order.sides], page) for page in pages]
    finally:
        sheet.close()


def _scan_page(sheet: Sheet, order: Order, looked_at: Sequence[Window], letters: Sequence[Zone], page: int) -> Scanned:
    one: dict[str, str] = {}
    other: dict[str, str] = {}
    for window in looked_at:
        if window.side == order.side(page):
            picture = sheet.render(page, window.zone.grown(5))
            one |= zxing(picture)
            other |= zbar(picture)
    return Scanned(page=page, zxing=one, zbar=other, soiled=_soiled(sheet, order, letters, page))


def _soiled(sheet: Sheet, order: Order, letters: Sequence[Zone], page: int) -> str:
    """Words alone would not show a picture, a rule or a colour that runs into a zone kept clear."""
    side = order.side(page)
    for of, zone in order.clear:
        if of == side and sheet.render(page, zone, dpi=75).getextrema()[0] < _WHITE:
            return f"ink in the zone at {zone.x:g}, {zone.y:g} mm"
    if side != order.address_side:
        return ""
    around = order.address.grown(3)
    picture = sheet.render(page, around, dpi=100)
    for zone in letters:
        picture.paste(255, _pixels(zone, around))
    if picture.getextrema()[0] >= _WHITE:
        return ""
    left, top, *_ = picture.point(lambda grey: 255 if grey < _WHITE else 0).getbbox()
    return f"ink at {around.x + left / 100 * 25.4:.0f}, {around.y + top / 100 * 25.4:.0f} mm, in or near the address"


def _pixels(zone: Zone, around: Zone) -> tuple[int, int, int, int]:
    edges = (zone.x - around.x, zone.y - around.y, zone.x + zone.w - around.x, zone.y + zone.h - around.y)
    return tuple(round(edge / 25.4 * 100) for edge in edges)  # type: ignore[return-value]


def check_scans(part: Path, scanned: Sequence[Scanned], pieces: Sequence[Piece], order: Order) -> None:
    """Both decoders read, on each piece, its own address and its own code: what scanners at a till will read."""
    sheet = Sheet(part, order)
    try:
        for piece, start in zip(pieces, range(0, len(scanned), order.sides), strict=True):
            _check_piece(sheet, part, scanned[start : start + order.sides], piece)
    finally:
        sheet.close()


def _check_piece(sheet: Sheet, part: Path, record: Sequence[Scanned], piece: Piece) -> None:
    for page in record:
        if page.soiled:
            raise PrintFault("clear", f"{part.name}, page {page.page}", page.soiled)
    coupon = piece.message.coupon
    wanted = {} if coupon is None else {"bars": bare(coupon.code), "qr": (coupon.url or "").upper()}
    where = f"{part.name}, page {record[0].page}"
    for decoder, read in (("zxing", zxing), ("zbar", zbar)):
        seen = {kind: text for page in record for kind, text in getattr(page, decoder).items()}
        if seen != wanted and coupon is not None:  # not in the windows: then anywhere
            seen = {kind: text for page in record for kind, text in read(sheet.render(page.page)).items()}
        for kind in wanted.keys() | seen.keys():
            if seen.get(kind) != wanted.get(kind):
                raise PrintFault(kind, where, f"{decoder} reads {_kept(seen.get(kind))}, not its own code")


def check_strays(part: Path, pages: Sequence[int], pieces: Sequence[Piece], order: Order) -> None:
    """A reader that sees the whole sheet finds no code but the piece's own."""
    sheet = Sheet(part, order)
    try:
        for page in pages:
            coupon = pieces[(page - 1) // order.sides].message.coupon
            own = set() if coupon is None else {bare(coupon.code), (coupon.url or "").upper()}
            found = {code.text for code in zxingcpp.read_barcodes(sheet.render(page))}
            if found - own:
                raise PrintFault("stray", f"{part.name}, page {page}", f"{len(found - own)} codes that are not its own")
    finally:
        sheet.close()


def _kept(text: str | None) -> str:
    return "nothing" if text is None else f"a code that ends with {text[-4:]}"


def check_bleed(part: Path, pages: Sequence[int], order: Order) -> None:
    """Whatever reaches the knife runs on to the end of the bleed: else the stack slips, and a sliver is white."""
    sheet, ((w, h), bleed) = Sheet(part, order), (order.trim_mm, order.bleed_mm)
    inner, outer, thin = 0.4, bleed - 0.5, 0.25
    sides = {
        "left": (Zone(inner, 0, thin, h), Zone(-outer, 0, thin, h)),
        "right": (Zone(w - inner - thin, 0, thin, h), Zone(w + outer - thin, 0, thin, h)),
        "upper": (Zone(0, inner, w, thin), Zone(0, -outer, w, thin)),
        "lower": (Zone(0, h - inner - thin, w, thin), Zone(0, h + outer - thin, w, thin)),
    }
    try:
        for page in pages:
            for name, zones in sides.items():
                inside, outside = (sheet.render(page, zone, dpi=200) for zone in zones)
                size = (1, 256) if name in ("left", "right") else (256, 1)
                strips = zip(*(strip.resize(size).tobytes() for strip in (inside, outside)), strict=True)
                if any(one < 200 and other > one + 60 for one, other in strips):
                    raise PrintFault("bleed", f"{part.name}, page {page}", f"ends at the {name} edge")
    finally:
        sheet.close()


def check_sizes(
    part: Path, first_page: int, found: Sequence[Window], order: Order, bars_h_mm: float, qr_mm: float = 22
) -> None:
    """The first record's codes are as large and as clear of other ink as scanners want them (postal scanners, tills).

    QR: `qr_mm` wide, four modules of white around it (ISO/IEC 18004). Code 128: modules of 0.33 mm, bars
    `bars_h_mm` high, ten modules of white on both sides (ISO/IEC 15417).
    """
    sheet = Sheet(part, order)
    try:
        for window in found:
            where = f"{part.name}, page {first_page + window.side}"
            if window.kind == "qr":
                _check_qr(sheet, first_page + window.side, window.zone, where, qr_mm)
            else:
                _check_bars(sheet, first_page + window.side, window.zone, where, bars_h_mm)
    finally:
        sheet.close()


def _check_qr(sheet: Sheet, page: int, zone: Zone, where: str, qr_mm: float) -> None:
    if min(zone.w, zone.h) < qr_mm - 0.2:
        raise PrintFault("code-size", where, f"the QR code is {zone.w:.1f} x {zone.h:.1f} mm, less than {qr_mm:g}")
    picture = sheet.render(page, zone.grown(2), dpi=600)
    runs = _dark_runs(picture, picture.height // 2, 0) + _dark_runs(picture, picture.height // 3, 0)
    module = min(length for _, length in runs) / 600 * 25.4
    quiet = sheet.render(page, zone.grown(4 * module - 0.2), dpi=150)
    rim = round((4 * module - 0.5) / 25.4 * 150)
    quiet.paste(255, (rim, rim, quiet.width - rim, quiet.height - rim))
    if quiet.getextrema()[0] < _WHITE:
        raise PrintFault("code-size", where, "no four modules of white around the QR code")


def _check_bars(sheet: Sheet, page: int, zone: Zone, where: str, bars_h_mm: float) -> None:
    around = Zone(zone.x - 8, zone.y - 8, zone.w + 16, zone.h + 16)
    picture = sheet.render(page, around, dpi=600)
    runs = _dark_runs(picture, picture.height // 2, 0)
    runs = [run for run in runs if 7 / 25.4 * 600 < run[0] < picture.width - 7 / 25.4 * 600]
    narrow = min(length for _, length in runs) / 600 * 25.4
    if narrow < 0.33 - 0.045:  # a pixel of 600 dpi is 0.042 mm
        raise PrintFault("code-size", where, f"the narrowest bar is {narrow:.2f} mm, less than 0.33")
    first = runs[0][0] + runs[0][1] // 2
    height = max(length for _, length in _dark_runs(picture.transpose(Image.Transpose.TRANSPOSE), first, 0))
    if height / 600 * 25.4 < bars_h_mm - 0.1:
        raise PrintFault("code-size", where, f"the bars are {height / 600 * 25.4:.1f} mm high, less than {bars_h_mm:g}")
    left, right = runs[0][0], runs[-1][0] + runs[-1][1]
    quiet = round(3.2 / 25.4 * 600)
    middle = picture.height // 2
    for edge in (left - quiet, right + 1):
        if picture.crop((edge, middle - 40, edge + quiet - 1, middle + 40)).getextrema()[0] < _WHITE:
            raise PrintFault("code-size", where, "no ten modules of white beside the bars")


def _dark_runs(picture: Image.Image, row: int, start: int) -> list[tuple[int, int]]:
    """Where dark begins along a row of pixels, and for how long it lasts."""
    line = picture.crop((start, row, picture.width, row + 1)).tobytes()
    runs, begun = [], None
    for x, pixel in enumerate(line + b"\xff"):
        if pixel < 128 and begun is None:
            begun = x
        elif pixel >= 128 and begun is not None:
            runs.append((begun, x - begun))
            begun = None
    return runs
