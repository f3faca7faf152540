"""What tills without a network tell afterwards: each use once, and nothing lost in silence."""

import contextlib
import csv
import io
import random
import threading
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from functools import partial
from typing import Any

import msgspec
import pytest
from sqlalchemy import update

from gateway.contract import Outbound
from gateway.domain.coupon import new_code, normalised
from gateway.domain.redemption import Use
from gateway.services import privacy, till_lines
from gateway.services.redeem import redeem
from gateway.services.till_lines import Conflict, Told
from gateway.services.till_report import Report, conflict_table
from gateway.services.validate import Refused
from gateway.storage import redemptions
from gateway.storage.tables import coupons
from gateway.storage.till_lines import Wanted
from tests.builders import NOW, World, step

SHOWS = {"text": "{{ coupon.code }}"}
FRIDAY_EVENING = NOW + timedelta(hours=6)


class Market(World):
    """Four people with a coupon each (`codes`), and tills that were offline until Saturday noon."""

    codes: dict[str, str]

    def open(self, **offer: Any) -> None:
        self.people("c-1", "c-2", "c-3", "c-4")
        self.offer("w15", **{"valid_for": "PT72H"} | offer)
        self.job_id = self.run(step("one", **SHOWS), step("two", after="P2D", **SHOWS), offer="w15")
        self.codes = _codes(self.pump())
        self.later(days=1)

    def cups(self) -> dict[str, str]:
        """The codes of another offer, a day later, by person."""
        self.offer("cup", kind="sample")
        self.run(step("one", **SHOWS), offer="cup")
        found = _codes(self.pump())
        self.later(days=1)
        return found

    def upload(self, *lines: Any, client: str = "shop") -> list[Told]:
        """Lines are bytes, or what becomes JSON."""
        rows = [(n, line if isinstance(line, bytes) else msgspec.json.encode(line)) for n, line in enumerate(lines, 1)]
        told: list[Told] = []
        for lot in till_lines.lots(rows):
            with self.db.transaction() as tx:
                told += till_lines.take_in(tx, lot, client)
        return told

    def conflicts(self, **wanted: Any) -> list[Conflict]:
        with self.db.snapshot() as tx:
            return list(till_lines.conflicts(tx, Wanted(**wanted), None, 1000).conflicts)

    def redeem(self, code: str, **fields: Any) -> str:
        with self.db.transaction() as tx:
            return redeem(tx, code, msgspec.convert(fields, Use), "shop").id

    def uses(self, id: str) -> list[tuple[datetime, str | None, str | None]]:
        with self.db.snapshot() as tx:
            return [(row.at, row.till, row.place) for row in redemptions.of_code(tx, normalised(self.codes[id]))]


def _codes(messages: Iterable[Outbound]) -> dict[str, str]:
    return {each.recipient_id: each.coupon.code for each in messages if each.coupon}


@pytest.fixture
def market(world: World) -> Market:
    made = Market(world.db)
    made.open()
    return made


def line(code: str, number: int | str = 1, *, at: datetime | str = FRIDAY_EVENING, **fields: Any) -> dict[str, Any]:
    return {"till": "till-1", "line": str(number), "code": code, "at": at} | fields


def outcomes(told: Sequence[Told]) -> list[str]:
    return [each.outcome for each in told]


def plain(told: Sequence[Told]) -> list[Told]:
    """Without what may differ between the first time and the next."""
    return [msgspec.structs.replace(each, row=0, replayed=False) for each in told]


def at_once(*acts: Callable[[], list[str]]) -> list[list[str]]:
    start = threading.Barrier(len(acts))

    def run(act: Callable[[], list[str]]) -> list[str]:
        start.wait()
        return act()

    with ThreadPoolExecutor(len(acts)) as threads:
        return list(threads.map(run, acts))


def test_a_use_counts_as_of_the_hour_in_which_it_was_and_stops_what_waits(market: Market) -> None:
    place = "Łódź, ul. Piotrkowska 🧺 (قسم)"
    [told] = market.upload(
        line(market.codes["c-1"].lower(), place=place, order_minor=4990, currency="EUR", order_id="r-17")
    )
    assert (told.outcome, told.replayed, told.at) == ("redeemed", False, FRIDAY_EVENING)
    assert market.uses("c-1") == [(FRIDAY_EVENING, "till-1", place)]
    entry = market.entry(market.job_id, "c-1")
    assert entry.ended == "redeemed"
    assert market.conflicts() == []
    market.later(days=1, minutes=1)
    market.plan_due()
    assert {each.recipient_id for each in market.pump()} == {"c-2", "c-3", "c-4"}


def test_a_use_in_time_counts_although_the_coupon_is_over_when_it_comes_in(market: Market) -> None:
    market.later(days=30)
    in_time, too_late = line(market.codes["c-1"]), line(market.codes["c-2"], 2, at=NOW + timedelta(days=4))
    assert outcomes(market.upload(in_time, too_late)) == ["redeemed", "expired_at_use"]
    [conflict] = market.conflicts()
    assert (conflict.client, conflict.till, conflict.line) == ("shop", "till-1", "2")
    assert conflict.ending == market.codes["c-2"][-4:]
    assert conflict.detail is not None
    assert "ended on" in conflict.detail


def test_a_second_use_is_told_with_the_first_and_which_of_them_was_earlier(market: Market) -> None:
    code = market.codes["c-1"]
    first_at = FRIDAY_EVENING + timedelta(hours=1)
    [first] = market.upload(line(code, at=first_at, place="Θεσσαλονίκη"))
    [second] = market.upload(line(code, 1, till="till-2"), client="other-shop")
    assert (second.outcome, second.is_earlier) == ("double_use", True)
    assert second.first_use is not None
    assert (second.first_use.redemption, second.first_use.at) == (first.redemption, first_at)
    assert (second.first_use.place, second.first_use.till) == ("Θεσσαλονίκη", "till-1")
    [later] = market.upload(line(code, 2, at=first_at + timedelta(minutes=1)))
    assert (later.outcome, later.is_earlier) == ("double_use", False)
    assert [each.is_earlier for each in market.conflicts()] == [False, True]
    assert [each.till for each in market.conflicts(client="other-shop")] == ["till-2"]
    assert market.conflicts(outcome="void") == []


def test_whatever_is_wrong_with_a_line_is_told_and_stops_no_other(market: Market) -> None:
    wrong = market.codes["c-2"][:-1] + ("2" if market.codes["c-2"][-1] != "2" else "3")
    told = market.upload(
        b"{nonsense",
        line(market.codes["c-1"], 1),
        line(wrong, 2),
        line(new_code(), 3),
        line("XXXX-XXXX-XXXX", 4),
        line(market.codes["c-2"], 5, at=NOW - timedelta(days=1)),
        line(market.codes["c-2"], 6, at=market.now() + timedelta(hours=1)),
        line(market.codes["c-2"], 7, order_minor=100),
        line(market.codes["c-2"], 8, at="2026-11-20T18:00:00"),
        {"till": "till-1", "line": "9", "code": market.codes["c-2"]},
        line(market.codes["c-2"], 10, recipient="c-1"),
        line(market.codes["c-2"], 11, amount_minor=10, currency="EUR"),
        line(market.codes["c-2"], 12),
    )
    assert outcomes(told) == [
        "unreadable",
        "redeemed",
        "mistyped",
        "unknown",
        "specimen",
        "not_yet_valid",
        "in_future",
        "unreadable",
        "unreadable",
        "unreadable",
        "wrong_person",
        "balance",
        "redeemed",
    ]
    assert [told[row].detail for row in (7, 8, 9)] == [
        "currency: an order value needs one, such as EUR",
        "at: needs a time zone, such as 2026-05-01T10:00:00Z",
        "at: required field is missing",
    ]
    assert len(market.conflicts()) == 7
    assert [each.row for each in told] == list(range(1, 14))


def test_what_an_offer_asks_for_is_asked_of_every_line(world: World) -> None:
    market = Market(world.db)
    market.open(currency="EUR", min_order_minor=2000, products=["sku-1", "sku-2"], total=1)
    code = market.codes["c-1"]
    order: dict[str, Any] = {"currency": "EUR", "order_minor": 2000, "products": ["sku-2"]}
    told = market.upload(
        line(code, 1),
        line(code, 2, **order | {"order_minor": 1999}),
        line(code, 3, **order | {"currency": "PLN"}),
        line(code, 4, **order | {"products": ["sku-3"]}),
        line(code, 5, **order),
        line(market.codes["c-2"], 6, **order),
    )
    assert outcomes(told) == [
        "order_unknown", "order_too_small", "wrong_currency", "no_product", "redeemed", "limit_reached",
    ]  # fmt: skip


def test_a_balance_is_drawn_down_line_by_line(world: World) -> None:
    market = Market(world.db)
    market.open(kind="amount", value=1000, currency="EUR", partial=True)
    draws = [line(market.codes["c-1"], n, amount_minor=400, currency="EUR") for n in range(3)]
    assert outcomes(market.upload(*draws)) == ["redeemed", "redeemed", "balance"]
    assert market.upload(line(market.codes["c-1"], 3, amount_minor=200, currency="EUR"))[0].outcome == "redeemed"
    [empty] = market.upload(line(market.codes["c-1"], 4, amount_minor=1, currency="EUR"))
    assert (empty.outcome, empty.first_use is not None) == ("double_use", True)


def test_a_line_that_says_something_else_the_second_time_is_a_conflict_and_changes_nothing(market: Market) -> None:
    market.upload(line(market.codes["c-1"]))
    other = line(market.codes["c-2"])
    assert outcomes(market.upload(other, other)) == ["line_reused", "line_reused"]
    assert market.uses("c-2") == []
    assert [each.outcome for each in market.conflicts()] == ["line_reused"]
    assert outcomes(market.upload(other)) == ["line_reused"]
    # Of another client, and at another till, the name is free.
    assert outcomes(market.upload(other, client="other-shop")) == ["redeemed"]
    assert outcomes(market.upload(line(market.codes["c-3"], till="till-2"))) == ["redeemed"]


def test_the_same_use_spelled_otherwise_is_the_same(market: Market) -> None:
    code = market.codes["c-1"]
    [first] = market.upload(line(code))
    rome = FRIDAY_EVENING.isoformat().replace("18:00:00+00:00", "19:00:00+01:00")
    [again] = market.upload(line(f" {code.lower().replace('-', '')} ", at=rome))
    assert (again.replayed, again.redemption) == (True, first.redemption)


def test_what_time_alone_may_change_is_judged_anew(market: Market) -> None:
    ahead = line(market.codes["c-1"], at=market.now() + timedelta(hours=1))
    assert outcomes(market.upload(ahead)) == ["in_future"]
    assert len(market.conflicts()) == 1
    market.later(hours=2)
    [told] = market.upload(ahead)
    assert (told.outcome, told.replayed) == ("redeemed", False)
    assert market.conflicts() == []
    assert market.upload(ahead)[0].replayed


def a_day_of(market: Market) -> list[dict[str, Any]]:
    """Sixty lines of three tills: good ones, second uses, made-up codes."""
    good = list(market.codes.values())
    choice = random.Random(7)
    return [
        line(
            choice.choice([*good, *good, new_code(draw=choice.randrange)]),
            n,
            till=f"till-{n % 3}",
            at=FRIDAY_EVENING + timedelta(minutes=n),
        )
        for n in range(60)
    ]


def test_a_file_that_comes_again_is_answered_as_before_and_changes_nothing(market: Market) -> None:
    day = a_day_of(market)
    first = market.upload(*day)
    assert outcomes(first).count("redeemed") == 4
    assert market.upload(*day) == [msgspec.structs.replace(each, replayed=True) for each in first]
    again = list(enumerate(day))
    random.Random(3).shuffle(again)
    told = market.upload(*(each for _, each in again))
    assert plain(told) == plain([first[n] for n, _ in again])
    assert len(market.conflicts()) == 56
    assert [len(market.uses(id)) for id in market.codes] == [1, 1, 1, 1]


def test_a_file_that_broke_off_goes_on_where_it_was(market: Market) -> None:
    day = a_day_of(market)
    half = market.upload(*day[:30])
    whole = market.upload(*day)
    assert plain(whole[:30]) == plain(half)
    assert [each.replayed for each in whole] == [True] * 30 + [False] * 30
    assert plain(market.upload(*day)) == plain(whole)
    assert outcomes(whole).count("redeemed") == 4


def test_a_file_that_comes_twice_at_once_and_in_another_order_goes_in_once(market: Market) -> None:
    day = a_day_of(market)
    orders = [day, day[::-1], day, day[30:] + day[:30]]
    told: dict[int, list[Told]] = {}

    def upload(number: int) -> list[str]:
        told[number] = market.upload(*orders[number])
        return outcomes(told[number])

    at_once(*(partial(upload, number) for number in range(len(orders))))
    by_line = [{(each.till, each.line): each for each in plain(told[number])} for number in range(4)]
    assert by_line[0] == by_line[1] == by_line[2] == by_line[3]
    assert outcomes(told[0]).count("redeemed") == 4
    assert sum(not each.replayed for one in told.values() for each in one) == 60
    assert [len(market.uses(id)) for id in market.codes] == [1, 1, 1, 1]


def test_tills_and_the_shop_want_the_same_coupons_at_once(market: Market) -> None:
    codes = list(market.codes.values())

    def online() -> list[str]:
        told = []
        for code in codes:
            with contextlib.suppress(Refused):
                market.redeem(code)
                told.append("redeemed")
        return told

    forth = [line(code, n, till="till-1") for n, code in enumerate(codes)]
    back = [line(code, n, till="till-2") for n, code in enumerate(codes[::-1])]
    told = at_once(lambda: outcomes(market.upload(*forth)), lambda: outcomes(market.upload(*back)), online)
    assert sum(each.count("redeemed") for each in told) == 4
    assert {outcome for each in told for outcome in each} <= {"redeemed", "double_use"}


def test_files_with_coupons_of_several_offers_never_wait_for_each_other(market: Market) -> None:
    """Of different people, so that nothing but the offers' rows is common to them."""
    cups, saturday = market.cups(), NOW + timedelta(days=1, hours=6)
    forth = [market.codes["c-1"], market.codes["c-2"], cups["c-1"], cups["c-2"]]
    back = [cups["c-3"], cups["c-4"], market.codes["c-3"], market.codes["c-4"]]
    files = [
        [line(code, n, till=till, at=saturday) for n, code in enumerate(codes)]
        for till, codes in (("till-1", forth), ("till-2", back))
    ]
    told = at_once(*(partial(lambda lines: outcomes(market.upload(*lines)), lines) for lines in files))
    assert told == [["redeemed"] * 4] * 2


def test_of_two_lines_of_one_name_that_come_at_once_one_counts(market: Market) -> None:
    """Of different people and offers, so that nothing but the name is common to them."""
    cups, saturday = market.cups(), NOW + timedelta(days=1, hours=6)
    told = at_once(
        lambda: outcomes(market.upload(*(line(market.codes[id], id, at=saturday) for id in ("c-1", "c-2")))),
        lambda: outcomes(
            market.upload(line(cups["c-3"], "c-1", at=saturday), line(cups["c-4"], "c-2", at=saturday)),
        ),
    )
    assert sorted(told) == [["line_reused"] * 2, ["redeemed"] * 2]


def test_what_became_of_a_coupon_since_is_a_reason_too(world: World) -> None:
    market = Market(world.db)
    market.open(kind="amount", value=500, currency="EUR", budget_minor=600)
    in_an_hour = market.now() + timedelta(hours=1)
    changes: dict[str, dict[str, Any]] = {
        "c-1": {"void_at": NOW},
        "c-2": {"activated_at": None},
        "c-3": {"hold": "h", "held_until": in_an_hour},
    }
    with market.db.transaction() as tx:
        for id, values in changes.items():
            code = normalised(market.codes[id])
            tx.execute(update(coupons).where(coupons.c.code == code).values(**values))
    lines = [line(market.codes[f"c-{n}"], n) for n in (1, 2, 3, 4)]
    assert outcomes(market.upload(*lines)) == ["void", "not_active", "held", "redeemed"]
    assert outcomes(market.upload(*lines)) == ["void", "not_active", "held", "redeemed"]
    market.later(hours=2)
    # The hold ran out; but the budget went meanwhile.
    assert outcomes(market.upload(*lines)) == ["void", "not_active", "budget", "redeemed"]
    assert {each.outcome for each in market.conflicts()} == {"void", "not_active", "budget"}


def test_a_coupon_that_is_used_online_meanwhile_is_a_double_use(market: Market) -> None:
    code = market.codes["c-1"]
    id = market.redeem(code, place="shop.example.com")
    [told] = market.upload(line(code))
    assert (told.outcome, told.is_earlier) == ("double_use", True)
    assert told.first_use is not None
    assert (told.first_use.redemption, told.first_use.place) == (id, "shop.example.com")


def test_nothing_of_an_erased_person_s_uses_is_left(market: Market) -> None:
    market.upload(line(market.codes["c-1"], place="Kraków"), line(market.codes["c-1"], 2), line(market.codes["c-2"], 3))
    with market.db.transaction() as tx:
        privacy.erase(tx, market.house, "c-1", "erased_1", "tests")
    assert market.conflicts() == []
    assert outcomes(market.upload(line(market.codes["c-2"], 3))) == ["redeemed"]


def test_a_report_has_every_line_and_no_formula(market: Market) -> None:
    told = market.upload(
        line(market.codes["c-1"], "=1+1", till="@SUM(A1)", place="+39 Bari"),
        line(market.codes["c-1"], "-2", till="@SUM(A1)"),
    )
    report = Report(as_table=True)
    report.add(told)
    counted = report.counted()
    assert (counted.received, counted.redeemed, counted.replayed) == (2, 1, 0)
    assert counted.outcomes == {"double_use": 1, "redeemed": 1}
    assert (len(counted.conflicts), counted.more_conflicts) == (1, 0)
    with report.table() as table:
        rows = list(csv.DictReader(io.StringIO(table.read().decode("utf-8-sig"))))
    assert [(row["row"], row["till"], row["line"], row["outcome"]) for row in rows] == [
        ("1", "'@SUM(A1)", "'=1+1", "redeemed"),
        ("2", "'@SUM(A1)", "'-2", "double_use"),
    ]
    assert rows[1]["first_place"] == "'+39 Bari"
    assert rows[1]["first_redemption"] == told[0].redemption
    kept = list(csv.DictReader(io.StringIO(conflict_table(market.conflicts(), is_first=True).decode("utf-8-sig"))))
    assert [(row["client"], row["line"], row["outcome"]) for row in kept] == [("shop", "'-2", "double_use")]


def test_more_than_a_thousand_conflicts_are_counted() -> None:
    report = Report(as_table=False)
    one = Told(row=1, outcome="unknown")
    for _ in range(3):
        report.add([one] * 500)
    counted = report.counted()
    assert (len(counted.conflicts), counted.more_conflicts, counted.outcomes) == (1000, 500, {"unknown": 1500})
