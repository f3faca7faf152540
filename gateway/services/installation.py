"""What every service must know of this installation."""

from collections.abc import Mapping

from msgspec import Struct

from gateway.contract import Capabilities
from gateway.domain.policy import Policies
from gateway.domain.tokens import KeyRing


class Installation(Struct, frozen=True, kw_only=True):
    """Policies, keys, and the channels that are ready, by kind. Set at the start, never changed."""

    policies: Policies
    keys: KeyRing
    channels: Mapping[str, Capabilities]
    brands: Mapping[str, frozenset[str]] = {}
    """By channel, the sender profiles that it knows besides its own."""
    public_url: str
    """Base of every link, without a slash at the end."""
    short_url: str | None = None
    """Base of short links, on a host of their own; None where there are none."""
