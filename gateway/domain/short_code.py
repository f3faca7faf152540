"""Codes of short links: nine letters and digits that nobody mixes up, with more than 52 random bits."""

import re
import secrets
from typing import Final

_ALPHABET: Final = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
CHARS: Final = 9
SPECIMEN: Final = "exampLe00"
"""As long as a code and never one: 0 is not among the letters."""
_CODE: Final = re.compile(f"[{_ALPHABET}]{{{CHARS}}}")


def new_code() -> str:
    return "".join(secrets.choice(_ALPHABET) for _ in range(CHARS))


def is_code(text: str) -> bool:
    """Whether this can be a code; what cannot is not looked up."""
    return _CODE.fullmatch(text) is not None
