"""What is kept of the requests of one kind: counts and histograms, filled block after block."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.histogram import Histogram
from loadgen.metrics.latency import SERVER_SPANS, SPANS, per_request_ns, present
from loadgen.metrics.slo import meets_every
from loadgen.metrics.streaming import pick
from loadgen.records import Block, Outcome, Phase

if TYPE_CHECKING:
    from loadgen.recipe.slo import Slo

TOKEN_METRICS = ("ttft", "service_ttft", "itl", "tpot")
PLAIN_METRICS = ("e2e", "service_e2e", "send_lag", "read_lag")
_OF_THE_CLIENT = ("send_lag", "read_lag")  # of failures too: the client was as late for them
_OF_SUCCESSES = (*(name for name in SPANS if name not in _OF_THE_CLIENT), "tpot", *SERVER_SPANS)


class Figures:
    """Requests of the measured window, and how many lay outside it.

    metrics: a Histogram for each metric that had a value. n_by_outcome: shape (number of outcomes,).
    """

    def __init__(self, slos: "Sequence[Slo]") -> None:
        self._slos = slos
        self.metrics: dict[str, Histogram] = {}
        self.n_by_outcome = np.zeros(len(Outcome), np.int64)
        self.n_sent = 0
        self.n_warmup = 0
        self.n_drain = 0
        self.n_good = 0  # successes that met every SLO of a single request
        self.n_events = 0  # content events of successes whose tokens are known
        self.n_event_tokens = 0  # and those tokens
        self.n_prompt_counted = 0  # successes whose prompt the server counted
        self.n_output_counted = 0
        self.prompt_tokens = 0  # sums over those
        self.output_tokens = 0
        self.arrived_tokens = 0.0  # in the window, whatever became of their request

    @property
    def n_planned(self) -> int:
        return int(self.n_by_outcome.sum())

    @property
    def n_succeeded(self) -> int:
        return int(self.n_by_outcome[Outcome.OK])

    @property
    def n_cancelled(self) -> int:
        return int(self.n_by_outcome[Outcome.CANCELLED])

    @property
    def n_failed(self) -> int:
        return self.n_planned - self.n_succeeded - self.n_cancelled

    @property
    def n_finished(self) -> int:
        return self.n_planned - self.n_cancelled

    def add(self, block: Block) -> None:
        """Count and time a block's requests; its tokens by arrival are the caller's to add."""
        phase = block.records["phase"]
        self.n_warmup += int(np.count_nonzero(phase == Phase.WARMUP))
        self.n_drain += int(np.count_nonzero(phase == Phase.DRAIN))
        measured = pick(block, phase == Phase.MEASURE)
        if not len(measured.records):
            return
        self._count(measured.records)
        self._time(measured.records, _OF_THE_CLIENT)
        self._add_successes(pick(measured, measured.records["outcome"] == Outcome.OK))

    def _count(self, records: NDArray[Any]) -> None:
        outcomes = np.minimum(records["outcome"], len(Outcome) - 1)
        self.n_by_outcome += np.bincount(outcomes, minlength=len(Outcome))
        self.n_sent += int(np.count_nonzero(records["sent_at_ns"] >= 0))

    def _add_successes(self, block: Block) -> None:
        if not len(block.records):
            return
        self._time(block.records, _OF_SUCCESSES)
        self._keep("itl", block.gaps_ns)
        self.n_good += int(np.count_nonzero(meets_every(block, self._slos)))
        self._add_token_counts(block.records)

    def _add_token_counts(self, records: NDArray[Any]) -> None:
        prompt, output = records["prompt_tokens"], records["output_tokens"]
        self.n_prompt_counted += int(np.count_nonzero(prompt >= 0))
        self.n_output_counted += int(np.count_nonzero(output >= 0))
        self.prompt_tokens += int(prompt[prompt >= 0].sum(dtype=np.int64))
        self.output_tokens += int(output[output >= 0].sum(dtype=np.int64))
        streamed = (output >= 0) & (records["n_events"] > 0)
        self.n_events += int(records["n_events"][streamed].sum(dtype=np.int64))
        self.n_event_tokens += int(output[streamed].sum(dtype=np.int64))

    def _time(self, records: NDArray[Any], names: Sequence[str]) -> None:
        for name in names:
            self._keep(name, present(per_request_ns(name, records)))

    def _keep(self, name: str, values_ns: NDArray[np.int64]) -> None:
        if len(values_ns):
            if name not in self.metrics:
                self.metrics[name] = Histogram()
            self.metrics[name].add(values_ns)
