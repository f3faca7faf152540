"""What is pending and must not go out any more, and what goes out all the same."""

import threading
from datetime import timedelta

import pytest

from gateway.contract import EventType
from gateway.domain.consent import ConsentRow
from gateway.domain.tokens import MessageRef
from gateway.services import consent, control, track
from gateway.services.claim import claim, places_due
from gateway.services.problems import Conflict, NotFound
from gateway.storage import clock, consents, events, jobs, sends
from tests.builders import LEASE, World, job, postal, statements, step

PHONE = {"kind": "phone", "value": "+12025550142"}
EMAIL = {"kind": "email", "value": "ada@example.com"}


@pytest.fixture
def ada(world: World) -> World:
    """Agreed to e-mail, SMS and letters, for marketing and for surveys."""
    world.people("ada", grants=("email", "sms", "postal"), addresses=[EMAIL, PHONE, postal()])
    world.consents("granted", "ada", purpose="survey")
    return world


def unsubscribe(world: World, job_id: int, step: int = 0, channel: str = "email") -> bool:
    with world.db.transaction() as tx:
        return track.unsubscribe(tx, world.house, MessageRef(*world.key(job_id, "ada", step, channel)), "one-click")


def ledger(world: World) -> list[tuple[str, str, str]]:
    with world.db.snapshot() as tx:
        rows = consents.of_recipient(tx, 1)
    return [(row.channel, row.purpose, row.action) for row in rows if row.action != "granted"]


def test_an_unsubscribe_cancels_what_is_pending_on_its_channel_and_for_its_purpose_only(ada: World) -> None:
    sent = ada.run()
    ada.pump()
    mail, text, letter = (ada.run(step(channels=[channel])) for channel in ("email", "sms", "postal"))
    survey = ada.run(purpose="survey")
    assert unsubscribe(ada, sent)
    assert ada.state(mail, "ada") == ("cancelled", "no_consent")
    assert ada.state(text, "ada", channel="sms") == ("queued", None)
    assert ada.state(letter, "ada", channel="postal") == ("queued", None)
    assert ada.state(survey, "ada") == ("queued", None)
    later = ada.run()
    assert ada.state(later, "ada") == ("skipped", "no_consent")


def test_an_unsubscribe_again_and_again_is_one_row_in_the_ledger(ada: World) -> None:
    sent = ada.run()
    ada.pump()
    for _ in range(3):
        assert unsubscribe(ada, sent)
    assert ledger(ada) == [("email", "marketing", "withdrawn")]
    with ada.db.snapshot() as tx:
        assert [row.type for row in events.of_recipient(tx, 1)] == ["unsubscribed"]


def test_an_old_link_withdraws_a_grant_that_came_after_it(ada: World) -> None:
    sent = ada.run()
    ada.pump()
    unsubscribe(ada, sent)
    ada.later(days=30)
    ada.consents("granted", "ada")
    assert ada.state(ada.run(), "ada") == ("queued", None)
    ada.later(days=1)
    unsubscribe(ada, sent)
    assert len(ledger(ada)) == 2
    assert ada.state(ada.run(), "ada") == ("skipped", "no_consent")


def test_a_withdrawal_wins_over_a_grant_dated_ahead_of_our_clock(ada: World) -> None:
    """A form's clock that runs ahead, or data of another age: a STOP of today is obeyed today."""
    sent = ada.run()
    ada.pump()
    ada.consents("granted", "ada", at=ada.now() + timedelta(days=365))
    unsubscribe(ada, sent)
    assert ada.state(ada.run(), "ada") == ("skipped", "no_consent")


def test_an_old_row_that_arrives_late_does_not_undo_a_newer_one(ada: World) -> None:
    ada.consents("withdrawn", "ada")
    ada.consents("granted", "ada", at=ada.now() - timedelta(days=1))
    assert ada.state(ada.run(), "ada") == ("skipped", "no_consent")


def test_an_unsubscribe_of_a_send_that_never_was_does_nothing(ada: World) -> None:
    with ada.db.transaction() as tx:
        assert not track.unsubscribe(tx, ada.house, MessageRef(99, 1, 0, 0, "email"), "one-click")
    assert ledger(ada) == []


@pytest.mark.parametrize("type", [EventType.UNSUBSCRIBED, EventType.COMPLAINED])
def test_a_report_of_a_refusal_withdraws_and_stops_what_is_pending(ada: World, type: EventType) -> None:
    ada.run()
    [message] = ada.pump()
    pending = ada.run()
    ada.report(type, message)
    assert ada.state(pending, "ada") == ("cancelled", "no_consent")
    assert ledger(ada) == [("email", "marketing", "withdrawn")]
    # A complaint is about the address, whatever the purpose.
    survey = ada.run(purpose="survey")
    expected = ("skipped", "suppressed") if type is EventType.COMPLAINED else ("queued", None)
    assert ada.state(survey, "ada") == expected


def test_many_withdrawals_are_one_page_of_statements(world: World) -> None:
    counts = []
    for ids in (["a-1", "a-2"], [f"b-{n}" for n in range(30)]):
        world.people(*ids)
        world.run()
        rows = [
            ConsentRow(
                recipient=id, channel="email", purpose="marketing", action="withdrawn", at=world.now(), source="x"
            )
            for id in ids
        ]
        with world.db.transaction() as tx:
            seen = statements(tx)
            consent.record(tx, world.house, rows, "test")
            counts.append(len([each for each in seen if "pg_advisory" not in each]))
    assert counts[0] == counts[1] <= 15
    assert world.pump() == []


# --- pause, resume, cancel


def test_what_was_held_while_a_job_was_paused_goes_out_after_it_is_resumed(ada: World) -> None:
    job_id = ada.run(step(), step("two", after="P1D"))
    pause(ada, job_id)
    assert ada.pump() == []
    assert ada.state(job_id, "ada") == ("queued", "paused")
    ada.later(days=3)
    assert ada.claims() == []
    resume(ada, job_id)
    assert len(ada.pump()) == 1
    ada.later(days=1, minutes=1)
    assert ada.plan_due() == 1
    assert len(ada.pump()) == 1


def test_what_expired_while_its_job_was_paused_is_not_sent_late(ada: World) -> None:
    job_id = ada.run(step(ttl="PT2H"))
    pause(ada, job_id)
    ada.pump()
    ada.later(hours=3)
    resume(ada, job_id)
    assert ada.pump() == []
    assert ada.state(job_id, "ada") == ("expired", "expired")


def test_a_job_paused_before_it_expanded_expands_after_it_is_resumed(ada: World) -> None:
    job_id = ada.accept(job())
    pause(ada, job_id)
    assert ada.expand(job_id) == 0
    resume(ada, job_id)
    assert ada.expand(job_id) == 1


def test_what_is_in_a_workers_hands_when_its_job_is_paused_still_goes(ada: World) -> None:
    job_id = ada.run()
    taken = ada.claim()
    pause(ada, job_id)
    messages = ada.begin(taken)
    ada.record(taken, messages)
    assert ada.state(job_id, "ada") == ("accepted", None)


@pytest.mark.parametrize("database_url", ["postgres"], indirect=True)
def test_a_job_is_not_resumed_behind_the_back_of_a_claim_that_saw_it_paused(ada: World) -> None:
    """Without the shards' locks the claim's send would be held for ever: nobody would wake it again."""
    job_id = ada.run()
    pause(ada, job_id)
    with ada.db.snapshot() as tx:
        [place] = places_due(tx, ada.house, "email")
    with ada.db.transaction() as tx:
        claim(tx, ada.house, "email", place, worker="w", lease=LEASE, limit=9)
        resuming = threading.Thread(target=resume, args=(ada, job_id))
        resuming.start()
        resuming.join(0.5)
        assert resuming.is_alive()  # waits for this transaction
    resuming.join()
    assert len(ada.pump()) == 1


def test_a_cancelled_job_is_over_at_once_and_swept_soon(ada: World) -> None:
    letters = ada.run(step(channels=["postal"]))
    job_id = ada.run(step(), step("two", after="P1D"))
    ada.pump("postal")
    taken = ada.claim()
    for each in (letters, job_id):
        cancel(ada, each)
    assert ada.sweep() == 2
    assert ada.begin(taken) == {}
    assert ada.state(job_id, "ada") == ("cancelled", "cancelled")
    assert ada.state(letters, "ada", channel="postal") == ("cancelled", "cancelled")
    assert ada.entry(job_id, "ada").ended == "cancelled"
    assert ada.spent() == {}
    assert ada.sweep() == 0


def test_what_is_due_of_a_cancelled_job_is_not_claimed_before_it_is_swept_either(ada: World) -> None:
    job_id = ada.run()
    cancel(ada, job_id)
    assert ada.pump() == []
    assert ada.state(job_id, "ada") == ("cancelled", "cancelled")


def test_what_is_being_sent_when_its_job_is_cancelled_is_recorded(ada: World) -> None:
    job_id = ada.run(step(), step("two", after="P1D"))
    taken = ada.claim()
    messages = ada.begin(taken)
    cancel(ada, job_id)
    ada.sweep()
    ada.record(taken, messages)
    assert ada.state(job_id, "ada") == ("accepted", None)
    ada.later(days=2)
    assert ada.plan_due() == 0


@pytest.mark.parametrize(
    ("before", "verb", "allowed"),
    [
        ("running", "pause", True),
        ("paused", "pause", True),
        ("cancelled", "pause", False),
        ("done", "pause", False),
        ("running", "resume", True),
        ("paused", "resume", True),
        ("cancelled", "resume", False),
        ("done", "resume", False),
        ("running", "cancel", True),
        ("paused", "cancel", True),
        ("cancelled", "cancel", True),
        ("done", "cancel", False),
    ],
)
def test_a_job_is_steered_only_while_it_can_be(ada: World, before: str, verb: str, allowed: bool) -> None:
    verbs = {"pause": pause, "resume": resume, "cancel": cancel}
    job_id = ada.run()
    if before in ("paused", "cancelled"):
        verbs["pause" if before == "paused" else "cancel"](ada, job_id)
    if before == "done":
        ada.pump()
        with ada.db.transaction() as tx:
            assert control.finish(tx) == 1
    if allowed:
        verbs[verb](ada, job_id)
        return
    with pytest.raises(Conflict, match=f"the job is {before}"):
        verbs[verb](ada, job_id)


def test_there_is_nothing_to_steer_in_a_job_that_never_was(world: World) -> None:
    for verb in (control.pause, control.resume, control.cancel):
        with pytest.raises(NotFound), world.db.transaction() as tx:
            verb(tx, "job-99")


def test_a_job_is_done_when_its_last_entry_is_over_and_not_before(ada: World) -> None:
    job_id = ada.run(step(), step("two", after="P1D"))
    for expected in ([], [job_id]):
        ada.pump()
        with ada.db.transaction() as tx:
            assert jobs.finish(tx, clock.now(tx).business) == expected
        ada.later(days=1, minutes=1)
        ada.plan_due()
    with ada.db.snapshot() as tx:
        assert jobs.by_ids(tx, [job_id])[job_id].state == "done"
        assert {row.state for row in sends.of_recipient(tx, 1)} == {"accepted"}


def pause(world: World, job_id: int) -> None:
    with world.db.transaction() as tx:
        assert control.pause(tx, f"job-{job_id}").state == "paused"


def resume(world: World, job_id: int) -> None:
    with world.db.transaction() as tx:
        assert control.resume(tx, f"job-{job_id}").state == "running"


def cancel(world: World, job_id: int) -> None:
    with world.db.transaction() as tx:
        assert control.cancel(tx, f"job-{job_id}").state == "cancelled"
