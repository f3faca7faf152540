"""Channels come back by themselves, and providers are asked what became of messages."""

from collections.abc import Mapping
from pathlib import Path

from structlog.testing import capture_logs

from gateway.domain.policy import Breaker
from gateway.storage import channels, clock
from gateway.storage.tables import channel_states, doubts
from gateway.workers.checker import ask_faulty
from gateway.workers.doubts import see_to_doubts
from gateway.workers.inquirer import ask_providers
from tests.builders import World
from tests.workers.floor import Floor, floor_for


def paused(floor: Floor, channel: str = "letter") -> bool:
    with floor.db.snapshot() as tx:
        row = channels.get(tx, channel)
    return row is not None and row.paused_at is not None


def time_to_check(floor: Floor) -> None:
    with floor.db.transaction() as tx:
        tx.execute(channel_states.update().values(check_at=clock.now(tx).machine))


async def test_a_channel_that_is_put_right_sends_again_by_itself(wide_floor: Floor) -> None:
    floor = wide_floor
    floor.touch("letter", "ill")
    job_id = floor.run({"c-1": "unless:well:misconfigured"})
    async with floor.delivering():
        await floor.until(lambda: paused(floor))
        assert await ask_faulty(floor.crew, ["letter"]) == 0
        assert floor.lines("letter", "checks") == [], "not before its time"
        time_to_check(floor)
        assert await ask_faulty(floor.crew, ["brief"]) == 0, "a process asks its own channels"
        assert await ask_faulty(floor.crew, ["letter"]) == 0
        assert paused(floor), "still ill"
        assert await ask_faulty(floor.crew, ["letter"]) == 0
        assert len(floor.lines("letter", "checks")) == 1

        floor.remove("letter", "ill")
        floor.touch("letter", "well")
        time_to_check(floor)
        with capture_logs() as logs:
            assert await ask_faulty(floor.crew, ["letter"]) == 1
        assert [line["event"] for line in logs] == ["channel.resumed"]
        await floor.until_states(job_id, {("accepted", None): 1})


async def test_a_channel_that_is_ill_rests_and_is_tried_out_with_a_single_message(
    small_world: World, tmp_path: Path
) -> None:
    async with floor_for(small_world, tmp_path, breaker=Breaker(faults=3)) as floor:
        job_id, ids = floor.run_together(*["unless:well:transient-no-connection"] * 9)
        async with floor.delivering():
            await floor.until(lambda: rests(floor))
            assert len(floor.sent()) == 5, "one window"
            floor.touch("letter", "well")
            rested(floor)
            await floor.until_states(job_id, {("accepted", None): 9})
        assert floor.lines("letter", "calls")[:2] == ["5", "1"]
        assert set(floor.sent()) == set(ids)


def rests(floor: Floor) -> bool:
    with floor.db.snapshot() as tx:
        row = channels.get(tx, "letter")
    return row is not None and row.trying == channels.RESTS


def rested(floor: Floor) -> None:
    """Let the rest be over, and everything due."""
    floor.world.later(hours=5)
    with floor.db.transaction() as tx:
        tx.execute(channel_states.update().values(paced_until=clock.now(tx).machine))


async def test_a_provider_that_knows_a_message_ends_the_doubt_about_it(wide_floor: Floor) -> None:
    floor = wide_floor
    job_id, ids = floor.run_together(*["unknown"] * 3, channel="parcel", devices=1)
    async with floor.delivering("parcel"):
        await floor.until_states(job_id, {("in_doubt", "unknown"): 3})
        assert await ask_providers(floor.crew, ["letter", "parcel"]) == 0, "not before its time"
        time_to_ask(floor)
        known(floor, {ids[0]: "p-77", ids[1]: ""})
        assert await ask_providers(floor.crew, ["letter"]) == 0, "a process asks for its own channels"
        assert await ask_providers(floor.crew, ["letter", "parcel"]) == 2
        await floor.until_states(job_id, {("accepted", "found"): 1, ("in_doubt", "unknown"): 2})
    assert floor.sent("parcel").count(ids[1]) == 2, "it never arrived: it was handed over once more"
    assert floor.sent("parcel").count(ids[2]) == 1


async def test_a_provider_that_cannot_be_asked_leaves_them_in_doubt(floor: Floor) -> None:
    job_id, _ = floor.run_together("unknown", channel="parcel", devices=1)
    async with floor.delivering("parcel"):
        await floor.until_states(job_id, {("in_doubt", "unknown"): 1})
    time_to_ask(floor)
    with capture_logs() as logs:
        assert await ask_providers(floor.crew, ["parcel"]) == 0
    assert "doubt.not_asked" in [line["event"] for line in logs]
    assert floor.states(job_id) == {("in_doubt", "unknown"): 1}


async def test_urgent_doubts_are_told_once_and_others_end_by_themselves(wide_floor: Floor) -> None:
    floor = wide_floor
    urgent = floor.run({"c-1": "unknown"}, purpose="transactional")
    plain = floor.run({"c-2": "unknown"})
    async with floor.delivering():
        await floor.until(lambda: ("in_doubt", "unknown") in floor.states(urgent))
        await floor.until(lambda: ("in_doubt", "unknown") in floor.states(plain))
    with capture_logs() as logs:
        assert await see_to_doubts(floor.crew) == 0
        floor.world.later(hours=25)
        assert await see_to_doubts(floor.crew) == 1
    assert [(line["event"], line["log_level"]) for line in logs] == [
        ("send.in_doubt_alert", "error"),
        ("doubt.presumed_sent", "warning"),
    ]
    assert "c-1" not in str(logs)
    assert floor.states(urgent) == {("in_doubt", "unknown"): 1}
    assert floor.states(plain) == {("accepted", "presumed"): 1}


def known(floor: Floor, ids: Mapping[str, str]) -> None:
    """What the provider knows of: its id by recipient, or nothing where it never had the message."""
    floor.write("parcel", "known", "".join(f"{id}:{provider_id}\n" for id, provider_id in ids.items()))


def time_to_ask(floor: Floor) -> None:
    with floor.db.transaction() as tx:
        tx.execute(doubts.update().values(ask_at=clock.now(tx).machine))
