"""The figures that are compared, and what is said of the difference of each."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from loadgen.report.numbers import is_known, ms, per_s, percent, percentile

STATISTICS = ("mean", "p50", "p90", "p95", "p99")
METRICS = {"ttft": "TTFT", "itl": "ITL", "tpot": "TPOT", "e2e": "E2E"}
RATES = {
    "request_throughput": "answers/s",
    "output_throughput": "tokens/s",
    "goodput": "good answers/s",
}
SHARES = {"success_ratio": "succeeded", "recall": "recall"}
"""Of all answers, and of the true neighbours that searches could name."""

ALPHA = 0.05
"""A family of figures has a wrongly real one among it in at most so many comparisons."""


@dataclass(frozen=True)
class Figure:
    """One line of a comparison. statistic: "" of a rate and of a share."""

    metric: str
    statistic: str = ""
    service: str = ""
    operation: str = ""

    @property
    def name(self) -> str:
        """As SLOs have it: p99_ttft, goodput."""
        return f"{self.statistic}_{self.metric}" if self.statistic else self.metric

    @property
    def where(self) -> str:
        """store, or store: get; empty where there is one of each."""
        return ": ".join(part for part in (self.service, self.operation) if part)

    @property
    def words(self) -> str:
        """p99 TTFT; of one among several, get: p99 TTFT."""
        words = {**RATES, **METRICS, **SHARES}[self.metric]
        told = f"{self.statistic} {words}" if self.statistic else words
        return f"{self.where}: {told}" if self.where else told

    @property
    def q(self) -> float | None:
        """0-1, of a percentile."""
        return float(self.statistic[1:]) / 100 if self.statistic.startswith("p") else None

    @property
    def is_latency(self) -> bool:
        return self.metric in METRICS

    @property
    def is_share(self) -> bool:
        """Differences are in points, not in percent of the first side's figure."""
        return self.metric in SHARES

    @property
    def unit(self) -> str:
        return "ms" if self.is_latency else "ratio" if self.is_share else "per_s"

    def shown(self, value: float | None) -> str:
        return ms(value) if self.is_latency else percent(value) if self.is_share else per_s(value)


def value_in(summary: Mapping[str, Any], figure: Figure) -> float | None:
    """A figure of a summary, or of the part of it that is about the figure's operation."""
    part = (summary.get("by_operation") or {}).get(figure.operation) if figure.operation else summary
    if not isinstance(part, Mapping):
        return None
    value = _latency_in(part, figure) if figure.is_latency else _other_in(part, figure)
    return float(value) if is_known(value) else None


def _latency_in(part: Mapping[str, Any], figure: Figure) -> Any:
    metric = (part.get("metrics") or {}).get(figure.metric) or {}
    if not metric.get("n"):
        return None
    return metric.get("mean") if figure.statistic == "mean" else percentile(metric, figure.statistic)


def _other_in(part: Mapping[str, Any], figure: Figure) -> Any:
    if figure.metric == "recall":
        return (part.get("recall") or {}).get("mean")
    return part.get(figure.metric if figure.is_share else f"{figure.metric}_per_s")


class Word(StrEnum):
    """What a difference comes to."""

    WORSE = "worse"
    BETTER = "better"
    SMALL = "real, but small"
    SAME = "the same"
    OPEN = "not told apart"
    UNTESTED = "not tested"


@dataclass(frozen=True)
class Difference:
    """A figure of both sides. ms, per second, or 0-1.

    change: (B - A) / A; of a share B - A. low, high: its 95 % interval, None: no end there. p_value: of "they
    are the same", None: not tested, and `why` says why. p_held: the same, held for the number of figures shown.
    """

    figure: Figure
    a: float | None
    b: float | None
    low: float | None = None
    high: float | None = None
    p_value: float | None = None
    p_held: float | None = None
    why: str = ""

    @property
    def change(self) -> float | None:
        if self.a is None or self.b is None:
            return None
        if self.figure.is_share:
            return self.b - self.a
        return (self.b - self.a) / self.a if self.a else None

    @property
    def is_real(self) -> bool:
        return self.p_held is not None and self.p_held <= ALPHA

    @property
    def is_worse(self) -> bool:
        """In its direction alone: latencies up, rates and shares down."""
        change = self.change or 0.0
        return change > 0 if self.figure.is_latency else change < 0

    def word(self, threshold: float) -> Word:
        """threshold: 0.03 for 3 %: what is smaller does not matter even if it is real."""
        if self.p_value is None or self.change is None:
            return Word.UNTESTED
        if self.is_real:
            is_large = abs(self.change) >= threshold
            return (Word.WORSE if self.is_worse else Word.BETTER) if is_large else Word.SMALL
        return Word.SAME if self.is_within(threshold) else Word.OPEN

    def is_within(self, share: float) -> bool:
        """Whether the whole interval lies within so much of no difference."""
        return self.low is not None and self.high is not None and -share <= self.low and self.high <= share

    def held(self, p_held: float) -> "Difference":
        return replace(self, p_held=p_held)
