"""The one decision: may this person be written to now, on which channel, and if not, why not.

Planning, preview, claim, retries and explanations all call `decide`; there is no other path.
Reasons are asked in one fixed order, so that a count per reason means the same everywhere.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, time, timedelta
from functools import lru_cache
from typing import Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Struct, structs

from gateway.domain.caps import Spend, first_full
from gateway.domain.consent import Action, permits
from gateway.domain.job import Condition
from gateway.domain.policy import Basis, CapRule, QuietRule
from gateway.domain.quiet_hours import NeverOpen, instant, next_open, quiet_hours

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

WaitReason = Literal["cap", "quiet_hours", "local_time"]


class Route(Struct, frozen=True, kw_only=True):
    """One channel that a step may take, with what policy says of it."""

    channel: str
    address_kind: str
    basis: Basis
    lead: timedelta = timedelta(0)
    """From the decision to the mailing, for paper: its slot is dated so much later."""


class Rules(Struct, frozen=True, kw_only=True):
    """The rules of one step, compiled once for many people."""

    purpose: str
    routes: tuple[Route, ...]
    only_if: Condition
    caps: tuple[CapRule, ...]
    """Empty where the job does not obey caps."""
    over_cap: Literal["wait", "skip"]
    quiet: tuple[QuietRule, ...]
    """Empty where the purpose knows no quiet hours."""
    local_time: time | None = None
    """Asked when a send is planned, not when it is claimed."""


class Facts(Struct, frozen=True, kw_only=True):
    """What is known of one person at the instant of the decision."""

    zone: ZoneInfo
    country: str | None
    address_kinds: frozenset[str]
    """Kinds of which the person has a live address."""
    suppressed_kinds: frozenset[str] = frozenset()
    """Of those, the kinds with no address left that may be used."""
    consents: Mapping[str, Action]
    """By channel, for the purpose in question."""
    spends: Sequence[Spend] = ()
    """Slots taken, ascending in time."""
    erased: bool = False
    holdout: bool = False
    redeemed: bool = False
    clicked: bool = False
    offer_over: bool = False
    expires_at: datetime | None = None
    """What is due at this instant or later is not worth sending."""


class Queue(Struct, frozen=True, kw_only=True):
    """Send on `channel` at `due_at`; later than asked for the reason given."""

    channel: str
    due_at: datetime
    wait_reason: WaitReason | None = None
    rule: str | None = None
    rejected: tuple[tuple[str, Reason], ...] = ()


class Skip(Struct, frozen=True, kw_only=True):
    """Don't send. `channel` is the one that came closest; `rejected` names all."""

    channel: str
    reason: Reason
    rule: str | None = None
    rejected: tuple[tuple[str, Reason], ...] = ()


Decision = Queue | Skip


def decide(facts: Facts, rules: Rules, at: datetime) -> Decision:
    """The decision for one person, as of `at` (UTC), which is also the earliest time to send.

    The first route that is not refused is taken, even where it has to wait. Where all are
    refused, the reason furthest down the order is given: the nearest miss.
    """
    refused: list[Skip] = []
    for route in rules.routes:
        answer = _ask(facts, rules, route, at)
        if isinstance(answer, Queue):
            return structs.replace(answer, rejected=_trace(refused)) if refused else answer
        refused.append(answer)
    if len(refused) == 1:
        return refused[0]
    nearest = max(refused, key=lambda skip: ORDER.index(skip.reason))
    return structs.replace(nearest, rejected=_trace(refused))


def _trace(refused: list[Skip]) -> tuple[tuple[str, Reason], ...]:
    return tuple((skip.channel, skip.reason) for skip in refused)


def _ask(facts: Facts, rules: Rules, route: Route, at: datetime) -> Decision:
    reason = _objection(facts, rules, route)
    if reason is not None:
        return Skip(channel=route.channel, reason=reason)
    return _time(facts, rules, route, at)


def _objection(facts: Facts, rules: Rules, route: Route) -> Reason | None:
    if facts.erased:
        return "erased"
    if route.address_kind not in facts.address_kinds:
        return "no_address"
    if route.address_kind in facts.suppressed_kinds:
        return "suppressed"
    if not permits(route.basis, facts.consents.get(route.channel)):
        return "no_consent"
    if facts.holdout:
        return "holdout"
    if not _holds(rules.only_if, facts):
        return "condition"
    return "expired" if facts.offer_over else None


def _holds(condition: Condition, facts: Facts) -> bool:
    match condition:
        case "always":
            return True
        case "not_redeemed":
            return not facts.redeemed
        case "not_clicked":
            return not (facts.redeemed or facts.clicked)


def _time(facts: Facts, rules: Rules, route: Route, at: datetime) -> Decision:
    """When to send. Caps and quiet hours push the time on, ever later, until both agree."""
    due = at if rules.local_time is None else next_wall_time(at, rules.local_time, facts.zone)
    why: WaitReason | None = "local_time" if due > at else None
    rule: str | None = None
    hours = quiet_hours(rules.quiet, route.channel, facts.country)
    while facts.expires_at is None or due < facts.expires_at:
        full = first_full(rules.caps, facts.spends, route.channel, rules.purpose, due + route.lead)
        if full is not None:
            if rules.over_cap == "skip":
                return Skip(channel=route.channel, reason="cap", rule=full.rule.name)
            due, why, rule = full.room_at - route.lead, "cap", full.rule.name
            continue
        try:
            opening = next_open(hours, due, facts.zone)
        except NeverOpen:
            return Skip(channel=route.channel, reason="quiet_hours")
        if opening == due:
            return Queue(channel=route.channel, due_at=due, wait_reason=why, rule=rule)
        due, why, rule = opening, "quiet_hours", None
    return Skip(channel=route.channel, reason="expired", rule=rule or why)


@lru_cache(maxsize=4096)
def next_wall_time(at: datetime, wall: time, zone: ZoneInfo) -> datetime:
    """The first instant not before `at` at which a clock in `zone` shows `wall`; of two in one night, the later."""
    day = at.astimezone(zone).date()
    today = instant(datetime.combine(day, wall), zone)
    return today if today >= at else instant(datetime.combine(day + timedelta(days=1), wall), zone)
