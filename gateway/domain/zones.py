"""Where a person may live, as far as clocks are concerned: every time zone that what is known allows.

A person's own zone settles it. Else the country's zones, and those that the telephone numbers speak of. Where several
are left nobody knows which, and what must not happen at night must not happen in any of them.
"""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from importlib.metadata import version
from importlib.resources import files
from typing import Final
from zoneinfo import ZoneInfo

import phonenumbers
from phonenumbers import PhoneNumber, PhoneNumberType
from phonenumbers.timezone import UNKNOWN_TIMEZONE, time_zones_for_number

from gateway.domain.address import PlaceToReach

MOST_OF_A_NUMBER: Final = 12
"""A number that allows more zones than these (+7 has eleven) says nothing."""

_COMING_YEARS: Final = 5

# The others (toll-free, personal, internet telephony) are where their owner is, and nobody knows where that is.
_TELLING: Final = frozenset({PhoneNumberType.FIXED_LINE, PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})


def candidate_zones(time_zone: str | None, country: str | None, places: Sequence[PlaceToReach]) -> tuple[str, ...]:
    """IANA names, one for each way in which clocks will go in the coming years, the likeliest first.

    Empty where nothing is known. A country that was not given is taken from the first postal address. Numbers
    narrow the zones of a country and do not move anybody out of it: who lives in Rome may keep a number of New York.
    """
    if time_zone is not None:
        return (time_zone,)
    national = zones_of_country(country or _postal_country(places) or "")
    if len(national) == 1:
        return national
    numbers = [place.value for place in places if place.kind == "phone"]
    spoken_of = tuple(_one_a_clock(zone for number in numbers for zone in _zones_of_number(number)))
    if not national:
        return spoken_of if len(spoken_of) <= MOST_OF_A_NUMBER else ()
    clocks = {_clock(zone) for zone in spoken_of}
    return tuple(zone for zone in national if _clock(zone) in clocks) or national


def jurisdiction(country: str | None, places: Sequence[PlaceToReach]) -> str | None:
    """The country whose rules protect the person: their own, else that of their letter box, else that of their number.

    Of a calling code that several countries share it is the first: +44 is Britain, +1 the United States.
    """
    return country or _postal_country(places) or _country_of_number(places)


def _country_of_number(places: Sequence[PlaceToReach]) -> str | None:
    for place in places:
        if place.kind == "phone":
            region = phonenumbers.region_code_for_country_code(phonenumbers.parse(place.value).country_code or 0)
            if len(region) == 2 and region != "ZZ":
                return region
    return None


def _postal_country(places: Sequence[PlaceToReach]) -> str | None:
    return next((place.data.get("country") for place in places if place.kind == "postal"), None)


@lru_cache(maxsize=512)
def zones_of_country(country: str) -> tuple[str, ...]:
    """The zones of an ISO country, one for each clock, the likeliest first; none for what is no country."""
    zones = _one_a_clock(_zone_tab().get(country, ()))
    return tuple(sorted(zones, key=lambda zone: zone != _MOST_PEOPLE.get(country)))


# Where `zone.tab` begins at the edge of a country.
_MOST_PEOPLE: Final = {
    "AU": "Australia/Sydney",
    "BR": "America/Sao_Paulo",
    "CA": "America/Toronto",
    "RU": "Europe/Moscow",
}


@lru_cache(maxsize=1)
def _zone_tab() -> dict[str, list[str]]:
    """`zone.tab` of tzdata: all zones of each country. It keeps the names of nations (Europe/Oslo), unlike its heir."""
    found: dict[str, list[str]] = {}
    for country, _, zone, *_ in _table("zone.tab"):
        found.setdefault(country, []).append(zone)
    return found


def _zones_of_number(value: str) -> tuple[str, ...]:
    """What a number in E.164 allows. Named after the first country of its code: +44 is London and not Guernsey."""
    number = phonenumbers.parse(value)
    if phonenumbers.number_type(number) not in _TELLING:
        return ()
    return _national_names(number.country_code or 0, tuple(_named(number)))


def _named(number: PhoneNumber) -> Iterator[str]:
    return (zone for zone in time_zones_for_number(number) if zone != UNKNOWN_TIMEZONE)


@lru_cache(maxsize=4096)
def _national_names(calling_code: int, zones: tuple[str, ...]) -> tuple[str, ...]:
    clocks = {_clock(zone) for zone in zones}
    countries = phonenumbers.region_codes_for_country_code(calling_code)
    national = [zone for country in countries for zone in zones_of_country(country) if _clock(zone) in clocks]
    return tuple(_one_a_clock([*national, *zones]))


def _one_a_clock(zones: Iterable[str]) -> list[str]:
    """One of those whose clocks agree, the best known if there is one: Sydney and not Macquarie."""
    alike: dict[tuple[timedelta | None, ...], list[str]] = {}
    for zone in zones:
        alike.setdefault(_clock(zone), []).append(zone)
    return [next((zone for zone in names if zone in _well_known()), names[0]) for names in alike.values()]


@lru_cache(maxsize=1)
def _well_known() -> frozenset[str]:
    """The zones of `zonenow.tab` of tzdata: the most populous one for each way in which clocks go from now on."""
    return frozenset(row[2] for row in _table("zonenow.tab"))


def _table(name: str) -> list[list[str]]:
    text = (files("tzdata") / "zoneinfo" / name).read_text(encoding="utf-8")
    return [line.split("\t") for line in text.splitlines() if line and not line.startswith("#")]


@lru_cache(maxsize=1024)
def _clock(zone: str) -> tuple[timedelta | None, ...]:
    """How far ahead of UTC it is on each noon in the years from the release of tzdata on."""
    rules = ZoneInfo(zone)
    return tuple(rules.utcoffset(noon) for noon in _noons())


@lru_cache(maxsize=1)
def _noons() -> tuple[datetime, ...]:
    """Wall times, and so without a zone."""
    first = datetime(int(version("tzdata")[:4]), 1, 1, 12)  # noqa: DTZ001
    return tuple(first + timedelta(days=day) for day in range(365 * _COMING_YEARS))
