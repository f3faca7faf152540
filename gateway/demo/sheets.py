"""The tables of the demonstration, for the terminal and for the page."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

from msgspec import Struct

from gateway.demo.campaign import STEPS
from gateway.demo.checks import Check
from gateway.demo.customers import Use
from gateway.demo.days import Days
from gateway.demo.ledger import Ledger
from gateway.demo.postbag import Message
from gateway.demo.shop import Count, Forecast
from gateway.domain.lift import Estimate, Lift
from gateway.services.lift import LiftReport

CHANNELS: Final[Mapping[str, str]] = {"email": "e-mail", "sms": "SMS", "webpush": "push", "postal": "post"}

_MOST_TOWNS: Final = 4
_NOTHING: Final = "·"
_OUTCOMES: Final = (
    ("accepted", "delivered"),
    ("failed", "bounced", "returned"),
    ("cancelled",),
    ("skipped",),
    ("expired",),
)
_REASONS: Final[Mapping[str, str]] = {
    "no_consent": "never agreed, or took it back",
    "no_address": "no address for these channels",
    "suppressed": "the address is known to be dead",
    "condition": "coupon redeemed before",
    "redeemed": "coupon redeemed while it waited",
    "expired": "too late to be worth sending",
    "quiet_hours": "it is night there",
    "local_time": "not the hour for it yet",
    "holdout": "left out, for comparison",
    "not_cleared": "not cleared by a register",
    "priority": "something more important goes first",
    "throttled": "not its turn yet",
    "presumed": "taken as sent",
}

_CODES: Final[Mapping[str, str]] = {
    "5.1.1": "no such mailbox",
    "http-410": "the browser is gone",
    "30005": "no such number",
}
"""What providers mean by the codes that come up here."""


class Sheet(Struct, frozen=True, kw_only=True):
    """A table of text cells. `total` is a last row, or nothing."""

    title: str
    headings: tuple[str, ...]
    rows: Sequence[tuple[str, ...]]
    total: tuple[str, ...] = ()

    def is_number(self, column: int) -> bool:
        """Whether the column is of figures, which stand right."""
        return column > 0 and all(
            row[column].strip("$%").replace(",", "").replace(".", "").isdigit() or row[column] == _NOTHING
            for row in self.rows
        )


def forecast_sheet(forecast: Forecast) -> Sheet:
    """What the job would do: first those who would be written to."""
    people: dict[tuple[str, str], int] = defaultdict(int)
    for count in sorted(forecast.counts, key=lambda count: (count.state != "queued", -count.recipients)):
        people[_intended(count), _when(count)] += count.recipients
    return Sheet(
        title="A preview, made by the code of the real run",
        headings=("", "", "people"),
        rows=[(what, why, f"{number:,}") for (what, why), number in people.items()],
        total=("selected", "", f"{forecast.audience:,}"),
    )


def _intended(count: Count) -> str:
    return f"by {CHANNELS[count.channel]}" if count.state == "queued" else "not at all"


def _when(count: Count) -> str:
    if count.state != "queued":
        return in_words(count.reason)
    return "at once" if count.reason is None else f"later: {in_words(count.reason)}"


def in_words(reason: str | None) -> str:
    """The ledger's reason for people. Providers' codes stay as they are."""
    name, _, rule = (reason or "").partition(":")
    if name == "cap":
        return f"enough already: {rule}"
    told = _REASONS.get(name, name)
    return f"{told}: {_REASONS.get(rule, rule)}" if rule else told


def wave_sheet(title: str, messages: Iterable[Message], days: Days) -> Sheet:
    """When messages arrived, what the clocks showed there, and how many they were."""
    waves: defaultdict[datetime, list[Message]] = defaultdict(list)
    for message in messages:
        at = days.at(message.at)
        waves[at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)].append(message)
    rows = []
    for at, wave in sorted(waves.items()):
        counts = Counter(message.channel for message in wave)
        figures = [_figure(counts[channel]) for channel in ("email", "sms", "webpush")]
        rows.append((f"{at:%a} {at:%H:%M} UTC", _on_the_wall(at, wave), *figures))
    return Sheet(title=title, headings=("", "where people live", "e-mail", "SMS", "push"), rows=rows)


def _on_the_wall(at: datetime, wave: Iterable[Message]) -> str:
    """`18:00 in Rome, Berlin`: the most frequent town first. Where clocks differ too much, how many show what."""
    zones = [zone for zone, _ in Counter(message.person.time_zone for message in wave).most_common()]
    towns: defaultdict[str, list[str]] = defaultdict(list)
    for zone in zones:
        towns[f"{at.astimezone(ZoneInfo(zone)):%H:%M}"].append(zone.rpartition("/")[2].replace("_", " "))
    return "; ".join(f"{clock} in {_listed(names)}" for clock, names in towns.items())


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_TOWNS
    return ", ".join(names[:_MOST_TOWNS]) + (f" and {more} more" if more > 0 else "")


def _figure(count: int) -> str:
    return f"{count:,}" if count else _NOTHING


def report_sheets(ledger: Ledger, uses: Sequence[Use], messages: Sequence[Message]) -> list[Sheet]:
    sheets = [_steps(ledger), _reasons(ledger), _coupons(ledger, uses, messages)]
    lift = ledger.report.lift
    return [*sheets, *(_lift(lift, each.lift) for each in lift.comparisons if each.lift)] if lift else sheets


def _lift(report: LiftReport, lift: Lift) -> Sheet:
    """What those who were written to did more than those who were left out for comparison."""
    days = report.within / timedelta(days=1)
    rows = [
        ("who did, of those with messages", f"{lift.test_rate:.1%}", ""),
        ("of those left out", f"{lift.holdout_rate:.1%}", ""),
        ("more, in points", *_between(lift.absolute, 100)),
        ("people won", *_between(lift.incremental_conversions, 1)),
    ]
    for money in lift.revenue:
        rows.append((f"{money.currency or 'money'} more a head", *_between(money.difference, 0.01)))
    return Sheet(
        title=f"What it brought: {report.activity} within {days:g} days",
        headings=("", "", "of 20 such ranges 19 hold the truth"),
        rows=rows,
        total=("so", _SAYS[lift.verdict], ""),
    )


_SAYS: Final[Mapping[str, str]] = {"more": "it woke them", "less": "it cost some", "too_few_to_say": "too few to say"}


def _between(estimate: Estimate, factor: float) -> tuple[str, str]:
    ends = (estimate.low, estimate.high)
    low, high = (_NOTHING if end is None else f"{end * factor:,.1f}" for end in ends)
    value = _NOTHING if estimate.value is None else f"{estimate.value * factor:,.1f}"
    return value, _NOTHING if ends == (None, None) else f"{low} to {high}"


def _steps(ledger: Ledger) -> Sheet:
    """What became of everything that was to be sent, step by channel."""
    rows = []
    for step in STEPS:
        for channel, name in CHANNELS.items():
            counts = [ledger.count(step=step, channel=channel, states=states) for states in _OUTCOMES]
            if any(counts):
                rows.append((step, name, *(_figure(count) for count in counts)))
    totals = [ledger.count(states=states) for states in _OUTCOMES]
    return Sheet(
        title="Step by step, in messages",
        headings=("step", "channel", "arrived", "refused there", "called off", "left out", "too late"),
        rows=rows,
        total=("all", "", *(_figure(count) for count in totals)),
    )


def _reasons(ledger: Ledger) -> Sheet:
    """Why not: for each step the most frequent reasons first."""
    people: Counter[tuple[str, str]] = Counter()
    for line in ledger.lines():
        if line.state in ("skipped", "cancelled", "expired"):
            people[line.step, in_words(line.reason)] += line.sends
        elif line.state in ("failed", "bounced"):
            code = line.reason or "no code"
            told = f"{_CODES[code]} ({code})" if code in _CODES else code
            people[line.step, f"{CHANNELS[line.channel]}: {told}"] += line.sends
    counted = sorted(people.items(), key=lambda item: (STEPS.index(item[0][0]), -item[1]))
    return Sheet(
        title="Who did not get it, and why",
        headings=("step", "reason", "people"),
        rows=[(step, why, f"{count:,}") for (step, why), count in counted],
    )


def _coupons(ledger: Ledger, uses: Sequence[Use], messages: Sequence[Message]) -> Sheet:
    """By the channel of the message that people had in hand when they came back."""
    rows = []
    for channel, name in CHANNELS.items():
        reached = len({message.person.id for message in messages if message.channel == channel})
        used = [use for use in uses if use.channel == channel]
        rows.append((name, f"{reached:,}", _figure(len(used)), _share(len(used), reached), dollars(used)))
    everybody = len({message.person.id for message in messages})
    return Sheet(
        title=f"Coupons: {ledger.published:,} published, 15% off for 72 hours",
        headings=("by", "people reached", "redeemed", "rate", "revenue"),
        rows=rows,
        total=("all", f"{everybody:,}", f"{len(uses):,}", _share(len(uses), everybody), dollars(uses)),
    )


def _share(part: int, whole: int) -> str:
    return f"{part / whole:.1%}" if whole else _NOTHING


def dollars(uses: Iterable[Use]) -> str:
    return f"${sum(use.order_minor for use in uses) / 100:,.2f}"


def check_sheet(found: Sequence[Check]) -> Sheet:
    return Sheet(
        title="Received against ledger",
        headings=("", "promise", "received", "ledger, or as promised"),
        rows=[("✓" if check.holds else "✗", check.promise, check.received, check.expected) for check in found],
    )
