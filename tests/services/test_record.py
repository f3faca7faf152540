"""What became of the messages of a claim, and of claims whose worker is gone."""

from collections.abc import Callable
from datetime import timedelta

import pytest

from gateway.contract import (
    ChannelMisconfigured,
    EventType,
    Failure,
    OptedOut,
    Outbound,
    OutcomeUnknown,
    PermanentFailure,
    RateLimited,
    RecipientGone,
    TransientFailure,
)
from gateway.domain.policy import Retry
from gateway.services import record
from gateway.storage import attempts, channels, claims, clock, consents, recipients, sends
from tests.builders import LEASE, NOW, World, answered, cap, device, installation, outbounds, statements, step

PHONE = [{"kind": "phone", "value": "+12025550101"}]


def says(*failures: Failure | None) -> Callable[[Outbound], Failure | str | None]:
    """One answer after the other, the last again and again."""
    told = list(failures)

    def answer(message: Outbound) -> Failure | str | None:
        return (told.pop(0) if len(told) > 1 else told[0]) or f"p-{message.id}"

    return answer


def tried(world: World, id: str = "c-1") -> list[tuple[str, str | None]]:
    with world.db.snapshot() as tx:
        recipient_id = recipients.ids_of(tx, [id])[id]
        return [(row.outcome, row.provider_id) for row in attempts.of_recipient(tx, recipient_id)]


def ledger(world: World, id: str) -> list[tuple[str, str, str, str]]:
    """What somebody said of consent, oldest first: channel, purpose, action, source."""
    with world.db.snapshot() as tx:
        rows = consents.of_recipient(tx, recipients.ids_of(tx, [id])[id])
    return [(row.channel, row.purpose, row.action, row.source) for row in rows]


@pytest.fixture
def capped(world: World) -> World:
    """One message a week; c-1 has agreed to e-mail, and everybody to the app."""
    world.house = installation(caps=[cap(1, 7)], retry=Retry(attempts=3, first=timedelta(minutes=5)))
    world.people("c-1", grants=("email", "app"))
    return world


@pytest.mark.parametrize(
    ("failure", "state", "reason", "outcome", "slots"),
    [
        (None, "accepted", None, "accepted", 1),
        (PermanentFailure("smtp-550", "no such user"), "failed", "smtp-550", "permanent", 0),
        (RecipientGone("smtp-5.1.1"), "failed", "smtp-5.1.1", "gone", 0),
        (OptedOut("21610"), "failed", "21610", "opted_out", 0),
        (TransientFailure("smtp-451"), "queued", "retry:smtp-451", "transient", 0),
        (RateLimited(60), "queued", "rate_limited", "rate_limited", 0),
        (ChannelMisconfigured("auth", "password expired"), "queued", "channel_paused", "misconfigured", 0),
        (OutcomeUnknown("timeout"), "in_doubt", "timeout", "unknown", 1),
    ],
)
def test_each_answer_has_its_state_and_keeps_or_gives_back_the_slot(
    capped: World, failure: Failure | None, state: str, reason: str | None, outcome: str, slots: int
) -> None:
    job_id = capped.run()
    capped.pump(answer=says(failure))
    assert capped.state(job_id, "c-1") == (state, reason)
    assert [each for each, _ in tried(capped)] == [outcome]
    assert sum(len(each) for each in capped.spent().values()) == slots
    with capped.db.snapshot() as tx:
        assert claims.run_out(tx, clock.now(tx).machine + timedelta(days=1)) == []


def test_a_provider_that_knows_of_an_opt_out_withdraws_the_consent_and_stops_what_waits(world: World) -> None:
    world.people("c-1", grants=("sms", "email"), addresses=PHONE)
    told, waiting = world.run(step(channels=["sms"])), world.run(step(channels=["sms"]))
    first, second = world.claims("sms", limit=1)
    world.record(first, world.begin(first), says(OptedOut("21610")))
    assert world.state(told, "c-1", channel="sms") == ("failed", "21610")
    assert world.state(waiting, "c-1", channel="sms") == ("cancelled", "no_consent")
    assert world.begin(second) == {}
    assert ledger(world, "c-1")[-1] == ("sms", "marketing", "withdrawn", "provider:sms")
    assert [said[:3] for said in ledger(world, "c-1")[:-1]] == [
        ("sms", "marketing", "granted"),
        ("email", "marketing", "granted"),
    ]


def test_an_opt_out_is_on_the_ledger_once_and_a_new_grant_reaches_the_same_address(world: World) -> None:
    world.people("c-1", grants=("sms",), addresses=PHONE)
    for _ in range(2):
        world.run(step(channels=["sms"]))
    world.pump("sms", says(OptedOut("21610")))
    assert [action for _, _, action, _ in ledger(world, "c-1")] == ["granted", "withdrawn"]
    world.later(hours=1)
    world.consents("granted", "c-1", channel="sms")
    job_id = world.run(step(channels=["sms"]))
    assert len(world.pump("sms")) == 1
    assert world.state(job_id, "c-1", channel="sms") == ("accepted", None)


def test_an_opt_out_takes_nothing_back_from_a_purpose_that_offers_no_way_out(world: World) -> None:
    world.people("c-1", grants=(), addresses=PHONE)
    for _ in range(2):
        world.run(step(channels=["sms"]), purpose="transactional")
    first, second = world.claims("sms", limit=1)
    world.record(first, world.begin(first), says(OptedOut("21610")))
    assert ledger(world, "c-1") == []
    assert len(world.begin(second)) == 1


def test_an_idempotent_channel_repeats_what_is_unknown_and_holds_its_slot_meanwhile(capped: World) -> None:
    job_id = capped.run(step(channels=["app"]))
    first = capped.pump("app", says(OutcomeUnknown("timeout")))
    assert capped.state(job_id, "c-1", channel="app") == ("queued", "retry:timeout")
    # Perhaps it arrived: another message in the same week would be one too many.
    capped.run()
    assert capped.pump() == []
    capped.later(hours=1)
    assert capped.pump("app") == first
    assert capped.state(job_id, "c-1", channel="app") == ("accepted", None)
    assert len(capped.spent()["c-1"]) == 1


def test_what_stays_unknown_to_the_last_try_is_in_doubt_and_not_failed(capped: World) -> None:
    job_id = capped.run(step(channels=["app"]))
    for _ in range(3):
        assert len(capped.pump("app", says(OutcomeUnknown("timeout")))) == 1
        capped.later(hours=1)
    assert capped.state(job_id, "c-1", channel="app") == ("in_doubt", "timeout")
    assert len(capped.spent()["c-1"]) == 1
    assert capped.entry(job_id, "c-1").ended == "completed"


def test_what_perhaps_went_out_and_may_not_be_repeated_still_holds_its_slot(capped: World) -> None:
    job_id = capped.run(step(channels=["app"]))
    capped.pump("app", says(OutcomeUnknown("timeout")))
    capped.consents("withdrawn", "c-1", channel="app")
    assert capped.state(job_id, "c-1", channel="app") == ("cancelled", "no_consent")
    assert len(capped.spent()["c-1"]) == 1


def test_a_failure_that_may_pass_is_tried_again_until_the_last_try(capped: World) -> None:
    job_id = capped.run()
    waits = []
    for tries in (1, 2, 3):
        before = capped.now()
        assert len(capped.pump(answer=says(TransientFailure("smtp-451")))) == 1
        assert capped.pump() == []
        row = capped.send(job_id, "c-1")
        assert row.tries == tries
        if row.due_at is not None:
            waits.append((row.due_at - before) / timedelta(minutes=1))
            capped.at(row.due_at)
    assert capped.state(job_id, "c-1") == ("failed", "smtp-451")
    assert [2.5 <= waits[0] <= 5.1, 5 <= waits[1] <= 10.1] == [True, True]
    assert capped.spent() == {}
    assert capped.entry(job_id, "c-1").ended == "not_sent"
    assert len(tried(capped)) == 3


def test_every_try_is_on_record_with_its_own_provider_id(capped: World) -> None:
    """A claim's number is never given out again: a try under an old number would be lost."""
    job_id = capped.run()
    [message] = capped.pump(answer=says(TransientFailure("smtp-451", provider_id="p-1")))
    capped.later(hours=1)
    assert [each.id for each in capped.pump(answer=lambda _: "p-2")] == [message.id]
    assert tried(capped) == [("transient", "p-1"), ("accepted", "p-2")]
    with capped.db.snapshot() as tx:
        assert attempts.by_provider_id(tx, "email", "p-2") == (capped.key(job_id, "c-1"), 1)
        assert attempts.by_provider_id(tx, "sms", "p-2") is None


def test_a_slow_provider_is_paced_and_the_wait_costs_no_try(capped: World) -> None:
    job_id = capped.run()
    capped.pump(answer=says(RateLimited(600)))
    row = capped.send(job_id, "c-1")
    assert (row.tries, row.reason) == (0, "rate_limited")
    capped.later(minutes=11)
    assert capped.claims() == []  # paced by the machine's clock, which nobody moved
    with capped.db.transaction() as tx:
        channels.resume(tx, "email")
    assert len(capped.pump()) == 1


def test_a_destination_that_gets_too_much_holds_up_its_own_message_and_the_wait_costs_no_try(world: World) -> None:
    world.run(audience={"kind": "ids", "ids": world.neighbours(2)})
    taken = world.claim()
    one, other = taken.members
    messages = outbounds(world.db, world.house, taken)
    with world.db.transaction() as tx:
        record.start(tx, taken, [one], LEASE)
        failed = answered({one: messages[one]}, says(RateLimited(600, "domain-pace", scope="message")))
        assert record.record(tx, world.house, taken, failed, [other], LEASE) == {other}
        row = sends.get(tx, [one])[one]
        assert (row.state, row.reason, row.tries, row.cap_at) == ("queued", "rate_limited", 0, None)
        assert timedelta(minutes=9) < row.due_at - clock.now(tx).business <= timedelta(minutes=10)
        channel = channels.get(tx, "email")
        assert channel is None or channel.paced_until is None


def test_a_rejected_password_pauses_the_channel_and_loses_nothing(world: World) -> None:
    world.people("c-1", "c-2", "c-3")
    job_id = world.run()
    wrong = says(ChannelMisconfigured("auth", "password expired"))
    [first, *rest] = world.claims()
    world.record(first, world.begin(first), wrong)
    for each in (first, *rest):
        assert world.begin(each) == {}
        world.close(each)
    assert {state for _, state, _ in world.states(job_id)} == {"queued"}
    assert sum(world.states(job_id).values()) == 3
    with world.db.transaction() as tx:
        row = channels.get(tx, "email")
        assert row is not None
        assert row.reason == "auth: password expired"
        channels.resume(tx, "email")
    assert len(world.pump()) == 3


def test_the_next_window_does_not_start_on_a_channel_that_was_just_paused(world: World) -> None:
    world.run(audience={"kind": "ids", "ids": world.neighbours(2)})
    taken = world.claim()
    one, other = taken.members
    messages = outbounds(world.db, world.house, taken)
    with world.db.transaction() as tx:
        assert record.start(tx, taken, [one], LEASE) == {one}
    failed = answered({one: messages[one]}, says(RateLimited(60)))
    with world.db.transaction() as tx:
        assert record.record(tx, world.house, taken, failed, [other], LEASE) == set()


def test_outcomes_are_recorded_and_the_next_window_started_in_one_transaction(world: World) -> None:
    world.run(audience={"kind": "ids", "ids": world.neighbours(2)})
    taken = world.claim()
    one, other = taken.members
    messages = outbounds(world.db, world.house, taken)
    with world.db.transaction() as tx:
        record.start(tx, taken, [one], LEASE)
    with world.db.transaction() as tx:
        started = record.record(tx, world.house, taken, answered({one: messages[one]}), [other], LEASE)
    assert started == {other}


def test_a_record_whose_answer_was_lost_is_made_again_and_starts_the_same_window(world: World) -> None:
    world.run(audience={"kind": "ids", "ids": world.neighbours(2)})
    taken = world.claim()
    one, other = taken.members
    messages = outbounds(world.db, world.house, taken)
    with world.db.transaction() as tx:
        record.start(tx, taken, [one], LEASE)
    for _ in range(2):
        with world.db.transaction() as tx:
            again = record.record(tx, world.house, taken, answered({one: messages[one]}), [other], LEASE)
        assert again == {other}


def test_a_send_whose_message_cannot_be_made_fails_and_gives_its_slot_back(capped: World) -> None:
    job_id = capped.run()
    taken = capped.claim()
    with capped.db.transaction() as tx:
        record.give_up(tx, capped.house, taken, {taken.members[0]: "template: no name"})
    assert capped.state(job_id, "c-1") == ("failed", "template: no name")
    assert capped.spent() == {}
    assert capped.begin(taken) == {}
    assert capped.entry(job_id, "c-1").ended == "not_sent"


def test_one_dead_device_leaves_the_other_and_is_suppressed_alone(world: World) -> None:
    world.people("c-1", grants=("push",), addresses=[device("old"), device("new")])
    job_id = world.run(step(channels=["push"]))
    gone = RecipientGone("push-410")
    sent = world.pump("push", lambda m: gone if m.address.value.endswith("old") else "p-1")
    assert len(sent) == 2
    assert len({message.id for message in sent}) == 2
    assert world.state(job_id, "c-1", channel="push") == ("accepted", None)
    world.run(step(channels=["push"]))
    assert [message.address.value for message in world.pump("push")] == ["https://push.example.com/new"]


@pytest.mark.parametrize(
    ("one", "other", "state"),
    [
        (PermanentFailure("a"), TransientFailure("b"), "queued"),
        (PermanentFailure("a"), OutcomeUnknown("b"), "in_doubt"),
        (TransientFailure("a"), OutcomeUnknown("b"), "in_doubt"),
        (PermanentFailure("a"), RecipientGone("b"), "failed"),
        (None, OutcomeUnknown("b"), "accepted"),
    ],
)
def test_the_best_of_several_devices_speaks_for_the_send(
    world: World, one: Failure | None, other: Failure, state: str
) -> None:
    world.people("c-1", grants=("push",), addresses=[device("a"), device("b")])
    for each, name in ((one, "a"), (other, "b")):
        assert each is None or each.code == name
    job_id = world.run(step(channels=["push"]))
    world.pump("push", lambda m: one or "p-1" if m.address.value.endswith("/a") else other)
    assert world.state(job_id, "c-1", channel="push")[0] == state


def test_a_bounce_of_one_device_does_not_undo_the_delivery_on_another(world: World) -> None:
    world.people("c-1", grants=("push",), addresses=[device("a"), device("b")])
    job_id = world.run(step(channels=["push"]))
    one, other = world.pump("push")
    assert world.report(EventType.SHOWN, one)
    assert world.report(EventType.BOUNCED, other, address_gone=True)
    assert world.state(job_id, "c-1", channel="push") == ("delivered", None)


# --- claims whose worker is gone


def test_what_was_only_claimed_goes_back_and_its_slot_with_it(capped: World) -> None:
    job_id = capped.run()
    lost = capped.claim()
    assert capped.reap() == 0
    capped.lose(lost)
    assert capped.reap() == 1
    assert capped.state(job_id, "c-1") == ("queued", "worker_lost")
    assert capped.spent() == {}
    assert capped.begin(lost) == {}
    assert len(capped.pump()) == 1


def test_what_was_being_sent_is_in_doubt_and_never_sent_again(capped: World) -> None:
    job_id = capped.run(step(), step("two", after="P1D"))
    lost = capped.claim()
    assert len(capped.begin(lost)) == 1
    capped.lose(lost)
    assert capped.reap() == 1
    assert capped.state(job_id, "c-1") == ("in_doubt", "worker_lost")
    capped.later(days=2)
    assert capped.pump() == []
    assert len(capped.spent()["c-1"]) == 1
    assert capped.plan_due() == 1  # it counts as sent: the next step is planned


def test_an_idempotent_channel_is_given_the_same_message_again(capped: World) -> None:
    job_id = capped.run(step(channels=["app"]))
    lost = capped.claim("app")
    [[(_, message)]] = capped.begin(lost).values()
    capped.lose(lost)
    assert capped.reap() == 1
    row = capped.send(job_id, "c-1", channel="app")
    assert (row.state, row.tries) == ("queued", 1)
    assert len(capped.spent()["c-1"]) == 1
    capped.later(hours=1)
    assert capped.pump("app") == [message]


def test_a_late_acceptance_settles_what_was_in_doubt(capped: World) -> None:
    job_id = capped.run()
    lost = capped.claim()
    messages = capped.begin(lost)
    capped.lose(lost)
    capped.reap()
    capped.record(lost, messages)
    assert capped.state(job_id, "c-1") == ("accepted", None)
    assert tried(capped)[0][0] == "accepted"
    assert len(capped.spent()["c-1"]) == 1


def test_a_late_refusal_settles_it_too_and_gives_the_slot_back(capped: World) -> None:
    job_id = capped.run()
    lost = capped.claim()
    messages = capped.begin(lost)
    capped.lose(lost)
    capped.reap()
    capped.record(lost, messages, says(PermanentFailure("smtp-550")))
    assert capped.state(job_id, "c-1") == ("failed", "smtp-550")
    assert capped.spent() == {}


@pytest.mark.parametrize(
    "failure", [TransientFailure("smtp-451"), RateLimited(1), OutcomeUnknown("timeout"), ChannelMisconfigured("auth")]
)
def test_any_other_late_answer_leaves_it_in_doubt(capped: World, failure: Failure) -> None:
    job_id = capped.run()
    lost = capped.claim()
    messages = capped.begin(lost)
    capped.lose(lost)
    capped.reap()
    capped.record(lost, messages, says(failure))
    assert capped.state(job_id, "c-1") == ("in_doubt", "worker_lost")
    assert len(tried(capped)) == 1


@pytest.mark.parametrize("late", [None, PermanentFailure("smtp-550"), OutcomeUnknown("timeout")])
def test_a_late_answer_never_undoes_a_delivery(capped: World, late: Failure | None) -> None:
    job_id = capped.run()
    lost = capped.claim()
    messages = capped.begin(lost)
    [[(_, message)]] = messages.values()
    capped.lose(lost)
    capped.reap()
    assert capped.report(EventType.DELIVERED, message)
    capped.record(lost, messages, says(late))
    assert capped.state(job_id, "c-1") == ("delivered", None)
    assert len(tried(capped)) == 1


def test_a_worker_back_from_the_dead_moves_nothing_of_who_has_the_send_now(capped: World) -> None:
    """Fencing: on SQLite too, where numbers of deleted rows would be given out again."""
    job_id = capped.run(step(channels=["app"]))
    lost = capped.claim("app")
    messages = capped.begin(lost)
    capped.lose(lost)
    capped.reap()
    capped.later(hours=1)
    now_holds = capped.claim("app")
    assert now_holds.id != lost.id
    capped.begin(now_holds)
    capped.record(lost, messages, says(PermanentFailure("late")))
    assert capped.state(job_id, "c-1", channel="app")[0] == "sending"
    capped.close(lost)
    assert capped.state(job_id, "c-1", channel="app")[0] == "sending"
    capped.record(now_holds, messages)
    assert capped.state(job_id, "c-1", channel="app") == ("accepted", None)


def test_a_lease_is_prolonged_with_every_window(capped: World) -> None:
    capped.run()
    taken = capped.claim()
    capped.lose(taken)
    assert len(capped.begin(taken)) == 1
    assert capped.reap() == 0


def test_a_claim_closed_early_puts_back_what_nobody_was_called_for(capped: World) -> None:
    job_id = capped.run()
    capped.close(capped.claim())
    assert capped.state(job_id, "c-1") == ("queued", None)
    assert capped.spent() == {}
    assert len(capped.pump()) == 1


def test_a_claim_closed_while_an_outcome_is_missing_is_settled_by_its_lease(capped: World) -> None:
    """A worker that stumbles closes its claim: the send in its hands must not be forgotten."""
    job_id = capped.run()
    taken = capped.claim()
    assert len(capped.begin(taken)) == 1
    capped.close(taken)
    assert capped.state(job_id, "c-1")[0] == "sending"
    capped.lose(taken)
    assert capped.reap() == 1
    assert capped.state(job_id, "c-1") == ("in_doubt", "worker_lost")


def test_a_window_of_twelve_is_recorded_with_as_many_statements_as_one_of_two(world: World) -> None:
    people = world.neighbours(12)
    counts = []
    for size in (2, 12):
        world.run(audience={"kind": "ids", "ids": people[:size]})
        taken = world.claim()
        keys, messages = taken.members, outbounds(world.db, world.house, taken)
        with world.db.transaction() as tx:
            seen = statements(tx)
            assert len(record.start(tx, taken, keys, LEASE)) == size
            record.record(tx, world.house, taken, answered(messages), [], LEASE)
            record.close(tx, taken)
            counts.append(len(seen))
    assert counts[0] == counts[1] <= 30


def test_the_reapers_clock_is_the_machines(capped: World) -> None:
    capped.run()
    capped.claim()
    capped.at(NOW + timedelta(days=30))
    assert capped.reap() == 0
