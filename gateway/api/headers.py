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
