"""E-mail addresses, checked strictly: what is asked of the server is exactly what was checked."""

import re
from typing import Final

from email_validator import EmailNotValidError, validate_email
from msgspec import Struct

_ATEXT: Final = r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+"
_LABEL: Final = r"(?!..--)[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_ORDINARY: Final = re.compile(
    rf"(?P<local>(?=.{{1,64}}@){_ATEXT}(?:\.{_ATEXT})*)"
    rf"@(?P<domain>(?:{_LABEL}\.)+(?!(?:arpa|invalid|local|localhost|onion)$)[a-z]{{2,63}})"
)
"""What nearly all addresses look like. The rest, and all that are wrong, take the long way."""

_LONGEST_CHARS: Final = 254
"""RFC 5321, 4.5.3.1.3: a path has 256 octets, of which two are its brackets."""


class BadAddress(ValueError):
    """Not an address that mail can be sent to. The text says why, without the address."""


class Mailbox(Struct, frozen=True, kw_only=True):
    """A checked address. `domain` is in A-labels (IDNA 2008); `local` may hold other letters than ASCII."""

    local: str
    domain: str

    @property
    def needs_smtputf8(self) -> bool:
        """Only a server that offers SMTPUTF8 (RFC 6531) can be told this address."""
        return not self.local.isascii()

    def __str__(self) -> str:
        return f"{self.local}@{self.domain}"


def mailbox(value: str) -> Mailbox:
    """The mailbox that an address names. Raises BadAddress. Asks no DNS.

    Comments, quoted local parts, display names and address literals are refused.
    """
    ordinary = _ORDINARY.fullmatch(value) if len(value) <= _LONGEST_CHARS else None
    if ordinary is not None:
        return Mailbox(local=ordinary["local"], domain=ordinary["domain"])
    try:
        checked = validate_email(value, check_deliverability=False, strict=True, test_environment=True)
    except EmailNotValidError:
        raise BadAddress("not an e-mail address, or not one that mail can be sent to") from None
    return Mailbox(local=checked.local_part, domain=checked.ascii_domain)
