"""The people of a job by arm: who is in one, whose time is over, and what they did in it."""

import random
from collections import defaultdict
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import pytest

from gateway.domain.job import Goal
from gateway.storage import lift
from gateway.storage.database import Database
from gateway.storage.tables import activities, entries, recipients, sends

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(microseconds=1)
GOAL = Goal(activity="purchase", within=30 * DAY)
JOB, OTHER_JOB = 7, 8


class Ground:
    """A ledger written row by row, as planning writes it."""

    def __init__(self, db: Database) -> None:
        self._db = db
        self._people = 0
        self._activities = 0

    def person(
        self,
        *,
        arm: str = "test",
        entered_at: datetime = NOW - 60 * DAY,
        state: str = "accepted",
        reason: str | None = None,
        decided_later: timedelta = timedelta(0),
        job: int = JOB,
        run: int = 0,
        id: int | None = None,
    ) -> int:
        """Somebody in the job, with the send of its first step."""
        if id is None:
            self._people += 1
            id = self._people
        key: dict[str, Any] = {"job_id": job, "recipient_id": id, "run": run, "step": 0, "shard": id % 64}
        with self._db.transaction() as tx:
            if run == 0 and job == JOB:
                person = {"id": id, "external_id": f"c-{id}", "name": "Ζωή", "attributes": {}}
                tx.execute(recipients.insert().values(**person, created_at=NOW, updated_at=NOW))
            tx.execute(entries.insert().values(**key, entered_at=entered_at, route=0, arm=arm))
            send = key | {"channel": "email", "purpose": "marketing", "lane": 1, "tries": 0}
            changed_at = entered_at + decided_later
            tx.execute(sends.insert().values(**send, state=state, reason=reason, changed_at=changed_at))
        return id

    def held_out(self, reason: str = "holdout", **fields: Any) -> int:
        return self.person(arm="holdout", state="skipped", reason=reason, **fields)

    def did(
        self, person: int, at: datetime, amount_minor: int | None = None, currency: str | None = None, **fields: Any
    ) -> None:
        self._activities += 1
        row = {"recipient_id": person, "kind": "purchase", "at": at, "external_id": f"a-{self._activities}", "data": {}}
        with self._db.transaction() as tx:
            tx.execute(activities.insert().values(row | {"amount_minor": amount_minor, "currency": currency} | fields))

    def people(self, now: datetime = NOW, goal: Goal = GOAL) -> dict[str, tuple[int, int, int]]:
        """(people, still open, converted) by arm."""
        with self._db.snapshot() as tx:
            found = lift.people(tx, JOB, goal, now)
        return {row.arm: (int(row.people), int(row.still_open), int(row.converted)) for row in found}

    def spending(self, now: datetime = NOW) -> dict[tuple[str, str | None], tuple[int, int, float]]:
        """(buyers, total, squares) by arm and currency."""
        with self._db.snapshot() as tx:
            found = lift.spending(tx, JOB, GOAL, now)
        return {(row.arm, row.currency): (row.buyers, int(row.total_minor), row.squares) for row in found}


@pytest.fixture
def ground(db: Database) -> Ground:
    return Ground(db)


def test_a_job_without_people_has_no_arms(ground: Ground) -> None:
    ground.person(job=OTHER_JOB)
    assert (ground.people(), ground.spending()) == ({}, {})


def test_each_arm_counts_its_own_people_and_what_they_did(ground: Ground) -> None:
    for _ in range(3):
        ground.did(ground.person(), NOW - 50 * DAY, 1000, "EUR")
    ground.person()
    ground.did(ground.held_out(), NOW - 50 * DAY, 400, "EUR")
    ground.held_out()
    ground.held_out("holdout:global")
    assert ground.people() == {"test": (4, 0, 3), "holdout": (2, 0, 1), "holdout:global": (1, 0, 0)}
    assert ground.spending() == {("test", "EUR"): (3, 3000, 3e6), ("holdout", "EUR"): (1, 400, 160_000.0)}


@pytest.mark.parametrize(
    "reason",
    ["erased", "no_address", "suppressed", "no_consent", "no_consent:paused", "not_cleared:rpo", "not_cleared"],
)
def test_whom_no_arm_could_have_reached_is_in_none(ground: Ground, reason: str) -> None:
    ground.did(ground.person(state="skipped", reason=reason), NOW - 50 * DAY, 1000, "EUR")
    ground.held_out()
    assert ground.people() == {"holdout": (1, 0, 0)}
    assert ground.spending() == {}


@pytest.mark.parametrize("reason", ["condition", "cap:two-a-week", "quiet_hours", "expired", "no_consentx", None])
def test_whom_we_decided_not_to_reach_after_chance_had_spoken_stays_in(ground: Ground, reason: str | None) -> None:
    ground.person(state="skipped", reason=reason)
    assert ground.people() == {"test": (1, 0, 0)}


def test_who_withdrew_while_the_message_waited_stays_in(ground: Ground) -> None:
    ground.person(state="skipped", reason="no_consent", decided_later=timedelta(minutes=1))
    assert ground.people() == {"test": (1, 0, 0)}


@pytest.mark.parametrize("state", ["failed", "bounced", "cancelled", "in_doubt", "queued"])
def test_who_was_not_reached_stays_in(ground: Ground, state: str) -> None:
    ground.person(state=state)
    assert ground.people() == {"test": (1, 0, 0)}


@pytest.mark.parametrize(
    ("after", "counts"),
    [
        (-TICK, False),
        (timedelta(0), True),
        (30 * DAY - TICK, True),
        (30 * DAY, False),
    ],
)
def test_only_what_is_done_between_the_entry_and_the_end_of_the_time_counts(
    ground: Ground, after: timedelta, counts: bool
) -> None:
    entered = NOW - 60 * DAY
    ground.did(ground.person(entered_at=entered), entered + after, 1000, "EUR")
    assert ground.people() == {"test": (1, 0, int(counts))}
    assert bool(ground.spending()) == counts


def test_whose_time_is_not_over_is_counted_apart_until_it_is(ground: Ground) -> None:
    ground.did(ground.person(entered_at=NOW - 30 * DAY + TICK), NOW - 20 * DAY, 1000, "EUR")
    ground.held_out(entered_at=NOW - 30 * DAY)
    assert ground.people() == {"test": (0, 1, 0), "holdout": (1, 0, 0)}
    assert ground.spending() == {}
    assert ground.people(NOW + TICK) == {"test": (1, 0, 1), "holdout": (1, 0, 0)}
    assert ground.spending(NOW + TICK) == {("test", "EUR"): (1, 1000, 1e6)}


def test_something_else_that_was_done_does_not_count(ground: Ground) -> None:
    ground.did(ground.person(), NOW - 50 * DAY, 1000, "EUR", kind="visit")
    assert ground.people() == {"test": (1, 0, 0)}
    assert ground.people(goal=Goal(activity="visit")) == {"test": (1, 0, 1)}


def test_who_buys_twice_is_one_buyer_with_one_square(ground: Ground) -> None:
    buyer = ground.person()
    for at in (NOW - 50 * DAY, NOW - 40 * DAY):
        ground.did(buyer, at, 300, "EUR")
    ground.did(buyer, NOW - 40 * DAY, 50, "PLN")
    ground.did(buyer, NOW - 40 * DAY, -100, None)
    ground.did(buyer, NOW - 40 * DAY)
    assert ground.people() == {"test": (1, 0, 1)}
    assert ground.spending() == {
        ("test", "EUR"): (1, 600, 360_000.0),
        ("test", "PLN"): (1, 50, 2500.0),
        ("test", None): (1, -100, 10_000.0),
    }


def test_who_entered_twice_counts_with_the_first_time(ground: Ground) -> None:
    buyer = ground.person()
    ground.person(id=buyer, run=1, entered_at=NOW - 45 * DAY)
    ground.did(buyer, NOW - 44 * DAY, 1000, "EUR")
    assert ground.people() == {"test": (1, 0, 1)}
    assert ground.spending() == {("test", "EUR"): (1, 1000, 1e6)}


def test_the_squares_of_very_large_sums_do_not_overflow(ground: Ground) -> None:
    for _ in range(2):
        ground.did(ground.person(), NOW - 50 * DAY, 10**12, "VND")
    [(buyers, total_minor, squares)] = ground.spending().values()
    assert (buyers, total_minor) == (2, 2 * 10**12)
    assert squares == pytest.approx(2e24)


def test_the_last_to_enter_is_told(ground: Ground, db: Database) -> None:
    for days in (60, 31, 45):
        ground.person(entered_at=NOW - days * DAY)
    with db.snapshot() as tx:
        [row] = lift.people(tx, JOB, GOAL, NOW)
    assert row.last_entered_at == NOW - 31 * DAY


def test_only_a_job_with_somebody_in_the_other_arm_holds_out(ground: Ground, db: Database) -> None:
    ground.person()
    ground.held_out(job=OTHER_JOB, id=1)
    with db.snapshot() as tx:
        assert (lift.holds_out(tx, JOB), lift.holds_out(tx, OTHER_JOB)) == (False, True)


class Drawn(NamedTuple):
    arm: str
    entered_at: datetime
    is_eligible: bool
    bought: list[tuple[datetime, int, str | None]]


def draw(ground: Ground, chance: random.Random) -> Drawn:
    entered_at = NOW - chance.choice([10, 29, 30, 31, 60]) * DAY
    reason = chance.choice(["holdout", "holdout:global", "no_consent", "suppressed", None, None, None])
    held = reason is not None and reason.startswith("holdout")
    if held:
        id = ground.held_out(reason or "", entered_at=entered_at)
    else:
        id = ground.person(entered_at=entered_at, state="skipped" if reason else "accepted", reason=reason)
    bought = [
        (
            entered_at + chance.choice([-1, 0, 1, 29, 30, 31]) * DAY,
            chance.randrange(-50, 5000),
            chance.choice(["EUR", "USD", None]),
        )
        for _ in range(chance.choice([0, 0, 1, 2]))
    ]
    for at, amount, currency in bought:
        ground.did(id, at, amount, currency)
    return Drawn(str(reason) if held else "test", entered_at, reason is None or held, bought)


def counted(drawn: list[Drawn], is_in: Callable[[Drawn], bool]) -> dict[str, int]:
    counts: dict[str, int] = defaultdict(int)
    for each in drawn:
        counts[each.arm] += each.is_eligible and is_in(each)
    return counts


def test_the_database_counts_what_a_count_by_hand_gives(ground: Ground) -> None:
    chance = random.Random(1998)
    drawn = [draw(ground, chance) for _ in range(150)]

    def is_over(each: Drawn) -> bool:
        return each.entered_at + GOAL.within <= NOW

    def in_time(each: Drawn) -> list[tuple[datetime, int, str | None]]:
        return [row for row in each.bought if each.entered_at <= row[0] < each.entered_at + GOAL.within]

    people = counted(drawn, is_over)
    still_open = counted(drawn, lambda each: not is_over(each))
    converted = counted(drawn, lambda each: is_over(each) and bool(in_time(each)))
    assert ground.people() == {arm: (people[arm], still_open[arm], converted[arm]) for arm in people}
    spent: dict[tuple[str, str | None], list[int]] = defaultdict(list)
    for each in drawn:
        if each.is_eligible and is_over(each):
            for currency in {row[2] for row in in_time(each)}:
                spent[each.arm, currency].append(sum(row[1] for row in in_time(each) if row[2] == currency))
    assert len(spent) > 5
    assert ground.spending() == {
        place: (len(sums), sum(sums), float(sum(one * one for one in sums))) for place, sums in spent.items()
    }
