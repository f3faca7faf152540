"""Text as it goes onto paper: composed (NFC) and without what cannot be seen."""

import re
import unicodedata
from typing import Final

_FEED: Final = re.compile("\r\n|[\r\u0085\u2028\u2029]")
_CONTROL: Final = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f]")
_HIDDEN: Final = re.compile("[\u00ad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]")
"""Soft hyphens, joiners, marks of direction, variation selectors, byte order marks."""


def one_line(text: str) -> str:
    """A single line; runs of white space become one space."""
    return _kept(text, " ".join(_visible(text).split()))


def lines(text: str) -> str:
    """Several lines, each trimmed; empty lines at both ends dropped."""
    return _kept(text, "\n".join(line.strip() for line in _visible(text).split("\n")).strip("\n"))


def _visible(text: str) -> str:
    fed = _FEED.sub("\n", text)
    return unicodedata.normalize("NFC", _HIDDEN.sub("", _CONTROL.sub(" ", fed)))


def _kept(text: str, cleaned: str) -> str:
    """The text itself where it was clean: a batch holds many thousand cards, and needs no second copy of each text."""
    return text if cleaned == text else cleaned


def capitals(text: str, country: str = "") -> str:
    """Capitals as `country` writes them.

    Greek ones lose their accents and keep the dieresis; where the accent kept two vowels apart, a dieresis does
    (Νεράιδα, ΝΕΡΑΪΔΑ). The German ß becomes SS, which every sorting machine and every font knows. Turkish keeps the
    dot of its i.
    """
    if country in ("TR", "AZ"):
        text = text.replace("i", "İ")
    if text.isascii():
        return text.upper()
    apart = _GREEK_APART.sub("\\1\\3\N{COMBINING DIAERESIS}", unicodedata.normalize("NFD", text.upper()))
    return unicodedata.normalize("NFC", _GREEK_ACCENT.sub(r"\1", apart))


_MARKS: Final = "\N{COMBINING ACUTE ACCENT}\N{COMBINING GRAVE ACCENT}\N{COMBINING GREEK PERISPOMENI}"
_GREEK_APART: Final = re.compile(f"([ΑΕΟΥ])([{_MARKS}])([ΙΥ])(?![\u0300-\u036f])")
_GREEK_ACCENT: Final = re.compile(f"([Α-Ω]\N{COMBINING DIAERESIS}?)[{_MARKS}]+")
