"""What the report says of people with several messages in a step, of messages that wait, and of those that give way."""

from collections.abc import Callable
from datetime import timedelta

from gateway.contract import EventType, Failure, Outbound, OutcomeUnknown, PermanentFailure
from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.services import report, timeline
from gateway.services.report import ChannelReport, JobReport, Yielded
from gateway.storage import clock, events, sends
from gateway.storage.events import NewEvent
from gateway.storage.sends import Move
from tests.builders import World, accepted, cap, job, step


def reachable_twice(world: World, *ids: str) -> None:
    """People with an e-mail address and a phone, who agreed to both."""
    for number, id in enumerate(ids, start=100):
        mail, phone = {"kind": "email", "value": f"{id}@example.com"}, {"kind": "phone", "value": f"+12025550{number}"}
        world.people(id, grants=("email", "sms"), addresses=[mail, phone])


def read(world: World, job_id: int) -> JobReport:
    with world.db.snapshot() as tx:
        return report.of_job(tx, f"job-{job_id}")


def on(found: JobReport, channel: str) -> ChannelReport:
    [one] = [each for each in found.steps[0].channels if each.channel == channel]
    return one


def refusing(*ids: str) -> Callable[[Outbound], Failure | str | None]:
    def answer(message: Outbound) -> Failure | str | None:
        return PermanentFailure("550", "refused") if message.recipient_id in ids else accepted(message)

    return answer


def test_people_are_counted_once_in_a_step_and_sends_on_each_channel(world: World) -> None:
    reachable_twice(world, "ada", "bo", "cy")
    world.people("dan", addresses=[{"kind": "phone", "value": "+12025550199"}], grants=("sms",))
    job_id = world.run(step(channels=("email", "sms")))
    world.pump("email", refusing("ada", "bo"))
    world.plan_due()
    world.pump("sms", refusing("bo"))
    found = read(world, job_id)
    one, email, sms = found.steps[0], on(found, "email"), on(found, "sms")
    assert (one.people, one.people_sent, one.people_reached) == (4, 3, 3)
    assert (email.planned, email.reached, email.fallbacks, email.fallbacks_reached) == (3, 1, 0, 0)
    assert (sms.planned, sms.reached, sms.fallbacks, sms.fallbacks_reached) == (3, 2, 2, 1)


def test_who_got_it_twice_is_reached_once(world: World) -> None:
    reachable_twice(world, "ada")
    link = "{{ track('https://shop.example/') }}"
    job_id = world.run(step(channels=("email", "sms"), text=link, fallback_after="PT2H"))
    world.pump("email")
    world.later(hours=3)
    world.plan_due()
    world.pump("sms")
    found = read(world, job_id)
    assert (found.steps[0].people, found.steps[0].people_reached) == (1, 1)
    assert [(each.channel, each.reached, each.fallbacks_reached) for each in found.steps[0].channels] == [
        ("email", 1, 0),
        ("sms", 1, 1),
    ]


def test_what_bounced_is_sent_and_has_reached_nobody(world: World) -> None:
    reachable_twice(world, "ada", "bo")
    job_id = world.run()
    for message in world.pump():
        if message.recipient_id == "ada":
            world.report(EventType.BOUNCED, message)
    found = read(world, job_id)
    assert (found.steps[0].people_sent, found.steps[0].people_reached) == (2, 1)
    assert (on(found, "email").sent, on(found, "email").reached) == (2, 1)


def test_what_waits_is_told_apart_by_what_it_waits_for(world: World) -> None:
    world.people(*"abcdef")
    job_id = world.run()
    waits = {"a": "throttled:job", "b": "throttled:channel", "c": "priority:two-a-week", "d": "cap:two-a-week"}
    with world.db.transaction() as tx:
        now = clock.now(tx).business
        moves = [
            Move(world.key(job_id, id), State.QUEUED, due_at=now + timedelta(hours=1), reason=reason)
            for id, reason in waits.items()
        ]
        sends.move(tx, moves, now)
    one = on(read(world, job_id), "email")
    assert (one.planned, one.throttled, one.yielding) == (6, 2, 1)


def test_what_was_taken_as_sent_is_told_apart_from_what_is_in_doubt(world: World) -> None:
    world.people("ada", "bo", "cy")
    job_id = world.run()
    world.pump(
        answer=lambda message: (
            accepted(message) if message.recipient_id == "cy" else OutcomeUnknown("lost", "no answer")
        )
    )
    with world.db.transaction() as tx:
        now = clock.now(tx).business
        sends.move(tx, [Move(world.key(job_id, "ada"), State.ACCEPTED, reason="presumed", keep_cap=True)], now)
    found = read(world, job_id)
    one = on(found, "email")
    assert (one.sent, one.reached, one.presumed, one.in_doubt, found.in_doubt) == (3, 2, 1, 1, 1)


def gives_way(world: World, key: SendKey, to: str, rule: str | None = "one-a-week") -> None:
    event = NewEvent(
        type="yielded",
        recipient_id=key.recipient_id,
        at=world.now(),
        send=key,
        dedupe_key=f"yield:{'.'.join(map(str, key))}:{to}",
        data={"to": to, "rule": rule},
    )
    with world.db.transaction() as tx:
        events.add(tx, event, event.at)


def test_both_jobs_tell_who_gave_way_to_whom(world: World) -> None:
    world.people("ada", "bo", "cy")
    small, large, other = world.run(name="sale"), world.run(name="Скидка", priority=9), world.run(name="βόλτα")
    for id in ("ada", "bo"):
        gives_way(world, world.key(small, id), f"job-{large}")
    gives_way(world, world.key(small, "ada"), f"job-{large}")
    gives_way(world, world.key(small, "cy"), f"job-{large}", "sms-a-day")
    gives_way(world, world.key(small, "cy"), f"job-{other}")
    gives_way(world, world.key(other, "cy"), f"job-{large}")
    assert read(world, small).yielded_to == (
        Yielded(job=f"job-{large}", name="Скидка", rule="one-a-week", sends=2),
        Yielded(job=f"job-{large}", name="Скидка", rule="sms-a-day", sends=1),
        Yielded(job=f"job-{other}", name="βόλτα", rule="one-a-week", sends=1),
    )
    preferred = read(world, large)
    assert preferred.priority == 9
    assert preferred.yielded_to == ()
    assert preferred.preferred_over == (
        Yielded(job=f"job-{small}", name="sale", rule="one-a-week", sends=2),
        Yielded(job=f"job-{small}", name="sale", rule="sms-a-day", sends=1),
        Yielded(job=f"job-{other}", name="βόλτα", rule="one-a-week", sends=1),
    )
    assert [each.sends for each in read(world, other).preferred_over] == [1]


def told(world: World, id: str) -> list[str]:
    with world.db.snapshot() as tx:
        return [item.text for item in timeline.of_recipient(tx, world.house, id).items]


def test_a_message_that_gives_way_is_in_both_reports_and_in_the_story(world_with: Callable[..., World]) -> None:
    world = world_with(caps=(cap(1, 7, name="one-a-week"),))
    world.people("ada")
    important = world.run(step(local_time="18:00:00"), name="renewal", priority=9)
    small = world.run(name="sale", priority=2)
    assert read(world, small).yielded_to == (
        Yielded(job=f"job-{important}", name="renewal", rule="one-a-week", sends=1),
    )
    assert read(world, important).preferred_over == (
        Yielded(job=f"job-{small}", name="sale", rule="one-a-week", sends=1),
    )
    assert on(read(world, small), "email").yielding == 1
    story = told(world, "ada")
    assert (
        "Step one on email: it gave way to the more important job renewal under the frequency cap (one-a-week)."
    ) in story
    [waits] = [text for text in story if "for a more important message" in text]
    assert waits.startswith("Step one on email: it waits until 2026-11-20 17:0")
    assert waits.endswith(" UTC for a more important message to go first (one-a-week).")


def test_giving_way_to_a_job_that_the_person_is_not_in_names_it_by_its_id(world: World) -> None:
    world.people("ada", "bo")
    small = world.run(name="sale")
    large = world.accept(job(priority=9))
    gives_way(world, world.key(small, "ada"), f"job-{large}", None)
    assert "Step one on email: it gave way to the more important job." in told(world, "ada")
    with world.db.snapshot() as tx:
        [item] = [item for item in timeline.of_recipient(tx, world.house, "ada").items if item.kind == "event"]
    assert item.data == {"type": "yielded", "to": f"job-{large}", "step": 1, "channel": "email"}
