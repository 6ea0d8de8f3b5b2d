"""The knee and the scalability law, found again in data that were made with known ones."""

import numpy as np
import pytest

from loadgen.statistics.fits import knee, usl, usl_curve

LOADS = np.array([1, 2, 4, 8, 12, 16, 24, 32], float)


def bent(loads, place=12.0, slope=10.0):
    return slope * np.minimum(loads, place)


@pytest.mark.parametrize("place", [2.0, 5.0, 12.0, 24.0])
def test_a_knee_without_noise_is_found_where_it_is(place: float) -> None:
    found, reason = knee(LOADS, bent(LOADS, place))
    assert found is not None, reason
    assert found.load == pytest.approx(place, rel=0.01)
    assert found.slope_before == pytest.approx(10.0, rel=0.01)
    assert found.slope_after == pytest.approx(0.0, abs=0.1)


def test_the_knees_interval_holds_the_true_one_in_about_95_of_100_runs() -> None:
    rng = np.random.default_rng(7)
    loads = np.repeat(LOADS, 3)
    covered, widths = 0, []
    for _ in range(300):
        found, _ = knee(loads, bent(loads) + 5.0 * rng.standard_normal(len(loads)))
        assert found is not None
        assert found.ci95 is not None
        covered += found.ci95[0] <= 12.0 <= found.ci95[1]
        widths.append(found.ci95[1] - found.ci95[0])
    assert 0.91 <= covered / 300 <= 0.99
    assert np.median(widths) < 4.0  # an interval that held everything would cover too


def test_a_straight_line_with_noise_has_a_knee_in_few_runs() -> None:
    rng = np.random.default_rng(8)
    for spread in (10.0, 30.0):
        found = [knee(LOADS, 10 * LOADS + spread * rng.standard_normal(len(LOADS)))[0] for _ in range(300)]
        assert sum(one is not None for one in found) <= 0.08 * 300


@pytest.mark.parametrize(
    ("loads", "throughput", "reason"),
    [
        ([1, 2, 4], [10, 20, 20], "fewer than 4"),
        ([1, 1, 2, 2, 4, 4], [10, 10, 20, 20, 20, 20], "fewer than 4"),
        ([1, 2, 4, 8], [10, 20, 40, 80], "straight line"),
        ([1, 2, 4, 8], [10, 20, 50, 150], "straight line"),
        ([1, 2, 4, 8], [40, 30, 20, 10], "does not grow"),
        ([1, 2, 4, 8, 16, 32], [5, 60, 5, 60, 30, 45], "scatter"),
    ],
)
def test_where_there_is_no_knee_the_reason_is_said(loads, throughput, reason: str) -> None:
    found, why = knee(loads, throughput)
    assert found is None
    assert reason in why


def test_four_loads_give_a_knee_without_an_interval() -> None:
    found, _ = knee([1, 2, 4, 8], [10, 20, 22, 22])
    assert found is not None
    assert found.ci95 is None


@pytest.mark.parametrize(
    "law", [(100, 0.05, 0.0005), (100, 0, 0), (50, 0.2, 0), (20, 0, 0.01), (1e5, 0.02, 1e-4), (1e-3, 0.1, 0.001)]
)
def test_the_scalability_law_is_found_again(law) -> None:
    loads = np.array([1, 2, 4, 8, 16, 32, 64], float)
    found, _ = usl(loads, usl_curve(loads, *law))
    assert found is not None
    assert found[:3] == pytest.approx(law, rel=1e-4, abs=1e-9)
    assert found.r2 == pytest.approx(1.0)
    assert found.at(loads) == pytest.approx(usl_curve(loads, *law))


def test_with_noise_the_law_is_near_and_its_peak_too() -> None:
    rng = np.random.default_rng(9)
    loads = np.array([1, 2, 4, 8, 16, 32, 64], float)
    true = usl_curve(loads, 100, 0.05, 0.0005)
    peaks = []
    for _ in range(60):
        found, _ = usl(loads, true * (1 + 0.03 * rng.standard_normal(len(loads))))
        assert found is not None
        assert found.sigma >= 0
        assert found.kappa >= 0
        assert found.r2 > 0.98
        peaks.append(found.n_peak)
    assert np.median(peaks) == pytest.approx(np.sqrt((1 - 0.05) / 0.0005), rel=0.1)


def test_no_other_law_with_coefficients_from_0_up_fits_better() -> None:
    rng = np.random.default_rng(10)
    loads = np.array([1, 2, 4, 8, 16, 32], float)
    for _ in range(5):
        throughput = usl_curve(loads, 50, 0.1, 0.001) * (1 + 0.1 * rng.standard_normal(len(loads)))
        found, _ = usl(loads, throughput)
        assert found is not None
        best = ((throughput - found.at(loads)) ** 2).sum()
        for sigma, kappa in rng.uniform(0, [0.5, 0.02], size=(400, 2)):
            shape = usl_curve(loads, 1.0, sigma, kappa)
            lambda_ = (shape @ throughput) / (shape @ shape)
            assert ((throughput - lambda_ * shape) ** 2).sum() >= best * (1 - 1e-6)


@pytest.mark.parametrize(
    ("loads", "throughput", "reason"),
    [
        ([1, 2, 4], [1, 2, 3], "fewer than 4"),
        ([1, 2, 4, 8], [0, 0, 0, 0], "no throughput"),
        ([0, 1, 2, 4], [1, 2, 3, 4], "not above 0"),
    ],
)
def test_where_the_law_cannot_be_fitted_the_reason_is_said(loads, throughput, reason: str) -> None:
    found, why = usl(loads, throughput)
    assert found is None
    assert reason in why


def test_a_law_without_coherency_never_falls() -> None:
    loads = np.array([1, 2, 4, 8, 16], float)
    found, _ = usl(loads, usl_curve(loads, 10, 0.2, 0.0))
    assert found is not None
    assert found.n_peak is None


@pytest.mark.parametrize("throughput", [[5, 5, 5, 5], [1, 0, 0, 0], [1e12, 1e-12, 3, 7], [1e-9, 2e-9, 3e-9, 3e-9]])
def test_odd_throughputs_give_finite_figures(throughput) -> None:
    found, _ = usl([1, 2, 4, 8], throughput)
    assert found is not None
    assert np.isfinite([found.lambda_, found.sigma, found.kappa, found.r2]).all()
    knee([1, 2, 4, 8], throughput)
