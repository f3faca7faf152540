"""Header lines of a mail, written directly: a general library costs eighty times as much.

Every function returns whole lines that end in CRLF, and raises Unfit for a value that has no
place in a header. Lines with encoded words have at most 76 characters (RFC 2047, section 2).
"""

import binascii
import re
from collections.abc import Iterator
from typing import Final

from channels.email.address import Mailbox

_LINE_CHARS: Final = 76
_LONGEST_LINE_BYTES: Final = 998
_WORD_FRAME: Final = len("=?utf-8?B??=")
_WORD_CHARS: Final = 75

# C0, DEL, C1, line and paragraph separators, lone surrogates; and the marks, embeddings, overrides
# and isolates with which a name can be made to read as another one (Unicode TR 36, 2.5).
_UNFIT: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
_PLAIN: Final = re.compile(r"[!-~]{1,60}(?: [!-~]{1,60})*")
_ATOMS: Final = re.compile(r"[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+(?: [A-Za-z0-9!#$%&'*+/=?^_`{|}~-]+)*")
_QUOTABLE: Final = re.compile(r"[ -~]{1,50}")
_EXACT: Final = re.compile(r"[!-~]+(?: [!-~]+)*")
# Plain http for a trial on one machine only: there is no mail program elsewhere that could follow it.
_HTTPS: Final = re.compile(r"(?:https://|http://(?:127\.0\.0\.1|localhost|\[::1\])(?::\d{1,5})?/)[!#-;=?-Z_a-z~%\[\]]+")


class Unfit(ValueError):
    """A text that cannot stand in a mail. It names the place and the fault, never the text."""


def refuse_unfit(name: str, value: str) -> None:
    """Raises Unfit where a value holds line breaks, other controls, or controls of the writing direction."""
    found = _UNFIT.search(value)
    if found is not None:
        raise Unfit(f"{name}: holds the control character U+{ord(found[0]):04X}")


def unstructured(name: str, value: str) -> bytes:
    """A header of free text, such as Subject: folded at its spaces, or in encoded words."""
    refuse_unfit(name, value)
    words = value.split(" ") if _is_plain(value) else list(_encoded_words(name, value))
    return _folded(name, words)


def mailbox(name: str, display_name: str, address: Mailbox) -> bytes:
    """A header with one address, such as From. Letters beyond ASCII before the @ stay as they are (RFC 6532)."""
    refuse_unfit(name, display_name)
    return _folded(name, [*_phrase(name, display_name.strip()), f"<{address}>"])


def exact(name: str, value: str) -> bytes:
    """A header that is neither folded nor encoded: machines compare it as it stands."""
    refuse_unfit(name, value)
    if not _EXACT.fullmatch(value):
        raise Unfit(f"{name}: only visible ASCII is possible here")
    line = f"{name}: {value}\r\n".encode("ascii")
    if len(line) > _LONGEST_LINE_BYTES + 2:
        raise Unfit(f"{name}: longer than a line of {_LONGEST_LINE_BYTES} bytes")
    return line


def https_link(name: str, url: str, mailto: str | None = None) -> bytes:
    """A header that holds one URL in angle brackets, such as List-Unsubscribe (RFC 2369); `mailto` is another way.

    https, as RFC 8058 has it; http to this machine alone is taken, too.
    """
    refuse_unfit(name, url)
    if not _HTTPS.fullmatch(url):
        raise Unfit(f"{name}: not an https URL, or one with characters that must be percent-encoded")
    return exact(name, f"<{url}>" if mailto is None else f"<{url}>, <mailto:{mailto}>")


def _is_plain(value: str) -> bool:
    """ASCII words of bearable length, which no reader could take for encoded ones."""
    return value == "" or (_PLAIN.fullmatch(value) is not None and "=?" not in value)


def _phrase(name: str, text: str) -> list[str]:
    """A display name as the words of an RFC 5322 phrase."""
    if text == "":
        return []
    if "=?" in text or not _QUOTABLE.fullmatch(text):
        return list(_encoded_words(name, text))
    if _ATOMS.fullmatch(text):
        return [text]
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return [f'"{escaped}"']


def _encoded_words(name: str, text: str) -> Iterator[str]:
    """The text in RFC 2047 words that each hold whole characters. The first fits beside the header's name."""
    raw = text.encode("utf-8")
    start, room = 0, _LINE_CHARS - len(name) - len(": ")
    while start < len(raw):
        end = min(start + _bytes_within(room), len(raw))
        while end < len(raw) and raw[end] & 0xC0 == 0x80:
            end -= 1
        yield f"=?utf-8?B?{binascii.b2a_base64(raw[start:end], newline=False).decode('ascii')}?="
        start, room = end, _WORD_CHARS


def _bytes_within(room: int) -> int:
    return (min(room, _WORD_CHARS) - _WORD_FRAME) // 4 * 3


def _folded(name: str, words: list[str]) -> bytes:
    lines = [f"{name}: {words[0]}"]
    for word in words[1:]:
        if len(lines[-1]) + 1 + len(word) > _LINE_CHARS:
            lines.append(f" {word}")
        else:
            lines[-1] += f" {word}"
    return ("\r\n".join(lines) + "\r\n").encode("utf-8")
