"""How people shorten the words of an address: for comparing addresses, never for printing them."""

import re
import unicodedata
from collections.abc import Mapping
from typing import Final

# Letters that stay whole when marks are taken off, the signs for "number", and the many hyphens.
_WHOLE: Final = str.maketrans(
    {"ł": "l", "ø": "o", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "æ": "ae", "œ": "oe", "№": "no "}
    | dict.fromkeys("ºª°", " ")
    | dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")
)
_UMLAUT: Final = re.compile("(?<![aeq])([aou])e")
_GERMAN: Final = frozenset("DE AT CH LI LU".split())


def folded(text: str, country: str = "") -> str:
    """Small letters without marks: `Größe`, `GROESSE` and `grösse` are one in a German-speaking country."""
    parts = unicodedata.normalize("NFD", text.casefold())
    bare = "".join(part for part in parts if unicodedata.category(part) != "Mn").translate(_WHOLE)
    return _UMLAUT.sub(r"\1", bare) if country in _GERMAN else bare


def _forms(lines: str) -> dict[str, str]:
    """The first word of a line stands for all that follow it."""
    words = (folded(line).split() for line in lines.strip().splitlines())
    return {form: first for first, *forms in words for form in (first, *forms)}


KINDS: Final[Mapping[str, str]] = _forms("""
    via v
    viale vle
    piazza pzza pza
    piazzale ple pzzale
    corso cso
    largo lgo
    vicolo vlo vic
    contrada cda
    strada sda
    loc localita
    fraz frazione
    rue r
    av avenue ave aven avenida avda avd
    bd boulevard blvd boul bld bulevar bulevard
    pl place placa plac platz plaza plein
    che chemin chem
    imp impasse
    all allee
    quai qu quay
    rte route
    str strasse strase straat
    pso paseo
    ctra carretera crta
    trv travessa travesia
    trg namesti nam namestie
    al aleja aleje
    os osiedle
    krt korut
    st street saint
    rd road
    ln lane
    dr drive
    ct court
    cl close
    cres crescent
    gdns gardens gdn garden
    sq square
    terr terrace
    hwy highway
    пер переулок пров провулок
    пр проспект просп прт пркт
    пл площадь площа плдь
    наб набережная
    бр бульвар бул
    ш шоссе шосе
    λεωφ λεωφόρος
    πλ πλατεία
    """)
"""Kinds of streets: told apart, and taken to the front. A form of one letter counts only as the first word."""

PLAIN: Final = frozenset(folded("ul ulica ulice calle c ул улица вул вулиця οδός οδ utca u iela gatvė").split())
"""Kinds that say no more than "street", and are as often left out."""

UNITS: Final[Mapping[str, str]] = _forms("""
    apt int interno apartment apartmento app appartamento appt appartement ap apartament apartamento flat unit suite ste
    apt wohnung whg top tür lgh dveře lok lokal mieszkanie m ajtó bus bte boîte asunto korter кв квартира оф офис
    apt διαμ διαμέρισμα
    stair scala sc stiege stg escalier esc escalera klatka schody подъезд подʼїзд підʼїзд
    floor piano p étage et etaj etg stock stockwerk verdieping planta piso andar piętro emelet em этаж эт поверх όροφος
    house edificio edif palazzina pal villa lotto bâtiment bât building bldg block blok bl корпус корп к строение стр
    house κτίριο
    """)
"""Words before what is inside a house: a flat, a staircase, a floor, or one of several houses of one number."""

UNITS_OF: Final[Mapping[str, str]] = {"m": "PL", "к": "RU BY KZ", "p": "IT PL PT", "em": "HU", "pal": "IT"}
"""Words that mean a unit in these countries alone."""

NUMBER_WORDS: Final = folded("n no nr num numero nummer number civ civico д дом буд будинок αρ αριθ sz č čp").split()
"""Words before the number of a house that add nothing to it."""

BESIDE: Final = folded("c/o presso chez bei att attn").split()
"""Words before the name of whoever takes the mail in."""

NUMBER_FIRST: Final = frozenset("AU CA FR GB GF GG GP IE IM IN JE LU MC MQ MT NC NZ PF PM RE SG US YT ZA".split())
"""Countries in which the number of the house stands before its street."""

SLASH_IS_FLAT: Final = frozenset({"PL"})
DASH_IS_FLAT: Final = frozenset({"EE", "LT", "LV", "RU", "UA"})
