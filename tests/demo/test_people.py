"""Made-up people: plausible, reachable nowhere in the real world, and always the same."""

import subprocess
import sys
from collections import Counter
from datetime import date
from zoneinfo import ZoneInfo

import phonenumbers
import pytest
from email_validator import validate_email
from phonenumbers import PhoneNumberType

from gateway.demo.cdnow.purchases import load
from gateway.demo.lands import ROUND
from gateway.demo.people import Person, people, person

MOBILE = {PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE}
RESERVED = ("example.com", "example.net", "example.org", ".example")
LAST_DAY = date(1998, 6, 30)


@pytest.fixture(scope="module")
def everybody() -> list[Person]:
    return people(load())


def test_there_is_one_person_for_each_customer(everybody: list[Person]) -> None:
    assert [one.id for one in everybody] == [f"cd-{number:04}" for number in range(1, 2_358)]


def test_people_are_the_same_in_another_process() -> None:
    program = (
        "from datetime import date; from gateway.demo.people import person; print(person('1234', date(1997, 2, 3)))"
    )

    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout

    assert printed.strip() == str(person("1234", date(1997, 2, 3)))


def test_the_shares_of_addresses_are_as_planned(everybody: list[Person]) -> None:
    kinds = Counter(_kinds(one) for one in everybody)
    total = len(everybody)

    assert sum(n for kind, n in kinds.items() if "e" in kind) / total == pytest.approx(0.62, abs=0.02)
    assert kinds["p"] / total == pytest.approx(0.12, abs=0.02)
    assert kinds["w"] / total == pytest.approx(0.10, abs=0.02)
    assert kinds["l"] / total == pytest.approx(0.08, abs=0.02)
    assert kinds[""] / total == pytest.approx(0.04, abs=0.02)
    assert kinds["ep"] > 100


def test_the_shares_of_consent_are_as_planned(everybody: list[Person]) -> None:
    standings = Counter(one.standing for one in everybody)
    total = len(everybody)

    assert standings["none"] / total == pytest.approx(0.15, abs=0.02)
    assert standings["withdrawn"] / total == pytest.approx(0.03, abs=0.01)
    assert standings["suppressed"] / total == pytest.approx(0.02, abs=0.01)


def test_every_mail_address_is_valid_and_in_a_reserved_domain(everybody: list[Person]) -> None:
    for address in (one.email for one in everybody if one.email is not None):
        assert validate_email(address, check_deliverability=False).normalized == address
        assert address.endswith(RESERVED)


def test_every_number_is_valid_mobile_and_reserved_for_fiction(everybody: list[Person]) -> None:
    for number in (one.phone for one in everybody if one.phone is not None):
        parsed = phonenumbers.parse(number)
        assert phonenumbers.is_valid_number(parsed)
        assert phonenumbers.number_type(parsed) in MOBILE
        assert phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164) == number
        assert (number.startswith("+1") and number[5:10] == "55501") or number.startswith(
            ("+4917139200", "+49176040690")
        )


def test_no_address_belongs_to_two_people(everybody: list[Person]) -> None:
    mails = [one.email for one in everybody if one.email is not None]
    numbers = [one.phone for one in everybody if one.phone is not None]
    devices = [device for one in everybody for device in one.devices]

    assert len(mails) == len(set(mails))
    assert len(numbers) == len(set(numbers))
    assert len(devices) == len(set(devices))


def test_numbers_stay_apart_up_to_the_last_customer_that_can_be_made_up() -> None:
    numbers = [person(f"{n:04}", LAST_DAY).phone for n in range(1, 2_800)]

    taken = [number for number in numbers if number is not None]

    assert len(taken) == len(set(taken))


@pytest.mark.parametrize("customer", ["0000", "2800"])
def test_customers_beyond_the_reserved_numbers_are_refused(customer: str) -> None:
    with pytest.raises(ValueError, match="0001 to 2799"):
        person(customer, LAST_DAY)


def test_all_zones_exist_and_there_are_many(everybody: list[Person]) -> None:
    zones = {one.time_zone for one in everybody}

    assert {ZoneInfo(zone).key for zone in zones} == zones
    assert len(zones) > 10


def test_all_tongues_are_spoken(everybody: list[Person]) -> None:
    locales = Counter(one.locale for one in everybody)

    assert set(locales) == {"it-IT", "ru-RU", "en-US", "en-GB", "de-DE", "el-GR", "pl-PL"}
    assert min(locales.values()) > 100


def test_slavic_and_greek_family_names_agree_with_the_given_name() -> None:
    russian = {person(f"{n:04}", LAST_DAY).name for n in range(2, 2_000, 20)}

    assert {name.split()[1] for name in russian if name.startswith("Анна ")} <= {
        "Лунёва",
        "Пластинкина",
        "Звонарёва",
        "Ночная",
        "Тихомолова",
    }
    assert any(name.startswith("Иван ") for name in russian)
    assert not any(name.startswith("Иван ") and name.endswith("а") for name in russian)


def test_some_mailboxes_numbers_and_devices_fail_on_purpose(everybody: list[Person]) -> None:
    assert sum((one.email or "").startswith("bounce") for one in everybody) > 10
    assert sum((one.email or "").startswith("busy") for one in everybody) > 5
    assert sum((one.phone or "").endswith("99") for one in everybody) > 3
    assert sum(device.startswith("gone") for one in everybody for device in one.devices) > 10
    assert any(len(one.devices) == 2 for one in everybody)


def test_postcodes_keep_the_shape_of_their_town(everybody: list[Person]) -> None:
    patterns = {(land.country, town.name): town.postcode for land in ROUND for town in land.towns}

    for home in (one.postal for one in everybody if one.postal is not None):
        pattern = patterns[home.country, home.city]
        assert len(home.postcode) == len(pattern)
        assert all(
            sign.isdigit() if mark == "#" else sign.isalpha() if mark == "@" else sign == mark
            for sign, mark in zip(home.postcode, pattern, strict=True)
        )


def test_whoever_left_did_so_before_the_demonstration_begins(everybody: list[Person]) -> None:
    for one in everybody:
        assert (one.left_on is not None) == (one.standing in {"withdrawn", "suppressed"})
        assert one.left_on is None or one.joined_on < one.left_on <= LAST_DAY


def _kinds(one: Person) -> str:
    """e for e-mail, p for phone, w for web push, l for letters."""
    signs = {"e": one.email, "p": one.phone, "w": one.devices, "l": one.postal}
    return "".join(sign for sign, known in signs.items() if known)
