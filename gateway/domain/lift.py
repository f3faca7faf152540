"""What messages brought: those who were to get them, against those who were held out by chance.

Everybody who was eligible counts in the arm that chance gave, whether a message arrived or not
(intention to treat); to leave out whom we failed to reach would compare unlike people. All intervals
are of 95 %, for one look at people whose time to answer is over.
"""

from collections.abc import Mapping
from math import sqrt
from statistics import NormalDist
from typing import Final, Literal, NamedTuple

from msgspec import Struct

Verdict = Literal["more", "less", "too_few_to_say"]
"""Which side of nothing the whole interval lies on; `too_few_to_say` where it holds nothing too."""

_Z: Final = NormalDist().inv_cdf(0.975)

LEAST_BUYERS: Final = 30
"""In each arm, or their money gets no interval. Most people buy nothing and a few buy much: drawn from what
shops see (log-normal orders), an interval over 10 buyers holds the truth 88 times in 100, over 30 about 93."""


class Spending(Struct, frozen=True, kw_only=True):
    """What an arm spent in one currency: how many bought, and what they spent, summed up plain and squared person by
    person."""

    buyers: int
    total_minor: int
    squares: float


class Arm(Struct, frozen=True, kw_only=True):
    """One side of a comparison. `spent` is by currency, with None for amounts that named none."""

    people: int
    converted: int
    spent: Mapping[str | None, Spending] = {}


class Estimate(Struct, frozen=True, kw_only=True):
    """A value and the interval around it; None where there is none, for an end: where nothing bounds it."""

    value: float | None
    low: float | None
    high: float | None


class RevenueLift(Struct, frozen=True, kw_only=True):
    """Money in minor units of `currency`, per eligible person and, as `incremental`, of all who were to get messages.

    An interval needs some buyers in both arms.
    """

    currency: str | None
    test_per_person: float
    holdout_per_person: float
    difference: Estimate
    incremental: Estimate
    verdict: Verdict


class Lift(Struct, frozen=True, kw_only=True):
    """The difference between two arms. Rates are parts of one; `relative` 0.5 is half as many again as without.

    `incremental_conversions` are those that the messages brought: negative where they cost some.
    """

    test_rate: float
    holdout_rate: float
    absolute: Estimate
    relative: Estimate
    incremental_conversions: Estimate
    verdict: Verdict
    revenue: tuple[RevenueLift, ...]


def compare(test: Arm, holdout: Arm) -> Lift | None:
    """None where an arm is empty: there is nothing to compare."""
    if test.people == 0 or holdout.people == 0:
        return None
    absolute = rate_difference(test, holdout)
    currencies = sorted(test.spent.keys() | holdout.spent.keys(), key=lambda currency: currency or "")
    return Lift(
        test_rate=test.converted / test.people,
        holdout_rate=holdout.converted / holdout.people,
        absolute=absolute,
        relative=relative_lift(test, holdout),
        incremental_conversions=_times(absolute, test.people),
        verdict=_verdict(absolute),
        revenue=tuple(_revenue(test, holdout, currency) for currency in currencies),
    )


def _verdict(difference: Estimate) -> Verdict:
    if difference.low is not None and difference.low > 0:
        return "more"
    if difference.high is not None and difference.high < 0:
        return "less"
    return "too_few_to_say"


def _times(estimate: Estimate, factor: float) -> Estimate:
    value, low, high = (
        None if number is None else number * factor for number in (estimate.value, estimate.low, estimate.high)
    )
    return Estimate(value=value, low=low, high=high)


def rate_difference(test: Arm, holdout: Arm) -> Estimate:
    """The difference of two independent proportions, with the square-and-add interval of Wilson's limits.

    Newcombe RG (1998), Interval estimation for the difference between independent proportions:
    comparison of eleven methods. Statistics in Medicine 17:873-890, method 10. It never leaves
    [-1, 1], and does without pretending where nobody or everybody converted.
    """
    p1, p2 = test.converted / test.people, holdout.converted / holdout.people
    (l1, u1), (l2, u2) = wilson(test.converted, test.people), wilson(holdout.converted, holdout.people)
    return Estimate(
        value=p1 - p2,
        low=p1 - p2 - sqrt((p1 - l1) ** 2 + (u2 - p2) ** 2),
        high=p1 - p2 + sqrt((u1 - p1) ** 2 + (p2 - l2) ** 2),
    )


def relative_lift(test: Arm, holdout: Arm) -> Estimate:
    """How much larger the first proportion is, as a part of the second, with the same limits as the difference.

    Donner A, Zou GY (2012), Closed-form confidence intervals for functions of the normal mean and
    standard deviation. Statistical Methods in Medical Research 21:347-359 (MOVER-R). It holds 0 exactly
    where the interval of the difference does. Without a conversion in the holdout there is no ratio, and no upper end.
    """
    p1, p2 = test.converted / test.people, holdout.converted / holdout.people
    (l1, u1), (l2, u2) = wilson(test.converted, test.people), wilson(holdout.converted, holdout.people)
    # The lower root, turned over: as it is printed it divides by a difference that may be nothing.
    below, a_low = l1 * (2 * p1 - l1), u2 * (2 * p2 - u2)
    root = p1 * p2 + sqrt(max((p1 * p2) ** 2 - a_low * below, 0.0))
    low = below / root if root else 0.0
    above, a_high = u1 * (2 * p1 - u1), l2 * (2 * p2 - l2)
    high = (p1 * p2 + sqrt(max((p1 * p2) ** 2 - a_high * above, 0.0))) / a_high if a_high else None
    return Estimate(value=p1 / p2 - 1 if p2 else None, low=low - 1, high=None if high is None else high - 1)


def wilson(successes: int, trials: int) -> tuple[float, float]:
    """The score interval of a proportion.

    Wilson EB (1927), Probable inference, the law of succession, and statistical inference. Journal of the
    American Statistical Association 22:209-212.
    """
    p, shrink = successes / trials, 1 + _Z**2 / trials
    middle = (p + _Z**2 / (2 * trials)) / shrink
    half = _Z * sqrt(p * (1 - p) / trials + _Z**2 / (4 * trials**2)) / shrink
    # At the ends the formula gives them exactly, rounding does not.
    low = 0.0 if successes == 0 else max(middle - half, 0.0)
    return low, 1.0 if successes == trials else min(middle + half, 1.0)


_NOTHING: Final = Spending(buyers=0, total_minor=0, squares=0.0)


def _revenue(test: Arm, holdout: Arm, currency: str | None) -> RevenueLift:
    spent, unasked = test.spent.get(currency, _NOTHING), holdout.spent.get(currency, _NOTHING)
    of_test, of_holdout = _sample(test.people, spent), _sample(holdout.people, unasked)
    difference = Estimate(value=of_test.mean - of_holdout.mean, low=None, high=None)
    if min(spent.buyers, unasked.buyers) >= LEAST_BUYERS:
        difference = mean_difference(of_test, of_holdout)
    return RevenueLift(
        currency=currency,
        test_per_person=of_test.mean,
        holdout_per_person=of_holdout.mean,
        difference=difference,
        incremental=_times(difference, test.people),
        verdict=_verdict(difference),
    )


class Sample(NamedTuple):
    """A number, a mean, and the variance of what it is the mean of (with n - 1)."""

    size: int
    mean: float
    variance: float


def _sample(people: int, spent: Spending) -> Sample:
    mean = spent.total_minor / people
    around = spent.squares - spent.total_minor * mean
    return Sample(people, mean, max(around, 0.0) / (people - 1) if people > 1 else 0.0)


def mean_difference(one: Sample, other: Sample) -> Estimate:
    """The difference of two means whose variances may differ. Both samples have at least two members.

    Welch BL (1947), The generalization of "Student's" problem when several different population variances are
    involved. Biometrika 34:28-35; degrees of freedom as Satterthwaite has them (1946, Biometrics
    Bulletin 2:110-114). Where nothing varies, the interval is the difference itself.
    """
    difference = one.mean - other.mean
    a, b = one.variance / one.size, other.variance / other.size
    if a + b == 0:
        return Estimate(value=difference, low=difference, high=difference)
    freedom = (a + b) ** 2 / (a**2 / (one.size - 1) + b**2 / (other.size - 1))
    half = student(freedom) * sqrt(a + b)
    return Estimate(value=difference, low=difference - half, high=difference + half)


def student(freedom: float) -> float:
    """The 97.5 % point of Student's t with so many degrees of freedom, from 5 on right to four digits.

    Abramowitz M, Stegun IA (1964), Handbook of Mathematical Functions, 26.7.5. Where `LEAST_BUYERS`
    bought, Welch gives at least so many less one.
    """
    z = _Z
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
