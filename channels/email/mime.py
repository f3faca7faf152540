"""The body of a mail: plain text, or text and HTML as alternatives (RFC 2046, 5.1.4). All of it is 7-bit."""

import binascii
from typing import Final

from channels.email.header import Unfit

_HIGH: Final = bytes(range(128, 256))
_BASE64_LINE_CHARS: Final = 76
_BOUNDARY_CHARS: Final = 70
"""RFC 2046, 5.1.1."""


def content(text: str, html: str | None, boundary: str) -> tuple[list[bytes], bytes]:
    """The Content- headers, and the body.

    `boundary` must begin with `=_`: neither base64 nor quoted-printable can make these two
    characters, so that no content can end its part (RFC 2045, 6.7). Raises Unfit.
    """
    if html is None:
        return _part("plain", text)
    mark = boundary[:_BOUNDARY_CHARS].encode("ascii")
    pieces: list[bytes] = []
    for fields, body in (_part("plain", text), _part("html", html)):
        pieces += (b"--", mark, b"\r\n", *fields, b"\r\n", body)
    pieces += (b"--", mark, b"--\r\n")
    return [b'Content-Type: multipart/alternative;\r\n boundary="' + mark + b'"\r\n'], b"".join(pieces)


def _part(subtype: str, text: str) -> tuple[list[bytes], bytes]:
    raw = _lines(text)
    # A high byte takes three characters in quoted-printable; base64 adds a third to everything.
    if len(raw) - len(raw.translate(None, _HIGH)) > len(raw) // 6:
        encoding, coded = b"base64", _base64(raw)
    else:
        encoding, coded = b"quoted-printable", binascii.b2a_qp(raw, istext=True)
    fields = [
        f"Content-Type: text/{subtype}; charset=utf-8\r\n".encode("ascii"),
        b"Content-Transfer-Encoding: " + encoding + b"\r\n",
    ]
    return fields, coded


def _lines(text: str) -> bytes:
    """The text in UTF-8 whose every line, the last one too, ends in CRLF."""
    try:
        raw = text.replace("\r\n", "\n").replace("\r", "\n").replace("\n", "\r\n").encode("utf-8")
    except UnicodeEncodeError:
        raise Unfit("text: holds half of a surrogate pair") from None
    return raw if raw.endswith(b"\r\n") else raw + b"\r\n"


def _base64(raw: bytes) -> bytes:
    coded = binascii.b2a_base64(raw, newline=False)
    lines = [coded[start : start + _BASE64_LINE_CHARS] for start in range(0, len(coded), _BASE64_LINE_CHARS)]
    return b"\r\n".join(lines) + b"\r\n"
