"""Everything that is counted of one service, block after block, while the run goes on."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.client import client_of
from loadgen.metrics.client_counts import ClientCounts
from loadgen.metrics.columns import Columns
from loadgen.metrics.course import Course
from loadgen.metrics.facts import FindingLike, RunFacts, Snapshot
from loadgen.metrics.figures import Figures, merged_metrics
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.series import Series, ended_at_ns
from loadgen.metrics.streaming import token_arrivals
from loadgen.metrics.summary import summarise
from loadgen.metrics.throughput import arrived_between, between
from loadgen.metrics.window import Window
from loadgen.records import NEVER, Block, OperationLike, Outcome

if TYPE_CHECKING:
    from loadgen.recipe.slo import Slo

_LATEST_NS = 2**63 - 1


class Tally:
    """Counts and histograms of one service; its memory does not grow with the number of requests.

    operations: the service's, in the plan's order; first_operation: the number that records have for the first of them.
    slos: those of the recipe. window_from_ns, window_end_ns: answers that end and tokens that arrive between them count
    for the throughput. Both may be set while the run goes, before any block that holds answers from after them;
    window_end_ns None: it ends with the last answer. in_flight: of a closed loop, how many requests its clients keep
    going at once; None: an open one, or not known.
    """

    def __init__(
        self,
        operations: Sequence[OperationLike],
        slos: "Sequence[Slo]",
        window_end_ns: int | None = None,
        first_operation: int = 0,
        in_flight: int | None = None,
    ) -> None:
        self.operations = tuple(operations)
        self.slos = tuple(slos)
        self.in_flight = in_flight
        self.window_from_ns: int | None = None
        self.window_end_ns = window_end_ns
        self.figures = [Figures(self.slos, operation.top_k) for operation in self.operations]
        self.series = Series()
        self.client = ClientCounts()
        self._first_sent_ns = _LATEST_NS
        self._last_end_ns = NEVER
        self._first_operation = first_operation

    @property
    def whole(self) -> Figures:
        """All operations together: worked out anew each time it is asked for, unless there is one operation."""
        return Figures.merged(self.figures)

    @property
    def figures_of(self) -> dict[str, Figures]:
        """Each operation's, by its name."""
        return {operation.name: figures for operation, figures in zip(self.operations, self.figures, strict=True)}

    @property
    def metrics(self) -> dict[str, Histogram]:
        """A Histogram for each metric that had a value: the measured window's successes, and the client's lags."""
        return merged_metrics(self.figures)

    @property
    def by_outcome(self) -> dict[str, int]:
        """Requests of the measured window by outcome, those that occurred."""
        return by_outcome_of(self.figures)

    def course(self, name: str, whole_run: bool = False) -> Course | None:
        """How a metric went over time, all operations together; None where it had no value.

        name: one of COURSES. whole_run: with the warm-up and the drain, of ttft and e2e only.
        """
        over_time = [figures.over_time for figures in self.figures]
        kept = [one.courses for one in over_time] + ([one.outside for one in over_time] if whole_run else [])
        found = [courses[name] for courses in kept if name in courses]
        return Course.merged(found) if found else None

    def add(self, block: Block) -> None:
        """Take finished requests, of any phase. The block's arrays are not kept."""
        if len(block.records):
            self.add_requests(Columns(block))

    def add_requests(self, requests: Columns) -> None:
        """The same; there is one at least, and all are of this service."""
        self.series.add(requests)
        self.client.add(requests)
        self._see_instants(requests)
        for figures, part in self._by_operation(requests):
            figures.add(part)
            self._add_answers(figures, part)
            if part.has_tokens:
                self._add_tokens(figures, part)

    def _add_answers(self, figures: Figures, part: Columns) -> None:
        """Successes count for the throughput where they end, as tokens do: what a drain brings is not the rate."""
        if self.window_from_ns is None:
            return
        successes = part.where("outcome", Outcome.OK)
        if len(successes):
            within = between(successes, self.window_from_ns, self.window_end_ns)
            if len(within):
                figures.add_answers(within)

    def _add_tokens(self, figures: Figures, part: Columns) -> None:
        arrivals = token_arrivals(part.block)
        self.series.add_tokens(arrivals)
        if self.window_from_ns is not None:
            figures.add_tokens(arrivals, arrived_between(arrivals, self.window_from_ns, self.window_end_ns))

    def _by_operation(self, requests: Columns) -> Iterator[tuple[Figures, Columns]]:
        only = requests.only("operation")
        numbers = np.flatnonzero(np.bincount(requests["operation"])).tolist() if only is None else [only]
        for number in numbers:
            yield self.figures[number - self._first_operation], requests.where("operation", number)

    def _see_instants(self, requests: Columns) -> None:
        first, _ = requests.ends("sent_at_ns")
        if first == NEVER:
            sent = requests["sent_at_ns"]
            first = int(sent.min(initial=_LATEST_NS, where=sent != NEVER))
        _, last = requests.ends("done_at_ns")
        if not requests.is_whole("done_at_ns"):
            last = int(ended_at_ns(requests).max())
        self._first_sent_ns = min(first, self._first_sent_ns)
        self._last_end_ns = max(last, self._last_end_ns)

    @property
    def first_sent_at_ns(self) -> int | None:
        """None: nothing was sent."""
        return None if self._first_sent_ns == _LATEST_NS else self._first_sent_ns

    @property
    def last_end_at_ns(self) -> int | None:
        """When the last request was over; None: none was."""
        return None if self._last_end_ns == NEVER else self._last_end_ns

    def snapshot(self) -> Snapshot:
        """Cheap enough to be asked for a few times a second, from any thread."""
        return snapshot_of(self.figures)

    def summary(
        self, facts: RunFacts, findings: Sequence[FindingLike] = (), ceiling: Mapping[str, Any] | None = None
    ) -> dict[str, Any]:
        """summary.json as docs/bundle.md lists it, without the keys that the bundle itself adds. Never a NaN.

        ceiling: what this host was calibrated to drive, see client_of().
        """
        summary = summarise(self, Window(*facts.windows[0]), findings)
        return {**summary, "client": client_of([self], facts, ceiling)}


def snapshot_of(figures: Sequence[Figures]) -> Snapshot:
    """Of some operations together."""
    n_by_outcome = _outcomes(figures)
    n_succeeded, n_cancelled = int(n_by_outcome[Outcome.OK]), int(n_by_outcome[Outcome.CANCELLED])
    metrics = merged_metrics(figures, ("ttft", "itl", "e2e"))
    both = {name: histogram.percentile([50.0, 99.0]) for name, histogram in metrics.items()}
    return Snapshot(
        n_succeeded=n_succeeded,
        n_failed=int(n_by_outcome.sum()) - n_succeeded - n_cancelled,
        n_cancelled=n_cancelled,
        n_warmup=sum(one.n_warmup for one in figures),
        p50_ns={name: float(pair[0]) for name, pair in both.items()},
        p99_ns={name: float(pair[1]) for name, pair in both.items()},
        n_wrong=int(n_by_outcome[Outcome.WRONG_ANSWER]),
    )


def by_outcome_of(figures: Sequence[Figures]) -> dict[str, int]:
    """Requests of the measured window by outcome, those that occurred."""
    return {kind.name.lower(): int(n) for kind, n in zip(Outcome, _outcomes(figures), strict=True) if n}


def _outcomes(figures: Sequence[Figures]) -> NDArray[np.int64]:
    return sum((one.n_by_outcome for one in figures), np.zeros(len(Outcome), np.int64))
