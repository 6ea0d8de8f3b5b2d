"""Differences between whole runs: repeats of each side, and pairs run side by side."""

import math

import numpy as np
import pytest

from loadgen.statistics.repeats import pairs_needed, sign_flips, smallest_p, welch

SLEEP = (
    [0.7, -1.6, -0.2, -1.2, -0.1, 3.4, 3.7, 0.8, 0.0, 2.0],
    [1.9, 0.8, 1.1, 0.1, -0.1, 4.4, 5.5, 1.6, 4.6, 3.4],
)


def test_welch_is_that_of_the_book() -> None:
    """Student's sleep data, as R's t.test() has it: p 0.07939, interval -0.2054832 to 3.3654832."""
    told = welch(*SLEEP)
    assert told is not None
    assert told == pytest.approx((1.58, -0.2054832, 3.3654832, 0.07939), abs=1e-5)


def test_side_with_one_run_borrows_the_spread_of_the_other() -> None:
    told = welch([10.0], [12.0, 12.2, 11.8])
    assert told is not None
    assert told.high - told.difference == pytest.approx(4.3027 * 0.2 * math.sqrt(1 + 1 / 3), rel=1e-3)


@pytest.mark.parametrize("sides", [([1.0], [2.0]), ([], [1.0, 2.0, 3.0])])
def test_one_run_of_each_tells_nothing_of_runs(sides: tuple[list[float], list[float]]) -> None:
    assert welch(*sides) is None


def test_identical_runs_do_not_differ_and_other_identical_runs_do() -> None:
    same, other = welch([1.0, 1.0], [1.0, 1.0]), welch([1.0, 1.0], [2.0, 2.0])
    assert same is not None
    assert other is not None
    assert (same.p_value, other.p_value) == (1.0, 0.0)


def test_sign_flips_of_pairs_that_all_point_one_way_are_as_rare_as_they_can_be() -> None:
    told = sign_flips([0.1, 0.2, 0.15, 0.12, 0.3, 0.2, 0.1, 0.11, 0.14, 0.2])
    assert told is not None
    assert told.p_value == smallest_p(10) == 2 / 2**10
    assert 0 < told.low < told.difference < told.high


@pytest.mark.parametrize("n_pairs", [8, 13, 30])
def test_sign_flips_are_wrong_as_often_as_they_say_and_the_interval_agrees(n_pairs: int) -> None:
    rng = np.random.default_rng(n_pairs)
    told = [sign_flips(rng.normal(size=n_pairs).tolist()) for _ in range(150)]
    wrong = [one for one in told if one is not None and one.p_value <= 0.05]
    assert len(wrong) <= 14
    for one in told:
        assert one is not None
        assert (one.p_value > 0.05) == (one.low <= 0 <= one.high) or abs(one.p_value - 0.05) < 0.01


def test_few_pairs_bound_nothing() -> None:
    told = sign_flips([0.1, 0.2, 0.3])
    assert told is not None
    assert (told.low, told.high) == (-math.inf, math.inf)
    assert sign_flips([]) is None


def test_pairs_that_do_not_differ_at_all() -> None:
    told = sign_flips([0.0] * 10)
    assert told is not None
    assert (told.difference, told.low, told.high, told.p_value) == (0.0, 0.0, 0.0, 1.0)


def test_so_many_pairs_are_needed_that_one_figure_of_many_can_be_real() -> None:
    for n_figures in (1, 4, 24, 100):
        needed = pairs_needed(n_figures)
        assert smallest_p(needed) * n_figures <= 0.05 < smallest_p(needed - 1) * n_figures
