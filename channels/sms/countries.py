"""Which country's rules and prices a number falls under."""

from typing import Annotated, Final

import phonenumbers
from msgspec import Meta

Country = Annotated[str, Meta(pattern=r"^[A-Z]{2}$", description="An ISO 3166 code of two capitals, such as IT.")]

_BY_AREA_CODE: Final = frozenset({1, 7})
"""Calling codes under which area codes tell countries apart: North America, Russia and Kazakhstan. Of the other shared
ones the first country answers for all: a British mobile of a new range passes for one of Guernsey, a Roman landline
for the Vatican."""
_NOWHERE: Final = "001"


def country_of(number: str) -> str | None:
    """The country of an E.164 number, by its calling code; None for satellites and the like, and for nonsense."""
    try:
        parsed = phonenumbers.parse(number)
    except phonenumbers.NumberParseException:
        return None
    calling_code = parsed.country_code or 0
    by_area = phonenumbers.region_code_for_number(parsed) if calling_code in _BY_AREA_CODE else None
    country = by_area or phonenumbers.region_code_for_country_code(calling_code)
    return None if country in (_NOWHERE, "ZZ") else str(country)
