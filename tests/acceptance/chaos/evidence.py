"""What a run leaves behind, in one shape for the checks, the report and the file beside the logs.

People are named by their own ids and jobs by their names, so that a finding can be read.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import NamedTuple

from msgspec import Struct


class Key(NamedTuple):
    """One message to one person for one step of a passage through a job."""

    job: str
    recipient: str
    run: int
    step: int

    def __str__(self) -> str:
        return f"{self.job}/{self.recipient}/{self.run} step {self.step}"

    @property
    def entry(self) -> "EntryKey":
        return EntryKey(self.job, self.recipient, self.run)


class EntryKey(NamedTuple):
    job: str
    recipient: str
    run: int

    def __str__(self) -> str:
        return f"{self.job}/{self.recipient}/{self.run}"


class Cap(Struct, frozen=True, kw_only=True):
    name: str
    max: int
    window: timedelta


class Person(Struct, frozen=True, kw_only=True):
    """Somebody of the audience, as they were before the run."""

    id: str
    agreed: bool
    """To marketing by e-mail."""
    bounces: bool
    """The mail server refuses the address for good."""


class Handed(Struct, frozen=True, kw_only=True):
    """A job as its client handed it in. `ids` are all that it answered to the repeated request."""

    name: str
    audience: frozenset[str]
    strangers: frozenset[str] = frozenset()
    """Of the audience, those whom the gateway does not know."""
    steps: int
    counts: bool
    """Obeys the caps and counts towards them."""
    may_skip: bool
    """Over a cap it skips instead of waiting."""
    has_coupons: bool
    ids: frozenset[str]
    at: datetime


class Redeeming(Struct, frozen=True, kw_only=True):
    """Several tills tried one code at the same time. `ids` are the redemptions that they were told of."""

    code: str
    tills: int
    ids: tuple[str, ...]
    answered_at: datetime


class Leaving(Struct, frozen=True, kw_only=True):
    """Somebody followed the way out of a mail. `answered_at` is None where no answer came."""

    recipient: str
    answered_at: datetime | None


class Told(Struct, frozen=True, kw_only=True):
    """What the clients did, and what they were told."""

    people: tuple[Person, ...]
    jobs: tuple[Handed, ...]
    redeemings: tuple[Redeeming, ...] = ()
    leavings: tuple[Leaving, ...] = ()
    retried: Mapping[str, int] = {}
    """By the key's text: how often somebody chose to send again what had arrived already."""
    settled: Mapping[str, int] = {}
    """By verdict: how many doubts somebody ended."""
    faults: Mapping[str, int] = {}
    """Answers that nobody should get, such as 500, by route."""
    repeats: int = 0
    """Requests that had to be sent again."""


class Entry(Struct, frozen=True, kw_only=True):
    key: EntryKey
    step: int
    next_at: datetime | None
    ended: str | None


class Send(Struct, frozen=True, kw_only=True):
    key: Key
    state: str
    reason: str | None
    due_at: datetime | None
    cap_at: datetime | None
    """The instant of the claim that took its slot."""
    changed_at: datetime


class Reject(Struct, frozen=True, kw_only=True):
    job: str
    recipient: str


class Coupon(Struct, frozen=True, kw_only=True):
    entry: EntryKey
    code: str
    redeemed_at: datetime | None


class Redemption(Struct, frozen=True, kw_only=True):
    id: str
    code: str


class Ledger(Struct, frozen=True, kw_only=True):
    """The database at one instant, `at`."""

    at: datetime
    jobs: tuple[str, ...]
    """The name of each job, as often as it is there."""
    unexpanded: tuple[str, ...]
    entries: tuple[Entry, ...]
    rejects: tuple[Reject, ...]
    sends: tuple[Send, ...]
    coupons: tuple[Coupon, ...]
    redemptions: tuple[Redemption, ...]
    claims: int


class Arrival(Struct, frozen=True, kw_only=True):
    """A mail that the server took. `key` is what its Message-ID stands for; the rest is what stands in it."""

    key: Key
    to: str
    told: str
    """The job, recipient and step as the text names them."""
    code: str | None
    at: datetime
    answered: bool


class Damage(Struct, frozen=True, kw_only=True):
    """What was done to the gateway."""

    kills: Mapping[str, int]
    """By slot."""
    restarts: int
    ended: Mapping[str, int] = {}
    """By slot: how often a process ended by itself."""
    stopped: Mapping[str, int] = {}
    """By slot: the exit code after SIGTERM, at the end."""
    left_behind: int = 0
    """Processes of killed ones that still lived at the end."""


class Evidence(Struct, frozen=True, kw_only=True):
    caps: tuple[Cap, ...]
    told: Told
    doubts: tuple[Send, ...]
    """What was in doubt when everything else was over, before somebody settled it."""
    ledger: Ledger
    arrivals: tuple[Arrival, ...]
    damage: Damage
    window: int = 50
    """The most messages that one process has in flight at a time."""
