"""What the operator decided for the whole installation: `config/policies.toml`.

Rules carry the source they rest on and the date it was read, because they are law or custom
somewhere and change. Durations are ISO 8601 (`P7D`, `PT72H`).
"""

from datetime import date, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from gateway.domain.words import ChannelName, CountryCode, PurposeName, refuse_endless, time_zones

Basis = Literal["opt_in", "opt_out", "none"]
"""`opt_in`: only after a grant. `opt_out`: until a withdrawal or objection. `none`: no consent needed."""

Day = Literal["mon", "tue", "wed", "thu", "fri", "sat", "sun"]
DAYS: tuple[Day, ...] = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")

EVERY_CHANNEL = "*"


class CapRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `max` messages to one person in any `window`. Empty lists mean all."""

    name: str
    max: Annotated[int, Meta(ge=1)]
    window: timedelta
    channels: tuple[ChannelName, ...] = ()
    purposes: tuple[PurposeName, ...] = ()

    def __post_init__(self) -> None:
        if self.window <= timedelta(0):
            raise ValueError("window: must be longer than nothing, such as P7D")
        refuse_endless(window=self.window)

    def covers(self, channel: str, purpose: str) -> bool:
        return (not self.channels or channel in self.channels) and (not self.purposes or purpose in self.purposes)


class QuietRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True, rename={"from_": "from"}):
    """No message between `from` and `to` of the recipient's wall clock, on the given days.

    Half open: `to` itself is allowed. `to` before `from` crosses midnight into the next day.
    Equal times mean the whole day. A rule without countries is the default for the countries
    that no other rule of the same channel names.
    """

    from_: time
    to: time
    channels: tuple[ChannelName, ...] = ()
    countries: tuple[CountryCode, ...] = ()
    days: tuple[Day, ...] = DAYS
    source: str = ""
    read_on: date | None = None


class Purpose(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why we write, and what follows for consent, caps and quiet hours."""

    basis: dict[str, Basis] = field(default_factory=lambda: {EVERY_CHANNEL: "opt_in"})
    obeys_caps: bool = True
    counts_towards_caps: bool = True
    quiet_hours: bool = True
    unsubscribe: bool = True
    """Every message offers a way out (RFC 8058 on e-mail)."""
    urgent: bool = False

    def basis_on(self, channel: str) -> Basis:
        return self.basis.get(channel) or self.basis.get(EVERY_CHANNEL, "opt_in")


DEFAULT_PURPOSES: Final = {
    "marketing": Purpose(basis={EVERY_CHANNEL: "opt_in", "postal": "opt_out"}),
    "survey": Purpose(),
    "service": Purpose(basis={EVERY_CHANNEL: "opt_out"}),
    "transactional": Purpose(
        basis={EVERY_CHANNEL: "none"},
        obeys_caps=False,
        counts_towards_caps=False,
        quiet_hours=False,
        unsubscribe=False,
        urgent=True,
    ),
}


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tries after a failure that may pass. The wait doubles from `first` up to `longest`, with jitter."""

    attempts: Annotated[int, Meta(ge=1, le=20)] = 6
    first: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=4)

    def __post_init__(self) -> None:
        if self.first <= timedelta(0) or self.longest <= timedelta(0):
            raise ValueError("first, longest: must be longer than nothing, such as PT5M")
        refuse_endless(first=self.first, longest=self.longest)


class Post(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long paper takes."""

    lead: timedelta = timedelta(days=2)
    """From gathering to the planned mailing."""
    transit: timedelta = timedelta(days=3)
    """From mailing to the letter box."""

    def __post_init__(self) -> None:
        if self.lead < timedelta(0) or self.transit < timedelta(0):
            raise ValueError("lead, transit: cannot be negative")
        refuse_endless(lead=self.lead, transit=self.transit)


class Policies(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `policies.toml`."""

    purposes: dict[PurposeName, Purpose] = field(default_factory=lambda: dict(DEFAULT_PURPOSES))
    caps: tuple[CapRule, ...] = ()
    quiet_hours: tuple[QuietRule, ...] = ()
    retry: Retry = Retry()
    post: Post = Post()
    default_time_zone: str = "Europe/Rome"
    """For recipients with no zone of their own."""
    small_job: Annotated[int, Meta(ge=0)] = 100
    """Jobs named for at most so many recipients go into the urgent lane."""

    def __post_init__(self) -> None:
        if self.default_time_zone not in time_zones():
            raise ValueError(f"default_time_zone: {self.default_time_zone} is no IANA time zone")

    @property
    def default_zone(self) -> ZoneInfo:
        return ZoneInfo(self.default_time_zone)
