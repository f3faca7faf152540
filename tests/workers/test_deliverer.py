"""The deliverer with a channel that does what each message tells it."""

from datetime import UTC, datetime, timedelta

from gateway.domain.states import State
from gateway.services import reap
from gateway.services.claim import Claim, claim, places_due
from gateway.storage import channels, clock, sends
from gateway.storage import claims as leased
from gateway.workers.deliverer import Deliverer
from gateway.workers.reaper import take_back_claims
from tests.builders import LEASE, hand_over
from tests.workers.floor import Floor


async def test_each_outcome_becomes_what_the_contract_says(wide_floor: Floor) -> None:
    acts = ["ok", "permanent", "transient", "unknown", "gone"]
    job_id = wide_floor.run({f"c-{act}": act for act in acts})
    async with wide_floor.delivering():
        await wide_floor.until_states(
            job_id,
            {
                ("accepted", None): 1,
                ("failed", "permanent"): 1,
                ("queued", "retry:transient"): 1,
                ("in_doubt", "unknown"): 1,
                ("failed", "gone"): 1,
            },
        )
    assert sorted(wide_floor.sent()) == sorted(f"c-{act}" for act in acts), "each once"
    assert set(wide_floor.world.spent("letter")) == {"c-ok", "c-unknown"}


async def test_a_slow_message_keeps_no_other_off_the_record(floor: Floor) -> None:
    job_id, ids = floor.run_together("wait:go", "ok", "ok", "ok")
    async with floor.delivering():
        await floor.until_states(job_id, {("accepted", None): 3, ("sending", None): 1})
        assert floor.lines("letter", "calls") == ["4"], "all four were one window"
        assert floor.world.state(job_id, ids[0], channel="letter") == ("sending", None)
        floor.touch("letter", "go")
        await floor.until_states(job_id, {("accepted", None): 4})


async def test_a_message_without_an_answer_is_in_doubt_and_the_others_are_not(floor: Floor) -> None:
    job_id, _ = floor.run_together("ok", "hang", "ok", channel="brief")
    async with floor.delivering("brief"):
        await floor.until_states(job_id, {("accepted", None): 2, ("in_doubt", "no-answer"): 1})
    assert len(floor.sent("brief")) == 3


async def test_a_misconfigured_channel_keeps_its_sends_queued_and_goes_on_when_resumed(wide_floor: Floor) -> None:
    floor = wide_floor
    job_id, ids = floor.run_together("ok", "ok", "unless:mended:misconfigured", "ok", "ok", "ok", "ok", "ok")
    async with floor.delivering():
        paused = {("accepted", None): 4, ("queued", "channel_paused"): 1, ("queued", None): 3}
        await floor.until_states(job_id, paused)
        with floor.db.snapshot() as tx:
            row = channels.get(tx, "letter")
        assert row is not None
        assert row.paused_at is not None
        assert row.reason.startswith("misconfigured")
        assert set(floor.sent()) == set(ids[:5]), "no window was begun after the one that failed"

        floor.touch("letter", "mended")
        with floor.db.transaction() as tx:
            channels.resume(tx, "letter")
        await floor.until_states(job_id, {("accepted", None): 8})
    assert sorted(floor.sent()) == sorted([*ids, ids[2]]), "only the one that failed was tried again"
    assert floor.world.send(job_id, ids[2], channel="letter").tries == 0


async def test_a_channel_that_asks_for_less_is_left_alone_for_so_long(floor: Floor) -> None:
    job_id, ids = floor.run_together("unless:mended:rate:3600", *["ok"] * 6)
    async with floor.delivering():
        await floor.until_states(job_id, {("accepted", None): 4, ("queued", "rate_limited"): 1, ("queued", None): 2})
        with floor.db.snapshot() as tx:
            row, now = channels.get(tx, "letter"), clock.now(tx)
        assert row is not None
        assert row.paced_until > now.machine + timedelta(minutes=50)
        assert set(floor.sent()) == set(ids[:5])

        floor.touch("letter", "mended")
        floor.world.later(hours=2)
        with floor.db.transaction() as tx:
            channels.resume(tx, "letter")
        await floor.until_states(job_id, {("accepted", None): 7})
    assert floor.world.send(job_id, ids[0], channel="letter").tries == 0, "waiting spends no attempt"


async def test_a_message_whose_destination_is_busy_waits_alone(floor: Floor) -> None:
    job_id, ids = floor.run_together("unless:mended:busy:3600", *["ok"] * 6)
    async with floor.delivering():
        await floor.until_states(job_id, {("accepted", None): 6, ("queued", "rate_limited"): 1})
        floor.touch("letter", "mended")
        floor.world.later(hours=2)
        await floor.until_states(job_id, {("accepted", None): 7})
    assert floor.world.send(job_id, ids[0], channel="letter").tries == 0, "waiting spends no attempt"


async def test_a_missing_value_fails_its_send_before_any_provider_is_called(wide_floor: Floor) -> None:
    floor = wide_floor
    job_id, ids = floor.run_together("wait:go", None, "wait:go")
    async with floor.delivering():
        await floor.until(lambda: len(floor.sent()) == 2)
        assert floor.world.state(job_id, ids[1], channel="letter") == ("failed", "missing-value:vars.act")
        assert set(floor.world.spent("letter")) == {ids[0], ids[2]}, "its slot was given back"
        floor.touch("letter", "go")
        await floor.until_states(job_id, {("accepted", None): 2, ("failed", "missing-value:vars.act"): 1})
    assert sorted(floor.sent()) == sorted([ids[0], ids[2]])


async def test_an_address_that_goes_between_claim_and_rendering_fails_its_send_alone(floor: Floor) -> None:
    job_id, ids = floor.run_together("ok", "ok", channel="devices", devices=1)
    taken = floor.world.claim("devices", worker=floor.crew.name)
    floor.world.people(ids[0], grants=(), addresses=[])

    deliverer = Deliverer(floor.crew, "devices")
    await deliverer._hand_over(await deliverer._prepare(taken))
    assert floor.states(job_id) == {("accepted", None): 1, ("failed", "no_address"): 1}
    assert floor.sent("devices") == [ids[1]]
    assert set(floor.world.spent("devices")) == {ids[1]}


async def test_several_devices_are_one_send_and_one_slot(wide_floor: Floor) -> None:
    """Also where a person has more devices than the channel takes in one call."""
    floor = wide_floor
    job_id, ids = floor.run_together("ok", "gone", channel="devices", devices=3)
    async with floor.delivering("devices"):
        await floor.until_states(job_id, {("accepted", None): 1, ("failed", "gone"): 1})
    assert sorted(floor.sent("devices")) == sorted([ids[0]] * 3 + [ids[1]] * 3)
    assert max(int(size) for size in floor.lines("devices", "calls")) <= 2
    assert {id: len(slots) for id, slots in floor.world.spent("devices").items()} == {ids[0]: 1}


async def test_channels_see_business_time(floor: Floor) -> None:
    floor.world.at(datetime(2031, 5, 4, 9, 30, tzinfo=UTC))
    job_id = floor.run({"c-1": "ok"})
    async with floor.delivering():
        await floor.until_states(job_id, {("accepted", None): 1})
    [line] = floor.lines("letter", "messages")
    assert line.split()[-1] == "2031-05-04T09"


async def test_a_prepared_claim_whose_lease_ran_out_is_not_handed_over(wide_floor: Floor) -> None:
    """It was taken back and taken by another worker while it waited behind a slow window."""
    floor = wide_floor
    job_id, _ = floor.run_together(*["wait:go"] * 5, *["ok"] * 5)
    async with floor.delivering() as stop:
        await floor.until(lambda: len(floor.sent()) == 5 and floor.states(job_id).get(("claimed", None)) == 5)
        other = _take_from(floor, job_id)
        stop.set()
        floor.touch("letter", "go")
    assert floor.states(job_id) == {("accepted", None): 5, ("claimed", None): 5}
    assert len(floor.sent()) == 5, "what the other worker holds was not sent by this one"

    hand_over(floor.db, floor.world.house, other)
    assert floor.states(job_id) == {("accepted", None): 10}


def _take_from(floor: Floor, job_id: int) -> Claim:
    """Let the lease of the claim that waits run out, and another worker take what it held."""
    with floor.db.transaction() as tx:
        waiting = {row.claim_id for row in sends.page_of_job(tx, job_id, None, 100, [State.CLAIMED])}
        [claim_id] = waiting
        assert leased.prolong(tx, claim_id, clock.now(tx).machine - LEASE)
        assert reap.take_back(tx, floor.world.house, claim_id, 1) == 5
        [place] = [place for place in places_due(tx, floor.world.house, "letter") if place[1] == 1]
        other = claim(tx, floor.world.house, "letter", place, worker="w-2", lease=LEASE, limit=200)
    assert isinstance(other, Claim)
    assert len(other.members) == 5
    return other


async def test_a_lease_that_ends_while_the_provider_is_asked_changes_no_outcome(wide_floor: Floor) -> None:
    floor = wide_floor
    job_id = floor.run({"c-1": "wait:go"})
    async with floor.delivering():
        await floor.until(lambda: floor.sent() == ["c-1"])
        with floor.db.transaction() as tx:
            [row] = sends.page_of_job(tx, job_id, None, 10)
            assert leased.prolong(tx, row.claim_id, clock.now(tx).machine - LEASE)
        assert await take_back_claims(floor.crew) == 1
        assert floor.states(job_id) == {("in_doubt", "worker_lost"): 1}
        floor.touch("letter", "go")
        await floor.until_states(job_id, {("accepted", None): 1})
    assert floor.sent() == ["c-1"]
