"""The early-stopping bound of MLPerf LoadGen: from how many values on a percentile can be claimed, and as what.

Source: MLPerf Inference, loadgen/early_stopping.cc and results.cc: with n values of which t may lie above, a bound is
claimed where P(Bin(n, 1 - q) <= t) <= 1 - confidence.
"""

import math
from functools import lru_cache

from loadgen.statistics.laws import binomial_cdf

CONFIDENCE = 0.99


@lru_cache(maxsize=256)
def needed_n(q: float, confidence: float = CONFIDENCE) -> int:
    """How many independent values a percentile needs: p50 11, p90 64, p95 130, p99 662, p99.9 6,636 at 99 %.

    q: 0-1, both excluded.
    """
    return _smallest_n(1, q, confidence)


def _smallest_n(n_above: int, q: float, confidence: float) -> int:
    """The smallest n with P(Bin(n, 1 - q) <= n_above) <= 1 - confidence."""
    low, high = n_above, n_above + 1
    while binomial_cdf(n_above, high, 1 - q) > 1 - confidence:
        low, high = high, high * 2
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_cdf(n_above, middle, 1 - q) > 1 - confidence:
            low = middle
        else:
            high = middle
    return high


def is_certified(q: float, n_effective: float, confidence: float = CONFIDENCE) -> bool:
    """Whether there are enough values to claim the percentile at all."""
    return n_effective >= needed_n(q, confidence)


def early_stopping_bound(
    q: float, n: int, n_effective: float | None = None, confidence: float = CONFIDENCE
) -> int | None:
    """Rank (1 the smallest of n) of the value that bounds the true percentile from above with the confidence.

    n_effective: where the values are correlated. None: too few of them.
    """
    size = math.floor(n if n_effective is None else min(n, n_effective))
    if size < needed_n(q, confidence):
        return None
    low, high = 1, size  # n_above that may be claimed, and one that may not
    while high - low > 1:
        middle = (low + high) // 2
        if binomial_cdf(middle, size, 1 - q) <= 1 - confidence:
            low = middle
        else:
            high = middle
    return n - math.floor((low - 1) * n / size)
