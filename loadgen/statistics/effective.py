"""How many independent samples a series is worth: the integrated autocorrelation time, in the order of the plan.

Batches are slots of the run in the order of the planned instants; what came together is correlated, and a slot's sum
keeps all of that. Empty slots are left out: those that remain are neighbours.

Sources: Geyer 1992 (initial positive sequence); Sokal 1997 (automatic window).
"""

import math
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from loadgen.statistics.laws import normal_quantile, t_quantile

F = NDArray[np.float64]


def variance_of_ratio(sums: F, counts: F) -> float | None:
    """Variance of sum(sums) / sum(counts), whose batches may be correlated with their neighbours.

    sums, counts: shape (n_batches,), in the order of the plan; a mean's sums are the batches' totals, a share's the
    number of values that meet the bound.
    Returns None for fewer than two batches with counts.
    """
    sums, counts = np.asarray(sums, np.float64), np.asarray(counts, np.float64)
    filled = counts > 0
    sums, counts = sums[filled], counts[filled]
    if len(counts) < 2:
        return None
    total = float(counts.sum())
    rests = sums - float(sums.sum()) / total * counts
    return len(rests) * long_run_variance(rests) / total**2


def autocorrelation_time(values: F) -> float:
    """Integrated autocorrelation time, in samples, at least 1; 1 for fewer than four values or identical ones."""
    values = np.asarray(values, np.float64)
    if len(values) < 4 or np.all(values == values[0]):
        return 1.0
    rests = values - values.mean()
    return max(1.0, long_run_variance(rests) / (float(rests @ rests) / (len(rests) - 1)))


def effective_n(n: int, variance: float, variance_of_mean: float | None) -> float:
    """How many independent values would leave the mean as uncertain: between 1 and n.

    variance: of the n values as a whole population, p (1 - p) for a share. variance_of_mean: variance_of_ratio()'s,
    None where it cannot be told (all came in one batch: they are worth one).
    """
    if n <= 1 or variance_of_mean is None:
        return float(min(n, 1))
    if variance_of_mean <= 0 or variance <= 0:
        return float(n)
    return min(float(n), max(1.0, n / (n - 1) * variance / variance_of_mean))


def effective_n_of_share(below: F, counts: F, body_n: float | None = None) -> float:
    """Effective size of a share: how many of each batch's values lie below a threshold, out of how many.

    Of few clusters on the rarer side the autocorrelation is hardly known: it is then drawn up to that of the body.
    below, counts: shape (n_batches,). body_n: effective size of the metric's mean or median; None: not known.
    Returns between 1 and sum(counts); 0 of nothing.
    """
    n = float(np.sum(counts))
    if n <= 0:
        return 0.0
    share = float(np.sum(below)) / n
    own_n = effective_n(math.floor(n), share * (1 - share), variance_of_ratio(below, counts))
    if not body_n or body_n >= own_n:
        return own_n
    n_clusters = own_n * min(share, 1 - share)
    time = (n_clusters * n / own_n + _PRIOR_CLUSTERS * n / body_n) / (n_clusters + _PRIOR_CLUSTERS)
    return max(1.0, n / time)


def without_drift(sums: F, counts: F) -> F:
    """The same sums, in all as many, without what in them rises or falls evenly over the batches.

    sums, counts: shape (n_batches,), no count of them zero.
    """
    total = float(counts.sum())
    steps = np.arange(len(counts)) - float(np.arange(len(counts)) @ counts) / total
    scatter = float(counts @ steps**2)
    if scatter <= 0:
        return sums
    slope = float(sums @ steps) / scatter
    level: F = sums - slope * steps * counts
    return level


_PRIOR_CLUSTERS = 2.0
"""Clusters of rare values that the body's autocorrelation weighs as much as."""


def long_run_variance(rests: F) -> float:
    """Variance of one value plus twice its autocovariances, up to where pairs of them stop being positive.

    Weak correlation that lasts is lost in the noise of single batches; eight together show it.
    rests: shape (n,), n > 1, of mean 0, in their order. The variance of their sum is n times this.
    """
    fine = _sum_of_covariances(rests, _CHANCE)
    n_coarse = len(rests) // _COARSE
    if n_coarse < _FEWEST_COARSE:
        return fine
    coarse = rests[: n_coarse * _COARSE].reshape(n_coarse, _COARSE).sum(axis=1)
    return max(fine, _sum_of_covariances(coarse - coarse.mean(), _BEYOND_CHANCE) / _COARSE)


_COARSE = 8
_FEWEST_COARSE = 16
_CHANCE = 0.7
_BEYOND_CHANCE = 2.5
"""Standard errors that the first pair of autocovariances has to exceed for any to be taken."""


def _sum_of_covariances(rests: F, n_errors: float) -> float:
    """What the autocovariances add is an estimate from a few stretches: it is widened as Student's t widens."""
    n = len(rests)
    covariances = _autocovariances(rests)
    pairs = covariances[1 : 1 + (n - 1) // 2 * 2].reshape(-1, 2).sum(axis=1)
    is_seen = len(pairs) > 0 and pairs[0] > n_errors * math.sqrt(2 / n) * covariances[0]
    falls = np.flatnonzero(pairs <= 0)
    n_pairs = (int(falls[0]) if len(falls) else len(pairs)) if is_seen else 0
    if not n_pairs and n_errors >= _BEYOND_CHANCE:
        return 0.0
    window = 2 * n_pairs + 1
    added = 2 * float(pairs[:n_pairs].sum()) * _widening(rests, window) if n_pairs else 0.0
    return (float(covariances[0]) + added) / max(1 / n, 1 - window / n)


def _widening(rests: F, window: int) -> float:
    """The square of t over normal quantile, for half the degrees of freedom that stretches of the window's length show.

    Their squares vary the more, the fewer bursts make the variance: Satterthwaite's degrees of freedom. Half of them,
    because a run that sees few bursts finds both the mean and its variance too small.
    """
    n_stretches = max(2, len(rests) // window)
    length = len(rests) // n_stretches
    squares = rests[: n_stretches * length].reshape(n_stretches, length).sum(axis=1) ** 2
    scatter = float(((squares - squares.mean()) ** 2).sum())
    df = float(squares.sum()) ** 2 / scatter if scatter > 0 else n_stretches
    return _square_of_t(min(max(_LEAST_DF, math.floor(df)), n_stretches - 1))


_LEAST_DF = 2


@lru_cache(maxsize=4096)
def _square_of_t(df: int) -> float:
    return (t_quantile(0.975, df) / normal_quantile(0.975)) ** 2


def _autocovariances(rests: F) -> F:
    """Lags 0 to n - 1, each divided by n."""
    n = len(rests)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(rests, size)
    covariances: F = np.fft.irfft(spectrum * spectrum.conj(), size)[:n] / n
    return covariances
