"""Addresses made fit for use, as tables."""

import pytest

from gateway.domain.address import BadAddress, PlaceToReach, normalise, warnings
from gateway.domain.recipient import AddressInput


def place(kind: str, value: str = "", **data: str) -> PlaceToReach:
    return normalise(AddressInput(kind=kind, value=value, data=data))


@pytest.mark.parametrize(
    ("given", "value", "match_key"),
    [
        ("ada@example.com", "ada@example.com", "ada@example.com"),
        ("Ada.Lovelace@Example.COM", "Ada.Lovelace@example.com", "ada.lovelace@example.com"),
        ("ada+news@example.com", "ada+news@example.com", "ada+news@example.com"),
        ("ada@MÜNCHEN.example", "ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("ada@xn--mnchen-3ya.example", "ada@münchen.example", "ada@xn--mnchen-3ya.example"),
        ("δοκιμή@παράδειγμα.example", "δοκιμή@παράδειγμα.example", "δοκιμή@xn--hxajbheg2az3al.example"),
        ("иван@пример.example", "иван@пример.example", "иван@xn--e1afmkfd.example"),
    ],
)
def test_an_email_address_is_kept_as_written_and_compared_without_case(given: str, value: str, match_key: str) -> None:
    found = place("email", given)
    assert (found.value, found.match_key) == (value, match_key)


def test_two_spellings_of_an_accent_are_one_address() -> None:
    assert place("email", "café@example.com").match_key == place("email", "cafe\u0301@example.com").match_key


def test_two_domains_that_sound_alike_are_two_addresses() -> None:
    assert place("email", "ada@straße.example").match_key != place("email", "ada@strasse.example").match_key


@pytest.mark.parametrize(
    "given",
    [
        "",
        "ada",
        "ada@",
        "@example.com",
        "ada@localhost",
        "ada@example",
        "ada@@example.com",
        "ada@x@example.com",
        " ada@example.com",
        "ada@example.com ",
        "ada@example.com\n",
        "ada@example.com\r\nRCPT TO:<eve@example.com>",
        "ada@example.com,eve@example.com",
        "Ada <ada@example.com>",
        "<ada@example.com>",
        '"a b"@example.com',
        "ada@[192.0.2.1]",
        "ada@example..com",
        ".ada@example.com",
        "ada\u202e@example.com",
        "ada@exa\u200bmple.com",
        "ada@-example.com",
        "a" * 65 + "@example.com",
        "ada@" + "x" * 64 + ".example",
        "ada@mail.invalid",
    ],
)
def test_what_is_no_email_address_is_refused_without_repeating_it(given: str) -> None:
    with pytest.raises(BadAddress) as refusal:
        place("email", given)
    assert str(refusal.value).startswith("value: ")
    assert "@example.com" not in str(refusal.value)


def test_what_is_missing_of_an_email_address_is_told_in_a_whole_sentence() -> None:
    with pytest.raises(BadAddress, match="must have an @-sign"):
        place("email", "not-an-address")


@pytest.mark.parametrize(
    ("given", "e164"),
    [
        # The zero of an Italian landline is part of the number, abroad too.
        ("+39 06 698 12345", "+390669812345"),
        ("+39 333 123 4567", "+393331234567"),
        ("+1 (202) 555-0142", "+12025550142"),
        ("+44 7700 900123", "+447700900123"),
        # Guernsey's numbers look British.
        ("+44 7911 123456", "+447911123456"),
        ("+48 22 123 45 67", "+48221234567"),
        ("+1.202.555.0142", "+12025550142"),
    ],
)
def test_a_number_is_brought_to_its_international_form(given: str, e164: str) -> None:
    found = place("phone", given)
    assert (found.value, found.match_key) == (e164, e164)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "starts with +"),
        ("06 698 12345", "starts with +"),
        ("0039 06 698 12345", "starts with +"),
        ("tel:+12025550142", "starts with +"),
        ("+٣٩٠٦٦٩٨١٢٣٤٥", "starts with +"),
        ("+1 202 555 0142 ext. 5", "extension"),
        ("+1 202 555 0142;ext=5", "extension"),
        ("+1 800 FLOWERS", "digits 0-9"),
        ("+1 202 555 0142 home", "digits 0-9"),
        ("+39 899 123456", "premium-rate"),
        ("+1 900 555 0142", "premium-rate"),
        ("+44 843 123 4567", "shared-cost|premium-rate"),
        ("+44 55 1234 5678", "company-wide|too short|not a telephone"),
        # Seven digits are enough only for who lives next door.
        ("+1 555 0142", "too short"),
        ("+39 1", "too short|not a telephone"),
        ("+1 202 555 0142 0142 0142", "too long|not a telephone"),
        ("+999 123456789", "not a telephone"),
        ("+", "not a telephone"),
    ],
)
def test_what_takes_no_messages_is_refused_with_the_reason(given: str, said: str) -> None:
    with pytest.raises(BadAddress, match=said):
        place("phone", given)


KEYS = {"p256dh": "BNc", "auth": "tBH"}


def test_a_push_subscription_is_its_endpoint_with_keys() -> None:
    found = place("webpush", "https://push.example.com/wpush/v2/gAAA", **KEYS)
    assert (found.value, found.match_key, found.data) == (found.value, found.value, KEYS)


@pytest.mark.parametrize(
    "given",
    [
        "",
        "push.example.com/x",
        "ftp://push.example.com/x",
        "javascript:alert(1)",
        "https:///x",
        "https://",
        "https://user@push.example.com/x",
        "https://user:word@push.example.com/x",
        "https://@push.example.com/x",
        "https://[::1",
        "https://push.example.com:99999/x",
        "https://push.example.com:port/x",
        "https://push.example.com/a b",
        "https://push.example.com/x\n",
        "\thttps://push.example.com/x",
        "https://push.example.com/\u202ex",
        "https://пример.example/x",
    ],
)
def test_an_endpoint_that_is_no_plain_url_is_refused(given: str) -> None:
    with pytest.raises(BadAddress, match="push endpoint is an https URL"):
        place("webpush", given, **KEYS)


def test_a_subscription_without_its_keys_is_refused() -> None:
    with pytest.raises(BadAddress, match="needs auth and p256dh"):
        place("webpush", "https://push.example.com/x")


LINES = {"name": "Zoë Łukasiewicz", "street": "Via Roma 1", "postcode": "00100", "city": "Roma", "country": "IT"}


def test_a_letter_box_is_the_same_for_all_who_share_it() -> None:
    one = place("postal", **LINES)
    other = place("postal", **LINES | {"name": "Иван", "street": "VIA  ROMA, 1", "city": "roma"})
    elsewhere = place("postal", **LINES | {"street": "Via Roma 11"})
    assert one.match_key == other.match_key != elsewhere.match_key
    assert one.value == "Via Roma 1, 00100, Roma, IT"
    assert one.data == LINES


def test_letters_of_every_alphabet_go_on_an_envelope() -> None:
    for street, city in (("Ставропольская ул. 3", "Москва"), ("Οδός Ερμού 5", "Αθήνα"), ("شارع الحمراء ٧", "بيروت")):
        found = place("postal", street=street, city=city, country="LB")
        assert (found.data["street"], found.data["city"]) == (street, city)


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"street": ""}, "street is missing"),
        ({"city": "  "}, "city is missing"),
        ({"country": ""}, "country is missing"),
        ({"country": "Italia"}, "two capitals"),
        ({"country": "it"}, "two capitals"),
        ({"planet": "Terra"}, "has no planet"),
        ({"street": "Via Roma 1\nMilano"}, "street: holds control characters"),
        ({"city": "Ro\x00ma"}, "city: holds control characters"),
        ({"name": "Ada\u202egnp"}, "name: holds control characters"),
        ({"region": "a\u2028b"}, "region: holds control characters"),
        ({"street2": "\x1b[2J"}, "street2: holds control characters"),
    ],
)
def test_a_postal_address_that_cannot_be_printed_is_refused(lines: dict[str, str], said: str) -> None:
    with pytest.raises(BadAddress, match=said):
        # As the decoder would after it let U+0000 through.
        normalise(_unchecked({**LINES, **lines}))


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        ({"postcode": ""}, r"data: postcode is missing \(such as 00144 or 47037\)"),
        ({"postcode": "2012"}, r"data: postcode has not the form of IT \(such as 00144 or 47037\)"),
        ({"street": "", "postcode": "D-1"}, "data: street is missing; postcode has not the form"),
        ({"country": "XX"}, "data: country is no ISO 3166-1 code"),
        ({"street2": "1" * 201}, "data: street2: longer than 200 characters"),
        ({"country": "GB", "postcode": "SW1A"}, r"data: postcode has not the form of GB \(such as M1 1AA"),
    ],
)
def test_where_no_letter_would_arrive_all_fields_are_told_and_no_value(lines: dict[str, str], said: str) -> None:
    with pytest.raises(BadAddress, match=said) as caught:
        place("postal", **{**LINES, **lines})
    assert "Roma" not in str(caught.value)


def test_a_postcode_is_kept_as_its_country_writes_it() -> None:
    lines = {**LINES, "country": "PL", "city": "Łódź"}
    one, other = place("postal", **lines | {"postcode": "00050"}), place("postal", **lines | {"postcode": " 00-050"})
    assert one.data["postcode"] == "00-050"
    assert one.match_key == other.match_key


def test_a_company_and_whoever_takes_the_mail_in_are_kept_and_make_no_other_place() -> None:
    found = place("postal", **LINES, company="Bottega Esempio", care_of="Famiglia Ćwikła")
    assert (found.data["company"], found.data["care_of"]) == ("Bottega Esempio", "Famiglia Ćwikła")
    assert found.match_key == place("postal", **LINES).match_key


def test_what_is_odd_about_a_postal_address_is_told_and_not_refused() -> None:
    odd = place("postal", **LINES, region="Atlantide")
    assert warnings("postal", odd.data) == ("region is none that IT has",)
    assert warnings("postal", LINES) == warnings("email", {}) == ()


def _unchecked(data: dict[str, str]) -> AddressInput:
    given = AddressInput(kind="postal")
    given.data.update(data)
    return given


def test_the_address_of_a_plugins_kind_is_one_plain_line() -> None:
    found = place("matrix", " @ada:example.org ", room="!r")
    assert (found.kind, found.value, found.match_key) == ("matrix", "@ada:example.org", "@ada:example.org")
    for nothing in ("", "   ", "a\nb"):
        with pytest.raises(BadAddress):
            place("matrix", nothing)
