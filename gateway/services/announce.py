"""News is noted for every endpoint that asked for it, in the transaction in which it happens."""

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from typing import Final

from gateway.domain.consent import ConsentRow
from gateway.domain.endpoint import asks
from gateway.domain.ids import new_id
from gateway.domain.notices import AnyNews, ChannelNews, ConsentNews, SenderNews, SendNews, written
from gateway.domain.reputation import Sender
from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.storage import clock, endpoints, notices, sends
from gateway.storage.database import Transaction
from gateway.storage.notices import NewNotice
from gateway.storage.sends import Move, NewSend

_NO_NEWS: Final = frozenset({State.QUEUED, State.CLAIMED, State.SENDING, State.BATCHED})


def announce(tx: Transaction, news: Sequence[AnyNews]) -> int:
    """Note these for whoever asked. Returns how many notices that makes.

    One look at the endpoints, which are few; where one of them asks, one insert for all. The look
    is not kept from one transaction to the next: another process may have added an endpoint since.
    """
    asking = endpoints.enabled(tx) if news else ()
    wanted: list[NewNotice] = []
    for each in news if asking else ():
        told = [endpoint.id for endpoint in asking if asks(endpoint.types, each.type)]
        if told:
            id, body = new_id("msg"), written(each)
            wanted += [NewNotice(id, endpoint_id, each.type, body) for endpoint_id in told]
    return notices.add(tx, wanted, clock.now(tx).machine) if wanted else 0


def move_sends(tx: Transaction, moves: Sequence[Move], now: datetime, *, held_by: int | None = None) -> set[SendKey]:
    """As `storage.sends.move`, and what became of the sends is announced."""
    moved = sends.move(tx, moves, now, held_by=held_by)
    announce(tx, list(_news(((each.key, each.then, each.reason) for each in moves if each.key in moved), now)))
    return moved


def add_sends(tx: Transaction, rows: Sequence[NewSend], now: datetime) -> None:
    """As `storage.sends.add`, and what is skipped from the first is announced."""
    sends.add(tx, rows, now)
    announce(tx, list(_news(((row.key, row.state, row.reason) for row in rows), now)))


def announce_consents(tx: Transaction, added: Iterable[tuple[int, ConsentRow]]) -> None:
    """Announce what was added to the ledger of consents. To be asked is no consent yet."""
    news = [
        ConsentNews(
            type="consent.changed",
            at=row.at,
            recipient_id=id,
            channel=row.channel,
            purpose=row.purpose,
            action=row.action,
        )
        for id, row in added
        if row.action != "requested"
    ]
    announce(tx, news)


def announce_channel(tx: Transaction, type: str, channel: str, reason: str | None = None) -> None:
    announce(tx, [ChannelNews(type=type, at=clock.now(tx).business, channel=channel, reason=reason)])


def announce_sender(
    tx: Transaction, type: str, sender: Sender, reason: str | None = None, rate: float | None = None
) -> None:
    at = clock.now(tx).business
    news = SenderNews(type=type, at=at, channel=sender.channel, brand=sender.brand, reason=reason, rate=rate)
    announce(tx, [news])


def _news(became: Iterable[tuple[SendKey, State, str | None]], now: datetime) -> Iterator[SendNews]:
    for (job_id, recipient_id, run, step, channel), state, reason in became:
        if state not in _NO_NEWS:
            yield SendNews(
                type=f"send.{state}",
                at=now,
                job_id=job_id,
                recipient_id=recipient_id,
                run=run,
                step=step,
                channel=channel,
                reason=reason,
            )
