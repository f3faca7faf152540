"""Each check of the chaos run can fail: a sound run passes them all, and every forgery of it is caught."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from msgspec.structs import replace

from tests.acceptance.chaos.checks import CHECKS, findings
from tests.acceptance.chaos.evidence import (
    Arrival,
    Cap,
    Coupon,
    Damage,
    Entry,
    EntryKey,
    Evidence,
    Handed,
    Key,
    Leaving,
    Ledger,
    Person,
    Redeeming,
    Redemption,
    Reject,
    Send,
    Told,
)
from tests.acceptance.chaos.plan import API, SLOTS, Kill, Restart, plan

START = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY = Cap(name="one a day", max=1, window=timedelta(days=1))
MINUTE = Cap(name="one a minute", max=1, window=timedelta(minutes=1))
CODES = {"anna": "CODEOFANNA22", "bela": "CODEOFBELA22"}


def at(seconds: float) -> datetime:
    return START + timedelta(seconds=seconds)


def key(recipient: str, job: str = "coupon", step: int = 0) -> Key:
    return Key(job, recipient, 0, step)


def send(recipient: str, job: str = "coupon", step: int = 0, *, state: str = "accepted", **fields: object) -> Send:
    """Claimed after ten seconds, unless it was not claimed at all."""
    row = Send(key=key(recipient, job, step), state=state, reason=None, due_at=None, cap_at=None, changed_at=at(11))
    claimed = {} if state in ("skipped", "cancelled", "queued", "failed") else {"cap_at": at(10)}
    return replace(row, **(claimed | fields))


def arrival(recipient: str, job: str = "coupon", step: int = 0, **fields: object) -> Arrival:
    code = CODES[recipient] if job == "coupon" else None
    row = Arrival(
        key=key(recipient, job, step),
        to=f"box-{recipient}@example.com",
        told=f"{job}/{recipient}/{step}",
        code=code,
        at=at(11),
        answered=True,
    )
    return replace(row, **fields)


def handed(name: str, *audience: str, **fields: object) -> Handed:
    row = Handed(
        name=name,
        audience=frozenset(audience),
        steps=1,
        counts=True,
        may_skip=False,
        has_coupons=False,
        ids=frozenset({f"job_{name}"}),
        at=at(0),
    )
    return replace(row, **fields)


def entry(recipient: str, job: str = "coupon", *, step: int = 0, ended: str | None = "done", **fields: object) -> Entry:
    return replace(Entry(key=EntryKey(job, recipient, 0), step=step, next_at=None, ended=ended), **fields)


def sound() -> Evidence:
    """Anna redeemed before her second mail; Bela left, waits for nothing more, and was skipped by the other job;
    of a mail of Carla's nobody knew, another comes tomorrow; Dora has hers; Emil never agreed; nobody knows Fred."""
    return Evidence(
        caps=(DAY,),
        told=Told(
            people=tuple(
                Person(id=id, agreed=id != "emil", bounces=False) for id in ("anna", "bela", "carla", "dora", "emil")
            ),
            jobs=(
                handed("coupon", "anna", "bela", steps=2, has_coupons=True),
                handed("news", "bela", "carla", "emil", "fred", strangers=frozenset({"fred"}), may_skip=True),
                handed("later", "carla", "dora"),
            ),
            redeemings=(Redeeming(code=CODES["anna"], tills=3, ids=("red_1",), answered_at=at(20)),),
            leavings=(Leaving(recipient="bela", answered_at=at(30)),),
        ),
        ledger=Ledger(
            at=at(100),
            jobs=("coupon", "news", "later"),
            unexpanded=(),
            entries=(
                entry("anna", step=1, ended="redeemed"),
                entry("bela", step=1),
                entry("bela", "news"),
                entry("carla", "news"),
                entry("emil", "news"),
                entry("carla", "later", ended=None),
                entry("dora", "later"),
            ),
            rejects=(Reject(job="news", recipient="fred"),),
            sends=(
                send("anna"),
                send("anna", step=1, state="cancelled", reason="redeemed"),
                send("bela"),
                send("bela", step=1, state="cancelled", reason="no_consent"),
                send("bela", "news", state="skipped", reason="cap:one a day"),
                send("carla", "news", reason="by_hand"),
                send("emil", "news", state="skipped", reason="no_consent"),
                send("carla", "later", state="queued", reason="cap:one a day", due_at=at(90_000)),
                send("dora", "later"),
            ),
            coupons=(
                Coupon(entry=EntryKey("coupon", "anna", 0), code=CODES["anna"], redeemed_at=at(19)),
                Coupon(entry=EntryKey("coupon", "bela", 0), code=CODES["bela"], redeemed_at=None),
            ),
            redemptions=(Redemption(id="red_1", code=CODES["anna"]),),
            claims=0,
        ),
        doubts=(send("carla", "news", state="in_doubt", reason="worker_lost"),),
        arrivals=(arrival("anna"), arrival("bela"), arrival("carla", "news"), arrival("dora", "later")),
        damage=Damage(kills={"worker-1": 1, "api-1": 1}, restarts=0, stopped={"api-1": 0}),
    )


def ledger(run: Evidence, **fields: object) -> Evidence:
    return replace(run, ledger=replace(run.ledger, **fields))


def changed(run: Evidence, which: Key, **fields: object) -> Evidence:
    """The run with one send otherwise than it was."""
    return ledger(run, sends=tuple(replace(s, **fields) if s.key == which else s for s in run.ledger.sends))


def without(run: Evidence, which: EntryKey) -> Evidence:
    return ledger(
        run,
        entries=tuple(e for e in run.ledger.entries if e.key != which),
        sends=tuple(s for s in run.ledger.sends if s.key.entry != which),
    )


def arrived(run: Evidence, *more: Arrival) -> Evidence:
    return replace(run, arrivals=(*run.arrivals, *more))


def told(run: Evidence, **fields: object) -> Evidence:
    return replace(run, told=replace(run.told, **fields))


def damage(run: Evidence, **fields: object) -> Evidence:
    return replace(run, damage=replace(run.damage, **fields))


def doubtful(run: Evidence, **fields: object) -> Evidence:
    return replace(run, doubts=tuple(replace(send, **fields) for send in run.doubts))


def entered(run: Evidence, which: EntryKey, **fields: object) -> Evidence:
    return ledger(run, entries=tuple(replace(e, **fields) if e.key == which else e for e in run.ledger.entries))


def jobs(run: Evidence, name: str, **fields: object) -> Evidence:
    return told(run, jobs=tuple(replace(job, **fields) if job.name == name else job for job in run.told.jobs))


def test_a_sound_run_keeps_every_promise() -> None:
    assert [line for lines in findings(sound()).values() for line in lines] == []


Forgery = Callable[[Evidence], Evidence]

FORGERIES: dict[str, tuple[str, Forgery]] = {
    "a job that is there twice": (
        "jobs are accepted once",
        lambda run: ledger(run, jobs=(*run.ledger.jobs, "news")),
    ),
    "a job that is gone": ("jobs are accepted once", lambda run: ledger(run, jobs=("coupon", "news"))),
    "a job that nobody handed in": (
        "jobs are accepted once",
        lambda run: ledger(run, jobs=(*run.ledger.jobs, "ghost")),
    ),
    "one key with two answers": (
        "jobs are accepted once",
        lambda run: jobs(run, "news", ids=frozenset({"job_1", "job_2"})),
    ),
    "a job that was not expanded": ("jobs are accepted once", lambda run: ledger(run, unexpanded=("news",))),
    "a lost recipient": ("nobody is lost", lambda run: without(run, EntryKey("later", "dora", 0))),
    "a recipient of no audience": (
        "nobody is lost",
        lambda run: jobs(run, "later", audience=frozenset({"carla"})),
    ),
    "a lost stranger": ("nobody is lost", lambda run: ledger(run, rejects=())),
    "a stranger rejected twice": (
        "nobody is lost",
        lambda run: ledger(run, rejects=run.ledger.rejects * 2),
    ),
    "a known person rejected": (
        "nobody is lost",
        lambda run: ledger(run, rejects=(*run.ledger.rejects, Reject(job="news", recipient="carla"))),
    ),
    "an entry that is there twice": (
        "nobody is lost",
        lambda run: ledger(run, entries=(*run.ledger.entries, entry("dora", "later"))),
    ),
    "a step without a row": (
        "every step has one outcome",
        lambda run: ledger(run, sends=tuple(s for s in run.ledger.sends if s.key != key("anna", step=1))),
    ),
    "a step with two rows": (
        "every step has one outcome",
        lambda run: ledger(run, sends=(*run.ledger.sends, send("dora", "later"))),
    ),
    "a send stuck in sending": (
        "every step has one outcome",
        lambda run: changed(run, key("dora", "later"), state="sending"),
    ),
    "a send that was due": (
        "every step has one outcome",
        lambda run: changed(run, key("carla", "later"), due_at=at(99)),
    ),
    "an entry for which nothing waits": (
        "every step has one outcome",
        lambda run: changed(run, key("carla", "later"), state="failed", due_at=None),
    ),
    "an entry that ended while its message waits": (
        "every step has one outcome",
        lambda run: entered(run, EntryKey("later", "carla", 0), ended="done"),
    ),
    "an entry whose next step is overdue": (
        "every step has one outcome",
        lambda run: entered(run, EntryKey("later", "dora", 0), ended=None, next_at=at(50)),
    ),
    "sends of nobody": (
        "every step has one outcome",
        lambda run: ledger(run, sends=(*run.ledger.sends, send("zoe", "later"))),
    ),
    "a claim that was left": ("every step has one outcome", lambda run: ledger(run, claims=1)),
    "a refusal to write to somebody who agreed": (
        "reasons are true",
        lambda run: changed(run, key("dora", "later"), state="skipped", reason="no_consent"),
    ),
    "a failure of a good address": (
        "reasons are true",
        lambda run: changed(run, key("dora", "later"), state="failed", reason="4.3.0"),
    ),
    "a cap that skips in a job that waits": (
        "reasons are true",
        lambda run: changed(run, key("dora", "later"), state="skipped", reason="cap:one a day"),
    ),
    "a cap that was not full": (
        "reasons are true",
        lambda run: told(
            changed(changed(run, key("bela"), cap_at=None), key("bela", step=1), cap_at=None), leavings=()
        ),
    ),
    "an expiry that nobody asked for": (
        "reasons are true",
        lambda run: changed(run, key("dora", "later"), state="expired"),
    ),
    "a message that was to go out again and did not": (
        "reasons are true",
        lambda run: changed(run, key("carla", "news"), state="cancelled", reason="completed", cap_at=None),
    ),
    "a doubled mail": ("nothing arrives twice", lambda run: arrived(run, arrival("dora", "later"))),
    "a mail of another's text": (
        "mails are what they say",
        lambda run: arrived(run, arrival("anna", step=1, told="coupon/bela/1")),
    ),
    "a mail in another's box": (
        "mails are what they say",
        lambda run: arrived(run, arrival("anna", step=1, to="box-bela@example.com")),
    ),
    "an accepted mail that never came": (
        "accepted means arrived",
        lambda run: replace(run, arrivals=run.arrivals[:-1]),
    ),
    "a mail that came and is still queued": (
        "accepted means arrived",
        lambda run: arrived(run, arrival("carla", "later")),
    ),
    "a mail that the ledger does not know": (
        "accepted means arrived",
        lambda run: arrived(run, arrival("anna", "news", code=None)),
    ),
    "a doubt without a loss": ("doubt has a cause", lambda run: damage(run, kills={"worker-1": 0, "api-1": 1})),
    "a doubt without a drop": (
        "doubt has a cause",
        lambda run: doubtful(run, reason="connection-lost"),
    ),
    "a doubt of an unknown kind": (
        "doubt has a cause",
        lambda run: doubtful(run, reason="adapter-bug"),
    ),
    "a doubt that nobody can end": (
        "doubt has a cause",
        lambda run: changed(run, key("carla", "news"), state="in_doubt"),
    ),
    "a broken cap": (
        "caps hold",
        lambda run: changed(run, key("bela", step=1), state="accepted", cap_at=at(86_409)),
    ),
    "a mail without a slot": (
        "mail keeps to the caps",
        lambda run: changed(run, key("dora", "later"), cap_at=None),
    ),
    "a mail before its claim": (
        "mail keeps to the caps",
        lambda run: changed(run, key("dora", "later"), cap_at=at(12)),
    ),
    "more mail than the cap, whatever the ledger says": (
        "mail keeps to the caps",
        lambda run: arrived(changed(run, key("anna", step=1), cap_at=at(10)), arrival("anna", step=1)),
    ),
    "a doubled coupon": (
        "coupons are single",
        lambda run: ledger(run, coupons=(*run.ledger.coupons, replace(run.ledger.coupons[0], code="OTHERCODE222"))),
    ),
    "a code for two": (
        "coupons are single",
        lambda run: ledger(run, coupons=tuple(replace(c, code=CODES["anna"]) for c in run.ledger.coupons)),
    ),
    "a mail with another's code": (
        "coupons are single",
        lambda run: replace(run, arrivals=(replace(run.arrivals[0], code=CODES["bela"]), *run.arrivals[1:])),
    ),
    "a code where none was promised": (
        "coupons are single",
        lambda run: replace(run, arrivals=(*run.arrivals[:-1], replace(run.arrivals[-1], code=CODES["bela"]))),
    ),
    "two redemptions of a code": (
        "codes are redeemed once",
        lambda run: ledger(run, redemptions=(*run.ledger.redemptions, Redemption(id="red_2", code=CODES["anna"]))),
    ),
    "two tills that were told yes": (
        "codes are redeemed once",
        lambda run: told(run, redeemings=(replace(run.told.redeemings[0], ids=("red_1", "red_2")),)),
    ),
    "no till that was told yes": (
        "codes are redeemed once",
        lambda run: told(run, redeemings=(replace(run.told.redeemings[0], ids=()),)),
    ),
    "a redemption that was forgotten": ("codes are redeemed once", lambda run: ledger(run, redemptions=())),
    "a redemption that nobody asked for": ("codes are redeemed once", lambda run: told(run, redeemings=())),
    "a coupon that does not know of its redemption": (
        "codes are redeemed once",
        lambda run: ledger(run, coupons=tuple(replace(c, redeemed_at=None) for c in run.ledger.coupons)),
    ),
    "a reminder after the redemption": (
        "redeemed entries rest",
        lambda run: changed(run, key("anna", step=1), state="accepted", cap_at=at(19.000001)),
    ),
    "a reminder that still waits": (
        "redeemed entries rest",
        lambda run: changed(run, key("anna", step=1), state="queued", due_at=at(200)),
    ),
    "a claim after the way out": (
        "who left is left alone",
        lambda run: changed(run, key("bela", step=1), state="accepted", cap_at=at(30.000001)),
    ),
    "a message that waits after the way out": (
        "who left is left alone",
        lambda run: changed(run, key("bela", step=1), state="queued", due_at=at(200)),
    ),
    "an answer of a broken gateway": ("answers make sense", lambda run: told(run, faults={"500 to POST /jobs": 2})),
    "a process that ends badly": ("processes behave", lambda run: damage(run, stopped={"api-1": -9})),
    "an orphan": ("processes behave", lambda run: damage(run, left_behind=1)),
    "a process that ends by itself": ("processes behave", lambda run: damage(run, ended={"clock-1": 1})),
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_a_forgery_is_caught(forgery: str) -> None:
    promise, forge = FORGERIES[forgery]
    assert findings(forge(sound()))[promise] != []


def test_every_promise_has_a_forgery() -> None:
    assert {promise for promise, _ in FORGERIES.values()} == set(CHECKS)


def test_a_second_mail_by_choice_is_no_finding() -> None:
    run = told(arrived(sound(), arrival("carla", "news")), retried={str(key("carla", "news")): 1})
    assert findings(run)["nothing arrives twice"] == []


def test_caps_are_counted_in_windows_that_roll() -> None:
    run = changed(replace(sound(), caps=(MINUTE,)), key("bela", step=1), cap_at=at(70))
    assert findings(run)["caps hold"] == []
    assert findings(changed(run, key("bela", step=1), cap_at=at(69.999999)))["caps hold"] != []


def test_a_seed_gives_its_plan_again_and_another_gives_another() -> None:
    assert plan(3, "postgres") == plan(3, "postgres")
    assert plan(3, "postgres").events != plan(4, "postgres").events


def test_a_plan_kills_every_process_and_restarts_the_database_in_both_ways() -> None:
    events = plan(3, "postgres", kills=24).events
    assert {event.slot for event in events if isinstance(event, Kill)} == set(SLOTS)
    assert sum(isinstance(event, Kill) for event in events) == 24
    assert sorted(event.mode for event in events if isinstance(event, Restart)) == ["fast", "immediate"]
    assert API in {event.slot for event in events if isinstance(event, Kill)}
