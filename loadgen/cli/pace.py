"""How far a run is and how fast it goes, worked out from the engine's counters."""

from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

from loadgen.engine.contract import Live
from loadgen.plan.model import Plan
from loadgen.units import s_from_ns

RATES_OVER_S = 3.0
"""Rates are those of the last few seconds, so that a change shows."""

WARM_UP, LAST_ANSWERS = "warm-up", "last answers"


@dataclass(frozen=True)
class Pace:
    """One look at a run. done_ratio, left_s: None where the plan sets no end. stage: empty in the window."""

    elapsed_s: float
    done_ratio: float | None
    left_s: float | None
    stage: str
    requests_per_s: float
    tokens_per_s: float
    errors_per_s: float


@dataclass(frozen=True)
class _Sample:
    elapsed_s: float
    n_succeeded: int
    n_failed: int
    n_tokens: int


class Meter:
    """Reads the counters of one run, and remembers a few seconds of them. plans: its services'."""

    def __init__(self, plans: Sequence[Plan], live: Live) -> None:
        self._plans, self._live = plans, live
        self._samples = deque([_Sample(0.0, 0, 0, 0)])

    def read(self) -> Pace:
        live = self._live
        now = _Sample(s_from_ns(live.elapsed_ns), live.n_succeeded, live.n_failed, live.n_tokens)
        self._samples.append(now)
        while len(self._samples) > 2 and self._samples[1].elapsed_s < now.elapsed_s - RATES_OVER_S:
            self._samples.popleft()
        before = self._samples[0]
        span_s = max(now.elapsed_s - before.elapsed_s, 1e-3)
        done_ratio = self._done_ratio(now.elapsed_s)
        return Pace(
            elapsed_s=now.elapsed_s,
            done_ratio=done_ratio,
            left_s=now.elapsed_s * (1 - done_ratio) / done_ratio if done_ratio else None,
            stage=self._stage(now.elapsed_s, done_ratio),
            requests_per_s=(now.n_succeeded - before.n_succeeded) / span_s,
            tokens_per_s=(now.n_tokens - before.n_tokens) / span_s,
            errors_per_s=(now.n_failed - before.n_failed) / span_s,
        )

    def _done_ratio(self, elapsed_s: float) -> float | None:
        """By the clock or by the count, whichever is further: the first that is reached ends a window. Of several
        services, by the longest window, and by all their requests."""
        ratios = []
        lengths = [plan.warmup_ns + plan.duration_ns for plan in self._plans if plan.duration_ns is not None]
        if len(lengths) == len(self._plans):
            ratios.append(elapsed_s / s_from_ns(max(lengths)))
        counts = [plan.n_requests for plan in self._plans if plan.n_requests]
        if len(counts) == len(self._plans):
            ratios.append(self._live.n_finished / sum(counts))
        return min(max(ratios), 1.0) if ratios else None

    def _stage(self, elapsed_s: float, done_ratio: float | None) -> str:
        if self._is_warming_up(elapsed_s):
            return WARM_UP
        return LAST_ANSWERS if done_ratio == 1.0 else ""

    def _is_warming_up(self, elapsed_s: float) -> bool:
        n_requests = sum(plan.warmup_requests or 0 for plan in self._plans)
        lasts_ns = max(0 if plan.warmup_requests is not None else plan.warmup_ns for plan in self._plans)
        return self._live.n_finished < n_requests or elapsed_s < s_from_ns(lasts_ns)
