"""The early-stopping bound, against MLPerf's numbers and against sums of exact fractions."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest

from loadgen.statistics.certify import early_stopping_bound, is_certified, needed_n


@pytest.mark.parametrize(("q", "n"), [(0.5, 11), (0.9, 64), (0.95, 130), (0.99, 662), (0.999, 6_636)])
def test_needed_values_are_those_of_mlperf(q: float, n: int) -> None:
    assert needed_n(q) == n
    assert is_certified(q, n)
    assert not is_certified(q, n - 0.01)


def at_most(n_above: int, n: int, share_above: Fraction) -> Fraction:
    """P(Bin(n, share_above) <= n_above), exactly."""
    kept = 1 - share_above
    return sum((comb(n, k) * share_above**k * kept ** (n - k) for k in range(n_above + 1)), Fraction())


@pytest.mark.parametrize(
    ("q", "share_above"), [(0.5, Fraction(1, 2)), (0.9, Fraction(1, 10)), (0.99, Fraction(1, 100))]
)
def test_needed_n_is_the_smallest_that_leaves_one_chance_in_a_hundred(q: float, share_above: Fraction) -> None:
    n = needed_n(q)
    assert at_most(1, n, share_above) <= Fraction(1, 100) < at_most(1, n - 1, share_above)


@pytest.mark.parametrize("n", [64, 65, 100, 500])
def test_the_bound_is_the_lowest_value_that_the_confidence_allows(n: int) -> None:
    rank = early_stopping_bound(0.9, n)
    assert rank is not None
    n_above = n - rank + 1  # as many as lie at or above it
    assert at_most(n_above, n, Fraction(1, 10)) <= Fraction(1, 100) < at_most(n_above + 1, n, Fraction(1, 10))


def test_the_bound_of_just_enough_values_is_the_largest_and_of_fewer_there_is_none() -> None:
    assert early_stopping_bound(0.99, 662) == 662
    assert early_stopping_bound(0.99, 661) is None
    assert early_stopping_bound(0.99, 0) is None


def test_correlated_values_bound_as_their_effective_number_does() -> None:
    assert early_stopping_bound(0.99, 100_000, 661) is None
    assert early_stopping_bound(0.99, 100_000, 662) == 100_000
    alone, correlated = early_stopping_bound(0.99, 100_000), early_stopping_bound(0.99, 100_000, 10_000)
    assert alone is not None
    assert correlated is not None
    assert 99_000 < alone < correlated < 99_500
    assert early_stopping_bound(0.99, 1_000, 5_000) == early_stopping_bound(0.99, 1_000)


def test_the_bound_lies_above_the_true_percentile_in_99_of_100_runs() -> None:
    values = np.sort(np.random.default_rng(31).random((4_000, 300)), axis=1)
    rank = early_stopping_bound(0.9, 300)
    assert rank is not None
    below_truth = float(np.mean(values[:, rank - 1] < 0.9))
    assert 0.001 < below_truth <= 0.0125
