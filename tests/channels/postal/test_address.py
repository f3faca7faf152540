"""The lines of an address, country by country, and which addresses are refused."""

from typing import Any

import pytest

from channels.postal.address import Incomplete, address_lines, postal_address
from channels.postal.countries import NAMES

COMPLETE = {"street": "Via Esempio 1", "postcode": "20121", "city": "Milano", "country": "IT"}


def lines(addressee: str, sender: str = "IT", names: dict[str, str] | None = None, **fields: Any) -> list[str]:
    return address_lines(postal_address(addressee, fields), sender, names or {})


@pytest.mark.parametrize(
    ("fields", "printed"),
    [
        (
            {"street": "Via Libertà 12/A", "street2": "Scala B", "postcode": "00185", "city": "Forlì", "region": "fc"},
            ["Scala B", "Via Libertà 12/A", "00185 FORLÌ FC"],
        ),
        (
            {"country": "DE", "street": "Große Straße 9", "street2": "c/o Süß", "postcode": "10117", "city": "Berlin"},
            ["c/o Süß", "Große Straße 9", "10117 Berlin", "GERMANY"],
        ),
        (
            {"country": "AT", "street": "Beispielgasse 3", "postcode": "1010", "city": "Wien"},
            ["Beispielgasse 3", "1010 Wien", "AUSTRIA"],
        ),
        (
            {"country": "CH", "street": "Musterweg 5", "postcode": "8001", "city": "Zürich", "region": "ZH"},
            ["Musterweg 5", "8001 Zürich", "SWITZERLAND"],
        ),
        (
            {
                "country": "FR",
                "street": "12 rue de l’Église",
                "street2": "Bât. C",
                "postcode": "76600",
                "city": "Le Havre",
            },
            ["Bât. C", "12 rue de l’Église", "76600 LE HAVRE", "FRANCE"],
        ),
        (
            {"country": "PL", "street": "ul. Świętokrzyska 14 m. 32", "postcode": "00-050", "city": "Łódź"},
            ["ul. Świętokrzyska 14 m. 32", "00-050 Łódź", "POLAND"],
        ),
        (
            {"country": "GR", "street": "Οδός Ερμού 45", "postcode": "105 63", "city": "Αθήνα"},
            ["Οδός Ερμού 45", "105 63 ΑΘΗΝΑ", "GREECE"],
        ),
        (
            {
                "country": "RU",
                "street": "ул. Примерная, д. 7",
                "postcode": "141400",
                "city": "г. Химки",
                "region": "Московская обл.",
            },
            ["ул. Примерная, д. 7", "г. Химки, Московская обл.", "141400", "RUSSIA"],
        ),
        (
            {"country": "RU", "street": "ул. Примерная, 7", "postcode": "125009", "city": "Москва", "region": "москва"},
            ["ул. Примерная, 7", "Москва", "125009", "RUSSIA"],
        ),
        (
            {"country": "UA", "street": "вул. Зразкова, 22", "postcode": "01001", "city": "м. Київ"},
            ["вул. Зразкова, 22", "м. Київ", "01001", "UKRAINE"],
        ),
        (
            {
                "country": "GB",
                "street": "1 Sample Street",
                "street2": "Flat 2",
                "postcode": "sw1a 1aa",
                "city": "London",
            },
            ["Flat 2", "1 Sample Street", "LONDON", "SW1A 1AA", "UNITED KINGDOM"],
        ),
        (
            {"country": "ES", "street": "Calle Ejemplo, 4", "postcode": "45001", "city": "Ocaña", "region": "Toledo"},
            ["Calle Ejemplo, 4", "45001 Ocaña", "Toledo", "SPAIN"],
        ),
        (
            {"country": "US", "street": "1 Example Ave", "postcode": "20001", "city": "Washington", "region": "DC"},
            ["1 Example Ave", "WASHINGTON DC 20001", "UNITED STATES OF AMERICA"],
        ),
        (
            {"country": "NL", "street": "Voorbeeldweg 1", "postcode": "1012 AB", "city": "Amsterdam"},
            ["Voorbeeldweg 1", "1012 AB Amsterdam", "NETHERLANDS"],
        ),
        (
            {"country": "AE", "street": "Example Tower, P.O. Box 1", "city": "Dubai"},
            ["Example Tower, P.O. Box 1", "Dubai", "UNITED ARAB EMIRATES"],
        ),
    ],
    ids=lambda value: value.get("country", "IT") if isinstance(value, dict) else "",
)
def test_each_country_gets_its_own_lines(fields, printed):
    assert lines("Anna Prova", **{"country": "IT", **fields}) == ["Anna Prova", *printed]


def test_the_country_is_left_out_at_home():
    german = {"country": "DE", "street": "Musterweg 1", "postcode": "10117", "city": "Berlin"}
    assert lines("Anna Prova", sender="DE", **german)[-1] == "10117 Berlin"


def test_the_operator_may_name_countries_in_another_language():
    german = {"country": "DE", "street": "Musterweg 1", "postcode": "10117", "city": "Berlin"}
    assert lines("Anna Prova", names={"DE": "Germania"}, **german)[-1] == "GERMANIA"


def test_greek_capitals_lose_the_accent_but_keep_the_dieresis():
    greek = {"country": "GR", "street": "Οδός 1", "postcode": "190 09", "city": "Ραΐνα Άνω"}
    assert lines("Άννα", sender="GR", **greek)[-1] == "190 09 ΡΑΪΝΑ ΑΝΩ"


def test_spaces_line_breaks_and_invisible_marks_are_cleaned_away():
    fields = COMPLETE | {"street": "  Via\n Esempio\t\u200b1\u202e ", "city": "Mila\u00adno"}
    assert lines("Anna\r\n  Prova", **fields) == ["Anna Prova", "Via Esempio 1", "20121 MILANO"]


def test_decomposed_letters_are_composed():
    assert lines("Nicolo\u0300", **COMPLETE)[0] == "Nicolò"


def test_a_brace_in_an_address_stays_a_brace():
    assert lines("Anna", **COMPLETE | {"street": "Via {city} {0} 1"})[1] == "Via {city} {0} 1"


def test_the_name_of_the_address_stands_in_for_an_empty_one():
    assert lines(" ", **COMPLETE | {"name": "Famiglia Prova"})[0] == "Famiglia Prova"
    assert lines("Anna Prova", **COMPLETE | {"name": "Famiglia Prova"})[0] == "Anna Prova"


@pytest.mark.parametrize("field", ["street", "city", "postcode", "country"])
def test_an_address_without_a_needed_field_is_refused_by_its_name(field):
    with pytest.raises(Incomplete, match=field):
        postal_address("Anna Prova", COMPLETE | {field: " "})


@pytest.mark.parametrize(
    "fields", [{"country": "XX"}, {"country": "Italy"}, {"street": None}, {"city": ["Milano"]}], ids=str
)
def test_a_field_of_the_wrong_kind_is_refused(fields):
    with pytest.raises(Incomplete):
        postal_address("Anna Prova", COMPLETE | fields)


def test_nobody_is_no_addressee():
    with pytest.raises(Incomplete, match="addressee"):
        postal_address("\u200b ", COMPLETE)


def test_all_249_countries_have_a_name():
    assert len(NAMES) == 249
    assert all(len(code) == 2 and code.isupper() and name == name.strip() and name for code, name in NAMES.items())
