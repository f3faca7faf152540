"""The page behind the QR code on paper: what the coupon gives, and how to use it. Changes nothing."""

from datetime import datetime
from typing import Any, Final
from urllib.parse import unquote
from zoneinfo import ZoneInfo

from babel.dates import format_datetime
from babel.numbers import format_currency, get_currency_precision
from litestar import Response, get
from msgspec import Struct

from gateway.api.operations import public
from gateway.api.pages import html
from gateway.api.pages.errors import Missing
from gateway.api.pages.texts import LANGUAGES, Texts
from gateway.api.pages.visits import language_for
from gateway.api.rooms import Here, InPath, Visit
from gateway.domain.coupon import BadCode, parse_code
from gateway.domain.offer import Offer
from gateway.services import redeem
from gateway.services.installation import Installation
from gateway.services.redeem import Validity
from gateway.services.rules import zone_of
from gateway.storage import recipients
from gateway.storage.database import Transaction


class Seen(Struct, frozen=True, kw_only=True):
    """A coupon that exists, and its owner's language and zone."""

    validity: Validity
    locale: str | None
    zone: ZoneInfo


@get(["/r/{code:str}", "/R/{code:str}"], opt=public("What a printed coupon gives", listed=False))
async def show(request: Visit, code: InPath, rooms: Here) -> Response[str]:
    """A QR code in capitals takes less room, so the address comes in capitals too."""
    try:
        parsed = parse_code(unquote(code))
    except BadCode:
        raise Missing from None
    seen = await rooms.db.read(_seen, rooms.installation, parsed)
    language = language_for(request, seen.locale)
    texts, offer = LANGUAGES[language], seen.validity.offer
    parts = [
        html.sentence(offer.title if offer else ""),
        html.code(seen.validity.code or ""),
        *(html.sentence(text) for text in _sentences(texts, seen, language)),
    ]
    return html.page(language, texts.coupon_title, parts)


def _seen(tx: Transaction, installation: Installation, code: str) -> Seen:
    validity = redeem.validate(tx, code, None)
    person = recipients.get(tx, validity.recipient) if validity.recipient else None
    if validity.offer is None or person is None:
        raise Missing
    return Seen(validity=validity, locale=person.locale, zone=zone_of(installation, person.time_zone))


def _sentences(texts: Texts, seen: Seen, language: str) -> list[str]:
    validity = seen.validity
    if "redeemed" in validity.reasons:
        return [texts.coupon_redeemed]
    if "expired" in validity.reasons or "void" in validity.reasons:
        return [texts.coupon_over]
    told = []
    if "not_yet_valid" in validity.reasons and validity.valid_from:
        told.append(texts.coupon_valid_from.format(when=_when(validity.valid_from, seen, language)))
    if validity.valid_until:
        told.append(texts.coupon_valid_until.format(when=_when(validity.valid_until, seen, language)))
    if validity.offer and (amount := _min_order(validity.offer, language)):
        told.append(texts.coupon_min_order.format(amount=amount))
    return [*told, texts.coupon_how]


def _when(at: datetime, seen: Seen, language: str) -> str:
    return str(format_datetime(at, "d MMMM y HH:mm", tzinfo=seen.zone, locale=language))


def _min_order(offer: Offer, language: str) -> str | None:
    if not offer.min_order_minor or offer.currency is None:
        return None
    units: Any = offer.min_order_minor / 10 ** get_currency_precision(offer.currency)
    return str(format_currency(units, offer.currency, locale=language))


HANDLERS: Final = (show,)
