"""How sure a figure is: effective sample sizes and 95 % intervals, from how the run went over time."""

import math
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.course import Batches, Course, Strip
from loadgen.metrics.figures import Figures
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.throughput import rate_per_s
from loadgen.metrics.window import Window
from loadgen.statistics.certify import is_certified, needed_n
from loadgen.statistics.effective import effective_n, effective_n_of_share, variance_of_ratio, without_drift
from loadgen.statistics.intervals import cautious_rank_interval, mean_interval, t_quantile, wilson_interval
from loadgen.statistics.spectral import spectral_spread
from loadgen.statistics.steady import trend
from loadgen.units import s_from_ns

Interval = tuple[float, float]
Floats = NDArray[np.float64]


class Certified(NamedTuple):
    """A percentile's own confidence. ci95_ns: None where the samples do not bound it. needs_n: None where certified."""

    n_effective: float
    ci95_ns: Interval | None
    is_certified: bool
    needs_n: int | None


class Confidence:
    """Of one metric: its histogram, and how its values came over time. course: None where there was no value."""

    def __init__(self, histogram: Histogram, course: Course | None) -> None:
        self._histogram = histogram
        self._course = course or Course()

    @cached_property
    def _batches(self) -> Batches:
        return self._course.batches()

    @cached_property
    def variance_of_mean(self) -> float | None:
        """ns squared; None where all values came in one slot, or there are none."""
        return variance_of_ratio(self._batches.sums_ns, self._batches.n)

    @cached_property
    def n_effective(self) -> float:
        """How many independent values would tell the mean as well: between 1 and n; 0 without values."""
        n, std = self._histogram.n, self._histogram.std
        return effective_n(n, (std or 0.0) ** 2, self.variance_of_mean)

    @property
    def mean_ci95_ns(self) -> Interval | None:
        mean = self._histogram.mean
        interval = None if mean is None else mean_interval(mean, self.variance_of_mean, self.n_effective)
        return interval and (max(interval[0], 0.0), interval[1])

    @cached_property
    def is_rising(self) -> bool:
        """Whether the values grow throughout the window: of a service that gets more than it can do."""
        found = trend(self._batches.sums_ns / self._batches.n)
        return found is not None and found.is_real and found.slope_per_step > 0

    def n_effective_at(self, share: float, *, is_drift_known: bool = False) -> float:
        """The same for the question whether a value lies in the lowest `share` (0-1) of them: what comes in clusters,
        such as the slow ones, tells less than as many values that come alone.

        Asked at the edge of a row next to it that has values on both sides; where no edge has, as for the mean.
        is_drift_known: for the window as it was; an even rise over it is then no sign that neighbours tell the same.
        """
        n, below = self._histogram.n, self._below
        inside = np.flatnonzero((below > 0) & (below < n))
        if not len(inside):
            return self.n_effective
        nearest = inside[np.argmin(np.abs(below[inside] / n - share))]
        at_edge = self._batches.below[nearest].astype(np.float64)
        if is_drift_known:
            return effective_n_of_share(without_drift(at_edge, self._batches.n), self._batches.n)
        return effective_n_of_share(at_edge, self._batches.n, self.n_effective)

    @cached_property
    def _below(self) -> NDArray[np.int64]:
        """How many values in all lie below each edge of the rows."""
        below: NDArray[np.int64] = self._batches.below.sum(axis=1)
        return below

    def percentile(self, q: float) -> Certified:
        """q: 0-100."""
        n, share = self._histogram.n, q / 100
        n_effective = self.n_effective_at(share) if n else 0.0
        certified = is_certified(share, n_effective)
        needs_n = None if certified else math.ceil(needed_n(share) * (n / n_effective if n else 1))
        return Certified(n_effective, self.percentile_ci95_ns(q, n_effective), certified, needs_n)

    def percentile_ci95_ns(self, q: float, n_effective: float) -> Interval | None:
        """What lies at the ends of the percentile's share in the values themselves."""
        n = self._histogram.n
        shares = cautious_rank_interval(q / 100, self.n_effective_at, n=n) if n_effective else None
        if shares is None:
            return None
        low, value, high = self._histogram.percentile([100 * shares[0], q, 100 * shares[1]]).tolist()
        return min(low, value), max(high, value)


class Rate(NamedTuple):
    """value: per second, None where the window is empty. error, df: its standard error and the degrees of freedom of
    that; error and ci95 are None where they cannot be told.
    """

    value: float | None
    error: float | None
    df: float
    ci95: Interval | None


def rate_of(name: str, figures: Figures, window: Window) -> Rate:
    """request_throughput, output_throughput or goodput, and from how many came in each slot how sure it is."""
    counts = {
        "request_throughput": figures.n_answered,
        "output_throughput": figures.arrived_tokens,
        "goodput": figures.n_good,
    }
    value, strip = rate_per_s(counts[name], window), _strip_of(name, figures)
    if value is None:
        return Rate(value, None, 0.0, None)
    first, last = -(-window.from_ns // strip.slot_ns), window.to_ns // strip.slot_ns
    spread = spectral_spread(strip.values[first:last], s_from_ns(strip.slot_ns))
    if spread is None:
        return Rate(value, None, 0.0, None)
    _, error, df = spread
    half = t_quantile(0.975, df) * error
    return Rate(value, error, df, (max(value - half, 0.0), value + half))


def _strip_of(name: str, figures: Figures) -> Strip:
    over_time = figures.over_time
    if name == "output_throughput":
        return over_time.arrived
    return over_time.good if name == "goodput" and figures.counts_good else over_time.answered


def _succeeded(figures: Figures) -> Strip | None:
    """Successes by planned instant; None where some have no end, and so no e2e."""
    course = figures.over_time.courses.get("e2e")
    strip = Strip() if course is None else course.strip
    return strip if strip.values.sum() == figures.n_succeeded else None


class Share(NamedTuple):
    """value: 0-1, None of nothing. n: of how many; n_effective: worth so many independent ones."""

    value: float | None
    n: int
    n_effective: float
    ci95: Interval | None


def success_share(figures: Figures) -> Share:
    """Successes of finished requests, whose failures may come together."""
    n, n_ok = figures.n_finished, figures.n_succeeded
    if not n:
        return Share(None, 0, 0.0, None)
    n_effective = _effective_of_successes(figures)
    return Share(n_ok / n, n, n_effective, wilson_interval(n_ok / n * n_effective, n_effective))


def _effective_of_successes(figures: Figures) -> float:
    failed, succeeded = figures.over_time.failed, _succeeded(figures)
    if succeeded is None or not figures.n_failed:
        return float(figures.n_finished)
    finished = Strip.merged([failed, succeeded])
    succeeded.widen(finished.bits)
    return effective_n_of_share(succeeded.values, finished.values)


def recall_error(figures: Figures) -> float | None:
    """Standard error of the mean recall, 0-1; None where it cannot be told."""
    variance = variance_of_ratio(figures.over_time.found.values, figures.over_time.searched.values)
    return None if variance is None else math.sqrt(variance)
