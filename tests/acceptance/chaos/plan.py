"""What goes wrong, and when: the same seed gives the same plan."""

from random import Random
from typing import Final, Literal

from msgspec import Struct

Database = Literal["sqlite", "postgres"]
Mode = Literal["fast", "immediate"]

WORKERS: Final = ("worker-1", "worker-2", "worker-3")
CLOCKS: Final = ("clock-1", "clock-2")
API: Final = "api-1"
SLOTS: Final = (API, *CLOCKS, *WORKERS)
"""The places of processes, which the supervisor keeps filled. A name begins with what runs there."""

WAVE_S: Final = 60.0
"""A wave of jobs comes so often, each to people of its own."""

_FIRST_S: Final = 3.0
_MOOD_S: Final = (4.0, 7.0)
_WELL_S: Final = (3.0, 6.0)
_URGENT_S: Final = (1.5, 4.5)


class Mood(Struct, frozen=True, kw_only=True):
    """How the mail server behaves.

    It takes `delay_s` for a mail. `drop_every` N ends the connection after each N-th mail, which it keeps,
    instead of answering. A busy one refuses everything for now, half of it before and half after the content.
    """

    name: str = "well"
    delay_s: float = 0.03
    drop_every: int = 0
    is_busy: bool = False


WELL: Final = Mood()
MOODS: Final = (
    Mood(name="slow", delay_s=0.4),
    Mood(name="dropping", drop_every=7),
    Mood(name="busy", is_busy=True),
)


class Kill(Struct, frozen=True, kw_only=True, tag=True):
    """SIGKILL to whatever process is in a slot."""

    at_s: float
    slot: str


class Restart(Struct, frozen=True, kw_only=True, tag=True):
    """The database server stops and starts again. `immediate` is a crash: it recovers from its log."""

    at_s: float
    mode: Mode


class Change(Struct, frozen=True, kw_only=True, tag=True):
    """The mail server takes another mood."""

    at_s: float
    mood: Mood


class Wave(Struct, frozen=True, kw_only=True, tag=True):
    """Three jobs at once."""

    at_s: float
    number: int


class Urgent(Struct, frozen=True, kw_only=True, tag=True):
    """A job for one person, who waits for it."""

    at_s: float
    number: int


Event = Kill | Restart | Change | Wave | Urgent


class Plan(Struct, frozen=True, kw_only=True):
    """A run: its events in the order of their time, in seconds from its beginning."""

    seed: int
    database: Database
    people: int
    """So many in each wave."""
    waves: int
    events: tuple[Event, ...]

    @property
    def kills(self) -> int:
        return sum(isinstance(event, Kill) for event in self.events)


def plan(seed: int, database: Database, *, people: int = 5000, waves: int = 1, kills: int = 24) -> Plan:
    """A plan of `waves` minutes. Most of the kills are for workers, but every slot has its share."""
    chance = Random(seed)
    end_s = waves * WAVE_S
    events: list[Event] = [Wave(at_s=number * WAVE_S, number=number) for number in range(waves)]
    events += _kills(chance, end_s, kills)
    events += _moods(chance, end_s)
    events += _urgent(chance, end_s)
    if database == "postgres":
        events += _restarts(chance, waves)
    return Plan(
        seed=seed,
        database=database,
        people=people,
        waves=waves,
        events=tuple(sorted(events, key=lambda event: event.at_s)),
    )


def _kills(chance: Random, end_s: float, count: int) -> list[Event]:
    """Two rounds of every slot, then workers twice as often as the rest."""
    slots = [*SLOTS, *SLOTS, *chance.choices([*SLOTS, *WORKERS], k=max(count - 2 * len(SLOTS), 0))]
    chance.shuffle(slots)
    return [Kill(at_s=chance.uniform(_FIRST_S, end_s), slot=slot) for slot in slots[:count]]


def _moods(chance: Random, end_s: float) -> list[Event]:
    """Well and ill in turn, through all moods again and again, and well at the end."""
    events: list[Event] = []
    at_s = chance.uniform(*_WELL_S)
    while at_s < end_s - _MOOD_S[1]:
        for mood in chance.sample(MOODS, len(MOODS)):
            until_s = at_s + chance.uniform(*_MOOD_S)
            if until_s > end_s:
                return events
            events += [Change(at_s=at_s, mood=mood), Change(at_s=until_s, mood=WELL)]
            at_s = until_s + chance.uniform(*_WELL_S)
    return events


def _urgent(chance: Random, end_s: float) -> list[Event]:
    events: list[Event] = []
    at_s = chance.uniform(*_URGENT_S)
    while at_s < end_s:
        events.append(Urgent(at_s=at_s, number=len(events)))
        at_s += chance.uniform(*_URGENT_S)
    return events


def _restarts(chance: Random, waves: int) -> list[Event]:
    """One orderly and one crash in each wave, each in its own half."""
    events: list[Event] = []
    for number in range(waves):
        modes: list[Mode] = chance.sample(["fast", "immediate"], 2)
        for half, mode in enumerate(modes):
            within_s = chance.uniform(0.2, 0.8) * WAVE_S / 2
            events.append(Restart(at_s=number * WAVE_S + half * WAVE_S / 2 + within_s, mode=mode))
    return events
