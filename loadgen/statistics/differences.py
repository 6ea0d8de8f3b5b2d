"""Whether two runs differ, and by how much: permutations of blocks of consecutive requests.

Every figure is a ratio of two sums over blocks: a rate is events over seconds, a mean is a sum over a count, a
percentile is tested as the share of values beyond a threshold that both sides have in common. Requests that follow
each other are alike, so that they are not exchangeable; blocks that are long beside the autocorrelation time are. The
statistic is Welch's on the block sums, its law that of the permutations: right too where the sides vary differently.

Sources: Welch 1947; Janssen 1997 and Chung and Romano 2013 (studentised permutations); Kunsch 1989 (blocks); Cochran
1977, 6.4 (variance of a ratio); Holm 1979; Newcombe 1998 (difference of two shares).
"""

import math
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.statistics.effective import autocorrelation_time, effective_n, variance_of_ratio
from loadgen.statistics.intervals import wilson_interval

F = NDArray[np.float64]
Bounds = tuple[float | None, float | None]
"""Lower and upper end of an interval; None: it has no end there."""

N_PERMUTATIONS = 9_999
N_FOR_BOUNDS = 999
"""Fewer where the test is asked again and again, and only for whether it says 5 %."""
TIMES_LONGER = 5.0
"""How much longer than the autocorrelation time a block is: the variance of its sum is then some 10 % off at most."""
SHORTEST = 2.0
"""The same where only FEWEST_BLOCKS are left; shorter ones would be too much alike to be shuffled."""
FEWEST_BLOCKS = 8
N_BLOCKS = (64, 48, 32, 24, 16, 12, FEWEST_BLOCKS)
"""How many blocks a side is merged into: few different numbers, so that permutations are drawn once and kept."""

_WIDEST = math.log(1_000.0)  # how far apart, as a factor, two figures are looked for
_PRECISION = 1e-4
_SEED = 20_201


class Blocks(NamedTuple):
    """A figure's parts, block by block in the order of the plan: it is sums.sum() / counts.sum().

    Shapes (n_blocks,).
    """

    sums: F
    counts: F

    @property
    def ratio(self) -> float | None:
        total = float(self.counts.sum())
        return float(self.sums.sum()) / total if total > 0 else None

    def merged(self, n_blocks: int) -> "Blocks":
        """The same in fewer blocks, each of as many neighbours."""
        starts = _starts(len(self.sums), n_blocks)
        return Blocks(np.add.reduceat(self.sums, starts), np.add.reduceat(self.counts, starts))

    def scaled(self, factor: float) -> "Blocks":
        return Blocks(self.sums * factor, self.counts)


class Values:
    """All values of a metric, block by block, in rising bins.

    values: shape (n_bins,), rising. counts: how many of each, shape (n_blocks, n_bins).
    """

    def __init__(self, values: F, counts: NDArray[np.int64]) -> None:
        self.values = values
        self.totals: F = counts.sum(axis=0).astype(np.float64)
        self.n = int(self.totals.sum())
        per_block = counts.sum(axis=1, keepdims=True)
        at_most = np.cumsum(counts, axis=1)
        self._over = np.concatenate((per_block, per_block - at_most), axis=1).astype(np.float64)

    def quantile(self, q: float) -> float | None:
        """The value that a share q (0-1) does not exceed; None without values."""
        return _quantile(self.values, self.totals, q) if self.n else None

    def beyond(self, threshold: float) -> Blocks:
        """In each block the values over a threshold, out of how many; those that are equal to it count half."""
        low = int(np.searchsorted(self.values, threshold, side="left"))
        high = int(np.searchsorted(self.values, threshold, side="right"))
        return Blocks(0.5 * (self._over[:, low] + self._over[:, high]), self._over[:, 0])

    def scaled(self, factor: float) -> "Values":
        """Every value times a factor."""
        some = object.__new__(Values)
        some.values, some.totals, some.n, some._over = self.values * factor, self.totals, self.n, self._over
        return some


Pair = tuple[Blocks, Blocks]


def pooled_threshold(first: Values, second: Values, q: float) -> float:
    """The q-th percentile (0-1) of both sides together."""
    values = np.concatenate((first.values, second.values))
    order = np.argsort(values, kind="stable")
    return _quantile(values[order], np.concatenate((first.totals, second.totals))[order], q)


def _quantile(values: F, totals: F, q: float) -> float:
    reached = np.cumsum(totals)
    rank = max(math.ceil(q * reached[-1] - 1e-9), 1)
    return float(values[min(int(np.searchsorted(reached, rank)), len(values) - 1)])


def beyond_pooled(first: Values, second: Values, q: float) -> Pair:
    """What a percentile is tested by: how much of each side lies beyond the percentile of both together."""
    threshold = pooled_threshold(first, second, q)
    return first.beyond(threshold), second.beyond(threshold)


def n_blocks_for(*sides: Blocks) -> int | None:
    """Into how many blocks each side must be merged so that they are independent; the same for all sides.

    Returns None where they would be too few: the values hang together over much of the run.
    """
    n_times = min(len(side.sums) / _time_in_blocks(side) for side in sides)
    fitting = (n_blocks for n_blocks in N_BLOCKS if n_times >= TIMES_LONGER * n_blocks)
    return next(fitting, FEWEST_BLOCKS if n_times >= SHORTEST * FEWEST_BLOCKS else None)


def _time_in_blocks(side: Blocks) -> float:
    """Autocorrelation time of what is left in each block once the whole ratio is taken away."""
    filled, ratio = side.counts > 0, side.ratio
    return 1.0 if ratio is None else autocorrelation_time((side.sums - ratio * side.counts)[filled])


def _starts(n: int, n_blocks: int) -> NDArray[np.int64]:
    return np.arange(n_blocks, dtype=np.int64) * n // n_blocks


def permutation_p(first: Blocks, second: Blocks, n_permutations: int = N_PERMUTATIONS) -> float:
    """Two-sided p-value of "the ratios are the same". first, second: independent blocks, two at least a side.

    Seeded: the same blocks give the same value, never below 1 / (n_permutations + 1). 1 where a side has no counts.
    """
    chosen = _choices(len(first.sums), len(second.sums), n_permutations)
    statistics = np.abs(_welch_statistics(Blocks(*map(np.concatenate, zip(first, second, strict=True))), chosen))
    return float(np.count_nonzero(statistics >= statistics[0] * (1 - 1e-9))) / len(statistics)


@lru_cache(maxsize=8)
def _choices(n_first: int, n_second: int, n_permutations: int) -> F:
    """Which blocks are taken for the second side: first as they are, then shuffled. Shape (n + 1, n_blocks)."""
    rng = np.random.default_rng((_SEED, n_first, n_second))
    n_blocks = n_first + n_second
    ranks = np.argsort(rng.random((n_permutations, n_blocks), np.float32), axis=1)
    as_they_are = np.arange(n_blocks) >= n_first
    return np.concatenate((as_they_are[np.newaxis], ranks >= n_first)).astype(np.float64)


def _welch_statistics(blocks: Blocks, chosen: F) -> F:
    """(second - first) / standard error, for each row of choices."""
    total = float(blocks.counts.sum())
    rests = blocks.sums - (float(blocks.sums.sum()) / total if total else 0.0) * blocks.counts
    parts = np.stack((rests, blocks.counts, rests**2, rests * blocks.counts, blocks.counts**2), axis=1)
    of_second = chosen @ parts
    of_first = parts.sum(axis=0) - of_second
    n_second = chosen.sum(axis=1)
    ratio_1, variance_1 = _ratio_and_variance(of_first, len(blocks.sums) - n_second)
    ratio_2, variance_2 = _ratio_and_variance(of_second, n_second)
    floor = 1e-24 * float(np.max(np.abs(blocks.sums), initial=1e-300)) ** 2
    statistics = (ratio_2 - ratio_1) / np.sqrt(np.maximum(variance_1 + variance_2, floor))
    return np.where((of_first[:, 1] > 0) & (of_second[:, 1] > 0), statistics, 0.0)


def _ratio_and_variance(moments: F, n_blocks: F) -> tuple[F, F]:
    """Of each row's blocks. moments: sums of rest, count, rest^2, rest * count, count^2; shape (n, 5)."""
    total = np.maximum(moments[:, 1], 1e-100)
    ratio = moments[:, 0] / total
    squares = moments[:, 2] - 2 * ratio * moments[:, 3] + ratio**2 * moments[:, 4]
    return ratio, np.maximum(squares, 0.0) / total**2 * n_blocks / np.maximum(n_blocks - 1, 1)


def ratio_bounds(p_of_factor: Callable[[float], float], ratio: float, alpha: float = 0.05) -> Bounds:
    """Interval of second / first: every factor by which the second side can be divided so that no test tells it from
    the first.

    p_of_factor: the p-value once the second side is divided by a factor. ratio: the estimate, > 0. Because the test
    itself is inverted, interval and p-value do not contradict each other.
    """
    centre = math.log(ratio)
    return _end(p_of_factor, centre, -1.0, alpha), _end(p_of_factor, centre, 1.0, alpha)


def _end(p_of_factor: Callable[[float], float], centre: float, sign: float, alpha: float) -> float | None:
    inside, step = 0.0, 0.005
    while p_of_factor(math.exp(centre + sign * (inside + step))) > alpha:
        inside += step
        step *= 2
        if inside > _WIDEST:
            return None
    outside = inside + step
    while outside - inside > max(_PRECISION, 0.01 * outside):
        middle = 0.5 * (inside + outside)
        if p_of_factor(math.exp(centre + sign * middle)) > alpha:
            inside = middle
        else:
            outside = middle
    return math.exp(centre + sign * 0.5 * (inside + outside))


def share_difference(first: Blocks, second: Blocks, level: float = 0.95) -> tuple[float, float] | None:
    """Interval of second - first, where both are shares (0-1) of counts. None where a side has none."""
    sides = [(side.ratio, _wilson(side, level)) for side in (first, second)]
    (share_1, ends_1), (share_2, ends_2) = sides
    if share_1 is None or share_2 is None or ends_1 is None or ends_2 is None:
        return None
    difference = share_2 - share_1
    low = difference - math.hypot(share_2 - ends_2[0], ends_1[1] - share_1)
    return low, difference + math.hypot(ends_2[1] - share_2, share_1 - ends_1[0])


def _wilson(side: Blocks, level: float) -> tuple[float, float] | None:
    """With as many samples as the counts are worth."""
    share, n = side.ratio, round(float(side.counts.sum()))
    if share is None:
        return None
    worth = effective_n(n, share * (1 - share), variance_of_ratio(side.sums, side.counts))
    return wilson_interval(share * worth, worth, level)


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values held for their number: each at or below alpha is real, whatever the others, with at most alpha wrong
    ones in the whole family."""
    order = sorted(range(len(p_values)), key=lambda place: p_values[place])
    held, highest = [1.0] * len(p_values), 0.0
    for rank, place in enumerate(order):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[place]))
        held[place] = highest
    return held
