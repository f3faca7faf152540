"""What a provider's error code means for a message: as a failure of sending, and as a report afterwards."""

from collections.abc import Iterator
from datetime import UTC, datetime
from enum import Enum, auto
from typing import Final

from msgspec import Struct

from gateway.contract import (
    ChannelMisconfigured,
    EventType,
    Failure,
    OptedOut,
    OutcomeUnknown,
    PermanentFailure,
    ProviderEvent,
    RateLimited,
    RecipientGone,
    TransientFailure,
    retry_after_s,
)


class Verdict(Enum):
    GONE = auto()
    """The number itself is none. That WhatsApp does not reach it is no such thing: SMS may."""
    OPTED_OUT = auto()
    BLOCKED = auto()
    """Refused because of us: our template, our reputation, Meta's limit on marketing."""
    PERMANENT = auto()
    TRANSIENT = auto()
    LATER = auto()
    """Not this message just now; others may go on."""
    RATE_LIMITED = auto()
    MISCONFIGURED = auto()
    UNKNOWN = auto()


class Meaning(Struct, frozen=True):
    """`wait_s` is how long to wait where the provider does not say."""

    verdict: Verdict
    text: str
    wait_s: float = 10.0


_EVENTS: Final = {
    Verdict.GONE: EventType.BOUNCED,
    Verdict.BLOCKED: EventType.BLOCKED,
    Verdict.LATER: EventType.BLOCKED,
    Verdict.RATE_LIMITED: EventType.BLOCKED,
    Verdict.MISCONFIGURED: EventType.BLOCKED,
}


def failure(meaning: Meaning, code: str, retry_after: str | None) -> Failure:
    """Nothing of the provider's own text is in it: that may quote a number."""
    wait_s = retry_after_s(retry_after, datetime.now(UTC), meaning.wait_s)
    match meaning.verdict:
        case Verdict.GONE:
            return RecipientGone(code, meaning.text)
        case Verdict.OPTED_OUT:
            return OptedOut(code, meaning.text)
        case Verdict.BLOCKED | Verdict.PERMANENT:
            return PermanentFailure(code, meaning.text)
        case Verdict.TRANSIENT:
            return TransientFailure(code, meaning.text)
        case Verdict.LATER:
            return RateLimited(wait_s, code, meaning.text, scope="message")
        case Verdict.RATE_LIMITED:
            return RateLimited(wait_s, code, meaning.text)
        case Verdict.MISCONFIGURED:
            return ChannelMisconfigured(code, meaning.text)
        case Verdict.UNKNOWN:
            return OutcomeUnknown(code, meaning.text)


def by_status(status: int) -> Meaning:
    """What an answer other than 2xx means whose code is not known.

    Neither provider has an idempotency key, and an error page does not prove that nothing was sent.
    """
    match status:
        case 429:
            return Meaning(Verdict.RATE_LIMITED, "too many calls")
        case 401 | 403 | 404:
            return Meaning(Verdict.MISCONFIGURED, "the provider does not take our calls: check account and credentials")
        case _ if status < 400:
            return Meaning(Verdict.MISCONFIGURED, "the answer is not the provider's: check base_url")
        case _ if status < 500:
            return Meaning(Verdict.PERMANENT, "the provider refuses this message")
        case _:
            return Meaning(Verdict.UNKNOWN, "the provider is in trouble")


def losses(
    meaning: Meaning, *, event_id: str, at: datetime | None, message_id: str | None, provider_id: str, code: str
) -> Iterator[ProviderEvent]:
    """The events of a message that was taken, and then lost."""
    yield ProviderEvent(
        type=_EVENTS.get(meaning.verdict, EventType.FAILED),
        event_id=event_id,
        at=at,
        message_id=message_id,
        provider_id=provider_id,
        code=code,
        detail=meaning.text,
        address_gone=meaning.verdict is Verdict.GONE,
    )
    if meaning.verdict is Verdict.OPTED_OUT:
        yield ProviderEvent(
            type=EventType.UNSUBSCRIBED,
            event_id=f"{event_id}:opted-out",
            at=at,
            message_id=message_id,
            provider_id=provider_id,
            code=code,
        )


def gains(
    status: EventType,
    *,
    event_id: str,
    at: datetime | None,
    message_id: str | None,
    provider_id: str,
    is_read: bool,
    asks: bool,
) -> Iterator[ProviderEvent]:
    """The events of a message that got on. `asks` says whether we may note that the person has read it."""
    yield ProviderEvent(type=status, event_id=event_id, at=at, message_id=message_id, provider_id=provider_id)
    if is_read and asks:
        yield ProviderEvent(
            type=EventType.OPENED,
            event_id=f"{event_id}:opened",
            at=at,
            message_id=message_id,
            provider_id=provider_id,
            by="human",
        )
