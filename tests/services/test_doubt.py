"""How doubts end."""

from collections.abc import Mapping
from datetime import timedelta

import pytest

from gateway.contract import EventType, Outbound, OutcomeUnknown, PermanentFailure, TransientFailure
from gateway.domain.policy import Doubt, Retry
from gateway.domain.words import SendKey
from gateway.services import compose, control, doubt
from gateway.services.doubt import Trace, Verdict
from gateway.services.problems import Conflict, NotFound
from gateway.storage import attempts, audit, clock, doubts, jobs, recipients
from gateway.storage.tables import doubts as doubts_
from gateway.storage.types import Record
from tests.builders import World, accepted, cap, installation, step

UNKNOWN = OutcomeUnknown("timeout")
PHONE = {"kind": "phone", "value": "+12025550101"}


def lost(_: Outbound) -> OutcomeUnknown:
    return UNKNOWN


@pytest.fixture
def doubtful(world: World) -> World:
    """One message a week. Of the e-mail to c-1 nobody knows; job 1 goes on by SMS where it did not arrive."""
    world.house = installation(caps=[cap(1, 7)], retry=Retry(attempts=3))
    addresses = [{"kind": "email", "value": "c-1@example.com"}, PHONE]
    world.people("c-1", grants=("email", "sms"), addresses=addresses)
    world.run(step(channels=["email", "sms"]))
    world.pump(answer=lost)
    assert world.state(1, "c-1") == ("in_doubt", "timeout")
    return world


def settle(world: World, verdict: Verdict, key: SendKey | None = None) -> Record:
    with world.db.transaction() as tx:
        return doubt.settle(tx, key or world.key(1, "c-1"), verdict, actor="shop", name="snd-1")


def standing(world: World, **fields: object) -> list[Record]:
    with world.db.snapshot() as tx:
        return list(doubts.page(tx, None, 100, **fields))  # type: ignore[arg-type]


def presume(world: World) -> int:
    with world.db.transaction() as tx:
        return doubt.presume(tx, world.house)


# --- by a person


def test_what_is_in_doubt_is_listed_with_all_that_is_known_of_it(doubtful: World) -> None:
    [row] = standing(doubtful)
    assert (row.external_id, row.purpose, row.reason, row.asked) == ("c-1", "marketing", "timeout", 0)
    with doubtful.db.snapshot() as tx:
        [tries] = doubts.attempts_of(tx, [SendKey(*row[:5])]).values()
    assert [(each.outcome, each.code) for each in tries] == [("unknown", "timeout")]
    assert len(standing(doubtful, job_id=1, channel="email")) == 1
    assert standing(doubtful, channel="sms") == standing(doubtful, job_id=2) == []


def test_what_was_lost_with_its_worker_is_in_doubt_without_a_try(world: World) -> None:
    world.people("c-1")
    world.run()
    taken = world.claim()
    world.begin(taken)
    world.lose(taken)
    world.reap()
    [row] = standing(world)
    assert row.reason == "worker_lost"
    with world.db.snapshot() as tx:
        assert doubts.attempts_of(tx, [SendKey(*row[:5])]) == {}


def test_taken_as_sent_it_keeps_its_slot_and_its_entry_has_gone_on(doubtful: World) -> None:
    assert settle(doubtful, "sent").state == "accepted"
    assert doubtful.state(1, "c-1") == ("accepted", "by_hand")
    assert len(doubtful.spent()["c-1"]) == 1
    assert doubtful.entry(1, "c-1").ended == "completed"
    assert standing(doubtful) == []


def test_taken_as_not_sent_it_gives_its_slot_back_and_the_next_channel_is_tried(doubtful: World) -> None:
    assert settle(doubtful, "not_sent").state == "failed"
    assert doubtful.spent() == {}
    doubtful.plan_due()
    assert len(doubtful.pump("sms")) == 1
    assert doubtful.state(1, "c-1", channel="sms") == ("accepted", None)


def test_sent_once_more_it_holds_its_slot_while_it_waits_and_goes_the_same_way(doubtful: World) -> None:
    before = doubtful.send(1, "c-1")
    assert settle(doubtful, "retry").state == "queued"
    assert doubtful.send(1, "c-1").cap_at == before.cap_at
    doubtful.run(step(channels=["sms"]))
    assert doubtful.pump("sms") == [], "perhaps it has arrived already"
    assert doubtful.entry(1, "c-1").ended is None
    assert len(doubtful.pump()) == 1
    assert doubtful.state(1, "c-1") == ("accepted", None)
    assert doubtful.entry(1, "c-1").ended == "completed"
    assert [row.outcome for row in tried(doubtful)] == ["unknown", "accepted"]


def tried(world: World) -> list[Record]:
    with world.db.snapshot() as tx:
        return list(attempts.of_recipient(tx, recipients.ids_of(tx, ["c-1"])["c-1"]))


def test_a_retry_brings_an_entry_back_that_waits_for_its_next_step(world: World) -> None:
    world.people("c-1")
    world.run(step("one"), step("two", after="P1D"))
    world.pump(answer=lost)
    assert world.entry(1, "c-1").next_at is not None
    settle(world, "retry")
    assert world.entry(1, "c-1").next_at is None
    world.later(hours=6)
    sent_at = world.now()
    assert len(world.pump()) == 1
    assert world.entry(1, "c-1").next_at - sent_at >= timedelta(days=1), "counted from when it went out"


def test_a_retry_does_not_hold_up_an_entry_that_is_further_on(world: World) -> None:
    world.people("c-1")
    world.run(step("one"), step("two", after="P1D"))
    world.pump(answer=lost)
    world.later(days=1, minutes=1)
    world.plan_due()
    settle(world, "retry")
    assert world.entry(1, "c-1").step == 1
    assert len(world.pump()) == 2


def test_a_retry_reopens_a_job_that_was_done(doubtful: World) -> None:
    with doubtful.db.transaction() as tx:
        assert control.finish(tx) == 1
    settle(doubtful, "retry")
    with doubtful.db.snapshot() as tx:
        assert jobs.by_ids(tx, [1])[1].state == "running"


def test_what_is_sent_once_more_and_lost_again_is_in_doubt_anew(doubtful: World) -> None:
    doubtful.later(hours=2)
    settle(doubtful, "retry")
    doubtful.pump(answer=lost)
    [row] = standing(doubtful)
    assert doubtful.now() - row.since < timedelta(minutes=5)


@pytest.mark.parametrize("first", ["sent", "not_sent", "retry"])
def test_what_is_settled_cannot_be_settled_again(doubtful: World, first: Verdict) -> None:
    state = settle(doubtful, first).state
    with pytest.raises(Conflict, match=f"the send is {state}"):
        settle(doubtful, "sent")


def test_nobody_settles_a_send_that_never_was(doubtful: World) -> None:
    with pytest.raises(NotFound):
        settle(doubtful, "sent", doubtful.key(1, "c-1", channel="push"))


def test_who_settled_what_is_on_record(doubtful: World) -> None:
    settle(doubtful, "not_sent")
    with doubtful.db.snapshot() as tx:
        [row] = audit.page(tx, None, 10, "send:snd-1")
    assert (row.actor, row.action, row.subject, row.detail) == (
        "shop",
        "send.settled",
        "send:snd-1",
        {"as": "not_sent"},
    )


def test_all_of_a_jobs_are_settled_page_by_page(world: World) -> None:
    world.people(*(f"c-{n}" for n in range(5)))
    for _ in range(2):
        world.run()
    world.pump(answer=lost)
    counts: list[int] = []
    while not counts or counts[-1]:
        with world.db.transaction() as tx:
            counts.append(doubt.settle_many(tx, "sent", actor="cli", job_id=1, job="job-1", channel="email", limit=2))
    assert counts == [2, 2, 1, 0]
    assert world.counts(1) == {("email", "accepted", "by_hand"): 5}
    assert len(standing(world)) == 5, "the other job's"


# --- by time


def test_after_a_day_it_is_taken_as_sent(doubtful: World) -> None:
    doubtful.later(hours=23)
    assert presume(doubtful) == 0
    doubtful.later(hours=1, minutes=1)
    assert presume(doubtful) == 1
    assert doubtful.state(1, "c-1") == ("accepted", "presumed")
    assert len(doubtful.spent()["c-1"]) == 1
    assert presume(doubtful) == 0


def test_how_long_that_takes_is_the_operators_choice(doubtful: World) -> None:
    doubtful.house = installation(doubt=Doubt(taken_as_sent_after=timedelta(0)))
    assert presume(doubtful) == 1


def test_what_is_urgent_is_never_taken_as_sent_but_told_once(world: World) -> None:
    world.people("c-1", "c-2")
    world.run(purpose="transactional")
    world.pump(answer=lost)
    world.later(days=30)
    assert presume(world) == 0
    with world.db.transaction() as tx:
        assert sorted(doubt.alerts(tx, world.house)) == [world.key(1, "c-1"), world.key(1, "c-2")]
    with world.db.transaction() as tx:
        assert doubt.alerts(tx, world.house) == []


def test_a_report_of_the_provider_settles_it_and_time_changes_nothing_any_more(doubtful: World) -> None:
    [message] = doubtful_messages(doubtful)
    doubtful.report(EventType.DELIVERED, message)
    doubtful.later(days=2)
    assert presume(doubtful) == 0
    assert doubtful.state(1, "c-1")[0] == "delivered"


def doubtful_messages(world: World) -> list[Outbound]:
    key = world.key(1, "c-1")
    with world.db.snapshot() as tx:
        drafts = compose.drafts_of(tx, world.house, "email", [key])
    return compose.outbounds(world.house, "email", drafts.drafts[0], "it", {"text": "Ciao"})


def test_a_late_refusal_settles_it_and_the_next_channel_is_tried(world: World) -> None:
    addresses = [{"kind": "email", "value": "c-1@example.com"}, PHONE]
    world.people("c-1", grants=("email", "sms"), addresses=addresses)
    world.run(step(channels=["email", "sms"]))
    taken = world.claim()
    messages = world.begin(taken)
    world.lose(taken)
    world.reap()
    assert world.state(1, "c-1") == ("in_doubt", "worker_lost")
    world.record(taken, messages, lambda _: PermanentFailure("smtp-550"))
    assert world.state(1, "c-1") == ("failed", "smtp-550")
    world.plan_due()
    assert len(world.pump("sms")) == 1


def test_what_is_noted_of_doubts_goes_when_they_are_over(doubtful: World) -> None:
    with doubtful.db.transaction() as tx:
        assert doubt.forget(tx) == 0
    settle(doubtful, "sent")
    with doubtful.db.transaction() as tx:
        assert doubt.forget(tx) == 1


def test_a_failure_that_may_pass_leaves_no_doubt(world: World) -> None:
    world.people("c-1")
    world.run()
    world.pump(answer=lambda _: TransientFailure("smtp-451"))
    assert standing(world) == []


# --- by asking the provider


def ask(world: World, channel: str = "email") -> list[SendKey]:
    """What the provider is to be asked of, were the wait over."""
    with world.db.transaction() as tx:
        tx.execute(doubts_.update().values(ask_at=clock.now(tx).machine))
    with world.db.transaction() as tx:
        assert doubt.is_time_to_ask(tx, channel)
        return [each.key for each in doubt.to_ask(tx, channel, 10)]


def learn(world: World, found: Mapping[str, tuple[str, ...]], job_id: int = 1) -> dict[SendKey, str]:
    """The provider says this of each person's one address."""
    keys = {id: world.key(job_id, id) for id in found}
    with world.db.snapshot() as tx:
        places = recipients.live_addresses(tx, [key.recipient_id for key in keys.values()], "email")
    traces = [Trace(keys[id], places[keys[id].recipient_id][0].id, ids) for id, ids in found.items()]
    with world.db.transaction() as tx:
        return {key: str(state) for key, state in doubt.learn(tx, world.house, "email", traces).items()}


def test_the_provider_is_asked_after_a_minute_and_then_ever_more_rarely(doubtful: World) -> None:
    waits = []
    for _ in range(9):
        [row] = standing(doubtful)
        with doubtful.db.snapshot() as tx:
            waits.append(round((row.ask_at - clock.now(tx).machine) / timedelta(minutes=1)))
            assert not doubt.is_time_to_ask(tx, "email")
        assert ask(doubtful) == [doubtful.key(1, "c-1")]
        with doubtful.db.transaction() as tx:
            assert doubt.to_ask(tx, "email", 10) == [], "one process asks"
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert standing(doubtful)[0].asked == 9


def test_a_message_may_have_gone_out_since_its_window_began_whenever_its_worker_was_missed(world: World) -> None:
    world.people("c-1")
    world.run()
    taken = world.claim()
    world.begin(taken)
    world.later(hours=5)
    world.lose(taken)
    world.reap()
    with world.db.transaction() as tx:
        tx.execute(doubts_.update().values(ask_at=clock.now(tx).machine))
        [asking] = doubt.to_ask(tx, "email", 10)
        assert clock.now(tx).machine - asking.since > timedelta(hours=4, minutes=59)


def test_what_the_provider_has_is_sent_and_its_reports_are_matched(doubtful: World) -> None:
    assert learn(doubtful, {"c-1": ("p-9",)}) == {doubtful.key(1, "c-1"): "accepted"}
    assert doubtful.state(1, "c-1") == ("accepted", "found")
    with doubtful.db.snapshot() as tx:
        assert attempts.by_provider_id(tx, "email", "p-9") is not None
    assert len(doubtful.spent()["c-1"]) == 1


def test_what_never_arrived_is_sent_once_more_and_gives_its_slot_back(doubtful: World) -> None:
    assert learn(doubtful, {"c-1": ()}) == {doubtful.key(1, "c-1"): "queued"}
    assert doubtful.state(1, "c-1") == ("queued", "never_arrived")
    assert doubtful.spent() == {}
    assert len(doubtful.pump()) == 1
    assert doubtful.entry(1, "c-1").ended == "completed"


def test_what_never_arrives_fails_in_the_end_and_the_next_channel_is_tried(doubtful: World) -> None:
    for _ in range(2):
        assert learn(doubtful, {"c-1": ()}) == {doubtful.key(1, "c-1"): "queued"}
        doubtful.pump(answer=lost)
    assert learn(doubtful, {"c-1": ()}) == {doubtful.key(1, "c-1"): "failed"}
    doubtful.plan_due()
    assert len(doubtful.pump("sms")) == 1


def test_nothing_is_called_missing_whose_recipient_has_changed_since(doubtful: World) -> None:
    addresses = [{"kind": "email", "value": "c-1@example.com"}, {"kind": "email", "value": "new@example.com"}]
    doubtful.later(minutes=1)
    doubtful.people("c-1", grants=(), addresses=addresses)
    assert learn(doubtful, {"c-1": ()}) == {}
    assert learn(doubtful, {"c-1": ("p-9",)}) == {doubtful.key(1, "c-1"): "accepted"}


def test_nothing_is_called_missing_that_was_not_asked_for_at_every_address(world: World) -> None:
    addresses = [{"kind": "email", "value": f"{name}@example.com"} for name in ("c-1", "other")]
    world.people("c-1", addresses=addresses)
    world.run()
    world.pump(answer=lost)
    assert learn(world, {"c-1": ()}) == {}


def test_a_message_that_is_known_to_be_another_one_proves_nothing(world: World) -> None:
    world.people("c-1")
    world.run()
    world.pump(answer=lambda _: "p-1")
    world.run()
    world.pump(answer=lost)
    assert learn(world, {"c-1": ("p-1",)}, job_id=2) == {}
    assert learn(world, {"c-1": ("p-1", "p-2")}, job_id=2) == {world.key(2, "c-1"): "accepted"}


def test_one_message_of_the_provider_settles_one_of_two_alike(world: World) -> None:
    world.people("c-1")
    for _ in range(2):
        world.run()
    world.pump(answer=lost)
    world.pump(answer=lost)
    with world.db.snapshot() as tx:
        [places] = recipients.live_addresses(tx, [world.key(1, "c-1").recipient_id], "email").values()
    traces = [Trace(world.key(job_id, "c-1"), places[0].id, ("p-1",)) for job_id in (1, 2)]
    with world.db.transaction() as tx:
        assert list(doubt.learn(tx, world.house, "email", traces)) == [world.key(1, "c-1")]


def test_an_answer_that_comes_too_late_changes_nothing(doubtful: World) -> None:
    settle(doubtful, "retry")
    assert learn(doubtful, {"c-1": ("p-9",)}) == {}
    assert doubtful.state(1, "c-1") == ("queued", "retry")
    assert len(doubtful.pump(answer=accepted)) == 1


def test_what_is_sent_once_more_goes_out_though_its_entry_has_gone_on_to_its_end(world: World) -> None:
    world.people("ada")
    job_id = world.run(step("one"), step("two", after="PT1H"))
    world.pump(answer=lambda _: OutcomeUnknown("timeout"))
    world.later(hours=1, minutes=1)
    world.plan_due()
    assert len(world.pump()) == 1
    assert world.entry(job_id, "ada").ended == "completed"
    key = world.key(job_id, "ada")
    with world.db.transaction() as tx:
        doubt.settle(tx, key, "retry", actor="test", name="send")
    assert len(world.pump()) == 1
    assert world.state(job_id, "ada")[0] == "accepted"
    assert world.entry(job_id, "ada").ended == "completed"
