"""Refusals that a caller can do something about."""

from collections.abc import Sequence

from msgspec import Struct


class Problem(Struct, frozen=True, kw_only=True):
    """One thing wrong with a request: where (a JSON pointer), and what."""

    pointer: str
    detail: str


class Invalid(Exception):
    """The request makes no sense; nothing was done. Answered 422 (400 for its headers)."""

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(f"{problem.pointer}: {problem.detail}" for problem in problems))
        self.problems = tuple(problems)


class NotFound(Exception):
    """There is no such thing, or none that this caller may know of."""


class Conflict(Exception):
    """The request is sound but not now; the text says what stands in its way."""


class InProgress(Exception):
    """The same request is being answered at this moment."""


class KeyReused(Exception):
    """The idempotency key came with another request before."""
