"""The report of a job as a table: one number a row, to be opened in a spreadsheet."""

import csv
import io
from collections.abc import Iterator
from typing import Final

from gateway.domain.lift import Estimate, Lift
from gateway.services.csv_rows import harmless
from gateway.services.lift import Comparison, LiftReport
from gateway.services.report import JobReport, Yielded

_HEADER: Final = ("job", "row", "step", "channel", "state", "reason", "count")
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
)

_Row = tuple[str, str, str, str, str, float | None]


def to_csv(report: JobReport) -> str:
    """The report as a table (RFC 4180), made safe to open in a spreadsheet.

    Rows of kind `sends` count one step, channel, state and reason; `total` rows sum up a step, a step on a channel, or
    with neither the job, the measure named in `state`; `earned` rows are order values in minor units, the currency in
    `reason`. `yielded_to` and `preferred_over` name the other job in `state` and the cap in `reason`. `lift` rows
    compare with the holdout that `reason` names, money with its currency in `channel`; an empty count is not known.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(_HEADER)
    for row in [*_step_rows(report), *_job_rows(report)]:
        # Numbers are ours and stay numbers.
        writer.writerow([harmless(cell) if isinstance(cell, str) else cell for cell in (report.id, *row)])
    return text.getvalue()


def _step_rows(report: JobReport) -> Iterator[_Row]:
    for step in report.steps:
        for measure in _OF_PEOPLE:
            yield ("total", step.name, "", measure, "", getattr(step, measure))
        for channel in step.channels:
            place = (step.name, channel.channel)
            for outcome in channel.outcomes:
                yield ("sends", *place, outcome.state, outcome.reason or "", outcome.sends)
            for measure in _OF_SENDS:
                yield ("total", *place, measure, "", getattr(channel, measure))
            for earned in channel.earned:
                yield ("earned", *place, "order_minor", earned.currency, earned.order_minor)


def _job_rows(report: JobReport) -> Iterator[_Row]:
    yield ("total", "", "", "audience", "", report.audience)
    for reason, count in report.not_entering.items():
        yield ("total", "", "", "not_entering", reason, count)
    yield ("total", "", "", "entries", "", report.entries)
    for reason, count in report.ended.items():
        yield ("total", "", "", "ended", reason, count)
    yield ("total", "", "", "in_doubt", "", report.in_doubt)
    yield from _yielded_rows("yielded_to", report.yielded_to)
    yield from _yielded_rows("preferred_over", report.preferred_over)
    yield from _offer_rows(report)
    if report.lift is not None:
        yield from _lift_rows(report.lift)


def _yielded_rows(row: str, found: tuple[Yielded, ...]) -> Iterator[_Row]:
    for each in found:
        yield (row, "", "", each.job, each.rule or "", each.sends)


def _offer_rows(report: JobReport) -> Iterator[_Row]:
    if report.offer is None:
        return
    yield ("total", "", "", "published", "", report.offer.published)
    yield ("total", "", "", "redeemed", "", report.offer.redeemed)
    yield ("total", "", "", "unattributed", "", report.offer.unattributed)
    for earned in report.offer.earned:
        yield ("earned", "", "", "order_minor", earned.currency, earned.order_minor)


_OF_ARMS: Final = ("people", "converted", "still_open")


def _lift_rows(lift: LiftReport) -> Iterator[_Row]:
    for measure in _OF_ARMS:
        yield ("lift", "", "", f"test_{measure}", "", getattr(lift.test, measure))
    for comparison in lift.comparisons:
        for measure in _OF_ARMS:
            yield ("lift", "", "", f"holdout_{measure}", comparison.against, getattr(comparison.holdout, measure))
        if comparison.lift is not None:
            yield from _comparison_rows(comparison, comparison.lift)


def _comparison_rows(comparison: Comparison, lift: Lift) -> Iterator[_Row]:
    against = comparison.against
    yield ("lift", "", "", "test_rate", against, lift.test_rate)
    yield ("lift", "", "", "holdout_rate", against, lift.holdout_rate)
    yield from _estimate_rows("", "absolute", against, lift.absolute)
    yield from _estimate_rows("", "relative", against, lift.relative)
    yield from _estimate_rows("", "incremental_conversions", against, lift.incremental_conversions)
    for revenue in lift.revenue:
        money = revenue.currency or ""
        yield ("lift", "", money, "test_minor_per_person", against, revenue.test_per_person)
        yield ("lift", "", money, "holdout_minor_per_person", against, revenue.holdout_per_person)
        yield from _estimate_rows(money, "difference_minor_per_person", against, revenue.difference)
        yield from _estimate_rows(money, "incremental_minor", against, revenue.incremental)


def _estimate_rows(money: str, measure: str, against: str, estimate: Estimate) -> Iterator[_Row]:
    yield ("lift", "", money, measure, against, estimate.value)
    yield ("lift", "", money, f"{measure}_low", against, estimate.low)
    yield ("lift", "", money, f"{measure}_high", against, estimate.high)
