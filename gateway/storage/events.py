"""What happened to sends and people. Repeats are recorded once."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

import msgspec
from msgspec import Struct
from sqlalchemy import BigInteger, ColumnElement, Text, case, delete, func, literal, null, select, update

from gateway.contract import ProviderEvent
from gateway.domain.words import SendKey
from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into, insert_rows, table_of
from gateway.storage.tables import attempts, events, parked_events, recipients
from gateway.storage.types import Json, Record


class NewEvent(Struct, frozen=True, kw_only=True):
    """`dedupe_key` tells repeats apart; None where each one counts."""

    type: str
    recipient_id: int
    at: datetime
    send: SendKey | None = None
    dedupe_key: str | None = None
    code: str | None = None
    detail: str | None = None
    data: dict[str, Any] | None = None


def add(tx: Transaction, event: NewEvent, now: datetime) -> bool:
    """Record an event; False where it is known already."""
    row = _row(event, now) | _of_nobody(event)
    statement = insert_into(tx, events).values(row).on_conflict_do_nothing()
    return tx.scalar(statement.returning(events.c.id)) is not None


def _of_nobody(event: NewEvent) -> dict[str, Any]:
    """What comes in of an erased person is recorded without what might tell who it was."""
    if event.detail is None and event.data is None:
        return {}
    erased = select(recipients.c.id).where(recipients.c.id == event.recipient_id, recipients.c.erased_at.is_not(None))
    by = {"by": event.data["by"]} if event.data and "by" in event.data else None
    return {
        "detail": case((erased.exists(), null()), else_=literal(event.detail, Text())),
        "data": case((erased.exists(), literal(by, Json)), else_=literal(event.data, Json)),
    }


def add_all(tx: Transaction, new: Sequence[NewEvent], now: datetime) -> None:
    """Record many events; those that are known already once only."""
    rows = [_row(event, now) for event in new]
    if rows:
        insert_rows(tx, events, list(rows[0]), [list(row.values()) for row in rows], ignore=True)


def _row(event: NewEvent, now: datetime) -> dict[str, Any]:
    send = event.send
    return {
        "recipient_id": event.recipient_id,
        "job_id": send and send.job_id,
        "run": send and send.run,
        "step": send and send.step,
        "channel": send and send.channel,
        "type": event.type,
        "at": event.at,
        "recorded_at": now,
        "dedupe_key": event.dedupe_key,
        "code": event.code,
        "detail": event.detail,
        "data": event.data,
    }


def park(tx: Transaction, channel: str, event: ProviderEvent, now: datetime) -> None:
    """Keep an event whose send is not known yet: it may come before the record of its acceptance."""
    row = {
        "channel": channel,
        "provider_id": event.provider_id,
        "event_id": event.event_id,
        "body": msgspec.json.encode(event),
        "received_at": now,
    }
    tx.execute(insert_into(tx, parked_events).values(row).on_conflict_do_nothing())


def unpark(tx: Transaction, channel: str, provider_ids: Sequence[str]) -> list[ProviderEvent]:
    """The parked events of these provider ids, which are no longer parked."""
    mine = (parked_events.c.channel == channel, parked_events.c.provider_id.in_(provider_ids))
    taken = tx.scalars(delete(parked_events).where(*mine).returning(parked_events.c.body))
    return [msgspec.json.decode(bytes(body), type=ProviderEvent) for body in taken]


def matched(tx: Transaction, limit: int) -> Sequence[Record]:
    """(channel, provider_id, recipient_id) of parked events whose message is on record."""
    same = (attempts.c.provider_id == parked_events.c.provider_id) & (attempts.c.channel == parked_events.c.channel)
    query = select(parked_events.c.channel, parked_events.c.provider_id, attempts.c.recipient_id).join(attempts, same)
    return tx.execute(query.distinct().limit(limit)).all()


def forget_parked(tx: Transaction, before: datetime) -> int:
    return tx.execute(delete(parked_events).where(parked_events.c.received_at < before)).rowcount


def any_parked(tx: Transaction) -> bool:
    return tx.scalar(_ANY_PARKED) is not None


_ANY_PARKED: Final = select(parked_events.c.id).limit(1)


def of_recipient(tx: Transaction, recipient_id: int) -> Sequence[Record]:
    query = select(events).where(events.c.recipient_id == recipient_id).order_by(events.c.at, events.c.id)
    return tx.execute(query).all()


def counts(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(step, channel, type, recipients, count) of a job."""
    group = (events.c.step, events.c.channel, events.c.type)
    people = func.count(events.c.recipient_id.distinct()).label("recipients")
    query = select(*group, people, func.count().label("count")).where(events.c.job_id == job_id)
    return tx.execute(query.group_by(*group).order_by(*group)).all()


def is_first(tx: Transaction, key: SendKey, type: str) -> bool:
    """Whether no more than one event of the type is on record of a send."""
    mine = [events.c[name] == value for name, value in key._asdict().items()]
    query = select(events.c.id).where(*mine, events.c.type == type).limit(2)
    return len(tx.scalars(query).all()) < 2


def links_followed(tx: Transaction, key: SendKey, since: datetime) -> set[int]:
    """The links of a message that people seem to have followed since then."""
    rows = tx.scalars(select(events.c.data["link"].as_integer()).where(*_clicks(key, since)))
    return set(rows)


def call_bots(tx: Transaction, key: SendKey, since: datetime) -> None:
    """Whoever seemed a person who followed links of a message since then was a program."""
    for row in tx.execute(select(events.c.id, events.c.data).where(*_clicks(key, since))).all():
        tx.execute(update(events).where(events.c.id == row.id).values(data={**row.data, "by": "bot"}))


def _clicks(key: SendKey, since: datetime) -> list[ColumnElement[bool]]:
    mine = [events.c[name] == value for name, value in key._asdict().items()]
    return [*mine, events.c.type == "clicked", events.c.at >= since, _BY == "human"]


_BY: Final = func.coalesce(events.c.data["by"].as_string(), "")

PROGRAMS: Final = ("bot", "proxy")
"""Visitors that are nobody: they look at messages before people do, or for them."""


def clicked(tx: Transaction, job_id: int, recipient_ids: Sequence[int]) -> dict[int, set[int]]:
    """The steps of the job in whose messages each of these people followed a link; what programs did is left out."""
    asked = table_of(tx, "asked", {"id": BigInteger()}, [(id,) for id in recipient_ids])
    query = (
        select(events.c.recipient_id, events.c.step)
        .join(asked, events.c.recipient_id == asked.c.id)
        .where(events.c.job_id == job_id, events.c.type == "clicked", _BY.not_in(PROGRAMS))
    )
    found: dict[int, set[int]] = {}
    for id, step in tx.execute(query.distinct()):
        found.setdefault(id, set()).add(step)
    return found
