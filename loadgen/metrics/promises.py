"""Whether a run's figures hold its SLOs, and how sure that is."""

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from loadgen.metrics.confidence import Confidence, Interval, rate_of, recall_error, success_share
from loadgen.metrics.figures import Figures
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.recall import Recall
from loadgen.metrics.slo import meets
from loadgen.metrics.window import Window
from loadgen.statistics.effective import effective_n
from loadgen.statistics.intervals import mean_interval, wilson_interval
from loadgen.statistics.verdicts import FAIL, PASS, UNDECIDED, Evidence, decide, of_mean, of_share
from loadgen.units import ms_from_ns

if TYPE_CHECKING:
    from loadgen.recipe.slo import Slo


FEWEST_ALIKE = 30
"""Values that are all the same have no spread to be sure by: so many of them are taken to say that there is none."""


class Held(NamedTuple):
    """A bound beside its figure. value, ci95: in the threshold's unit; value None: nothing was measured.

    evidence: None where what was seen decides: of a maximum, a minimum, a share of all or nothing. n: how many samples
    the figure is made of; of a rate, answers.
    """

    slo: "Slo"
    value: float | None
    n: int = 0
    ci95: Interval | None = None
    evidence: Evidence | None = None


class Claim(NamedTuple):
    """What is held: figures against bounds."""

    slos: "Sequence[Slo]"
    figures: Figures
    window: Window


def judge_all(slos: "Sequence[Slo]", figures: Figures, window: Window) -> list[dict[str, Any]]:
    """Hold figures against bounds, as one family: the entries of summary.json's `slo`."""
    return judge_families([Claim(slos, figures, window)])[0]


def judge_families(claims: Sequence[Claim]) -> list[list[dict[str, Any]]]:
    """The same of several services, whose bounds are one family together. Returns each service's entries."""
    family = max(sum(len(claim.slos) for claim in claims), 1)
    held = [[hold(slo, claim.figures, claim.window, family) for slo in claim.slos] for claim in claims]
    evidences = [one.evidence for own in held for one in own if one.evidence is not None]
    verdicts = iter(decide(evidences))
    return [[_entry(one, _verdict_seen(one) or next(verdicts)) for one in own] for own in held]


def _verdict_seen(held: Held) -> str | None:
    """Of what nothing was measured of, and where what was seen decides; else None."""
    if held.value is None:
        return FAIL
    if held.evidence is None:
        return PASS if held.slo.holds(held.value) else FAIL
    return None


def _entry(held: Held, verdict: str) -> dict[str, Any]:
    """value, ci95 and threshold are given in ms, as a share (0-1) or per second; `unit` says which."""
    slo = held.slo
    unit, scaled = _shown(slo)
    needs_n = held.evidence.needs_n if held.evidence is not None and verdict == UNDECIDED else None
    return {
        "expression": slo.expression,
        "metric": slo.metric,
        "statistic": slo.statistic,
        "value": None if held.value is None else scaled(held.value),
        "ci95": held.ci95 and [scaled(end) for end in held.ci95],
        "threshold": scaled(slo.threshold),
        "unit": unit,
        "verdict": verdict,
        "n": held.n,
        "needs_n": needs_n,
    }


def _shown(slo: "Slo") -> tuple[str, Callable[[float], float]]:
    if slo.is_per_request:
        return "ms", ms_from_ns
    return ("ratio" if slo.metric.endswith("_ratio") or slo.metric == "recall" else "per_s"), float


def hold(slo: "Slo", figures: Figures, window: Window, family: int = 1) -> Held:
    """A figure and the evidence that it keeps its bound. family: how many bounds are judged together."""
    if slo.is_per_request:
        return _hold_latency(slo, figures, family)
    if slo.metric == "recall":
        return _hold_recall(slo, figures.recall, figures, family)
    if slo.metric.endswith("_ratio"):
        return _hold_ratio(slo, figures, family)
    return _hold_rate(slo, figures, window, family)


def figure_of(slo: "Slo", figures: Figures, window: Window) -> float | None:
    """The figure that a bound speaks of, in its threshold's unit; None without a sample."""
    return hold(slo, figures, window).value


def statistic_of(values: Histogram | Recall | None, statistic: str) -> float | None:
    """p99, mean, max or min of values; None without any."""
    if values is None:
        return None
    if statistic.startswith("p"):
        return values.percentile(float(statistic[1:]))
    exact = {"mean": values.mean, "max": values.max, "min": values.min}
    return exact[statistic]


def _is_upper(slo: "Slo") -> bool:
    return slo.op.startswith("<")


def _hold_latency(slo: "Slo", figures: Figures, family: int) -> Held:
    histogram, statistic = figures.metrics.get(slo.metric), slo.statistic or "mean"
    value = statistic_of(histogram, statistic)
    if histogram is None or value is None or statistic in ("max", "min"):
        return Held(slo, value, histogram.n if histogram else 0)
    confidence = Confidence(histogram, figures.over_time.courses.get(slo.metric))
    if statistic == "mean":
        variance, n_effective = confidence.variance_of_mean, confidence.n_effective
        error = None if variance is None else math.sqrt(variance)
        evidence = _of_mean(slo, value, error, n_effective, histogram.n, family)
        return Held(slo, value, histogram.n, confidence.mean_ci95_ns, evidence)
    return _hold_percentile(slo, value, histogram, confidence, family)


def _hold_percentile(slo: "Slo", value: float, histogram: Histogram, confidence: Confidence, family: int) -> Held:
    """Whether enough of the values meet the bound themselves: of as many independent ones as those beyond the bound
    show, or the highest, where none is beyond it.
    """
    q = float((slo.statistic or "p50")[1:])
    met = histogram.share_of(lambda values: meets(values, slo))
    worth = confidence.n_effective_at(met if _is_upper(slo) else 1 - met)
    evidence = of_share(met, worth, _asked(slo, q), n=histogram.n, family=family)
    if _is_upper(slo) and met < q / 100 and confidence.is_rising:
        evidence = _of_a_rise(evidence, met, confidence, slo, q, family)
    ci95 = confidence.percentile_ci95_ns(q, confidence.n_effective_at(q / 100))
    return Held(slo, value, histogram.n, ci95, evidence)


def _of_a_rise(evidence: Evidence, met: float, confidence: Confidence, slo: "Slo", q: float, family: int) -> Evidence:
    """Of latencies that grow throughout: a longer window breaks the bound the more, so this one is judged as it was."""
    worth = confidence.n_effective_at(met, is_drift_known=True)
    as_it_was = of_share(met, worth, _asked(slo, q), family=family)
    return min(evidence, as_it_was, key=lambda one: one.p_broken)


def _asked(slo: "Slo", q: float) -> float:
    """Which share of the values must meet the bound for the percentile to do so."""
    return q / 100 if _is_upper(slo) else 1 - q / 100


def _of_mean(slo: "Slo", value: float, error: float | None, n_effective: float, n: int, family: int) -> Evidence:
    if not error and n < FEWEST_ALIKE:
        return Evidence(1.0, 1.0, FEWEST_ALIKE)
    df = max(n_effective - 1, 0.0)
    return of_mean(value, error, df, slo.threshold, _is_upper(slo), n=n, family=family)


def _hold_recall(slo: "Slo", recall: Recall, figures: Figures, family: int) -> Held:
    statistic = slo.statistic or "mean"
    value = statistic_of(recall, statistic)
    if value is None or statistic == "min" or (statistic == "mean" and _is_all_or_nothing(slo)):
        return Held(slo, value, recall.n)
    error = recall_error(figures)
    n_effective = effective_n(recall.n, recall.variance, None if error is None else error**2)
    if statistic == "mean":
        interval = mean_interval(value, None if error is None else error**2, n_effective)
        ci95 = interval and (max(interval[0], 0.0), min(interval[1], 1.0))
        return Held(slo, value, recall.n, ci95, _of_mean(slo, value, error, n_effective, recall.n, family))
    met, asked = recall.share_of(lambda values: meets(values, slo)), _asked(slo, float(statistic[1:]))
    return Held(slo, value, recall.n, None, of_share(met, n_effective, asked, n=recall.n, family=family))


def _is_all_or_nothing(slo: "Slo") -> bool:
    """A share that no number of samples could prove: of all, or of none."""
    return not 0 < slo.threshold < 1


def _hold_ratio(slo: "Slo", figures: Figures, family: int) -> Held:
    """Of either ratio as the share that the bound wants much of."""
    succeeded = success_share(figures)
    if succeeded.value is None:
        return Held(slo, None)
    is_success = slo.metric == "success_ratio"
    n, n_effective = succeeded.n, succeeded.n_effective
    n_counted = figures.n_succeeded if is_success else figures.n_failed
    value = n_counted / n
    ci95 = wilson_interval(value * n_effective, n_effective)
    if _is_all_or_nothing(slo):
        return Held(slo, value, n, ci95)
    share, asked = (1 - value, 1 - slo.threshold) if _is_upper(slo) else (value, slo.threshold)
    return Held(slo, value, n, ci95, of_share(share, n_effective, asked, n=n, family=family))


def _hold_rate(slo: "Slo", figures: Figures, window: Window, family: int) -> Held:
    rate, n = rate_of(slo.metric, figures, window), figures.n_answered
    if rate.value is None:
        return Held(slo, None)
    evidence = of_mean(rate.value, rate.error, rate.df, slo.threshold, _is_upper(slo), n=n or None, family=family)
    return Held(slo, rate.value, n, rate.ci95, evidence)
