"""Whether two runs differ: how often it is said wrongly, how often it is seen, and what cannot be told."""

import math
from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from loadgen.statistics.differences import (
    N_BLOCKS,
    Blocks,
    Values,
    beyond_pooled,
    holm,
    n_blocks_for,
    permutation_p,
    ratio_bounds,
    share_difference,
)

F = NDArray[np.float64]
N_FINE = 320
QUANTILES = (0.5, 0.9, 0.95)
N_PERMUTATIONS = 1_999


def autocorrelated(rng: np.random.Generator, n: int, rho: float) -> F:
    """Normal, each value rho times the one before it plus something new."""
    new = rng.normal(size=n) * math.sqrt(1 - rho**2)
    new[0] = rng.normal()
    values = np.empty(n)
    last = 0.0
    for place, value in enumerate(new):
        last = values[place] = rho * last + value
    return values


def latencies(rng: np.random.Generator, n: int, rho: float, median: float = 50.0) -> F:
    return np.asarray(median * np.exp(0.1 * autocorrelated(rng, n, rho)), np.float64)


def cut(values: F) -> NDArray[np.int64]:
    """Which of N_FINE blocks each value falls into, in their order."""
    return np.arange(len(values), dtype=np.int64) * N_FINE // len(values)


def binned(values: F) -> Values:
    bins, place = np.unique(np.round(values, 3), return_inverse=True)
    counts = np.zeros((N_FINE, len(bins)), np.int64)
    np.add.at(counts, (cut(values), place), 1)
    return Values(bins, counts)


def sums(values: F) -> Blocks:
    return Blocks(np.bincount(cut(values), values, N_FINE), np.bincount(cut(values), minlength=N_FINE).astype(float))


def p_values(a: F, b: F) -> list[float]:
    """Of the percentiles and of the mean; 1 where too few blocks would be independent."""
    pairs = [beyond_pooled(binned(a), binned(b), q) for q in QUANTILES] + [(sums(a), sums(b))]
    return [_p(*pair) for pair in pairs]


def _p(first: Blocks, second: Blocks) -> float:
    n_blocks = n_blocks_for(first, second)
    if n_blocks is None:
        return 1.0
    return permutation_p(first.merged(n_blocks), second.merged(n_blocks), N_PERMUTATIONS)


def is_called_different(a: F, b: F) -> bool:
    return min(holm(p_values(a, b))) <= 0.05


CORRELATED = [pytest.param(300, 0.0, id="independent"), pytest.param(2000, 0.6, id="autocorrelated")]


@pytest.mark.parametrize(("n", "rho"), CORRELATED)
def test_at_most_5_of_100_pairs_of_the_same_thing_are_called_different(n: int, rho: float) -> None:
    rng = np.random.default_rng(12)
    called = [is_called_different(latencies(rng, n, rho), latencies(rng, n, rho)) for _ in range(100)]
    assert sum(called) <= 5, sum(called)


@pytest.mark.parametrize(("n", "rho"), CORRELATED)
def test_at_least_90_of_100_pairs_with_a_shift_of_5_percent_are_found(n: int, rho: float) -> None:
    rng = np.random.default_rng(8)
    found = [holm(p_values(latencies(rng, n, rho), latencies(rng, n, rho, median=52.5)))[0] <= 0.05 for _ in range(100)]
    assert sum(found) >= 90


def test_values_taken_for_independent_though_they_are_not_would_be_called_different() -> None:
    """What blocks are for: shuffled one by one, correlated runs differ far too often."""
    rng = np.random.default_rng(9)
    pairs = [(latencies(rng, 1000, 0.95), latencies(rng, 1000, 0.95)) for _ in range(60)]

    def one_by_one(values: F) -> Blocks:
        return Blocks(values, np.ones(len(values)))

    naive = sum(permutation_p(one_by_one(a), one_by_one(b), 199) <= 0.05 for a, b in pairs)
    assert naive > 20
    assert sum(is_called_different(a, b) for a, b in pairs) <= 6


def test_sides_that_vary_differently_are_not_called_different_for_that() -> None:
    rng = np.random.default_rng(10)

    def p_of_means() -> float:
        narrow, wide = 50 + rng.normal(size=400), 50 + 8 * rng.normal(size=100)
        return _p(sums(narrow), sums(wide))

    assert np.mean([p_of_means() <= 0.05 for _ in range(200)]) <= 0.1


@pytest.mark.parametrize("which", ["mean", "median"])
def test_interval_of_the_ratio_holds_the_truth_and_agrees_with_the_test(which: str) -> None:
    rng = np.random.default_rng(11)
    inside, agreed = 0, 0
    for _ in range(60):
        a, b = latencies(rng, 400, 0.0), latencies(rng, 400, 0.0, median=51.5)
        test = p_of_mean(a, b) if which == "mean" else p_of_median(a, b)
        ratio = b.mean() / a.mean() if which == "mean" else float(np.median(b) / np.median(a))
        low, high = ratio_bounds(test, ratio)
        assert low is not None
        assert high is not None
        inside += low <= 1.03 <= high
        agreed += (test(1.0) <= 0.05) == (not low <= 1.0 <= high)
    assert inside >= 53
    assert agreed >= 58


def p_of_mean(a: F, b: F) -> Callable[[float], float]:
    first, second = sums(a).merged(64), sums(b).merged(64)
    return lambda factor: permutation_p(first, second.scaled(1 / factor), 499)


def p_of_median(a: F, b: F) -> Callable[[float], float]:
    first, second = binned(a), binned(b)

    def p_of(factor: float) -> float:
        sides = beyond_pooled(first, second.scaled(1 / factor), 0.5)
        return permutation_p(sides[0].merged(64), sides[1].merged(64), 499)

    return p_of


def test_interval_has_no_end_where_nothing_could_be_ruled_out() -> None:
    assert ratio_bounds(lambda factor: 1.0, 1.0) == (None, None)


def test_identical_values_do_not_differ_and_other_identical_values_do() -> None:
    same, other = np.full(400, 7.0), np.full(400, 9.0)
    assert p_values(same, same) == [1.0] * 4
    assert max(p_values(same, other)) < 0.05


def test_percentiles_are_those_of_the_sorted_values() -> None:
    values = binned(np.arange(1.0, 101.0))
    assert [values.quantile(q) for q in (0.01, 0.5, 0.99, 1.0)] == [1.0, 50.0, 99.0, 100.0]
    assert values.scaled(2.0).quantile(0.5) == 100.0
    assert values.beyond(90.0).sums.sum() == 10.5  # half of the one that is equal
    assert Values(np.zeros(0), np.zeros((N_FINE, 0), np.int64)).quantile(0.5) is None


def test_what_hangs_together_over_the_whole_run_has_too_few_blocks() -> None:
    drift = np.linspace(50.0, 80.0, 3000)
    assert n_blocks_for(sums(drift)) is None
    white = n_blocks_for(sums(np.random.default_rng(1).normal(50, 5, 3000)))
    assert white in N_BLOCKS


def test_a_side_without_counts_differs_from_nothing() -> None:
    nothing = Blocks(np.zeros(20), np.zeros(20))
    something = Blocks(np.arange(20.0), np.ones(20))
    assert permutation_p(nothing, something, 99) == 1.0
    assert nothing.ratio is None


def test_merging_keeps_the_sums() -> None:
    blocks = Blocks(np.arange(320.0), np.ones(320)).merged(7)
    assert len(blocks.sums) == 7
    assert blocks.sums.sum() == 320 * 319 / 2
    assert blocks.ratio == 319 / 2


def test_difference_of_shares_is_that_of_newcombe() -> None:
    """56 of 70 and 48 of 80: Newcombe 1998, table II, method 10: 0.0524 to 0.3339, the other way round here."""
    first = Blocks(_spread_evenly(56, 70), np.ones(70))
    second = Blocks(_spread_evenly(48, 80), np.ones(80))
    assert share_difference(first, second) == pytest.approx((-0.3339, -0.0524), abs=2e-4)
    assert share_difference(first, Blocks(np.zeros(3), np.zeros(3))) is None


def _spread_evenly(n_ones: int, n: int) -> F:
    """Ones as evenly as can be: never more alike than independent draws, so worth all of them."""
    return np.diff(np.arange(n + 1) * n_ones // n).astype(np.float64)


def test_holm_is_that_of_the_book() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == []
    assert holm([0.7, 0.9]) == [1.0, 1.0]
