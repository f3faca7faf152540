"""Senders are counted exactly, told of, held, and released by a person."""

import itertools
import threading
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import structs

from gateway.contract import EventType, Outbound, ProviderEvent, RecipientGone
from gateway.domain.notices import SenderNews
from gateway.domain.policy import Reputation
from gateway.domain.reputation import Counts, Sender, hour_of
from gateway.services import explain, record, reputation, restore, save, track
from gateway.services.archive import Archive
from gateway.services.claim import Claim, claim, places_due
from gateway.services.problems import NotFound
from gateway.services.reputation import SenderState
from gateway.storage import audit
from gateway.storage.database import Database
from gateway.storage.tables import sender_hours
from tests.builders import LEASE, NOW, World, answered, installation, statements, step
from tests.services.endpoints_told import listen, noted, types_noted

STRICT = Reputation(
    complaints=0.2, alert=0.1, bounces=0.3, least=10, window=timedelta(days=7), blocks=0.5, blocks_least=4
)
OWN = Sender("email")
SHOP = Sender("email", "bottega")
_SERIAL = itertools.count(1)


@pytest.fixture
def world(world: World) -> World:
    """A brand besides the channel's own sender; two complaints in ten hold a sender."""
    branded(world, STRICT)
    return world


def branded(world: World, policy: Reputation) -> None:
    house = installation(reputation=policy)
    world.house = structs.replace(house, brands={"email": frozenset({"bottega", "libreria"})})


def crowd(world: World, size: int, **profile: Any) -> list[str]:
    ids = [f"c-{next(_SERIAL)}" for _ in range(size)]
    world.people(*ids, **profile)
    return ids


def mailed(world: World, size: int, brand: str | None = None, **fields: Any) -> list[Outbound]:
    """So many messages of one job, accepted."""
    named(world, crowd(world, size), brand, **fields)
    return world.pump()


def named(world: World, ids: Sequence[str], brand: str | None = None, *steps: dict[str, Any], **fields: Any) -> int:
    return world.run(*steps, audience={"kind": "ids", "ids": list(ids)}, brand=brand, **fields)


def complain(world: World, messages: Sequence[Outbound]) -> None:
    for message in messages:
        world.report(EventType.COMPLAINED, message)


def state(world: World, sender: Sender = OWN) -> SenderState:
    with world.db.snapshot() as tx:
        return reputation.state_of(tx, world.house, sender)


def release(world: World, sender: Sender = OWN) -> None:
    with world.db.transaction() as tx:
        reputation.release(tx, sender, "ops")


def judge_all(world: World) -> int:
    with world.db.transaction() as tx:
        return reputation.judge_all(tx, world.house)


def states(world: World, job_id: int, ids: Sequence[str]) -> Counter[tuple[str, str | None]]:
    return Counter(world.state(job_id, id) for id in ids)


# Counting

ACTIONS = st.lists(
    st.one_of(
        st.tuples(st.just("mail"), st.integers(1, 3), st.sampled_from([None, "bottega"])),
        st.tuples(
            st.sampled_from([EventType.DELIVERED, EventType.BOUNCED, EventType.BLOCKED, EventType.COMPLAINED]),
            st.integers(0, 30),
            st.booleans(),
        ),
        st.tuples(st.just("wait"), st.integers(1, 200), st.none()),
    ),
    max_size=14,
)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(ACTIONS)
def test_counts_are_what_counting_by_hand_gives(world: World, actions: list[tuple[Any, int, Any]]) -> None:
    """Each message once for each thing that is reported of it, in the hour in which it was accepted."""
    branded(world, Reputation(least=10**6, blocks_least=10**6))
    before = counts_by_hour(world)
    sent: list[tuple[Outbound, Sender, datetime]] = []
    reported: set[tuple[str, EventType]] = set()
    expected: Counter[tuple[Sender, datetime, str]] = Counter()
    for action, number, more in actions:
        if action == "mail":
            for message in mailed(world, number, more, if_not_sent="end"):
                sender = SHOP if more else OWN
                sent.append((message, sender, hour_of(world.now())))
                expected[sender, sent[-1][2], "accepted"] += 1
        elif action == "wait":
            world.later(minutes=number)
        elif sent:
            message, sender, hour = sent[number % len(sent)]
            is_gone = action is EventType.BOUNCED and more
            world.report(action, message, address_gone=is_gone)
            if (message.id, action) not in reported:
                reported.add((message.id, action))
                expected[sender, hour, str(action)] += 1
                expected[sender, hour, "gone"] += is_gone
    assert counts_by_hour(world) - before == +expected


def counts_by_hour(world: World) -> Counter[tuple[Sender, datetime, str]]:
    found: Counter[tuple[Sender, datetime, str]] = Counter()
    with world.db.snapshot() as tx:
        for row in tx.execute(sender_hours.select()):
            for name in Counts._fields:
                found[Sender(row.channel, row.brand), row.hour, name] += getattr(row, name)
    return found


def test_a_window_costs_one_more_statement_however_many_it_holds(world: World) -> None:
    ids = world.neighbours(6)
    job_id = named(world, ids)
    taken = world.claim()
    messages = world.begin(taken)
    with world.db.transaction() as tx:
        seen = statements(tx)
        record.record(tx, world.house, taken, answered(messages), [], LEASE)
    assert len([each for each in seen if "sender_hours" in each]) == 1
    assert len([each for each in seen if "senders" in each]) == 1
    assert state(world).accepted == 6
    assert states(world, job_id, ids) == {("accepted", None): 6}


def test_what_a_worker_says_twice_counts_once(world: World) -> None:
    """Its first word was written down, and the answer to it was lost."""
    world.neighbours(3)
    world.run()
    taken = world.claim()
    messages = world.begin(taken)
    for _ in range(2):
        world.record(taken, messages)
    assert state(world).accepted == 3


def test_a_refusal_is_not_accepted_and_a_report_before_the_record_is_counted(world: World) -> None:
    ids = world.neighbours(2)
    named(world, ids)
    taken = world.claim()
    messages = world.begin(taken)
    [(_, early)], [(_, refused)] = messages.values()
    world.report(EventType.DELIVERED, early)
    event = ProviderEvent(type=EventType.BLOCKED, event_id="parked", provider_id=f"p-{early.id}")
    with world.db.transaction() as tx:
        track.report(tx, world.house, "email", event)
    world.record(taken, messages, lambda it: RecipientGone("5.1.1") if it.id == refused.id else f"p-{it.id}")
    found = state(world)
    assert (found.accepted, found.delivered, found.blocked) == (1, 1, 1)


# Judging


def test_complaints_alert_first_and_then_hold_the_sender(world: World) -> None:
    crm = listen(world, "sender.*")
    messages = mailed(world, 10)
    complain(world, messages[:1])
    assert (state(world).state, state(world).alerts) == ("alert", ("complaints",))
    assert types_noted(world, crm) == ["sender.alert"]
    complain(world, messages[1:4])
    found = state(world)
    assert (found.state, found.held_for, found.complaint_rate) == ("held", "complaints", 0.4)
    assert types_noted(world, crm) == ["sender.alert", "sender.held"]
    [told] = [each for each in noted(world, crm) if each.type == "sender.held"]
    assert isinstance(told, SenderNews)
    assert (told.channel, told.brand, told.reason, told.rate) == ("email", "", "complaints", 0.2)
    assert (state(world, SHOP).state, state(world, SHOP).complaint_rate) == ("well", None)


def test_complaints_of_too_few_messages_say_nothing_before_there_are_enough(world: World) -> None:
    complain(world, mailed(world, 9)[:5])
    assert state(world).state == "well"
    mailed(world, 1)
    assert state(world).state == "well", "no report came since"
    assert judge_all(world) == 1
    assert state(world).state == "held"
    assert judge_all(world) == 0


def test_complaints_that_come_late_count_for_the_messages_that_they_are_about(world: World) -> None:
    old = mailed(world, 10)
    world.later(days=9)
    mailed(world, 10)
    complain(world, old)
    assert (state(world).state, state(world).complaint_rate) == ("well", 0.0)


def test_complaints_of_the_last_days_add_up(world: World) -> None:
    for _ in range(4):
        complain(world, mailed(world, 6)[:1])
        world.later(days=2)
    found = state(world)
    assert (found.state, found.accepted, found.complained) == ("alert", 18, 3), "the first were eight days ago"


def test_an_alert_ends_when_its_messages_are_long_ago(world: World) -> None:
    complain(world, mailed(world, 10)[:1])
    world.later(days=8)
    assert state(world).state == "alert"
    assert judge_all(world) == 1
    assert state(world).state == "well"


def test_dead_addresses_alert_and_hold_nobody(world: World) -> None:
    crm = listen(world, "sender.*")
    messages = mailed(world, 10)
    for message in messages[:3]:
        world.report(EventType.BOUNCED, message, address_gone=True)
    for message in messages[3:]:
        world.report(EventType.BOUNCED, message)
    found = state(world)
    assert (found.state, found.alerts, found.bounced, found.gone) == ("alert", ("bounces",), 10, 3)
    assert [each.reason for each in noted(world, crm) if isinstance(each, SenderNews)] == ["bounces"]


def test_blocks_fail_their_messages_suppress_nobody_and_hold_the_sender(world: World) -> None:
    crm = listen(world, "sender.*")
    ids = crowd(world, 4)
    job_id = named(world, ids, "bottega")
    for message in world.pump()[:2]:
        world.report(EventType.BLOCKED, message, code="5.7.1")
    assert states(world, job_id, ids) == {("failed", "5.7.1"): 2, ("accepted", None): 2}
    assert (state(world, SHOP).state, state(world, SHOP).held_for) == ("held", "blocks")
    assert types_noted(world, crm) == ["sender.blocked", "sender.held"]
    assert states(world, named(world, ids), ids) == {("queued", None): 4}, "as itself the channel is well"


def test_blocks_of_the_day_before_say_nothing_of_this_hour(world: World) -> None:
    for message in mailed(world, 4)[:1]:
        world.report(EventType.BLOCKED, message)
    world.later(hours=3)
    for message in mailed(world, 4)[:1]:
        world.report(EventType.BLOCKED, message)
    assert state(world).state == "well"
    assert (state(world).blocked, state(world).block_rate) == (2, 0.25)


def test_two_who_complain_at_once_hold_the_sender(world: World) -> None:
    """Each is just one too few for itself, in hours of their own."""
    first = mailed(world, 5)
    world.later(hours=2)
    second = mailed(world, 5)
    together = threading.Barrier(2)

    def report(message: Outbound) -> None:
        together.wait()
        world.report(EventType.COMPLAINED, message)

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(report, [first[0], second[0]]))
    assert state(world).state == "held"


# Holding


def held(world: World, sender: Sender = OWN) -> list[Outbound]:
    """Let the sender be held, for complaints about messages of its own."""
    messages = mailed(world, 10, sender.brand or None)
    complain(world, messages[:2])
    assert state(world, sender).state == "held"
    return messages


def test_what_a_held_sender_has_to_say_waits_until_somebody_releases_it(world: World) -> None:
    held(world)
    ids = crowd(world, 3)
    job_id = named(world, ids)
    assert world.pump() == []
    assert states(world, job_id, ids) == {("queued", "sender_held"): 3}
    with world.db.snapshot() as tx:
        assert places_due(tx, world.house, "email") == [], "what was met is not met again"
        told = explain.explain(tx, world.house, f"job-{job_id}", ids[0]).told
    assert told.endswith("it waits until the sender is released")
    release(world)
    assert len(world.pump()) == 3
    assert state(world).state == "well"
    with world.db.snapshot() as tx:
        [freed, hold] = audit.page(tx, None, 10, "sender:email/-")
    assert (hold.actor, hold.action, hold.detail) == ("gateway", "sender.held", {"reason": "complaints", "rate": 0.2})
    assert (freed.actor, freed.action) == ("ops", "sender.released")


def test_receipts_of_a_held_sender_and_other_senders_go_on(world: World) -> None:
    held(world, SHOP)
    ids = crowd(world, 2)
    waits = named(world, ids, "bottega")
    receipt = named(world, ids, "bottega", purpose="transactional")
    other = named(world, ids, "libreria")
    own = named(world, ids)
    world.people("anna", grants=("sms",), addresses=[{"kind": "phone", "value": "+12025550142"}])
    text = named(world, ["anna"], None, step(channels=["sms"]))
    assert len(world.pump()) == 6
    assert len(world.pump("sms")) == 1
    for job_id in (receipt, other, own):
        assert states(world, job_id, ids) == {("accepted", None): 2}
    assert states(world, waits, ids) == {("queued", "sender_held"): 2}
    assert world.state(text, "anna", channel="sms") == ("accepted", None)


def test_a_step_with_two_channels_waits_and_does_not_fall_back(world: World) -> None:
    held(world)
    phone = {"kind": "phone", "value": "+12025550143"}
    world.people("ewa", grants=("email", "sms"), addresses=[{"kind": "email", "value": "ewa@example.com"}, phone])
    job_id = named(world, ["ewa"], None, step(channels=["email", "sms"]))
    assert world.pump() + world.pump("sms") == []
    assert world.state(job_id, "ewa") == ("queued", "sender_held")
    assert world.plan_due() == 0
    release(world)
    assert [message.address.value for message in world.pump()] == ["ewa@example.com"]
    assert world.pump("sms") == []


def test_what_waits_for_two_senders_goes_with_its_own(world: World) -> None:
    held(world)
    held(world, SHOP)
    mine, theirs = crowd(world, 2), crowd(world, 2)
    first, second = named(world, mine), named(world, theirs, "bottega")
    assert world.pump() == []
    release(world, SHOP)
    assert len(world.pump()) == 2
    assert states(world, second, theirs) == {("accepted", None): 2}
    assert states(world, first, mine) == {("queued", "sender_held"): 2}


def test_what_waits_is_cancelled_and_too_late_as_everything_else(world: World) -> None:
    held(world)
    ids = crowd(world, 2)
    job_id = named(world, ids, expires_at=(world.now() + timedelta(hours=1)).isoformat())
    world.pump()
    world.consents("withdrawn", ids[0])
    world.later(hours=2)
    release(world)
    world.pump()
    assert world.state(job_id, ids[0])[0] == "cancelled"
    assert world.state(job_id, ids[1])[0] == "expired"


def test_after_a_release_only_new_messages_are_judged(world: World) -> None:
    old = held(world)
    release(world)
    complain(world, old[2:])
    assert (state(world).state, state(world).accepted) == ("well", 0)
    new = mailed(world, 10)
    complain(world, new[:1])
    assert (state(world).state, state(world).complaint_rate) == ("alert", 0.1)
    complain(world, new[1:2])
    assert state(world).state == "held"


def test_releasing_again_does_nothing_and_an_unknown_sender_is_not_found(world: World) -> None:
    held(world)
    release(world)
    at = state(world).released_at
    release(world)
    assert state(world).released_at == at
    for sender in (SHOP, Sender("sms")):
        with pytest.raises(NotFound, match="was ever held"):
            release(world, sender)


def test_nothing_is_lost_where_claims_holds_and_releases_race(world: World) -> None:
    """At the end, after a last release, everything goes out exactly once."""
    messages = mailed(world, 10)
    ids = crowd(world, 60)
    job_id = named(world, ids)
    together = threading.Barrier(4)
    sent: Counter[str] = Counter()

    def work() -> None:
        together.wait()
        for _ in range(12):
            for message in claimed(world):
                sent[message.recipient_id] += 1

    def upset(first: int) -> None:
        together.wait()
        for number in range(first, 10, 2):
            complain(world, messages[number : number + 1])
            if state(world).state == "held":
                release(world)

    with ThreadPoolExecutor(4) as pool:
        for done in [pool.submit(work), pool.submit(work), pool.submit(upset, 0), pool.submit(upset, 1)]:
            done.result()
    if state(world).state == "held":
        release(world)
    sent += Counter(message.recipient_id for message in claimed(world))
    assert sent == dict.fromkeys(ids, 1)
    assert states(world, job_id, ids) == {("accepted", None): 60}


def claimed(world: World) -> list[Outbound]:
    """What is due at this moment, as far as nobody else has it in hand."""
    with world.db.snapshot() as tx:
        places = places_due(tx, world.house, "email")
    found: list[Outbound] = []
    for place in places:
        with world.db.transaction() as tx:
            taken = claim(tx, world.house, "email", place, worker="w", lease=LEASE, limit=3)
        if isinstance(taken, Claim):
            messages = world.begin(taken)
            world.record(taken, messages)
            world.close(taken)
            found += [message for each in messages.values() for _, message in each]
    return found


def test_a_restored_backup_keeps_what_is_held_and_why(world: World, other: Database, tmp_path: Path) -> None:
    held(world)
    ids = crowd(world, 2)
    job_id = named(world, ids)
    world.pump()
    with world.db.snapshot() as tx:
        save.save(tx, world.house.keys, tmp_path / "backup.zip", lambda name, rows: None)
    with Archive(tmp_path / "backup.zip") as archive, other.transaction() as tx:
        restore.restore(tx, world.house, archive, ["email"], lambda name, rows: None)
    there = World(other, world.house)
    there.at(NOW + timedelta(hours=1))
    assert (state(there).state, state(there).complained, state(there).accepted) == ("held", 2, 10)
    assert states(there, job_id, ids) == {("queued", "sender_held"): 2}


def test_hours_that_no_window_reaches_are_forgotten(world: World) -> None:
    mailed(world, 1)
    world.later(days=32)
    mailed(world, 2)
    with world.db.transaction() as tx:
        assert reputation.forget(tx) == 1
    assert sum(count for (_, _, name), count in counts_by_hour(world).items() if name == "accepted") == 2
