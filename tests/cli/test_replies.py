"""`risveglio replies`."""

from collections.abc import Iterator

import pytest

from gateway.app.opening import key_ring
from gateway.contract import Capabilities, Inbound, Part
from gateway.services import replies
from gateway.services.installation import Installation
from gateway.storage import audit, consents, recipients
from gateway.storage import replies as storage
from gateway.storage.database import Database
from tests.builders import World
from tests.cli.conftest import Shell

LETTER = Capabilities(address_kind="external_id", parts={"text": Part(kind="text")}, receives=True)


@pytest.fixture
def world(shell: Shell) -> Iterator[World]:
    """Behind the shell; three replies of a person, of which one may be a stop."""
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
    world.people("c-1", grants=("letter",))
    for number, text in enumerate(("Ciao\x1b[2J\nbella", "dite basta a tutto", "Aiuto")):
        with db.transaction() as tx:
            replies.take(tx, house, "letter", Inbound(event_id=f"e-{number}", sender="c-1", text=text))
    yield world
    db.close()


def id_of(world: World, text: str) -> str:
    with world.db.snapshot() as tx:
        [row] = [row for row in storage.page(tx, None, 10) if row.text == text]
    return world.house.keys.sign_id("reply", row.id)


def state(world: World) -> str | None:
    with world.db.snapshot() as tx:
        return consents.state_of(tx, recipients.ids_of(tx, ["c-1"])["c-1"], "letter", "marketing")


def test_what_waits_for_a_person_is_listed(shell: Shell, world: World) -> None:
    listed = shell.told("replies", "list")
    assert "dite basta a tutto" in listed
    assert "Aiuto" in listed
    assert "c-1" in listed
    assert id_of(world, "dite basta a tutto") in listed
    assert "Ciao" not in listed
    assert "Aiuto" not in shell.told("replies", "list", "--channel", "email")


def test_all_are_listed_and_no_reply_plays_tricks_on_the_terminal(shell: Shell, world: World) -> None:
    listed = shell.told("replies", "list", "--all")
    assert "Ciao [2J bella" in listed
    assert "\x1b[2J" not in listed


def test_a_reply_is_reviewed_once(shell: Shell, world: World) -> None:
    reply = id_of(world, "dite basta a tutto")
    assert shell.told("replies", "review", reply, "stop") == "reviewed\n"
    assert state(world) == "withdrawn"
    with world.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10, f"reply:{reply}")
    assert (row.actor, row.detail) == ("cli", {"verdict": "stop"})
    assert "was heeded" in shell.refused("replies", "review", reply, "nothing")


def test_what_was_something_else_changes_nothing(shell: Shell, world: World) -> None:
    reply = id_of(world, "Aiuto")
    shell.told("replies", "review", reply, "nothing")
    assert state(world) == "granted"
    assert "Aiuto" not in shell.told("replies", "list")
    assert "somebody has read this reply already" in shell.refused("replies", "review", reply, "stop")


def test_a_reply_that_is_none_is_told_so(shell: Shell, world: World) -> None:
    told = shell.refused("replies", "review", "nonsense", "stop")
    assert "there is no reply nonsense; `risveglio replies list` names them" in told
    assert shell("replies", "review", "nonsense", "perhaps").exit_code == 2
