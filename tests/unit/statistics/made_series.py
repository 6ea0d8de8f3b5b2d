"""Latencies of known truth in the order of a plan, many runs at once; and the slots that a run keeps of each."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from loadgen.statistics.laws import normal_cdf, normal_quantile

F = NDArray[np.float64]
N_SLOTS = 512
FAST, SLOW, SIGMA = 1.0, 5.0, 0.3
"""Medians and the log's deviation of what is made in two sorts."""


def independent_normals(seed: int, n_runs: int, n: int) -> F:
    return np.random.default_rng(seed).standard_normal((n_runs, n))


def autoregressive(seed: int, n_runs: int, n: int, phi: float) -> F:
    """AR(1) of standard deviation 1: n (1 - phi) / (1 + phi) values are as good as independent."""
    steps = np.random.default_rng(seed).standard_normal((n, n_runs))
    steps[1:] *= np.sqrt(1 - phi * phi)
    for row in range(1, n):
        steps[row] += phi * steps[row - 1]
    return np.ascontiguousarray(steps.T)


def two_sorts(seed: int, is_slow: NDArray[np.bool_]) -> F:
    noise = np.random.default_rng(seed).standard_normal(is_slow.shape)
    return np.where(is_slow, SLOW, FAST) * np.exp(SIGMA * noise)


def independent_sorts(seed: int, n_runs: int, n: int, share_slow: float) -> NDArray[np.bool_]:
    return np.random.default_rng(seed).random((n_runs, n)) < share_slow


def bursts(seed: int, n_runs: int, n: int, mean_calm: float, mean_burst: float) -> NDArray[np.bool_]:
    """A service that changes between a calm and a slow state, each of which lasts so many requests on average."""
    draws = np.random.default_rng(seed).random((n, n_runs))
    slow = np.empty((n, n_runs), np.bool_)
    now = draws[0] < mean_burst / (mean_calm + mean_burst)
    for row in range(n):
        now = np.where(now, draws[row] > 1 / mean_burst, draws[row] < 1 / mean_calm)
        slow[row] = now
    return np.ascontiguousarray(slow.T)


def percentile_of_sorts(q: float, share_slow: float) -> float:
    """By bisection of the mixture's distribution function."""
    low, high = 0.0, 100.0
    for _ in range(100):
        middle = (low + high) / 2
        slow, fast = (normal_cdf(np.log(middle / median) / SIGMA) for median in (SLOW, FAST))
        low, high = (middle, high) if share_slow * slow + (1 - share_slow) * fast < q else (low, middle)
    return low


def mean_of_sorts(share_slow: float) -> float:
    return float((share_slow * SLOW + (1 - share_slow) * FAST) * np.exp(SIGMA**2 / 2))


def percentile_of_lognormal(q: float) -> float:
    return float(np.exp(normal_quantile(q)))


@dataclass
class Runs:
    """Runs of the same instants. values: shape (n_runs, n), in the order of the plan, which is Poisson in its slots."""

    values: F

    def __post_init__(self) -> None:
        self.n = self.values.shape[1]
        slot = np.sort(np.random.default_rng(0).integers(N_SLOTS, size=self.n))
        self.counts = np.bincount(slot, minlength=N_SLOTS).astype(np.float64)
        self.filled = self.counts > 0
        self._starts = np.flatnonzero(np.diff(slot, prepend=-1))
        self.ranked = np.sort(self.values, axis=1)

    def __len__(self) -> int:
        return len(self.values)

    def sums(self, run: int) -> F:
        return self._by_slot(self.values[run])

    def below(self, run: int, threshold: float) -> F:
        return self._by_slot((self.values[run] <= threshold).astype(np.float64))

    def _by_slot(self, values: F) -> F:
        slots = np.zeros(N_SLOTS)
        slots[self.filled] = np.add.reduceat(values, self._starts)
        return slots

    def percentile(self, run: int, share: float) -> float:
        """As Histogram.percentile() ranks."""
        rank = min(max(int(share * self.n + 0.5), 1), self.n)
        return float(self.ranked[run, rank - 1])
