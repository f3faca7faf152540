"""Reports come in any order, once or thrice, and sometimes before the message they are about."""

import itertools
from collections.abc import Sequence

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from gateway.contract import EventType, Outbound, ProviderEvent
from gateway.domain.tokens import MessageRef
from gateway.services import track
from gateway.storage import attempts, clock, events, recipients
from gateway.storage.attempts import Attempt
from tests.builders import World, postal, step

BEST_LAST = (EventType.ACCEPTED, EventType.DELIVERED, EventType.BOUNCED)
_SERIAL = itertools.count(1)


@pytest.fixture
def ada(world: World) -> World:
    world.people("ada")
    return world


def told(world: World, id: str = "ada") -> list[str]:
    with world.db.snapshot() as tx:
        return [row.type for row in events.of_recipient(tx, recipients.ids_of(tx, [id])[id])]


def by_provider_id(world: World, type: EventType, provider_id: str, event_id: str, channel: str = "email") -> bool:
    event = ProviderEvent(type=type, event_id=event_id, provider_id=provider_id)
    with world.db.transaction() as tx:
        return track.report(tx, world.house, channel, event)


@pytest.mark.parametrize("order", list(itertools.permutations(BEST_LAST)))
def test_reports_in_any_order_end_in_the_same_state_and_are_all_kept(ada: World, order: Sequence[EventType]) -> None:
    job_id = ada.run()
    [message] = ada.pump()
    for type in order:
        assert ada.report(type, message, event_id=f"e-{type}")
        assert not ada.report(type, message, event_id=f"e-{type}")
    assert ada.state(job_id, "ada")[0] == "bounced"
    assert sorted(told(ada)) == sorted(BEST_LAST)


@settings(max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from([EventType.ACCEPTED, EventType.DELIVERED, EventType.OPENED, EventType.CLICKED])))
def test_good_news_never_carry_a_send_back(world: World, types: list[EventType]) -> None:
    id = f"p-{next(_SERIAL)}"
    world.people(id)
    job_id = world.run(audience={"kind": "ids", "ids": [id]})
    [message] = world.pump()
    for type in types:
        world.report(type, message)
    expected = "delivered" if EventType.DELIVERED in types else "accepted"
    assert world.state(job_id, id)[0] == expected
    assert len(told(world, id)) == len(types)


def test_a_late_bounce_counts_after_the_delivery_and_suppresses_the_address(ada: World) -> None:
    job_id = ada.run()
    [message] = ada.pump()
    ada.report(EventType.DELIVERED, message)
    ada.later(days=2)
    ada.report(EventType.BOUNCED, message, code="5.1.1", address_gone=True)
    assert ada.state(job_id, "ada") == ("bounced", "5.1.1")
    assert len(ada.spent()["ada"]) == 1
    again = ada.run()
    assert ada.state(again, "ada") == ("skipped", "suppressed")


def test_opens_and_clicks_are_events_and_no_states(ada: World) -> None:
    job_id = ada.run()
    [message] = ada.pump()
    for type in (EventType.OPENED, EventType.CLICKED, EventType.OPENED):
        assert ada.report(type, message)
    assert ada.state(job_id, "ada") == ("accepted", None)
    assert told(ada) == ["opened", "clicked", "opened"]


def test_a_report_before_the_record_waits_for_it(ada: World) -> None:
    job_id = ada.run()
    taken = ada.claim()
    messages = ada.begin(taken)
    for _ in range(3):
        assert not by_provider_id(ada, EventType.DELIVERED, "p-1", "e-1")
    assert told(ada) == []
    ada.record(taken, messages, lambda _: "p-1")
    assert ada.state(job_id, "ada") == ("delivered", None)
    assert told(ada) == ["delivered"]
    assert not by_provider_id(ada, EventType.DELIVERED, "p-1", "e-1")


def test_a_report_that_names_our_own_id_settles_a_send_that_is_still_leaving(ada: World) -> None:
    job_id = ada.run(step(), step("two", after="P1D"))
    taken = ada.claim()
    messages = ada.begin(taken)
    [[(_, message)]] = messages.values()
    assert ada.report(EventType.DELIVERED, message)
    assert ada.state(job_id, "ada") == ("delivered", None)
    ada.record(taken, messages)
    assert ada.state(job_id, "ada") == ("delivered", None)
    assert ada.entry(job_id, "ada").next_at is not None


def test_a_report_parked_in_the_instant_of_its_record_is_matched_afterwards(ada: World) -> None:
    """Neither of the two transactions saw the other: the report lies there, and so does the attempt."""
    job_id = ada.run()
    [message] = ada.pump()
    event = ProviderEvent(type=EventType.DELIVERED, event_id="e-1", provider_id=f"p-{message.id}")
    with ada.db.transaction() as tx:
        events.park(tx, "email", event, clock.now(tx).machine)
        assert track.match_left_behind(tx, ada.house) == 1
        assert track.match_left_behind(tx, ada.house) == 0
    assert ada.state(job_id, "ada") == ("delivered", None)


def test_a_report_that_nobody_asks_for_in_a_week_is_dropped(ada: World) -> None:
    assert not by_provider_id(ada, EventType.DELIVERED, "p-unknown", "e-1")
    with ada.db.transaction() as tx:
        assert events.any_parked(tx)
        assert track.match_left_behind(tx, ada.house) == 0
        assert events.any_parked(tx)
        events.forget_parked(tx, clock.now(tx).machine)
        assert not events.any_parked(tx)


def test_provider_ids_of_two_channels_are_two(world: World) -> None:
    world.people("ada", grants=("email", "sms"), addresses=[{"kind": "phone", "value": "+12025550142"}])
    job_id = world.run(step(channels=["sms"]))
    world.pump("sms", lambda _: "same-id")
    assert not by_provider_id(world, EventType.DELIVERED, "same-id", "e-1", "email")
    assert by_provider_id(world, EventType.DELIVERED, "same-id", "e-1", "sms")
    assert world.state(job_id, "ada", channel="sms")[0] == "delivered"


@pytest.mark.parametrize("forged", ["", "nonsense", "p-1", "Żółć"])
def test_a_message_id_that_is_not_ours_is_recorded_nowhere(ada: World, forged: str) -> None:
    ada.run()
    ada.pump()
    event = ProviderEvent(type=EventType.COMPLAINED, event_id="e-1", message_id=forged)
    with ada.db.transaction() as tx:
        assert not track.report(tx, ada.house, "email", event)
        assert not events.any_parked(tx)
    assert told(ada) == []


def test_one_channel_cannot_report_on_the_messages_of_another(ada: World) -> None:
    ada.run()
    [message] = ada.pump()
    event = ProviderEvent(type=EventType.BOUNCED, event_id="e-1", message_id=message.id)
    with ada.db.transaction() as tx:
        assert not track.report(tx, ada.house, "sms", event)
    assert told(ada) == []


def test_a_report_on_a_send_that_never_was_is_refused_quietly(ada: World) -> None:
    ref = MessageRef(99, 1, 0, 0, "email", 1)
    event = ProviderEvent(type=EventType.DELIVERED, event_id="e-1", message_id=ada.house.keys.sign_ref("message", ref))
    with ada.db.transaction() as tx:
        assert not track.report(tx, ada.house, "email", event)


def test_a_letter_that_comes_back_suppresses_its_address(world: World) -> None:
    world.people("ada", addresses=[postal()], grants=())
    job_id = world.run(step(channels=["postal"]))
    world.pump("postal")
    key = world.key(job_id, "ada", channel="postal")
    with world.db.snapshot() as tx:
        [address] = recipients.addresses_of(tx, key.recipient_id)
    ref = world.house.keys.sign_ref("message", MessageRef(*key, address.id))
    event = ProviderEvent(type=EventType.RETURNED, event_id="scan-1", message_id=ref, address_gone=True)
    with world.db.transaction() as tx:
        assert track.report(tx, world.house, "postal", event)
    assert world.state(world.run(step(channels=["postal"])), "ada", channel="postal") == ("skipped", "suppressed")


def test_two_tries_with_one_provider_id_are_one_message(ada: World) -> None:
    """As a provider that takes our id for its own answers twice."""
    job_id = ada.run()
    [message] = ada.pump(answer=lambda _: "p-1")
    key = ada.key(job_id, "ada")
    with ada.db.transaction() as tx:
        attempts.add(tx, [Attempt(key, 1, 99, clock.now(tx).business, "accepted", "p-1", None, None)])
    assert by_provider_id(ada, EventType.DELIVERED, "p-1", "e-1")
    assert ada.state(job_id, "ada") == ("delivered", None)
    assert isinstance(message, Outbound)
