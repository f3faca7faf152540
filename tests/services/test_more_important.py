"""A message gives way to a more important one that needs the last room under a cap."""

from datetime import datetime, timedelta

import pytest

from gateway.contract import OutcomeUnknown
from gateway.domain.policy import CapRule
from gateway.services import control
from gateway.storage import channels, clock, events
from tests.builders import NOW, World, cap, installation, postal, step

ADA = {
    "grants": ("email", "sms"),
    "addresses": [{"kind": "email", "value": "ada@example.com"}, {"kind": "phone", "value": "+12025550142"}],
}


@pytest.fixture
def ada(world: World) -> World:
    """One message a week, on any channel."""
    world.house = installation(caps=[cap(1, 7, name="weekly")])
    world.people("ada", **ADA)
    return world


def yields(world: World) -> list[dict[str, str]]:
    with world.db.snapshot() as tx:
        [person] = {row.recipient_id for row in events.of_recipient(tx, 1)} or {1}
        return [row.data for row in events.of_recipient(tx, person) if row.type == "yielded"]


def test_the_lower_priority_waits_until_the_higher_one_has_gone(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    low = ada.run(step())
    assert ada.pump() == []
    send = ada.send(low, "ada")
    assert (send.state, send.reason) == ("queued", "priority:weekly")
    assert timedelta(hours=5) < send.due_at - NOW < timedelta(hours=5, minutes=2)
    ada.later(hours=5, minutes=2)
    assert len(ada.pump("sms")) == 1
    assert ada.pump() == []
    assert ada.send(low, "ada").reason == "cap:weekly"
    assert yields(ada) == [{"to": "job-1", "rule": "weekly"}]


def test_one_accepted_later_goes_first_if_it_is_more_important(ada: World) -> None:
    """The claim asks again: planning cannot know what comes."""
    low = ada.run(step())
    ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    assert ada.pump() == []
    assert ada.send(low, "ada").reason == "priority:weekly"


def test_the_higher_priority_does_not_wait_for_the_lower(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT5H"))
    ada.run(step(), priority=8)
    assert len(ada.pump()) == 1


def test_equal_ones_go_as_they_come(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT5H"))
    ada.run(step())
    assert len(ada.pump()) == 1


def test_nobody_waits_for_a_message_of_the_day_after_tomorrow(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT25H"), priority=8)
    ada.run(step())
    assert len(ada.pump()) == 1


def test_nobody_waits_for_a_job_that_is_paused_cancelled_or_on_a_paused_channel(ada: World) -> None:
    high = ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    low = ada.run(step())
    with ada.db.transaction() as tx:
        control.pause(tx, f"job-{high}")
    ada.at(ada.send(low, "ada").due_at)
    assert len(ada.pump()) == 1


def test_a_paused_channel_keeps_nobody_waiting(ada: World) -> None:
    with ada.db.transaction() as tx:
        channels.pause(tx, "sms", "a fault", clock.now(tx).machine)
    ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    ada.run(step())
    assert len(ada.pump()) == 1


def test_what_does_not_count_needs_no_room(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT5H"), priority=8, counts_towards_caps=False)
    ada.run(step())
    assert len(ada.pump()) == 1


def test_a_job_that_obeys_no_caps_gives_way_to_nobody(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    ada.run(step(), obeys_caps=False)
    assert len(ada.pump()) == 1


def test_room_for_both_lets_both_go(ada: World) -> None:
    ada.house = installation(caps=[cap(2, 7, name="weekly")])
    ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    ada.run(step())
    assert len(ada.pump()) == 1


def test_a_job_that_skips_over_a_cap_is_skipped_and_says_for_whom(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    low = ada.run(step(), over_cap="skip")
    assert ada.state(low, "ada") == ("skipped", "cap:weekly")
    assert yields(ada) == [{"to": "job-1", "rule": "weekly"}]


def test_giving_way_twice_to_the_same_job_is_told_once(ada: World) -> None:
    ada.run(step(channels=["sms"], after="PT5H"), priority=8)
    low = ada.run(step())
    for _ in range(3):
        ada.at(ada.send(low, "ada").due_at)
        ada.pump()
    assert len(yields(ada)) == 1


LETTERS = ADA | {"grants": ("email", "sms", "postal"), "addresses": [*ADA["addresses"], postal()]}


def test_paper_that_gives_way_is_asked_again_when_it_is_known_and_not_each_minute_until_then(ada: World) -> None:
    """Its slot lies two days ahead, and still it waits for a message of today."""
    ada.people("ada", **LETTERS)
    ada.run(step(channels=["sms"], after="PT20H"), priority=8)
    low = ada.run(step(channels=["postal"]))
    send = ada.send(low, "ada", channel="postal")
    assert send.reason == "priority:weekly"
    assert timedelta(hours=20) < send.due_at - NOW < timedelta(hours=20, minutes=2)


def test_a_message_gives_way_to_paper_of_the_same_day_though_its_slot_lies_later(ada: World) -> None:
    ada.people("ada", **LETTERS)
    ada.run(step(channels=["postal"], after="PT3H"), priority=8)
    low = ada.run(step())
    assert ada.pump() == []
    assert ada.send(low, "ada").reason == "priority:weekly"
    ada.later(hours=3, minutes=2)
    ada.pump("postal")
    assert ada.pump() == []
    assert ada.send(low, "ada").reason == "cap:weekly"


def test_paper_does_not_wait_for_what_its_slot_leaves_room_for(ada: World) -> None:
    ada.house = installation(caps=[cap(1, 1, name="daily")])
    ada.people("ada", **LETTERS)
    ada.run(step(channels=["sms"], after="PT3H"), priority=8)
    low = ada.run(step(channels=["postal"]))
    ada.pump("postal")
    assert ada.state(low, "ada", channel="postal")[0] == "batched"


def test_the_room_of_today_is_not_kept_for_a_message_of_tomorrow(world: World) -> None:
    """A calendar day ends at midnight where the person lives; both have room."""
    world.house = installation(caps=[CapRule(name="daily", max=1, period="day")])
    world.people("ada", time_zone="Europe/Rome", **ADA)
    world.at(datetime.fromisoformat("2026-11-20T22:00:00+01:00"))
    world.run(step(channels=["sms"], after="PT3H"), priority=8)
    world.run(step())
    assert len(world.pump()) == 1
    world.later(hours=3, minutes=1)
    assert len(world.pump("sms")) == 1


def test_what_was_perhaps_sent_and_waits_to_be_repeated_takes_its_room_once(world: World) -> None:
    world.house = installation(caps=[cap(2, 7, name="twice")])
    world.people("ada", **ADA | {"grants": ("email", "app")})
    world.run(step(channels=["app"]), priority=8)
    world.pump("app", answer=lambda _: OutcomeUnknown("timeout"))
    world.run(step())
    assert len(world.pump()) == 1
