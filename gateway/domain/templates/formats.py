"""Dates, times and numbers as people write them in a locale (Unicode CLDR, through Babel)."""

import datetime as dt
from collections.abc import Sequence
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any, Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from babel import Locale, UnknownLocaleError
from babel import dates as babel_dates
from babel import numbers as babel_numbers
from babel.core import get_global

from gateway.domain.templates.problems import RenderRefused

DATE_STYLES: Final = ("short", "medium", "long", "full")
TIME_STYLES: Final = ("short", "medium")
LARGEST: Final = Decimal(10) ** 15
_SPACES: Final = {0x00A0: " ", 0x202F: " ", 0x2009: " "}


class Formats:
    """The formats for one recipient: their locale's rules, their zone's wall clock.

    With `plain_spaces` the unbreakable spaces of CLDR become ordinary ones. In an SMS one
    of them would cost the whole message its GSM alphabet.
    """

    __slots__ = ("locale", "plain_spaces", "zone")

    def __init__(self, locale: Locale, zone: str, *, plain_spaces: bool) -> None:
        self.locale = locale
        self.zone = zone
        self.plain_spaces = plain_spaces

    def date(self, value: Any, style: str = "long") -> str:
        moment = self._local(value)
        day = moment.date() if isinstance(moment, datetime) else moment
        return self._spaced(_date(day, _style(style, DATE_STYLES), self.locale))

    def time(self, value: Any, style: str = "short") -> str:
        moment = self._local(value)
        if not isinstance(moment, datetime):
            raise RenderRefused("the time filter was given a date without a time")
        wall = moment.time().replace(microsecond=0)
        return self._spaced(_time(wall, _style(style, TIME_STYLES), self.locale))

    def money(self, value: Any, currency: str) -> str:
        if not is_currency(currency):
            raise RenderRefused("the money filter needs a currency of three capital letters, such as 'EUR'")
        return self._spaced(_money(number(value), currency, self.locale))

    def percent(self, value: Any) -> str:
        return self._spaced(babel_numbers.format_percent(number(value), locale=self.locale))

    def number(self, value: Any) -> str:
        return self._spaced(babel_numbers.format_decimal(number(value), locale=self.locale))

    def _local(self, value: Any) -> dt.date:
        moment = _moment(value)
        if isinstance(moment, datetime) and moment.tzinfo is not None:
            try:
                return moment.astimezone(ZoneInfo(self.zone))
            except (ZoneInfoNotFoundError, ValueError, OSError):
                raise RenderRefused("the recipient's time zone is not known") from None
        return moment

    def _spaced(self, text: str) -> str:
        return text.translate(_SPACES) if self.plain_spaces else text


def shown_locale(wanted: str, variant: str) -> Locale:
    """The recipient's own locale where the variant is in its language (it-CH reads `it`), else the variant's.

    A message has one language: dates never differ from the text around them.
    """
    own, written = _locale(wanted), _locale(variant)
    if own is not None and (written is None or own.language == written.language):
        return own
    return written or Locale("en")


def is_currency(code: object) -> bool:
    """Whether CLDR has a name for the ISO 4217 code."""
    return isinstance(code, str) and len(code) == 3 and code in get_global("all_currencies")


def number(value: Any) -> Decimal:
    """A number from JSON: a number or a text such as "12.50".

    Raises RenderRefused for anything else, and beyond 10^15: the digits of "1E+999999999"
    would fill the memory.
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str | Decimal) or len(str(value)) > 40:
        raise RenderRefused("a number filter was given something that is not a number")
    try:
        exact = Decimal(str(value))
    except InvalidOperation:
        raise RenderRefused("a number filter was given something that is not a number") from None
    if not exact.is_finite() or abs(exact) >= LARGEST:
        raise RenderRefused("a number filter was given a number of more than 15 digits")
    return exact


def _moment(value: Any) -> dt.date:
    if isinstance(value, date):
        return value
    if isinstance(value, str) and len(value) <= 40:
        try:
            return date.fromisoformat(value) if len(value) <= 10 else datetime.fromisoformat(value)
        except ValueError:
            pass
    raise RenderRefused("a date filter was given something that is not a date of the form 2026-01-31")


def _style(style: object, known: Sequence[str]) -> str:
    if style not in known:
        raise RenderRefused(f"a date filter was given a style that is not one of {', '.join(known)}")
    return str(style)


@lru_cache(maxsize=1024)
def _locale(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag.replace("-", "_"))
    except (UnknownLocaleError, ValueError, TypeError):
        return None


# Babel takes 100 us for an amount, and a batch has few different ones.
@lru_cache(maxsize=4096)
def _money(amount: Decimal, currency: str, locale: Locale) -> str:
    return babel_numbers.format_currency(amount, currency, locale=locale)


# Keyed by what is on the calendar and the clock: equal instants of two zones are equal datetimes.
@lru_cache(maxsize=4096)
def _date(day: date, style: str, locale: Locale) -> str:
    return babel_dates.format_date(day, style, locale=locale)


@lru_cache(maxsize=4096)
def _time(wall: dt.time, style: str, locale: Locale) -> str:
    return babel_dates.format_time(wall, style, locale=locale)
