"""Which endpoints may be called: they come from browsers, so from anyone."""

import re
from collections.abc import Sequence
from typing import Final

from yarl import URL

from gateway.contract import PermanentFailure

_PLAIN: Final = re.compile(r"[!-~]{1,2048}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost"})


def allowed(endpoint: str, hosts: Sequence[str], *, allow_http: bool) -> URL:
    """The endpoint as the very URL to call, so that no second parser can read it differently.

    Raises PermanentFailure unless it is https on port 443 of one of `hosts`, or, where
    `allow_http`, http to this machine.
    """
    if not _PLAIN.fullmatch(endpoint):
        raise PermanentFailure("endpoint-not-allowed", "the endpoint is not a plain URL")
    try:
        # A capability URL: it must reach the push service byte for byte, not re-quoted.
        url = URL(endpoint, encoded=True)
        good = _at_push_service(url, hosts) or (allow_http and _at_home(url))
    except ValueError:  # yarl reads the port only when it is asked for
        good = False
    if not good:
        raise PermanentFailure("endpoint-not-allowed", "not at a push service of allowed_hosts")
    return url


def _at_push_service(url: URL, hosts: Sequence[str]) -> bool:
    return (url.scheme, url.port) == ("https", 443) and _bare(url) and any(_matches(url.host, host) for host in hosts)


def _at_home(url: URL) -> bool:
    return url.scheme == "http" and _bare(url) and url.host in _LOOPBACK


def _bare(url: URL) -> bool:
    return url.user is None and url.password is None


def _matches(host: str | None, pattern: str) -> bool:
    found = (host or "").lower()
    return found.endswith(pattern[1:]) if pattern.startswith("*.") else found == pattern
