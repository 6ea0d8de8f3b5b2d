"""A run's requests as blocks of its window: what tests and intervals are made of. Streamed; memory does not grow."""

from collections import Counter
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.metrics.latency import per_request_ns
from loadgen.metrics.slo import meets_every
from loadgen.metrics.streaming import token_arrivals
from loadgen.metrics.throughput import arrived_between, between
from loadgen.recipe.slo import parse_slo
from loadgen.records import NEVER, Outcome, Phase
from loadgen.report.facts import Facts
from loadgen.statistics.differences import Blocks, Values
from loadgen.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from loadgen.bundle import Bundle

N_BLOCKS = 320
"""Of equal length in time, by the planned instant; neighbours are merged until they are independent."""

METRICS = ("ttft", "itl", "tpot", "e2e")

_BITS_DROPPED = 42  # of a double's 52: 1,024 bins for each power of two
_FIRST_CODE = 1023 << 10  # that of 1 ns
_CODES = 1 << 16
_MOST_PENDING = 1 << 20

F = NDArray[np.float64]
Key = tuple[str, str]
"""A service ("" where there is one) and an operation ("": all of them)."""


class Counted:
    """Values of one metric, ns, counted by block and bin; sums by block."""

    def __init__(self) -> None:
        self.sums = np.zeros(N_BLOCKS)
        self.counts = np.zeros(N_BLOCKS)
        self._pending: list[tuple[NDArray[np.int64], NDArray[np.int64]]] = []
        self._n_pending = 0

    def add(self, blocks: NDArray[np.int64], values_ns: NDArray[np.int64]) -> None:
        """blocks: of each value. Shapes (n,)."""
        self.sums += np.bincount(blocks, values_ns, N_BLOCKS)
        self.counts += np.bincount(blocks, minlength=N_BLOCKS)
        codes = (np.maximum(values_ns, 1).astype(np.float64).view(np.int64) >> _BITS_DROPPED) - _FIRST_CODE
        self._keep(*np.unique(blocks * _CODES + codes, return_counts=True))

    def _keep(self, codes: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        self._pending.append((codes, counts))
        self._n_pending += len(codes)
        if self._n_pending > _MOST_PENDING:
            self._pending = [self._together()]
            self._n_pending = len(self._pending[0][0])

    def _together(self) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        codes, counts = map(np.concatenate, zip(*self._pending, strict=True))
        distinct, place = np.unique(codes, return_inverse=True)
        return distinct, np.bincount(place, counts, len(distinct)).astype(np.int64)

    @property
    def of_means(self) -> Blocks:
        """Sums in ms."""
        return Blocks(self.sums / NS_PER_MS, self.counts)

    @cached_property
    def values(self) -> Values:
        """In ms, each bin's lower end; made once, when all is counted."""
        codes, counts = self._together() if self._pending else (np.zeros(0, np.int64), np.zeros(0, np.int64))
        bins, place = np.unique(codes % _CODES, return_inverse=True)
        table = np.zeros((N_BLOCKS, len(bins)), np.int64)
        table[codes // _CODES, place] = counts
        return Values(((bins + _FIRST_CODE) << _BITS_DROPPED).view(np.float64) / NS_PER_MS, table)


class Requests:
    """Requests of one kind: of a service's operation, or of all its operations. All arrays: shape (N_BLOCKS,).

    answers, good: answers that ended in the window, each spread evenly over the time that it took; tokens the same.
    This is what was *worked* in each block: counted where they end, they would come in the waves of the clients.
    n_found, n_to_find: true neighbours that the answers named, out of how many; n_searched: how many such answers.
    """

    def __init__(self, window: "Window") -> None:
        self._window = window
        self.n_finished = np.zeros(N_BLOCKS)
        self.n_succeeded = np.zeros(N_BLOCKS)
        self.answers = np.zeros(N_BLOCKS)
        self.good = np.zeros(N_BLOCKS)
        self.n_found = np.zeros(N_BLOCKS)
        self.n_to_find = np.zeros(N_BLOCKS)
        self.n_searched = 0
        self._worked_tokens = np.zeros(N_BLOCKS)
        self._n_arrived = 0.0
        self.metrics: dict[str, Counted] = {}

    @property
    def tokens(self) -> F:
        """As many in all as arrived in the window."""
        worked = float(self._worked_tokens.sum())
        return self._worked_tokens * (self._n_arrived / worked if worked else 0.0)

    def add(self, requests: Columns, top_k: int) -> None:
        """requests: of any phase. top_k: how many neighbours each answer could name; 0: recall is not asked."""
        if requests.has_tokens:
            self._add_tokens(requests)
        self._add_answers(requests.where("outcome", Outcome.OK))
        measured = requests.where("phase", Phase.MEASURE)
        blocks = self._window.blocks_of(measured["planned_at_ns"])
        is_finished = measured["outcome"] != Outcome.CANCELLED
        is_success = measured["outcome"] == Outcome.OK
        self.n_finished += np.bincount(blocks[is_finished], minlength=N_BLOCKS)
        self.n_succeeded += np.bincount(blocks[is_success], minlength=N_BLOCKS)
        if is_success.any():
            successes = measured.pick(np.flatnonzero(is_success))
            self._add_times(successes, blocks[is_success])
            if top_k:
                self._add_recall(successes, blocks[is_success], top_k)

    def _add_tokens(self, requests: Columns) -> None:
        """Of all requests, whatever became of them."""
        some = requests.pick(np.flatnonzero(requests["last_token_at_ns"] >= 0))
        n_tokens = np.where(some["output_tokens"] > 0, some["output_tokens"], some["n_events"])
        worked = self._window.spread(some["sent_at_ns"], some["last_token_at_ns"], n_tokens)
        self._worked_tokens += worked[N_BLOCKS:]
        arrivals = token_arrivals(some.block)
        inside = arrived_between(arrivals, self._window.from_ns, self._window.to_ns + 1)
        self._n_arrived += arrivals.n_tokens_of(inside)

    def _add_answers(self, successes: Columns) -> None:
        within = between(successes, self._window.from_ns, self._window.to_ns + 1) if len(successes) else successes
        if not len(within):
            return
        begins, ends = within["sent_at_ns"], within["done_at_ns"]
        self.answers += _folded(self._window.spread(begins, ends, np.ones(len(begins))))
        self.good += _folded(self._window.spread(begins, ends, meets_every(within, self._window.slos)))

    def _add_times(self, successes: Columns, blocks: NDArray[np.int64]) -> None:
        for name in ("ttft", "tpot", "e2e") if successes.has_tokens else ("e2e",):
            values_ns = per_request_ns(name, successes)
            self._add_metric(name, blocks[values_ns >= 0], values_ns[values_ns >= 0])
        whole = successes.block
        self._add_metric("itl", np.repeat(blocks, whole.records["n_gaps"]), whole.gaps_ns)

    def _add_recall(self, successes: Columns, blocks: NDArray[np.int64], top_k: int) -> None:
        known = successes["n_hits"] != NEVER
        self.n_found += np.bincount(blocks[known], np.minimum(successes["n_hits"][known], top_k), N_BLOCKS)
        self.n_to_find += top_k * np.bincount(blocks[known], minlength=N_BLOCKS)
        self.n_searched += int(np.count_nonzero(known))

    def _add_metric(self, name: str, blocks: NDArray[np.int64], values_ns: NDArray[np.int64]) -> None:
        if len(values_ns):
            self.metrics.setdefault(name, Counted()).add(blocks, values_ns)

    def per_second(self, counts: F) -> Blocks:
        return Blocks(counts, np.full(N_BLOCKS, self._window.s / N_BLOCKS))


class Window:
    """Where a service's window lies, which of its blocks an instant falls into, and what its requests must hold."""

    def __init__(self, facts: Facts) -> None:
        window = facts.summary.get("window") or {}
        self.from_ns, self.to_ns = int(window.get("from_ns") or 0), int(window.get("to_ns") or 0)
        self.s = max(self.to_ns - self.from_ns, 0) / NS_PER_S
        parsed = (parse_slo(limit.expression) for limit in facts.limits)
        self.slos = [slo for slo in parsed if slo.is_per_request]

    def blocks_of(self, at_ns: NDArray[np.int64]) -> NDArray[np.int64]:
        return np.clip(np.floor(self._places(at_ns)).astype(np.int64), 0, N_BLOCKS - 1)

    def _places(self, at_ns: NDArray[np.int64]) -> F:
        """In blocks from the window's begin; shape (n,)."""
        return np.asarray((at_ns - self.from_ns) * (N_BLOCKS / max(self.to_ns - self.from_ns, 1)), np.float64)

    def spread(self, begin_ns: NDArray[np.int64], end_ns: NDArray[np.int64], weights: NDArray[Any]) -> F:
        """Each weight spread evenly from begin to end: what falls into each block of as much time before the window,
        and then of the window itself.

        What began even earlier begins there; what lies behind the window is left out. Shape (2 * N_BLOCKS,).
        """
        begins = np.maximum(self._places(begin_ns) + N_BLOCKS, 0.0)
        ends = np.maximum(self._places(end_ns) + N_BLOCKS, begins + 1e-6)
        slopes = weights / (ends - begins)
        edges = np.arange(2 * N_BLOCKS + 1)
        return np.diff(_risen(begins, slopes, edges) - _risen(ends, slopes, edges))


def _risen(begins: F, slopes: F, edges: NDArray[np.int64]) -> F:
    """At each edge the sum of slope * (edge - begin) of those that have begun. edges: 0, 1, 2, …"""
    places = np.clip(np.floor(begins).astype(np.int64) + 1, 0, len(edges))
    started = np.cumsum(np.bincount(places, slopes, len(edges) + 1))[:-1]
    behind = np.cumsum(np.bincount(places, slopes * begins, len(edges) + 1))[:-1]
    return np.asarray(started * edges - behind, np.float64)


def _folded(twice: F) -> F:
    """What lies before the window is put at its end: there the answers lack that end behind it."""
    folded: F = twice[:N_BLOCKS] + twice[N_BLOCKS:]
    return folded


def read_requests(bundle: "Bundle", facts: Facts) -> dict[Key, Requests]:
    """All kinds of requests of a run that has a window; each service as a whole under the operation ""."""
    windows = {part.service_name: window for part in facts.parts if (window := Window(part)).s}
    n_operations = Counter(operation.service for operation in bundle.operations)
    found: dict[Key, Requests] = {}
    for block in bundle.blocks():
        requests = Columns(block)
        for number, operation in enumerate(bundle.operations):
            service, own = operation.service, requests.where("operation", number)
            if service not in windows or not len(own):
                continue
            for name in ("", operation.name) if n_operations[service] > 1 else ("",):
                found.setdefault((service, name), Requests(windows[service])).add(own, operation.top_k)
    for operation in bundle.operations:
        if n_operations[operation.service] == 1 and (operation.service, "") in found:
            found[operation.service, operation.name] = found[operation.service, ""]
    return found
