"""Lift: the formulas against published examples, and their intervals against chance itself."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from gateway.domain.lift import (
    LEAST_BUYERS,
    Arm,
    Estimate,
    Sample,
    Spending,
    compare,
    mean_difference,
    rate_difference,
    relative_lift,
    student,
    wilson,
)


def arm(converted: int, people: int, **spent: list[int]) -> Arm:
    """`spent` is what each buyer spent, by currency."""
    return Arm(
        people=people,
        converted=converted,
        spent={
            currency: Spending(buyers=len(sums), total_minor=sum(sums), squares=float(sum(x * x for x in sums)))
            for currency, sums in spent.items()
        },
    )


def ends(estimate: Estimate) -> tuple[float, float]:
    assert estimate.low is not None
    assert estimate.high is not None
    return estimate.low, estimate.high


NEWCOMBE_WILSON = [
    (81, 263, 0.2553, 0.3662),
    (15, 148, 0.0624, 0.1605),
    (0, 20, 0.0, 0.1611),
    (1, 29, 0.0061, 0.1718),
]
"""Newcombe RG (1998), Two-sided confidence intervals for the single proportion, Statistics in Medicine 17:857-872,
table I, method 3."""


@pytest.mark.parametrize(("successes", "trials", "low", "high"), NEWCOMBE_WILSON)
def test_a_proportion_has_the_interval_that_newcombe_prints(
    successes: int, trials: int, low: float, high: float
) -> None:
    assert wilson(successes, trials) == pytest.approx((low, high), abs=0.00005)


NEWCOMBE_DIFFERENCE = [
    (56, 70, 48, 80, 0.0524, 0.3339),
    (9, 10, 3, 10, 0.1705, 0.8090),
    (6, 7, 2, 7, 0.0582, 0.8062),
    (5, 56, 0, 29, -0.0381, 0.1926),
    (0, 10, 0, 20, -0.1611, 0.2775),
    (0, 10, 0, 10, -0.2775, 0.2775),
    (10, 10, 0, 20, 0.6791, 1.0000),
    (10, 10, 0, 10, 0.6075, 1.0000),
]
"""Newcombe RG (1998), Statistics in Medicine 17:873-890, table II, method 10."""


@pytest.mark.parametrize(("a", "m", "b", "n", "low", "high"), NEWCOMBE_DIFFERENCE)
def test_a_difference_has_the_interval_that_newcombe_prints(
    a: int, m: int, b: int, n: int, low: float, high: float
) -> None:
    assert ends(rate_difference(arm(a, m), arm(b, n))) == pytest.approx((low, high), abs=0.00006)


SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)
"""Student (1908), The probable error of a mean; R's `t.test(extra ~ group, data = sleep)` prints the interval."""


def sample(numbers: list[float]) -> Sample:
    mean = sum(numbers) / len(numbers)
    return Sample(len(numbers), mean, sum((number - mean) ** 2 for number in numbers) / (len(numbers) - 1))


def test_means_have_the_interval_that_r_prints_for_the_sleep_of_students_patients() -> None:
    difference = mean_difference(*map(sample, SLEEP))
    assert difference.value == pytest.approx(-1.58)
    assert ends(difference) == pytest.approx((-3.3654832, 0.2054832), abs=0.00002)


@pytest.mark.parametrize("freedom", [5, 7.5, 10, 29, 29.9, 60, 120, 1000, 1e6])
def test_the_point_of_students_t_leaves_a_fortieth_above_it(freedom: float) -> None:
    """By Simpson's rule over the density."""
    log_height = math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2) - math.log(freedom * math.pi) / 2
    steps, end = 2000, student(freedom)

    def density(t: float) -> float:
        return math.exp(log_height - (freedom + 1) / 2 * math.log1p(t * t / freedom))

    inner = sum((4 if step % 2 else 2) * density(end * step / steps) for step in range(1, steps))
    below = 0.5 + (density(0) + inner + density(end)) * end / steps / 3
    assert below == pytest.approx(0.975, abs=0.00001)


COUNTS = st.integers(1, 400).flatmap(lambda people: st.tuples(st.integers(0, people), st.just(people)))


@given(COUNTS, COUNTS)
def test_the_ratio_speaks_of_an_effect_exactly_where_the_difference_does(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    test, holdout = arm(*one), arm(*other)
    absolute, relative = rate_difference(test, holdout), relative_lift(test, holdout)
    low, high = ends(absolute)
    assert -1.0000001 <= low <= (absolute.value or 0) + 1e-9
    assert (absolute.value or 0) - 1e-9 <= high <= 1.0000001
    assert relative.low is not None
    assert relative.low >= -1
    if abs(low) > 1e-9:
        assert (relative.low > 0) == (low > 0)
    if abs(high) > 1e-9:
        assert (relative.high is not None and relative.high < 0) == (high < 0)
    if holdout.converted == 0:
        assert (relative.value, relative.high) == (None, None)
    else:
        assert relative.value is not None
        assert relative.high is not None
        assert relative.low - 1e-9 <= relative.value <= relative.high + 1e-9


@given(COUNTS, COUNTS)
def test_arms_that_change_places_change_the_sign(one: tuple[int, int], other: tuple[int, int]) -> None:
    low, high = ends(rate_difference(arm(*one), arm(*other)))
    turned = ends(rate_difference(arm(*other), arm(*one)))
    assert turned == pytest.approx((-high, -low), abs=1e-9)


@pytest.mark.parametrize(
    ("p1", "p2", "m", "n"), [(0.05, 0.05, 900, 100), (0.08, 0.05, 900, 100), (0.02, 0.01, 450, 50)]
)
def test_nineteen_of_twenty_intervals_of_rates_hold_the_truth(p1: float, p2: float, m: int, n: int) -> None:
    chance = random.Random(20)
    held = ratios = 0
    for _ in range(1000):
        test = arm(sum(chance.random() < p1 for _ in range(m)), m)
        holdout = arm(sum(chance.random() < p2 for _ in range(n)), n)
        low, high = ends(rate_difference(test, holdout))
        held += low <= p1 - p2 <= high
        relative = relative_lift(test, holdout)
        assert relative.low is not None
        ratios += relative.low <= p1 / p2 - 1 and (relative.high is None or p1 / p2 - 1 <= relative.high)
    assert 0.93 <= held / 1000 <= 0.99
    assert 0.93 <= ratios / 1000 <= 0.99


@pytest.mark.parametrize("spread", [0.5, 1.0])
def test_intervals_of_money_hold_the_truth_as_often_as_they_say_or_nearly(spread: float) -> None:
    """Few buy, and log-normally much; in the holdout about as many buy as an interval needs."""
    chance = random.Random(30)

    def drawn(people: int) -> Arm:
        buyers = sum(chance.random() < 0.2 for _ in range(people))
        return arm(buyers, people, EUR=[round(chance.lognormvariate(8, spread)) for _ in range(buyers)])

    held, counted = 0, 0
    for _ in range(800):
        lift = compare(drawn(600), drawn(180))
        assert lift is not None
        if lift.revenue[0].difference.low is not None:
            low, high = ends(lift.revenue[0].difference)
            counted += 1
            held += low <= 0 <= high
    assert counted > 600
    assert 0.92 <= held / counted <= 0.985


def test_a_clear_effect_is_told_with_what_it_brought() -> None:
    lift = compare(arm(600, 9000), arm(30, 1000))
    assert lift is not None
    assert (lift.test_rate, lift.holdout_rate) == pytest.approx((0.0667, 0.03), abs=0.0001)
    assert lift.verdict == "more"
    assert lift.absolute.value == pytest.approx(0.0367, abs=0.0001)
    assert lift.relative.value == pytest.approx(1.2222, abs=0.0001)
    assert lift.incremental_conversions.value == pytest.approx(330)
    low, high = ends(lift.incremental_conversions)
    assert (low, high) == pytest.approx(tuple(9000 * end for end in ends(lift.absolute)))
    assert 0 < low < 330 < high


@pytest.mark.parametrize(
    ("test", "holdout", "verdict"),
    [
        (arm(30, 1000), arm(600, 9000), "less"),
        (arm(6, 90), arm(1, 10), "too_few_to_say"),
        (arm(50, 1000), arm(50, 1000), "too_few_to_say"),
        (arm(0, 5), arm(0, 5), "too_few_to_say"),
        (arm(1, 1), arm(0, 1), "too_few_to_say"),
    ],
)
def test_what_the_interval_does_not_say_is_not_said(test: Arm, holdout: Arm, verdict: str) -> None:
    lift = compare(test, holdout)
    assert lift is not None
    assert lift.verdict == verdict


@pytest.mark.parametrize(("test", "holdout"), [(arm(0, 0), arm(1, 9)), (arm(1, 9), arm(0, 0)), (arm(0, 0), arm(0, 0))])
def test_an_empty_arm_compares_with_nothing(test: Arm, holdout: Arm) -> None:
    assert compare(test, holdout) is None


def test_money_is_counted_per_eligible_person_and_not_per_buyer() -> None:
    lift = compare(arm(40, 400, EUR=[1000, 3000] * 20), arm(40, 400, EUR=[500, 1500] * 20))
    assert lift is not None
    [revenue] = lift.revenue
    assert (revenue.test_per_person, revenue.holdout_per_person) == (200.0, 100.0)
    assert revenue.difference.value == 100.0
    assert revenue.incremental.value == 40_000.0
    assert ends(revenue.incremental) == pytest.approx(tuple(400 * end for end in ends(revenue.difference)))
    assert revenue.verdict == "more"


def test_the_sums_of_an_arm_give_the_interval_of_its_people() -> None:
    chance = random.Random(1)
    test, holdout = ([chance.randrange(100, 90_000) for _ in range(count)] for count in (80, 40))
    lift = compare(arm(80, 500, RUB=test), arm(40, 300, RUB=holdout))
    assert lift is not None
    people = ([*map(float, test), *[0.0] * 420], [*map(float, holdout), *[0.0] * 260])
    expected = mean_difference(*map(sample, people))
    assert ends(lift.revenue[0].difference) == pytest.approx(ends(expected))


def test_a_currency_that_one_arm_never_used_is_compared_with_nothing_spent() -> None:
    lift = compare(arm(2, 10, PLN=[700, 300]), arm(1, 10, EUR=[500]))
    assert lift is not None
    assert [(each.currency, each.test_per_person, each.holdout_per_person) for each in lift.revenue] == [
        ("EUR", 0.0, 50.0),
        ("PLN", 100.0, 0.0),
    ]


def test_the_money_of_a_few_buyers_has_no_interval() -> None:
    enough, few = [1000] * LEAST_BUYERS, [1000] * (LEAST_BUYERS - 1)
    lift = compare(arm(LEAST_BUYERS, 900, EUR=enough), arm(LEAST_BUYERS - 1, 100, EUR=few))
    assert lift is not None
    [revenue] = lift.revenue
    assert (revenue.difference.low, revenue.difference.high, revenue.verdict) == (None, None, "too_few_to_say")
    assert revenue.difference.value == pytest.approx(LEAST_BUYERS / 900 * 1000 - few[0] * len(few) / 100)


def test_people_who_all_spend_the_same_leave_no_doubt() -> None:
    everybody = [1000] * LEAST_BUYERS
    lift = compare(arm(LEAST_BUYERS, LEAST_BUYERS, EUR=everybody), arm(LEAST_BUYERS, LEAST_BUYERS, EUR=everybody))
    assert lift is not None
    assert lift.revenue[0].difference == Estimate(value=0.0, low=0.0, high=0.0)


def test_money_given_back_counts_against_what_was_spent() -> None:
    lift = compare(arm(1, 2, EUR=[-400]), arm(1, 2, EUR=[400]))
    assert lift is not None
    assert lift.revenue[0].difference.value == -400.0
