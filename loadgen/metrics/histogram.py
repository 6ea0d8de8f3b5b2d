"""Durations counted in HdrHistogram's layout: three significant digits, constant memory, numpy throughout.

Values below 2,048 ns have a bin each; from there every power of two is cut into 1,024 equal bins, so a bin is never
wider than a thousandth of what it holds.

Source: Tene, HdrHistogram; the layout and the percentile are those of HdrHistogram_c.
"""

from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

HIGHEST_NS = 2**47 - 1
"""39 hours. What is longer is counted in the last bin; min, max and mean stay exact."""

_HALF_BITS = 10
_HALF = 1 << _HALF_BITS
_FINEST = 2 * _HALF - 1  # up to here a bin holds one value
_N_BINS = (47 - _HALF_BITS + 1) << _HALF_BITS
_FLOAT64_FRACTION_BITS = 52
_FLOAT64_EXPONENT_BIAS = 1023


class Bins(NamedTuple):
    """Bins that hold something. A bin covers low_ns <= value < high_ns. Each of shape (n_bins,), int64."""

    low_ns: NDArray[np.int64]
    high_ns: NDArray[np.int64]
    counts: NDArray[np.int64]


class Histogram:
    """Durations in ns. Negative ones count as 0. Untouched bins cost no memory that the system has to give."""

    def __init__(self) -> None:
        self._counts = np.zeros(_N_BINS, np.int64)
        self._n = 0
        self._sum_ns = 0
        self._min_ns = 0
        self._max_ns = 0
        self._origin_ns = 0  # squares are taken from here, so that they do not cancel
        self._sum_of_offsets = 0.0
        self._sum_of_squares = 0.0

    def add(self, values_ns: NDArray[np.int64]) -> None:
        """values_ns: shape (n,), int64."""
        if not len(values_ns):
            return
        low, high = int(values_ns.min()), int(values_ns.max())
        values = values_ns if low >= 0 else np.maximum(values_ns, 0)
        low, high = max(low, 0), max(high, 0)
        counted = np.bincount(_bin_of(np.minimum(values, HIGHEST_NS) if high > HIGHEST_NS else values))
        self._add_moments(values, low, high)
        self._counts[: len(counted)] += counted

    def _add_moments(self, values: NDArray[np.int64], low: int, high: int) -> None:
        if self._n == 0:
            self._min_ns, self._max_ns, self._origin_ns = low, high, low
        self._min_ns, self._max_ns = min(self._min_ns, low), max(self._max_ns, high)
        self._n += len(values)
        self._sum_ns += int(values.sum())
        offsets = np.subtract(values, self._origin_ns, dtype=np.float64)
        self._sum_of_offsets += float(offsets.sum())
        np.multiply(offsets, offsets, out=offsets)
        self._sum_of_squares += float(offsets.sum())

    @property
    def n(self) -> int:
        return self._n

    @property
    def mean(self) -> float | None:
        """ns, exact; None without values."""
        return self._sum_ns / self._n if self._n else None

    @property
    def std(self) -> float | None:
        """ns, of the values as a whole population; None without values."""
        if not self._n:
            return None
        mean = self._sum_of_offsets / self._n
        variance = self._sum_of_squares / self._n - mean * mean
        return float(np.sqrt(max(variance, 0.0)))

    @property
    def min(self) -> int | None:
        """ns, exact; None without values."""
        return self._min_ns if self._n else None

    @property
    def max(self) -> int | None:
        """ns, exact; None without values."""
        return self._max_ns if self._n else None

    @overload
    def percentile(self, q: float) -> float | None: ...
    @overload
    def percentile(self, q: NDArray[np.float64] | list[float] | tuple[float, ...]) -> NDArray[np.float64]: ...

    def percentile(self, q: ArrayLike) -> float | NDArray[np.float64] | None:
        """The value at or below which q % of the values lie: the upper end of its bin, but never above the maximum.

        q: 0-100, one or shape (n,). Returns ns: one, or shape (n,). Without values None, or an array of NaN.
        Source: HdrHistogram_c, hdr_value_at_percentile: the value of rank round(q n / 100), at least 1.
        """
        asked = np.atleast_1d(np.asarray(q, np.float64))
        values = self._values_at(rank_of(asked, self._n)) if self._n else np.full(asked.shape, np.nan)
        if np.ndim(q):
            return values
        return float(values[0]) if self._n else None

    def _values_at(self, ranks: NDArray[np.int64]) -> NDArray[np.float64]:
        index = np.searchsorted(np.cumsum(self._counts), ranks)
        low, width = _edges(index)
        highest: NDArray[np.int64] = np.minimum(low + width - 1, self._max_ns)
        return highest.astype(np.float64)

    def bins(self) -> Bins:
        """The bins that hold something, in rising order."""
        index = np.flatnonzero(self._counts)
        low, width = _edges(index)
        return Bins(low, low + width, self._counts[index])


def rank_of(q: NDArray[np.float64] | np.float64, n: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of n values in rising order, from 1, is the q-th percentile. q and n: shapes that go together."""
    rank: NDArray[np.int64] = (np.minimum(q, 100.0) * n / 100 + 0.5).astype(np.int64)
    return np.maximum(rank, 1)


def _bin_of(values: NDArray[np.int64]) -> NDArray[np.int64]:
    """The exponent of the value as a float is its power of two; values below 2**53 are exact there."""
    shift = (values | _FINEST).astype(np.float64).view(np.int64)
    shift >>= _FLOAT64_FRACTION_BITS
    shift -= _FLOAT64_EXPONENT_BIAS + _HALF_BITS
    index: NDArray[np.int64] = values >> shift
    shift <<= _HALF_BITS
    index += shift
    return index


def _edges(index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest value and width of each bin, ns."""
    shift = np.maximum((index >> _HALF_BITS) - 1, 0)
    step = index - (shift << _HALF_BITS)
    return step << shift, np.ones_like(index) << shift
