"""Durations counted in HdrHistogram's layout: three significant digits, constant memory, numpy throughout.

Values below 2,048 ns have a bin each; from there every power of two is cut into 1,024 equal bins, so a bin is never
wider than a thousandth of what it holds.

Source: Tene, HdrHistogram; the layout and the percentile are those of HdrHistogram_c.
"""

import math
from collections.abc import Callable, Iterable
from typing import NamedTuple, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

HIGHEST_NS = 2**47 - 1
"""39 hours. What is longer is counted in the last bin; min, max and mean stay exact."""

_HALF_BITS = 10
_HALF = 1 << _HALF_BITS
OCTAVE_BINS = _HALF
"""Into so many bins every power of two is cut."""

COARSE = 32
"""So many bins are put together where a histogram is too fine (over time): 32 of these for every power of two."""

_FINEST = 2 * _HALF - 1  # up to here a bin holds one value
_N_BINS = (47 - _HALF_BITS + 1) << _HALF_BITS
_FLOAT64_FRACTION_BITS = 52
_FLOAT64_EXPONENT_BIAS = 1023


class Bins(NamedTuple):
    """Bins that hold something. A bin covers low_ns <= value < high_ns. Each of shape (n_bins,), int64."""

    low_ns: NDArray[np.int64]
    high_ns: NDArray[np.int64]
    counts: NDArray[np.int64]


class Counted(NamedTuple):
    """Values as they have just been counted. bins: each value's, from first_bin on, shape (n,); counts: how many lie in
    each of those bins, shape (n_bins,); floats: the values, ns, none below 0, shape (n,).

    first_bin: the first of a group of COARSE bins.
    """

    bins: NDArray[np.int64]
    first_bin: int
    counts: NDArray[np.int64]
    floats: NDArray[np.float64]
    sum_ns: int


class Histogram:
    """Durations in ns. Negative ones count as 0. Untouched bins cost no memory that the system has to give."""

    def __init__(self) -> None:
        self._counts = np.zeros(_N_BINS, np.int64)
        self._n = 0
        self._sum_ns = 0
        self._min_ns = 0
        self._max_ns = 0
        self._squares = 0.0  # sum of the squared distances from the mean

    def add(self, values_ns: NDArray[np.int64]) -> Counted | None:
        """values_ns: shape (n,), int64. Returns what was worked out on the way; None of nothing."""
        if not len(values_ns):
            return None
        low, high = int(values_ns.min()), int(values_ns.max())
        values = values_ns
        if low < 0:
            values, low, high = np.maximum(values_ns, 0), 0, max(high, 0)
        floats = values.astype(np.float64)
        sum_ns = int(values.sum())
        bins, first_bin, counts = self._count(floats, values, low, high)
        self._add_moments(len(values), low, high, sum_ns, _squares_around(floats, sum_ns / len(values)))
        return Counted(bins, first_bin, counts, floats, sum_ns)

    def _count(
        self, floats: NDArray[np.float64], values: NDArray[np.int64], low: int, high: int
    ) -> tuple[NDArray[np.int64], int, NDArray[np.int64]]:
        """Count from about the lowest bin on, so that what is in between need not be gone through."""
        if high > HIGHEST_NS:
            values = np.minimum(values, HIGHEST_NS)
            floats = values.astype(np.float64)
        bins, first = _bins_of(floats, values, low), _bin_of(min(low, HIGHEST_NS)) // COARSE * COARSE
        bins -= first
        counted = np.bincount(bins)
        self._counts[first : first + len(counted)] += counted
        return bins, first, counted

    def _add_moments(self, n: int, low: int, high: int, sum_ns: int, squares: float) -> None:
        """Source: Chan, Golub and LeVeque, Updating formulae and a pairwise algorithm for sample variances."""
        if self._n:
            apart = sum_ns / n - self._sum_ns / self._n
            squares += self._squares + apart * apart * (n * self._n / (n + self._n))
            low, high = min(low, self._min_ns), max(high, self._max_ns)
        self._min_ns, self._max_ns, self._squares = low, high, squares
        self._n += n
        self._sum_ns += sum_ns

    @classmethod
    def merged(cls, parts: "Iterable[Histogram]") -> "Histogram":
        """One that has been given what all of them were given; of a single one, that itself."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        whole = cls()
        for part in parts:
            if part._n:
                used = part._used()
                whole._counts[: len(used)] += used
                whole._add_moments(part._n, part._min_ns, part._max_ns, part._sum_ns, part._squares)
        return whole

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
        return math.sqrt(self._squares / self._n)

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
        index = np.searchsorted(np.cumsum(self._used()), ranks)
        low, width = edges_of(index)
        highest: NDArray[np.int64] = np.minimum(low + width - 1, self._max_ns)
        return highest.astype(np.float64)

    def _used(self) -> NDArray[np.int64]:
        """The bins up to that of the maximum."""
        return self._counts[: _bin_of(min(self._max_ns, HIGHEST_NS)) + 1]

    def share_of(self, meets: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> float:
        """The share (0-1) of values that meet something, each taken as percentile() would give it; 0 without values."""
        index = np.flatnonzero(self._used())
        low, width = edges_of(index)
        met = meets(np.minimum(low + width - 1, self._max_ns).astype(np.float64))
        return int(self._counts[index][met].sum()) / self._n if self._n else 0.0

    def bins(self) -> Bins:
        """The bins that hold something, in rising order."""
        index = np.flatnonzero(self._used())
        low, width = edges_of(index)
        return Bins(low, low + width, self._counts[index])


def rank_of(q: NDArray[np.float64] | np.float64, n: int | NDArray[np.int64]) -> NDArray[np.int64]:
    """Which of n values in rising order, from 1, is the q-th percentile. q and n: shapes that go together."""
    rank: NDArray[np.int64] = (np.minimum(q, 100.0) * n / 100 + 0.5).astype(np.int64)
    return np.maximum(rank, 1)


def _squares_around(floats: NDArray[np.float64], mean: float) -> float:
    """Sum of the squared distances from the mean."""
    distances = floats - mean
    return float(distances @ distances)


def _bin_of(value: int) -> int:
    """The bin of one value."""
    shift = max(value.bit_length() - 1 - _HALF_BITS, 0)
    return (shift << _HALF_BITS) + (value >> shift)


def _bins_of(floats: NDArray[np.float64], values: NDArray[np.int64], low: int) -> NDArray[np.int64]:
    """The bin of each value; floats: the same values. low: the lowest of them.

    A float is its exponent and then its fraction: its first bits are the power of two and which of the equal parts of
    it. Below _HALF there is no such bin; a value is its own.
    """
    if low < _HALF:
        floats = np.maximum(floats, _HALF)
    bins: NDArray[np.int64] = floats.view(np.int64) >> (_FLOAT64_FRACTION_BITS - _HALF_BITS)
    bins -= (_FLOAT64_EXPONENT_BIAS + _HALF_BITS - 1) << _HALF_BITS
    if low < _HALF:
        bins += np.minimum(values - _HALF, 0)
    return bins


def edges_of(index: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Lowest value and width of each bin, ns."""
    shift = np.maximum((index >> _HALF_BITS) - 1, 0)
    step = index - (shift << _HALF_BITS)
    return step << shift, np.ones_like(index) << shift
