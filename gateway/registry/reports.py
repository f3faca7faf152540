"""Makes sure that what a channel reports can be stored."""

from collections.abc import Collection
from itertools import islice
from typing import Any, Final

import msgspec

from gateway.contract import ProviderEvent, Traced
from gateway.registry import wording

_MOST_IDS: Final = 20


def fit(told: Any) -> ProviderEvent:
    """The event with its texts cut to length. Raises TypeError or ValueError where it is none.

    Its ids are printable, not empty and at most 255 characters; its time knows its zone.
    """
    if not isinstance(told, ProviderEvent):
        raise TypeError(f"not a ProviderEvent but {type(told).__name__}")
    # Structs do not check their fields when they are built; a conversion does.
    event = msgspec.convert(msgspec.structs.asdict(told), ProviderEvent)
    if event.at is not None and event.at.tzinfo is None:
        raise ValueError("its time `at` has no zone")
    for field in ("event_id", "message_id", "provider_id"):
        name = getattr(event, field)
        if name is not None and wording.provider_id(name) != name:
            raise ValueError(f"its `{field}` is empty, too long or not printable")
    cut: ProviderEvent = msgspec.structs.replace(
        event,
        code=wording.line(event.code, wording.CODE_CHARS) or None,
        detail=wording.line(event.detail, wording.DETAIL_CHARS) or None,
    )
    return cut


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
