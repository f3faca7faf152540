"""How the gateway is: its processes, its channels, and what waits for them."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, Literal

from msgspec import Struct

import gateway
from gateway.domain.reputation import Sender
from gateway.storage import batches, channels, clock, gauges, processes, schema, senders, sizes
from gateway.storage.database import Transaction
from gateway.storage.processes import Process
from gateway.storage.types import Record

_A_DAY: Final = timedelta(days=1)


class Queue(Struct, frozen=True, kw_only=True):
    """A queue's oldest send that is due: for how long it has been due, 0 where none is."""

    channel: str
    lane: str
    waiting_s: float


class ChannelStatus(Struct, frozen=True, kw_only=True):
    """Whether a channel is handed anything at this moment; `held_by` says who paused it, `reason` why.

    `in_doubt` counts sends that may have gone out, `claims` what workers hold.
    """

    channel: str
    state: Literal["ready", "paused", "paced"]
    held_by: str | None
    reason: str | None
    paused_at: datetime | None
    paced_until: datetime | None
    in_doubt: int
    claims: int


class SenderStatus(Struct, frozen=True, kw_only=True):
    """A sender that is held (since when, and for what), or of whose troubles somebody was told.

    `brand` is None where the channel writes as itself.
    """

    channel: str
    brand: str | None
    held_at: datetime | None
    held_for: str | None
    alerts: tuple[str, ...]


class Status(Struct, frozen=True, kw_only=True):
    """The gateway at an instant, on both clocks. Counts end at 10,000: what is more is much."""

    version: str
    machine_at: datetime
    business_at: datetime
    database: str
    schema: str | None
    """The database's revision."""
    leader: str | None
    """The process whose clock ticks; none for a few seconds after one was lost."""
    processes: tuple[Process, ...]
    channels: tuple[ChannelStatus, ...]
    senders: tuple[SenderStatus, ...]
    """Those in trouble; of the others there is nothing to tell here."""
    queues: tuple[Queue, ...]
    jobs: Mapping[str, int]
    """Those that are not over, by state."""
    entries_due: int
    parked_events: int
    notices_due: int
    endpoints: Mapping[str, int]
    batches_unconfirmed: int
    """Print batches whose mailing day is over, and of which nobody has said that they were mailed."""
    pools: Mapping[str, int]
    """By offer, the codes of a partner that nobody has yet."""


def status(tx: Transaction, kinds: Sequence[str]) -> Status:
    """Reads little: it may be asked every few seconds. `kinds` are the channels of the settings."""
    now = clock.now(tx)
    states = {row.channel: row for row in channels.all_of_them(tx)}
    named = sorted({*kinds, *states})
    numbers = gauges.read(tx, named, now)
    return Status(
        version=gateway.__version__,
        machine_at=now.machine,
        business_at=now.business,
        database=database_name(tx),
        schema=schema.revision(tx),
        leader=numbers.leader,
        processes=tuple(processes.all_of_them(tx, now.machine)),
        channels=tuple(_channel(kind, states.get(kind), numbers, now.machine) for kind in named),
        senders=tuple(_sender(*each) for each in sorted(senders.in_trouble(tx).items())),
        queues=tuple(
            Queue(channel=channel, lane=lane, waiting_s=waiting_s)
            for (channel, lane), waiting_s in sorted(numbers.waiting_s.items())
        ),
        jobs=numbers.jobs,
        entries_due=numbers.entries_due,
        parked_events=numbers.parked_events,
        notices_due=numbers.notices_due,
        endpoints=numbers.endpoints,
        batches_unconfirmed=batches.unconfirmed(tx, now.business - _A_DAY),
        pools=numbers.pools,
    )


def database_name(tx: Transaction) -> str:
    """Such as `PostgreSQL 15.18`."""
    return f"{'SQLite' if tx.dialect.name == 'sqlite' else 'PostgreSQL'} {sizes.version(tx)}"


def _sender(sender: Sender, row: Record) -> SenderStatus:
    return SenderStatus(
        channel=sender.channel,
        brand=sender.brand or None,
        held_at=row.held_at,
        held_for=row.held_for,
        alerts=tuple(row.alerts.split(",")) if row.alerts else (),
    )


def _channel(kind: str, row: Record | None, numbers: gauges.Gauges, machine_now: datetime) -> ChannelStatus:
    state: Literal["ready", "paused", "paced"] = "ready"
    if row is not None and row.paused_at is not None:
        state = "paused"
    elif row is not None and row.paced_until is not None and row.paced_until > machine_now:
        state = "paced"
    return ChannelStatus(
        channel=kind,
        state=state,
        held_by=row.held_by if row else None,
        reason=row.reason if row else None,
        paused_at=row.paused_at if row else None,
        paced_until=row.paced_until if row and state == "paced" else None,
        in_doubt=numbers.in_doubt.get(kind, 0),
        claims=numbers.claims.get(kind, 0),
    )
