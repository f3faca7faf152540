"""What was perhaps sent keeps its slot of the caps through every further try, until it is known."""

from collections.abc import Callable

import pytest

from gateway.contract import Failure, OutcomeUnknown, PermanentFailure, TransientFailure
from gateway.domain.policy import Retry
from gateway.services import doubt, record
from tests.builders import NOW, World, cap, installation, step


@pytest.fixture
def ada(world: World) -> World:
    """One message a week. The first one, through an app that takes repeats for one, was perhaps sent."""
    world.house = installation(caps=[cap(1, 7)], retry=Retry(attempts=3))
    world.people("ada", grants=("app", "email"))
    job_id = world.run(step(channels=["app"]))
    world.pump("app", answer=lambda _: OutcomeUnknown("timeout"))
    assert world.send(job_id, "ada", channel="app").reason == "retry:timeout"
    world.later(minutes=6)
    return world


def put_back(world: World) -> None:
    world.close(world.claim("app"))


def lose(world: World) -> None:
    world.lose(world.claim("app"))
    world.reap()


def no_answer(world: World) -> None:
    world.pump("app", answer=lambda _: TransientFailure("no-connection"))


def withdraw(world: World) -> None:
    world.claim("app")
    world.consents("withdrawn", "ada", channel="app")


def cannot_be_made(world: World) -> None:
    taken = world.claim("app")
    with world.db.transaction() as tx:
        record.give_up(tx, world.house, taken, {taken.members[0]: "template"})


@pytest.mark.parametrize("happens", [put_back, lose, no_answer, withdraw, cannot_be_made])
def test_a_try_that_does_not_reach_the_provider_gives_nothing_back(
    ada: World, happens: Callable[[World], None]
) -> None:
    happens(ada)
    assert len(ada.spent("app")["ada"]) == 1
    second = ada.run()
    assert ada.pump() == []
    assert ada.send(second, "ada").reason == "cap:cap"


def test_out_of_tries_it_is_in_doubt_and_not_failed(ada: World) -> None:
    for _ in range(3):
        no_answer(ada)
        ada.later(hours=5)
    assert ada.state(1, "ada", channel="app") == ("in_doubt", "no-connection")
    assert len(ada.spent("app")["ada"]) == 1


def test_a_repeat_that_is_refused_says_nothing_of_the_try_before(ada: World) -> None:
    """The device may be gone since."""
    ada.pump("app", answer=lambda _: PermanentFailure("no-such-device"))
    assert ada.state(1, "ada", channel="app") == ("failed", "no-such-device")
    assert len(ada.spent("app")["ada"]) == 1


@pytest.mark.parametrize("refusal", [PermanentFailure("smtp-550"), TransientFailure("smtp-450")])
def test_what_a_person_lets_go_out_once_more_keeps_the_slot_of_the_first_try(world: World, refusal: Failure) -> None:
    world.house = installation(caps=[cap(1, 7)])
    world.people("ada")
    job_id = world.run()
    world.pump(answer=lambda _: OutcomeUnknown("timeout"))
    with world.db.transaction() as tx:
        doubt.settle(tx, world.key(job_id, "ada"), "retry", actor="anna", name="snd_x")
    world.pump(answer=lambda _: refusal)
    [slot] = world.spent()["ada"]
    assert slot >= NOW


def test_a_first_try_that_does_not_reach_the_provider_gives_its_slot_back(world: World) -> None:
    world.house = installation(caps=[cap(1, 7)])
    world.people("ada", grants=("app",))
    world.run(step(channels=["app"]))
    for happens in (put_back, lose, no_answer):
        happens(world)
        assert world.spent() == {}
        world.later(hours=1)
