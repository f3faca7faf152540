"""Messages that come back although the address is not dead: how often that may be, and for how long it then rests."""

from datetime import datetime, timedelta
from typing import Final

from gateway.contract import EventType, ProviderEvent
from gateway.domain.words import SendKey
from gateway.services.installation import Installation
from gateway.storage import clock, soft_bounces, suppressions
from gateway.storage.database import Transaction

REASON: Final = "soft_bounced"
_ARRIVED: Final = frozenset({EventType.DELIVERED, EventType.SHOWN})
_SEEN: Final = frozenset({EventType.OPENED, EventType.CLICKED, EventType.CLOSED})
_KEPT: Final = timedelta(days=1)


def heed(
    tx: Transaction,
    installation: Installation,
    key: SendKey,
    address_id: int,
    event: ProviderEvent,
    now: datetime,
    *,
    is_news: bool,
) -> None:
    """What a report says of the address. `is_news`: the message had not bounced before this.

    A message counts once, whoever reports it how often. What arrives ends the row; of a message that bounced, a
    delivery says nothing, because reports come in any order. What a program looked at may not have arrived.
    """
    if event.type is EventType.BOUNCED and not event.address_gone and is_news:
        _count(tx, installation, key.channel, address_id, now)
    elif (event.type in _ARRIVED and is_news) or (event.type in _SEEN and event.by != "bot"):
        soft_bounces.end(tx, address_id)


def _count(tx: Transaction, installation: Installation, channel: str, address_id: int, now: datetime) -> None:
    rules = installation.policies.bounces
    row = soft_bounces.add(tx, address_id, now, now - rules.suppress_for)
    if row is None or row.bounces < rules.soft or now - row.first_at < rules.over:
        return
    until = now + rules.suppress_for
    suppressions.add_addresses(tx, [address_id], REASON, f"provider:{channel}", now, until)
    soft_bounces.end(tx, address_id)


def forget(tx: Transaction, installation: Installation) -> int:
    """Drop rows of bounces that are over, and suppressions that have ended. Returns how many."""
    now, rules = clock.now(tx).business, installation.policies.bounces
    return soft_bounces.forget(tx, now - rules.suppress_for) + suppressions.forget(tx, now - _KEPT)
