"""Promise 2 by brute force: weeks of jobs with failures, doubts, repeats, fallbacks, priorities and paper.

After every round of claims all that was handed over, or perhaps, is counted again in every window and every calendar
period, without any of our own arithmetic.
"""

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Final, NamedTuple
from zoneinfo import ZoneInfo

import pytest
from msgspec import structs

from gateway.contract import EventType, Failure, Outbound, OutcomeUnknown, PermanentFailure, TransientFailure
from gateway.domain.policy import CapRule, Period
from gateway.domain.preferences import OwnCap, Preferences
from gateway.domain.states import State
from gateway.domain.words import SendKey
from gateway.services import doubt
from gateway.services.claim import Claim, claim, places_due
from gateway.storage import clock, preferences, sends
from tests.builders import LEASE, World, accepted, cap, hand_over, installation, postal, quiet, step

CHANNELS: Final = ("email", "sms", "app", "postal")
BEGINS: Final = [datetime(2026, 10, 21, 6, 13, tzinfo=UTC), datetime(2026, 3, 24, 17, 41, tzinfo=UTC)]
"""Weeks in which Rome and New York, or Rome and Lord Howe, change their clocks."""
ZONES: Final = {
    "anna": "Europe/Rome",
    "Борис": "America/New_York",
    "Ζωή": "Australia/Lord_Howe",
    "łucja": "Asia/Kathmandu",
}
IDS: Final = {name: f"c-{number}" for number, name in enumerate(ZONES)}
RULES: Final = [
    CapRule(name="daily", max=1, period="day", channels=("email", "sms", "app")),
    CapRule(name="weekly", max=3, period="week"),
    CapRule(name="monthly", max=9, period="month"),
    cap(2, 2.5, name="rolling"),
    cap(1, 5, "postal", name="paper"),
    cap(1, 0.75, name="marketing", purposes=["marketing"]),
]
OWN: Final = OwnCap(max=1, window=timedelta(hours=50))
"""What Anna asked for."""


class Slot(NamedTuple):
    at: datetime
    channel: str
    purpose: str


class Weeks:
    """A few people, and a provider that does not always answer. Keeps what it may have delivered, as it saw it."""

    def __init__(self, world: World, seed: int, rules: Sequence[CapRule] = RULES) -> None:
        self.chance = Random(seed)
        self.world = world
        world.house = installation(caps=rules, quiet_hours=[quiet("21:30", "07:30")])
        world.at(BEGINS[seed % len(BEGINS)])
        for number, (name, zone) in enumerate(ZONES.items()):
            places = [{"kind": "email", "value": f"c{number}@example.com"}, postal(number)]
            places.append({"kind": "phone", "value": f"+120255501{number:02}"})
            world.people(IDS[name], name=name, time_zone=zone, addresses=places, grants=CHANNELS)
            world.consents("granted", IDS[name], channel="app", purpose="survey")
            world.consents("granted", IDS[name], purpose="survey")
        with world.db.transaction() as tx:
            now = clock.now(tx).business
            preferences.put(tx, world.key(1, IDS["anna"]).recipient_id, Preferences(cap=OWN), "test", now)
        self.first: dict[SendKey, Slot] = {}
        self.last: dict[SendKey, Slot] = {}
        """When each message went out, or perhaps: at its first try that did, and at its last."""
        self.seen: list[Outbound] = []
        self.tally: Counter[str] = Counter()

    def go_on(self) -> None:
        """Some hours of everybody's life."""
        if self.chance.random() < 0.75:
            self._new_job()
        for channel in self.chance.sample(CHANNELS, 4):
            self._work(channel)
        self._hear()
        self._settle_doubts()
        self.world.plan_due()
        self.world.later(hours=self.chance.choice([1, 5, 9, 14, 23]), minutes=self.chance.randrange(60))

    def _new_job(self) -> None:
        is_receipt = self.chance.random() < 0.15
        channels = self.chance.sample(CHANNELS, self.chance.choice([1, 1, 2, 3]))
        fallback = "P1D" if len(channels) > 1 and self.chance.random() < 0.5 else None
        link = '{{ track("https://shop.example.com/") }}'
        self.world.run(
            step(channels=channels, text=link, fallback_after=fallback, ttl=self.chance.choice([None, "P4D"])),
            step("two", after=self.chance.choice(["PT20H", "P3D"])),
            purpose="transactional" if is_receipt else self.chance.choice(["marketing", "service", "survey"]),
            priority=self.chance.choice([2, 5, 8]),
            if_not_sent="continue",
            name=f"j-{self.chance.random()}",
        )

    def _work(self, channel: str) -> None:
        """Workers claim what is due; some are lost before they hand it over, some after, some put it back."""
        for taken in self.world.claims(channel):
            match self.chance.choices(["works", "puts back", "is lost", "is lost and was calling"], [70, 10, 10, 10])[
                0
            ]:
                case "works":
                    hand_over(self.world.db, self.world.house, taken, self._answer)
                case "puts back":
                    self.world.close(taken)
                case "is lost":
                    self.world.lose(taken)
                case _:
                    for each in self.world.begin(taken).values():
                        self._saw(each[0][1])
                    self.world.lose(taken)
        self.world.reap()

    def _answer(self, message: Outbound) -> Failure | str | None:
        said = self.chance.choices(
            [None, PermanentFailure("no"), TransientFailure("busy"), OutcomeUnknown("timeout")], [55, 10, 15, 20]
        )[0]
        self.tally[type(said).__name__] += 1
        if not isinstance(said, PermanentFailure | TransientFailure):
            self._saw(message)
        return accepted(message) if said is None else said

    def _saw(self, message: Outbound) -> None:
        """The provider has it, or perhaps."""
        self.seen.append(message)
        key = self.world.house.keys.open_ref("message", message.id).key
        with self.world.db.snapshot() as tx:
            row = sends.get(tx, [key])[key]
        if row.cap_at is not None:
            slot = Slot(row.cap_at, key.channel, row.purpose)
            self.first.setdefault(key, slot)
            self.last[key] = slot

    def _hear(self) -> None:
        """Providers report on some of what they took, again and again, and not in order."""
        for message in self.chance.sample(self.seen, min(3, len(self.seen))):
            kind = self.chance.choice([EventType.DELIVERED, EventType.BOUNCED, EventType.ACCEPTED])
            self.world.report(kind, message)

    def _settle_doubts(self) -> None:
        for key in list(self.last):
            with self.world.db.transaction() as tx:
                if sends.get(tx, [key])[key].state == State.IN_DOUBT and self.chance.random() < 0.3:
                    verdict = self.chance.choice(["sent", "not_sent"])
                    doubt.settle(tx, key, verdict, actor="anna", name="snd_x")
                    self.tally[verdict] += 1
                    if verdict == "not_sent":
                        del self.first[key], self.last[key]

    def slots(self) -> Iterator[tuple[str, list[Slot]]]:
        """By person: what the provider took as it saw it first and last; what the ledger counts; paper to come."""
        for name, id in IDS.items():
            number = self.world.key(1, id).recipient_id
            with self.world.db.snapshot() as tx:
                rows = sends.of_recipient(tx, number)
            ledger = {SendKey(*row[:5]): Slot(row.cap_at, row.channel, row.purpose) for row in rows if row.cap_at}
            for known in (self.first, self.last, {}):
                mine = {key: slot for key, slot in known.items() if key.recipient_id == number}
                yield name, sorted((ledger | mine).values())

    def breaches(self, rules: Sequence[CapRule]) -> list[str]:
        return [
            f"{rule.name}: {most} for {name}"
            for name, slots in self.slots()
            for rule in (*rules, *([OWN_RULE] if name == "anna" else []))
            if (most := fullest(rule, slots, ZoneInfo(ZONES[name]))) > rule.max
        ]


OWN_RULE: Final = CapRule(name="own", max=OWN.max, window=OWN.window)


def fullest(rule: CapRule, slots: Sequence[Slot], zone: ZoneInfo) -> int:
    """The most that any window, or any period on the person's own calendar, holds."""
    times = [slot.at for slot in slots if rule.covers(slot.channel, slot.purpose)]
    if rule.period is not None:
        return max(Counter(page(rule.period, at, zone) for at in times).values(), default=0)
    return max((sum(begin <= at < begin + rule.reach for at in times) for begin in times), default=0)


def page(period: Period, at: datetime, zone: ZoneInfo) -> object:
    """What the calendar on the wall is open at."""
    local = at.astimezone(zone)
    return {"day": local.date(), "week": local.isocalendar()[:2], "month": (local.year, local.month)}[period]


@pytest.mark.parametrize("seed", range(3))
def test_whatever_happens_no_window_and_no_period_of_any_rule_holds_more_than_it_may(world: World, seed: int) -> None:
    weeks = Weeks(world, seed)
    for _ in range(40):
        weeks.go_on()
        assert weeks.breaches(RULES) == []
    # It was about something.
    assert len(weeks.last) >= 12
    assert {"NoneType", "OutcomeUnknown"} <= weeks.tally.keys()
    assert any(_is_full(RULES[0], slots, name) for name, slots in weeks.slots())


def _is_full(rule: CapRule, slots: Sequence[Slot], name: str) -> bool:
    return fullest(rule, slots, ZoneInfo(ZONES[name])) == rule.max


@pytest.mark.parametrize("falsified", ["daily", "weekly", "rolling"])
def test_the_count_finds_every_rule_that_is_not_kept(world: World, falsified: str) -> None:
    """A control: the gateway is told one more than a rule says."""
    told = [structs.replace(rule, max=rule.max + (rule.name == falsified)) for rule in RULES]
    weeks, found, rounds = Weeks(world, 1, told), set(), 0
    while falsified not in found and rounds < 200:
        weeks.go_on()
        rounds += 1
        found |= {breach.partition(":")[0] for breach in weeks.breaches(RULES)}
    assert found == {falsified}


@pytest.mark.parametrize("period", ["day", "week", "month"])
def test_the_last_room_of_a_calendar_period_is_taken_once_by_workers_on_two_channels(
    world: World, period: Period
) -> None:
    world.house = installation(caps=[CapRule(name="once", max=1, period=period)])
    ids = [f"c-{number}" for number in range(10)]
    for number, id in enumerate(ids):
        phone = {"kind": "phone", "value": f"+120255501{number:02}"}
        world.people(id, grants=("email", "sms"), addresses=[{"kind": "email", "value": f"{id}@example.com"}, phone])
    for channel in ("email", "sms"):
        world.run(step(channels=[channel]))
    together = threading.Barrier(4)

    def work(channel: str) -> int:
        together.wait()
        taken = 0
        while places := _places(world, channel):
            for place in places:
                with world.db.transaction() as tx:
                    found = claim(tx, world.house, channel, place, worker="w", lease=LEASE, limit=2)
                taken += len(found.members) if isinstance(found, Claim) else 0
        return taken

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(work, ("email", "sms", "email", "sms"))) == len(ids)
    assert {id: len(slots) for id, slots in world.spent().items()} == dict.fromkeys(ids, 1)


def _places(world: World, channel: str) -> list[tuple[int, int]]:
    with world.db.snapshot() as tx:
        return places_due(tx, world.house, channel)
