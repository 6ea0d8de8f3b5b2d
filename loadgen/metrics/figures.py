"""What is kept of the requests of one kind: counts and histograms, filled block after block."""

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.metrics.course import Instants
from loadgen.metrics.histogram import Counted, Histogram
from loadgen.metrics.latency import SERVER_SPANS, SPANS, present
from loadgen.metrics.over_time import COURSES, OverTime, instants_of
from loadgen.metrics.recall import Recall
from loadgen.metrics.slo import meets_every
from loadgen.metrics.streaming import Arrivals
from loadgen.records import NEVER, Checked, Outcome, Phase

if TYPE_CHECKING:
    from loadgen.recipe.slo import Slo

TOKEN_METRICS = ("ttft", "service_ttft", "itl", "tpot")
PLAIN_METRICS = ("e2e", "service_e2e", "send_lag", "read_lag")
MOST_EXAMPLES = 5
MOST_ERROR_CODES = 64
OTHER_CODES = "other"
"""What errors are counted under whose code is not among the first MOST_ERROR_CODES: a server may make them up."""

_OF_THE_CLIENT = ("send_lag", "read_lag")  # of failures too: the client was as late for them
_OF_SUCCESSES = tuple(name for name in SPANS if name not in (*_OF_THE_CLIENT, *TOKEN_METRICS))
_WITH_TOKENS = ("ttft", "service_ttft", "tpot", *SERVER_SPANS)
_SUMS = (
    *("n_by_outcome", "n_sent", "n_warmup", "n_drain", "n_answered", "n_good", "n_checked", "n_wrong_outside"),
    "by_error_code",
    *("n_events", "n_event_tokens", "n_prompt_counted", "n_output_counted"),
    *("prompt_tokens", "output_tokens", "arrived_tokens"),
)


class Figures:
    """Requests of the measured window, and how many lay outside it.

    slos: those that a single request can meet are what goodput counts. top_k: how many neighbours each answer could
    name; 0: recall is not asked. metrics: a Histogram for each metric that had a value; over_time: when they came.
    n_by_outcome: shape (number of outcomes,).
    """

    def __init__(self, slos: "Sequence[Slo]", top_k: int = 0) -> None:
        self._slos = tuple(slo for slo in slos if slo.is_per_request)
        self._top_k = top_k
        self.metrics: dict[str, Histogram] = {}
        self.over_time = OverTime()
        self.recall = Recall()
        self.n_by_outcome = np.zeros(len(Outcome), np.int64)
        self.by_error_code: Counter[str] = Counter()  # failures that have one
        self.wrong_examples: list[tuple[int, str]] = []  # the first ones: index, and what was wrong
        self.n_sent = 0
        self.n_warmup = 0
        self.n_drain = 0
        self.n_answered = 0  # successes that ended in the window, whenever they were planned
        self.n_good = 0  # those of them that met every SLO of a single request
        self.n_checked = 0  # answers that were held against what is right
        self.n_wrong_outside = 0  # wrong answers of the warm-up and the drain
        self.n_events = 0  # content events of successes whose tokens are known
        self.n_event_tokens = 0  # and those tokens
        self.n_prompt_counted = 0  # successes whose prompt the server counted
        self.n_output_counted = 0
        self.prompt_tokens = 0  # sums over those
        self.output_tokens = 0
        self.arrived_tokens = 0.0  # in the window, whatever became of their request

    @classmethod
    def merged(cls, parts: "Iterable[Figures]") -> "Figures":
        """All of them together; of a single one, that itself."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        whole = cls([slo for part in parts[:1] for slo in part._slos])
        for name in _SUMS:
            for part in parts:
                setattr(whole, name, getattr(whole, name) + getattr(part, name))
        whole.metrics = merged_metrics(parts)
        whole.over_time = OverTime.merged(part.over_time for part in parts)
        whole.recall = Recall.merged(part.recall for part in parts)
        return whole

    @property
    def counts_good(self) -> bool:
        """Whether some SLO can be met by a single request; without one every success is good."""
        return bool(self._slos)

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

    @property
    def n_wrong(self) -> int:
        return int(self.n_by_outcome[Outcome.WRONG_ANSWER])

    def add(self, requests: Columns) -> None:
        """Count and time requests; their tokens by arrival are the caller's to add."""
        measured = requests.where("phase", Phase.MEASURE)
        if measured is not requests:
            self._count_outside(requests, measured)
        if not len(measured):
            return
        self._count(measured)
        self._time(measured, _OF_THE_CLIENT)
        successes = measured.where("outcome", Outcome.OK)
        if successes is not measured:
            self._see_failures(measured)
        if len(successes):
            self._add_successes(successes)

    def _count_outside(self, requests: Columns, measured: Columns) -> None:
        self.n_warmup += requests.count("phase", Phase.WARMUP)
        self.n_drain += requests.count("phase", Phase.DRAIN)
        n_wrong = requests.count("outcome", Outcome.WRONG_ANSWER)
        self.n_wrong_outside += n_wrong - measured.count("outcome", Outcome.WRONG_ANSWER)
        for phase in (Phase.WARMUP, Phase.DRAIN):
            successes = requests.where("phase", phase).where("outcome", Outcome.OK)
            if len(successes):
                self.over_time.add_outside(successes)

    def _count(self, measured: Columns) -> None:
        outcome = measured.only("outcome")
        if outcome is None:
            outcomes = np.minimum(measured["outcome"], len(Outcome) - 1)
            self.n_by_outcome += np.bincount(outcomes, minlength=len(Outcome))
        else:
            self.n_by_outcome[min(outcome, len(Outcome) - 1)] += len(measured)
        is_sent = measured.is_whole("sent_at_ns")
        self.n_sent += len(measured) if is_sent else int(np.count_nonzero(measured["sent_at_ns"] >= 0))
        self.n_checked += measured.count("checked", Checked.YES)

    def _see_failures(self, measured: Columns) -> None:
        failed = np.flatnonzero((measured["outcome"] != Outcome.OK) & (measured["outcome"] != Outcome.CANCELLED))
        if len(failed):
            self.over_time.failed.add(Instants.of(measured["planned_at_ns"][failed]))
        records = measured.block.records
        for code, n in Counter(records["error_code"][failed].tolist()).items():
            if code:
                name = code.decode("utf-8", "ignore")
                known = name in self.by_error_code or len(self.by_error_code) < MOST_ERROR_CODES
                self.by_error_code[name if known else OTHER_CODES] += n
        if len(self.wrong_examples) < MOST_EXAMPLES and measured.count("outcome", Outcome.WRONG_ANSWER):
            wrong = failed[records["outcome"][failed] == Outcome.WRONG_ANSWER][:MOST_EXAMPLES]
            said = zip(records["index"][wrong].tolist(), records["error"][wrong].tolist(), strict=True)
            examples = [*self.wrong_examples, *((index, text.decode("utf-8", "ignore")) for index, text in said)]
            self.wrong_examples = examples[:MOST_EXAMPLES]

    def _add_successes(self, successes: Columns) -> None:
        planned = instants_of(successes)
        self._time(successes, _OF_SUCCESSES, planned)
        if self._top_k:
            self._add_recall(successes)
        if successes.has_tokens:
            self._time(successes, _WITH_TOKENS, planned)
            self._add_gaps(successes)
            self._add_token_counts(successes)

    def _add_recall(self, successes: Columns) -> None:
        n_hits = successes["n_hits"]
        self.recall.add(n_hits, self._top_k)
        known = n_hits != NEVER
        if known.any():
            self.over_time.add_recall(instants_of(successes, known), n_hits[known], self._top_k)

    def _add_gaps(self, successes: Columns) -> None:
        records, gaps_ns = successes.block
        counted = self._keep("itl", gaps_ns)
        if counted is not None:
            planned = Instants.of(successes["planned_at_ns"], records["n_gaps"].astype(np.int64))
            self.over_time.add("itl", planned, counted)

    def add_answers(self, successes: Columns) -> None:
        """Successes that ended in the window; one at least."""
        ended = Instants(successes["done_at_ns"], successes.ends("done_at_ns"))
        self.n_answered += len(successes)
        self.over_time.answered.add(ended)
        if not self._slos:
            self.n_good += len(successes)
            return
        met = meets_every(successes, self._slos)
        n_met = int(np.count_nonzero(met))
        self.n_good += n_met
        if n_met:
            self.over_time.good.add(Instants.of(successes["done_at_ns"][met]))

    def add_tokens(self, arrivals: Arrivals, inside: NDArray[np.bool_]) -> None:
        """Those that arrived in the window, whatever became of their request. inside: shape (n_events,)."""
        self.arrived_tokens += arrivals.n_tokens_of(inside)
        self.over_time.add_tokens(arrivals, inside)

    def _add_token_counts(self, successes: Columns) -> None:
        prompt, output, n_events = (successes[name] for name in ("prompt_tokens", "output_tokens", "n_events"))
        self.n_prompt_counted += int(np.count_nonzero(prompt >= 0))
        self.n_output_counted += int(np.count_nonzero(output >= 0))
        self.prompt_tokens += int(prompt[prompt >= 0].sum(dtype=np.int64))
        self.output_tokens += int(output[output >= 0].sum(dtype=np.int64))
        streamed = (output >= 0) & (n_events > 0)
        self.n_events += int(n_events[streamed].sum(dtype=np.int64))
        self.n_event_tokens += int(output[streamed].sum(dtype=np.int64))

    def _time(self, requests: Columns, names: Sequence[str], planned: Instants | None = None) -> None:
        """planned: of all the requests; None: no course is kept."""
        for name in names:
            values_ns, there = present(name, requests)
            counted = self._keep(name, values_ns)
            if counted is not None and planned is not None and name in COURSES:
                self.over_time.add(name, planned if there is None else instants_of(requests, there), counted)

    def _keep(self, name: str, values_ns: NDArray[np.int64]) -> Counted | None:
        if not len(values_ns):
            return None
        if name not in self.metrics:
            self.metrics[name] = Histogram()
        return self.metrics[name].add(values_ns)


def merged_metrics(parts: "Iterable[Figures]", names: Iterable[str] | None = None) -> dict[str, Histogram]:
    """The parts' histograms, those of the same metric together. names: only these."""
    kept = [part.metrics.copy() for part in parts]
    wanted = dict.fromkeys(name for metrics in kept for name in metrics) if names is None else names
    found = {name: [metrics[name] for metrics in kept if name in metrics] for name in wanted}
    return {name: Histogram.merged(histograms) for name, histograms in found.items() if histograms}
