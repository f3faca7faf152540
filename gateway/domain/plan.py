"""The one decision: may this person be written to now, on which channel, and if not, why not.

Planning, preview, claim, retries, later steps, print runs and explanations all ask the QUESTIONS below,
in their order; there is no other path. So a count per reason means the same everywhere.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, time, timedelta
from typing import Final, Literal, NamedTuple
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from gateway.domain.caps import Rival, Spend, first_full, first_outranked
from gateway.domain.consent import Action, permits
from gateway.domain.cut_off import Mailing
from gateway.domain.holdout import Held
from gateway.domain.job import Condition
from gateway.domain.policy import Basis, CapRule, QuietRule
from gateway.domain.quiet_hours import NeverOpen, QuietHours, next_open, quiet_hours
from gateway.domain.wall_time import next_wall_time

Reason = Literal[
    "erased",
    "no_address",
    "suppressed",
    "no_consent",
    "not_cleared",
    "holdout",
    "condition",
    "expired",
    "cap",
    "quiet_hours",
]
ORDER: Final[tuple[Reason, ...]] = (
    "erased",
    "no_address",
    "suppressed",
    "no_consent",
    "not_cleared",
    "holdout",
    "condition",
    "expired",
    "cap",
    "quiet_hours",
)
"""The order in which reasons are asked."""

OF_THE_PERSON: Final[frozenset[Reason]] = frozenset({"erased", "holdout", "condition", "expired"})
"""Reasons that hold on every channel: where one of them is given, no other channel is tried."""

WaitReason = Literal["cap", "quiet_hours", "local_time", "priority"]

_ASKED_AGAIN: Final = timedelta(minutes=1)
"""So long after a more important message was due it is known whether it went out."""
_MICROSECOND: Final = timedelta(microseconds=1)


class Route(Struct, frozen=True, kw_only=True):
    """One channel that a step may take, with what policy says of it."""

    channel: str
    address_kind: str
    basis: Basis
    basis_in: Mapping[str, Basis] = {}
    """By country, where its law asks for another basis."""
    registers_in: Mapping[str, tuple[str, ...]] = {}
    """By country, the opposition registers that must have cleared an address before."""
    mailing: Mailing = Mailing()
    """From the decision to the mailing, for paper: its slot is dated at the mailing."""

    def basis_for(self, country: str | None) -> Basis:
        return self.basis_in.get(country or "", self.basis)


class Rules(Struct, frozen=True, kw_only=True):
    """The rules of one step, compiled once for many people."""

    purpose: str
    routes: tuple[Route, ...]
    only_if: Condition
    caps: tuple[CapRule, ...]
    obeys_caps: bool = True
    """Whether caps are asked at all, the person's own included."""
    over_cap: Literal["wait", "skip"]
    quiet: tuple[QuietRule, ...]
    """Empty where the purpose knows no quiet hours."""
    spread: timedelta = timedelta(0)
    """What quiet hours held back goes out over so long after they end."""
    local_time: time | None = None
    """Asked when a send is planned, not when it is claimed."""


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one person at the instant of the decision."""

    zones: tuple[ZoneInfo, ...]
    """Where the person may live, the likeliest first: it must be daytime in all of them."""
    country: str | None
    address_kinds: frozenset[str]
    """Kinds of which the person has a live address."""
    suppressed_kinds: frozenset[str] = frozenset()
    """Of those, the kinds with no address left that may be used."""
    suppressed_until: Mapping[str, datetime] = {}
    """Of those again, the kinds with an address that only rests, and until when."""
    consents: Mapping[str, Action]
    """By channel, for the purpose in question."""
    paused_until: datetime | None = None
    """The person's own wish to hear nothing until then."""
    cleared: frozenset[tuple[str, str]] = frozenset()
    """Registers that have cleared the person's address of a kind, and still vouch for it: (register, kind)."""
    spends: Sequence[Spend] = ()
    """Slots taken, ascending in time."""
    rivals: Sequence[Rival] = ()
    """More important messages that wait for the person."""
    own_caps: tuple[CapRule, ...] = ()
    """Caps that the person asked for."""
    erased: bool = False
    holdout: Held | None = None
    redeemed: bool = False
    clicked: bool = False
    offer_over: bool = False
    offer_used_up: bool = False
    """Nothing is left of it for anybody."""
    expires_at: datetime | None = None
    """What is due at this instant or later is not worth sending."""
    chance: float = 0.0
    """In [0, 1), the same for a person and a job at every decision: the place in what is spread over a time."""


class Queue(Struct, frozen=True, kw_only=True):
    """Send on `channel` at `due_at`; later than asked for the reason given."""

    channel: str
    due_at: datetime
    wait_reason: WaitReason | None = None
    rule: str | None = None
    yields_to: str | None = None
    """The public id of the more important job that goes first."""
    rejected: tuple[tuple[str, Reason], ...] = ()


class Skip(Struct, frozen=True, kw_only=True):
    """Don't send. `channel` is the one that came closest; `rejected` names all."""

    channel: str
    reason: Reason
    rule: str | None = None
    yields_to: str | None = None
    rejected: tuple[tuple[str, Reason], ...] = ()


Decision = Queue | Skip


class Wait(NamedTuple):
    """One thing that pushed the time of a message on, to `until`."""

    reason: WaitReason
    rule: str | None
    until: datetime


def decide(facts: Facts, rules: Rules, at: datetime) -> Decision:
    """The decision for one person, as of `at` (UTC), which is also the earliest time to send.

    The first route that is not refused is taken, even where it has to wait. Where all are
    refused, the reason furthest down the order is given: the nearest miss.
    """
    refused: list[Skip] = []
    for route in rules.routes:
        answer = objection(facts, rules, route, at) or when(facts, rules, route, at)
        if isinstance(answer, Queue):
            return structs.replace(answer, rejected=_trace(refused)) if refused else answer
        refused.append(answer)
    if len(refused) == 1:
        return refused[0]
    nearest = max(refused, key=lambda skip: ORDER.index(skip.reason))
    return structs.replace(nearest, rejected=_trace(refused))


def _trace(refused: list[Skip]) -> tuple[tuple[str, Reason], ...]:
    return tuple((skip.channel, skip.reason) for skip in refused)


def objection(facts: Facts, rules: Rules, route: Route, at: datetime) -> Skip | None:
    """The first of the QUESTIONS that speaks against the route."""
    for reason, ask in QUESTIONS:
        answer = ask(facts, rules, route, at)
        if answer is not None:
            return Skip(channel=route.channel, reason=reason, rule=answer or None)
    return None


def _erased(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    return "" if facts.erased else None


def _no_address(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    return None if route.address_kind in facts.address_kinds else ""


def _suppressed(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    if route.address_kind not in facts.suppressed_kinds:
        return None
    return "for_a_while" if route.address_kind in facts.suppressed_until else ""


def _no_consent(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    """Not allowed, or not for now: whoever asked for a pause is left alone until its end."""
    basis = route.basis_for(facts.country)
    if not permits(basis, facts.consents.get(route.channel)):
        return ""
    is_paused = facts.paused_until is not None and at < facts.paused_until and basis != "none"
    return "paused" if is_paused else None


def _not_cleared(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    """Without the person's own consent, each register of the country must vouch for the address."""
    registers = route.registers_in.get(facts.country or "", ())
    if not registers or facts.consents.get(route.channel) == "granted":
        return None
    missing = (register for register in registers if (register, route.address_kind) not in facts.cleared)
    return next(missing, None)


def _holdout(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    if facts.holdout is None:
        return None
    return "global" if facts.holdout == "global" else ""


def _condition(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    match rules.only_if:
        case "always":
            return None
        case "not_redeemed":
            return "" if facts.redeemed else None
        case "not_clicked":
            return "" if facts.redeemed or facts.clicked else None


def _expired(facts: Facts, rules: Rules, route: Route, at: datetime) -> str | None:
    if facts.offer_over:
        return ""
    return "offer_used_up" if facts.offer_used_up else None


Question = Callable[[Facts, Rules, Route, datetime], str | None]
"""None where nothing speaks against the route; else the name of the rule that does, or an empty text."""

QUESTIONS: Final[tuple[tuple[Reason, Question], ...]] = (
    ("erased", _erased),
    ("no_address", _no_address),
    ("suppressed", _suppressed),
    ("no_consent", _no_consent),
    ("not_cleared", _not_cleared),
    ("holdout", _holdout),
    ("condition", _condition),
    ("expired", _expired),
)
"""What is asked before the time; behind them come expiry, caps and quiet hours, which `when` asks together."""


def when(facts: Facts, rules: Rules, route: Route, at: datetime, waits: list[Wait] | None = None) -> Decision:
    """When to send. Caps and quiet hours push the time on, ever later, until both agree; `waits` gets each push."""
    home = facts.zones[0]
    due = at if rules.local_time is None else next_wall_time(at, rules.local_time, home)
    last = Wait("local_time", None, due) if due > at else None
    caps = rules.caps + facts.own_caps if rules.obeys_caps else ()
    hours = quiet_hours(rules.quiet, route.channel, facts.country)
    while facts.expires_at is None or due < facts.expires_at:
        if last is not None and waits is not None:
            waits.append(last)
        full = first_full(caps, facts.spends, route.channel, rules.purpose, route.mailing.planned_for(due), home)
        if full is not None:
            if rules.over_cap == "skip":
                return Skip(channel=route.channel, reason="cap", rule=full.rule.name)
            due = route.mailing.gathered_for(full.room_at)
            last = Wait("cap", full.rule.name, due)
            continue
        try:
            opening = next_open(hours, due, facts.zones)
        except NeverOpen:
            return Skip(channel=route.channel, reason="quiet_hours")
        if opening != due:
            due = _spread(hours, opening, facts, rules.spread)
            last = Wait("quiet_hours", None, due)
            continue
        if facts.rivals and (yielding := _yield(caps, facts, rules, route, due)):
            return yielding
        reason, rule = (last.reason, last.rule) if last else (None, None)
        return Queue(channel=route.channel, due_at=due, wait_reason=reason, rule=rule)
    return Skip(channel=route.channel, reason="expired", rule=(last.rule or last.reason) if last else None)


def _yield(caps: tuple[CapRule, ...], facts: Facts, rules: Rules, route: Route, due: datetime) -> Decision | None:
    """What becomes of a message that a more important one leaves no room; asked again when that one was due."""
    found = first_outranked(
        caps, facts.spends, facts.rivals, route.channel, rules.purpose, route.mailing.planned_for(due), facts.zones[0]
    )
    if found is None:
        return None
    rule, job = found.rule.name, found.rival.job
    if rules.over_cap == "skip":
        return Skip(channel=route.channel, reason="cap", rule=rule, yields_to=job)
    again = max(found.rival.due_at, due) + _ASKED_AGAIN
    if facts.expires_at is not None and again >= facts.expires_at:
        return Skip(channel=route.channel, reason="expired", rule=rule, yields_to=job)
    return Queue(channel=route.channel, due_at=again, wait_reason="priority", rule=rule, yields_to=job)


def _spread(hours: QuietHours, opening: datetime, facts: Facts, spread: timedelta) -> datetime:
    """The person's own instant behind an opening, neither in the next quiet hours nor too late."""
    room = spread if facts.expires_at is None else min(spread, facts.expires_at - opening)
    while room > timedelta(seconds=1):
        due = opening + timedelta(microseconds=int(room // _MICROSECOND * facts.chance))
        if next_open(hours, due, facts.zones) == due:
            return due
        room /= 2
    return opening
