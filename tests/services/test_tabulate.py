"""The report as a table: the same numbers, in cells that a spreadsheet takes for what they are."""

import csv
import io
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest
from msgspec import structs

from gateway.contract import Outcome, PermanentFailure
from gateway.domain.lift import Arm, Spending, compare
from gateway.services import report, tabulate
from gateway.services.lift import ArmReport, Comparison, LiftReport
from gateway.services.report import JobReport, Yielded

if TYPE_CHECKING:
    from tests.services.conftest import Road

ONE = {"channels": ["email"]}


def email(n: int) -> dict[str, Any]:
    return {"kind": "email", "value": f"c{n}@example.com"}


def read(road: "Road") -> JobReport:
    with road.db.snapshot() as tx:
        return report.of_job(tx, "job_x")


def rows(found: JobReport) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(tabulate.to_csv(found), newline="")))


def test_the_table_says_what_the_report_says(road: "Road") -> None:
    for n in range(5):
        road.person(f"c-{n}", email(n), channels=("email",) if n else ())
    road.offer()
    road.job(ONE, offer="w15", audience={"kind": "ids", "ids": ["c-0", "c-1", "c-2", "c-3", "c-4", "nobody"]})
    sent = road.pump("email")
    road.click(sent["c-1"])
    road.redeem(sent["c-2"], order_minor=1990, currency="EUR")
    found = read(road)
    table = rows(found)
    assert {row["job"] for row in table} == {"job_x"}
    counted = {(row["step"], row["channel"], row["state"], row["reason"]): row["count"] for row in table}
    assert len(counted) == len(table)
    assert sum(int(row["count"]) for row in table if row["row"] == "sends") == found.entries
    assert counted["step-1", "email", "accepted", ""] == "4"
    assert counted["step-1", "email", "skipped", "no_consent"] == "1"
    assert counted["step-1", "email", "clicked", ""] == "1"
    assert counted["", "", "not_entering", "unknown recipient"] == "1"
    assert counted["", "", "audience", ""] == "6"
    assert counted["", "", "order_minor", "EUR"] == "1990"


@pytest.mark.parametrize(
    "reason",
    [
        "=1+1",
        "+1",
        "-1",
        "@SUM(A1)",
        "\tx",
        "\rx",
        "\n=x",
        " =1+1",
        "\u00a0@x",
        "＝cmd()",
        "－1",
        '=HYPERLINK("x";"y")',
    ],
)
def test_no_cell_is_a_formula_and_every_cell_comes_back(road: "Road", reason: str) -> None:
    road.person("c-0", email(0))
    road.job(ONE)
    road.pump("email", lambda message: Outcome.failed(message, PermanentFailure(reason)))
    [row] = [row for row in rows(read(road)) if row["row"] == "sends"]
    assert row["reason"] == f"'{reason}"


def test_lines_end_and_cells_are_quoted_as_rfc_4180_says(road: "Road") -> None:
    road.person("c-0", email(0))
    road.job(ONE)
    road.pump("email", lambda message: Outcome.failed(message, PermanentFailure('a "quoted", reason\nof two lines')))
    text = tabulate.to_csv(read(road))
    assert 'failed,"a ""quoted"", reason\nof two lines",1\r\n' in text
    assert text.endswith("\r\n")
    assert "\r" not in text.replace("\r\n", "")


def test_the_table_tells_the_people_of_each_step_beside_its_sends(road: "Road") -> None:
    for n in range(3):
        road.person(f"c-{n}", email(n))
    road.job(ONE)
    road.pump("email", lambda message: Outcome.failed(message, PermanentFailure("550", "refused")))
    told = {row["state"]: row["count"] for row in rows(read(road)) if row["step"] == "step-1" and not row["channel"]}
    assert told == {"people": "3", "people_sent": "0", "people_reached": "0"}


def test_the_table_tells_what_the_job_brought_and_whom_it_gave_way_to(road: "Road") -> None:
    """Estimates without an end stay empty, losses stay numbers, and names of others' rules are no formulas."""
    arm = ArmReport(people=40, converted=4, still_open=2)
    lift = compare(
        Arm(people=40, converted=4, spent={"EUR": Spending(buyers=4, total_minor=4000, squares=4e6)}),
        Arm(people=10, converted=3, spent={"EUR": Spending(buyers=3, total_minor=9000, squares=27e6)}),
    )
    assert lift is not None
    brought = LiftReport(
        activity="purchase",
        within=timedelta(days=30),
        complete_at=road.noon,
        test=arm,
        comparisons=(Comparison(against="holdout", holdout=arm, lift=lift),),
    )
    road.job(ONE)
    gave_way = (Yielded(job="job_y", name="sale", rule="=two", sends=7),)
    found = structs.replace(read(road), lift=brought, no_lift=None, yielded_to=gave_way, preferred_over=gave_way)
    table = rows(found)
    assert [(row["row"], row["state"], row["reason"], row["count"]) for row in table if row["state"] == "job_y"] == [
        ("yielded_to", "job_y", "'=two", "7"),
        ("preferred_over", "job_y", "'=two", "7"),
    ]
    told = {(row["channel"], row["state"], row["reason"]): row["count"] for row in table if row["row"] == "lift"}
    assert told["", "test_still_open", ""] == "2"
    assert told["", "holdout_people", "holdout"] == "40"
    assert float(told["", "absolute", "holdout"]) == pytest.approx(-0.2)
    assert float(told["", "absolute_low", "holdout"]) < -0.2 < float(told["", "absolute_high", "holdout"])
    assert float(told["", "incremental_conversions", "holdout"]) == pytest.approx(-8)
    assert float(told["EUR", "difference_minor_per_person", "holdout"]) == pytest.approx(-800)
    assert told["EUR", "difference_minor_per_person_low", "holdout"] == ""
    assert len(told) == len([row for row in table if row["row"] == "lift"])
