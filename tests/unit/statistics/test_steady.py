"""Where a warm-up of known length ends, and trends that are there or are not."""

import numpy as np
import pytest
from made_series import F, autoregressive, independent_normals

from loadgen.statistics.steady import MOST_OF_A_TREND, settled_at, trend

N = 500
PLACES = np.arange(N, dtype=np.float64)


def cuts(series: F) -> F:
    """settled_at of each row; -1: never."""
    found = [settled_at(row) for row in series]
    return np.array([-1 if cut is None else cut for cut in found], np.float64)


def test_a_step_is_found_where_it_is() -> None:
    found = cuts(np.where(PLACES < 100, 5.0, 0.0) + independent_normals(51, 300, N))
    assert np.median(found) == 100
    assert np.mean((found >= 100) & (found <= 150)) >= 0.95


@pytest.mark.parametrize(("decay", "noise"), [(20, 1.0), (20, 0.3), (40, 1.0), (40, 0.3)])
def test_a_warm_up_that_fades_is_cut_where_it_drowns_in_the_noise(decay: float, noise: float) -> None:
    found = cuts(5 * np.exp(-PLACES / decay) + noise * independent_normals(52, 300, N))
    left = 5 * np.exp(-found / decay) / noise
    assert np.mean(found >= 0) >= 0.95
    assert np.median(left) < 0.7
    assert np.quantile(left[found >= 0], 0.95) < 1.5
    assert np.median(found) <= 4 * decay


@pytest.mark.parametrize(("phi", "n"), [(0.0, 500), (0.0, 60), (0.5, 500), (0.5, 60)])
def test_a_steady_series_is_steady_from_its_start(phi: float, n: int) -> None:
    found = cuts(autoregressive(53, 500, n, phi))
    assert np.mean(found < 0) <= 0.03
    assert np.mean(found > n / 4) <= 0.04
    assert np.mean(found == 0) >= 0.9


def test_a_series_that_breaks_in_its_last_third_never_settles() -> None:
    found = cuts(np.where(PLACES < 350, 0.0, 5.0) + independent_normals(54, 200, N))
    assert np.mean(found < 0) >= 0.95


def test_a_cut_is_a_multiple_of_the_batch_and_scale_does_not_matter() -> None:
    series = 5 * np.exp(-PLACES / 20) + independent_normals(55, 1, N)[0]
    cut = settled_at(series)
    assert cut
    assert cut % 5 == 0
    assert settled_at(1e9 * series + 1e9) == cut
    assert settled_at(series, batch=10) == pytest.approx(cut, abs=30)


def test_too_short_a_series_tells_nothing_and_identical_values_are_steady() -> None:
    assert settled_at(np.zeros(0)) is None
    assert settled_at(np.arange(49.0)) is None
    assert settled_at(np.full(50, 3.0)) == 0


def false_alarms(series: F) -> float:
    return float(np.mean([found.is_real for found in map(trend, series) if found is not None]))


@pytest.mark.parametrize("n", [8, 40, 200])
def test_white_noise_has_a_trend_in_5_of_100_runs(n: int) -> None:
    assert 0.01 <= false_alarms(np.exp(independent_normals(56, 1_000, n))) <= 0.07


@pytest.mark.parametrize(("phi", "n"), [(0.5, 60), (0.5, 200), (0.8, 200)])
def test_correlated_noise_has_hardly_more(phi: float, n: int) -> None:
    """Without the correction it is 26 of 100 at 0.5, and 51 at 0.8."""
    assert false_alarms(np.exp(autoregressive(57, 500, n, phi))) <= 0.10


@pytest.mark.parametrize(("rise", "phi", "at_least"), [(1.0, 0.0, 0.9), (2.0, 0.5, 0.9), (-2.0, 0.5, 0.9)])
def test_a_drift_of_a_deviation_or_two_is_found(rise: float, phi: float, at_least: float) -> None:
    """Over 200 places, in units of the noise."""
    noise = autoregressive(58, 200, 200, phi)
    found = [trend(row) for row in noise + np.linspace(0, rise, 200)]
    assert np.mean([one is not None and one.is_real for one in found]) >= at_least
    slopes = [one.slope_per_step for one in found if one is not None]
    assert np.median(slopes) == pytest.approx(rise / 200, rel=0.15)


def test_a_long_series_keeps_its_slope_though_it_is_averaged() -> None:
    n = 3 * MOST_OF_A_TREND + 7
    found = trend(0.01 * np.arange(n) + independent_normals(59, 1, n)[0])
    assert found is not None
    assert found.is_real
    assert found.slope_per_step == pytest.approx(0.01, rel=0.05)


def test_a_pure_line_is_a_trend_and_identical_values_are_none() -> None:
    line, flat = trend(np.arange(20.0)), trend(np.full(20, 2.0))
    assert line is not None
    assert line == (pytest.approx(0, abs=1e-6), 1.0, True)
    assert flat == (1.0, 0.0, False)
    assert trend(np.arange(7.0)) is None
    assert trend(np.zeros(0)) is None


def test_ties_make_a_trend_no_surer() -> None:
    """Counts of small numbers are mostly tied."""
    series = np.random.default_rng(60).poisson(0.5, (500, 60)).astype(np.float64)
    assert false_alarms(series) <= 0.07
