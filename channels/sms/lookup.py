"""Which of Twilio's messages is one of ours whose answer was lost.

Twilio's Messages have no idempotency key, but can be listed by number, the newest first:
https://www.twilio.com/docs/messaging/api/message-resource#read-multiple-message-resources
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from gateway.contract import Doubtful, Traced

MOST: Final = 50
"""So many messages to one number are looked at."""
_CLOCKS_DIFFER: Final = timedelta(minutes=2)
_SETTLED: Final = timedelta(minutes=10)
"""So long after it was handed over, a message that Twilio does not list is not there: well beyond the longest call,
and the delay with which lists follow."""
_OUTGOING: Final = ("outbound-api", "outbound-call", "outbound-reply")


def trace(doubtful: Doubtful, listed: Sequence[Any], sender: str, body: str, machine_now: datetime) -> Traced | None:
    """What a list of the newest messages to the number says of ours; None where it says nothing.

    `sender` is the number, name or messaging service that it went out as, `body` the text. The same text to the same
    number is ours, or its twin of another job: the gateway knows which ids are taken. That it is not there is said
    only once all has come to rest, and while nothing else went to that number, which could be it in other words.
    """
    message, oldest = doubtful.message, doubtful.since - _CLOCKS_DIFFER
    recent = [each for each in listed if each.direction in _OUTGOING and _created_at(each) >= oldest]
    from_us = [each for each in recent if sender in (each.messaging_service_sid, each.from_)]
    ours = tuple(str(each.sid) for each in from_us if each.body == body)
    if ours:
        return Traced(message_id=message.id, provider_ids=ours)
    is_whole = len(listed) < MOST or _created_at(listed[-1]) < oldest
    if not recent and is_whole and machine_now - doubtful.since > _SETTLED:
        return Traced(message_id=message.id)
    return None


def _created_at(listed: Any) -> datetime:
    # One without a date may be of any: it is looked at, and keeps anything from being called missing.
    return listed.date_created if isinstance(listed.date_created, datetime) else datetime.max.replace(tzinfo=UTC)
