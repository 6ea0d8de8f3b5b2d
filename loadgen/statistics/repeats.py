"""Differences between whole runs: several of each side, or pairs that were run side by side.

What differs from run to run (another minute, another start of the server) no test within a run can see; here each run
is one sample. Sources: Welch 1947; Fisher 1935 (sign flips of paired differences).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.statistics.laws import t_cdf, t_quantile

F = NDArray[np.float64]

MOST_EXACT_PAIRS = 13
N_FLIPS = 9_999
_SEED = 20_202


class Apart(NamedTuple):
    """second - first, with its 95 % interval and the two-sided p-value of "there is no difference"."""

    difference: float
    low: float
    high: float
    p_value: float


def welch(first: Sequence[float], second: Sequence[float], level: float = 0.95) -> Apart | None:
    """The difference of two means. A side with one value is taken to vary as the other does.

    Returns None where neither side has two values.
    """
    sides = [np.asarray(side, np.float64) for side in (first, second)]
    if not all(len(side) for side in sides) or sum(map(len, sides)) < 3:
        return None
    variances = [float(side.var(ddof=1)) if len(side) > 1 else None for side in sides]
    spread = _spread(variances, [len(side) for side in sides])
    return _told(float(sides[1].mean() - sides[0].mean()), *spread, level)


def _spread(variances: Sequence[float | None], n: Sequence[int]) -> tuple[float, float]:
    """Standard error and degrees of freedom (Welch and Satterthwaite)."""
    known = [(variance, size) for variance, size in zip(variances, n, strict=True) if variance is not None]
    if len(known) == 1:
        variance, size = known[0]
        return math.sqrt(variance * (1 / n[0] + 1 / n[1])), size - 1.0
    shares = [variance / size for variance, size in known]
    whole = sum(shares)
    parts = sum(share**2 / (size - 1) for share, (_, size) in zip(shares, known, strict=True))
    return math.sqrt(whole), whole**2 / parts if parts > 0 else float(sum(n) - 2)


def _told(difference: float, error: float, df: float, level: float) -> Apart:
    if error <= 0:
        return Apart(difference, difference, difference, 1.0 if difference == 0 else 0.0)
    half = t_quantile((1 + level) / 2, df) * error
    p_value = min(1.0, 2 * t_cdf(-abs(difference) / error, df))
    return Apart(difference, difference - half, difference + half, p_value)


def sign_flips(differences: Sequence[float], alpha: float = 0.05) -> Apart | None:
    """The mean of paired differences: if there is none in truth, each could as well have the other sign.

    Exact up to MOST_EXACT_PAIRS pairs, from N_FLIPS seeded draws beyond. The interval holds every mean that the same
    test does not rule out; it has no ends where even one sign for all would not be rare enough. None without pairs.
    """
    values = np.asarray(differences, np.float64)
    if not len(values):
        return None
    mean = float(values.mean())
    low, high = (_last_likely(values, mean, sign, alpha) for sign in (-1.0, 1.0))
    return Apart(mean, low, high, _flip_p(values))


def smallest_p(n_pairs: int) -> float:
    """What sign flips of so many pairs can give at best."""
    return 2.0 ** (1 - n_pairs) if n_pairs <= MOST_EXACT_PAIRS else 1 / (N_FLIPS + 1)


def pairs_needed(n_figures: int, alpha: float = 0.05) -> int:
    """How many pairs there must be so that at least one of so many figures can be called different."""
    return 1 + math.ceil(math.log2(max(n_figures, 1) / alpha))


def _flip_p(values: F) -> float:
    means = np.abs(_flips(len(values)) @ values)
    return float(np.count_nonzero(means >= means[0] - 1e-12 * (means[0] + 1e-300))) / len(means)


@lru_cache(maxsize=4)
def _flips(n: int) -> F:
    """Signs, a row a draw; the first leaves all as they are."""
    if n <= MOST_EXACT_PAIRS:
        numbers = np.arange(2**n)[:, np.newaxis]
        return np.where(numbers >> np.arange(n) & 1, -1.0, 1.0)
    drawn = np.random.default_rng((_SEED, n)).integers(0, 2, (N_FLIPS, n))
    return np.concatenate((np.ones((1, n)), np.where(drawn, -1.0, 1.0)))


def _last_likely(values: F, mean: float, sign: float, alpha: float) -> float:
    def is_likely(distance: float) -> bool:
        return _flip_p(values - (mean + sign * distance)) > alpha

    if smallest_p(len(values)) > alpha:
        return sign * math.inf
    widest = float(np.max(np.abs(values - mean)))
    return mean + sign * _boundary(is_likely, 1.001 * widest) if widest > 0 else mean


def _boundary(is_inside: Callable[[float], bool], widest: float) -> float:
    inside, outside = 0.0, widest
    for _ in range(24):
        middle = 0.5 * (inside + outside)
        inside, outside = (middle, outside) if is_inside(middle) else (inside, middle)
    return 0.5 * (inside + outside)
