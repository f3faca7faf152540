"""Properties of the decision that hold whatever the facts: against brute force, and against itself."""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, time, timedelta
from itertools import pairwise
from random import Random
from typing import Any
from zoneinfo import ZoneInfo

from hypothesis import given
from hypothesis import strategies as st
from msgspec import structs

from gateway.domain.caps import Rival, Spend
from gateway.domain.consent import ConsentState, latest
from gateway.domain.cut_off import Mailing
from gateway.domain.explain import explain
from gateway.domain.plan import ORDER, Facts, Queue, Route, Rules, Skip, decide
from gateway.domain.policy import CapRule, QuietRule
from gateway.domain.states import FINAL, MOVES, State, advance, sources

NOW = datetime(2026, 10, 24, 18, 7, tzinfo=UTC)
"""The evening before Rome turns its clocks back."""
HOUR = timedelta(hours=1)
ZONES = [ZoneInfo(name) for name in ("Europe/Rome", "America/New_York", "Australia/Lord_Howe", "Pacific/Apia")]
CHANNELS = ("email", "sms", "post")
LEADS = {"email": timedelta(0), "sms": timedelta(0), "post": 48 * HOUR}

caps_ = st.lists(
    st.builds(
        CapRule,
        name=st.just("rolling"),
        max=st.integers(1, 3),
        window=st.integers(1, 200).map(lambda hours: hours * HOUR),
        channels=st.sampled_from([(), ("email",), ("post", "sms")]),
    )
    | st.builds(
        CapRule, name=st.just("period"), max=st.integers(1, 3), period=st.sampled_from(["day", "week", "month"])
    ),
    max_size=3,
).map(lambda rules: tuple(structs.replace(rule, name=f"{rule.name}-{n}") for n, rule in enumerate(rules)))
spends_ = st.lists(
    st.builds(
        Spend,
        at=st.integers(-240, 96).map(lambda hours: NOW + hours * HOUR),
        channel=st.sampled_from(CHANNELS),
        purpose=st.just("marketing"),
    ),
    max_size=5,
).map(sorted)


@st.composite
def rivals_(draw: st.DrawFn) -> tuple[Rival, ...]:
    due = draw(st.lists(st.integers(0, 30), max_size=3))
    channels = [draw(st.sampled_from(CHANNELS)) for _ in due]
    return tuple(
        Rival(NOW + hours * HOUR, NOW + hours * HOUR + LEADS[channel], channel, "marketing", f"job-{hours}")
        for hours, channel in zip(due, channels, strict=True)
    )


facts_ = st.builds(
    Facts,
    zones=st.lists(st.sampled_from(ZONES), min_size=1, max_size=3, unique=True).map(tuple),
    country=st.sampled_from([None, "IT", "DE"]),
    address_kinds=st.frozensets(st.sampled_from(CHANNELS), min_size=1),
    suppressed_kinds=st.frozensets(st.sampled_from(CHANNELS), max_size=1),
    consents=st.dictionaries(st.sampled_from(CHANNELS), st.sampled_from(["granted", "granted", "withdrawn"])),
    paused_until=st.sampled_from([None, None, NOW - HOUR, NOW + HOUR]),
    cleared=st.frozensets(st.sampled_from([("rpo", channel) for channel in CHANNELS])),
    spends=spends_,
    rivals=rivals_(),
    own_caps=st.sampled_from([(), (CapRule(name="own-wish", max=1, window=60 * HOUR),)]),
    holdout=st.sampled_from([None, None, None, "job", "global"]),
    redeemed=st.booleans(),
    clicked=st.booleans(),
    offer_over=st.booleans(),
    expires_at=st.sampled_from([None, None, NOW + 2 * HOUR, NOW + 90 * HOUR]),
    chance=st.floats(0, 1, exclude_max=True),
)
NIGHT = QuietRule(from_=time(21), to=time(8))
ALWAYS = QuietRule(from_=time(0), to=time(0), countries=("DE",))


def route(channel: str) -> Route:
    return Route(
        channel=channel,
        address_kind=channel,
        basis="opt_out",
        basis_in={"DE": "opt_in"},
        registers_in={"IT": ("rpo",)} if channel == "post" else {},
        mailing=Mailing(lead=LEADS[channel]),
    )


rules_ = st.builds(
    Rules,
    purpose=st.just("marketing"),
    routes=st.permutations(CHANNELS).flatmap(
        lambda order: st.integers(1, 3).map(lambda count: tuple(route(channel) for channel in order[:count]))
    ),
    only_if=st.sampled_from(["always", "not_redeemed", "not_clicked"]),
    caps=caps_,
    obeys_caps=st.booleans(),
    over_cap=st.sampled_from(["wait", "skip"]),
    quiet=st.sampled_from([(), (NIGHT,), (NIGHT, ALWAYS)]),
    spread=st.sampled_from([timedelta(0), HOUR / 2, 12 * HOUR]),
    local_time=st.sampled_from([None, time(18), time(2, 30)]),
)


def fullest(rule: CapRule, spends: Sequence[Spend], zone: ZoneInfo) -> int:
    """The most that any window, or any page of the person's calendar, holds."""
    times = [each.at for each in spends if rule.covers(each.channel, each.purpose)]
    if rule.period is not None:
        return max(Counter(page(rule, at, zone) for at in times).values(), default=0)
    return max((sum(begin <= at < begin + rule.reach for at in times) for begin in times), default=0)


def page(rule: CapRule, at: datetime, zone: ZoneInfo) -> object:
    local = at.astimezone(zone)
    return {"day": local.date(), "week": local.isocalendar()[:2], "month": (local.year, local.month)}[rule.period or ""]


@given(facts_, rules_)
def test_what_is_explained_is_what_is_decided(facts: Facts, rules: Rules) -> None:
    told = explain(facts, rules, NOW)
    assert told.decision == decide(facts, rules, NOW)
    *others, last = told.ways
    assert all(isinstance(way.answer, Skip) for way in others)
    if isinstance(told.decision, Queue):
        assert last.channel == told.decision.channel
        rejected = tuple((way.channel, way.answer.reason) for way in others if isinstance(way.answer, Skip))
        assert told.decision.rejected == rejected
    else:
        assert len(told.ways) == len(rules.routes)
        reasons = [way.answer.reason for way in told.ways if isinstance(way.answer, Skip)]
        assert told.decision.reason == max(reasons, key=ORDER.index)


@given(facts_, rules_)
def test_a_message_is_due_in_time_by_day_and_where_the_caps_have_room(facts: Facts, rules: Rules) -> None:
    decision = decide(facts, rules, NOW)
    if not isinstance(decision, Queue):
        return
    assert decision.due_at >= NOW
    assert facts.expires_at is None or decision.due_at < facts.expires_at
    if decision.yields_to is not None:
        return
    slot = Spend(decision.due_at + LEADS[decision.channel], decision.channel, "marketing")
    for rule in (*rules.caps, *facts.own_caps) if rules.obeys_caps else ():
        before = fullest(rule, facts.spends, facts.zones[0])
        after = fullest(rule, sorted([*facts.spends, slot]), facts.zones[0])
        assert after <= max(rule.max, before)
    if rules.quiet and facts.country != "DE":
        assert all(8 <= decision.due_at.astimezone(zone).hour < 21 for zone in facts.zones)


@given(facts_, rules_)
def test_asked_again_when_it_is_due_the_answer_is_go(facts: Facts, rules: Rules) -> None:
    """With no more important message about: what waits is not sent round in circles."""
    facts = structs.replace(facts, rivals=())
    decision = decide(facts, rules, NOW)
    if isinstance(decision, Queue):
        of_claim = structs.replace(rules, routes=(route(decision.channel),), local_time=None)
        again = decide(facts, of_claim, decision.due_at)
        assert isinstance(again, Queue)
        assert again.due_at == decision.due_at


@given(facts_, rules_)
def test_whoever_gives_way_would_have_taken_the_last_room_of_a_more_important_message(
    facts: Facts, rules: Rules
) -> None:
    decision = decide(facts, rules, NOW)
    without = decide(structs.replace(facts, rivals=()), rules, NOW)
    assert without.yields_to is None
    if decision.yields_to is None or not isinstance(without, Queue) or without.channel != decision.channel:
        return
    [rule] = [each for each in (*rules.caps, *facts.own_caps) if each.name == decision.rule]
    slot = without.due_at + LEADS[decision.channel]
    ahead = [each for each in facts.rivals if together(rule, each, slot, facts.zones[0])]
    taken = [each for each in facts.spends if together(rule, each, slot, facts.zones[0])]
    assert decision.yields_to in {each.job for each in ahead}
    assert len(taken) < rule.max <= len(taken) + len(ahead)
    if isinstance(decision, Queue):
        # It is asked again when it is known whether that one went, and not each minute until then.
        assert decision.due_at > min(each.due_at for each in ahead if each.job == decision.yields_to)


def together(rule: CapRule, other: Spend | Rival, slot: datetime, zone: ZoneInfo) -> bool:
    """Whether the rule counts both for the same room."""
    if not rule.covers(other.channel, other.purpose):
        return False
    if rule.period is not None:
        return page(rule, other.at, zone) == page(rule, slot, zone)
    return abs(other.at - slot) < rule.reach


@given(facts_, rules_)
def test_a_rival_only_ever_delays_and_never_helps(facts: Facts, rules: Rules) -> None:
    with_rivals, without = decide(facts, rules, NOW), decide(structs.replace(facts, rivals=()), rules, NOW)
    if isinstance(with_rivals, Queue):
        assert isinstance(without, Queue)
        if with_rivals.channel == without.channel:
            assert without.due_at <= with_rivals.due_at


states_ = st.sampled_from(list(State))


@given(states_, st.lists(states_, max_size=30))
def test_a_walk_goes_along_the_table_and_ends_where_it_is_final(start: State, reports: list[State]) -> None:
    now = start
    for then in reports:
        after = advance(now, then)
        assert after is now or (after is then and now in sources(then) and then in MOVES[now])
        if now in FINAL:
            assert after is now
        now = after


def test_every_way_from_the_queue_comes_to_an_end_and_every_move_lies_on_one() -> None:
    ways = list(walks((State.QUEUED,)))
    assert {way[-1] for way in ways} == FINAL
    back = {(now, State.QUEUED) for now in MOVES if State.QUEUED in MOVES[now]}
    assert {move for way in ways for move in pairwise(way)} | back == {
        (now, then) for now, targets in MOVES.items() for then in targets
    }


def walks(way: tuple[State, ...]) -> Iterator[tuple[State, ...]]:
    """Every way on that comes to no state twice."""
    ahead = [then for then in MOVES[way[-1]] if then not in way]
    if not ahead:
        yield way
    for then in ahead:
        yield from walks((*way, then))


@given(
    st.lists(
        st.tuples(st.sampled_from(["granted", "withdrawn", "objected"]), st.integers(0, 3)), min_size=1, max_size=6
    ),
    st.randoms(),
)
def test_the_word_that_holds_does_not_depend_on_the_order_in_which_the_words_came(
    said: list[tuple[Any, int]], chance: Random
) -> None:
    words = [ConsentState(action, NOW + days * 24 * HOUR) for action, days in said]
    shuffled = chance.sample(words, len(words))
    holds = latest(words)
    assert latest(shuffled) == holds
    assert holds is not None
    newest = [word for word in words if word.at == max(each.at for each in words)]
    assert (holds.action == "granted") == all(word.action == "granted" for word in newest)
