"""The tables of the demonstration that show only where there is something to show."""

from datetime import UTC, datetime, timedelta

from gateway.demo.ledger import Ledger
from gateway.demo.sheets import Sheet, in_words, report_sheets
from gateway.domain.lift import Arm, Spending, compare
from gateway.services.lift import ArmReport, Comparison, LiftReport
from gateway.services.report import JobReport

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def spent(buyers: int, each_minor: int) -> dict[str | None, Spending]:
    squares = float(buyers * each_minor**2)
    return {"USD": Spending(buyers=buyers, total_minor=buyers * each_minor, squares=squares)}


def brought(test: Arm, holdout: Arm) -> LiftReport:
    def told(arm: Arm) -> ArmReport:
        return ArmReport(people=arm.people, converted=arm.converted, still_open=0)

    comparison = Comparison(against="holdout", holdout=told(holdout), lift=compare(test, holdout))
    return LiftReport(
        activity="purchase", within=timedelta(days=3), complete_at=NOON, test=told(test), comparisons=(comparison,)
    )


def ledger(lift: LiftReport | None) -> Ledger:
    report = JobReport(
        id="job_x",
        name="Проснись",
        purpose="marketing",
        priority=5,
        state="done",
        accepted_at=NOON,
        expanded_at=NOON,
        ended_at=NOON,
        audience=0,
        entries=0,
        not_entering={},
        ended={},
        in_doubt=0,
        steps=(),
        offers=(),
        segments=(),
        yielded_to=(),
        preferred_over=(),
        lift=lift,
        no_lift=None if lift else "nobody was held out",
    )
    return Ledger(report=report, accepted={})


def last_sheet(lift: LiftReport | None) -> Sheet:
    return report_sheets(ledger(lift), (), ())[-1]


def test_without_a_holdout_there_is_no_sheet_about_one() -> None:
    assert last_sheet(None).title.startswith("Coupons: ")


def test_as_long_as_everybodys_time_runs_there_is_no_sheet_about_the_holdout() -> None:
    nobody = Arm(people=0, converted=0)
    assert last_sheet(brought(nobody, nobody)).title.startswith("Coupons: ")


def test_what_the_messages_brought_is_told_with_its_range() -> None:
    sheet = last_sheet(
        brought(
            Arm(people=900, converted=90, spent=spent(90, 2000)), Arm(people=300, converted=12, spent=spent(12, 2000))
        )
    )
    assert sheet.title == "What it brought: purchase within 3 days"
    assert sheet.rows == [
        ("who did, of those with messages", "10.0%", ""),
        ("of those left out", "4.0%", ""),
        ("more, in points", "6.0", "2.6 to 8.7"),
        ("people won", "54.0", "23.6 to 78.5"),
        ("USD more a head", "1.2", "·"),
    ]
    assert sheet.total == ("so", "it woke them", "")


def test_an_effect_that_may_be_none_is_not_called_one() -> None:
    sheet = last_sheet(brought(Arm(people=90, converted=6), Arm(people=10, converted=1)))
    assert sheet.total == ("so", "too few to say", "")


def test_the_reasons_of_comparison_and_of_turns_are_told_in_words() -> None:
    assert in_words("holdout") == "left out, for comparison"
    assert in_words("priority:two-a-week") == "something more important goes first: two-a-week"
