"""Where a list goes on: signed, so that nobody can ask for another list with it."""

from typing import Annotated, Any

import msgspec
from msgspec import Meta, Struct

from gateway.api.problems import Fault, Refusal
from gateway.domain.tokens import BadToken, KeyRing

Limit = Annotated[int, Meta(ge=1, le=1000, description="The most in one page")]
Cursor = Annotated[str, Meta(max_length=500, description="`next` of the page before")]


class PageQuery(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    limit: Limit = 100
    cursor: Cursor | None = None


def cursor_of(keys: KeyRing, listing: str, place: Any) -> str:
    return keys.sign("cursor", msgspec.msgpack.encode((listing, place)))


def place_of(keys: KeyRing, listing: str, cursor: str | None, shape: Any) -> Any:
    """The place, of `shape`, behind which the page starts; None for the first page.

    Raises Refusal for a cursor of another list.
    """
    if cursor is None:
        return None
    try:
        made_for, place = msgspec.msgpack.decode(keys.open("cursor", cursor), type=tuple[str, shape])
    except (BadToken, msgspec.DecodeError):
        made_for, place = None, None
    if made_for != listing:
        fault = Fault(parameter="cursor", detail="is not the `next` of a page of this list; start without it")
        raise Refusal("bad-request", "the query makes no sense", [fault])
    return place
