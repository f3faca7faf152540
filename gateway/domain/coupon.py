"""Coupon codes: random symbols and a check symbol, behind a prefix where the offer has one.

The alphabet has 29 symbols, a prime, and none that look alike (no 0 1 I L O) or make words (no E U).
The weighted sum modulo 29 catches every single wrong symbol and every swap of neighbours, in codes of any
length up to 28: the weights count up from the right, so that neither length nor prefix moves them.

No list of rude words: A is the only vowel, and a list for one language is none for the next.
"""

import secrets
import unicodedata
from collections.abc import Callable
from typing import Annotated, Final

from msgspec import Meta, Struct

from gateway.domain.words import CodePrefix

ALPHABET: Final = "23456789ABCDFGHJKMNPQRSTVWXYZ"
LONGEST_PREFIX: Final = 8
"""As `CodePrefix` has it."""
FEWEST_RANDOM: Final = 8
MOST_RANDOM: Final = 16
SPECIMEN: Final = "XXXX-XXXX-XXXX"
"""Stands in previews and test messages, where a code has the usual shape. It can be nobody's."""
_VALUE: Final = {symbol: value for value, symbol in enumerate(ALPHABET)}
_CAPITALS: Final = {ord(small): small.upper() for small in "abcdefghijklmnopqrstuvwxyz"}
_MINUS: Final = "\N{MINUS SIGN}"


class CodeScheme(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="own"):
    """Codes that are made here: the prefix, `random` symbols of chance, and the check symbol.

    Whoever guesses hits one of L codes that are good with a chance of L / 29^random, whatever the prefix.
    """

    prefix: CodePrefix = ""
    random: Annotated[int, Meta(ge=FEWEST_RANDOM, le=MOST_RANDOM)] = 11

    @property
    def length(self) -> int:
        return len(self.prefix) + self.random + 1


class Pool(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, tag_field="kind", tag="pool"):
    """Codes of a partner, brought in beforehand and given out one by one. How hard to guess they are is not ours."""

    low_stock: Annotated[int, Meta(ge=0, le=10**9, description="So few left that somebody is told")] = 100


USUAL: Final = CodeScheme()


class BadCode(ValueError):
    """Not a code of ours; the text says why, for the person who typed it."""


def new_code(scheme: CodeScheme = USUAL, draw: Callable[[int], int] = secrets.randbelow) -> str:
    """A fresh code, without dashes. Unique only by chance: the database has the last word."""
    number = draw(len(ALPHABET) ** scheme.random)
    body = scheme.prefix
    while len(body) < scheme.length - 1:
        number, value = divmod(number, len(ALPHABET))
        body += ALPHABET[value]
    code = body + check_symbol(body)
    return new_code(scheme, draw) if is_specimen(code) else code


def check_symbol(body: str) -> str:
    """What comes last: its weight is 1, that of the symbol before it 2, and so on to the left."""
    total = sum(weight * _VALUE[symbol] for weight, symbol in enumerate(reversed(body), start=2))
    return ALPHABET[-total % len(ALPHABET)]


def guess_probability(live: int, random: int) -> float:
    """The chance that a guess is one of `live` codes. The check symbol is no help: whoever guesses computes it."""
    codes: int = len(ALPHABET) ** random
    return live / codes


def shown(code: str, prefix: str = "") -> str:
    """The code as people read it: the prefix apart, the rest in groups of four, a last one alone with those before."""
    rest = code.removeprefix(prefix)
    groups = [rest[start : start + 4] for start in range(0, len(rest), 4)]
    if len(groups) > 1 and len(groups[-1]) == 1:
        groups[-2:] = [groups[-2] + groups[-1]]
    return "-".join([prefix, *groups] if prefix else groups)


def specimen(scheme: CodeScheme | Pool = USUAL) -> str:
    """What stands in previews, proofs and test messages of such codes, as people read it. It can be nobody's."""
    if isinstance(scheme, Pool):
        return SPECIMEN
    return shown(scheme.prefix + "X" * (scheme.random + 1), scheme.prefix)


def is_specimen(code: str) -> bool:
    """Whether a normalised code is one that is never given out: nothing but X behind a prefix."""
    return len(code) - len(code.rstrip("X")) > FEWEST_RANDOM


def normalised(typed: str) -> str:
    """The key under which a typed or scanned code is looked up: capitals, without blanks and dashes.

    Nothing is guessed: an O is no 0, and a full-width ２ is no 2.
    """
    kept = (
        symbol
        for symbol in typed
        if symbol != _MINUS and not symbol.isspace() and unicodedata.category(symbol) not in ("Pd", "Cf")
    )
    return "".join(kept).translate(_CAPITALS)


def expect_code(code: str) -> None:
    """Raises BadCode where a normalised code cannot be one of ours, and says why."""
    if is_specimen(code):
        raise BadCode("this is the specimen that previews and test messages show; it is nobody's coupon")
    strange = sorted({symbol for symbol in code if symbol not in _VALUE})
    if strange:
        raise BadCode(f"a code has no {' '.join(strange)}; look again at the printed one")
    if not FEWEST_RANDOM < len(code) <= LONGEST_PREFIX + MOST_RANDOM + 1:
        raise BadCode(f"no code has {len(code)} characters; look again at the printed one")
    if check_symbol(code[:-1]) != code[-1]:
        raise BadCode("one character is wrong or two are swapped; look again at the printed one")
