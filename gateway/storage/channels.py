"""Whether a channel may send at this moment: paused by a fault or a person, paced by its provider, or at rest."""

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Any, Final, Literal

from sqlalchemy import ColumnElement, bindparam, case, null, or_, select, update

from gateway.storage.database import Transaction
from gateway.storage.rows import insert_into
from gateway.storage.tables import channel_states
from gateway.storage.types import Instant, Record

HeldBy = Literal["person", "fault", "restore"]
"""Only what a fault has paused comes back by itself."""

RESTS: Final = 0
"""`trying` of a channel that rests while no message tries it out."""


def all_of_them(tx: Transaction) -> Sequence[Record]:
    return tx.execute(select(channel_states)).all()


def get(tx: Transaction, channel: str) -> Record | None:
    return tx.execute(_GET, {"of": channel}).one_or_none()


_GET: Final = select(channel_states).where(channel_states.c.channel == bindparam("of"))


def is_held(tx: Transaction, channel: str, machine_now: datetime) -> bool:
    """Whether nothing may be handed to the channel at this moment: it is paused, paced, or at rest."""
    return is_row_held(get(tx, channel), machine_now)


def is_row_held(row: Record | None, machine_now: datetime) -> bool:
    """As `is_held`, of the channel's row as it was read."""
    return row is not None and (
        row.paused_at is not None or (row.paced_until is not None and row.paced_until > machine_now)
    )


def pause(tx: Transaction, channel: str, reason: str, machine_now: datetime, *, held_by: HeldBy = "person") -> bool:
    """Stop claiming for the channel; what is queued stays queued. Whether that is new.

    The first reason stays, but whoever pauses what a fault has paused holds it from then on.
    """
    values = {"paused_at": machine_now, "reason": reason, "held_by": held_by, "check_at": None}
    new = channel_states.c.paused_at.is_(None)
    return _set(tx, channel, values, new if held_by == "fault" else or_(new, channel_states.c.held_by == "fault"))


def resume(tx: Transaction, channel: str) -> None:
    """Let it send, whatever has kept it from sending."""
    _set(tx, channel, _FREE | _WELL | {"paced_until": None, "checks": 0})


_FREE: Final = {"paused_at": None, "held_by": None, "reason": None, "check_at": None}
_WELL: Final = {"faults": 0, "trying": None}


def ask_again(tx: Transaction, channel: str, at: datetime) -> None:
    """Set when a channel that a fault has paused is asked whether it is well (machine time)."""
    tx.execute(_OF_FAULT.where(channel_states.c.channel == channel).values(check_at=at))


_OF_FAULT: Final = update(channel_states).where(channel_states.c.held_by == "fault")


def any_check_due(tx: Transaction, channels: Collection[str], machine_now: datetime) -> bool:
    due = (channel_states.c.channel.in_(list(channels)), channel_states.c.check_at <= machine_now)
    return tx.scalar(select(channel_states.c.channel).where(*due).limit(1)) is not None


def take_checks(tx: Transaction, channels: Collection[str], machine_now: datetime) -> Sequence[Record]:
    """Those of the channels that are to be asked now, and how often they were asked in vain, this time included.

    The caller sets when they are asked again in the same transaction, so that no other process asks as well.
    """
    due = (channel_states.c.channel.in_(list(channels)), channel_states.c.check_at <= machine_now)
    counted = _OF_FAULT.where(*due).values(checks=channel_states.c.checks + 1, check_at=None)
    return tx.execute(counted.returning(channel_states.c.channel, channel_states.c.checks)).all()


def come_back(tx: Transaction, channel: str) -> bool:
    """Let a channel send that a fault has paused and that is well again. Whether it was still the fault that held it.

    Its checks are counted on until a message has shown that it works: a fault that no check sees must not
    be met again every few seconds.
    """
    free = _OF_FAULT.where(channel_states.c.channel == channel).values(_FREE | {"paced_until": None})
    return tx.execute(free).rowcount == 1


def pace(tx: Transaction, channel: str, until: datetime) -> None:
    """Claim nothing for the channel before `until` (machine time)."""
    sooner = or_(channel_states.c.paced_until.is_(None), channel_states.c.paced_until < until)
    _set(tx, channel, {"paced_until": until}, where=sooner)


def note_faults(tx: Transaction, channel: str, faults: int, rest_until: datetime | None) -> None:
    """Put down the faults in a row; with `rest_until` (machine time) the channel rests from now on."""
    rest = {} if rest_until is None else {"trying": RESTS, "paced_until": rest_until}
    _set(tx, channel, {"faults": faults} | rest)


def well(tx: Transaction, channel: str) -> None:
    """It works: nothing of its faults is held against it any more."""
    rested = case((channel_states.c.trying.is_(None), channel_states.c.paced_until), else_=null())
    change = update(channel_states).where(channel_states.c.channel == channel)
    tx.execute(change.values(_WELL | {"paced_until": rested, "checks": 0}))


def try_out(tx: Transaction, channel: str, claim_id: int, machine_now: datetime, until: datetime) -> bool:
    """Whether this claim may try out a channel whose rest is over. Nobody else may before `until`."""
    given = {"of": channel, "claim": claim_id, "now": machine_now, "until": until}
    return tx.execute(_TRY_OUT, given).rowcount == 1


_TRY_OUT: Final = (
    update(channel_states)
    .where(
        channel_states.c.channel == bindparam("of"),
        channel_states.c.trying.is_not(None),
        or_(
            channel_states.c.paced_until.is_(None),
            channel_states.c.paced_until <= bindparam("now", type_=Instant()),
        ),
    )
    .values(trying=bindparam("claim"), paced_until=bindparam("until", type_=Instant()))
)


def _set(tx: Transaction, channel: str, values: dict[str, Any], where: ColumnElement[bool] | None = None) -> bool:
    """`where` is asked of the row as it stands when it is our turn: two workers lose nothing of each other's.

    Whether anything was written.
    """
    statement = insert_into(tx, channel_states).values(channel=channel, **values)
    statement = statement.on_conflict_do_update(index_elements=["channel"], set_=values, where=where)
    return tx.scalar(statement.returning(channel_states.c.channel)) is not None
