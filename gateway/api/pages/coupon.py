"""The page behind the QR code on paper: what the coupon gives, and how to use it. Changes nothing."""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_currency
from litestar import Response, get
from msgspec import Struct

from gateway.api.misses import visitor_at
from gateway.api.operations import public
from gateway.api.pages import html
from gateway.api.pages.errors import Missing
from gateway.api.pages.texts import LANGUAGES, Texts
from gateway.api.pages.visits import language_for
from gateway.api.rooms import Here, InPath, Missed, Visit
from gateway.domain.coupon import normalised
from gateway.domain.currency import minor_digits
from gateway.domain.offer import Offer
from gateway.services.coupon_links import is_signed
from gateway.services.installation import Installation
from gateway.services.rules import zone_of
from gateway.services.validate import Validity, validate
from gateway.storage import recipients
from gateway.storage.database import Transaction


class Seen(Struct, frozen=True, kw_only=True):
    """A coupon, and its owner's language and zone; without an offer there is none."""

    validity: Validity
    locale: str | None = None
    zone: ZoneInfo | None = None


@get(["/r/{code:str}", "/R/{code:str}"], opt=public("What a coupon gives", listed=False))
async def typed(request: Visit, code: InPath, rooms: Here, missed: Missed) -> Response[str]:
    """For codes that people type into the address themselves; so who asks for many that do not exist has to wait."""
    visitor = visitor_at(request.client.host if request.client else "")
    missed.refuse_guessing(visitor)
    seen = await rooms.db.read(_seen, rooms.installation, unquote(code))
    # Again: of very many who ask at once, all were let in before the first had missed.
    missed.refuse_guessing(visitor)
    missed.count(visitor, seen.validity)
    return _page(request, seen)


@get(
    ["/r/{code:str}/{signature:str}", "/R/{code:str}/{signature:str}"],
    opt=public("What a coupon of ours gives", listed=False),
)
async def signed(request: Visit, code: InPath, signature: InPath, rooms: Here) -> Response[str]:
    """A QR code in capitals takes less room, so the address comes in capitals too."""
    seen = await rooms.db.read(_seen, rooms.installation, unquote(code))
    offer = seen.validity.offer
    if offer is None or not is_signed(rooms.installation, normalised(unquote(code)), offer.key, signature):
        raise Missing
    return _page(request, seen)


def _seen(tx: Transaction, installation: Installation, code: str) -> Seen:
    validity = validate(tx, code)
    person = recipients.get(tx, validity.recipient) if validity.recipient else None
    if person is None:
        return Seen(validity=validity)
    return Seen(validity=validity, locale=person.locale, zone=zone_of(installation, person.time_zone))


def _page(request: Visit, seen: Seen) -> Response[str]:
    offer = seen.validity.offer
    if offer is None:
        raise Missing
    language = language_for(request, seen.locale)
    texts = LANGUAGES[language]
    parts = [
        html.sentence(offer.title),
        html.code(seen.validity.code or ""),
        *(html.sentence(text) for text in _sentences(texts, seen, offer, language)),
    ]
    return html.page(language, texts.coupon_title, parts)


def _sentences(texts: Texts, seen: Seen, offer: Offer, language: str) -> Iterator[str]:
    validity = seen.validity
    if "redeemed" in validity.reasons:
        yield texts.coupon_redeemed
    elif not {"expired", "void", "limit_reached", "budget"}.isdisjoint(validity.reasons):
        yield texts.coupon_over
    else:
        yield from _terms(texts, seen, offer, language)


def _terms(texts: Texts, seen: Seen, offer: Offer, language: str) -> Iterator[str]:
    validity = seen.validity
    if "not_active" in validity.reasons:
        yield texts.coupon_not_yet
    elif "not_yet_valid" in validity.reasons and validity.valid_from:
        yield texts.coupon_valid_from.format(when=_when(validity.valid_from, seen, language))
    if validity.valid_until:
        yield texts.coupon_valid_until.format(when=_when(validity.valid_until, seen, language))
    if offer.min_order_minor:
        yield texts.coupon_min_order.format(amount=_money(offer.min_order_minor, offer, language))
    yield texts.coupon_how
    if offer.partial:
        yield texts.coupon_balance.format(amount=_money(validity.balance or 0, offer, language))
    elif offer.uses_per_coupon > 1:
        yield texts.coupon_uses_left.format(count=validity.balance)
    else:
        yield texts.coupon_once


def _when(at: datetime, seen: Seen, language: str) -> str:
    return str(format_datetime(at, "d MMMM y HH:mm", tzinfo=seen.zone, locale=language))


def _money(minor: int, offer: Offer, language: str) -> str:
    currency = offer.currency or ""
    units: Any = minor / 10 ** minor_digits(currency)
    return str(format_currency(units, currency, locale=language))


HANDLERS: Final = (typed, signed)
