"""Where a person may live, as far as clocks are concerned."""

from datetime import UTC, datetime, timedelta
from importlib.resources import files
from zoneinfo import ZoneInfo

import pytest

from gateway.domain.address import PlaceToReach, normalise
from gateway.domain.recipient import AddressInput
from gateway.domain.zones import MOST_OF_A_NUMBER, candidate_zones, jurisdiction, zones_of_country

STATES = (
    "America/New_York",
    "America/Chicago",
    "America/Denver",
    "America/Phoenix",
    "America/Los_Angeles",
    "America/Anchorage",
    "America/Adak",
    "Pacific/Honolulu",
)


def phone(number: str) -> PlaceToReach:
    return normalise(AddressInput(kind="phone", value=number))


def letter_box(country: str) -> PlaceToReach:
    lines = {"street": "1", "postcode": "262 22", "city": "Πάτρα", "country": country}
    return normalise(AddressInput(kind="postal", data=lines))


def zones(*numbers: str, country: str | None = None, time_zone: str | None = None) -> tuple[str, ...]:
    return candidate_zones(time_zone, country, [phone(number) for number in numbers])


# The person's own zone


def test_the_persons_own_zone_settles_it() -> None:
    assert zones("+1 415 555 0101", country="US", time_zone="Asia/Tokyo") == ("Asia/Tokyo",)


def test_of_whom_nothing_is_known_nothing_is_said() -> None:
    assert zones() == ()


# The country


@pytest.mark.parametrize(
    ("country", "zone"),
    [
        ("DE", "Europe/Berlin"),
        ("IT", "Europe/Rome"),
        ("NO", "Europe/Oslo"),
        ("GB", "Europe/London"),
        ("IE", "Europe/Dublin"),
        ("GR", "Europe/Athens"),
        ("PL", "Europe/Warsaw"),
        ("MA", "Africa/Casablanca"),
        ("NP", "Asia/Kathmandu"),
        ("AR", "America/Argentina/Buenos_Aires"),
    ],
)
def test_a_country_with_one_clock_has_one_zone_of_its_own_name(country: str, zone: str) -> None:
    assert zones(country=country) == (zone,)


def test_a_country_with_several_clocks_has_a_zone_for_each() -> None:
    assert zones(country="US") == STATES
    assert zones(country="ES") == ("Europe/Madrid", "Atlantic/Canary")
    assert zones(country="PT") == ("Europe/Lisbon", "Atlantic/Azores")


@pytest.mark.parametrize(
    ("country", "first"),
    [
        ("US", "America/New_York"),
        ("CA", "America/Toronto"),
        ("AU", "Australia/Sydney"),
        ("BR", "America/Sao_Paulo"),
        ("MX", "America/Mexico_City"),
        ("RU", "Europe/Moscow"),
        ("CL", "America/Santiago"),
        ("ID", "Asia/Jakarta"),
        ("NZ", "Pacific/Auckland"),
    ],
)
def test_the_zone_of_most_people_comes_first(country: str, first: str) -> None:
    assert zones(country=country)[0] == first


@pytest.mark.parametrize("country", ["UK", "EU", "ZZ", "XK"])
def test_what_is_no_country_has_no_zones(country: str) -> None:
    assert zones(country=country) == ()


@pytest.mark.parametrize("country", ["US", "RU", "AU", "CA", "BR", "MX", "CL", "ID", "PF", "GL", "DE"])
def test_no_two_zones_of_a_country_agree_and_every_zone_of_it_is_spoken_for(country: str) -> None:
    def clock(zone: str) -> list[timedelta | None]:
        first = datetime(2027, 1, 1, 12, tzinfo=UTC)
        return [(first + timedelta(days=day)).astimezone(ZoneInfo(zone)).utcoffset() for day in range(365)]

    table = (files("tzdata") / "zoneinfo" / "zone.tab").read_text(encoding="utf-8")
    rows = [line.split("\t") for line in table.splitlines() if line.startswith(f"{country}\t")]
    kept = [clock(zone) for zone in zones_of_country(country)]
    assert len({tuple(each) for each in kept}) == len(kept)
    assert all(clock(row[2]) in kept for row in rows)


def test_a_country_that_was_not_given_is_that_of_the_letter_box() -> None:
    assert candidate_zones(None, None, [letter_box("GR")]) == ("Europe/Athens",)
    assert candidate_zones(None, "US", [letter_box("GR")]) == STATES
    assert candidate_zones(None, None, [letter_box("US"), phone("+1 212 555 0101")]) == ("America/New_York",)


# Numbers


@pytest.mark.parametrize(
    ("number", "zone"),
    [
        ("+1 202 555 0143", "America/New_York"),
        ("+1 808 555 0123", "Pacific/Honolulu"),
        ("+39 333 123 4567", "Europe/Rome"),
        ("+30 21 0123 4567", "Europe/Athens"),
        ("+48 512 345 678", "Europe/Warsaw"),
        ("+34 928 12 34 56", "Atlantic/Canary"),
    ],
)
def test_a_number_tells_where_its_owner_lives(number: str, zone: str) -> None:
    assert zones(number) == (zone,)


def test_the_vatican_and_guernsey_share_their_numbers_with_bigger_neighbours() -> None:
    """The library takes +39 06 698 for the Vatican, and +44 7911 for Guernsey."""
    assert zones("+39 06 6981 2345") == ("Europe/Rome",)
    assert zones("+44 7911 123456") == ("Europe/London",)


def test_a_number_narrows_the_zones_of_its_country() -> None:
    assert zones("+1 415 555 0101", country="US") == ("America/Los_Angeles",)
    assert zones("+61 2 5550 0101", country="AU") == ("Australia/Sydney",)


def test_several_numbers_leave_all_that_they_speak_of() -> None:
    assert zones("+1 415 555 0101", "+1 202 555 0143", country="US") == ("America/New_York", "America/Los_Angeles")


def test_a_number_of_elsewhere_moves_nobody() -> None:
    assert zones("+1 212 555 0101", country="IT") == ("Europe/Rome",)
    assert zones("+39 333 123 4567", country="US") == STATES


@pytest.mark.parametrize("number", ["+1 800 555 0101", "+800 1234 5678", "+883 5100 0123 4567", "+44 800 123 4567"])
def test_a_number_that_belongs_to_no_place_says_nothing(number: str) -> None:
    assert zones(number) == ()
    assert zones(number, country="US") == STATES


def test_a_number_of_a_wide_country_leaves_its_zones_as_long_as_they_are_few() -> None:
    russian = zones("+7 916 123 45 67")
    assert russian[0] == "Europe/Moscow"
    assert 5 < len(russian) <= MOST_OF_A_NUMBER
    assert set(zones("+7 916 123 45 67", country="RU")) <= set(zones_of_country("RU"))


def test_a_push_endpoint_says_nothing() -> None:
    data = {"p256dh": "k", "auth": "a"}
    device = normalise(AddressInput(kind="webpush", value="https://push.example.com/1", data=data))
    assert candidate_zones(None, None, [device]) == ()


@pytest.mark.parametrize("number", ["+1 212 555 0101", "+7 916 123 45 67", "+61 412 345 678", "+34 600 12 34 56"])
def test_every_candidate_is_a_zone_that_can_be_used(number: str) -> None:
    assert all(ZoneInfo(zone).key == zone for zone in zones(number))


@pytest.mark.parametrize(
    ("country", "given", "found"),
    [
        ("FR", [("phone", "+390612345678")], "FR"),
        (None, [("phone", "+390612345678")], "IT"),
        (None, [("phone", "+447911123456")], "GB"),
        (None, [("phone", "+12025550142")], "US"),
        (None, [("phone", "+80012345678")], None),
        (None, [], None),
    ],
)
def test_the_rules_are_those_of_the_country_that_is_given_or_of_the_number(
    country: str | None, given: list[tuple[str, str]], found: str | None
) -> None:
    places = [PlaceToReach(kind=kind, value=value, match_key=value, data={}) for kind, value in given]
    assert jurisdiction(country, places) == found


def test_a_letter_box_says_more_than_a_number() -> None:
    box = PlaceToReach(kind="postal", value="", match_key="", data={"country": "DE"})
    number = PlaceToReach(kind="phone", value="+390612345678", match_key="", data={})
    assert jurisdiction(None, [number, box]) == "DE"
