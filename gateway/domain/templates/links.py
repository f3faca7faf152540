"""Which addresses a message may lead to."""

import html
import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import urlsplit

from gateway.domain.templates.limits import LINK_CHARS

SCHEMES: Final = frozenset({"http", "https", "mailto", "tel", "cid"})
_COMMON: Final = ("href", "src", "srcset", "action", "formaction", "background", "poster", "cite", "data")
URL_ATTRIBUTES: Final = frozenset({*_COMMON, "longdesc", "ping", "usemap", "xlink:href"})

_SCHEME: Final = re.compile(r"([a-zA-Z][a-zA-Z0-9+.\-]*):")
_IGNORED: Final = re.compile("[\x00-\x20]")
_VALUE: Final = re.compile(r"""\s*=\s*(?:"([^"]*)"|'([^']*)'|([^\s>]+))""")


def link_fault(url: str) -> str | None:
    """What keeps `url` from being a link that the gateway redirects to, or None.

    Absolute http or https with a host; no user name before an @, which only serves to
    deceive; no spaces, controls or backslashes, which browsers read in ways of their own.
    """
    if len(url) > LINK_CHARS:
        return f"the link is longer than {LINK_CHARS} characters"
    if re.search(r"[\x00-\x20\x7f-\xa0\\\u2028\u2029]", url):
        return "the link holds a space, a control character or a backslash; write it percent-encoded"
    try:
        parts = urlsplit(url)
        host = parts.hostname
        _ = parts.port
    except ValueError:
        return "the link is not a valid URL"
    if parts.scheme not in ("http", "https") or not host:
        return "the link must start with https:// or http:// and name a host"
    return "the link must not hold a user name" if "@" in parts.netloc else None


def scheme_of(attribute: str) -> str | None:
    """The scheme of an attribute's value as a browser reads it: entities decoded, white space dropped."""
    found = _SCHEME.match(_IGNORED.sub("", html.unescape(attribute)))
    return found[1].lower() if found else None


def forbidden_scheme(name: str, value: str) -> str | None:
    """The scheme in a URL attribute that no message may hold, such as `javascript`, or None."""
    for url in value.split(",") if name == "srcset" else [value]:
        scheme = scheme_of(url)
        if scheme is not None and scheme not in SCHEMES:
            return scheme
    return None


def forbidden_in_html(rendered: str, names: Iterable[str]) -> str | None:
    """The first forbidden scheme in the attributes of these names, spelled as in the HTML, or None."""
    for name in names:
        at = rendered.find(name)
        while at >= 0:
            at += len(name)
            found = _VALUE.match(rendered, at)
            if found and (scheme := forbidden_scheme(name.lower(), found[1] or found[2] or found[3] or "")):
                return scheme
            at = rendered.find(name, at)
    return None
