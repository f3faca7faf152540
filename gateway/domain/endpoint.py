"""Where other systems want to be told: which news, how often it is tried, and how it is signed.

Deliveries are Standard Webhooks 1.0 (https://www.standardwebhooks.com).
"""

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from msgspec import Meta, Struct
from standardwebhooks import Webhook

from gateway.domain.notices import BY_NAME_ONLY, PING, TYPES
from gateway.domain.words import refuse_nul

_PREFIXES: Final = tuple(sorted({type.partition(".")[0] + ".*" for type in TYPES}))

WAITS: Final = tuple(timedelta(seconds=seconds) for seconds in (0, 5, 300, 1_800, 7_200, 18_000, 36_000, 36_000))
"""Before each try, counted from the one before (Standard Webhooks, "Retry schedule")."""
_JITTER: Final = 0.2


class EndpointInput(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Where news is sent, and which: types, prefixes such as `send.*`, or `*` for all but the most frequent."""

    url: Annotated[str, Meta(max_length=2000, examples=["https://crm.example.com/risveglio"])]
    types: Annotated[tuple[Annotated[str, Meta(max_length=60)], ...], Meta(min_length=1, max_length=60)] = ("*",)
    description: Annotated[str, Meta(max_length=200)] = ""

    def __post_init__(self) -> None:
        refuse_nul(description=self.description)
        unknown = [type for type in self.types if type != "*" and type not in TYPES and type not in _PREFIXES]
        if unknown:
            known = ", ".join(("*", *_PREFIXES, *TYPES))
            raise ValueError(f"types: there is no {unknown[0]}; there is {known}")
        fault = _fault_of_url(self.url)
        if fault:
            raise ValueError(f"url: {fault}")


def _fault_of_url(url: str) -> str | None:
    """What is wrong with it as it stands; whether it may be connected to is asked when it is."""
    if not url.startswith(("https://", "http://")):
        return "must start with https://"
    if not all("!" <= symbol <= "~" for symbol in url) or "\\" in url:
        return "holds a character that must be percent-encoded, or a host name that must be in its ASCII form"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return "is no URL"
    if not host:
        return "names no host"
    if "@" in parts.netloc:
        return "holds a user or a password; deliveries are signed instead"
    return "holds a fragment, which no server ever sees" if "#" in url else None


def asks(types: Collection[str], type: str) -> bool:
    """Whether an endpoint with these `types` is told of `type`."""
    if type in types or type == PING:
        return True
    return type not in BY_NAME_ONLY and ("*" in types or f"{type.partition('.')[0]}.*" in types)


def wait_after(tries: int, jitter: float) -> timedelta | None:
    """How long to wait after so many tries in vain; None where it was the last. `jitter` is from 0 to 1."""
    return WAITS[tries] * (1 + _JITTER * jitter) if tries < len(WAITS) else None


def signed(id: str, at: datetime, body: bytes, secrets: Sequence[str]) -> dict[str, str]:
    """The headers of a delivery: a signature for each secret in force, so that receivers change theirs in peace."""
    text = body.decode()
    return {
        "webhook-id": id,
        "webhook-timestamp": str(int(at.timestamp())),
        "webhook-signature": " ".join(Webhook(secret).sign(id, at, text) for secret in secrets),
    }
