"""Finishing touches to the HTML of a mail: the style sheet written into its tags, the picture that tells of opens."""

import re
from collections.abc import Callable
from html import escape
from importlib.util import find_spec
from typing import Final

MOST_TAGS: Final = 4_000
"""More of them, each within the one before, could exhaust css-inline's stack and with it end the process."""

_BODY_END: Final = re.compile(r"</body\s*>", re.IGNORECASE)


def can_inline() -> bool:
    """Whether the package that writes style sheets into tags is installed."""
    return find_spec("css_inline") is not None


def css_inliner() -> Callable[[str], str]:
    """Writes a style sheet into the tags it applies to, and leaves it in its place for what cannot be inlined.

    Fetches nothing. HTML of too many tags comes back as it was.
    """
    from css_inline import CSSInliner

    inliner = CSSInliner(load_remote_stylesheets=False, keep_style_tags=True, keep_link_tags=True)

    def inlined(html: str) -> str:
        return html if has_too_many_tags(html) or "<style" not in html else inliner.inline(html)

    return inlined


def has_too_many_tags(html: str) -> bool:
    return html.count("<") > MOST_TAGS


def with_picture(html: str, url: str) -> str:
    """The HTML with a picture of one pixel at its end."""
    picture = f'<img src="{escape(url)}" width="1" height="1" alt="">'
    *_, end = [len(html), *(found.start() for found in _BODY_END.finditer(html))]
    return html[:end] + picture + html[end:]
