"""What is due is decided once more, at this instant, and taken by one worker."""

from datetime import timedelta

import pytest

from gateway.domain.lanes import BULK, BULK_LANES, URGENT
from gateway.domain.words import shard_of
from gateway.services import control
from gateway.services.claim import Claim, claim, places_due
from gateway.storage import batches, channels, clock, facts, locks, sends, suppressions
from gateway.storage.batches import NewBatch
from gateway.storage.facts import Wanted
from gateway.storage.sends import Move
from tests.builders import CHANNELS, LEASE, NOW, World, cap, installation, postal, quiet, statements, step

PHONE = {"kind": "phone", "value": "+12025550142"}
# SQLite has one writer at a time: the second transaction would not begin before the first has ended.
on_postgres = pytest.mark.parametrize("database_url", ["postgres"], indirect=True)

TEXTED = {"grants": ("email", "sms"), "addresses": [{"kind": "email", "value": "c1@example.com"}, PHONE]}


def test_a_claim_hands_each_send_to_one_worker(world: World) -> None:
    world.people(*(f"c-{n}" for n in range(10)))
    world.run()
    taken = world.claims()
    assert sum(len(each.members) for each in taken) == 10
    assert world.claims() == []
    assert {shard_of(key.recipient_id) for each in taken for key in each.members} == {each.shard for each in taken}


def test_what_is_not_due_is_left_alone(world: World) -> None:
    world.people("c-1")
    job_id = world.run(step(after="PT1H"))
    assert world.claims() == []
    world.later(minutes=61)
    assert world.claim().members == (world.key(job_id, "c-1"),)


@pytest.mark.parametrize("action", ["withdrawn", "objected"])
def test_who_withdrew_between_plan_and_claim_is_not_written_to(world: World, action: str) -> None:
    world.people("c-1")
    job_id = world.run()
    world.consents(action, "c-1")
    assert world.pump() == []
    assert world.state(job_id, "c-1") == ("cancelled", "no_consent")
    assert world.entry(job_id, "c-1").ended == "not_sent"


def test_a_withdrawal_for_another_purpose_or_channel_stops_nothing(world: World) -> None:
    world.people("c-1", **TEXTED)
    job_id = world.run()
    world.consents("withdrawn", "c-1", purpose="survey")
    world.consents("withdrawn", "c-1", channel="sms")
    assert len(world.pump()) == 1
    assert world.state(job_id, "c-1") == ("accepted", None)


def test_who_withdrew_between_claim_and_start_is_not_written_to(world: World) -> None:
    world.people("c-1")
    job_id = world.run()
    taken = world.claim()
    world.consents("withdrawn", "c-1")
    assert world.begin(taken) == {}
    assert world.state(job_id, "c-1") == ("cancelled", "no_consent")
    assert world.spent() == {}


def test_a_withdrawal_that_comes_while_the_message_leaves_comes_too_late_for_it(world: World) -> None:
    world.people("c-1")
    job_id = world.run()
    taken = world.claim()
    messages = world.begin(taken)
    world.consents("withdrawn", "c-1")
    world.record(taken, messages)
    assert world.state(job_id, "c-1") == ("accepted", None)
    assert world.run() and world.pump() == []  # noqa: PT018 - the next one is stopped


def test_an_address_suppressed_after_the_plan_is_not_used(world: World) -> None:
    world.people("c-1")
    job_id = world.run()
    with world.db.transaction() as tx:
        digest = world.house.keys.hash_address("email", "c-1@example.com")
        suppressions.add(tx, [("email", digest), ("email", digest)], "complained", "test", NOW)
    assert world.pump() == []
    assert world.state(job_id, "c-1") == ("skipped", "suppressed")


def test_a_person_with_one_address_left_is_reached_at_that_one(world: World) -> None:
    mails = [{"kind": "email", "value": f"{name}@example.com"} for name in ("first", "second")]
    world.people("c-1", addresses=mails)
    world.run()
    with world.db.transaction() as tx:
        suppressions.add(tx, [("email", world.house.keys.hash_address("email", "first@example.com"))], "gone", "t", NOW)
    [message] = world.pump()
    assert message.address.value == "second@example.com"


def test_what_is_due_at_night_waits_for_the_morning(world: World) -> None:
    world.house = installation(quiet_hours=[quiet("21:00", "08:00")])
    world.people("c-1", time_zone="Europe/Rome")
    job_id = world.run()
    world.at(NOW.replace(hour=22))
    assert world.pump() == []
    row = world.send(job_id, "c-1")
    assert (row.state, row.reason, row.due_at) == ("queued", "quiet_hours", NOW.replace(day=21, hour=7))
    world.at(NOW.replace(day=21, hour=7))
    assert len(world.pump()) == 1


def test_what_cannot_wait_for_the_morning_expires(world: World) -> None:
    world.house = installation(quiet_hours=[quiet("21:00", "08:00")])
    world.people("c-1", time_zone="Europe/Rome")
    job_id = world.run(step(ttl="PT12H"))
    world.at(NOW.replace(hour=22))
    assert world.pump() == []
    assert world.state(job_id, "c-1") == ("expired", "expired:quiet_hours")
    assert world.entry(job_id, "c-1").ended == "not_sent"


def test_what_is_late_is_never_sent(world: World) -> None:
    world.people("c-1")
    job_id = world.run(step(ttl="PT1H"))
    world.later(hours=1)
    assert world.pump() == []
    assert world.state(job_id, "c-1") == ("expired", "expired")


def test_an_offer_that_ran_out_is_not_announced(world: World) -> None:
    world.people("c-1")
    world.offer("w15", valid_until=NOW + timedelta(hours=2))
    job_id = world.run(step(text="{{ coupon.code }}"), offer="w15")
    world.later(hours=3)
    assert world.pump() == []
    assert world.state(job_id, "c-1") == ("expired", "expired")


def test_an_evening_message_goes_out_in_the_evening_of_each_zone(world: World) -> None:
    world.people("rome", time_zone="Europe/Rome")
    world.people("new-york", time_zone="America/New_York")
    world.people("nowhere")
    world.run(step(local_time="18:00:00"))
    assert world.pump() == []
    world.at(NOW.replace(hour=17))
    assert {message.recipient_id for message in world.pump()} == {"rome", "nowhere"}
    world.at(NOW.replace(hour=23))
    assert {message.recipient_id for message in world.pump()} == {"new-york"}


def test_a_slot_is_spent_by_the_claim_and_by_nothing_before(world: World) -> None:
    world.house = installation(caps=[cap(1, 7)])
    world.people("c-1")
    first, second = world.run(), world.run()
    assert {world.state(each, "c-1")[0] for each in (first, second)} == {"queued"}
    assert world.spent() == {}
    taken = world.claims()
    assert sum(len(each.members) for each in taken) == 1
    assert len(world.spent()["c-1"]) == 1


def test_a_job_over_the_cap_waits_or_skips_as_it_says(world: World) -> None:
    world.house = installation(caps=[cap(1, 7, name="weekly")])
    world.people("c-1")
    world.run()
    waits, skips = world.run(), world.run(over_cap="skip")
    [message] = world.pump()
    row = world.send(waits, "c-1")
    assert (row.state, row.reason) == ("queued", "cap:weekly")
    [spent] = world.spent()["c-1"]
    assert row.due_at == spent + timedelta(days=7)
    assert world.state(skips, "c-1") == ("skipped", "cap:weekly")
    assert message.job_id != f"job-{waits}"


def test_a_job_that_does_not_count_leaves_room_and_one_that_does_not_obey_takes_none(world: World) -> None:
    world.house = installation(caps=[cap(1, 7)])
    world.people("c-1")
    world.run(counts_towards_caps=False, obeys_caps=False)
    world.run()
    over = world.run(obeys_caps=False)
    assert len(world.pump()) == 3
    assert len(world.spent()["c-1"]) == 2
    assert world.state(over, "c-1") == ("accepted", None)


def test_a_transactional_message_knows_no_cap_and_no_night(world: World) -> None:
    world.house = installation(caps=[cap(1, 7)], quiet_hours=[quiet("00:00", "00:00")])
    world.people("c-1", grants=())
    for _ in range(3):
        world.run(purpose="transactional")
    assert len(world.pump()) == 3
    assert world.spent() == {}


def test_paper_is_gathered_into_the_open_batch_and_holds_its_slot_on_the_mailing_day(world: World) -> None:
    world.house = installation(caps=[cap(1, 3)])
    world.people("c-1", addresses=[postal(1), {"kind": "email", "value": "c1@example.com"}])
    world.people("c-2", addresses=[postal(2)])
    job_id = world.run(step(channels=["postal"]))
    assert world.pump("postal") == []
    assert world.counts(job_id) == {("postal", "batched", None): 2}
    [mailed] = world.spent("postal")["c-1"]
    assert timedelta(days=2) <= mailed - NOW < timedelta(days=2, minutes=1)
    with world.db.snapshot() as tx:
        [batch] = batches.all_of_them(tx)
        assert (batch.state, batch.mailing_at) == ("open", mailed)
        assert len(batches.items(tx, batch.id)) == 2
    email = world.run()
    assert world.pump() == []
    row = world.send(email, "c-1")
    assert (row.state, row.due_at) == ("queued", mailed + timedelta(days=3))


def test_a_batch_closed_in_between_is_followed_by_another(world: World) -> None:
    world.people("c-1", addresses=[postal(1)])
    world.people("c-2", addresses=[postal(2)])
    world.run(step(channels=["postal"]), audience={"kind": "ids", "ids": ["c-1"]})
    world.pump("postal")
    with world.db.transaction() as tx:
        [batch] = batches.all_of_them(tx)
        assert batches.set_state(tx, batch.id, "closed", ("open",), {})
        first = batches.open_one(tx, NewBatch("bat-2", "postal", batch.job_id, 0, None, NOW, NOW))
        assert first != batch.id
        assert batches.open_one(tx, NewBatch("bat-3", "postal", batch.job_id, 0, None, NOW, NOW)) == first


@pytest.mark.parametrize("state", ["paused", "paced"])
def test_nothing_is_due_on_a_channel_that_is_held(world: World, state: str) -> None:
    world.people("c-1")
    world.run()
    with world.db.transaction() as tx:
        if state == "paused":
            channels.pause(tx, "email", "by hand", NOW)
        else:
            channels.pace(tx, "email", clock.now(tx).machine + timedelta(hours=1))
    assert world.claims() == []
    with world.db.transaction() as tx:
        channels.resume(tx, "email")
    assert len(world.pump()) == 1


def test_a_pause_and_a_pace_keep_what_was_said_first_and_lasts_longest(world: World) -> None:
    with world.db.transaction() as tx:
        for reason in ("first", "second"):
            channels.pause(tx, "email", reason, NOW)
        for hours in (2, 3, 1):
            channels.pace(tx, "email", NOW + timedelta(hours=hours))
        row = channels.get(tx, "email")
    assert row is not None
    assert (row.reason, row.paced_until) == ("first", NOW + timedelta(hours=3))


def test_small_and_urgent_jobs_are_served_before_bulk(world: World) -> None:
    world.house = installation(small_job=1)
    world.people("c-1", "c-2", "c-3")
    bulk = world.run()
    small = world.run(audience={"kind": "ids", "ids": ["c-2"]})
    with world.db.snapshot() as tx:
        places = places_due(tx, world.house, "email")
    assert [lane for lane, _ in places] == [URGENT, *[BULK + 1] * 3]
    with world.db.transaction() as tx:
        taken = claim(tx, world.house, "email", places[0], worker="w", lease=LEASE, limit=10)
    assert isinstance(taken, Claim)
    assert taken.members == (world.key(small, "c-2"),)
    assert world.state(bulk, "c-2") == ("queued", None)


def test_one_claim_takes_one_send_of_a_person_at_a_time(world: World) -> None:
    """Two decisions about a person in one page would not see each other's slot."""
    world.house = installation(caps=[cap(1, 7)])
    world.people("c-1")
    for _ in range(2 * BULK_LANES):
        world.run()
    with world.db.snapshot() as tx:
        place, *others = places_due(tx, world.house, "email")
    assert len(others) == BULK_LANES - 1
    with world.db.transaction() as tx:
        taken = claim(tx, world.house, "email", place, worker="w", lease=LEASE, limit=100)
    assert isinstance(taken, Claim)
    assert len(taken.members) == 1


def test_bulk_jobs_are_served_in_turn_however_long_one_of_them_is(world: World) -> None:
    world.house = installation(small_job=0)
    many = world.neighbours(6)
    big, other = world.run(), world.run(audience={"kind": "ids", "ids": many[:1]})
    served = []
    for turn in range(BULK_LANES):
        with world.db.transaction() as tx:
            place, *_ = places_due(tx, world.house, "email", turn)
            taken = claim(tx, world.house, "email", place, worker="w", lease=LEASE, limit=1)
        assert isinstance(taken, Claim)
        served += [key.job_id for key in taken.members]
    assert set(served) == {big, other}


def test_a_paused_job_holds_its_sends_until_it_goes_on(world: World) -> None:
    world.people("c-1", "c-2")
    job_id = world.run()
    with world.db.transaction() as tx:
        control.pause(tx, f"job-{job_id}")
    assert world.pump() == []
    assert world.states(job_id) == {(0, "queued", "paused"): 2}
    with world.db.transaction() as tx:
        control.resume(tx, f"job-{job_id}")
    assert len(world.pump()) == 2


def test_a_claim_takes_the_same_number_of_statements_for_two_sends_as_for_twelve(world: World) -> None:
    world.house = installation(caps=[cap(1, 7)])
    world.offer()
    people = world.neighbours(14)
    message = step(text="{{ coupon.code }}", only_if="not_clicked")
    world.run(message, offer="w15", audience={"kind": "ids", "ids": people})
    with world.db.snapshot() as tx:
        [place] = places_due(tx, world.house, "email")
    counts = []
    for limit in (2, 12):
        with world.db.transaction() as tx:
            seen = statements(tx)
            taken = claim(tx, world.house, "email", place, worker="w", lease=LEASE, limit=limit)
            assert isinstance(taken, Claim)
            assert len(taken.members) == limit
            counts.append(len(seen))
    assert counts[0] == counts[1] <= 25


@on_postgres
def test_while_a_claim_is_open_no_other_takes_its_shard_on_any_channel(world: World) -> None:
    """What makes caps exact: two decisions about a person follow each other."""
    world.people("c-1", **TEXTED)
    world.run(step(channels=["email"]))
    world.run(step(channels=["sms"]))
    with world.db.snapshot() as tx:
        [by_mail], [by_text] = places_due(tx, world.house, "email"), places_due(tx, world.house, "sms")
    with world.db.transaction() as one:
        assert isinstance(claim(one, world.house, "email", by_mail, worker="a", lease=LEASE, limit=9), Claim)
        with world.db.transaction() as other:
            assert claim(other, world.house, "sms", by_text, worker="b", lease=LEASE, limit=9) is None


@on_postgres
def test_without_the_shards_lock_two_claims_would_spend_the_same_slot(world: World) -> None:
    """The control: the same reads and writes, in the same order, and no lock. It must go wrong."""
    world.people("c-1", **TEXTED)
    world.run(step(channels=["email"]))
    world.run(step(channels=["sms"]))
    key = world.key(1, "c-1")
    with world.db.transaction() as one, world.db.transaction() as other:
        for tx, channel in ((one, "email"), (other, "sms")):
            [row] = sends.due(tx, channel, *places_due(tx, world.house, channel)[0], NOW + timedelta(hours=1), 9)
            assert row.recipient_id == key.recipient_id
            known = facts.known(tx, [row.recipient_id], Wanted(at=NOW, spends_after=NOW - timedelta(days=7)))
            assert known[row.recipient_id].spends == ()
        for tx, job_id, channel in ((one, 1, "email"), (other, 2, "sms")):
            mine = key._replace(job_id=job_id, channel=channel)
            assert sends.move(tx, [Move(mine, sends.State.CLAIMED, cap_at=NOW)], NOW) == {mine}
    assert len(world.spent()["c-1"]) == 2


@on_postgres
def test_shards_are_locked_in_one_order_and_a_held_one_is_seen(world: World) -> None:
    with world.db.transaction() as one, world.db.transaction() as other:
        locks.lock_shards(one, [9, 3, 9])
        assert not locks.try_lock_shard(other, 3)
        assert not locks.try_lock_shard(other, 9)
        assert locks.try_lock_shard(other, 4)
        assert locks.try_lock_shard(one, 3)


def test_a_claim_on_a_channel_without_people_finds_nothing(world: World) -> None:
    assert [world.claims(channel) for channel in CHANNELS] == [[]] * 5
