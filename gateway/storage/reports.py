"""What became of a job, counted by the database."""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from sqlalchemy import ColumnElement, Subquery, and_, case, func, or_, select

from gateway.domain.states import COUNTS_AS_SENT, REACHED
from gateway.storage.database import Transaction
from gateway.storage.events import PROGRAMS
from gateway.storage.tables import events, jobs, sends
from gateway.storage.types import Record

_REACTIONS: Final = ("opened", "clicked", "unsubscribed", "complained")
_ENTRY: Final = ("job_id", "recipient_id", "run")


def people(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(step, people, people_sent, people_reached): who came to each step, counted once on whatever channels."""
    each = (
        select(
            sends.c.step,
            _any(sends.c.state.in_(list(COUNTS_AS_SENT))).label("is_sent"),
            _any(sends.c.state.in_(list(REACHED))).label("is_reached"),
        )
        .where(sends.c.job_id == job_id)
        .group_by(sends.c.step, sends.c.recipient_id, sends.c.run)
        .subquery("each")
    )
    query = select(
        each.c.step,
        func.count().label("people"),
        func.sum(each.c.is_sent).label("people_sent"),
        func.sum(each.c.is_reached).label("people_reached"),
    )
    return tx.execute(query.group_by(each.c.step).order_by(each.c.step)).all()


def fallbacks(tx: Transaction, job_id: int, routes: Sequence[Sequence[str]]) -> Sequence[Record]:
    """(step, channel, fallbacks, reached): sends that came after another of the same person and step.

    `routes` are the channels of each step in the order in which they are tried.
    """
    earlier = sends.alias("earlier")
    came_before = [
        and_(sends.c.step == step, sends.c.channel == channel, earlier.c.channel.in_(channels[:place]))
        for step, channels in enumerate(routes)
        for place, channel in enumerate(channels)
        if place > 0
    ]
    if not came_before:
        return []
    same = (earlier.c[name] == sends.c[name] for name in (*_ENTRY, "step"))
    group = (sends.c.step, sends.c.channel)
    reached = func.sum(case((sends.c.state.in_(list(REACHED)), 1), else_=0)).label("reached")
    query = select(*group, func.count().label("fallbacks"), reached).where(sends.c.job_id == job_id)
    query = query.where(select(earlier.c.step).where(*same, or_(*came_before)).exists())
    return tx.execute(query.group_by(*group).order_by(*group)).all()


def yielded_to(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(job, name, rule, sends): the jobs that sends of this one gave way to, by public id, and under which cap."""
    gave_way = _gave_way(events.c.job_id == job_id)
    more_important = jobs.c.public_id == gave_way.c.to
    return _by_job(tx, gave_way, more_important)


def preferred_over(tx: Transaction, public_id: str, since: datetime) -> Sequence[Record]:
    """(job, name, rule, sends): the jobs whose sends gave way to this one, which was accepted at `since`."""
    gave_way = _gave_way(events.c.at >= since)
    return _by_job(tx, gave_way, and_(jobs.c.id == gave_way.c.job_id, gave_way.c.to == public_id))


def _gave_way(which: ColumnElement[bool]) -> Subquery:
    """One row for each send and the job that it gave way to, however often it did."""
    to, rule = (events.c.data[name].as_string().label(name) for name in ("to", "rule"))
    return select(events.c.job_id, to, rule).where(events.c.type == "yielded", which).subquery("gave_way")


def _by_job(tx: Transaction, gave_way: Subquery, other: ColumnElement[bool]) -> Sequence[Record]:
    group = (jobs.c.public_id, jobs.c.name, gave_way.c.rule)
    query = select(jobs.c.public_id.label("job"), jobs.c.name, gave_way.c.rule, func.count().label("sends"))
    return tx.execute(query.select_from(gave_way.join(jobs, other)).group_by(*group).order_by(*group)).all()


def reactions(tx: Transaction, job_id: int) -> Sequence[Record]:
    """(step, channel, opened, opened_by_programs, clicked, clicked_by_bots, unsubscribed, complained) in sends.

    In how many of them each happened; what both a person and a program did counts as the person's alone.
    """
    is_click, is_open = events.c.type == "clicked", events.c.type == "opened"
    by_person = func.coalesce(events.c.data["by"].as_string(), "").not_in(PROGRAMS)
    happened = (
        select(
            events.c.step,
            events.c.channel,
            _any(is_open & by_person).label("opener"),
            _any(is_open).label("opened"),
            _any(is_click & by_person).label("clicker"),
            _any(is_click).label("clicked"),
            _any(events.c.type == "unsubscribed").label("unsubscribed"),
            _any(events.c.type == "complained").label("complained"),
        )
        .where(events.c.job_id == job_id, events.c.type.in_(_REACTIONS))
        .group_by(events.c.step, events.c.channel, events.c.recipient_id, events.c.run)
        .subquery("happened")
    )
    group = (happened.c.step, happened.c.channel)
    query = select(
        *group,
        func.sum(happened.c.opener).label("opened"),
        func.sum(happened.c.opened - happened.c.opener).label("opened_by_programs"),
        func.sum(happened.c.clicker).label("clicked"),
        func.sum(happened.c.clicked - happened.c.clicker).label("clicked_by_bots"),
        func.sum(happened.c.unsubscribed).label("unsubscribed"),
        func.sum(happened.c.complained).label("complained"),
    )
    return tx.execute(query.group_by(*group).order_by(*group)).all()


def _any(condition: ColumnElement[bool]) -> ColumnElement[int]:
    return func.max(case((condition, 1), else_=0))
