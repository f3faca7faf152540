"""Coupon codes: 11 random symbols and a check symbol, shown XXXX-XXXX-XXXX.

The alphabet has 29 symbols, a prime, and none that look alike (no 0 1 I L O) or make words
(no E U). The weighted sum modulo 29 catches every single wrong symbol and every swap of neighbours.
53 bits of chance: guessing is hopeless, and counted.
"""

import secrets
import unicodedata
from typing import Final

ALPHABET: Final = "23456789ABCDFGHJKMNPQRSTVWXYZ"
LENGTH: Final = 12
SPECIMEN: Final = "XXXX-XXXX-XXXX"
"""Stands in previews and test messages. Its check symbol is wrong: it can be nobody's."""
_VALUE: Final = {symbol: value for value, symbol in enumerate(ALPHABET)}
_WEIGHTS: Final = tuple(range(2, 13))


class BadCode(ValueError):
    """Not a code of ours; the text says why, for the person who typed it."""


def new_code() -> str:
    """A fresh code, without dashes. Unique only by chance: the database has the last word."""
    number = secrets.randbelow(len(ALPHABET) ** (LENGTH - 1))
    body = ""
    while len(body) < LENGTH - 1:
        number, value = divmod(number, len(ALPHABET))
        body += ALPHABET[value]
    return body + check_symbol(body)


def check_symbol(body: str) -> str:
    total = sum(weight * _VALUE[symbol] for weight, symbol in zip(_WEIGHTS, body, strict=True))
    return ALPHABET[-total % len(ALPHABET)]


def shown(code: str) -> str:
    """The code as people read it."""
    return "-".join(code[start : start + 4] for start in range(0, LENGTH, 4))


def parse_code(typed: str) -> str:
    """The code that a person typed or scanned: case, blanks and dashes of any kind don't matter. Never guesses."""
    code = "".join(symbol for symbol in typed if unicodedata.category(symbol) != "Pd" and not symbol.isspace()).upper()
    if code == SPECIMEN.replace("-", ""):
        raise BadCode("this is the specimen that previews and test messages show; it is nobody's coupon")
    if len(code) != LENGTH:
        raise BadCode(f"a code has {LENGTH} characters, this one has {len(code)}")
    strange = sorted({symbol for symbol in code if symbol not in _VALUE})
    if strange:
        raise BadCode(f"a code has no {' '.join(strange)}; look again at the printed one")
    if check_symbol(code[:-1]) != code[-1]:
        raise BadCode("one character is wrong or two are swapped; look again at the printed one")
    return code
