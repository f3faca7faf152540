"""Makes sure that what a channel reports can be stored."""

from collections.abc import Collection
from itertools import islice
from typing import Any, Final

import msgspec

from gateway.contract import Heard, Inbound, ProviderEvent, Traced, Weight
from gateway.registry import wording

_MOST_IDS: Final = 20
_LONGEST_REPLY_CHARS: Final = 10_000


def fit(told: Any) -> Heard:
    """What a channel heard, with its texts cut to length. Raises TypeError or ValueError for anything else.

    Its ids are printable, not empty and at most 255 characters; its time knows its zone.
    """
    match told:
        case ProviderEvent():
            return _event(told)
        case Inbound():
            return _inbound(told)
        case _:
            raise TypeError(f"not a ProviderEvent or Inbound but {type(told).__name__}")


def _event(told: ProviderEvent) -> ProviderEvent:
    # Structs do not check their fields when they are built; a conversion does.
    event = msgspec.convert(msgspec.structs.asdict(told), ProviderEvent)
    _expect_sound(event, ("event_id", "message_id", "provider_id"))
    cut: ProviderEvent = msgspec.structs.replace(
        event,
        code=wording.line(event.code, wording.CODE_CHARS) or None,
        detail=wording.line(event.detail, wording.DETAIL_CHARS) or None,
    )
    return cut


def _inbound(told: Inbound) -> Inbound:
    inbound = msgspec.convert(msgspec.structs.asdict(told), Inbound)
    _expect_sound(inbound, ("event_id", "provider_id", "in_reply_to", "sender"))
    # PostgreSQL cannot keep U+0000, and half a surrogate pair is no text.
    text = inbound.text.replace("\0", "").encode("utf-8", "replace").decode()
    return msgspec.structs.replace(inbound, text=text[:_LONGEST_REPLY_CHARS])


def _expect_sound(told: ProviderEvent | Inbound, ids: Collection[str]) -> None:
    if told.at is not None and told.at.tzinfo is None:
        raise ValueError("its time `at` has no zone")
    for field in ids:
        name = getattr(told, field)
        if name is not None and wording.provider_id(name) != name:
            raise ValueError(f"its `{field}` is empty, too long or not printable")


def weight(told: Any) -> Weight:
    """What a channel says that a message comes to. Raises TypeError or ValueError for anything but a Weight."""
    if not isinstance(told, Weight):
        raise TypeError(f"not a Weight but {type(told).__name__}")
    return msgspec.convert(msgspec.structs.asdict(told), Weight)


def traces(told: Any, asked: Collection[str]) -> dict[str, tuple[str, ...]]:
    """By message, the provider's ids that a channel found for it. Raises TypeError or ValueError for anything else.

    What it says of messages that nobody asked for, or twice of one, says nothing.
    """
    found: dict[str, tuple[str, ...]] = {}
    strays: set[str] = set()
    # An answer without an end must not hold up the loop.
    for each in islice(told, 2 * len(asked)):
        if not isinstance(each, Traced):
            raise TypeError(f"not a Traced but {type(each).__name__}")
        trace = msgspec.convert(msgspec.structs.asdict(each), Traced)
        if any(wording.provider_id(id) != id for id in trace.provider_ids):
            raise ValueError("a `provider_id` is empty, too long or not printable")
        if trace.message_id in found or trace.message_id not in asked:
            strays.add(trace.message_id)
        found[trace.message_id] = trace.provider_ids[:_MOST_IDS]
    return {id: provider_ids for id, provider_ids in found.items() if id not in strays}
