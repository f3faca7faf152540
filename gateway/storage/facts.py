"""What a decision must know of many people, in a handful of queries."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import cache, lru_cache
from typing import Any, Final, NamedTuple

from msgspec import Struct
from sqlalchemy import (
    BigInteger,
    Executable,
    FromClause,
    Text,
    and_,
    bindparam,
    case,
    cast,
    func,
    null,
    select,
    type_coerce,
)

from gateway.domain.caps import YIELDS_WITHIN, Spend
from gateway.domain.consent import Action
from gateway.domain.policy import CapRule
from gateway.storage import keys as keys_of
from gateway.storage import suppressions
from gateway.storage.database import Transaction
from gateway.storage.recipients import Prepared
from gateway.storage.rows import Values
from gateway.storage.screenings import CLEARANCES, clearances_of, cleared
from gateway.storage.tables import (
    addresses,
    channel_states,
    consent_states,
    entries,
    jobs,
    preferences,
    recipients,
    sends,
)
from gateway.storage.tables import suppressions as suppressed
from gateway.storage.types import Instant, Record, from_us, to_us


class Queued(NamedTuple):
    """A send that waits for a person, of a job of higher priority."""

    due_at: datetime
    channel: str
    purpose: str
    job_id: int


class Known(Struct, frozen=True, kw_only=True):
    """One person, apart from any job."""

    external_id: str
    zones: str | None
    """Where the person may live, as IANA names with commas between them."""
    country: str | None
    """The one whose rules protect the person: given, or by letter box or number."""
    erased: bool
    address_kinds: frozenset[str]
    suppressed_kinds: frozenset[str]
    """Of those, the kinds with no address left that may be used."""
    suppressed_until: Mapping[str, datetime] = {}
    """Of those again, the kinds with one that only rests, and until when."""
    consents: Mapping[str, Mapping[str, Action]] = {}
    """By purpose, then channel."""
    cleared: frozenset[tuple[str, str]] = frozenset()
    """(register, address kind) of the registers that vouch for an address at the instant asked for."""
    paused_until: datetime | None = None
    own_caps: tuple[CapRule, ...] = ()
    spends: tuple[Spend, ...] = ()
    queued: tuple[Queued, ...] = ()
    """What more important jobs have in the queue for the person; only where it was asked for."""


class Wanted(Struct, frozen=True, kw_only=True):
    """What a decision needs to know besides the people themselves."""

    at: datetime
    spends_after: datetime | None = None
    """The oldest slot of the caps that may count; None asks for none."""
    outranking: int | None = None
    """Asks for what jobs of a higher priority than this have in the queue."""
    clearances: bool = False
    """Asks for what opposition registers said."""


def known(tx: Transaction, ids: Sequence[int], wanted: Wanted) -> Mapping[int, Known]:
    """What is known of these people."""
    ask, given = _questions(tx.dialect.name, wanted.clearances), _PEOPLE.given(tx, [(id,) for id in ids])
    people = tx.execute(ask.people, given | {suppressions.HELD_AT: wanted.at}).all()
    spends = _spends(tx, ask, given, wanted, people)
    queued = _queued(tx, ask, given, wanted)
    found = {}
    for row in people:
        kinds, suppressed, until = _kinds(row.places or "")
        found[row.id] = Known(
            external_id=row.external_id,
            zones=row.zones,
            country=row.jurisdiction,
            erased=row.erased_at is not None,
            address_kinds=kinds,
            suppressed_kinds=suppressed,
            suppressed_until=until,
            consents=_consents(row.answers or ""),
            cleared=cleared(row.clearances or ""),
            paused_until=row.paused_until,
            own_caps=_own_caps(row.cap_max, row.cap_window_us),
            spends=tuple(spends.get(row.id, ())),
            queued=tuple(queued.get(row.id, ())),
        )
    return found


def _spends(
    tx: Transaction, ask: "_Questions", given: dict[str, Any], wanted: Wanted, people: Sequence[Record]
) -> dict[int, list[Spend]]:
    windows = [timedelta(microseconds=row.cap_window_us) for row in people if row.cap_window_us]
    if wanted.spends_after is None and not windows:
        return {}
    after = min([wanted.at - window for window in windows] + [wanted.spends_after or wanted.at])
    found: dict[int, list[Spend]] = {}
    for id, at, channel, purpose in tx.execute(ask.spends, given | {"after": after}).all():
        found.setdefault(id, []).append(Spend(at, channel, purpose))
    return found


def _queued(tx: Transaction, ask: "_Questions", given: dict[str, Any], wanted: Wanted) -> dict[int, list[Queued]]:
    found: dict[int, list[Queued]] = {}
    if wanted.outranking is None or tx.scalar(_ANY_OUTRANKING, {"than": wanted.outranking}) is None:
        return found
    times = {"than": wanted.outranking, "from": wanted.at - _LATE_AT_MOST, "to": wanted.at + YIELDS_WITHIN}
    for id, *rest in tx.execute(ask.queued, given | times).all():
        found.setdefault(id, []).append(Queued(*rest))
    return found


_LATE_AT_MOST: Final = timedelta(hours=1)
"""What should have gone out longer ago is held up by something: nobody waits for it."""

_ANY_OUTRANKING: Final = (
    select(jobs.c.id).where(jobs.c.state == "running", jobs.c.priority > bindparam("than")).limit(1)
)


@lru_cache(maxsize=64)
def _own_caps(most: int | None, window_us: int | None) -> tuple[CapRule, ...]:
    if not most or not window_us:
        return ()
    return (CapRule(name=OWN_WISH, max=most, window=timedelta(microseconds=window_us)),)


OWN_WISH: Final = "own-wish"
"""The name of the cap that a person asked for, in reasons."""


class _Questions(NamedTuple):
    people: Executable
    spends: Executable
    queued: Executable


_PEOPLE: Final = Values("asked", {"id": BigInteger()})


@cache
def _questions(dialect: str, clearances: bool) -> _Questions:
    asked = _PEOPLE.table(dialect)
    return _Questions(
        people=select(
            recipients.c.id,
            recipients.c.external_id,
            recipients.c.zones,
            recipients.c.jurisdiction,
            recipients.c.erased_at,
            _PLACES.label("places"),
            _ANSWERS.label("answers"),
            (CLEARANCES if clearances else null()).label("clearances"),
            preferences.c.paused_until,
            preferences.c.cap_max,
            preferences.c.cap_window_us,
        )
        .join(asked, recipients.c.id == asked.c.id)
        .outerjoin(preferences, preferences.c.recipient_id == recipients.c.id),
        spends=select(sends.c.recipient_id, sends.c.cap_at, sends.c.channel, sends.c.purpose)
        .join(asked, sends.c.recipient_id == asked.c.id)
        .where(sends.c.cap_at > bindparam("after", type_=Instant()))
        .order_by(sends.c.recipient_id, sends.c.cap_at),
        queued=_more_important(asked),
    )


def _more_important(asked: FromClause) -> Executable:
    """Sends in the queue of running jobs, on channels that nobody has paused; found by the people's open entries."""
    same = keys_of.same(sends, entries, keys_of.ENTRY)
    paused = select(channel_states.c.channel).where(channel_states.c.paused_at.is_not(None))
    return (
        select(sends.c.recipient_id, sends.c.due_at, sends.c.channel, sends.c.purpose, sends.c.job_id)
        .join(entries, same)
        .join(asked, entries.c.recipient_id == asked.c.id)
        .join(jobs, jobs.c.id == entries.c.job_id)
        .where(
            entries.c.ended.is_(None),
            jobs.c.state == "running",
            jobs.c.priority > bindparam("than"),
            sends.c.due_at.between(bindparam("from", type_=Instant()), bindparam("to", type_=Instant())),
            # What was perhaps sent holds its slot already, and counts with the others that do.
            sends.c.cap_at.is_(None),
            sends.c.channel.not_in(paused),
        )
        .order_by(sends.c.recipient_id, sends.c.due_at)
    )


# One row and two short texts a person, most of them equal to somebody else's: a row for each address and
# each consent costs a big audience more than everything else.
_REST: Final = "!" + func.coalesce(cast(type_coerce(suppressed.c.until, BigInteger()), Text()), "")
_PLACES: Final = (
    select(func.aggregate_strings(addresses.c.kind + case((suppressed.c.hash.is_(None), ""), else_=_REST), ","))
    .select_from(
        addresses.outerjoin(
            suppressed,
            and_(suppressed.c.kind == addresses.c.kind, suppressed.c.hash == addresses.c.hash, suppressions.HOLDS),
        )
    )
    .where(addresses.c.recipient_id == recipients.c.id)
    .scalar_subquery()
)
_ANSWERS: Final = (
    select(
        func.aggregate_strings(
            consent_states.c.purpose + ":" + consent_states.c.channel + ":" + consent_states.c.action, ","
        )
    )
    .where(consent_states.c.recipient_id == recipients.c.id)
    .scalar_subquery()
)


@lru_cache(maxsize=4096)
def _kinds(places: str) -> tuple[frozenset[str], frozenset[str], Mapping[str, datetime]]:
    """The kinds of `email,phone!,phone,webpush!1790000000000000`; those of them of which all are suppressed (!); and
    of these again those of which one only rests, with the end of the shortest rest."""
    told = [place.partition("!") for place in places.split(",")] if places else []
    kinds = frozenset(kind for kind, _, _ in told)
    gone = kinds.difference(kind for kind, mark, _ in told if not mark)
    rests = sorted(((int(until), kind) for kind, _, until in told if until and kind in gone), reverse=True)
    return kinds, gone, {kind: from_us(until) for until, kind in rests}


@lru_cache(maxsize=4096)
def _consents(told: str) -> Mapping[str, Mapping[str, Action]]:
    """The answers of `marketing:email:granted,survey:email:withdrawn`, by purpose and channel."""
    found: dict[str, dict[str, Any]] = {}
    for answer in told.split(",") if told else ():
        purpose, channel, action = answer.split(":")
        found.setdefault(purpose, {})[channel] = action
    return found


def of_strangers(tx: Transaction, strangers: Mapping[int, Prepared], at: datetime) -> dict[int, Known]:
    """What would be known at `at` of people who are not written yet, by numbers that stand for them."""
    places = [(place.kind, digest) for each in strangers.values() for place, digest in each.places]
    rests = suppressions.rests(tx, places, at)
    vouched = clearances_of(tx, places, at)
    found = {}
    for id, each in strangers.items():
        marked = (f"{place.kind}{_mark(rests, (place.kind, digest))}" for place, digest in each.places)
        kinds, gone, until = _kinds(",".join(marked))
        # Of several addresses of a kind, the first that may be used is the one that is written to.
        used = {place.kind: digest for place, digest in reversed(each.places) if (place.kind, digest) not in rests}
        found[id] = Known(
            external_id=each.external_id,
            zones=",".join(each.zones) or None,
            country=each.jurisdiction,
            erased=False,
            address_kinds=kinds,
            suppressed_kinds=gone,
            suppressed_until=until,
            cleared=frozenset(
                (register, kind) for kind, digest in used.items() for register in vouched.get((kind, digest), ())
            ),
        )
    return found


def _mark(rests: Mapping[tuple[str, str], datetime | None], place: tuple[str, str]) -> str:
    """As `_PLACES` marks what is suppressed."""
    if place not in rests:
        return ""
    until = rests[place]
    return "!" if until is None else f"!{to_us(until)}"
