"""Plain pages: one heading, a few sentences, at most one button. No script, no cookie, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Final

from litestar import Response

_STYLE: Final = (
    "body{font:1.125rem/1.6 system-ui,sans-serif;margin:0 auto;max-width:36rem;padding:3rem 1.25rem;"
    "color:#1b1b1b;background:#fff}"
    "h1{font-size:1.75rem;line-height:1.25}"
    "button{font:inherit;padding:.75rem 1.5rem;border:0;border-radius:.375rem;background:#0b4f8a;color:#fff;"
    "cursor:pointer}button:focus-visible{outline:3px solid #f2a900;outline-offset:2px}"
    ".code{font:700 1.75rem/1.4 ui-monospace,monospace;letter-spacing:.05em;white-space:nowrap}"
    "@media(prefers-color-scheme:dark){body{color:#f0f0f0;background:#161616}button{background:#8cc4f5;color:#000}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def sentence(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def code(text: str) -> str:
    return f'<p class="code">{escape(text)}</p>'


def button(text: str) -> str:
    """Posts to the address that the page was got from."""
    return f'<form method="post"><button type="submit">{escape(text)}</button></form>'


def page(language: str, title: str, parts: Iterable[str], status: int = 200) -> Response[str]:
    """`parts` are HTML already; `title` is not."""
    body = (
        f'<!doctype html><html lang="{escape(language)}"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f'<meta name="robots" content="noindex, nofollow"><title>{escape(title)}</title><style>{_STYLE}</style></head>'
        f"<body><main><h1>{escape(title)}</h1>{''.join(parts)}</main></body></html>"
    )
    return Response(
        body,
        status_code=status,
        media_type="text/html",
        headers={"Content-Security-Policy": _POLICY, "Content-Language": language},
    )
