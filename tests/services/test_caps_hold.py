"""Promise 2: caps are exact under any number of workers, jobs and channels at once."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise

from gateway.services import record
from gateway.services.claim import Claim, claim, places_due
from tests.builders import LEASE, World, answered, cap, installation, outbounds, step

PEOPLE = 12
WORKERS_PER_CHANNEL = 3
BOTH = ("email", "sms")


def test_one_slot_is_never_spent_twice_by_workers_on_two_channels(world: World) -> None:
    world.house = installation(caps=[cap(1, 7)])
    ids = [f"c-{n}" for n in range(PEOPLE)]
    for n, id in enumerate(ids):
        phone = {"kind": "phone", "value": f"+120255501{n:02}"}
        world.people(id, grants=BOTH, addresses=[{"kind": "email", "value": f"{id}@example.com"}, phone])
    jobs = [world.run(step(channels=[channel])) for channel in BOTH]
    together = threading.Barrier(len(BOTH) * WORKERS_PER_CHANNEL)

    def work(channel: str) -> int:
        together.wait()
        sent = 0
        while places := _places(world, channel):
            for place in places:
                with world.db.transaction() as tx:
                    taken = claim(tx, world.house, channel, place, worker="w", lease=LEASE, limit=3)
                if isinstance(taken, Claim):
                    sent += _deliver(world, taken)
        return sent

    with ThreadPoolExecutor(len(BOTH) * WORKERS_PER_CHANNEL) as pool:
        sent = sum(pool.map(work, BOTH * WORKERS_PER_CHANNEL))

    assert sent == PEOPLE
    assert {id: len(slots) for id, slots in world.spent().items()} == dict.fromkeys(ids, 1)
    states = [world.states(job) for job in jobs]
    assert sum(each.get((0, "accepted", None), 0) for each in states) == PEOPLE
    assert sum(each.get((0, "queued", "cap:cap"), 0) for each in states) == PEOPLE
    world.later(days=7, minutes=1)
    assert sum(len(world.pump(channel)) for channel in BOTH) == PEOPLE


def _places(world: World, channel: str) -> list[tuple[int, int]]:
    with world.db.snapshot() as tx:
        return places_due(tx, world.house, channel)


def _deliver(world: World, taken: Claim) -> int:
    messages = outbounds(world.db, world.house, taken)
    with world.db.transaction() as tx:
        started = record.start(tx, taken, list(taken.members), LEASE)
    assert started == set(taken.members)
    with world.db.transaction() as tx:
        record.record(tx, world.house, taken, answered(messages), [], LEASE)
    with world.db.transaction() as tx:
        record.close(tx, taken)
    return len(started)


def test_weeks_of_jobs_never_put_more_into_any_window_than_its_rule_allows(world: World) -> None:
    """Three rules at once, paper among them, and a clock that goes on by hours."""
    rules = [cap(1, 1, name="daily"), cap(3, 7, name="weekly"), cap(1, 5, "postal", name="paper")]
    world.house = installation(caps=rules)
    letters = [{"kind": "email", "value": "c1@example.com"}, {"kind": "postal", "data": _LINES}]
    world.people("c-1", grants=("email", "postal"), addresses=letters)
    for _ in range(12):
        world.run(step(channels=["email"]))
        world.run(step(channels=["postal"]))
        world.pump("postal")
        world.pump()
        world.later(hours=31)
    by_channel = {channel: world.spent(channel)["c-1"] for channel in ("email", "postal")}
    slots = sorted(by_channel["email"] + by_channel["postal"])
    assert len(slots) >= 6
    for rule in rules:
        covered = slots if not rule.channels else by_channel["postal"]
        fullest = max(sum(begin <= at < begin + rule.reach for at in covered) for begin in covered)
        assert 1 <= fullest <= rule.max
    assert min(late - early for early, late in pairwise(slots)) >= timedelta(days=1)


_LINES = {"street": "Via Roma 1", "postcode": "00100", "city": "Roma", "country": "IT"}
