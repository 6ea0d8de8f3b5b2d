"""Two-sided intervals of percentiles, means, shares and rates. None where no interval can be told."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from loadgen.statistics.effective import effective_n, variance_of_ratio
from loadgen.statistics.laws import (
    beta_cdf,
    beta_quantile,
    binomial_cdf,
    binomial_quantile,
    normal_cdf,
    normal_quantile,
    t_cdf,
    t_quantile,
)

__all__ = [
    "beta_cdf",
    "beta_quantile",
    "binomial_cdf",
    "binomial_quantile",
    "cautious_rank_interval",
    "mean_interval",
    "normal_cdf",
    "normal_quantile",
    "rank_interval",
    "rate_interval",
    "rate_spread",
    "t_cdf",
    "t_quantile",
    "wilson_interval",
]

F = NDArray[np.float64]
Interval = tuple[float, float]


def rank_interval(q: float, n_effective: float, level: float = 0.95, *, n: float | None = None) -> Interval | None:
    """Shares (0-1) of the sample between whose values the true percentile lies: ask the sample for these two.

    A resample of n values has Bin(n, q) of them below the percentile, whatever their distribution: the quantiles of
    this law are the ranks that endless resamples would give, so none is drawn.
    q: 0-1. n_effective: may be fractional. n: how many values the sample has; default: n_effective. The share asks for
    the value of rank round(share n), as Histogram.percentile() does.
    Returns None where even the smallest or the largest value does not bound the percentile at this level (p99 under
    368 values).
    Source: David and Nagaraja, Order Statistics 7.1 (the distribution-free interval of a quantile).
    """
    tail = (1 - level) / 2
    if not 0 < q < 1 or n_effective <= 0 or max(q, 1 - q) ** n_effective > tail:
        return None
    low = binomial_quantile(tail, n_effective, q) + 1
    high = binomial_quantile(1 - tail, n_effective, q) + 1
    half_a_rank = 0.5 / (n or n_effective)
    return (low - 0.5) / n_effective + half_a_rank, (high - 0.5) / n_effective + half_a_rank


def cautious_rank_interval(
    q: float, n_effective_at: Callable[[float], float], level: float = 0.95, *, n: float | None = None
) -> Interval | None:
    """rank_interval() with the effective size of the percentile's own share, or of a share at its ends if far less.

    Where a percentile lies at the edge of what bursts make slow, the values beside it come in clusters though those
    at it do not. n_effective_at: effective size of the question whether a value lies in the lowest share (0-1).
    """
    own = n_effective_at(q)
    ends = rank_interval(q, own, level, n=n)
    if ends is None:
        return None
    least = min(map(n_effective_at, ends))
    return ends if least > _FAR_LESS * own else rank_interval(q, least, level, n=n)


_FAR_LESS = 0.8  # sizes of independent values differ by less, as estimates do


def mean_interval(
    mean: float, variance_of_mean: float | None, n_effective: float, level: float = 0.95
) -> Interval | None:
    """Interval of a mean by Student's t. variance_of_mean: variance_of_ratio()'s. None for fewer than two values."""
    if variance_of_mean is None or n_effective < 2:
        return None
    half = t_quantile((1 + level) / 2, n_effective - 1) * math.sqrt(variance_of_mean)
    return mean - half, mean + half


def wilson_interval(successes: float, n: float, level: float = 0.95) -> Interval | None:
    """Interval of a share, 0-1. Both may be fractional (effective). None of nothing. Source: Wilson 1927."""
    if n <= 0:
        return None
    z = normal_quantile((1 + level) / 2)
    share = min(1.0, max(0.0, successes / n))
    centre = (share + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    return max(0.0, min(share, centre - half)), min(1.0, max(share, centre + half))


def rate_interval(counts_per_batch: F, batch_s: float, level: float = 0.95) -> Interval | None:
    """Interval of a rate per second from what was counted in batches of batch_s seconds each, in their order.

    None for fewer than two batches. Source: Law and Carson 1979 (batch means), with the autocovariances of the batches.
    """
    spread = rate_spread(counts_per_batch, batch_s)
    if spread is None:
        return None
    rate, error, df = spread
    half = t_quantile((1 + level) / 2, df) * error
    return max(0.0, rate - half), rate + half


def rate_spread(counts_per_batch: F, batch_s: float) -> tuple[float, float, float] | None:
    """A rate per second, its standard error and the degrees of freedom: what verdicts.of_mean() takes.

    The freedom is that of as many batches as the correlated ones are worth.
    """
    batches = np.asarray(counts_per_batch, np.float64)
    variance = variance_of_ratio(batches, np.ones_like(batches))
    if variance is None or batch_s <= 0:
        return None
    n = len(batches)
    worth = effective_n(n, float(batches.var()), variance)
    df = max(worth - 1, min(n - 1.0, _LEAST_DF))
    return float(batches.mean()) / batch_s, math.sqrt(variance) / batch_s, df


_LEAST_DF = 6.0  # variance_of_ratio() has widened the variance of strongly correlated batches already
