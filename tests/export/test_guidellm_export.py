"""`--format guidellm`: the report of GuideLLM, and its figures worked out again from the lines alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_checks import strict_json

from loadgen.bundle import Bundle
from loadgen.export import guidellm

Lines = Callable[[Bundle], list[dict[str, Any]]]

BENCHMARK_KEYS = {  # of GuideLLM 0.8, GenerativeBenchmark: fields without a default, and what it adds
    *("type_", "config", "scheduler_state", "scheduler_metrics", "metrics", "requests"),
    *("start_time", "end_time", "duration", "warmup_duration", "cooldown_duration"),
}
METRIC_KEYS = {  # GenerativeMetrics: fields without a default
    *("request_totals", "requests_per_second", "request_concurrency", "request_latency"),
    *("request_streaming_iterations_count", "prompt_token_count", "output_token_count", "total_token_count"),
    *("time_to_first_token_ms", "time_to_first_output_token_ms", "time_per_output_token_ms", "inter_token_latency_ms"),
    *("time_to_last_round_trip_ms", "avg_round_trip_time_ms", "prompt_tokens_per_second", "output_tokens_per_second"),
    *("tokens_per_second", "output_tokens_per_iteration", "iter_tokens_per_iteration"),
    *("text", "image", "video", "audio", "tool_call"),
}
DISTRIBUTION_KEYS = {
    *("mean", "median", "mode", "variance", "std_dev", "min", "max", "count", "total_sum", "percentiles", "pdf"),
}
PERCENTILES = {"p001": 0.1, "p01": 1, "p05": 5, "p10": 10, "p25": 25, "p50": 50, "p75": 75}
PERCENTILES |= {"p90": 90, "p95": 95, "p99": 99, "p999": 99.9}


def assert_described(metric: dict[str, Any], own: list[float], weights: list[float] | None = None) -> None:
    """A percentile is the smallest value that has that share of the weight at or below it: counted out one by one."""
    assert set(metric) >= DISTRIBUTION_KEYS
    weighed = sorted(zip(own, weights or [1.0] * len(own), strict=True))
    total = sum(weight for _, weight in weighed)
    mean = sum(value * weight for value, weight in weighed) / total
    variance = sum((value - mean) ** 2 * weight for value, weight in weighed) / total
    assert metric["mean"] == pytest.approx(mean)
    assert metric["std_dev"] == pytest.approx(variance**0.5, rel=1e-6, abs=1e-9)
    assert metric["count"] == round(total)
    for name, q in PERCENTILES.items():
        shares = np.cumsum([weight for _, weight in weighed]) / total
        first = next(place for place, share in enumerate(shares) if share >= q / 100 - 1e-12)
        assert metric["percentiles"][name] == pytest.approx(weighed[first][0]), name


def test_its_figures_are_those_of_the_lines(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path]
) -> None:
    bundle = run_of("open")
    report = strict_json(exported(bundle, "guidellm").read_text())
    (benchmark,) = report["benchmarks"]
    assert set(benchmark) >= BENCHMARK_KEYS
    metrics = benchmark["metrics"]
    assert set(metrics) >= METRIC_KEYS
    asked = [line for line in lines_of(bundle) if line["phase"] == "measure"]
    done = [line for line in asked if line["success"]]
    assert metrics["request_totals"] == {
        "successful": len(done), "errored": len(asked) - len(done), "incomplete": 0, "total": len(asked)
    }  # fmt: skip
    own = {
        "request_latency": [(line["done_at_ns"] - line["sent_at_ns"]) / 1e9 for line in done],
        "request_scheduled_latency": [(line["done_at_ns"] - line["planned_at_ns"]) / 1e9 for line in done],
        "time_to_first_token_ms": [(line["first_token_at_ns"] - line["sent_at_ns"]) / 1e6 for line in done],
        "output_token_count": [line["output_tokens"] for line in done],
    }
    for name, values in own.items():
        assert_described(metrics[name]["successful"], values)
    gaps = [line["output_tokens"] - 1 for line in done]
    spans = [(line["last_token_at_ns"] - line["first_token_at_ns"]) / 1e6 for line in done]
    assert_described(
        metrics["inter_token_latency_ms"]["successful"], [s / n for s, n in zip(spans, gaps, strict=True)], gaps
    )
    duration_s = (max(line["done_at_ns"] for line in asked) - min(line["planned_at_ns"] for line in asked)) / 1e9
    # it takes events of the same tenth of a millisecond for one, also the last and the window's end
    n_output = sum(line["output_tokens"] for line in done)
    assert metrics["requests_per_second"]["successful"]["mean"] == pytest.approx(len(done) / duration_s, rel=2e-4)
    assert metrics["output_tokens_per_second"]["successful"]["mean"] == pytest.approx(n_output / duration_s, rel=2e-4)
    inside_s = sum(line["done_at_ns"] - line["sent_at_ns"] for line in done) / 1e9
    assert metrics["request_concurrency"]["successful"]["mean"] == pytest.approx(inside_s / duration_s, rel=0.02)


def test_each_request_stands_under_its_status(run_of: Callable[[str], Bundle], exported: Callable[..., Path]) -> None:
    (benchmark,) = strict_json(exported(run_of("open"), "guidellm").read_text())["benchmarks"]
    requests = benchmark["requests"]
    assert all(request["info"]["error"] is None for request in requests["successful"])
    assert all(request["info"]["error"] for request in requests["errored"])
    assert requests["errored"]
    timings = requests["successful"][0]["info"]["timings"]
    order = [timings[name] for name in ("targeted_start", "request_start", "first_token_iteration", "request_end")]
    assert order == sorted(order)
    assert benchmark["start_time"] <= order[0] < order[-1] <= benchmark["end_time"]


def test_of_very_many_requests_a_sample_is_told_one_by_one(
    run_of: Callable[[str], Bundle], exported: Callable[..., Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(guidellm, "MOST_REQUESTS", 10)
    (benchmark,) = strict_json(exported(run_of("closed"), "guidellm").read_text())["benchmarks"]
    told = [request["request_id"] for request in benchmark["requests"]["successful"]]
    assert len(set(told)) == len(told) == benchmark["config"]["sample_size"] == 10
    assert told == sorted(told)
    assert benchmark["metrics"]["request_totals"]["successful"] == 60


def test_a_closed_loop_has_no_schedule(run_of: Callable[[str], Bundle], exported: Callable[..., Path]) -> None:
    report = strict_json(exported(run_of("closed"), "guidellm").read_text())
    (benchmark,) = report["benchmarks"]
    assert benchmark["config"]["strategy"] == {"type_": "concurrent", "streams": 4}
    assert benchmark["metrics"]["request_dispatch_delay"] is None
    assert 1 < benchmark["metrics"]["request_concurrency"]["total"]["mean"] <= 4.001
    assert benchmark["warmup_duration"] > 0


@pytest.mark.parametrize("name", ["web", "all failed", "one request"])
def test_what_has_no_value_counts_0(run_of: Callable[[str], Bundle], exported: Callable[..., Path], name: str) -> None:
    (benchmark,) = strict_json(exported(run_of(name), "guidellm").read_text())["benchmarks"]
    ttft = benchmark["metrics"]["time_to_first_token_ms"]["successful"]
    assert (ttft["count"], ttft["mean"] > 0) == ((1, True) if name == "one request" else (0, False))
    assert np.isfinite(benchmark["duration"])
