"""What happened in each tenth of a second. Grows with the length of a run, never with its requests."""

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.metrics.streaming import Arrivals
from loadgen.records import Outcome
from loadgen.units import NS_PER_MS

BIN_NS = 100 * NS_PER_MS
MAX_BINS = 1 << 20
"""29 hours; what comes later is counted in the last bin."""

_FEW_BINS = 4

_COUNTS = ("n_sent", "n_ok", "n_failed", "n_cancelled", "n_over")
_LATEST_FIRST = (
    "done_at_ns",
    "last_token_at_ns",
    "first_token_at_ns",
    "first_byte_at_ns",
    "sent_at_ns",
    "planned_at_ns",
)


class Series:
    """All phases of a run, from its start. Every array has the shape (n_bins,) and one entry each BIN_NS."""

    def __init__(self) -> None:
        self._n_bins = 0
        self._counts = {name: np.zeros(64, np.int64) for name in _COUNTS}
        self._tokens = np.zeros(64, np.float64)

    def add(self, requests: Columns) -> None:
        """requests: in the order in which they ended."""
        if requests.only("outcome") == Outcome.OK and all(map(requests.is_whole, ("sent_at_ns", "done_at_ns"))):
            self._count(requests["sent_at_ns"], requests.ends("sent_at_ns"), "n_sent")
            self._count(requests["done_at_ns"], requests.ends("done_at_ns"), "n_over", "n_ok")
            return
        sent, ended = requests["sent_at_ns"], ended_at_ns(requests)
        ok, cancelled = (requests["outcome"] == kind for kind in (Outcome.OK, Outcome.CANCELLED))
        self._count_some("n_sent", sent[sent >= 0])
        self._count_some("n_over", ended[sent >= 0])
        self._count_some("n_ok", ended[ok])
        self._count_some("n_cancelled", ended[cancelled])
        self._count_some("n_failed", ended[~ok & ~cancelled])

    def _count_some(self, name: str, at_ns: NDArray[np.int64]) -> None:
        if len(at_ns):
            self._count(at_ns, (int(at_ns.min()), int(at_ns.max())), name)

    def _count(self, at_ns: NDArray[np.int64], ends_ns: tuple[int, int], *names: str) -> None:
        first, last = map(_bin_of, ends_ns)
        self._reach(last + 1)
        counted = _counted(at_ns, first, last)
        for name in names:
            self._counts[name][first : last + 1] += counted

    def add_tokens(self, arrivals: Arrivals) -> None:
        if len(arrivals.at_ns):
            counted = np.bincount(_bins_of(arrivals.at_ns), arrivals.tokens)
            self._reach(len(counted))
            self._tokens[: len(counted)] += counted

    def _reach(self, n_bins: int) -> None:
        self._n_bins = max(self._n_bins, n_bins)
        if n_bins > len(self._tokens):
            more = max(n_bins, 2 * len(self._tokens)) - len(self._tokens)
            self._counts = {name: np.pad(counts, (0, more)) for name, counts in self._counts.items()}
            self._tokens = np.pad(self._tokens, (0, more))

    def __len__(self) -> int:
        return self._n_bins

    @property
    def from_ns(self) -> NDArray[np.int64]:
        """Where each bin begins, ns since the run began."""
        return np.arange(self._n_bins, dtype=np.int64) * BIN_NS

    @property
    def n_sent(self) -> NDArray[np.int64]:
        return self._counts["n_sent"][: self._n_bins]

    @property
    def n_ok(self) -> NDArray[np.int64]:
        """Successes, by the instant of their end."""
        return self._counts["n_ok"][: self._n_bins]

    @property
    def n_failed(self) -> NDArray[np.int64]:
        return self._counts["n_failed"][: self._n_bins]

    @property
    def n_cancelled(self) -> NDArray[np.int64]:
        return self._counts["n_cancelled"][: self._n_bins]

    @property
    def n_tokens(self) -> NDArray[np.float64]:
        """Tokens by arrival; fractions where an event stands for several tokens."""
        return self._tokens[: self._n_bins]

    @property
    def in_flight(self) -> NDArray[np.int64]:
        """Requests sent and not over at each bin's end. True once every record has come."""
        still = np.cumsum(self.n_sent) - np.cumsum(self._counts["n_over"][: self._n_bins])
        return np.maximum(still, 0)


def ended_at_ns(requests: Columns) -> NDArray[np.int64]:
    """When each request was over, shape (n,). One without a last byte ended no earlier than the one before it."""
    return requests.derived("ended_at_ns", _ended_at_ns)


def _ended_at_ns(requests: Columns) -> NDArray[np.int64]:
    if requests.is_whole("done_at_ns"):
        return requests["done_at_ns"]
    latest = requests[_LATEST_FIRST[0]]
    for name in _LATEST_FIRST[1:]:
        latest = np.where(latest >= 0, latest, requests[name])
    return np.where(requests["done_at_ns"] >= 0, latest, np.maximum.accumulate(latest))


def _counted(at_ns: NDArray[np.int64], first: int, last: int) -> NDArray[np.int64]:
    """How many lie in each bin from first to last. In a block they are few: a tenth of a second is long."""
    if last - first > _FEW_BINS:
        return np.bincount(_bins_of(at_ns) - first, minlength=last - first + 1)
    edges = range(first + 1, last + 1)
    n_below = [0, *(int(np.count_nonzero(at_ns < edge * BIN_NS)) for edge in edges), len(at_ns)]
    return np.diff(n_below)


def _bin_of(at_ns: int) -> int:
    return min(max(at_ns // BIN_NS, 0), MAX_BINS - 1)


def _bins_of(at_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    bins: NDArray[np.int64] = at_ns // BIN_NS
    return np.clip(bins, 0, MAX_BINS - 1, out=bins)
