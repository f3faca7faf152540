"""Who shares a letter box: addresses made comparable, however they were typed.

A key that is too coarse takes a coupon from somebody, one that is too fine costs a stamp. So nothing of an address is
dropped except what adds nothing to it: other numbers, other flats and other kinds of street are other households.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Final, Literal

from gateway.domain.street_words import (
    BESIDE,
    DASH_IS_FLAT,
    KINDS,
    NUMBER_FIRST,
    NUMBER_WORDS,
    PLAIN,
    SLASH_IS_FLAT,
    UNITS,
    UNITS_OF,
    folded,
)

By = Literal["address", "family"]

_LONGEST: Final = 200
"""Longer than any line that a letter has room for; and a bound on the time that the patterns below may take."""


def household_key(fields: Mapping[str, str], *, by: By, name: str = "") -> str | None:
    """Equal for two postal addresses of one household, in any spelling; None where that cannot be told.

    By `address` all who live there are one household, by `family` those of one surname: the last word of `name`, in
    Hungary the first. An address without any number says too little to go by the address alone. The key holds the
    address: keep it where addresses are kept, or hash it.
    """
    if any(len(text) > _LONGEST for text in (*fields.values(), name)):
        return None
    country = fields.get("country", "").upper()
    place = _bare(folded(fields.get("postcode", "") or fields.get("city", "")))
    street, house, units = _parsed(fields, country)
    surname = _surname(name, country) if by == "family" else ""
    knows_enough = bool(surname) if by == "family" else bool(house or units)
    if not (country and place and (street or house) and knows_enough):
        return None
    return "|".join((country, place, street, house, units, surname))


def _parsed(fields: Mapping[str, str], country: str) -> tuple[str, str, str]:
    """Street, number of the house, and what is inside it."""
    units: list[str] = []
    segments = list(_segments(fields, country, units))
    house, flat = _house(_take_house(segments, country), country)
    units += flat
    words = [word for segment in segments for word in segment]
    return _street(words), house, " ".join(sorted(units))


_BETWEEN: Final = re.compile("[,;]")
_NUMBER: Final = r"\d+(?:\s*[-/]\s*\d+|\s*[-/]?\s*(?:bis|ter|quater|[^\W\d_])(?!\w))*"
_TOKEN: Final = re.compile(rf"\d+(?:th|st|nd|rd)(?!\w)|{_NUMBER}|\w+")
_STARTS_WITH_DIGIT: Final = re.compile(r"\d+(?!\w*(?:th|st|nd|rd)\b)")
_NOISE: Final = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, NUMBER_WORDS))})[.:]*\s*(?=\d)")
# What is written with a stop or a hyphen inside: p.zza, v.le, пр-т.
_INSIDE: Final = re.compile(r"(?<!\w)(p|v|c|l|f|s|str|пр|б|пл)[.-](zza|zzale|za|le|so|go|lo|da|lli|т|кт|р|дь)(?!\w)")
_BESIDE: Final = re.compile(rf"\s*(?:{'|'.join(map(re.escape, BESIDE))})(?!\w)")
_UNIT: Final = re.compile(
    rf"(?<!\w)({'|'.join(sorted(map(re.escape, UNITS), key=len, reverse=True))})(?!\w)[.:#]*\s*"
    r"(\d+\s?[^\W\d_]?(?!\w)|\d+|[^\W\d_](?!\w))"
)


def _segments(fields: Mapping[str, str], country: str, units: list[str]) -> Iterator[list[str]]:
    """The words between commas. What is inside the house goes to `units` instead."""

    def taken(match: re.Match[str]) -> str:
        word, value = match.groups()
        if country not in UNITS_OF.get(word, country):
            return match.group()
        units.append(f"{UNITS[word]} {_bare(value)}")
        return ","

    for field in ("street", "street2"):
        spaced = " ".join(folded(fields.get(field, ""), country).split())
        text = _INSIDE.sub(r"\1\2", spaced).replace("'", "").replace("’", "")
        for segment in _BETWEEN.split(_UNIT.sub(taken, _NOISE.sub(" ", text))):
            if not (field == "street2" and _BESIDE.match(segment)):
                yield _TOKEN.findall(segment)


def _take_house(segments: list[list[str]], country: str) -> str:
    """The number, taken out of its segment; empty where there is none."""
    ends = (0, -1) if country in NUMBER_FIRST else (-1, 0)
    for end in ends:
        for segment in segments:
            if segment and _STARTS_WITH_DIGIT.match(segment[end]):
                return segment.pop(end)
    return ""


def _house(number: str, country: str) -> tuple[str, list[str]]:
    """`12 / A` as 12a. Where a post writes the flat behind the house, the flat comes apart."""
    number = re.sub(r"\s", "", number)
    mark = "/" if country in SLASH_IS_FLAT else "-" if country in DASH_IS_FLAT else ""
    flat = ""
    if mark and (found := re.fullmatch(rf"(\d+\w?){mark}(\d+\w?)", number)):
        number, flat = found.groups()
    house = re.sub(r"(?<=\d)[-/](?=[^\W\d])", "", number).lstrip("0")
    return house, [f"apt {flat}"] if flat else []


def _street(words: list[str]) -> str:
    """The kinds first, then the name without spaces: `Berliner Str.` is `Berlinerstraße`."""
    kinds, names = set[str](), []
    for place, word in enumerate(words):
        stem = re.sub("(?<=.)(?:strasse|strase|straat|(?<=...)str)$", "", word)
        if word in PLAIN:
            continue
        if word in KINDS and (len(word) > 1 or place == 0):
            kinds.add(KINDS[word])
        elif stem != word:
            kinds.add("str")
            names.append(stem)
        else:
            names.append(re.sub(r"\s", "", word))
    name = " ".join(names)
    return " ".join((*sorted(kinds), re.sub(r"(?<=[^\W\d]) (?=[^\W\d])", "", name))).strip()


def _bare(text: str) -> str:
    return "".join(filter(str.isalnum, text))


_TITLES: Final = frozenset("jr sr ii iii iv phd md".split())


def _surname(name: str, country: str) -> str:
    words = [word for word in re.findall(r"[^\W\d_]+(?:[-'’][^\W\d_]+)*", folded(name, country)) if word not in _TITLES]
    if not words:
        return ""
    return _of_either_sex(_bare(words[0] if country == "HU" else words[-1]), country)


# A wife's or daughter's form of a surname, and what the form of both begins with.
_FEMININE: Final[Mapping[str, tuple[tuple[str, str], ...]]] = {
    "PL": (("ska$", "ski"), ("cka$", "cki"), ("dzka$", "dzki")),
    "CZ": (("ova$", ""), ("ska$", "sky")),
    "SK": (("ova$", ""), ("ska$", "sky")),
    "RU": (("(ов|ев|ин|ын)а$", r"\1"), ("ская$", "скии")),
    "UA": (("(ов|ев|ин)а$", r"\1"), ("ська$", "ськии")),
    "BG": (("(ов|ев|ин)а$", r"\1"), ("ска$", "ски")),
    "GR": (("ου$", "ο"), ("σ$", "")),
    "CY": (("ου$", "ο"), ("σ$", "")),
}


def _of_either_sex(surname: str, country: str) -> str:
    for ending, instead in _FEMININE.get(country, ()):
        both = re.sub(f"(?<=..){ending}", instead, surname)
        if both != surname:
            return both
    return surname
