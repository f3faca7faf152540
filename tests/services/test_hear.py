"""What a channel hears is recorded once, and only of messages that went out from here."""

from structlog.testing import capture_logs

from gateway.contract import EventType, ProviderEvent
from gateway.domain.tokens import KeyRing, MessageRef
from gateway.services import hear
from gateway.services.compose import message_token
from tests.builders import World, step


def bounce(message_id: str) -> ProviderEvent:
    return ProviderEvent(
        type=EventType.BOUNCED, event_id="mail:1", message_id=message_id, code="5.1.1", address_gone=True
    )


def sent(world: World) -> str:
    """The id of a message that was sent."""
    world.people("c-1")
    job = world.run(step(channels=["email"]))
    [message] = world.pump()
    assert world.key_of(message).job_id == job
    return message.id


async def test_a_bounce_of_a_message_of_ours_counts_once(world: World) -> None:
    id = sent(world)
    with capture_logs() as logs:
        for _ in range(2):
            await hear.put_on_record(world.db, world.house, "email", [bounce(id)])
    assert world.state(1, "c-1")[0] == "bounced"
    assert logs == []


async def test_a_forged_one_counts_nothing_and_is_noted_without_what_it_says(world: World) -> None:
    id = sent(world)
    others = KeyRing(1, {1: b"x" * 32}, b"p" * 32)
    ref = world.house.keys.open_ref("message", id)
    forged = [
        others.sign_ref("message", ref),
        world.house.keys.sign_ref("click", ref),
        message_token(world.house, ref.key._replace(channel="sms"), ref.address_id),
        id.lower(),
        "AZcBzQMKAAGlZW1haWwHAKd3Yx0PqLr-9vT_2uXkQw4B",
    ]
    with capture_logs() as logs:
        await hear.put_on_record(world.db, world.house, "email", [bounce(each) for each in forged])
    assert world.state(1, "c-1")[0] == "accepted"
    assert logs == [{"event": "heard.forged", "channel": "email", "log_level": "warning"}] * len(forged)


async def test_a_message_that_never_was_counts_nothing(world: World) -> None:
    nobody = world.house.keys.sign_ref("message", MessageRef(999, 999, 0, 0, "email", 1))
    await hear.put_on_record(world.db, world.house, "email", [bounce(nobody)])
    assert not hear.is_forged(world.house, "email", bounce(nobody))
