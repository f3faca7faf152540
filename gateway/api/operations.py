"""What a route does, said once: the guard reads its scope, the OpenAPI document all of it."""

from collections.abc import Mapping
from typing import Any, Final

from msgspec import Struct

from gateway.services.keys import Scope

PLACE: Final = "operation"
"""Where a handler's `opt` keeps its Operation."""


class Operation(Struct, frozen=True, kw_only=True):
    """One route. The caller's key must have one of the `scopes`; where there is none, everybody may.

    `takes` is the type of the body, `query` that of the query, `gives` the bodies by status;
    `refuses` names kinds of problems beyond those that any route may answer with.
    """

    summary: str
    scopes: tuple[Scope, ...]
    takes: Any = None
    takes_media_type: str = "application/json"
    takes_also: tuple[str, ...] = ()
    """Other media types for the same."""
    may_omit: frozenset[str] = frozenset()
    """Fields of the body that the path gives."""
    query: type[Struct] | None = None
    needs_key: bool = False
    """Whether an Idempotency-Key must come with it."""
    gives: Mapping[int, Any] = {}
    gives_media_types: tuple[str, ...] = ("application/json",)
    refuses: tuple[str, ...] = ()
    listed: bool = True
    """Whether the OpenAPI document shows it."""


def needs(scope: Scope | tuple[Scope, ...], summary: str, **rest: Any) -> dict[str, Any]:
    """The `opt` of a route for callers with `scope`, or with one of several."""
    scopes = (scope,) if isinstance(scope, str) else scope
    return {PLACE: Operation(summary=summary, scopes=scopes, **rest)}


def public(summary: str, **rest: Any) -> dict[str, Any]:
    """The `opt` of a route for everybody."""
    return {PLACE: Operation(summary=summary, scopes=(), **rest)}
