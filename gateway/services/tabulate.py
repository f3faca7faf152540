"""The report of a job as a table: one number a row, to be opened in a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from typing import Final

from msgspec import Struct

from gateway.domain.lift import Estimate, Lift
from gateway.services.csv_rows import harmless
from gateway.services.earnings import Earned
from gateway.services.lift import Comparison, LiftReport
from gateway.services.report import JobReport, Yielded

_HEADER: Final = ("job", "row", "step", "channel", "segment", "offer", "state", "reason", "count")
_OTHERS: Final = "(others)"
_OF_PEOPLE: Final = ("people", "people_sent", "people_reached")
_OF_SENDS: Final = (
    "planned",
    "sent",
    "reached",
    "presumed",
    "delivered",
    "bounced",
    "returned",
    "in_doubt",
    "throttled",
    "yielding",
    "fallbacks",
    "fallbacks_reached",
    "opened",
    "opened_by_programs",
    "clicked",
    "clicked_by_bots",
    "unsubscribed",
    "complained",
    "redeemed",
    "reversed",
)
_OF_OFFERS: Final = ("published", "used", "redeemed", "reversed", "unattributed")
_OF_SEGMENTS: Final = ("people", "people_reached", "published", "used", "redeemed", "reversed")
_OF_ORDERS: Final = ("orders", "order_minor", "discount_minor", "margin_minor", "orders_without_margin")


class _Row(Struct, frozen=True):
    row: str
    state: str
    count: float | None
    reason: str = ""
    step: str = ""
    channel: str = ""
    segment: str = ""
    offer: str = ""


def to_csv(report: JobReport) -> str:
    """The report as a table (RFC 4180), made safe to open in a spreadsheet.

    Rows of kind `sends` count one step, channel, state and reason; `total` rows sum up a step, a step on a channel, an
    offer, a segment with the offer it gets (`(others)` are in no other), or with none of them the job: the measure is
    named in `state`. `earned` rows are of the same places, money in minor units, the currency in `reason`. `yielded_to`
    and `preferred_over` name the other job in `state` and the cap in `reason`. `lift` rows compare with the holdout
    that `reason` names, money with its currency in `channel`; an empty count is not known.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADER)
    for row in [*_step_rows(report), *_job_rows(report)]:
        # Numbers are ours and stay numbers.
        cells = [report.id, *(getattr(row, name) for name in _HEADER[1:])]
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in cells])
    return text.getvalue()


def _step_rows(report: JobReport) -> Iterator[_Row]:
    for step in report.steps:
        for measure in _OF_PEOPLE:
            yield _Row("total", measure, getattr(step, measure), step=step.name)
        for channel in step.channels:
            here = {"step": step.name, "channel": channel.channel}
            for outcome in channel.outcomes:
                yield _Row("sends", outcome.state, outcome.sends, outcome.reason or "", **here)
            for measure in _OF_SENDS:
                yield _Row("total", measure, getattr(channel, measure), **here)
            yield from _earned_rows(channel.earned, **here)


def _earned_rows(found: tuple[Earned, ...], **here: str) -> Iterator[_Row]:
    for earned in found:
        for measure in _OF_ORDERS:
            yield _Row("earned", measure, getattr(earned, measure), earned.currency, **here)


def _job_rows(report: JobReport) -> Iterator[_Row]:
    yield _Row("total", "audience", report.audience)
    for reason, count in report.not_entering.items():
        yield _Row("total", "not_entering", count, reason)
    yield _Row("total", "entries", report.entries)
    for reason, count in report.ended.items():
        yield _Row("total", "ended", count, reason)
    yield _Row("total", "in_doubt", report.in_doubt)
    yield from _yielded_rows("yielded_to", report.yielded_to)
    yield from _yielded_rows("preferred_over", report.preferred_over)
    yield from _offer_rows(report)
    if report.lift is not None:
        yield from _lift_rows(report.lift)


def _yielded_rows(row: str, found: tuple[Yielded, ...]) -> Iterator[_Row]:
    for each in found:
        yield _Row(row, each.job, each.sends, each.rule or "")


def _offer_rows(report: JobReport) -> Iterator[_Row]:
    for offer in report.offers:
        for measure in _OF_OFFERS:
            yield _Row("total", measure, getattr(offer, measure), offer=offer.key)
        yield from _earned_rows(offer.earned, offer=offer.key)
    for segment in report.segments:
        here = {"segment": segment.segment or _OTHERS, "offer": segment.offer or ""}
        for measure in _OF_SEGMENTS:
            yield _Row("total", measure, getattr(segment, measure), **here)
        yield from _earned_rows(segment.earned, **here)


_OF_ARMS: Final = ("people", "converted", "still_open")


def _lift_rows(lift: LiftReport) -> Iterator[_Row]:
    for measure in _OF_ARMS:
        yield _Row("lift", f"test_{measure}", getattr(lift.test, measure))
    for comparison in lift.comparisons:
        for measure in _OF_ARMS:
            yield _Row("lift", f"holdout_{measure}", getattr(comparison.holdout, measure), comparison.against)
        if comparison.lift is not None:
            yield from _comparison_rows(comparison, comparison.lift)


def _comparison_rows(comparison: Comparison, lift: Lift) -> Iterator[_Row]:
    against = comparison.against
    yield _Row("lift", "test_rate", lift.test_rate, against)
    yield _Row("lift", "holdout_rate", lift.holdout_rate, against)
    yield from _estimate_rows("", "absolute", against, lift.absolute)
    yield from _estimate_rows("", "relative", against, lift.relative)
    yield from _estimate_rows("", "incremental_conversions", against, lift.incremental_conversions)
    for revenue in lift.revenue:
        money = revenue.currency or ""
        yield _Row("lift", "test_minor_per_person", revenue.test_per_person, against, channel=money)
        yield _Row("lift", "holdout_minor_per_person", revenue.holdout_per_person, against, channel=money)
        yield from _estimate_rows(money, "difference_minor_per_person", against, revenue.difference)
        yield from _estimate_rows(money, "incremental_minor", against, revenue.incremental)


def _estimate_rows(money: str, measure: str, against: str, estimate: Estimate) -> Iterator[_Row]:
    yield _Row("lift", measure, estimate.value, against, channel=money)
    yield _Row("lift", f"{measure}_low", estimate.low, against, channel=money)
    yield _Row("lift", f"{measure}_high", estimate.high, against, channel=money)
