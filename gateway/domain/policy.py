"""What the operator decided for the whole installation: `config/policies.toml`.

Rules carry the source they rest on and the date it was read, because they are law or custom
somewhere and change. Durations are ISO 8601 (`P7D`, `PT72H`).
"""

from datetime import date, time, timedelta
from typing import Annotated, Final, Literal
from zoneinfo import ZoneInfo

from msgspec import Meta, Struct, field

from gateway.domain.cut_off import DAYS, Day
from gateway.domain.post import Post
from gateway.domain.replies import ReplyWords
from gateway.domain.words import ChannelName, CountryCode, Key, PurposeName, Share, refuse_endless, time_zones

Basis = Literal["opt_in", "opt_out", "none"]
"""`opt_in`: only after a grant. `opt_out`: until a withdrawal or objection. `none`: no consent needed."""

Period = Literal["day", "week", "month"]
"""A day, a week (from Monday) or a month of the recipient's own calendar."""

Tracked = Literal["never", "with_consent", "always"]
"""Whether something that people do with a message is noticed."""

TRACKING: Final = "tracking"
"""The purpose whose consent is asked before a person's opens and clicks are noticed."""

EVERY_CHANNEL = "*"

# With an hour or two of a clock change.
_LONGEST_PERIOD: Final[dict[Period, timedelta]] = {
    "day": timedelta(hours=26),
    "week": timedelta(days=7, hours=2),
    "month": timedelta(days=31, hours=2),
}


class CapRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most `max` messages to one person in any `window`, or in each `period`. Empty lists mean all.

    A window rolls and is counted in UTC: no hour of it is lost to a clock change. A period is of
    the calendar where the person lives; its days have 23 to 25 hours.
    """

    name: Annotated[str, Meta(min_length=1, max_length=60)]
    max: Annotated[int, Meta(ge=1, le=10_000)]
    window: timedelta | None = None
    period: Period | None = None
    channels: tuple[ChannelName, ...] = ()
    purposes: tuple[PurposeName, ...] = ()

    def __post_init__(self) -> None:
        if (self.window is None) == (self.period is None):
            raise ValueError("window, period: a cap has one of the two, such as window P7D or period week")
        if self.window is not None and self.window <= timedelta(0):
            raise ValueError("window: must be longer than nothing, such as P7D")
        refuse_endless(window=self.window)

    @property
    def reach(self) -> timedelta:
        """How far back, or ahead, a message may lie and still count."""
        return self.window if self.window is not None else _LONGEST_PERIOD[self.period or "month"]

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


class BasisRule(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What the law of some countries asks for on a channel and purpose, whatever the purpose says elsewhere."""

    countries: Annotated[tuple[CountryCode, ...], Meta(min_length=1)]
    purposes: Annotated[tuple[PurposeName, ...], Meta(min_length=1)]
    basis: Basis
    channels: tuple[ChannelName, ...] = ()
    source: str = ""
    read_on: date | None = None


class Register(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """An opposition register: whoever we write to there without their own consent must have been screened before.

    A screening holds for `valid_for`; after that the address counts as not cleared again.
    """

    name: Key
    countries: Annotated[tuple[CountryCode, ...], Meta(min_length=1)]
    channels: Annotated[tuple[ChannelName, ...], Meta(min_length=1)]
    valid_for: timedelta
    purposes: tuple[PurposeName, ...] = ()
    source: str = ""
    read_on: date | None = None

    def __post_init__(self) -> None:
        if self.valid_for <= timedelta(0):
            raise ValueError("valid_for: must be longer than nothing, such as P30D")
        refuse_endless(valid_for=self.valid_for)

    def covers(self, channel: str, purpose: str) -> bool:
        return channel in self.channels and (not self.purposes or purpose in self.purposes)


class Tracking(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Whether a purpose may notice that its messages are looked at and its links followed.

    A picture that reports home reads from the person's device (ePrivacy Directive, article 5(3)): by default there is
    none. `with_consent` asks for a granted consent of the purpose `tracking` on the same channel.
    """

    opens: Tracked = "never"
    clicks: Tracked = "always"

    @property
    def asks(self) -> bool:
        """Whether it takes a consent to know."""
        return "with_consent" in (self.opens, self.clicks)

    def opens_of(self, *, agreed: bool) -> bool:
        return _may(self.opens, agreed)

    def clicks_of(self, *, agreed: bool) -> bool:
        return _may(self.clicks, agreed)


def _may(tracked: Tracked, agreed: bool) -> bool:
    return tracked == "always" or (tracked == "with_consent" and agreed)


class Purpose(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Why we write, and what follows for consent, caps and quiet hours."""

    basis: dict[str, Basis] = field(default_factory=lambda: {EVERY_CHANNEL: "opt_in"})
    obeys_caps: bool = True
    counts_towards_caps: bool = True
    quiet_hours: bool = True
    holdout: bool = True
    """Whether some people may be left out to measure what the messages bring."""
    unsubscribe: bool = True
    """Every message offers a way out (RFC 8058 on e-mail)."""
    urgent: bool = False
    tracking: Tracking = Tracking()
    approval: bool = False
    """Only templates that somebody has approved are sent, and no contents of a job's own."""

    def basis_on(self, channel: str) -> Basis:
        return self.basis.get(channel) or self.basis.get(EVERY_CHANNEL, "opt_in")


DEFAULT_PURPOSES: Final = {
    "marketing": Purpose(basis={EVERY_CHANNEL: "opt_in", "postal": "opt_out"}),
    "survey": Purpose(),
    "service": Purpose(basis={EVERY_CHANNEL: "opt_out"}, holdout=False),
    "transactional": Purpose(
        basis={EVERY_CHANNEL: "none"},
        obeys_caps=False,
        counts_towards_caps=False,
        quiet_hours=False,
        holdout=False,
        unsubscribe=False,
        urgent=True,
    ),
}


class Library(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How templates are kept."""

    four_eyes: bool = False
    """Whether a version is approved by another client than the one that wrote it."""


class Retry(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Tries after a failure that may pass. The wait doubles from `first` up to `longest`, with jitter."""

    attempts: Annotated[int, Meta(ge=1, le=20)] = 6
    first: timedelta = timedelta(minutes=5)
    longest: timedelta = timedelta(hours=4)

    def __post_init__(self) -> None:
        if self.first <= timedelta(0) or self.longest <= timedelta(0):
            raise ValueError("first, longest: must be longer than nothing, such as PT5M")
        refuse_endless(first=self.first, longest=self.longest)


def _refuse_doubles(place: str, names: list[str]) -> None:
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise ValueError(f"{place}: {', '.join(doubled)} is there twice; they are told apart by name, so names differ")


class Holdout(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A share of all people that no job of a purpose with holdout writes to, for as long as the salt stays.

    They are the measure of what all the messages together bring.
    """

    share: Share = 0.0
    salt: Annotated[str, Meta(max_length=60)] = "all"


class Throttle(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """At most so many messages in an hour, evenly. With a warm-up: so many in the hours of its first day, and
    `growth` times as many each day after, until `per_hour` is reached."""

    per_hour: Annotated[int, Meta(ge=1, le=10_000_000)]
    warm_up_per_hour: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    growth: Annotated[float, Meta(gt=1, le=10)] = 1.5


class ChannelThrottle(Throttle, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The pace of a sender: of all that goes out on a channel. Its warm-up begins on `warm_up_on`."""

    channel: ChannelName
    warm_up_on: date | None = None

    def __post_init__(self) -> None:
        if (self.warm_up_per_hour is None) != (self.warm_up_on is None):
            raise ValueError("warm_up_per_hour, warm_up_on: a warm-up needs both")


class Breaker(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """After so many faults in a row a channel rests; then one message tries whether it works again."""

    faults: Annotated[int, Meta(ge=1, le=10_000)] = 20
    rest: timedelta = timedelta(minutes=1)
    longest: timedelta = timedelta(minutes=30)

    def __post_init__(self) -> None:
        if self.rest <= timedelta(0) or self.longest < self.rest:
            raise ValueError("rest, longest: a rest is longer than nothing, and no longer than the longest")
        refuse_endless(rest=self.rest, longest=self.longest)


class Bounces(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of an address that is not dead, and to which nothing can be delivered all the same.

    After `soft` messages in a row that came back, the first of them at least `over` ago, it is left alone for
    `suppress_for`. So long after the last of them counting begins anew.
    """

    soft: Annotated[int, Meta(ge=1, le=100)] = 4
    over: timedelta = timedelta(hours=72)
    suppress_for: timedelta = timedelta(days=30)

    def __post_init__(self) -> None:
        if self.over < timedelta(0) or self.suppress_for <= self.over:
            raise ValueError("over, suppress_for: not negative, and the second longer than the first")
        refuse_endless(suppress_for=self.suppress_for)


Rate = Annotated[float, Meta(gt=0, le=1, description="A part of a whole: 0.003 is 0.3 per cent")]


class Reputation(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """From which shares on a sender is in trouble: of the messages accepted in `window`, once they are `least`.

    `complaints` hold it, `alert` of them and `bounces` (of dead addresses) only tell somebody. `blocks` hold it by
    what was accepted in `blocks_window`, once that is `blocks_least`. Windows are taken in whole hours.
    """

    complaints: Rate = 0.003
    alert: Rate = 0.001
    bounces: Rate = 0.05
    least: Annotated[int, Meta(ge=1)] = 500
    window: timedelta = timedelta(days=7)
    blocks: Rate = 0.05
    blocks_least: Annotated[int, Meta(ge=1)] = 50
    blocks_window: timedelta = timedelta(hours=1)

    def __post_init__(self) -> None:
        if self.alert > self.complaints:
            raise ValueError("alert, complaints: somebody is told before the sender is held, so alert is the lower one")
        if not timedelta(hours=1) <= self.blocks_window <= self.window <= LONGEST_WINDOW:
            raise ValueError("blocks_window, window: between PT1H and P30D, and the first no longer than the second")


LONGEST_WINDOW: Final = timedelta(days=30)


class Doubt(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What becomes of messages of which nobody knows whether they went out."""

    taken_as_sent_after: timedelta = timedelta(hours=24)
    """For purposes that are not urgent; those that are wait for a person."""

    def __post_init__(self) -> None:
        refuse_endless(taken_as_sent_after=self.taken_as_sent_after)


class Policies(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All of `policies.toml`."""

    purposes: dict[PurposeName, Purpose] = field(default_factory=lambda: dict(DEFAULT_PURPOSES))
    caps: tuple[CapRule, ...] = ()
    quiet_hours: tuple[QuietRule, ...] = ()
    basis: tuple[BasisRule, ...] = ()
    registers: tuple[Register, ...] = ()
    replies: ReplyWords = ReplyWords()
    """What people mean who write back, beside the words that are built in."""
    spread: timedelta = timedelta(minutes=30)
    """What quiet hours held back goes out over so long after they end, and not all in their last second."""
    holdout: Holdout = Holdout()
    templates: Library = Library()
    throttles: tuple[ChannelThrottle, ...] = ()
    breaker: Breaker = Breaker()
    bounces: Bounces = Bounces()
    reputation: Reputation = Reputation()
    doubt: Doubt = Doubt()
    retry: Retry = Retry()
    post: Post = Post()
    default_time_zone: str = "Europe/Rome"
    """For recipients with no zone of their own."""
    small_job: Annotated[int, Meta(ge=0)] = 100
    """Jobs named for at most so many recipients go into the urgent lane."""

    def __post_init__(self) -> None:
        if self.default_time_zone not in time_zones():
            raise ValueError(f"default_time_zone: {self.default_time_zone} is no IANA time zone")
        for name, rules in (("caps", self.caps), ("registers", self.registers)):
            _refuse_doubles(name, [rule.name for rule in rules])
        _refuse_doubles("throttles", [throttle.channel for throttle in self.throttles])
        asking = sorted(name for name, purpose in self.purposes.items() if purpose.tracking.asks)
        if asking and TRACKING not in self.purposes:
            raise ValueError(f"purposes: {asking[0]} notices with_consent; declare the purpose `{TRACKING}` to ask for")
        if not timedelta(0) <= self.spread <= timedelta(hours=12):
            raise ValueError("spread: between PT0S and PT12H")

    def purpose(self, name: str) -> Purpose:
        """The rules of a purpose; one that is not there any more asks for everything."""
        return self.purposes.get(name) or Purpose()

    def basis_on(self, purpose: str, channel: str) -> tuple[Basis, dict[str, Basis]]:
        """On what basis people are written to: in general, and by country where its law asks for another.

        Of several rules of a country the last one holds. What needs nobody's consent needs none anywhere.
        """
        basis = self.purpose(purpose).basis_on(channel)
        if basis == "none":
            return basis, {}
        rules = [rule for rule in self.basis if purpose in rule.purposes]
        rules = [rule for rule in rules if not rule.channels or channel in rule.channels]
        return basis, {country: rule.basis for rule in rules for country in rule.countries}

    @property
    def default_zone(self) -> ZoneInfo:
        return ZoneInfo(self.default_time_zone)
