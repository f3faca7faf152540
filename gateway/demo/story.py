"""What the demonstration tells on the terminal while it works, and at the end."""

import textwrap
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from rich.console import Console
from rich.padding import Padding
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from gateway.demo.campaign import STEPS
from gateway.demo.checks import Check
from gateway.demo.customers import Use
from gateway.demo.days import Days
from gateway.demo.ledger import Ledger
from gateway.demo.postbag import Message
from gateway.demo.shop import Forecast

CHANNELS: Final[Mapping[str, str]] = {"email": "e-mail", "sms": "SMS", "webpush": "push", "postal": "post"}
_MOST_TOWNS: Final = 5

_REASONS: Final[Mapping[str, str]] = {
    "no_consent": "never agreed, or took it back",
    "no_address": "no address on these channels",
    "suppressed": "the address is known to be dead",
    "condition": "coupon redeemed before",
    "redeemed": "coupon redeemed while it waited",
    "expired": "too late to be worth sending",
    "quiet_hours": "waits for the morning",
    "local_time": "waits for its hour of the day",
    "5.1.1": "refused by the mail server: no such mailbox",
    "410": "the browser is gone",
}

Rows = Sequence[tuple[str, ...]]


def terminal() -> Console:
    """At most 100 columns: tables wider than that are hard to read."""
    console = Console(highlight=False)
    return Console(highlight=False, width=min(console.width, 100) if console.is_terminal else 100)


def chapter(console: Console, at: datetime | None, title: str) -> None:
    when = f"{at:%a} {at.day} {at:%B %Y, %H:%M} UTC  " if at else ""
    console.print()
    console.rule(Text.assemble((when, "bold cyan"), (title, "bold")), align="left")


def line(console: Console, what: str, text: str) -> None:
    """A short name in the first column, and what there is to say of it."""
    console.print(Padding(_two_columns(what, text), (0, 0, 0, 2)))


def _two_columns(what: str, text: str) -> Table:
    grid = Table.grid(padding=(0, 2))
    grid.add_column(style="dim", min_width=12, no_wrap=True)
    grid.add_column(overflow="fold")
    grid.add_row(what, text)
    return grid


def show(console: Console, title: str, headings: Sequence[str], rows: Rows, total: tuple[str, ...] = ()) -> None:
    """A table whose columns stand right where every cell of them is a number."""
    table = Table(title=title, title_justify="left", title_style="bold", header_style="dim", box=None, pad_edge=False)
    for place, heading in enumerate(headings):
        numeric = all(row[place].replace(",", "").isdigit() or row[place] in ("", "·") for row in rows)
        table.add_column(heading, justify="right" if numeric and place else "left")
    for row in rows:
        table.add_row(*row)
    if total:
        table.add_section()
        table.add_row(*total, style="bold")
    console.print()
    console.print(Padding(table, (0, 0, 0, 2)))


def forecast_rows(forecast: Forecast) -> Rows:
    """Who would get what, and who not: those to be written to first."""
    counts = sorted(forecast.counts, key=lambda count: (count.state != "queued", -count.recipients))
    told = [
        (f"would go by {CHANNELS[count.channel]}" if count.state == "queued" else "left out", count.reason, count)
        for count in counts
    ]
    merged: dict[tuple[str, str], int] = defaultdict(int)
    for what, reason, count in told:
        merged[what, "at once" if reason is None else reason_in_words(reason)] += count.recipients
    return [(what, why, f"{people:,}") for (what, why), people in merged.items()]


def reason_in_words(reason: str | None) -> str:
    """The ledger's reason for people; a rule or a code stays with it."""
    name, _, rule = (reason or "").partition(":")
    if name == "cap":
        return f"cap: {rule}"
    told = _REASONS.get(name, name)
    return f"{told} ({rule.replace('_', ' ')})" if rule and rule not in told else told


def wave_rows(messages: Iterable[Message], days: Days) -> Rows:
    """When messages arrived, in which towns' hours, and how many by channel."""
    waves: defaultdict[datetime, list[Message]] = defaultdict(list)
    for message in messages:
        waves[_quarter(days.at(message.at))].append(message)
    return [
        (f"{at:%a} {at.day} {at:%b %H:%M}", _local(at, wave), *(_number(count) for count in _by_channel(wave)))
        for at, wave in sorted(waves.items())
    ]


def _quarter(at: datetime) -> datetime:
    return at.replace(minute=at.minute // 15 * 15, second=0, microsecond=0)


def _local(at: datetime, wave: Iterable[Message]) -> str:
    """`18:00 in Rome, Berlin`: the wall clocks of those who got something, the most frequent first."""
    zones = Counter(message.person.time_zone for message in wave)
    towns: defaultdict[str, list[str]] = defaultdict(list)
    for zone, _ in zones.most_common():
        towns[f"{at.astimezone(ZoneInfo(zone)):%H:%M}"].append(zone.rpartition("/")[2].replace("_", " "))
    if len(towns) > 2:
        return f"{min(towns)} to {max(towns)}, from {towns[min(towns)][0]} to {towns[max(towns)][0]}"
    return "; ".join(f"{clock} in {_listed(names)}" for clock, names in towns.items())


def _listed(names: Sequence[str]) -> str:
    more = len(names) - _MOST_TOWNS
    return ", ".join(names[:_MOST_TOWNS]) + (f" and {more} more" if more > 0 else "")


def _by_channel(wave: Iterable[Message]) -> list[int]:
    counts = Counter(message.channel for message in wave)
    return [counts[channel] for channel in ("email", "sms", "webpush")]


def _number(count: int) -> str:
    return f"{count:,}" if count else "·"


def step_rows(ledger: Ledger) -> Rows:
    """Step by channel: what became of everything that was to be sent."""
    groups = (
        ("accepted", "delivered"),
        ("failed", "bounced", "returned"),
        ("cancelled",),
        ("skipped",),
        ("expired",),
    )
    rows = []
    for step in STEPS:
        for channel in CHANNELS:
            counts = [ledger.count(step=step, channel=channel, states=states) for states in groups]
            if any(counts):
                rows.append((step, CHANNELS[channel], *(_number(count) for count in counts)))
    return rows


def reason_rows(ledger: Ledger) -> Rows:
    """Why not: for each step, the reasons, the most frequent first."""
    counts: Counter[tuple[str, str]] = Counter()
    for each in ledger.lines():
        if each.state in ("skipped", "cancelled", "expired", "failed", "bounced"):
            prefix = "" if each.state not in ("failed", "bounced") else "not delivered: "
            counts[each.step, prefix + reason_in_words(each.reason)] += each.sends
    return [
        (step, why, f"{count:,}")
        for (step, why), count in sorted(counts.items(), key=lambda item: (STEPS.index(item[0][0]), -item[1]))
    ]


def redemption_rows(uses: Sequence[Use], messages: Sequence[Message]) -> Rows:
    """By the channel of the message in hand: codes, redemptions, their share, and what was bought."""
    holders = {channel: {one.person.id for one in messages if one.channel == channel} for channel in CHANNELS}
    rows = []
    for channel, name in CHANNELS.items():
        used = [use for use in uses if use.channel == channel]
        share = f"{len(used) / len(holders[channel]):.1%}" if holders[channel] else "·"
        rows.append((name, f"{len(holders[channel]):,}", f"{len(used):,}", share, dollars(used)))
    return rows


def dollars(uses: Iterable[Use]) -> str:
    return f"${sum(use.order_minor for use in uses) / 100:,.2f}"


def check_table(console: Console, found: Sequence[Check]) -> None:
    table = Table(title="Received against ledger", title_justify="left", title_style="bold", box=None, pad_edge=False)
    for heading in ("", "promise", "received", "ledger, or as promised"):
        table.add_column(heading, header_style="dim")
    for check in found:
        mark = Text("✓", style="green") if check.holds else Text("✗", style="bold red")
        table.add_row(mark, check.promise, check.received, check.expected)
    console.print()
    console.print(Padding(table, (0, 0, 0, 2)))


def letter(console: Console, title: str, text: str) -> None:
    """A message as it arrived."""
    wrapped = "\n".join(textwrap.fill(each, 88, break_long_words=False) for each in text.strip().splitlines())
    console.print()
    console.print(Padding(Panel(Text(wrapped), title=title, title_align="left", border_style="dim"), (0, 0, 0, 2)))
