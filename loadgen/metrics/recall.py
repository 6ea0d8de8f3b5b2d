"""How many of the true neighbours the answers named."""

from collections.abc import Callable, Iterable
from fractions import Fraction

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.histogram import rank_of
from loadgen.records import NEVER


class Recall:
    """Requests by their recall: hits / neighbours asked for. Exact; as much memory as there are values it can have."""

    def __init__(self) -> None:
        self._n_by_hits: dict[int, NDArray[np.int64]] = {}  # of each number of neighbours: shape (1 + that,)

    def add(self, n_hits: NDArray[np.int32], top_k: int) -> None:
        """n_hits: shape (n,); requests with NEVER are left out. top_k: how many neighbours there were to find, > 0."""
        known = np.minimum(n_hits[n_hits != NEVER], top_k)
        if len(known):
            self._add(top_k, np.bincount(known, minlength=top_k + 1))

    def _add(self, top_k: int, counted: NDArray[np.int64]) -> None:
        self._n_by_hits[top_k] = self._n_by_hits.get(top_k, 0) + counted

    @classmethod
    def merged(cls, parts: "Iterable[Recall]") -> "Recall":
        whole = cls()
        for part in parts:
            for top_k, counted in part._n_by_hits.items():
                whole._add(top_k, counted)
        return whole

    @property
    def n(self) -> int:
        return sum(int(counted.sum()) for counted in self._n_by_hits.values())

    @property
    def mean(self) -> float | None:
        """0-1, exact: 46 hits of 50 are 92 %, and no less; None without values."""
        sums = (Fraction(int(np.arange(top_k + 1) @ counted), top_k) for top_k, counted in self._n_by_hits.items())
        return float(sum(sums) / self.n) if self.n else None

    @property
    def min(self) -> float | None:
        values, _ = self._sorted()
        return float(values[0]) if len(values) else None

    @property
    def max(self) -> float | None:
        values, _ = self._sorted()
        return float(values[-1]) if len(values) else None

    @property
    def variance(self) -> float:
        """Of the values as a whole population; 0 without values."""
        values, counts = self._sorted()
        return float(np.average((values - np.average(values, weights=counts)) ** 2, weights=counts)) if self.n else 0.0

    def share_of(self, meets: Callable[[NDArray[np.float64]], NDArray[np.bool_]]) -> float:
        """The share (0-1) of requests whose recall meets something; 0 without any."""
        values, counts = self._sorted()
        return int(counts[meets(values)].sum()) / self.n if self.n else 0.0

    def percentile(self, q: float) -> float | None:
        """The value at or below which q % of the requests lie: that of rank round(q n / 100), at least 1."""
        values, counts = self._sorted()
        if not len(values):
            return None
        ranks = np.cumsum(counts)
        rank = min(int(rank_of(np.float64(q), int(ranks[-1]))), int(ranks[-1]))
        return float(values[np.searchsorted(ranks, rank)])

    def _sorted(self) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
        """Values that occurred, rising, and how often each did."""
        if not self._n_by_hits:
            return np.zeros(0), np.zeros(0, np.int64)
        values = np.concatenate([np.arange(top_k + 1) / top_k for top_k in self._n_by_hits])
        counts = np.concatenate(list(self._n_by_hits.values()))
        order = np.argsort(values, kind="stable")
        order = order[counts[order] > 0]
        return values[order], counts[order]
