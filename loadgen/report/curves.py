"""What the pictures of one run are drawn from: percentile curves, the histogram of gaps, and what happened when."""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.confidence import Confidence
from loadgen.report.numbers import SAMPLES_BEYOND
from loadgen.units import NS_PER_MS

if TYPE_CHECKING:
    from loadgen.metrics.course import Course
    from loadgen.metrics.histogram import Histogram
    from loadgen.metrics.series import Series
    from loadgen.metrics.tally import Tally

Floats = NDArray[np.float64]

STEPS_S = (0.1, 0.2, 0.5, 1, 2, 5, 10, 20, 30, 60, 120, 300, 600, 1800, 3600)


@dataclass(frozen=True)
class Curve:
    """Percentiles of one metric. at: 1 / (1 - q), rising from 1; value_ms: the same shape. They end with n.

    n_effective: how many independent samples the high percentiles have; None: n.
    """

    metric: str
    n: int
    at: Floats
    value_ms: Floats
    n_effective: float | None = None

    @property
    def supported_to(self) -> float:
        """The last place of `at` that n samples support; beyond it the line is a few single requests."""
        return max((self.n if self.n_effective is None else self.n_effective) / SAMPLES_BEYOND, 1.0)

    def value_at(self, quantile: float) -> float:
        return float(np.interp(1.0 / (1.0 - quantile), self.at, self.value_ms))


def curve_places(n: int, furthest: float = 1_000.0) -> Floats:
    """Where a curve of n samples is evaluated: 1 / (1 - q), evenly on a log axis, to p99.9 or to the last sample."""
    return np.geomspace(1.0, min(furthest, max(float(n), 1.0)), 160) if n > 1 else np.array([1.0])


@dataclass(frozen=True)
class Gaps:
    """Gaps between tokens. edges_ms: shape (k + 1,); n: shape (k,); n_beyond: how many lie past the last edge."""

    edges_ms: Floats
    n: Floats
    n_beyond: int
    p50_ms: float
    p99_ms: float
    max_ms: float

    @property
    def n_all(self) -> int:
        return int(self.n.sum()) + self.n_beyond


@dataclass(frozen=True)
class Timeline:
    """What happened when, in steps of step_s from the run's start. Rates per second; in_flight: the mean."""

    step_s: float
    at_s: Floats  # each step's beginning
    sent_per_s: Floats
    ok_per_s: Floats
    failed_per_s: Floats
    tokens_per_s: Floats
    in_flight: Floats
    window_s: tuple[float, float] | None

    @property
    def ends_s(self) -> float:
        return float(self.at_s[-1] + self.step_s) if len(self.at_s) else 0.0

    def in_window(self) -> NDArray[np.bool_]:
        """The steps that lie in the window as a whole; all of them where there is no window."""
        if self.window_s is None:
            return np.ones(len(self.at_s), bool)
        low, high = self.window_s
        return (self.at_s >= low - 1e-9) & (self.at_s + self.step_s <= high + 1e-9)


@dataclass(frozen=True)
class Curves:
    """All of one run's pictures; what the run does not have is left out."""

    latencies: dict[str, Curve] = field(default_factory=dict)
    gaps: Gaps | None = None
    timeline: Timeline | None = None


def gaps_of(
    middles_ms: Floats, n: Floats, p50_ms: float, p99_ms: float, max_ms: float, n_bars: int = 60
) -> Gaps | None:
    """Bars of equal width from 0 to a little past p99, from fine bins; a bin is counted where its middle lies."""
    total = float(n.sum())
    if total <= 0:
        return None
    reach_ms = min(max(p99_ms * 1.35, p50_ms * 2.2), max_ms * 1.02) or 1.0
    bars = np.linspace(0.0, reach_ms, n_bars + 1)
    heights, _ = np.histogram(middles_ms, bars, weights=n)
    return Gaps(bars, heights.astype(np.float64), round(total - heights.sum()), p50_ms, p99_ms, max_ms)


def step_for(length_s: float, n_answers: int) -> float:
    """A step so wide that it holds about ten answers, and that between 20 and 150 of them fill the picture."""
    wanted = max(length_s / 150, min(10 * length_s / max(n_answers, 1), length_s / 20))
    return next((step for step in STEPS_S if step >= wanted), STEPS_S[-1])


def coarser(values: Floats, n_in_step: int, mean: bool = False) -> Floats:
    """Sums (or means) of n_in_step neighbours; the last may hold fewer."""
    starts = np.arange(0, len(values), n_in_step)
    if not len(starts):
        return np.zeros(0)
    sums = np.add.reduceat(values.astype(np.float64), starts)
    return sums / np.diff(np.append(starts, len(values))) if mean else sums


def curves_of(tally: "Tally", window_s: tuple[float, float] | None) -> Curves:
    """From a filled Tally; metrics and series that are empty are left out."""
    metrics = tally.metrics
    drawn: tuple[str, ...] = ("ttft", "e2e")
    latencies = {
        name: _curve_of(name, metrics[name], tally.course(name))
        for name in drawn
        if name in metrics and metrics[name].n
    }
    gaps = _gaps_of_histogram(metrics["itl"]) if "itl" in metrics and metrics["itl"].n else None
    return Curves(latencies, gaps, _timeline_of(tally.series, window_s))


def _curve_of(name: str, histogram: "Histogram", course: "Course | None") -> Curve:
    at = curve_places(histogram.n)
    values_ms = histogram.percentile(100.0 * (1.0 - 1.0 / at)) / NS_PER_MS
    return Curve(name, histogram.n, at, values_ms, Confidence(histogram, course).n_effective_at(0.99))


def _gaps_of_histogram(histogram: "Histogram") -> Gaps | None:
    bins = histogram.bins()
    middles_ms = (bins.low_ns + bins.high_ns) / (2 * NS_PER_MS)
    p50, p99 = histogram.percentile([50.0, 99.0]) / NS_PER_MS
    return gaps_of(middles_ms, bins.counts.astype(np.float64), float(p50), float(p99), (histogram.max or 0) / NS_PER_MS)


def _timeline_of(series: "Series", window_s: tuple[float, float] | None) -> Timeline | None:
    n_bins = len(series.n_sent)
    if not n_bins:
        return None
    bin_s = float(STEPS_S[0])
    step_s = step_for(n_bins * bin_s, int(series.n_ok.sum() + series.n_failed.sum()))
    n_in_step = max(round(step_s / bin_s), 1)
    rates = [
        coarser(values.astype(np.float64), n_in_step) / step_s
        for values in (series.n_sent, series.n_ok, series.n_failed, series.n_tokens)
    ]
    in_flight = coarser(series.in_flight.astype(np.float64), n_in_step, mean=True)
    at_s = np.arange(len(in_flight), dtype=np.float64) * step_s
    sent, ok, failed, tokens = rates
    return Timeline(step_s, at_s, sent, ok, failed, tokens, in_flight, window_s)
