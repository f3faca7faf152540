"""What happens to a message after it was accepted. Reports come in any order, once or thrice."""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

from gateway.contract import EventType, ProviderEvent
from gateway.domain.notices import RecipientNews
from gateway.domain.states import COUNTS_AS_SENT, State
from gateway.domain.tokens import BadToken, MessageRef
from gateway.domain.words import SendKey, shard_of
from gateway.services import bounces
from gateway.services.announce import announce, move_sends
from gateway.services.follow import fall_back, settle
from gateway.services.installation import Installation
from gateway.services.opt_out import opt_out
from gateway.services.reputation import Tally
from gateway.services.whereabouts import held
from gateway.storage import attempts, clock, events, locks, sends, suppressions
from gateway.storage.database import Transaction
from gateway.storage.events import NewEvent
from gateway.storage.sends import Move

_STATE_OF: Final = {
    EventType.ACCEPTED: State.ACCEPTED,
    EventType.DELIVERED: State.DELIVERED,
    EventType.SHOWN: State.DELIVERED,
    EventType.BOUNCED: State.BOUNCED,
    EventType.BLOCKED: State.FAILED,
    EventType.FAILED: State.FAILED,
    EventType.RETURNED: State.RETURNED,
}
_BAD: Final = frozenset({State.BOUNCED, State.FAILED, State.RETURNED})
PARKED_KEPT: Final = timedelta(days=7)
_REFUSES: Final = frozenset({EventType.COMPLAINED, EventType.UNSUBSCRIBED})
_PERSONAL: Final = _REFUSES | {EventType.OPENED, EventType.CLICKED}
"""What people do, and not the post."""


def report(tx: Transaction, installation: Installation, channel: str, event: ProviderEvent) -> bool:
    """Record what a provider reports. False where it was known already, or its message is not known yet."""
    found = _find(tx, installation, channel, event)
    if found is None:
        if event.provider_id is not None:
            events.park(tx, channel, event, clock.now(tx).machine)
        return False
    key, address_id = found
    tally = Tally()
    is_new = _record(tx, installation, held(tx, key), address_id, event, tally)
    tally.put(tx, installation)
    return is_new


def match_parked(
    tx: Transaction, installation: Installation, channel: str, provider_ids: Sequence[str], tally: Tally
) -> None:
    """Record the reports that came before their message was on record.

    The caller holds the shard's lock, and puts the tally down at its end.
    """
    if not provider_ids or not events.any_parked(tx):
        return
    for event in events.unpark(tx, channel, provider_ids):
        found = _find(tx, installation, channel, event)
        if found is not None:
            key, address_id = found
            _record(tx, installation, held(tx, key), address_id, event, tally)


def match_left_behind(tx: Transaction, installation: Installation, limit: int = 500) -> int:
    """Match reports that were parked in the instant in which their message came on record. Returns how many messages.

    Neither of two such transactions sees the other. To be called now and then; what nobody has
    asked for in a week is dropped.
    """
    events.forget_parked(tx, clock.now(tx).machine - PARKED_KEPT)
    found = events.matched(tx, limit)
    locks.lock_shards(tx, {shard_of(row.recipient_id) for row in found})
    tally = Tally()
    for channel in {row.channel for row in found}:
        match_parked(tx, installation, channel, [row.provider_id for row in found if row.channel == channel], tally)
    tally.put(tx, installation)
    return len(found)


def _find(
    tx: Transaction, installation: Installation, channel: str, event: ProviderEvent
) -> tuple[SendKey, int] | None:
    """The send and address that an event is about, by our id or else by the provider's."""
    if event.message_id is not None:
        try:
            ref = installation.keys.open_ref("message", event.message_id)
        except BadToken:
            return None
        return (ref.key, ref.address_id) if ref.channel == channel else None
    return attempts.by_provider_id(tx, channel, event.provider_id) if event.provider_id else None


def _record(
    tx: Transaction, installation: Installation, key: SendKey, address_id: int, event: ProviderEvent, tally: Tally
) -> bool:
    now = clock.now(tx).business
    row = sends.get(tx, [key]).get(key)
    if row is None:
        return False
    new = NewEvent(
        type=event.type,
        recipient_id=key.recipient_id,
        # Providers stamp machine time; on a moved clock our own instant is the one that fits.
        at=now,
        send=key,
        dedupe_key=f"{key.channel}:{event.event_id}",
        code=event.code,
        detail=event.detail,
        data=None if event.by is None else {"by": event.by},
    )
    if not events.add(tx, new, now):
        return False
    was = State(row.state)
    has_moved = not _others_reached(tx, installation, key, address_id, event) and _move_on(
        tx, installation, key, was, event, now
    )
    bounces.heed(tx, installation, key, address_id, event, now, is_news=has_moved or was is not State.BOUNCED)
    tally.note(tx, key, event, now)
    if event.address_gone or event.type is EventType.COMPLAINED:
        suppressions.add_addresses(tx, [address_id], str(event.type), f"provider:{key.channel}", now)
    if event.type in _PERSONAL:
        news = RecipientNews(
            type=f"recipient.{event.type}", at=now, recipient_id=key.recipient_id, key=key, by=event.by
        )
        announce(tx, [news])
    if event.type in _REFUSES:
        refuse(tx, installation, key, row.purpose, str(event.type), now)
    return True


def _others_reached(
    tx: Transaction, installation: Installation, key: SendKey, address_id: int, event: ProviderEvent
) -> bool:
    """Whether a report is bad news of one device where another took the message: the person is reached."""
    capabilities = installation.channels.get(key.channel)
    if capabilities is None or not capabilities.per_address or _STATE_OF.get(event.type) not in _BAD:
        return False
    return attempts.accepted_elsewhere(tx, key, address_id)


def _move_on(
    tx: Transaction, installation: Installation, key: SendKey, was: State, event: ProviderEvent, now: datetime
) -> bool:
    """Whether the send has moved."""
    then = _STATE_OF.get(event.type)
    if then is None:
        return False
    moved = move_sends(tx, [Move(key, then, reason=event.code, keep_cap=True)], now)
    if moved and was in (State.SENDING, State.IN_DOUBT):
        settle(tx, installation, {key: now if then in COUNTS_AS_SENT else None}, now)
    if moved and then in _BAD:
        fall_back(tx, [key], now)
    return bool(moved)


def refuse(tx: Transaction, installation: Installation, key: SendKey, purpose: str, source: str, now: datetime) -> None:
    """Withdraw the consent for the channel and purpose of a send, and stop what is pending under it."""
    opt_out(tx, installation, {(key.recipient_id, key.channel, purpose)}, source, now)


def unsubscribe(tx: Transaction, installation: Installation, ref: MessageRef, source: str) -> bool:
    """Act on an unsubscribe link (RFC 8058). Again and again it does the same; False for a send that never was."""
    key = held(tx, ref.key)
    now = clock.now(tx).business
    row = sends.get(tx, [key]).get(key)
    if row is None:
        return False
    new = NewEvent(
        type=EventType.UNSUBSCRIBED,
        recipient_id=key.recipient_id,
        at=now,
        send=key,
        dedupe_key=f"unsubscribe:{'.'.join(str(part) for part in ref.key)}",
    )
    if events.add(tx, new, now):
        announce(tx, [RecipientNews(type="recipient.unsubscribed", at=now, recipient_id=key.recipient_id, key=key)])
    refuse(tx, installation, key, row.purpose, source, now)
    return True
