"""Every order in which two workers, a lost lease, the reaper and a redemption can meet at one message.

A walk over all of them: each step is undone by its savepoint before the next order is tried. Whatever the order, the
provider is called once at most, and the ledger says so.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import NamedTuple

import pytest
from sqlalchemy import func, select

from gateway.contract import Failure, Outcome, OutcomeUnknown
from gateway.domain.lanes import URGENT
from gateway.domain.states import State
from gateway.domain.words import SendKey, shard_of
from gateway.services import reap, record, redeem
from gateway.services.claim import Claim, claim
from gateway.services.record import Answered
from gateway.storage import claims, clock, coupons, sends
from gateway.storage.database import Database, Transaction
from gateway.storage.tables import attempts
from tests.builders import LEASE, World, cap, installation, step

ADA = {"kind": "ids", "ids": ["ada"]}


class Seen(NamedTuple):
    """What happened so far, outside the database."""

    claims: Mapping[str, Claim] = {}
    calls: int = 0
    """How often the provider was called."""
    called_by: frozenset[str] = frozenset()
    recorded: frozenset[str] = frozenset()
    redeemed: bool = False
    calls_when_redeemed: int = 0


Act = Callable[[Transaction, Seen], Seen]


class Play:
    """One message to one person, and everybody's lines in their order."""

    def __init__(self, world: World, channel: str, outcome: Failure | None, *, dies: bool) -> None:
        self.house, self.channel, self.outcome = world.house, channel, outcome
        job_id = world.run(step(channels=[channel], text="{{ coupon.code }}"), offer="w15", audience=ADA)
        self.key: SendKey = world.key(job_id, "ada", channel=channel)
        take, start, keep = self._worker("b")
        self.lines: dict[str, list[Act]] = {
            # The first worker may be gone behind any of its lines; the second takes and starts in one go.
            "a": self._worker("a")[: 2 if dies else 3],
            "b": [lambda tx, seen: start(tx, take(tx, seen)), keep],
            "lease": [self._lose, self._reap],
            "till": [self._redeem],
        }

    def _worker(self, name: str) -> list[Act]:
        def take(tx: Transaction, seen: Seen) -> Seen:
            place = (URGENT, shard_of(self.key.recipient_id))
            taken = claim(tx, self.house, self.channel, place, worker=name, lease=LEASE, limit=5)
            return seen._replace(claims={**seen.claims, name: taken}) if isinstance(taken, Claim) else seen

        def start(tx: Transaction, seen: Seen) -> Seen:
            mine = seen.claims.get(name)
            if mine is None or not record.start(tx, mine, list(mine.members), LEASE):
                return seen
            return seen._replace(calls=seen.calls + 1, called_by=seen.called_by | {name})

        def keep(tx: Transaction, seen: Seen) -> Seen:
            mine = seen.claims.get(name)
            if mine is None:
                return seen
            if name in seen.called_by:
                said = Outcome(message_id="m", provider_id=f"p-{name}", failure=self.outcome)
                answered = Answered(key=self.key, outcomes=((1, said),))
                record.record(tx, self.house, mine, [answered], [], LEASE)
                seen = seen._replace(recorded=seen.recorded | {name})
            record.close(tx, mine)
            return seen

        return [take, start, keep]

    def _lose(self, tx: Transaction, seen: Seen) -> Seen:
        for each in seen.claims.values():
            claims.prolong(tx, each.id, clock.now(tx).machine - LEASE)
        return seen

    def _reap(self, tx: Transaction, seen: Seen) -> Seen:
        for claim_id, shard in reap.run_out(tx):
            reap.take_back(tx, self.house, claim_id, shard)
        return seen

    def _redeem(self, tx: Transaction, seen: Seen) -> Seen:
        published = coupons.of_recipient(tx, self.key.recipient_id)
        if not published:
            return seen
        redeem.redeem(tx, published[0].code, redeem.Use(), "till")
        return seen._replace(redeemed=True, calls_when_redeemed=seen.calls)


def orders(tx: Transaction, play: Play, said: Mapping[str, int], seen: Seen) -> Iterator[Seen]:
    """Walk on from here in every way; yields at each end, while the database is as that order left it."""
    to_come = [actor for actor, lines in play.lines.items() if said.get(actor, 0) < len(lines)]
    if not to_come:
        yield seen
    for actor in to_come:
        with undone(tx):
            line = play.lines[actor][said.get(actor, 0)]
            yield from orders(tx, play, {**said, actor: said.get(actor, 0) + 1}, line(tx, seen))


@contextmanager
def undone(tx: Transaction) -> Iterator[None]:
    savepoint = tx.begin_nested()
    yield
    savepoint.rollback()


@pytest.fixture
def sqlite_world(sqlite_template: object, tmp_path: object, request: pytest.FixtureRequest) -> Iterator[World]:
    """The logic is the same on both databases, and one connection needs no lock."""
    import shutil
    from pathlib import Path

    path = Path(str(tmp_path)) / "risveglio.db"
    shutil.copy(str(sqlite_template), path)
    database = Database(f"sqlite:///{path}")
    yield World(database)
    database.close()


@pytest.mark.parametrize(
    ("channel", "outcome", "dies"),
    [("email", None, False), ("email", OutcomeUnknown("timeout"), False), ("email", None, True), ("app", None, True)],
    ids=["accepted", "unknown", "a worker dies", "a worker dies on an idempotent channel"],
)
def test_in_no_order_is_a_message_sent_twice_or_lost(
    sqlite_world: World, channel: str, outcome: Failure | None, dies: bool
) -> None:
    world = sqlite_world
    world.house = installation(caps=[cap(1, 7)])
    world.people("ada", grants=(channel,))
    world.offer()
    play = Play(world, channel, outcome, dies=dies)
    ends: Counter[tuple[int, State]] = Counter()
    with world.db.transaction() as tx:
        for seen in orders(tx, play, {}, Seen()):
            ends[seen.calls, judge(tx, play, seen)] += 1
        tx.rollback()
    assert ends.total() == (630 if dies else 1680)  # 7! / (2! 2! 2!), 8! / (3! 2! 2!)
    # The walk saw what it is about: calls that are known, calls that are not, and calls that never came.
    states = {state for calls, state in ends if calls}
    assert State.ACCEPTED in states or outcome
    assert State.IN_DOUBT in states or not (dies or outcome) or channel == "app"
    assert (0, State.CANCELLED) in ends


def judge(tx: Transaction, play: Play, seen: Seen) -> State:
    row = sends.get(tx, [play.key])[play.key]
    is_idempotent = play.house.channels[play.channel].idempotent
    state = State(row.state)
    tries = tx.scalar(select(func.count()).select_from(attempts))
    told = f"{seen} {state} {row.reason}"
    assert seen.calls <= (2 if is_idempotent else 1), told
    assert tries == len(seen.recorded), told
    if seen.calls:
        # Called: it counts, and nobody forgets it.
        assert row.cap_at is not None, told
        assert state is not State.CANCELLED or is_idempotent, told
    else:
        assert state in (State.QUEUED, State.CLAIMED, State.CANCELLED), told
        assert row.cap_at is None or state is State.CLAIMED, told
    if seen.redeemed and seen.calls_when_redeemed == 0:
        assert seen.calls == 0, told
    if seen.recorded and play.outcome is None and not is_idempotent:
        assert state is State.ACCEPTED, told
    if seen.calls and not seen.recorded:
        assert state in (State.SENDING, State.IN_DOUBT, State.QUEUED, State.CLAIMED, State.CANCELLED), told
        assert is_idempotent or state in (State.SENDING, State.IN_DOUBT), told
    assert len(coupons.of_recipient(tx, play.key.recipient_id)) <= 1, told
    return state
