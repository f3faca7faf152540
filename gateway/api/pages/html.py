"""Plain pages: one heading, a few sentences, forms. No script, no cookie, nothing from elsewhere."""

import base64
import hashlib
from collections.abc import Iterable
from html import escape
from typing import Final, Literal

from litestar import Response

# Sizes in rem and one column: it holds at 320 px, and at 200 % of any other width.
_STYLE: Final = (
    "body{font:1.125rem/1.6 system-ui,sans-serif;margin:0 auto;max-width:36rem;padding:3rem 1.25rem;"
    "color:#1b1b1b;background:#fff;overflow-wrap:anywhere}"
    "h1{font-size:1.75rem;line-height:1.25}h2{font-size:1.3rem;line-height:1.3;margin-top:2.5rem}"
    "a{color:#0b4f8a}"
    "button{font:inherit;padding:.75rem 1.5rem;border:0;border-radius:.375rem;background:#0b4f8a;color:#fff;"
    "cursor:pointer}"
    "fieldset{border:0;margin:0 0 1.25rem;padding:0;min-width:0}legend{font-weight:700;padding:0}"
    "label{display:flex;gap:.75rem;align-items:center;min-height:2.75rem}"
    "input{flex:none;width:1.375rem;height:1.375rem;margin:0;accent-color:#0b4f8a}"
    "[role=status]{border-inline-start:.25rem solid #1a7a3c;padding-inline-start:1rem}"
    ":focus-visible{outline:3px solid #9a5b00;outline-offset:2px}"
    ".code{font:700 1.75rem/1.4 ui-monospace,monospace;letter-spacing:.05em;white-space:nowrap}"
    "@media(prefers-color-scheme:dark){body{color:#f0f0f0;background:#161616}a{color:#8cc4f5}"
    "button{background:#8cc4f5;color:#000}input{accent-color:#8cc4f5}:focus-visible{outline-color:#f2a900}"
    "[role=status]{border-color:#6fd08c}}"
)
_STYLE_HASH: Final = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
_POLICY: Final = (
    f"default-src 'none'; style-src 'sha256-{_STYLE_HASH}'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)


def sentence(text: str) -> str:
    return f"<p>{escape(text)}</p>"


def news(text: str) -> str:
    """A sentence on what has just happened, which screen readers say by themselves."""
    return f'<p role="status">{escape(text)}</p>'


def heading(text: str) -> str:
    return f"<h2>{escape(text)}</h2>"


def code(text: str) -> str:
    return f'<p class="code">{escape(text)}</p>'


def link(url: str, text: str) -> str:
    return f'<p><a href="{escape(url)}">{escape(text)}</a></p>'


def button(text: str) -> str:
    """Posts to the address that the page was got from."""
    return form("", text)


def form(fields: str, text: str) -> str:
    """As `button`, with `fields`, which are HTML already."""
    return f'<form method="post">{fields}<button type="submit">{escape(text)}</button></form>'


def hidden(name: str, value: str) -> str:
    return f'<input type="hidden" name="{escape(name)}" value="{escape(value)}">'


def group(title: str, fields: Iterable[str]) -> str:
    """Fields that belong together. They are HTML already; `title` is not."""
    return f"<fieldset><legend>{escape(title)}</legend>{''.join(fields)}</fieldset>"


def box(kind: Literal["checkbox", "radio"], name: str, value: str, text: str, *, is_on: bool) -> str:
    """Something to tick, with what it means beside it. The whole line can be clicked."""
    ticked = " checked" if is_on else ""
    field = f'<input type="{kind}" name="{escape(name)}" value="{escape(value)}"{ticked}>'
    return f"<label>{field}<bdi>{escape(text)}</bdi></label>"


def page(language: str, title: str, parts: Iterable[str], status: int = 200) -> Response[str]:
    """`parts` are HTML already; `title` is not. All our languages are written from left to right."""
    body = (
        f'<!doctype html><html lang="{escape(language)}" dir="ltr"><head><meta charset="utf-8">'
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
