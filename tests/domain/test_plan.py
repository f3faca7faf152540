"""The one decision: its order, its nearest miss, its times."""

from collections.abc import Mapping
from datetime import UTC, datetime, time, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.caps import Rival, Spend
from gateway.domain.cut_off import Mailing
from gateway.domain.plan import ORDER, Facts, Queue, Reason, Route, Rules, Skip, decide
from gateway.domain.policy import CapRule, QuietRule
from gateway.domain.wall_time import next_wall_time

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
ROME = ZoneInfo("Europe/Rome")
HOUR = timedelta(hours=1)
EMAIL = Route(channel="email", address_kind="email", basis="opt_in")
SMS = Route(channel="sms", address_kind="phone", basis="opt_in")
POST = Route(channel="post", address_kind="postal", basis="opt_out", mailing=Mailing(lead=48 * HOUR))
SCREENED = Route(channel="email", address_kind="email", basis="opt_out", registers_in={"IT": ("rpo",)})
FULL = CapRule(name="one-a-day", max=1, window=24 * HOUR)
ALWAYS_QUIET = QuietRule(from_=time(0), to=time(0))
NIGHT = QuietRule(from_=time(21), to=time(8))


def rules(*routes: Route, **fields: Any) -> Rules:
    given = {"purpose": "marketing", "routes": routes or (EMAIL,), "only_if": "always", "caps": (), "over_cap": "wait"}
    return Rules(**{**given, "quiet": (), **fields})


def facts(**fields: Any) -> Facts:
    """A person with an address and a grant on every channel."""
    kinds = frozenset({"email", "phone", "postal"})
    given = {
        "zones": (ROME,),
        "country": "IT",
        "address_kinds": kinds,
        "consents": {"email": "granted", "sms": "granted"},
    }
    return Facts(**{**given, **fields})


# For each reason the facts and rules that bring it about, and no other.
OBJECTIONS: Mapping[Reason, tuple[dict[str, Any], dict[str, Any]]] = {
    "erased": ({"erased": True}, {}),
    "no_address": ({"address_kinds": frozenset()}, {}),
    "suppressed": ({"suppressed_kinds": frozenset({"email"})}, {}),
    "no_consent": ({"consents": {"email": "withdrawn"}}, {}),
    "not_cleared": ({"consents": {}}, {"routes": (SCREENED,)}),
    "holdout": ({"holdout": "job"}, {}),
    "condition": ({"redeemed": True}, {"only_if": "not_redeemed"}),
    "expired": ({"expires_at": NOW}, {}),
    "cap": ({"spends": (Spend(NOW - HOUR, "email", "marketing"),)}, {"caps": (FULL,), "over_cap": "skip"}),
    "quiet_hours": ({}, {"quiet": (ALWAYS_QUIET,)}),
}


def with_objections(*reasons: Reason) -> tuple[Facts, Rules]:
    of_person: dict[str, Any] = {}
    of_policy: dict[str, Any] = {}
    # What is asked earlier wins where two of them want the same fact.
    for reason in sorted(reasons, key=ORDER.index, reverse=True):
        of_person |= OBJECTIONS[reason][0]
        of_policy |= OBJECTIONS[reason][1]
    return facts(**of_person), rules(**of_policy)


def test_whom_nothing_speaks_against_is_written_to_now() -> None:
    assert decide(facts(), rules(), NOW) == Queue(channel="email", due_at=NOW)


@pytest.mark.parametrize("reason", OBJECTIONS)
def test_each_reason_is_given_where_it_is_the_only_one(reason: Reason) -> None:
    decision = decide(*with_objections(reason), NOW)
    assert isinstance(decision, Skip)
    assert (decision.channel, decision.reason) == ("email", reason)


@given(st.lists(st.sampled_from(list(OBJECTIONS)), min_size=1, unique=True))
def test_of_several_reasons_the_first_in_the_order_is_given(reasons: list[Reason]) -> None:
    decision = decide(*with_objections(*reasons), NOW)
    assert isinstance(decision, Skip)
    assert decision.reason == min(reasons, key=ORDER.index)


def test_the_order_names_every_reason_once() -> None:
    assert set(ORDER) == set(Reason.__args__) and len(set(ORDER)) == len(ORDER)  # noqa: PT018
    assert set(OBJECTIONS) == set(ORDER)


def test_the_first_channel_that_is_not_refused_is_taken() -> None:
    decision = decide(facts(consents={"sms": "granted"}), rules(EMAIL, SMS, POST), NOW)
    assert decision == Queue(channel="sms", due_at=NOW, rejected=(("email", "no_consent"),))


def test_a_channel_that_has_to_wait_is_taken_before_one_that_is_free() -> None:
    person = facts(spends=(Spend(NOW - HOUR, "email", "marketing"),))
    of_email = CapRule(name="mail", max=1, window=24 * HOUR, channels=("email",))
    decision = decide(person, rules(EMAIL, SMS, caps=(of_email,)), NOW)
    assert decision == Queue(channel="email", due_at=NOW + 23 * HOUR, wait_reason="cap", rule="mail")


def test_where_all_channels_are_refused_the_nearest_miss_is_the_reason() -> None:
    person = facts(address_kinds=frozenset({"phone", "email"}), consents={"email": "withdrawn"})
    decision = decide(person, rules(POST, EMAIL, SMS, only_if="always"), NOW)
    assert decision == Skip(
        channel="email",
        reason="no_consent",
        rejected=(("post", "no_address"), ("email", "no_consent"), ("sms", "no_consent")),
    )


def test_a_single_channel_leaves_no_trace_beside_its_reason() -> None:
    assert decide(facts(consents={}), rules(), NOW) == Skip(channel="email", reason="no_consent")


def test_over_a_cap_the_send_waits_for_the_exact_instant_of_room() -> None:
    person = facts(spends=(Spend(NOW - HOUR, "sms", "marketing"),))
    decision = decide(person, rules(caps=(FULL,)), NOW)
    assert decision == Queue(channel="email", due_at=NOW + 23 * HOUR, wait_reason="cap", rule="one-a-day")


def test_a_job_that_says_so_skips_instead_of_waiting() -> None:
    person = facts(spends=(Spend(NOW - HOUR, "sms", "marketing"),))
    decision = decide(person, rules(caps=(FULL,), over_cap="skip"), NOW)
    assert decision == Skip(channel="email", reason="cap", rule="one-a-day")


def test_nothing_waits_beyond_its_end() -> None:
    person = facts(spends=(Spend(NOW - HOUR, "sms", "marketing"),), expires_at=NOW + 23 * HOUR)
    assert decide(person, rules(caps=(FULL,)), NOW) == Skip(channel="email", reason="expired", rule="one-a-day")
    later = msgspec.structs.replace(person, expires_at=NOW + 23 * HOUR + timedelta(microseconds=1))
    assert isinstance(decide(later, rules(caps=(FULL,)), NOW), Queue)


def test_what_is_due_at_the_very_end_is_late() -> None:
    assert isinstance(decide(facts(expires_at=NOW), rules(), NOW), Skip)
    assert isinstance(decide(facts(expires_at=NOW + timedelta(microseconds=1)), rules(), NOW), Queue)


def test_an_offer_that_is_over_is_not_worth_a_message() -> None:
    assert decide(facts(offer_over=True), rules(), NOW) == Skip(channel="email", reason="expired")


def test_room_that_comes_at_night_is_used_in_the_morning() -> None:
    at = datetime(2026, 11, 20, 22, tzinfo=ROME).astimezone(UTC)
    person = facts(spends=(Spend(at - 20 * HOUR, "email", "marketing"),))
    decision = decide(person, rules(caps=(FULL,), quiet=(NIGHT,)), at)
    assert isinstance(decision, Queue)
    assert (decision.due_at.astimezone(ROME).hour, decision.wait_reason) == (8, "quiet_hours")


def test_a_morning_without_room_waits_on() -> None:
    at = datetime(2026, 11, 20, 22, tzinfo=ROME).astimezone(UTC)
    person = facts(spends=(Spend(at - 2 * HOUR, "email", "marketing"),))
    decision = decide(person, rules(caps=(FULL,), quiet=(NIGHT,)), at)
    # Room comes at eight in the evening, an hour before the night.
    assert decision == Queue(channel="email", due_at=at + 22 * HOUR, wait_reason="cap", rule="one-a-day")


@given(
    st.integers(0, 24 * 14),
    st.lists(st.integers(-72, 72), max_size=6),
    st.sampled_from(["Europe/Rome", "Asia/Kathmandu", "Australia/Lord_Howe", "America/Santiago"]),
)
def test_what_is_queued_for_an_instant_is_sent_when_it_is_asked_again_then(
    hours: int, spent: list[int], zone: str
) -> None:
    """What the claim decides at the time that the plan named agrees with the plan."""
    at = NOW + hours * HOUR
    spends = tuple(sorted(Spend(NOW + hour * HOUR, "email", "marketing") for hour in spent))
    person, policy = facts(spends=spends, zones=(ZoneInfo(zone),)), rules(caps=(FULL,), quiet=(NIGHT,))
    planned = decide(person, policy, at)
    assert isinstance(planned, Queue)
    assert planned.due_at >= at
    assert decide(person, policy, planned.due_at) == Queue(channel="email", due_at=planned.due_at)


def test_paper_holds_its_slot_on_the_day_of_its_mailing() -> None:
    in_two_days = facts(spends=(Spend(NOW + 48 * HOUR, "email", "marketing"),))
    assert decide(in_two_days, rules(POST, caps=(FULL,)), NOW) == Queue(
        channel="post", due_at=NOW + 24 * HOUR, wait_reason="cap", rule="one-a-day"
    )
    just_now = facts(spends=(Spend(NOW, "email", "marketing"),))
    assert decide(just_now, rules(POST, caps=(FULL,)), NOW) == Queue(channel="post", due_at=NOW)


def test_six_in_the_evening_is_six_where_the_recipient_lives() -> None:
    six = rules(local_time=time(18))
    for zone, utc in (("Europe/Rome", 17), ("Asia/Tokyo", 9 + 24), ("America/New_York", 23)):
        decision = decide(facts(zones=(ZoneInfo(zone),)), six, NOW)
        assert decision == Queue(
            channel="email", due_at=datetime(2026, 11, 20, tzinfo=UTC) + utc * HOUR, wait_reason="local_time"
        )


def test_an_hour_of_the_day_is_met_exactly_or_tomorrow() -> None:
    six = datetime(2026, 11, 20, 18, tzinfo=ROME).astimezone(UTC)
    assert next_wall_time(six, time(18), ROME) == six
    assert next_wall_time(six + timedelta(microseconds=1), time(18), ROME) == six + 24 * HOUR


@pytest.mark.parametrize(
    ("at", "found"),
    [
        # 02:30 is missing on the 29th: the end of the gap.
        ("2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z"),
        # ... and has gone by on that day once the gap is over.
        ("2026-03-29T01:00:00.000001Z", "2026-03-30T00:30:00Z"),
        ("2026-10-24T12:00:00Z", "2026-10-25T01:30:00Z"),
    ],
)
def test_an_hour_that_the_clock_skips_or_repeats_comes_once(at: str, found: str) -> None:
    moment = datetime.fromisoformat(at)
    assert next_wall_time(moment, time(2, 30), ROME) == datetime.fromisoformat(found)


@pytest.mark.parametrize(
    ("condition", "history", "sent"),
    [
        ("always", {"redeemed": True, "clicked": True}, True),
        ("not_redeemed", {"clicked": True}, True),
        ("not_redeemed", {"redeemed": True}, False),
        ("not_clicked", {}, True),
        ("not_clicked", {"clicked": True}, False),
        ("not_clicked", {"redeemed": True}, False),
    ],
)
def test_conditions_look_at_what_the_person_did(condition: str, history: dict[str, bool], sent: bool) -> None:
    decision = decide(facts(**history), rules(only_if=condition), NOW)
    assert isinstance(decision, Queue) == sent


def test_without_own_consent_every_register_of_the_country_must_vouch_for_the_address() -> None:
    two = Route(channel="post", address_kind="postal", basis="opt_out", registers_in={"IT": ("rpo", "second")})
    person = facts(consents={}, cleared=frozenset({("rpo", "postal"), ("second", "email")}))
    assert decide(person, rules(two), NOW) == Skip(channel="post", reason="not_cleared", rule="second")
    cleared = facts(consents={}, cleared=frozenset({("rpo", "postal"), ("second", "postal")}))
    assert isinstance(decide(cleared, rules(two), NOW), Queue)
    assert isinstance(decide(facts(consents={}, country="FR"), rules(two), NOW), Queue)


def test_who_agreed_needs_no_register() -> None:
    assert isinstance(decide(facts(), rules(SCREENED), NOW), Queue)


def test_a_country_may_ask_for_another_basis() -> None:
    strict = Route(channel="post", address_kind="postal", basis="opt_out", basis_in={"DE": "opt_in"})
    assert isinstance(decide(facts(), rules(strict), NOW), Queue)
    assert decide(facts(country="DE"), rules(strict), NOW) == Skip(channel="post", reason="no_consent")


def test_a_pause_is_kept_to_its_end_and_not_by_what_needs_no_consent() -> None:
    paused = facts(paused_until=NOW + HOUR)
    assert decide(paused, rules(), NOW) == Skip(channel="email", reason="no_consent", rule="paused")
    assert isinstance(decide(paused, rules(), NOW + HOUR), Queue)
    receipt = Route(channel="email", address_kind="email", basis="none")
    assert isinstance(decide(paused, rules(receipt), NOW), Queue)


def test_a_cap_that_the_person_asked_for_holds_beside_those_of_the_house() -> None:
    own = CapRule(name="own-wish", max=1, window=720 * HOUR)
    person = facts(own_caps=(own,), spends=(Spend(NOW - 30 * HOUR, "email", "marketing"),))
    decision = decide(person, rules(caps=(FULL,)), NOW)
    assert decision == Queue(channel="email", due_at=NOW + 690 * HOUR, wait_reason="cap", rule="own-wish")
    assert decide(person, rules(obeys_caps=False), NOW) == Queue(channel="email", due_at=NOW)


WEEKLY = CapRule(name="weekly", max=1, window=168 * HOUR)


def rival(hours: float, channel: str = "sms", job: str = "job_b") -> Rival:
    return Rival(NOW + hours * HOUR, NOW + hours * HOUR, channel, "marketing", job)


def test_a_message_gives_way_to_a_more_important_one_that_needs_the_last_room() -> None:
    decision = decide(facts(rivals=(rival(3),)), rules(caps=(WEEKLY,)), NOW)
    assert isinstance(decision, Queue)
    assert (decision.wait_reason, decision.rule, decision.yields_to) == ("priority", "weekly", "job_b")
    assert NOW + 3 * HOUR < decision.due_at < NOW + 4 * HOUR


def test_where_there_is_room_for_both_nobody_waits() -> None:
    two = CapRule(name="two", max=2, window=168 * HOUR)
    assert decide(facts(rivals=(rival(3),)), rules(caps=(two,)), NOW) == Queue(channel="email", due_at=NOW)
    only_sms = CapRule(name="sms", max=1, window=168 * HOUR, channels=("sms",))
    assert decide(facts(rivals=(rival(3),)), rules(caps=(only_sms,)), NOW) == Queue(channel="email", due_at=NOW)


@pytest.mark.parametrize(
    ("window", "hours", "yields"), [(168, 23.9, True), (168, 24, False), (2, 1.9, True), (2, 2, False)]
)
def test_nobody_waits_for_a_message_beyond_a_day_or_the_window(window: int, hours: float, yields: bool) -> None:
    rule = CapRule(name="w", max=1, window=window * HOUR)
    decision = decide(facts(rivals=(rival(hours),)), rules(caps=(rule,)), NOW)
    assert (decision.yields_to is not None) == yields


def test_a_job_that_skips_over_a_cap_skips_where_it_would_give_way() -> None:
    decision = decide(facts(rivals=(rival(3),)), rules(caps=(WEEKLY,), over_cap="skip"), NOW)
    assert decision == Skip(channel="email", reason="cap", rule="weekly", yields_to="job_b")


def test_giving_way_beyond_the_end_is_expiry() -> None:
    person = facts(rivals=(rival(3),), expires_at=NOW + 3 * HOUR)
    decision = decide(person, rules(caps=(WEEKLY,)), NOW)
    assert decision == Skip(channel="email", reason="expired", rule="weekly", yields_to="job_b")


def test_it_must_be_daytime_in_every_zone_that_the_person_may_live_in() -> None:
    coasts = (ZoneInfo("America/New_York"), ZoneInfo("America/Los_Angeles"))
    at = datetime(2026, 11, 20, 13, tzinfo=UTC)  # eight in New York, five in Los Angeles
    decision = decide(facts(zones=coasts), rules(quiet=(NIGHT,)), at)
    assert decision == Queue(channel="email", due_at=at + 3 * HOUR, wait_reason="quiet_hours")


@given(st.floats(0, 1, exclude_max=True), st.integers(1, 720))
def test_what_the_night_held_back_goes_out_over_the_morning(chance: float, spread_min: int) -> None:
    at = datetime(2026, 11, 20, 22, tzinfo=ROME).astimezone(UTC)
    opens = datetime(2026, 11, 21, 8, tzinfo=ROME)
    spread = timedelta(minutes=spread_min)
    person = facts(chance=chance, expires_at=opens + timedelta(minutes=45))
    decision = decide(person, rules(quiet=(NIGHT,), spread=spread), at)
    assert isinstance(decision, Queue)
    assert opens <= decision.due_at < opens + min(spread, timedelta(minutes=45)) or decision.due_at == opens
    assert decide(person, rules(quiet=(NIGHT,), spread=spread), decision.due_at).due_at == decision.due_at
