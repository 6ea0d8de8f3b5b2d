"""From a Tally to summary.json. A figure without a sample is null, never NaN."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loadgen.metrics.figures import PLAIN_METRICS, TOKEN_METRICS, Figures
from loadgen.metrics.histogram import Histogram
from loadgen.metrics.latency import SERVER_SPANS
from loadgen.metrics.slo import judge
from loadgen.metrics.throughput import rate_per_s
from loadgen.metrics.window import Window
from loadgen.records import Outcome
from loadgen.units import NS_PER_S, ms_from_ns

if TYPE_CHECKING:
    from loadgen.metrics.tally import RunFacts, Tally
    from loadgen.recipe.slo import Slo

PERCENTILES = {"p50": 50.0, "p90": 90.0, "p95": 95.0, "p99": 99.0, "p99.9": 99.9}


def summarise(tally: "Tally", facts: "RunFacts") -> dict[str, Any]:
    """All figures of a run, and whether its SLOs hold."""
    window = Window(facts.window_from_ns, facts.window_to_ns)
    expecting = {operation.name: operation.expects_tokens for operation in tally.operations}
    whole = _figures(tally.whole, window, any(expecting.values()))
    requests, ratio = whole.pop("requests"), whole.pop("success_ratio")
    return {
        "requests": requests,
        "success_ratio": ratio,
        "window": _window(window, tally.whole, has_tokens="output_throughput_per_s" in whole),
        **whole,
        "by_operation": {
            name: _figures(figures, window, expecting[name]) for name, figures in tally.figures_of.items()
        },
        "slo": judge_all(tally.slos, tally.whole, window),
        "client": _client(tally, facts),
    }


def judge_all(slos: "Sequence[Slo]", figures: Figures, window: Window) -> list[dict[str, Any]]:
    """Hold figures against bounds: the entries of summary.json's `slo`."""
    return [judge(slo, figure_of(slo, figures, window)) for slo in slos]


def figure_of(slo: "Slo", figures: Figures, window: Window) -> float | None:
    """The figure that a bound speaks of, in its threshold's unit; None without a sample."""
    if slo.is_per_request:
        return _statistic(figures.metrics.get(slo.metric), slo.statistic or "mean")
    rates = {
        "request_throughput": figures.n_succeeded,
        "output_throughput": figures.arrived_tokens,
        "goodput": figures.n_good,
    }
    if slo.metric in rates:
        return rate_per_s(rates[slo.metric], window)
    counts = {"success_ratio": figures.n_succeeded, "error_ratio": figures.n_failed}
    return _ratio(counts[slo.metric], figures.n_finished) if slo.metric in counts else None


def _statistic(histogram: Histogram | None, statistic: str) -> float | None:
    if histogram is None:
        return None
    exact = {"mean": histogram.mean, "max": histogram.max, "min": histogram.min}
    return exact[statistic] if statistic in exact else histogram.percentile(float(statistic[1:]))


def _figures(figures: Figures, window: Window, expects_tokens: bool) -> dict[str, Any]:
    has_tokens = expects_tokens or figures.n_output_counted > 0 or figures.arrived_tokens > 0
    has_prompt = expects_tokens or figures.n_prompt_counted > 0
    shown: dict[str, Any] = {
        "requests": _requests(figures),
        "success_ratio": _ratio(figures.n_succeeded, figures.n_finished),
        "request_throughput_per_s": rate_per_s(figures.n_succeeded, window),
    }
    if has_tokens:
        shown["output_throughput_per_s"] = rate_per_s(figures.arrived_tokens, window)
    if has_prompt:
        shown["total_prompt_tokens"] = figures.prompt_tokens if figures.n_prompt_counted else None
    if has_tokens:
        shown["total_output_tokens"] = figures.output_tokens if figures.n_output_counted else None
    shown["goodput_per_s"] = rate_per_s(figures.n_good, window)
    shown["metrics"] = _metrics(figures.metrics, has_tokens)
    if has_tokens:
        shown["tokens_per_event"] = _ratio(figures.n_event_tokens, figures.n_events)
    return shown


def _requests(figures: Figures) -> dict[str, Any]:
    return {
        "planned": figures.n_planned,
        "sent": figures.n_sent,
        "finished": figures.n_finished,
        "succeeded": figures.n_succeeded,
        "failed": figures.n_failed,
        "cancelled": figures.n_cancelled,
        "by_outcome": {kind.name.lower(): int(n) for kind, n in zip(Outcome, figures.n_by_outcome, strict=True) if n},
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


def _metrics(histograms: Mapping[str, Histogram], has_tokens: bool) -> dict[str, Any]:
    always = (*(TOKEN_METRICS if has_tokens else ()), *PLAIN_METRICS)
    names = [*always, *(name for name in SERVER_SPANS if name in histograms)]
    return {name: _metric(histograms.get(name) or Histogram()) for name in names}


def _metric(histogram: Histogram) -> dict[str, Any]:
    values = histogram.percentile(list(PERCENTILES.values()))
    return {
        "unit": "ms",
        "n": histogram.n,
        "mean": _ms(histogram.mean),
        "std": _ms(histogram.std),
        "min": _ms(histogram.min),
        "max": _ms(histogram.max),
        "percentiles": {
            name: _percentile(float(value) if histogram.n else None)
            for name, value in zip(PERCENTILES, values, strict=True)
        },
    }


def _percentile(value_ns: float | None) -> dict[str, Any]:
    """Confidence is null where none was worked out."""
    return {"value": _ms(value_ns), "ci95": None, "certified": None, "needs_n": None}


def _client(tally: "Tally", facts: "RunFacts") -> dict[str, Any]:
    """The load generator's own share in what was measured."""
    return {
        "verdict": None,
        "reasons": [],
        "busy_ratio": facts.busy_ratio,
        "cpu_ratio": _cpu_ratio(tally, facts.cpu_s),
        "cpu_s": facts.cpu_s,
        "p99_send_lag_ms": _ms(_statistic(tally.metrics.get("send_lag"), "p99")),
        "p99_read_lag_ms": _ms(_statistic(tally.metrics.get("read_lag"), "p99")),
        "stamp": facts.stamp,
        "n_clock_steps": facts.n_clock_steps,
        "n_lost_records": facts.n_lost_records,
    }


def _cpu_ratio(tally: "Tally", cpu_s: float | None) -> float | None:
    """1: one core was busy from the first send to the last answer."""
    if cpu_s is None or tally.first_sent_at_ns is None or tally.last_end_at_ns is None:
        return None
    return _ratio(cpu_s * NS_PER_S, tally.last_end_at_ns - tally.first_sent_at_ns)


def _ratio(part: float, whole: float) -> float | None:
    return part / whole if whole > 0 else None


def _ms(ns: float | None) -> float | None:
    """To the nanosecond: what lies below depends on the order in which floats were added."""
    return None if ns is None else round(ms_from_ns(ns), 6)
