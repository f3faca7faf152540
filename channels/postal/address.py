"""A postal address as the lines that its own country's post wants.

What an address must hold is the contract's to say (`gateway.contract.postal`), the order of its lines `shapes`'.
"""

import re
import unicodedata
from collections.abc import Mapping
from functools import cache
from itertools import pairwise
from typing import Any, Final

from msgspec import Struct

from channels.postal.countries import country_line
from channels.postal.shapes import JOINTS, shape_of
from channels.postal.text import capitals, one_line
from gateway.contract.postal import FIELDS, address_faults, postcode_of, region_code

MOST_LINES: Final = 6
"""What sorting machines and windows have room for, the country's line among them."""


class Incomplete(Exception):
    """An address that no post could deliver; the text names the field and what would be right, not the address."""


class PostalAddress(Struct, frozen=True, kw_only=True):
    """An address, cleaned and complete."""

    addressee: str
    company: str = ""
    care_of: str = ""
    street: str
    street2: str = ""
    postcode: str = ""
    city: str = ""
    region: str = ""
    country: str


def postal_address(name: str, fields: Mapping[str, Any]) -> PostalAddress:
    """The address of `name`, or of the `name` or `company` among the fields where that is empty. Raises Incomplete."""
    texts = {field: _text(fields.get(field)) for field in FIELDS}
    texts["country"] = texts["country"].upper()
    addressee = _text(name) or texts["name"] or texts["company"]
    del texts["name"]
    if not addressee:
        raise Incomplete("addressee is missing")
    grave = next((fault for fault in address_faults(texts) if fault.grave), None)
    if grave is not None:
        raise Incomplete(f"{grave.field} {grave.text}")
    country, code = texts["country"], texts["postcode"]
    texts["postcode"] = (postcode_of(country, code) or code) if code else ""
    return PostalAddress(addressee=addressee, **texts)


def address_lines(
    address: PostalAddress, sender_country: str, country_names: Mapping[str, str], most: int = MOST_LINES
) -> list[str]:
    """The lines in print order, none empty. The country, in capitals, only where a post asks for it.

    Lines are joined where there would be more than `most`, which is four or more.
    """
    values = _values(address)
    filled = [line for shape in shape_of(address.country) if (line := _filled(shape, values)).text]
    last = country_line(address.country, sender_country, country_names)
    joined = _joined(filled, most - bool(last))
    return [line.text for line in joined] + ([last] if last else [])


class _Line(Struct, frozen=True):
    """A line and the fields that it shows."""

    fields: tuple[str, ...]
    text: str


def _values(address: PostalAddress) -> dict[str, str]:
    """What is shown of each field: nothing twice."""
    region = region_code(address.country, address.region) if address.country in _CODED_REGIONS else address.region
    return {
        "addressee": address.addressee,
        "company": address.company if not _same(address.company, address.addressee) else "",
        "care_of": _care_of(address.care_of) if not _same(address.care_of, address.addressee) else "",
        "street": address.street,
        "street2": address.street2 if not _same(address.street2, address.street) else "",
        "postcode": address.postcode,
        "city": address.city,
        "region": region if not _same(address.region, address.city) or address.country in _CODED_REGIONS else "",
        "country": address.country,
    }


_CODED_REGIONS: Final = frozenset({"IT", "US", "CA", "AU"})
"""Where the post wants the short form: the province of `Milano` is MI, and is printed beside the town of Milano."""
_BESIDE: Final = re.compile(r"(?:c/o|presso|chez|bei|p/a)\b", re.IGNORECASE)


def _care_of(text: str) -> str:
    return text if not text or _BESIDE.match(text) else f"c/o {text}"


def _filled(shape: str, values: Mapping[str, str]) -> _Line:
    text, shown = "", []
    for before, field in _parts(shape):
        value = values[field.lower()]
        if not value:
            continue
        # Commas and spaces stand between two fields; letters, as in L-1234, belong to the one behind them.
        text += before if text or before.strip(", ") else ""
        text += capitals(value, values["country"]) if field.isupper() else value
        shown.append(field.lower())
    return _Line(tuple(shown), text)


@cache
def _parts(shape: str) -> list[tuple[str, str]]:
    return re.findall(r"([^{}]*)\{(\w+)\}", shape)


def _joined(lines: list[_Line], most: int) -> list[_Line]:
    for upper, lower, between in JOINTS:
        if len(lines) <= most:
            return lines
        lines = _with_joint(lines, upper, lower, between)
    return lines


def _with_joint(lines: list[_Line], upper: str, lower: str, between: str) -> list[_Line]:
    for place, (first, second) in enumerate(pairwise(lines)):
        if upper in first.fields and lower in second.fields:
            one = _Line((*first.fields, *second.fields), f"{first.text}{between}{second.text}")
            return [*lines[:place], one, *lines[place + 2 :]]
    return lines


def _same(one: str, other: str) -> bool:
    return bool(one and other) and _bare(one) == _bare(other)


def _bare(text: str) -> str:
    parts = unicodedata.normalize("NFD", text.casefold())
    return "".join(part for part in parts if part.isalnum())


def _text(value: object) -> str:
    return one_line(str(value)).strip(" ,;") if isinstance(value, str | int) else ""
