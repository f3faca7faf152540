"""Makes sure that an event from a channel can be stored."""

from typing import Any

import msgspec

from gateway.contract import ProviderEvent
from gateway.registry import wording


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
