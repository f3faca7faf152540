"""Headers that every answer has."""

from typing import Any, Final

from litestar.datastructures import MutableScopeHeaders
from litestar.types import BeforeMessageSendHookHandler, Message, Scope

_ALWAYS: Final = {
    "Content-Security-Policy": "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    # Answers are about people, or true for a moment only.
    "Cache-Control": "no-store",
}
_YEAR_S: Final = 31_536_000


_SEEN_BY_OTHER_SITES: Final = {"Cross-Origin-Resource-Policy": "cross-origin"}
_READ_BY_OTHER_SITES: Final = _SEEN_BY_OTHER_SITES | {
    "Access-Control-Allow-Origin": "*",
    "Access-Control-Expose-Headers": "Retry-After",
}
_FOR_OTHER_SITES: Final = {"/push/": _READ_BY_OTHER_SITES, "/hooks/": _SEEN_BY_OTHER_SITES}
"""Below /push sites find scripts, and pages hand in subscriptions, with tokens and without cookies. Their service
workers post receipts to a hook, and would call an answer that they may not see a network error."""


async def open_to_other_sites(message: Message, scope: Scope) -> None:
    """To be called before `security_headers`, which keeps all else to ourselves."""
    if message["type"] == "http.response.start":
        headers: Any = MutableScopeHeaders.from_message(message)
        for place, wanted in _FOR_OTHER_SITES.items():
            for name, value in wanted.items() if scope["path"].startswith(place) else ():
                headers.setdefault(name, value)


def security_headers(public_url: str) -> BeforeMessageSendHookHandler:
    """Adds those that the answer has not set itself."""
    wanted = dict(_ALWAYS)
    if public_url.startswith("https://"):
        wanted["Strict-Transport-Security"] = f"max-age={_YEAR_S}"

    async def add(message: Message, scope: Scope) -> None:
        if message["type"] == "http.response.start":
            headers: Any = MutableScopeHeaders.from_message(message)
            for name, value in wanted.items():
                headers.setdefault(name, value)

    return add
