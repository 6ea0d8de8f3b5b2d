"""How sure a rate is that comes in waves, at random, or in slow swings."""

import numpy as np
import pytest
from numpy.typing import NDArray

from loadgen.statistics.intervals import t_quantile
from loadgen.statistics.spectral import N_ORDINATES, spectral_spread

N_SLOTS, SLOT_S = 1000, 0.06


def counts_of(at_s: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.histogram(at_s, N_SLOTS, (0, N_SLOTS * SLOT_S))[0].astype(np.float64)


def poisson(rng: np.random.Generator) -> NDArray[np.float64]:
    return counts_of(rng.random(rng.poisson(100 * N_SLOTS * SLOT_S)) * N_SLOTS * SLOT_S)


def closed_loop(rng: np.random.Generator) -> NDArray[np.float64]:
    """30 clients whose answers take about 300 ms, a second after they began together."""
    lengths = rng.lognormal(np.log(0.3) - 0.02, 0.2, (30, 400))
    return counts_of(np.cumsum(lengths, axis=1).ravel() - 1.0)


def slow_swings(rng: np.random.Generator) -> NDArray[np.float64]:
    """A rate that is 50 or 150 for about half a second each."""
    states = np.repeat(rng.permutation(np.arange(240) % 2), N_SLOTS // 240 + 1)[:N_SLOTS]
    return rng.poisson((50 + 100 * states) * SLOT_S).astype(np.float64)


@pytest.mark.parametrize("make", [poisson, closed_loop, slow_swings])
def test_an_interval_holds_the_rate_about_as_often_as_it_promises(make) -> None:
    held, n_runs = 0, 100
    for seed in range(n_runs):
        rate, error, df = spectral_spread(make(np.random.default_rng(seed)), SLOT_S)
        held += abs(rate - 100) <= t_quantile(0.975, df) * error
    assert held >= 87  # of 95 expected; fewer would be 1 in 1,000


def test_a_beat_makes_a_rate_surer_than_chance_does() -> None:
    rng = np.random.default_rng(1)
    by_chance, by_beat = (spectral_spread(make(rng), SLOT_S) for make in (poisson, closed_loop))
    assert by_beat[1] < 0.5 * by_chance[1]


def test_what_comes_evenly_has_no_error() -> None:
    assert spectral_spread(np.full(64, 3.0), 0.5) == (6.0, 0.0, 2.0 * N_ORDINATES)


@pytest.mark.parametrize(("n", "slot_s"), [(0, 1.0), (1, 1.0), (4 * N_ORDINATES - 1, 1.0), (100, 0.0)])
def test_of_too_little_nothing_is_told(n: int, slot_s: float) -> None:
    assert spectral_spread(np.ones(n), slot_s) is None
