"""A postal address as the lines that its own country's post wants.

Fields: `street` (with the house number), `street2`, `postcode`, `city`, `region`, `country`.
The order of lines follows common practice in each country; a post's own rules for bulk mail may
ask for more. `tests/channels/postal/test_address.py` shows one example each.
"""

import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from channels.postal.countries import NAMES, POSTCODE_OPTIONAL
from channels.postal.text import one_line

_LINES: Final[Mapping[str, tuple[str, ...]]] = {
    "IT": ("{street2}", "{street}", "{postcode} {CITY} {REGION}"),
    "DE": ("{street2}", "{street}", "{postcode} {city}"),
    "AT": ("{street2}", "{street}", "{postcode} {city}"),
    "CH": ("{street2}", "{street}", "{postcode} {city}"),
    "FR": ("{street2}", "{street}", "{postcode} {CITY}"),
    "PL": ("{street}", "{street2}", "{postcode} {city}"),
    "GR": ("{street}", "{street2}", "{postcode} {CITY}"),
    "RU": ("{street}", "{street2}", "{city}, {region}", "{postcode}"),
    "UA": ("{street}", "{street2}", "{city}, {region}", "{postcode}"),
    "GB": ("{street2}", "{street}", "{CITY}", "{POSTCODE}"),
    "ES": ("{street}", "{street2}", "{postcode} {city}", "{region}"),
    "US": ("{street}", "{street2}", "{CITY} {REGION} {postcode}"),
    "CA": ("{street}", "{street2}", "{CITY} {REGION} {POSTCODE}"),
    "AU": ("{street}", "{street2}", "{CITY} {REGION} {postcode}"),
}
"""After the addressee, before the country. A field in capitals is printed in capitals."""

_GENERIC: Final = ("{street}", "{street2}", "{postcode} {city}", "{region}")


class Incomplete(Exception):
    """An address that no post could deliver; the text names what is missing, not the address."""


class PostalAddress(Struct, frozen=True, kw_only=True):
    """An address, cleaned and complete."""

    addressee: str
    street: str
    street2: str
    postcode: str
    city: str
    region: str
    country: str


def postal_address(name: str, fields: Mapping[str, Any]) -> PostalAddress:
    """The address of `name`, or of the `name` among the fields where that is empty. Raises Incomplete."""
    texts = {key: one_line(_text(fields.get(key))) for key in ("street", "street2", "postcode", "city", "region")}
    country = _text(fields.get("country")).strip().upper()
    addressee = one_line(name) or one_line(_text(fields.get("name")))
    if not addressee:
        raise Incomplete("no addressee")
    if country not in NAMES:
        raise Incomplete("no country" if not country else "the country is no ISO 3166-1 code")
    for key in ("street", "city", "postcode"):
        if not texts[key] and not (key == "postcode" and country in POSTCODE_OPTIONAL):
            raise Incomplete(f"no {key}")
    return PostalAddress(addressee=addressee, country=country, **texts)


def address_lines(address: PostalAddress, sender_country: str, country_names: Mapping[str, str]) -> list[str]:
    """The lines in print order. The country, in capitals, only where it is not the sender's."""
    values = {
        "street": address.street,
        "street2": address.street2,
        "postcode": address.postcode,
        "POSTCODE": address.postcode.upper(),
        "city": address.city,
        "CITY": _capitals(address.city, address.country),
        "region": "" if address.region.casefold() == address.city.casefold() else address.region,
        "REGION": _capitals(address.region, address.country),
    }
    shapes = _LINES.get(address.country, _GENERIC)
    lines = [address.addressee, *(_tidy(shape.format_map(values)) for shape in shapes)]
    if address.country != sender_country:
        lines.append(country_names.get(address.country, NAMES[address.country]).upper())
    return [line for line in lines if line]


def _text(value: object) -> str:
    return str(value) if isinstance(value, str | int) else ""


def _tidy(line: str) -> str:
    return " ".join(line.split()).strip(", ")


def _capitals(text: str, country: str) -> str:
    """Capitals as the country writes them: Greek loses its accents, but keeps the dieresis."""
    capitals = text.upper()
    if country not in ("GR", "CY"):
        return capitals
    bare = "".join(mark for mark in unicodedata.normalize("NFD", capitals) if mark != "\N{COMBINING ACUTE ACCENT}")
    return unicodedata.normalize("NFC", bare)
