"""Characters that have no place in a message."""

import re
from typing import Final

_DIRECTION: Final = "\u202a-\u202e\u2066-\u2069"
"""Embeddings, overrides and isolates. The marks U+200E, U+200F and U+061C are harmless and stay."""
_NOT_TEXT: Final = "\ud800-\udfff\ufdd0-\ufdef\ufff9-\ufffb\ufffe\uffff"

_CONTROL: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{_NOT_TEXT}]")
_CONTROL_OR_DIRECTION: Final = re.compile(f"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x84\x86-\x9f{_NOT_TEXT}{_DIRECTION}]")
_BREAKS_IN_A_ROW: Final = re.compile("[ \t\n\r\x0b\x0c\x85\u2028\u2029]+")
_BREAKS: Final = "\r\x85\u2028\u2029"
_BREAK: Final = re.compile(f"\r\n|[{_BREAKS}]")


def control_in(text: str) -> str | None:
    """The first control character or non-character, as `U+0007`. Line ends, tabs and directions are none."""
    found = _CONTROL.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def control_or_direction_in(text: str) -> str | None:
    """As `control_in`, and what turns the direction of the text after it counts too."""
    found = _CONTROL_OR_DIRECTION.search(text)
    return f"U+{ord(found[0]):04X}" if found else None


def without_controls(text: str) -> str:
    """A recipient's value without what could turn or break the text around it; line ends and tabs stay."""
    return _CONTROL_OR_DIRECTION.sub("", text) if not text.isprintable() else text


def on_one_line(text: str) -> str:
    """All white space in a row, line ends included, as one space. Unbreakable spaces stay."""
    return _BREAKS_IN_A_ROW.sub(" ", text).strip(" ")


def with_plain_line_ends(text: str) -> str:
    r"""Every kind of line end as `\n`."""
    return _BREAK.sub("\n", text) if any(one in text for one in _BREAKS) else text
