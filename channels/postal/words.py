"""The few words that a card says by itself, and its dates, in the reader's language."""

from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct


class Words(Struct, frozen=True):
    """`kicker`, in capitals, stands over the benefit, `scan` under the QR code."""

    kicker: str
    until: str
    scan: str
    date: str = "%d/%m/%Y"


_ENGLISH: Final = Words("YOUR VOUCHER", "Valid until", "Scan, or show the code")

_WORDS: Final = {
    "en": _ENGLISH,
    "it": Words("IL TUO BUONO", "Valido fino al", "Inquadra, o mostra il codice"),
    "de": Words("DEIN GUTSCHEIN", "Gültig bis", "Scannen oder Code vorzeigen", "%d.%m.%Y"),
    "fr": Words("VOTRE BON", "Valable jusqu’au", "Scannez ou présentez le code"),
    "es": Words("TU VALE", "Válido hasta el", "Escanea o muestra el código"),
    "pt": Words("O SEU VALE", "Válido até", "Leia ou mostre o código"),
    "nl": Words("JOUW TEGOEDBON", "Geldig t/m", "Scan of toon de code", "%d-%m-%Y"),
    "pl": Words("TWÓJ KUPON", "Ważny do", "Zeskanuj lub pokaż kod", "%d.%m.%Y"),
    "el": Words("ΤΟ ΚΟΥΠΟΝΙ ΣΑΣ", "Ισχύει έως", "Σαρώστε ή δείξτε τον κωδικό"),
    "ru": Words("ВАШ КУПОН", "Действует до", "Сканируйте или покажите код", "%d.%m.%Y"),
    "uk": Words("ВАШ КУПОН", "Дійсний до", "Скануйте або покажіть код", "%d.%m.%Y"),
}

_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def language(locale: str) -> str:
    """The language of a locale such as `it-IT` or `it_IT`; English where the locale is not understood."""
    code = locale.replace("_", "-").partition("-")[0].lower()
    return code if code.isascii() and code.isalpha() and 2 <= len(code) <= 3 else "en"


def words(locale: str) -> Words:
    """English where the language is not among ours."""
    return _WORDS.get(language(locale), _ENGLISH)


def last_day(valid_until: datetime, locale: str, zone: ZoneInfo) -> str:
    """The last day on which a coupon holds all or most of the day, written for the locale.

    An end before noon means the day before. English gets the month's name, since
    04/05 is read in two ways.
    """
    day = (valid_until.astimezone(zone) - timedelta(hours=12)).date()
    spoken = words(locale)
    if spoken is _ENGLISH:
        return f"{day.day} {_MONTHS[day.month - 1]} {day.year}"
    return day.strftime(spoken.date)
