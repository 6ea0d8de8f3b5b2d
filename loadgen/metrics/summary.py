"""From a Tally to summary.json. A figure without a sample is null, never NaN."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loadgen.metrics.confidence import Confidence, Interval, rate_of, success_share
from loadgen.metrics.course import Course
from loadgen.metrics.facts import FindingLike
from loadgen.metrics.figures import MOST_EXAMPLES, PLAIN_METRICS, TOKEN_METRICS, Figures
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.latency import SERVER_SPANS
from loadgen.metrics.omission import omission_of
from loadgen.metrics.over_time import COURSES
from loadgen.metrics.promises import Claim, judge_all, judge_families
from loadgen.metrics.recall import Recall
from loadgen.metrics.steadiness import steady_state
from loadgen.metrics.throughput import rate_per_s
from loadgen.metrics.window import Window
from loadgen.records import Outcome
from loadgen.units import ms_from_ns

if TYPE_CHECKING:
    from loadgen.metrics.tally import Tally

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}


def summarise(
    tally: "Tally",
    window: Window,
    findings: Sequence[FindingLike] = (),
    judged: Sequence[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """All figures of a service, and whether its SLOs hold; without the client.

    judged: how its SLOs were judged, where they were together with others.
    """
    expecting = {operation.name: operation.expects_tokens for operation in tally.operations}
    all_figures = tally.whole
    whole = _figures(all_figures, window, any(expecting.values()), findings)
    requests, ratio = whole.pop("requests"), whole.pop("success_ratio")
    return {
        "requests": requests,
        "success_ratio": ratio,
        "window": _window(window, all_figures, has_tokens="output_throughput_per_s" in whole),
        **whole,
        "by_operation": {
            name: _figures(figures, window, expecting[name]) for name, figures in tally.figures_of.items()
        },
        **_wrong_examples(tally),
        "slo": judge_all(tally.slos, all_figures, window) if judged is None else list(judged),
        "steady_state": steady_state(tally, window),
        **_coordinated_omission(tally, all_figures, window),
        **({"findings": [_finding(finding) for finding in findings]} if findings else {}),
    }


def summarise_all(
    tallies: "Mapping[str, Tally]", windows: Mapping[str, Window], findings: Mapping[str, Sequence[FindingLike]]
) -> dict[str, Any]:
    """Several services: each with its own figures, and what can be said of all together; without the client."""
    claims = [Claim(tally.slos, tally.whole, windows[name]) for name, tally in tallies.items()]
    services = {
        name: summarise(tally, windows[name], findings.get(name, ()), judged)
        for (name, tally), judged in zip(tallies.items(), judge_families(claims), strict=True)
    }
    whole = Figures.merged(figures for tally in tallies.values() for figures in tally.figures)
    return {
        "requests": _requests(whole),
        "success_ratio": _ratio(whole.n_succeeded, whole.n_finished),
        **_checks(whole, [finding for own in findings.values() for finding in own]),
        "services": services,
        "slo": [{**entry, "service": name} for name, summary in services.items() for entry in summary["slo"]],
        "findings": [
            {**finding, "service": name}
            for name, summary in services.items()
            for finding in summary.get("findings", ())
        ],
    }


def _figures(
    figures: Figures, window: Window, expects_tokens: bool, findings: Sequence[FindingLike] = ()
) -> dict[str, Any]:
    has_tokens = expects_tokens or figures.n_output_counted > 0 or figures.arrived_tokens > 0
    has_prompt = expects_tokens or figures.n_prompt_counted > 0
    shown: dict[str, Any] = {
        "requests": _requests(figures),
        "success_ratio": _ratio(figures.n_succeeded, figures.n_finished),
        "request_throughput_per_s": rate_per_s(figures.n_answered, window),
    }
    if has_tokens:
        shown["output_throughput_per_s"] = rate_per_s(figures.arrived_tokens, window)
    if has_prompt:
        shown["total_prompt_tokens"] = figures.prompt_tokens if figures.n_prompt_counted else None
    if has_tokens:
        shown["total_output_tokens"] = figures.output_tokens if figures.n_output_counted else None
    shown["goodput_per_s"] = rate_per_s(figures.n_good, window)
    shown |= _checks(figures, findings)
    shown["ci95"] = _intervals(figures, window, has_tokens)
    shown["metrics"] = _metrics(figures, has_tokens)
    if has_tokens:
        shown["tokens_per_event"] = _ratio(figures.n_event_tokens, figures.n_events)
    return shown | _recall(figures.recall)


def _checks(figures: Figures, findings: Sequence[FindingLike]) -> dict[str, Any]:
    """What was held against what is right: answers, and what was looked at after the run."""
    n_checked = figures.n_checked + sum(finding.n_checked for finding in findings)
    n_wrong = figures.n_wrong + sum(finding.n_wrong for finding in findings)
    shown = {"checked": n_checked, "wrong": n_wrong} if n_checked or n_wrong else {}
    return shown | ({"wrong_outside_window": figures.n_wrong_outside} if figures.n_wrong_outside else {})


def _wrong_examples(tally: "Tally") -> dict[str, Any]:
    """The first wrong answers, for a person to look at; they can be found by their index."""
    found = sorted(
        (index, name, text) for name, figures in tally.figures_of.items() for index, text in figures.wrong_examples
    )
    examples = [{"index": index, "operation": name, "error": text} for index, name, text in found[:MOST_EXAMPLES]]
    return {"wrong_examples": examples} if examples else {}


def _finding(finding: "FindingLike") -> dict[str, Any]:
    return {"name": finding.name, "checked": finding.n_checked, "wrong": finding.n_wrong, "text": finding.text}


def _recall(recall: Recall) -> dict[str, Any]:
    if not recall.n:
        return {}
    low = {"p1": recall.percentile(1.0), "p5": recall.percentile(5.0), "min": recall.min}
    return {"recall": {"mean": recall.mean, **low, "n": recall.n}}


def _requests(figures: Figures) -> dict[str, Any]:
    codes = dict(figures.by_error_code.most_common())
    return {
        "planned": figures.n_planned,
        "sent": figures.n_sent,
        "finished": figures.n_finished,
        "succeeded": figures.n_succeeded,
        "failed": figures.n_failed,
        "cancelled": figures.n_cancelled,
        "by_outcome": {kind.name.lower(): int(n) for kind, n in zip(Outcome, figures.n_by_outcome, strict=True) if n},
        **({"by_error_code": codes} if codes else {}),
        "warmup": figures.n_warmup,
        "drain": figures.n_drain,
    }


def _window(window: Window, figures: Figures, *, has_tokens: bool) -> dict[str, Any]:
    """Both counts: requests by their planned instant, tokens by their arrival."""
    shown: dict[str, Any] = {
        "from_ns": window.from_ns,
        "to_ns": window.to_ns,
        "s": window.s,
        "n_requests": figures.n_planned,
    }
    if has_tokens:
        arrived = figures.arrived_tokens
        shown["n_tokens"] = int(arrived) if arrived.is_integer() else arrived
    return shown


def _intervals(figures: Figures, window: Window, has_tokens: bool) -> dict[str, Any]:
    """Of the rates and the ratio."""
    rates = ("request_throughput", *(("output_throughput",) if has_tokens else ()), "goodput")
    intervals = {f"{name}_per_s": rate_of(name, figures, window).ci95 for name in rates}
    intervals["success_ratio"] = success_share(figures).ci95
    return {name: interval and list(interval) for name, interval in intervals.items()}


def _metrics(figures: Figures, has_tokens: bool) -> dict[str, Any]:
    histograms, courses = figures.metrics, figures.over_time.courses
    always = (*(TOKEN_METRICS if has_tokens else ()), *PLAIN_METRICS)
    names = [*always, *(name for name in SERVER_SPANS if name in histograms)]
    return {
        name: _metric(histograms.get(name) or Histogram(), courses.get(name), has_course=name in COURSES)
        for name in names
    }


def _metric(histogram: Histogram, course: Course | None, has_course: bool) -> dict[str, Any]:
    """has_course: whether one is kept of it; confidence is null where not."""
    confidence = Confidence(histogram, course) if has_course else None
    values = histogram.percentile(list(PERCENTILES.values()))
    return {
        "unit": "ms",
        "n": histogram.n,
        "n_effective": confidence and round(confidence.n_effective, 1),
        "mean": _ms(histogram.mean),
        "mean_ci95": confidence and _ms_of(confidence.mean_ci95_ns),
        "std": _ms(histogram.std),
        "min": _ms(histogram.min),
        "max": _ms(histogram.max),
        "percentiles": {
            name: _percentile(confidence, q, float(value) if histogram.n else None)
            for (name, q), value in zip(PERCENTILES.items(), values, strict=True)
        },
    }


def _percentile(confidence: Confidence | None, q: float, value_ns: float | None) -> dict[str, Any]:
    if confidence is None:
        return {"value": _ms(value_ns), "ci95": None, "certified": None, "needs_n": None}
    found = confidence.percentile(q)
    return {
        "value": _ms(value_ns),
        "ci95": _ms_of(found.ci95_ns),
        "certified": found.is_certified,
        "needs_n": found.needs_n,
        "n_effective": round(found.n_effective, 1),
    }


def _ms_of(interval_ns: Interval | None) -> list[float | None] | None:
    return None if interval_ns is None else [_ms(end) for end in interval_ns]


def _coordinated_omission(tally: "Tally", figures: Figures, window: Window) -> dict[str, Any]:
    """Only of a closed loop: in an open one nothing is omitted."""
    if tally.in_flight is None:
        return {}
    estimate = omission_of(figures, window, tally.in_flight)
    return {"coordinated_omission": estimate} if estimate else {}


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _ms(ns: float | None) -> float | None:
    """To the nanosecond: what lies below depends on the order in which floats were added."""
    return None if ns is None else round(ms_from_ns(ns), 6)
