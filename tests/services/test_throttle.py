"""The pace of jobs and channels: how many of the sends that are due may go."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import date, datetime, timedelta

import pytest

from gateway.domain.policy import ChannelThrottle
from gateway.services import throttle
from gateway.services.throttle import Admitted
from gateway.storage import jobs, paces
from tests.builders import NOW, World, installation, job, statements

HOUR = timedelta(hours=1)


def accepted(world: World, per_hour: int | None = None, **fields: object) -> int:
    limit = None if per_hour is None else {"per_hour": per_hour, **fields}
    return world.accept(job(throttle=limit))


def admit(world: World, wanted: dict[int, int], now: datetime = NOW, channel: str = "email") -> dict[int, Admitted]:
    with world.db.transaction() as tx:
        known = jobs.by_ids(tx, wanted)
        return throttle.admit(tx, world.house, channel, {id: (known[id], count) for id, count in wanted.items()}, now)


def slow_channel(per_hour: int, **fields: object) -> ChannelThrottle:
    return ChannelThrottle(channel="email", per_hour=per_hour, **fields)  # type: ignore[arg-type]


def test_without_a_throttle_everything_goes_and_nothing_is_asked(world: World) -> None:
    id = accepted(world)
    with world.db.transaction() as tx:
        known, seen = jobs.by_ids(tx, [id]), statements(tx)
        assert throttle.admit(tx, world.house, "email", {id: (known[id], 70)}, NOW) == {id: Admitted(count=70)}
        assert seen == []


def test_a_job_goes_at_its_own_pace_and_says_when_the_rest_has_room(world: World) -> None:
    id = accepted(world, 100)
    first = admit(world, {id: 5})[id]
    assert first.count == 2
    assert [later.reason for later in first.later] == ["throttled:job"] * 3
    for later in first.later:
        assert admit(world, {id: 1}, later.at)[id].count == 1


def test_one_job_that_is_throttled_holds_up_no_other(world: World) -> None:
    slow, free = accepted(world, 100), accepted(world)
    found = admit(world, {slow: 50, free: 50})
    assert (found[slow].count, found[free].count) == (2, 50)


def test_all_jobs_of_a_channel_share_its_pace_and_the_first_named_goes_first(world: World) -> None:
    world.house = installation(throttles=(slow_channel(1000),))
    early, late = accepted(world), accepted(world)
    found = admit(world, {late: 15, early: 15})
    assert (found[late].count, found[early].count) == (15, 5)
    assert {later.reason for later in found[early].later} == {"throttled:channel"}
    assert len(found[early].later) == 10
    assert admit(world, {early: 9}, channel="sms")[early].count == 9


def test_what_the_channel_holds_back_is_not_counted_against_its_job(world: World) -> None:
    world.house = installation(throttles=(slow_channel(100),))
    id = accepted(world, 5000)
    assert admit(world, {id: 90})[id].count == 2
    world.house = installation()
    assert admit(world, {id: 200})[id].count == 98


def test_whoever_the_channel_cannot_take_waits_one_behind_the_other(world: World) -> None:
    world.house = installation(throttles=(slow_channel(60),))
    first, second = accepted(world), accepted(world)
    found = admit(world, {first: 3, second: 2})
    waiting = [later.at for admitted in found.values() for later in admitted.later]
    assert waiting == sorted(waiting)
    assert len(set(waiting)) == 4


def test_a_big_job_stands_in_one_line_however_many_claims_ask_for_it(world: World) -> None:
    id = accepted(world, 1000)
    places = [later.at for _ in range(3) for later in admit(world, {id: 200})[id].later]
    assert len(places) == 580
    assert places == sorted(places)
    assert len(set(places)) == 580
    assert timedelta(minutes=34) < places[-1] - NOW < timedelta(minutes=37)


def test_who_comes_back_to_a_line_and_finds_no_room_stays_near_its_head(world: World) -> None:
    id = accepted(world, 1000)
    line = admit(world, {id: 400})[id].later
    admit(world, {id: 30}, line[0].at)
    [again] = admit(world, {id: 1}, line[0].at)[id].later
    assert again.at < line[5].at


def test_a_pace_outlives_every_process_and_holds_for_all_of_them(world: World) -> None:
    world.house = installation(throttles=(slow_channel(900),))
    ids = [accepted(world, 500), accepted(world)]
    together = threading.Barrier(6)

    def work(worker: int) -> list[int]:
        together.wait()
        return [sum(each.count for each in admit(world, dict.fromkeys(ids, 4)).values()) for _ in range(5)]

    with ThreadPoolExecutor(6) as pool:
        counts = [count for counts in pool.map(work, range(6)) for count in counts]
    assert sum(counts) == 18
    assert admit(world, {ids[0]: 4})[ids[0]].count == 0


def test_in_no_hour_go_more_than_the_rate_while_everybody_comes_back_when_told(world: World) -> None:
    id = accepted(world, 40)
    waiting, gone = [NOW] * 90, []
    while waiting:
        now = min(waiting)
        due = [at for at in waiting if at <= now]
        found = admit(world, {id: len(due)}, now)[id]
        gone += [now] * found.count
        waiting = [at for at in waiting if at > now] + [later.at for later in found.later]
    assert max(sum(begin <= at < begin + HOUR for at in gone) for begin in gone) == 40
    assert gone[-1] - gone[0] < 2.3 * HOUR


def test_a_channel_warms_up_from_its_day_on_by_the_clock_of_the_house(world: World) -> None:
    limit = slow_channel(10_000, warm_up_per_hour=100, growth=5.0, warm_up_on=date(2026, 11, 20))
    world.house = installation(throttles=(limit,))
    id = accepted(world)
    midnight_in_rome = datetime.fromisoformat("2026-11-20T23:00:00+00:00")
    assert admit(world, {id: 500}, midnight_in_rome - timedelta(seconds=1))[id].count == 2
    assert admit(world, {id: 500}, midnight_in_rome + timedelta(hours=1))[id].count == 10
    assert admit(world, {id: 500}, midnight_in_rome + timedelta(days=1))[id].count == 50
    assert admit(world, {id: 500}, midnight_in_rome + timedelta(days=9))[id].count == 200


def test_a_job_warms_up_from_its_start_on(world: World) -> None:
    id = accepted(world, 10_000, warm_up_per_hour=100, growth=5.0)
    assert admit(world, {id: 500}, NOW + timedelta(hours=23))[id].count == 2
    assert admit(world, {id: 500}, NOW + timedelta(hours=25))[id].count == 10


def test_whether_a_channel_has_room_is_known_without_taking_any(world: World) -> None:
    world.house = installation(throttles=(slow_channel(50),))
    id = accepted(world)

    def has_room(now: datetime) -> bool:
        with world.db.snapshot() as tx:
            return throttle.has_room(tx, world.house, "email", now)

    assert has_room(NOW)
    [later] = admit(world, {id: 2})[id].later
    assert not has_room(NOW)
    assert has_room(later.at)
    assert admit(world, {id: 1}, later.at)[id].count == 1


def test_paces_that_hold_nobody_up_any_more_are_forgotten(world: World) -> None:
    id = accepted(world, 100)
    admit(world, {id: 1})
    with world.db.transaction() as tx:
        assert paces.forget(tx, NOW) == 0
        assert paces.forget(tx, NOW + HOUR) == 2
    assert admit(world, {id: 5})[id].count == 2


@pytest.mark.parametrize("wanted", [0, 1])
def test_nobody_waits_who_has_room(world: World, wanted: int) -> None:
    world.house = installation(throttles=(slow_channel(50),))
    id = accepted(world, 10)
    assert admit(world, {id: wanted})[id] == Admitted(count=wanted)


def test_sends_that_were_not_admitted_wait_for_their_turn_and_spend_no_try(world: World) -> None:
    world.people(*(f"c-{n}" for n in range(7)))
    id = world.run(throttle={"per_hour": 100})
    assert len(world.pump()) == 2
    assert world.states(id) == {(0, "accepted", None): 2, (0, "queued", "throttled:job"): 5}
    sent, turns = 2, 0
    while sent < 7:
        world.later(seconds=37)
        sent += len(world.pump())
        turns += 1
    assert turns == 5, "one each 36 seconds"
    assert {world.send(id, f"c-{n}").tries for n in range(7)} == {0}
