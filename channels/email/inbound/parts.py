"""A mail taken apart, however it was mangled on its way (RFC 5322, 2045, 2046). Pure; bounded in time and memory."""

import binascii
import re
from collections.abc import Iterator, Mapping
from typing import Final

from msgspec import Struct

from gateway.contract import BadWebhook

LARGEST_BYTES: Final = 1_000_000
"""Our own mails are a fifth of that, and a bounce returns no more than one of them."""

_DEEPEST: Final = 8
_MOST_PARTS: Final = 100
_MOST_FIELDS: Final = 1000
_LONGEST_TYPE_CHARS: Final = 2000

_FIELD: Final = re.compile(rb"([!-9;-~]{1,100})[ \t]*:(.*)", re.DOTALL)
_PARAMETER: Final = re.compile(r';\s*([A-Za-z0-9-]{1,50})\s*=\s*(?:"((?:[^"\\]|\\.)*)"|([^\s;"]+))')
_KIND: Final = re.compile(r"\s*([A-Za-z0-9!#$&^_.+-]{1,60}/[A-Za-z0-9!#$&^_.+-]{1,60})")
_CHARSET: Final = re.compile(
    r"utf-?8|(us-)?ascii|iso-?8859-?\d{1,2}|(windows-|cp)125\d|koi8-[ru]|gb(2312|k|18030)|big5|shift[_-]jis"
    r"|iso-2022-jp|euc-(jp|kr)|utf-16(le|be)?|cp932|macintosh"
)
"""Those that mails are written in. Python's others do more than to decode text."""

Headers = Mapping[str, tuple[str, ...]]
"""By lower-case name the unfolded values, in the mail's order."""


class Part(Struct, frozen=True, kw_only=True):
    """A mail, or a part of one. `kind` is its media type in lower case; `body` as it was transferred, lines end in LF.

    `parts` are those of a multipart; what is inside an attached mail is not taken apart.
    """

    headers: Headers
    kind: str
    parameters: Mapping[str, str]
    body: bytes
    parts: tuple["Part", ...] = ()

    def header(self, name: str) -> str:
        """The first header of that name, empty where there is none."""
        return first(self.headers, name)

    def walk(self) -> Iterator["Part"]:
        """This part and all in it, in the mail's order."""
        yield self
        for part in self.parts:
            yield from part.walk()

    def content(self) -> bytes:
        """The body without its transfer encoding; as it is where that is broken."""
        match self.header("content-transfer-encoding").strip().lower():
            case "base64":
                try:
                    return binascii.a2b_base64(self.body).replace(b"\r\n", b"\n")
                except binascii.Error:
                    return self.body
            case "quoted-printable":
                return binascii.a2b_qp(self.body)
            case _:
                return self.body

    def text(self) -> str:
        """The body as text. What cannot be decoded is replaced."""
        return decoded(self.content(), self.parameters.get("charset", "utf-8"))


def take_apart(raw: bytes) -> Part:
    """The mail that some bytes are. Raises BadWebhook: too large, or no mail at all."""
    if len(raw) > LARGEST_BYTES:
        raise BadWebhook(f"a mail of more than {LARGEST_BYTES} bytes")
    plain = raw.replace(b"\r\n", b"\n").replace(b"\r", b"\n").lstrip(b"\n")
    if plain.startswith((b"From ", b">From ")):
        # The line that mailboxes of the mbox kind have before each mail.
        plain = plain.partition(b"\n")[2]
    part = _part(plain, _Budget(_MOST_PARTS), 0)
    if not part.headers:
        raise BadWebhook("not a mail: it begins with no header")
    return part


def headers_of(raw: bytes) -> Headers:
    """The headers at the beginning of a mail that was returned, whole or cut off after them."""
    return _headers(raw.lstrip(b"\n"))[0]


def first(headers: Headers, name: str) -> str:
    return headers.get(name, ("",))[0]


def decoded(raw: bytes, charset: str) -> str:
    name = charset.strip().lower()
    known = name if _CHARSET.fullmatch(name) else "utf-8"
    try:
        return raw.decode(known, "replace")
    except LookupError:
        return raw.decode("utf-8", "replace")


class _Budget:
    def __init__(self, parts: int) -> None:
        self.parts = parts

    def spend(self) -> bool:
        self.parts -= 1
        return self.parts >= 0


def _part(raw: bytes, budget: _Budget, depth: int) -> Part:
    headers, body = _headers(raw)
    kind, parameters = _content_type(first(headers, "content-type"))
    parts: tuple[Part, ...] = ()
    boundary = parameters.get("boundary", "")
    if kind.startswith("multipart/") and boundary and depth < _DEEPEST:
        parts = tuple(_part(each, budget, depth + 1) for each in _sections(body, boundary) if budget.spend())
    return Part(headers=headers, kind=kind, parameters=parameters, body=body, parts=parts)


def _headers(raw: bytes) -> tuple[Headers, bytes]:
    """Up to the first empty line. Lines that are no header are left out."""
    if raw.startswith(b"\n"):
        return {}, raw[1:]
    head, _, body = raw.partition(b"\n\n")
    found: dict[str, list[str]] = {}
    for field in re.split(rb"\n(?![ \t])", head, maxsplit=_MOST_FIELDS)[:_MOST_FIELDS]:
        match = _FIELD.fullmatch(field)
        if match is not None:
            value = b" ".join(line.strip() for line in match[2].split(b"\n")).decode("utf-8", "replace")
            found.setdefault(match[1].decode("ascii").lower(), []).append(value.strip())
    return {name: tuple(values) for name, values in found.items()}, body


def _content_type(value: str) -> tuple[str, dict[str, str]]:
    value = value[:_LONGEST_TYPE_CHARS]
    match = _KIND.match(value)
    if match is None:
        return "text/plain", {}
    parameters = {
        name.lower(): re.sub(r"\\(.)", r"\1", quoted) or plain for name, quoted, plain in _PARAMETER.findall(value)
    }
    return match[1].lower(), parameters


def _sections(body: bytes, boundary: str) -> Iterator[bytes]:
    """What stands between the delimiter lines, up to the closing one or the end (RFC 2046 5.1.1)."""
    delimiter = re.escape(boundary.encode("utf-8", "replace"))
    _, *pieces = re.split(rb"(?m)^--" + delimiter + rb"(--)?[ \t]*$\n?", body)
    for closes, section in zip(pieces[::2], pieces[1::2], strict=True):
        if closes:
            return
        yield section.removesuffix(b"\n")
