"""A decision told question by question: what was asked, which facts were seen, what the answer was.

It asks the very questions of `plan`, in their order, and gives `plan.decide`'s own answer: it cannot differ.
"""

from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from typing import Any, Final

from msgspec import Struct

from gateway.domain.caps import Spend
from gateway.domain.plan import QUESTIONS, Decision, Facts, Reason, Route, Rules, Skip, Wait, decide, when
from gateway.domain.policy import CapRule


class Asked(Struct, frozen=True, kw_only=True):
    """One question. `objection` is None where nothing spoke against; else the rule that did, or an empty text."""

    question: Reason
    seen: Mapping[str, Any]
    objection: str | None


class Way(Struct, frozen=True, kw_only=True):
    """What was asked of one channel, up to the first objection; then what pushed the time on."""

    channel: str
    asked: tuple[Asked, ...]
    waits: tuple[Wait, ...]
    answer: Decision


class Explanation(Struct, frozen=True, kw_only=True):
    """`ways` has the channels in the order in which they were tried, up to the one that was taken."""

    at: datetime
    ways: tuple[Way, ...]
    decision: Decision


def explain(facts: Facts, rules: Rules, at: datetime) -> Explanation:
    """The decision of `plan.decide`, with everything that led to it."""
    ways: list[Way] = []
    for route in rules.routes:
        ways.append(_way(facts, rules, route, at))
        if not isinstance(ways[-1].answer, Skip):
            break
    return Explanation(at=at, ways=tuple(ways), decision=decide(facts, rules, at))


def _way(facts: Facts, rules: Rules, route: Route, at: datetime) -> Way:
    asked: list[Asked] = []
    for reason, question in QUESTIONS:
        objection = question(facts, rules, route, at)
        asked.append(Asked(question=reason, seen=_SEEN[reason](facts, rules, route), objection=objection))
        if objection is not None:
            refused = Skip(channel=route.channel, reason=reason, rule=objection or None)
            return Way(channel=route.channel, asked=tuple(asked), waits=(), answer=refused)
    waits: list[Wait] = []
    answer = when(facts, rules, route, at, waits)
    return Way(
        channel=route.channel, asked=(*asked, *_of_time(facts, rules, route, answer)), waits=tuple(waits), answer=answer
    )


def _of_time(facts: Facts, rules: Rules, route: Route, answer: Decision) -> Iterator[Asked]:
    """The caps and the quiet hours, which are asked in turn until both agree on a time."""
    refused = answer if isinstance(answer, Skip) else None
    caps = [
        _cap(rule, facts)
        for rule in (*rules.caps, *facts.own_caps)
        if rules.obeys_caps and rule.covers(route.channel, rules.purpose)
    ]
    of_caps = {"obeys_caps": rules.obeys_caps, "over_cap": rules.over_cap, "caps": caps, "rivals": _rivals(facts)}
    of_night = {"rules": len(rules.quiet), "country": facts.country, "zones": _zones(facts)}
    last: tuple[tuple[Reason, dict[str, Any]], ...] = (
        ("cap", of_caps),
        ("quiet_hours", of_night),
        ("expired", {"expires_at": facts.expires_at}),
    )
    for reason, seen in last:
        is_it = refused is not None and refused.reason == reason
        yield Asked(question=reason, seen=seen, objection=(refused.rule or "") if is_it and refused else None)


def _cap(rule: CapRule, facts: Facts) -> dict[str, Any]:
    counted = [_spend(spend) for spend in facts.spends if rule.covers(spend.channel, spend.purpose)]
    return {"rule": rule.name, "max": rule.max, "window": rule.window, "period": rule.period, "taken": counted}


def _spend(spend: Spend) -> dict[str, Any]:
    return {"at": spend.at, "channel": spend.channel, "purpose": spend.purpose}


def _rivals(facts: Facts) -> list[dict[str, Any]]:
    return [
        {"due_at": rival.due_at, "at": rival.at, "channel": rival.channel, "job": rival.job} for rival in facts.rivals
    ]


def _zones(facts: Facts) -> list[str]:
    return [zone.key for zone in facts.zones]


_SEEN: Final[Mapping[Reason, Callable[[Facts, Rules, Route], dict[str, Any]]]] = {
    "erased": lambda facts, rules, route: {"erased": facts.erased},
    "no_address": lambda facts, rules, route: {"needs": route.address_kind, "has": sorted(facts.address_kinds)},
    "suppressed": lambda facts, rules, route: {
        "suppressed": sorted(facts.suppressed_kinds),
        "until": facts.suppressed_until.get(route.address_kind),
    },
    "no_consent": lambda facts, rules, route: {
        "basis": route.basis_for(facts.country),
        "country": facts.country,
        "last_word": facts.consents.get(route.channel),
        "paused_until": facts.paused_until,
    },
    "not_cleared": lambda facts, rules, route: {
        "registers": list(route.registers_in.get(facts.country or "", ())),
        "cleared_by": sorted(register for register, kind in facts.cleared if kind == route.address_kind),
    },
    "holdout": lambda facts, rules, route: {"held_out_by": facts.holdout},
    "condition": lambda facts, rules, route: {
        "only_if": rules.only_if,
        "redeemed": facts.redeemed,
        "clicked": facts.clicked,
    },
    "expired": lambda facts, rules, route: {"offer_over": facts.offer_over, "offer_used_up": facts.offer_used_up},
}
