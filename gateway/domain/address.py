"""Addresses made fit for use: normalised, checked, and comparable."""

import re
import unicodedata
from collections.abc import Callable, Mapping
from typing import Final
from urllib.parse import urlsplit

import phonenumbers
from email_validator import EmailNotValidError, validate_email
from msgspec import Struct

from gateway.contract.postal import FIELDS, address_faults, postcode_of
from gateway.domain.recipient import AddressInput


class BadAddress(ValueError):
    """Not an address that can be used. The text says which field and why, without the address."""


class PlaceToReach(Struct, frozen=True, kw_only=True):
    """A normalised address. `match_key` is equal for equal places: for uniqueness and suppression."""

    kind: str
    value: str
    match_key: str
    data: dict[str, str]


def normalise(given: AddressInput) -> PlaceToReach:
    """The address fit for use. Raises BadAddress. Kinds of plugins are taken as one plain line."""
    return _NORMALISERS.get(given.kind, _plain)(given)


def warnings(kind: str, data: Mapping[str, str]) -> tuple[str, ...]:
    """What is odd about an address, one sentence each: no reason to refuse it."""
    return tuple(f"{fault.field} {fault.text}" for fault in address_faults(data)) if kind == "postal" else ()


def _email(given: AddressInput) -> PlaceToReach:
    try:
        parsed = validate_email(given.value, check_deliverability=False, test_environment=True, strict=True)
    except EmailNotValidError as error:
        raise BadAddress(f"value: not an e-mail address: {_first_sentence(error)}") from None
    # The local part is case-sensitive on paper and nowhere else: two spellings are one person.
    # Domains are compared as the DNS does: straße.example and strasse.example are two.
    match_key = f"{parsed.local_part.lower()}@{parsed.ascii_domain}"
    return PlaceToReach(kind="email", value=parsed.normalized, match_key=match_key, data={})


def _first_sentence(error: EmailNotValidError) -> str:
    return re.sub(r"\S+@\S*|@\S+\.\S+", "it", str(error)).split(". ")[0]


# Shared-cost and premium numbers bill the person we write to; the others are no one's pocket.
_REFUSED_NUMBERS: Final = {
    phonenumbers.PhoneNumberType.PREMIUM_RATE: "a premium-rate number",
    phonenumbers.PhoneNumberType.SHARED_COST: "a shared-cost number",
    phonenumbers.PhoneNumberType.UAN: "a company-wide number",
    phonenumbers.PhoneNumberType.VOICEMAIL: "a voicemail number",
}


def _phone(given: AddressInput) -> PlaceToReach:
    if not given.value.isascii() or not given.value.startswith("+"):
        raise BadAddress("value: a number starts with + and its country code, in the digits 0-9")
    try:
        number = phonenumbers.parse(given.value)
    except phonenumbers.NumberParseException:
        raise BadAddress("value: not a telephone number") from None
    if number.extension:
        raise BadAddress("value: a number with an extension takes no messages")
    if any(symbol.isalpha() for symbol in given.value):
        raise BadAddress("value: a number starts with + and its country code, in the digits 0-9")
    # Local-only lengths (a number without its area code) pass `is_possible_number`.
    if phonenumbers.is_possible_number_with_reason(number) != phonenumbers.ValidationResult.IS_POSSIBLE:
        raise BadAddress("value: too short or too long for a number of its country")
    refused = _REFUSED_NUMBERS.get(phonenumbers.number_type(number))
    if refused:
        raise BadAddress(f"value: {refused} takes no messages")
    e164 = phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)
    return PlaceToReach(kind="phone", value=e164, match_key=e164, data={})


def _webpush(given: AddressInput) -> PlaceToReach:
    if not _is_plain_url(given.value):
        raise BadAddress("value: a push endpoint is an https URL")
    missing = sorted({"p256dh", "auth"} - given.data.keys())
    if missing:
        raise BadAddress(f"data: a push subscription needs {' and '.join(missing)}")
    return PlaceToReach(kind="webpush", value=given.value, match_key=given.value, data=dict(given.data))


def _is_plain_url(text: str) -> bool:
    """Plain http is for receivers on the same machine; what may be called at all is the guard's to say."""
    # Checked first, because urlsplit drops line breaks and tabs without a word.
    if not text.isascii() or not text.isprintable() or " " in text:
        return False
    try:
        parts = urlsplit(text)
        has_host = bool(parts.hostname) and (parts.port is None or parts.port > 0)
    except ValueError:
        return False
    return parts.scheme in ("https", "http") and has_host and parts.username is None


_LONGEST_LINE: Final = 200
"""No letter has room for more."""


def _postal(given: AddressInput) -> PlaceToReach:
    unknown = sorted(given.data.keys() - set(FIELDS))
    if unknown:
        raise BadAddress(f"data: a postal address has no {', '.join(unknown)}")
    lines = {field: _one_line(given.data.get(field, ""), field) for field in FIELDS}
    if too_long := [field for field, line in lines.items() if len(line) > _LONGEST_LINE]:
        raise BadAddress(f"data: {', '.join(too_long)}: longer than {_LONGEST_LINE} characters")
    kept = {field: line for field, line in lines.items() if line}
    _refuse_undeliverable(kept)
    if "postcode" in kept:
        kept["postcode"] = postcode_of(kept["country"], kept["postcode"]) or kept["postcode"]
    place = [kept.get(field, "") for field in ("street", "street2", "postcode", "city", "country")]
    match_key = "|".join(re.sub(r"[\W_]+", " ", part.casefold()).strip() for part in place)
    value = ", ".join(part for part in place if part)
    return PlaceToReach(kind="postal", value=value, match_key=match_key, data=kept)


def _refuse_undeliverable(lines: dict[str, str]) -> None:
    grave = [f"{fault.field} {fault.text}" for fault in address_faults(lines) if fault.grave]
    if grave:
        raise BadAddress(f"data: {'; '.join(grave)}")


def _plain(given: AddressInput) -> PlaceToReach:
    value = _one_line(given.value, "value")
    if not value:
        raise BadAddress("value: is empty")
    return PlaceToReach(kind=given.kind, value=value, match_key=value, data=dict(given.data))


def _one_line(text: str, field: str) -> str:
    text = unicodedata.normalize("NFC", text).strip()
    if any(unicodedata.category(symbol) in ("Cc", "Cf", "Zl", "Zp") for symbol in text):
        raise BadAddress(f"{field}: holds control characters or line breaks")
    return text


_NORMALISERS: Final[dict[str, Callable[[AddressInput], PlaceToReach]]] = {
    "email": _email,
    "phone": _phone,
    "webpush": _webpush,
    "postal": _postal,
}
