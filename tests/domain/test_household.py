"""Who shares a letter box: what makes two addresses one, and what never does."""

import unicodedata

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from gateway.domain.household import household_key


def key(country, street, street2="", *, postcode="20121", city="Milano", by="address", name=""):
    fields = {"country": country, "street": street, "street2": street2, "postcode": postcode, "city": city}
    return household_key(fields, by=by, name=name)


@pytest.mark.parametrize(
    ("country", "spellings"),
    [
        (
            "IT",
            ["Via Libertà 12/A", "VIA LIBERTA' 12 a", "v. Libertà, 12a", "Via Libertà n. 12-A", "12/A, Via Libertà"],
        ),
        ("IT", ["Viale Europa 10 – Pal. B – Int. 3", "V.le Europa, 10, palazzina B, interno 3"]),
        ("AT", ["Beispielgasse 3, Stiege 2, Tür 14", "Beispielgasse 3 Stg. 2 Top 14"]),
        ("SE", ["Exempelgatan 5 lgh 1101", "EXEMPELGATAN 5, LGH 1101"]),
        ("HU", ["Fő utca 5.", "FŐ U. 5", "Fo u. 5."]),
        ("CZ", ["Vzorová 123/4", "ulice Vzorova 123 / 4"]),
        ("LT", ["Pavyzdžio 5-12", "PAVYZDZIO 5 - 12"]),
        ("IT", ["P.zza Garibaldi 3", "Piazza Garibaldi, 3", "p.za garibaldi n°3"]),
        ("IT", ["C.so Dante 4 int. 5 sc. B", ("Corso Dante 4", "Scala B, interno 5")]),
        ("IT", ["Via 25 Aprile 12", "via 25 aprile, n 12"]),
        ("DE", ["Große Straße 99", "GROSSE STR. 99", "Großestr. 99", "GROẞE STRASSE 99"]),
        ("DE", ["Müllerweg 3", "Muellerweg 3", "MÜLLERWEG 3"]),
        ("DE", ["Straße des 17. Juni 135", "Str. des 17. Juni 135"]),
        ("FR", ["12 bis avenue de l’Église", "12bis, av. de l'Eglise"]),
        ("FR", [("8 bd Voltaire", "Bât. C, appt 4"), "8 boulevard Voltaire, apt 4, bâtiment C"]),
        ("GB", ["Flat 2, 10 High Street", ("10 High St.", "flat 2"), "10, high st, Apt 2"]),
        ("RU", ["ул. Ленина, д. 7, кв. 3", "улица Ленина 7 кв 3", "УЛ.ЛЕНИНА, 7-3", "Ленина, дом 7, квартира 3"]),
        ("RU", ["пр-т Мира 5", "проспект Мира, дом 5"]),
        ("UA", ["вул. Зразкова, 22", "вулиця Зразкова, буд. 22"]),
        ("PL", ["ul. Świętokrzyska 14/32", "Swietokrzyska 14 m. 32", "UL. ŚWIĘTOKRZYSKA 14 lok. 32"]),
        ("GR", ["Οδός Ερμού 45", "ΕΡΜΟΥ 45", "Ερμού, αρ. 45"]),
        ("GR", ["Λεωφ. Κηφισίας 3", "Λεωφόρος Κηφισίας 3"]),
        ("ES", ["C/ Mayor, 5, 3º B", "Calle Mayor nº 5, 3 B", "c/Mayor 5, 3ºB"]),
        ("NL", ["Hoofdstraat 12-A", "Hoofdstr. 12 a"]),
        ("US", ["350 N Main Street Apt 4B", "350 n main st, Apt. 4 B"]),
    ],
)
def test_spellings_of_one_address_are_one_household(country, spellings):
    keys = {key(country, *([each] if isinstance(each, str) else each)) for each in spellings}
    assert len(keys) == 1
    assert None not in keys


@pytest.mark.parametrize(
    ("country", "one", "other"),
    [
        ("IT", "Via Roma 12", "Via Roma 12/A"),
        ("IT", "Via Roma 12/5", "Via Roma 12 int. 5"),
        ("IT", "Via Roma 1", "Piazza Roma 1"),
        ("IT", "Via Roma 12, scala A", "Via Roma 12, scala B"),
        ("DE", "Hauptstraße 5", "Hauptplatz 5"),
        ("PL", "Długa 14/32", "Długa 14/33"),
        ("CZ", "Vzorová 123/4", "Vzorová 123/5"),
        ("AT", "Beispielgasse 3/2/14", "Beispielgasse 3/2/15"),
        ("IT", "Via Roma 12", "Via Roma 12²"),
        ("GB", "12 High Street", "12 High Road"),
        ("RU", "ул. Мира 5 к. 1", "ул. Мира 5 к. 2"),
        ("FR", "12 bis rue Haute", "12 ter rue Haute"),
        ("GB", "Flat 1, 10 High Street", "Flat 10, 1 High Street"),
    ],
)
def test_what_only_looks_alike_is_not_one_household(country, one, other):
    assert key(country, one) != key(country, other)


def test_another_country_or_postcode_is_another_household():
    home = key("IT", "Via Roma 1")
    assert home not in (key("CH", "Via Roma 1"), key("IT", "Via Roma 1", postcode="20122"))
    assert home == key("IT", "Via Roma 1", postcode=" 20121 ", city="MILANO MI")


def test_without_a_postcode_the_city_counts():
    keys = {key("IE", "1 Sample Street", postcode="", city=city) for city in ("Cork", "CORK", "Galway")}
    assert len(keys) == 2


def test_whoever_takes_the_mail_in_is_no_part_of_the_place():
    assert key("IT", "Via Roma 1", "c/o Bianchi") == key("IT", "Via Roma 1")


@pytest.mark.parametrize("street", ["Località Pianello", "Via Roma snc", ""])
def test_an_address_without_a_number_makes_no_household(street):
    assert key("IT", street) is None


def test_a_family_is_told_by_its_surname():
    rossi = key("IT", "Via Roma 1", by="family", name="Nicolò Rossi")
    assert rossi == key("IT", "v. Roma 1", by="family", name="MARIA ROSSI")
    assert rossi != key("IT", "Via Roma 1", by="family", name="Anna D'Alù")
    assert key("IT", "Via Roma 1", by="family", name="") is None
    assert key("IT", "Località Pianello", by="family", name="Anna Rossi") is not None


@pytest.mark.parametrize(
    ("country", "he", "she"),
    [
        ("PL", "Jan Przykładowski", "Anna Przykładowska"),
        ("CZ", "Jan Vzor", "Jana Vzorová"),
        ("RU", "Иван Примеров", "Анна Примерова"),
        ("RU", "Пётр Образцовский", "Вера Образцовская"),
        ("GR", "Νίκος Δοκιμόπουλος", "Άννα Δοκιμοπούλου"),
        ("HU", "Minta János", "Minta Anna"),
    ],
)
def test_one_surname_has_two_forms_in_some_languages(country, he, she):
    one, other = (key(country, "Példa 1", by="family", name=name) for name in (he, she))
    assert one == other


def test_a_line_that_no_letter_has_room_for_makes_no_household():
    assert key("IT", "Via Roma 1" + " " * 190) is not None
    assert key("IT", "Via Roma " + "1" * 192) is None


STREETS = st.sampled_from(
    [
        ("IT", "Via della Libertà"),
        ("IT", "Piazza Roma"),
        ("DE", "Große Straße"),
        ("AT", "Beispielgasse"),
        ("PL", "ul. Świętokrzyska"),
        ("GR", "Οδός Ερμού"),
        ("RU", "улица Примерная"),
        ("UA", "вул. Зразкова"),
        ("ES", "Calle Ejemplo"),
        ("SE", "Storgatan"),
        ("CZ", "Vzorová ulice"),
    ]
)
NUMBERS = st.tuples(st.integers(1, 9999).map(str), st.sampled_from(["", "a", "b", "c", "d"]))


def _unmarked(text):
    return "".join(part for part in unicodedata.normalize("NFD", text) if unicodedata.category(part) != "Mn")


CHANGES = st.lists(
    st.sampled_from(
        [
            str.upper,
            str.lower,
            str.title,
            _unmarked,
            lambda text: f"  {text} ",
            lambda text: text.replace(" ", "  "),
            lambda text: unicodedata.normalize("NFD", text),
        ]
    ),
    max_size=4,
)


@given(STREETS, NUMBERS, CHANGES, st.sampled_from([" {}{}", ", {}{}", " {} {}", " n. {}{}", " {}{},"]))
def test_case_spaces_marks_and_commas_change_no_household(place, number, changes, shape):
    country, street = place
    plain = f"{street} {''.join(number)}"
    typed = street + shape.format(*number)
    for change in changes:
        typed = change(typed)
    assert key(country, typed) == key(country, plain)


@given(STREETS, NUMBERS, NUMBERS, st.sampled_from([" {}{}", ", {}{}", " {} {}", " n. {}{}"]))
def test_two_numbers_are_never_one_household(place, number, other, shape):
    assume(number != other)
    country, street = place
    assert key(country, street + shape.format(*number)) != key(country, f"{street} {''.join(other)}")


@given(STREETS, NUMBERS, st.sampled_from(["int.", "apt", "кв.", "Tür", "stair", "scala"]), st.integers(1, 99))
def test_two_flats_of_a_house_are_never_one_household(place, number, word, flat):
    country, street = place
    house = f"{street} {''.join(number)}"
    keys = {key(country, house), key(country, house, f"{word} {flat}"), key(country, house, f"{word} {flat + 1}")}
    assert len(keys) == 3


@given(st.text(max_size=60), st.text(max_size=20), st.text(max_size=30))
def test_any_text_gives_a_key_or_none(street, street2, name):
    for by in ("address", "family"):
        found = key("IT", street, street2, by=by, name=name)
        assert found is None or found.startswith("IT|20121|")
