"""How much work a printed piece is, against the least that would put the same codes and words onto a page."""

import tempfile
import time
from collections.abc import Callable, Sequence
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Final

import msgspec

from channels.postal.codes import coupon_code, qr_text
from channels.postal.config import PostalConfig
from channels.postal.designs import Designs
from channels.postal.parts import PressRoom
from gateway.contract import Address, BatchTicket, CouponView, Outbound, Piece
from gateway.demo.bench.figures import Figure
from gateway.demo.bench.plain_pages import write_plain_pages

PIECES: Final = 1_000
_NOW: Final = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
_ALPHABET: Final = "23456789ABCDFGHJKMNPQRSTVWXYZ"
_BODY: Final = "We kept your table, and something for you to try. Come back before the end of the month. " * 4
_PEOPLE: Final = (
    ("it-IT", "Lucia Provà", {"street": "Via dei Campioni 1", "postcode": "00100", "city": "Roma", "country": "IT"}),
    ("pl-PL", "Żaneta Próbna", {"street": "Przykładowa 2", "postcode": "00-001", "city": "Łódź", "country": "PL"}),
    ("el-GR", "Δήμητρα Δοκιμή", {"street": "Δείγματος 4", "postcode": "105 57", "city": "Αθήνα", "country": "GR"}),
    ("de-DE", "Jörg Müster", {"street": "Große Straße 99", "postcode": "10117", "city": "Berlin", "country": "DE"}),
)


def measure_press(count: int = PIECES) -> list[Figure]:
    """One part, and the papers' share left out: they are a twentieth of it."""
    pieces = [_piece(number) for number in range(1, count + 1)]
    with tempfile.TemporaryDirectory(prefix="risveglio-") as folder:
        room = _press_room()
        _print(room, pieces[:100], Path(folder))
        worked_s = _cpu_s(lambda: _print(room, pieces, Path(folder)))
        floor_s = _cpu_s(lambda: write_plain_pages(_words(pieces), Path(folder) / "plain.pdf"))
    return [
        Figure(
            engine="Print",
            name="a piece set, finished and written",
            value=worked_s / count * 1000,
            unit="ms CPU",
            ratio=floor_s / worked_s,
            wanted=0.25,
            against="pages of words and codes, nothing measured or checked",
        )
    ]


def _cpu_s(work: Callable[[], object]) -> float:
    """Processor time, not the clock's: both use the same cores, but one may use two at once."""
    began_s = time.process_time()
    work()
    return time.process_time() - began_s


def _press_room() -> PressRoom:
    table = {"sender_name": "Example Shop", "sender_address": ["Via dell'Esempio 1"], "sender_country": "IT"}
    config = msgspec.convert(table, PostalConfig)
    return PressRoom(config, Designs(config))


def _print(room: PressRoom, pieces: Sequence[Piece], folder: Path) -> None:
    ticket = BatchTicket(id="bench", job_name="Bench", mailing_on=date(2026, 3, 9), created_at=_NOW)
    room.write_part(ticket, 1, pieces, folder)


def _words(pieces: Sequence[Piece]) -> list[tuple[list[str], str, str]]:
    """The lines of each page, the bare code and what the QR code holds."""
    return [
        (
            [message.name, *map(str, message.address.data.values()), *message.parts.values(), coupon.code],
            coupon_code(coupon.code).bare,
            qr_text(coupon),
        )
        for message in (piece.message for piece in pieces)
        if (coupon := message.coupon)
    ]


def _piece(number: int) -> Piece:
    locale, name, house = _PEOPLE[number % len(_PEOPLE)]
    code = _code(number)
    message = Outbound(
        id=f"m-{number}",
        send_id=f"s-{number}",
        job_id="j-1",
        recipient_id=f"customer-{number}",
        name=name,
        address=Address(kind="postal", value=" ".join(house.values()), data=house),
        parts={"headline": "We kept your table", "body": _BODY, "footer": "You can object: privacy@example.com"},
        locale=locale,
        purpose="marketing",
        coupon=CouponView(
            code=code, offer="o-1", title="15 €", url=f"https://go.example.com/r/{code}/k1/aaaabbbbcccc2345"
        ),
    )
    return Piece(sequence=number, message=message)


def _code(number: int) -> str:
    code, rest = "", number * 7919 + 10**13
    for _ in range(12):
        rest, digit = divmod(rest, len(_ALPHABET))
        code = _ALPHABET[digit] + code
    return code
