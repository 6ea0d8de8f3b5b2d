"""Everything that is counted of a run, block after block, while it goes on."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

import numpy as np

from loadgen.metrics.figures import Figures
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.series import Series, ended_at_ns
from loadgen.metrics.streaming import Arrivals, pick, token_arrivals
from loadgen.metrics.summary import summarise
from loadgen.metrics.throughput import tokens_between
from loadgen.records import NEVER, Block, Outcome

if TYPE_CHECKING:
    from loadgen.recipe.slo import Slo


class OperationLike(Protocol):
    """An operation of the plan, as far as figures need it."""

    @property
    def name(self) -> str: ...
    @property
    def expects_tokens(self) -> bool: ...


class RunFacts(Protocol):
    """What only the engine knows after a run: its Ending has these. None: not known (a killed run).

    cpu_s: CPU time of the process between first send and last answer. busy_ratio: share of the window in which the loop
    did not wait. The window's instants are ns since the run began.
    """

    @property
    def window_from_ns(self) -> int: ...
    @property
    def window_to_ns(self) -> int: ...
    @property
    def busy_ratio(self) -> float | None: ...
    @property
    def cpu_s(self) -> float | None: ...
    @property
    def stamp(self) -> str | None: ...
    @property
    def n_clock_steps(self) -> int | None: ...
    @property
    def n_lost_records(self) -> int | None: ...


@dataclass(frozen=True)
class KnownFacts:
    """RunFacts put together from what is left of a run."""

    window_from_ns: int
    window_to_ns: int
    busy_ratio: float | None = None
    cpu_s: float | None = None
    stamp: str | None = None
    n_clock_steps: int | None = None
    n_lost_records: int | None = None


class Snapshot(NamedTuple):
    """The measured window so far, for a live view. Percentiles in ns, of successes; None without values."""

    n_succeeded: int
    n_failed: int
    n_cancelled: int
    n_warmup: int
    p50_ns: Mapping[str, float]
    p99_ns: Mapping[str, float]


class Tally:
    """Counts and histograms of a run; its memory does not grow with the number of requests.

    operations: those of the plan, in its order: records name them by their place. slos: those of the recipe.
    window_from_ns, window_end_ns: tokens that arrive between them count for the throughput. Both may be set while the
    run goes, before any block that holds answers from after them; window_end_ns None: it ends with the last answer.
    """

    def __init__(
        self, operations: Sequence[OperationLike], slos: "Sequence[Slo]", window_end_ns: int | None = None
    ) -> None:
        self.operations = tuple(operations)
        self.slos = tuple(slos)
        self.window_from_ns: int | None = None
        self.window_end_ns = window_end_ns
        self.whole = Figures(self.slos)
        self.figures_of = self._figures_of_operations()
        self.series = Series()
        self.first_sent_at_ns: int | None = None
        self.last_end_at_ns: int | None = None

    def _figures_of_operations(self) -> dict[str, Figures]:
        """A run of one operation needs no second set."""
        if len(self.operations) == 1:
            return {self.operations[0].name: self.whole}
        return {operation.name: Figures(self.slos) for operation in self.operations}

    @property
    def metrics(self) -> dict[str, Histogram]:
        """A Histogram for each metric that had a value: the measured window's successes, and the client's lags."""
        return self.whole.metrics

    @property
    def by_outcome(self) -> dict[str, int]:
        """Requests of the measured window by outcome, those that occurred."""
        return {kind.name.lower(): int(n) for kind, n in zip(Outcome, self.whole.n_by_outcome, strict=True) if n}

    def add(self, block: Block) -> None:
        """Take finished requests, of any phase. The block's arrays are not kept."""
        if not len(block.records):
            return
        arrivals = token_arrivals(block)
        self._add_to(self.whole, block, arrivals)
        if len(self.operations) > 1:
            self._add_by_operation(block)
        self.series.add(block.records, arrivals)
        self._see_instants(block)

    def _add_to(self, figures: Figures, block: Block, arrivals: Arrivals) -> None:
        figures.add(block)
        if self.window_from_ns is not None:
            figures.arrived_tokens += tokens_between(arrivals, self.window_from_ns, self.window_end_ns)

    def _add_by_operation(self, block: Block) -> None:
        for number, operation in enumerate(self.operations):
            part = pick(block, block.records["operation"] == number)
            if len(part.records):
                self._add_to(self.figures_of[operation.name], part, token_arrivals(part))

    def _see_instants(self, block: Block) -> None:
        sent = block.records["sent_at_ns"]
        sent = sent[sent != NEVER]
        if len(sent):
            first = int(sent.min())
            self.first_sent_at_ns = first if self.first_sent_at_ns is None else min(first, self.first_sent_at_ns)
        last = int(np.max(ended_at_ns(block.records)))
        self.last_end_at_ns = last if self.last_end_at_ns is None else max(last, self.last_end_at_ns)

    def snapshot(self) -> Snapshot:
        """Cheap enough to be asked for a few times a second, from any thread."""
        whole = self.whole
        middle_and_tail = {
            name: whole.metrics[name].percentile([50.0, 99.0])
            for name in ("ttft", "itl", "e2e")
            if name in whole.metrics
        }
        return Snapshot(
            n_succeeded=whole.n_succeeded,
            n_failed=whole.n_failed,
            n_cancelled=whole.n_cancelled,
            n_warmup=whole.n_warmup,
            p50_ns={name: float(pair[0]) for name, pair in middle_and_tail.items()},
            p99_ns={name: float(pair[1]) for name, pair in middle_and_tail.items()},
        )

    def summary(self, facts: RunFacts) -> dict[str, Any]:
        """summary.json as docs/bundle.md lists it, without the keys that the bundle itself adds. Never a NaN."""
        return summarise(self, facts)
