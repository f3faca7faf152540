"""The promises, each as a question to the evidence. A check yields its findings, one sentence each.

Each knows nothing of how the gateway came to its state: it counts people, mails and instants.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from math import inf
from typing import Final

from tests.acceptance.chaos.evidence import Cap, EntryKey, Evidence, Key, Send

SENT: Final = frozenset({"accepted", "delivered", "bounced", "returned"})
NOT_SENT: Final = frozenset({"failed", "skipped", "cancelled", "expired"})
DECIDED: Final = SENT | NOT_SENT | {"in_doubt"}

Check = Callable[[Evidence], Iterator[str]]


def jobs_are_accepted_once(run: Evidence) -> Iterator[str]:
    there = Counter(run.ledger.jobs)
    for job in run.told.jobs:
        if there[job.name] != 1:
            yield f"{job.name}: was handed in once, and is there {there[job.name]} times"
        if len(job.ids) != 1:
            yield f"{job.name}: one key was answered with {len(job.ids)} ids"
    for name in there.keys() - {job.name for job in run.told.jobs}:
        yield f"{name}: nobody has handed it in"
    for name in run.ledger.unexpanded:
        yield f"{name}: was never expanded"


def nobody_is_lost(run: Evidence) -> Iterator[str]:
    """The audience is who entered and who was rejected, each once."""
    entered = Counter(entry.key for entry in run.ledger.entries)
    rejected = Counter((reject.job, reject.recipient) for reject in run.ledger.rejects)
    expected = {EntryKey(job.name, id, 0) for job in run.told.jobs for id in job.audience - job.strangers}
    strangers = {(job.name, id) for job in run.told.jobs for id in job.strangers}
    yield from (f"{key}: never entered" for key in sorted(expected - entered.keys()))
    yield from (f"{key}: entered, and is not of the audience" for key in sorted(entered.keys() - expected))
    yield from (f"{key}: entered {count} times" for key, count in entered.items() if count > 1)
    yield from (f"{job}/{id}: is unknown, and was not rejected" for job, id in sorted(strangers - rejected.keys()))
    yield from (f"{job}/{id}: was rejected" for job, id in sorted(rejected.keys() - strangers))
    yield from (f"{job}/{id}: was rejected {count} times" for (job, id), count in rejected.items() if count > 1)


def every_step_has_one_outcome(run: Evidence) -> Iterator[str]:
    """One row for each step that an entry came to, final or legally waiting; and the entry agrees with it."""
    steps: dict[EntryKey, Counter[int]] = defaultdict(Counter)
    of_step: dict[tuple[EntryKey, int], Send] = {}
    for send in run.ledger.sends:
        steps[send.key.entry][send.key.step] += 1
        of_step[send.key.entry, send.key.step] = send
        yield from _stuck(send, run.ledger.at)
    for entry in run.ledger.entries:
        rows = steps.pop(entry.key, Counter[int]())
        if rows != Counter(range(entry.step + 1)):
            yield f"{entry.key}: is at step {entry.step}, and has rows for the steps {sorted(rows.elements())}"
            continue
        waits = of_step[entry.key, entry.step].state not in DECIDED
        is_next = entry.next_at is not None and entry.next_at > run.ledger.at
        if entry.ended is not None and (waits or entry.next_at is not None):
            yield f"{entry.key}: has ended ({entry.ended}), and something of it still waits"
        if entry.ended is None and waits == is_next:
            yield f"{entry.key}: goes on, and {'two things wait' if waits else 'nothing waits'} for it"
    yield from (f"{key}: has sends, and never entered" for key in steps)
    if run.ledger.claims:
        yield f"{run.ledger.claims} claims are left"


def _stuck(send: Send, at: datetime) -> Iterator[str]:
    if send.state in DECIDED:
        return
    if send.state != "queued":
        yield f"{send.key}: is stuck in {send.state}"
    elif send.due_at is None or send.due_at <= at:
        yield f"{send.key}: was due at {send.due_at}, and is still queued ({send.reason})"


def reasons_are_true(run: Evidence) -> Iterator[str]:
    """Whoever was not written to has a reason that holds."""
    people = {person.id: person for person in run.told.people}
    gone = {leaving.recipient for leaving in run.told.leavings}
    redeemed = {coupon.entry for coupon in run.ledger.coupons if coupon.redeemed_at is not None}
    may_skip = {job.name for job in run.told.jobs if job.may_skip}
    others = Counter(send.key.recipient for send in run.ledger.sends if send.cap_at or send.state == "queued")
    most = {cap.name: cap.max for cap in run.caps}
    for send in run.ledger.sends:
        if send.state not in NOT_SENT:
            continue
        person, reason = people[send.key.recipient], send.reason or ""
        match send.state, reason.partition(":")[0]:
            case "skipped" | "cancelled", "no_consent":
                holds = not person.agreed or person.id in gone
            case ("failed", _) | ("skipped", "suppressed"):
                holds = person.bounces
            case ("cancelled", "redeemed") | ("skipped", "condition"):
                holds = send.key.entry in redeemed
            case "skipped", "cap":
                name = reason.partition(":")[2]
                may_give_back = person.id in gone or person.bounces
                holds = send.key.job in may_skip and (others[person.id] >= most.get(name, inf) or may_give_back)
            case _:
                holds = False
        if not holds:
            yield f"{send.key}: {send.state} ({send.reason}), which cannot be"


def nothing_arrives_twice(run: Evidence) -> Iterator[str]:
    """But for what somebody chose to send again."""
    for key, count in Counter(arrival.key for arrival in run.arrivals).items():
        if count > 1 + run.told.retried.get(str(key), 0):
            yield f"{key}: arrived {count} times"


def mails_are_what_they_say(run: Evidence) -> Iterator[str]:
    """A mail went to the person whom its id, its text and its envelope name, all the same."""
    for arrival in run.arrivals:
        key = arrival.key
        named, addressed = f"{key.job}/{key.recipient}/{key.step}", f"box-{key.recipient}@example.com"
        if (arrival.told, arrival.to) != (named, addressed):
            yield f"{key}: its text is for {arrival.told}, and it went to {arrival.to}"


def accepted_means_arrived(run: Evidence) -> Iterator[str]:
    """What is on record as sent is at the mail server; what is there and not on record is in doubt."""
    arrived = {arrival.key for arrival in run.arrivals}
    states = {send.key: send.state for send in run.ledger.sends}
    for key, state in states.items():
        if state in SENT and key not in arrived:
            yield f"{key}: is {state}, and never arrived"
    for key in arrived:
        state = states.get(key, "not there")
        if state not in SENT and state != "in_doubt" and str(key) not in run.told.retried:
            yield f"{key}: arrived, and is {state}"


def doubt_has_a_cause(run: Evidence) -> Iterator[str]:
    """Only what was in flight when a process was lost, or its answer was, can be in doubt."""
    reasons = Counter(send.reason for send in run.doubts)
    yield from (f"{count} are in doubt for {reason}" for reason, count in reasons.items() if reason not in _CAUSES)
    lost = sum(count for slot, count in [*run.damage.kills.items(), *run.damage.ended.items()] if "worker" in slot)
    # After a restart of the database a worker may find its lease over, too.
    workers = sum("worker" in slot for slot in run.damage.kills)
    most = run.window * (lost + workers * run.damage.restarts)
    if reasons["worker_lost"] > most:
        yield f"{reasons['worker_lost']} are in doubt for worker_lost; the windows in flight held at most {most}"
    dropped = sum(not arrival.answered for arrival in run.arrivals)
    if reasons["connection-lost"] > dropped:
        yield f"{reasons['connection-lost']} are in doubt for connection-lost, and {dropped} connections were dropped"
    for send in run.ledger.sends:
        if send.state == "in_doubt":
            yield f"{send.key}: was settled by a person, and is in doubt ({send.reason})"


_CAUSES: Final = frozenset({"worker_lost", "connection-lost", "no-answer"})


def caps_hold(run: Evidence) -> Iterator[str]:
    """By brute force: no window of a cap's length, wherever it lies, holds more than the cap."""
    counting = {job.name for job in run.told.jobs if job.counts}
    claimed: dict[str, list[datetime]] = defaultdict(list)
    for send in run.ledger.sends:
        if send.key.job in counting and send.cap_at is not None:
            claimed[send.key.recipient].append(send.cap_at)
    for recipient, instants in claimed.items():
        for cap in run.caps:
            yield from _broken(recipient, cap, sorted(instants))


def _broken(recipient: str, cap: Cap, instants: Sequence[datetime]) -> Iterator[str]:
    for first, over in zip(instants, instants[cap.max :], strict=False):
        if over - first < cap.window:
            yield f"{recipient}: {cap.max + 1} within {over - first}, at {first}; the cap {cap.name} is {cap.max}"


def mail_keeps_to_the_caps(run: Evidence) -> Iterator[str]:
    """The same without trust in the ledger: each mail came after its claim, and long windows hold as mail came."""
    counting = {job.name for job in run.told.jobs if job.counts}
    claimed_at = {send.key: send.cap_at for send in run.ledger.sends}
    came: dict[str, dict[Key, datetime]] = defaultdict(dict)
    for arrival in run.arrivals:
        if arrival.key.job not in counting:
            continue
        came[arrival.key.recipient].setdefault(arrival.key, arrival.at)
        spent_at = claimed_at.get(arrival.key)
        if spent_at is None:
            yield f"{arrival.key}: arrived at {arrival.at}, and holds no slot"
        elif arrival.at < spent_at and str(arrival.key) not in run.told.retried:
            yield f"{arrival.key}: arrived at {arrival.at}, before its claim at {spent_at}"
    span = _span(run)
    for recipient, mails in came.items():
        for cap in run.caps:
            if cap.window > span and len(mails) > cap.max:
                yield f"{recipient}: got {len(mails)} mails in {span}; the cap {cap.name} is {cap.max}"


def _span(run: Evidence) -> timedelta:
    return run.ledger.at - min((job.at for job in run.told.jobs), default=run.ledger.at)


def coupons_are_single(run: Evidence) -> Iterator[str]:
    """One code an entry, the same in all its mails; one entry a code."""
    codes = Counter(coupon.code for coupon in run.ledger.coupons)
    yield from (f"{code}: was given to {count} entries" for code, count in codes.items() if count > 1)
    entries = Counter(coupon.entry for coupon in run.ledger.coupons)
    yield from (f"{entry}: has {count} coupons" for entry, count in entries.items() if count > 1)
    of_entry = {coupon.entry: coupon.code for coupon in run.ledger.coupons}
    with_coupons = {job.name for job in run.told.jobs if job.has_coupons}
    for arrival in run.arrivals:
        expected = of_entry.get(arrival.key.entry) if arrival.key.job in with_coupons else None
        if arrival.code != expected:
            yield f"{arrival.key}: shows the code {arrival.code}, and its entry has {expected}"


def codes_are_redeemed_once(run: Evidence) -> Iterator[str]:
    """Of several tills at once exactly one is told yes, and that is what the ledger has."""
    by_code: dict[str, list[str]] = defaultdict(list)
    for redemption in run.ledger.redemptions:
        by_code[redemption.code].append(redemption.id)
    yield from (f"{code}: redeemed {len(ids)} times" for code, ids in by_code.items() if len(ids) > 1)
    marked = {coupon.code for coupon in run.ledger.coupons if coupon.redeemed_at is not None}
    yield from (f"{code}: redeemed, and its coupon does not say so" for code in by_code.keys() - marked)
    yield from (f"{code}: the coupon is redeemed, and there is no redemption" for code in marked - by_code.keys())
    for each in run.told.redeemings:
        if len(each.ids) != 1:
            yield f"{each.code}: {len(each.ids)} of {each.tills} tills were told that it is theirs"
        if set(each.ids) - set(by_code[each.code]):
            yield f"{each.code}: a till was told of a redemption that is not there"
    for code in {redemption.code for redemption in run.ledger.redemptions} - {
        each.code for each in run.told.redeemings
    }:
        yield f"{code}: redeemed, and no till was told"


def redeemed_entries_rest(run: Evidence) -> Iterator[str]:
    """After its redemption nothing of an entry is claimed: only what was in flight can still arrive."""
    redeemed = {coupon.entry: coupon.redeemed_at for coupon in run.ledger.coupons if coupon.redeemed_at is not None}
    for send in run.ledger.sends:
        at = redeemed.get(send.key.entry)
        if at is not None and send.cap_at is not None and send.cap_at > at:
            yield f"{send.key}: claimed at {send.cap_at}, after the redemption at {at}"
        if at is not None and send.state == "queued":
            yield f"{send.key}: still queued after the redemption at {at}"


def who_left_is_left_alone(run: Evidence) -> Iterator[str]:
    """From the answer on, nobody who unsubscribed is claimed for what they left."""
    left = {each.recipient: each.answered_at for each in run.told.leavings if each.answered_at is not None}
    marketing = {job.name for job in run.told.jobs if job.counts}
    for send in run.ledger.sends:
        at = left.get(send.key.recipient)
        if at is None or send.key.job not in marketing:
            continue
        if send.cap_at is not None and send.cap_at > at:
            yield f"{send.key}: claimed at {send.cap_at}; the way out was answered at {at}"
        if send.state == "queued":
            yield f"{send.key}: still queued; the way out was answered at {at}"


def answers_make_sense(run: Evidence) -> Iterator[str]:
    """Whoever cannot be answered now is told so (503), or not answered at all."""
    yield from (f"answered {fault}, {count} times" for fault, count in run.told.faults.items())


def processes_behave(run: Evidence) -> Iterator[str]:
    """They end when told to, take along what they started, and while the database is there they don't end else."""
    for slot, code in run.damage.stopped.items():
        if code != 0:
            yield f"{slot}: ended with {code} after SIGTERM"
    if run.damage.left_behind:
        yield f"{run.damage.left_behind} processes outlive the one that started them"
    for slot, count in run.damage.ended.items():
        if not run.damage.restarts:
            yield f"{slot}: ended {count} times by itself"


CHECKS: Final[Mapping[str, Check]] = {
    "jobs are accepted once": jobs_are_accepted_once,
    "nobody is lost": nobody_is_lost,
    "every step has one outcome": every_step_has_one_outcome,
    "reasons are true": reasons_are_true,
    "nothing arrives twice": nothing_arrives_twice,
    "mails are what they say": mails_are_what_they_say,
    "accepted means arrived": accepted_means_arrived,
    "doubt has a cause": doubt_has_a_cause,
    "caps hold": caps_hold,
    "mail keeps to the caps": mail_keeps_to_the_caps,
    "coupons are single": coupons_are_single,
    "codes are redeemed once": codes_are_redeemed_once,
    "redeemed entries rest": redeemed_entries_rest,
    "who left is left alone": who_left_is_left_alone,
    "answers make sense": answers_make_sense,
    "processes behave": processes_behave,
}


def findings(run: Evidence) -> dict[str, list[str]]:
    """What each promise has against the run; all lists are empty where all hold."""
    return {promise: list(check(run)) for promise, check in CHECKS.items()}
