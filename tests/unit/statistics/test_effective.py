"""Effective sample sizes: of series whose autocorrelation is known, and of too few values."""

import numpy as np
import pytest
from made_series import Runs, autoregressive, bursts, independent_normals, two_sorts

from loadgen.statistics.effective import autocorrelation_time, effective_n, effective_n_of_share, variance_of_ratio

NONE = np.zeros(0)


def sizes_of_mean(runs: Runs) -> list[float]:
    variances = [variance_of_ratio(runs.sums(run), runs.counts) for run in range(len(runs))]
    own = runs.values.var(axis=1)
    return [effective_n(runs.n, float(own[run]), variance) for run, variance in enumerate(variances)]


@pytest.mark.parametrize("phi", [0.0, 0.5, 0.9, 0.98])
def test_effective_size_of_an_autoregressive_series_is_its_known_one(phi: float) -> None:
    n = 8_000
    runs = Runs(autoregressive(1, 100, n, phi))
    known = n * (1 - phi) / (1 + phi)
    assert np.median(sizes_of_mean(runs)) == pytest.approx(known, rel=0.15 if phi < 0.98 else 0.3)


def test_effective_size_of_bursts_is_that_of_the_means_spread() -> None:
    runs = Runs(two_sorts(2, bursts(3, 300, 8_000, 100, 20)))
    by_spread = runs.values.var() / runs.values.mean(axis=1).var()
    assert np.median(sizes_of_mean(runs)) == pytest.approx(by_spread, rel=0.2)


def test_no_more_is_claimed_than_there_are_values() -> None:
    alternating = np.tile([1.0, 9.0], 500)
    assert effective_n(1_000, alternating.var(), variance_of_ratio(alternating, np.ones(1_000))) == pytest.approx(1_000)
    assert autocorrelation_time(alternating) == pytest.approx(1)


@pytest.mark.parametrize("phi", [0.0, 0.7, 0.95])
def test_autocorrelation_time_is_that_of_the_process(phi: float) -> None:
    times = [autocorrelation_time(row) for row in autoregressive(4, 60, 5_000, phi)]
    assert np.median(times) == pytest.approx((1 + phi) / (1 - phi), rel=0.2)


def test_variance_of_a_ratio_is_that_of_independent_values_however_they_are_spread_over_batches() -> None:
    values = independent_normals(5, 200, 2_000)
    runs = Runs(values)
    found = [variance_of_ratio(runs.sums(run), runs.counts) for run in range(200)]
    assert np.median(np.array(found)) == pytest.approx(1 / 2_000, rel=0.1)


def test_empty_slots_change_nothing() -> None:
    sums, counts = independent_normals(6, 1, 50)[0], np.ones(50)
    spread = np.zeros(150)
    places = np.arange(50) * 3
    sparse_sums, sparse_counts = spread.copy(), spread.copy()
    sparse_sums[places], sparse_counts[places] = sums, counts
    assert variance_of_ratio(sparse_sums, sparse_counts) == variance_of_ratio(sums, counts)


def test_rare_values_of_one_cluster_are_worth_one() -> None:
    counts = np.full(512, 20.0)
    slow_at_once = counts.copy()
    slow_at_once[100:102] = 0
    apart = counts.copy()
    apart[::13] -= 1
    assert effective_n_of_share(slow_at_once, counts) < 0.05 * counts.sum()
    assert effective_n_of_share(apart, counts) == counts.sum()


def test_a_tail_of_few_clusters_is_drawn_up_to_the_body() -> None:
    counts = np.full(512, 20.0)
    below = counts.copy()
    below[::50] -= 1
    n = counts.sum()
    alone, beside = effective_n_of_share(below, counts), effective_n_of_share(below, counts, n / 40)
    assert n / 40 < beside < 0.5 * alone
    assert effective_n_of_share(below, counts, n) == alone


def test_identical_values_count_as_many_as_they_are() -> None:
    assert variance_of_ratio(np.full(9, 5.0), np.ones(9)) == 0
    assert effective_n(9, 0.0, 0.0) == 9
    assert autocorrelation_time(np.full(9, 5.0)) == 1
    assert effective_n_of_share(np.ones(9), np.ones(9)) == 9


@pytest.mark.parametrize(("sums", "counts"), [([], []), ([3.0], [1.0]), ([3.0, 0.0, 0.0], [2.0, 0.0, 0.0])])
def test_fewer_than_two_batches_tell_no_variance(sums: list[float], counts: list[float]) -> None:
    assert variance_of_ratio(np.array(sums), np.array(counts)) is None


def test_what_came_in_one_batch_is_worth_one_value() -> None:
    assert effective_n(1_000, 2.0, None) == 1
    assert effective_n_of_share(np.array([900.0]), np.array([1_000.0])) == 1
    assert effective_n_of_share(NONE, NONE) == 0
    assert [effective_n(n, 1.0, None) for n in (0, 1)] == [0, 1]
    assert [autocorrelation_time(np.arange(n, dtype=np.float64)) for n in (0, 1, 2, 3)] == [1, 1, 1, 1]


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_a_few_values_are_worth_between_one_and_all(n: int) -> None:
    for row in independent_normals(n, 200, n):
        variance = variance_of_ratio(row, np.ones(n))
        assert variance is not None
        assert 1 <= effective_n(n, float(row.var()), variance) <= n


def test_integers_are_taken_as_they_are() -> None:
    below, counts = np.array([3, 0, 5, 4], np.int64), np.array([4, 0, 5, 5], np.uint32)
    assert 1 <= effective_n_of_share(below, counts) <= 14  # type: ignore[arg-type]
