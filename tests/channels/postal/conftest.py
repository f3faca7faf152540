"""Builders of batches, and an inspector that reads printed pages back."""

import csv
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pikepdf
import pypdf
import pypdfium2
import pytest
import zxingcpp
from pikepdf import Name

from channels.postal.config import PostalConfig
from channels.postal.designs import Designs
from channels.postal.papers import write_papers
from channels.postal.parts import PressRoom
from gateway.contract import Address, BatchTicket, BatchTotals, CouponView, Outbound, Piece, PrintedPart, PrintFile

ALPHABET = "23456789ABCDFGHJKMNPQRSTVWXYZ"

PEOPLE: tuple[tuple[str, str, dict[str, str]], ...] = (
    ("it-IT", "Nicolò D'Alù", {"street": "Via Libertà 12/A", "postcode": "20121", "city": "Milano", "region": "MI"}),
    ("ru-RU", "Иван Примеров", {"street": "ул. Примерная, д. 7", "postcode": "125009", "city": "Москва"}),
    ("el-GR", "Αλέξανδρος Δοκιμής", {"street": "Οδός Δοκιμής 45", "postcode": "105 63", "city": "Αθήνα"}),
    ("pl-PL", "Zażółć Gęślą-Jaźń", {"street": "ul. Świętokrzyska 14/32", "postcode": "00-050", "city": "Łódź"}),
    ("de-DE", "Jörg Müller-Süß", {"street": "Große Straße 99", "postcode": "10117", "city": "Berlin"}),
    ("uk-UA", "Олександр Їжак", {"street": "вул. Зразкова, 22", "postcode": "01001", "city": "Київ"}),
    ("fr-FR", "Zoé Lefèvre-Œuvrard", {"street": "12 rue de l’Exemple", "postcode": "75011", "city": "Paris"}),
    ("en-GB", "Siân O’Connor", {"street": "1 Sample Street", "postcode": "sw1a 1aa", "city": "London"}),
)
HEADLINES = {
    "it": "Ci manchi: torna a trovarci",
    "ru": "Мы скучали по вам",
    "el": "Μας λείψατε",
    "pl": "Tęsknimy za Tobą",
    "de": "Schön, wenn Sie wiederkämen",
    "uk": "Ми скучили за вами",
    "fr": "Vous nous manquez",
    "en": "We kept your table",
}
FOOTER = (
    "Bottega Esempio, Via Esempio 9, 00100 Roma. You can object to the use of your address for advertising "
    "at any time and free of charge: privacy@example.com or example.com/stop."
)


def code_of(number: int) -> str:
    """Twelve symbols, different for each number."""
    symbols = ""
    rest = number * 7919 + 10**13
    for _ in range(12):
        rest, digit = divmod(rest, len(ALPHABET))
        symbols = ALPHABET[digit] + symbols
    return f"{symbols[:4]}-{symbols[4:8]}-{symbols[8:]}"


def url_of(code: str) -> str:
    """The coupon's page, signed, as a QR code has it."""
    return f"https://go.example.com/r/{code.replace('-', '').lower()}/k1/aaaabbbbcccc2345"


def a_message(number: int = 1, **changes: Any) -> Outbound:
    locale, name, lines = PEOPLE[(number - 1) % len(PEOPLE)]
    data = {**lines, "country": locale[-2:]}
    message = Outbound(
        id=f"m-{number}",
        send_id=f"s-{number}",
        job_id="j-1",
        recipient_id=f"customer-{number}",
        name=name,
        address=Address(kind="postal", value=" ".join(data.values()), data=data),
        parts={"headline": HEADLINES[locale[:2]], "body": f"Card {number}.\n\nCome back soon.", "footer": FOOTER},
        locale=locale,
        purpose="marketing",
        coupon=CouponView(
            code=code_of(number),
            offer="o-1",
            title="15 €",
            valid_until=datetime(2027, 3, 31, 22, tzinfo=UTC),
            url=url_of(code_of(number)),
        ),
    )
    return msgspec.structs.replace(message, **changes)


def pieces_of(messages: Iterable[Outbound]) -> list[Piece]:
    return [Piece(sequence=sequence, message=message) for sequence, message in enumerate(messages, 1)]


def a_config(**changes: Any) -> PostalConfig:
    settings: dict[str, Any] = {
        "sender_name": "Bottega Esempio",
        "sender_address": ["Via Esempio 9", "00100 Roma"],
        "sender_country": "IT",
        "time_zone": "Europe/Rome",
    }
    return msgspec.convert(settings | changes, PostalConfig)


def a_ticket(**changes: Any) -> BatchTicket:
    ticket = BatchTicket(
        id="B0427",
        job_name="Primavera",
        mailing_on=date(2027, 3, 1),
        created_at=datetime(2027, 2, 1, 9, 30, tzinfo=UTC),
    )
    return msgspec.structs.replace(ticket, **changes)


@pytest.fixture
def message() -> Callable[..., Outbound]:
    return a_message


@pytest.fixture
def config() -> Callable[..., PostalConfig]:
    return a_config


@pytest.fixture
def ticket() -> Callable[..., BatchTicket]:
    return a_ticket


def print_parts(
    config: PostalConfig, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path
) -> tuple[PrintedPart, ...]:
    """All parts of a batch, one after the other."""
    room, size = PressRoom(config, Designs(config)), config.records_per_part
    parts = []
    for number, start in enumerate(range(0, len(pieces), size), 1):
        part = pieces[start : start + size]
        files = tuple(room.write_part(ticket, number, part, folder))
        first, last = part[0].sequence, part[-1].sequence
        parts.append(PrintedPart(number=number, first_sequence=first, last_sequence=last, files=files))
    return tuple(parts)


def totals_of(pieces: Sequence[Piece]) -> BatchTotals:
    """Two more were gathered than are printed."""
    seeds = sum(piece.is_seed for piece in pieces)
    printed = len(pieces) - seeds
    return BatchTotals(gathered=printed + 2, printed=printed, seeds=seeds, left_out={"no_consent": 2})


def print_run(config: PostalConfig, ticket: BatchTicket, pieces: Sequence[Piece], folder: Path) -> dict[str, PrintFile]:
    """A whole batch; the files by the last word of their names: `part0001.pdf`, `manifest.csv` ..."""
    parts = print_parts(config, ticket, pieces, folder)
    papers = write_papers(config, ticket, totals_of(pieces), parts, folder)
    files = [*(file for part in parts for file in part.files), *papers]
    return {file.path.name.removeprefix(f"{ticket.id}_"): file for file in files}


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., dict[str, PrintFile]]:
    """Prints messages as a batch, and gives its files."""

    def run(messages: Sequence[Outbound], folder: Path = tmp_path, **settings: Any) -> dict[str, PrintFile]:
        return print_run(a_config(**settings), a_ticket(), pieces_of(messages), folder)

    return run


class PrintedBatch(msgspec.Struct, frozen=True):
    """A batch of cards as the shop receives them."""

    messages: list[Outbound]
    part: Path
    manifest: list[dict[str, str]]


@pytest.fixture(scope="session")
def printed(tmp_path_factory: pytest.TempPathFactory) -> PrintedBatch:
    """Every language twice; the last card carries no coupon."""
    messages = [a_message(number) for number in range(1, 2 * len(PEOPLE) + 1)]
    messages.append(a_message(99, coupon=None))
    folder = tmp_path_factory.mktemp("printed")
    files = print_run(a_config(), a_ticket(), pieces_of(messages), folder)
    return PrintedBatch(messages, files["part0001.pdf"].path, rows_of(files["manifest.csv"].path))


def rows_of(manifest: Path, delimiter: str = ";") -> list[dict[str, str]]:
    with manifest.open(encoding="utf-8-sig", newline="") as stream:
        return list(csv.DictReader(stream, delimiter=delimiter))


def machine_codes(part: Path, dpi: int = 300) -> list[dict[str, str]]:
    """What a scanner reads on each page, by the kind of code."""
    document = pypdfium2.PdfDocument(part)
    try:
        return [_scanned(page, dpi) for page in document]
    finally:
        document.close()


def _scanned(page: Any, dpi: int) -> dict[str, str]:
    bitmap = page.render(scale=dpi / 72)
    found = zxingcpp.read_barcodes(bitmap.to_pil().convert("L"))
    kinds = {zxingcpp.BarcodeFormat.QRCode: "qr", zxingcpp.BarcodeFormat.Code128: "bars"}
    codes = {kinds.get(code.format, str(code.format)): code.text for code in found}
    bitmap.close()
    page.close()
    return codes


def faults(part: Path, manifest: Sequence[Mapping[str, str]], messages: Sequence[Outbound]) -> list[str]:
    """Where pages, manifest and messages disagree. Empty for a good print file."""
    with part.open("rb") as stream:
        texts = [page.extract_text() for page in pypdf.PdfReader(stream).pages]
    if not len(texts) == len(manifest) == len(messages):
        return [f"{len(texts)} pages, {len(manifest)} rows, {len(messages)} messages"]
    scanned = machine_codes(part)
    return [
        f"page {page}: {fault}"
        for page, found in enumerate(zip(texts, scanned, manifest, messages, strict=True), 1)
        for fault in _page_faults(page, *found)
    ]


def _page_faults(
    page: int, text: str, codes: Mapping[str, str], row: Mapping[str, str], message: Outbound
) -> Iterator[str]:
    if row["seq"] != str(page) or f"{page:06d}" not in text:
        yield "the sequence number is not its own"
    if message.coupon is None:
        if codes or row["code_last4"]:
            yield "a code where there is no coupon"
        return
    bare = message.coupon.code.replace("-", "")
    if message.coupon.code not in text:
        yield "the code for people is not its own"
    if codes.get("bars") != bare or codes.get("qr") != url_of(bare).upper():
        yield f"the machines read {sorted(codes)} otherwise"
    if row["code_last4"] != bare[-4:]:
        yield "the manifest names another code"


_FILLS = frozenset("f F f* B B* b b* Tj TJ ' \"".split())
_STROKES = frozenset("S s B B* b b*".split())
_OTHER_COLOURS = frozenset("rg RG g G cs CS sc scn SC SCN sh BI".split())


def colour_faults(part: Path) -> list[str]:
    """Each place where anything but black ink is used, or black as a mix of other colours."""
    with pikepdf.open(part) as pdf:
        return [
            f"page {number}: {fault}"
            for number, page in enumerate(pdf.pages, 1)
            for fault in _ink_faults(page, page.resources, {"fill": False, "stroke": False})
        ] + [f"object {thing.objgen}: {fault}" for thing in pdf.objects for fault in _object_faults(thing)]


def _object_faults(thing: Any) -> Iterator[str]:
    if not isinstance(thing, pikepdf.Dictionary | pikepdf.Stream):
        return
    if "/Group" in thing:
        yield "a transparency group"
    if thing.get("/Subtype") == Name.Image:
        yield "an image"
    if "/N" in thing and "/Alternate" in thing:
        yield "an ICC profile"


def _ink_faults(content: Any, resources: Any, ink: dict[str, bool]) -> Iterator[str]:
    ink, kept = dict(ink), []
    for operands, operator in pikepdf.parse_content_stream(content):
        name = str(operator)
        if name == "q":
            kept.append(dict(ink))
        elif name == "Q":
            ink = kept.pop()
        elif name in ("k", "K"):
            ink["fill" if name == "k" else "stroke"] = True
            if any(float(part) for part in operands[:3]):
                yield f"{[float(part) for part in operands]} {name}"
        elif name in _OTHER_COLOURS:
            yield f"the operator {name}"
        elif name == "Do":
            form = resources.XObject[str(operands[0])]
            yield from _ink_faults(form, form.get("/Resources", resources), ink)
        if (name in _FILLS and not ink["fill"]) or (name in _STROKES and not ink["stroke"]):
            yield f"{name} in the default colour, which is grey"


@pytest.fixture
def find_faults() -> Callable[..., list[str]]:
    return faults


@pytest.fixture
def find_colour_faults() -> Callable[[Path], list[str]]:
    return colour_faults


@pytest.fixture
def read_rows() -> Callable[..., list[dict[str, str]]]:
    return rows_of


@pytest.fixture
def scan() -> Callable[..., list[dict[str, str]]]:
    return machine_codes


@pytest.fixture
def parts_of() -> Callable[..., tuple[PrintedPart, ...]]:
    return print_parts
