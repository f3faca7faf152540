"""`risveglio doubts`."""

from collections.abc import Iterator

import pytest

from gateway.app.opening import key_ring
from gateway.contract import Capabilities, OutcomeUnknown, Part
from gateway.services import compose
from gateway.services.installation import Installation
from gateway.storage import audit
from gateway.storage.database import Database
from tests.builders import World, step
from tests.cli.conftest import Shell

LETTER = Capabilities(address_kind="external_id", parts={"text": Part(kind="text")})


@pytest.fixture
def world(shell: Shell) -> Iterator[World]:
    """Behind the shell; three people in whose letter nobody can trust."""
    shell.place.script_channels("letter")
    shell.told("migrate")
    settings = shell.place.settings()
    house = Installation(
        policies=settings.policies,
        keys=key_ring(settings.keys),
        channels={"letter": LETTER},
        public_url=settings.public_url,
    )
    db = Database(settings.database.url.reveal())
    world = World(db, house)
    world.people("c-1", "c-2", "c-3", grants=("letter",))
    world.run(step(channels=["letter"]))
    world.pump("letter", lambda _: OutcomeUnknown("timeout"))
    yield world
    db.close()


def send_of(world: World, id: str) -> str:
    return compose.send_id(world.house, world.key(1, id, channel="letter"))


def state_of(world: World, id: str) -> str:
    return str(world.state(1, id, channel="letter")[0])


def test_what_is_in_doubt_is_listed(shell: Shell, world: World) -> None:
    listed = shell.told("doubts", "list")
    for word in ("job-1", "letter", "c-1", "c-2", "c-3", "marketing", "timeout", send_of(world, "c-2")[:20]):
        assert word in listed
    assert "c-1" not in shell.told("doubts", "list", "--channel", "email")
    assert "c-3" in shell.told("doubts", "list", "--job", "job-1", "--limit", "5")


@pytest.mark.parametrize(("verdict", "state"), [("sent", "accepted"), ("not-sent", "failed"), ("retry", "queued")])
def test_one_is_settled_and_then_no_more(shell: Shell, world: World, verdict: str, state: str) -> None:
    send = send_of(world, "c-1")
    assert shell.told("doubts", "settle", send, verdict) == "settled\n"
    assert [state_of(world, id) for id in ("c-1", "c-2")] == [state, "in_doubt"]
    with world.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10, f"send:{send}")
    assert row.actor == "cli"
    assert f"the send is {state}" in shell.refused("doubts", "settle", send, verdict)


def test_all_of_a_job_are_settled_once_it_is_confirmed(shell: Shell, world: World) -> None:
    command = ("doubts", "settle", "--job", "job-1", "--channel", "letter", "not-sent")
    asked = shell(*command)
    assert asked.exit_code == 1
    assert "3 messages of job-1 on letter: take them as not-sent?" in asked.output
    assert state_of(world, "c-1") == "in_doubt"
    assert shell.told(*command, "--yes") == "settled 3\n"
    assert {state_of(world, id) for id in ("c-1", "c-2", "c-3")} == {"failed"}
    assert shell.told(*command, "--yes") == "settled 0\n"


def test_what_is_not_there_is_not_settled(shell: Shell, world: World) -> None:
    assert "there is no send nonsense" in shell.refused("doubts", "settle", "nonsense", "sent")
    assert "there is no job job-9" in shell.refused("doubts", "list", "--job", "job-9")
    settle = ("doubts", "settle", "--job", "job-9", "--channel", "letter", "sent")
    assert "there is no job job-9" in shell.refused(*settle)


@pytest.mark.parametrize(
    "command",
    [
        ("sent",),
        ("perhaps",),
        ("--job", "job-1", "sent"),
        ("--channel", "letter", "sent"),
        ("abc", "sent", "--job", "job-1", "--channel", "letter"),
    ],
)
def test_a_command_that_says_too_little_or_too_much_does_nothing(
    shell: Shell, world: World, command: tuple[str, ...]
) -> None:
    assert shell("doubts", "settle", *command).exit_code == 2
    assert state_of(world, "c-1") == "in_doubt"
