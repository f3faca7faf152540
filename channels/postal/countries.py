"""The country line: the last of an address, and only where the letter leaves the country.

The Universal Postal Union takes the country's name in capitals, in the language of the sending country or in one known
everywhere. The names are those of the Unicode Consortium (CLDR), which babel carries.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from channels.postal.text import capitals

_AT_HOME: Final[Mapping[str, frozenset[str]]] = {"IT": frozenset({"SM", "VA"})}
"""Other countries that a country's post serves as its own: no country line, though there is a border."""


def country_line(country: str, sender_country: str, names: Mapping[str, str]) -> str:
    """The name in capitals, from `names` if it is there, else in the sender's language. Empty: no line is wanted."""
    if country == sender_country or country in _AT_HOME.get(sender_country, ()):
        return ""
    return capitals(names.get(country) or _name(country, sender_country), sender_country)


@lru_cache(maxsize=512)
def _name(country: str, sender_country: str) -> str:
    # Not at the top: babel takes 30 ms to import, and most processes print nothing.
    from babel import Locale, UnknownLocaleError
    from babel.languages import get_official_languages

    for language in (*get_official_languages(sender_country, de_facto=True), "en"):
        try:
            if name := Locale.parse(language).territories.get(country):
                return str(name)
        except UnknownLocaleError:
            continue
    return country
