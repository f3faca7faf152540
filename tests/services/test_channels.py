"""Channels that rest, are paused, and come back."""

from datetime import timedelta

import pytest

from gateway.contract import (
    ChannelMisconfigured,
    Failure,
    Outcome,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    TransientFailure,
)
from gateway.domain.policy import Breaker, Retry
from gateway.services import channels as services
from gateway.services.claim import Claim
from gateway.storage import audit, channels, clock
from gateway.storage.types import Record
from tests.builders import World, accepted, installation, step

MINUTE = timedelta(minutes=1)
ILL = (OutcomeUnknown("timeout"), OutcomeUnknown("adapter-bug"), TransientFailure("no-connection"))
WELL = (None, PermanentFailure("smtp-550"), TransientFailure("smtp-451"), RateLimited(0.0))


@pytest.fixture
def tired(world: World) -> World:
    """Two faults in a row, and the app rests for a minute; everybody can be reached there."""
    world.house = installation(
        breaker=Breaker(faults=2, rest=MINUTE, longest=10 * MINUTE), retry=Retry(attempts=20, first=MINUTE)
    )
    return world


def row_of(world: World, channel: str = "app") -> Record | None:
    with world.db.snapshot() as tx:
        return channels.get(tx, channel)


def rests_for(world: World) -> timedelta | None:
    row = row_of(world)
    with world.db.snapshot() as tx:
        machine_now = clock.now(tx).machine
    return None if row is None or row.trying is None or row.paced_until is None else row.paced_until - machine_now


def rested(world: World) -> None:
    """Let the rest be over: machine time is nothing that a test can move."""
    with world.db.transaction() as tx:
        row, now = channels.get(tx, "app"), clock.now(tx).machine
        assert row is not None
        channels.note_faults(tx, "app", row.faults, now - MINUTE)
    world.later(hours=3)


def heeded(world: World, *failures: Failure | None, claim_id: int = 1) -> None:
    outcomes = [Outcome(message_id=f"m-{n}", failure=failure) for n, failure in enumerate(failures)]
    with world.db.transaction() as tx:
        services.heed(tx, world.house, "app", claim_id, outcomes, clock.now(tx).machine)


@pytest.mark.parametrize("failure", ILL)
def test_faults_that_say_the_channel_is_ill_make_it_rest(tired: World, failure: Failure) -> None:
    heeded(tired, failure)
    assert rests_for(tired) is None
    heeded(tired, failure)
    rest = rests_for(tired)
    assert rest is not None
    assert 0.9 * MINUTE < rest <= MINUTE


@pytest.mark.parametrize("answer", WELL)
def test_any_answer_of_the_provider_ends_the_row(tired: World, answer: Failure | None) -> None:
    heeded(tired, ILL[0])
    heeded(tired, answer)
    heeded(tired, ILL[0])
    row = row_of(tired)
    assert row is not None
    assert (row.faults, row.trying) == (1, None)


def test_a_channel_at_rest_is_handed_nothing(tired: World) -> None:
    tired.people("c-1", grants=("app",))
    tired.run(step(channels=["app"]))
    heeded(tired, *ILL)
    assert tired.claims("app") == []


def test_after_its_rest_one_message_tries_it_out_and_the_others_wait(tired: World) -> None:
    names = tired.neighbours(3)
    tired.people(*names, grants=("app",))
    tired.run(step(channels=["app"]))
    taken = tired.claim("app")
    heeded(tired, *ILL)
    assert tired.begin(taken) == {}
    rested(tired)
    messages = tired.begin(taken)
    assert len(messages) == 1
    assert tired.claims("app") == [], "nobody else may try it at the same time"
    tired.record(taken, messages, accepted)
    row = row_of(tired)
    assert row is not None
    assert (row.faults, row.trying, row.paced_until) == (0, None, None)
    assert len(tired.begin(taken)) == 2


def test_a_start_whose_answer_was_lost_may_be_asked_for_again(tired: World) -> None:
    tired.people("c-1", grants=("app",))
    tired.run(step(channels=["app"]))
    taken = tired.claim("app")
    heeded(tired, *ILL)
    rested(tired)
    assert len(tired.begin(taken)) == len(tired.begin(taken)) == 1


def test_a_trial_in_vain_doubles_the_rest(tired: World) -> None:
    tired.people("c-1", grants=("app",))
    tired.run(step(channels=["app"]))
    heeded(tired, *ILL)
    for minutes in (2, 4, 8, 10):
        rested(tired)
        tired.pump("app", lambda _: TransientFailure("no-connection"))
        rest = rests_for(tired)
        assert rest is not None
        assert 0.9 * minutes < rest / MINUTE <= minutes


def test_what_was_in_flight_when_the_rest_began_makes_it_no_longer(tired: World) -> None:
    heeded(tired, *ILL)
    before = row_of(tired)
    heeded(tired, *ILL, claim_id=77)
    assert row_of(tired) == before


def test_an_answer_from_what_was_in_flight_ends_the_rest(tired: World) -> None:
    heeded(tired, *ILL)
    heeded(tired, None, claim_id=77)
    row = row_of(tired)
    assert row is not None
    assert (row.faults, row.trying, row.paced_until) == (0, None, None)


def test_of_two_workers_only_one_tries_a_channel_out(tired: World) -> None:
    tired.people(*(f"c-{n}" for n in range(6)), grants=("app",))
    tired.run(step(channels=["app"]))
    taken: list[Claim] = tired.claims("app")
    assert len(taken) == 6
    heeded(tired, *ILL)
    rested(tired)
    assert sorted(len(tired.begin(each)) for each in taken) == [0, 0, 0, 0, 0, 1]


# --- paused, and back


def misconfigured(world: World) -> None:
    heeded(world, ChannelMisconfigured("auth", "the password has expired"))


def checks(world: World, *, waited: timedelta) -> list[str]:
    """The channels that are to be asked, were `waited` over."""
    with world.db.transaction() as tx:
        row = channels.get(tx, "app")
        assert row is not None
        if row.check_at is not None and row.held_by == "fault":
            channels.ask_again(tx, "app", row.check_at - waited)
        return services.checks_due(tx, ["app", "email"])


def test_a_channel_that_is_misconfigured_is_paused_and_asked_later_and_later(world: World) -> None:
    misconfigured(world)
    row = row_of(world)
    assert row is not None
    assert (row.held_by, row.reason) == ("fault", "auth: the password has expired")
    waits_s = []
    for _ in range(8):
        row = row_of(world)
        with world.db.snapshot() as tx:
            now = clock.now(tx).machine
        assert row is not None
        wait = row.check_at - now
        waits_s.append(wait.total_seconds())
        assert checks(world, waited=wait - timedelta(seconds=2)) == []
        with world.db.transaction() as tx:
            channels.ask_again(tx, "app", clock.now(tx).machine)
        assert checks(world, waited=timedelta(0)) == ["app"]
        assert checks(world, waited=timedelta(0)) == [], "one process asks"
    assert waits_s == pytest.approx([30, 60, 120, 240, 480, 900, 900, 900], abs=2)


def test_a_channel_that_is_well_again_sends_what_waited(world: World) -> None:
    world.people("c-1", grants=("app",))
    world.run(step(channels=["app"]))
    misconfigured(world)
    assert world.claims("app") == []
    with world.db.transaction() as tx:
        assert services.come_back(tx, "app")
    assert len(world.pump("app")) == 1


def test_a_fault_that_no_check_sees_is_met_less_and_less_often(world: World) -> None:
    for minutes in (0.5, 1, 2):
        misconfigured(world)
        row = row_of(world)
        with world.db.snapshot() as tx:
            assert row is not None
            assert (row.check_at - clock.now(tx).machine) / MINUTE == pytest.approx(minutes, abs=0.05)
        assert checks(world, waited=MINUTE * 20) == ["app"]
        with world.db.transaction() as tx:
            assert services.come_back(tx, "app")
    heeded(world, None)
    misconfigured(world)
    row = row_of(world)
    with world.db.snapshot() as tx:
        assert row is not None
        assert row.check_at - clock.now(tx).machine < MINUTE, "a message that went through counts for more"


@pytest.mark.parametrize("held_by", ["person", "restore"])
def test_what_a_person_or_a_restore_holds_never_comes_back_by_itself(world: World, held_by: str) -> None:
    misconfigured(world)
    with world.db.transaction() as tx:
        if held_by == "person":
            services.pause(tx, "app", "stock-taking", "shop")
        else:
            services.hold(tx, "app", "restored from a backup", "cli")
    misconfigured(world)
    row = row_of(world)
    assert row is not None
    assert (row.held_by, row.check_at) == (held_by, None)
    assert checks(world, waited=timedelta(days=1)) == []
    with world.db.transaction() as tx:
        assert not services.come_back(tx, "app")
    assert row_of(world) == row


def test_a_person_may_resume_whatever_was_held_and_it_is_on_record(world: World) -> None:
    for hold in (services.pause, services.hold):
        with world.db.transaction() as tx:
            hold(tx, "app", "because", "shop")
            row = services.resume(tx, "app", "till")
        assert row is not None
        assert row.paused_at is row.held_by is row.reason is None
    misconfigured(world)
    with world.db.transaction() as tx:
        services.resume(tx, "app", "till")
        rows = [(row.actor, row.action, row.subject) for row in reversed(audit.page(tx, None, 10, "channel:app"))]
    assert rows == [
        ("shop", "channel.paused", "channel:app"),
        ("till", "channel.resumed", "channel:app"),
        ("shop", "channel.held", "channel:app"),
        ("till", "channel.resumed", "channel:app"),
        ("till", "channel.resumed", "channel:app"),
    ]


def test_a_pace_that_the_provider_asked_for_holds_for_every_worker_and_outlives_them(world: World) -> None:
    world.people("c-1", "c-2", "c-3", grants=("app",))
    world.run(step(channels=["app"]))
    one, other, third = world.claims("app", worker="w-1")
    world.record(one, world.begin(one), lambda _: RateLimited(3600))
    assert world.begin(other) == {}, "claimed before, by another worker"
    for each in (one, other, third):
        world.close(each)
    assert world.claims("app", worker="w-2") == []
    heeded(world, RateLimited(1))
    row = row_of(world)
    with world.db.snapshot() as tx:
        assert row is not None
        assert row.paced_until - clock.now(tx).machine > 59 * MINUTE, "the longer wish stands"
