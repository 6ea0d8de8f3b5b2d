"""Whether a run was in its steady state: where its warm-up ends, and whether a figure drifts."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.statistics.effective import autocorrelation_time, long_run_variance
from loadgen.statistics.laws import normal_cdf, t_quantile

F = NDArray[np.float64]

FEWEST_BATCHES = 10
FEWEST_OF_A_TREND = 8
MOST_OF_A_TREND = 1_000
"""A longer series is averaged down to this: every pair of places is looked at."""


def settled_at(values: F, batch: int = 5) -> int | None:
    """The first sample of the steady part, by MSER-5; None: it never settles, or there are fewer than 10 batches.

    MSER cuts a little off almost any short series: a cut counts only where what is cut off differs from the rest
    beyond chance (1 %), else the series was steady from its start.
    values: in their order, without gaps. batch: how many are averaged first.
    Source: White, Cobb and Spratt 2000 (a cut in the second half means that the run was too short).
    """
    values = np.asarray(values, np.float64)
    n = len(values) // batch
    if n < FEWEST_BATCHES:
        return None
    means = values[: n * batch].reshape(n, batch).mean(axis=1)
    cut = _cut_of_least_error(means)
    if not cut or not _is_apart(means, cut):
        return 0
    return cut * batch if cut <= n // 2 else None


def _cut_of_least_error(means: F) -> int:
    """Where the rest's sum of squares over its squared length is least; at least 5 are left."""
    centred = means - means.mean()
    left = np.arange(len(means), 0, -1)
    sums = np.cumsum(centred[::-1])[::-1]
    squares = np.cumsum(centred[::-1] ** 2)[::-1]
    errors = np.maximum(0.0, squares - sums**2 / left) / left.astype(np.float64) ** 2
    return int(np.argmin(errors[: len(means) - 4]))


def _is_apart(means: F, cut: int) -> bool:
    """By the scatter of the rest alone: what is cut off is on its way to it."""
    before, after = means[:cut], means[cut:]
    variance = long_run_variance(after - after.mean()) * (1 / len(before) + 1 / len(after))
    return abs(float(before.mean() - after.mean())) > t_quantile(0.995, len(after) - 1) * math.sqrt(variance)


class Trend(NamedTuple):
    """p_value: two-sided. slope_per_step: Sen's, in the values' unit for each place. is_real: beyond chance."""

    p_value: float
    slope_per_step: float
    is_real: bool


def trend(values: F, alpha: float = 0.05) -> Trend | None:
    """Whether a series rises or falls throughout, however its values are distributed and correlated.

    None for fewer than 8 values. Source: Mann 1945, Kendall 1975; Sen 1968; Hamed and Rao 1998 and Yue and Wang 2004
    (the variance by the effective size of the ranks of the series without its slope).
    """
    values = np.asarray(values, np.float64)
    if len(values) < FEWEST_OF_A_TREND:
        return None
    stride = -(-len(values) // MOST_OF_A_TREND)
    values = values[: len(values) // stride * stride].reshape(-1, stride).mean(axis=1)
    n_rising, slope = _pairs(values)
    variance = _variance_without_trend(values)
    variance *= autocorrelation_time(_ranks(values - slope * np.arange(len(values))))
    if variance <= 0:
        return Trend(1.0, 0.0, False)
    score = max(0.0, abs(n_rising) - 1) / math.sqrt(variance)
    p_value = min(1.0, 2 * normal_cdf(-score))
    return Trend(p_value, slope / stride, p_value <= alpha)


def _pairs(values: F) -> tuple[float, float]:
    """Kendall's S (rising pairs less falling ones) and Sen's slope (the median of all pairs)."""
    first, second = np.triu_indices(len(values), 1)
    steps = values[second] - values[first]
    return float(np.sign(steps).sum()), float(np.median(steps / (second - first)))


def _variance_without_trend(values: F) -> float:
    """Of Kendall's S, with ties."""
    n = float(len(values))
    ties = np.unique(values, return_counts=True)[1].astype(np.float64)
    return (n * (n - 1) * (2 * n + 5) - float((ties * (ties - 1) * (2 * ties + 5)).sum())) / 18


def _ranks(values: F) -> F:
    """From 1, equal values sharing their mean rank."""
    _, place, n_equal = np.unique(values, return_inverse=True, return_counts=True)
    shared: F = (np.cumsum(n_equal) - (n_equal - 1) / 2)[place]
    return shared
