"""`--format aiperf`: the two files of AIPerf, and its figures worked out again from the lines alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_checks import strict_json

from loadgen.bundle import Bundle

Lines = Callable[[Bundle], list[dict[str, Any]]]

QUANTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)
STATISTICS = ("unit", "avg", *(f"p{q}" for q in QUANTILES), "min", "max", "std", "count", "sum")
REQUIRED_METADATA = {  # of AIPerf 0.13, MetricRecordMetadata: fields without a default
    *("session_num", "request_start_ns", "request_end_ns", "worker_id", "record_processor_id", "benchmark_phase"),
}
UNITS = {  # of AIPerf 0.13, as its metrics show them
    "time_to_first_token": "ms",
    "time_to_second_token": "ms",
    "request_latency": "ms",
    "inter_token_latency": "ms",
    "inter_chunk_latency": "ms",
    "output_token_throughput_per_user": "tokens/sec/user",
    "output_sequence_length": "tokens",
    "input_sequence_length": "tokens",
}
RUN_UNITS = {
    "request_count": "requests",
    "error_request_count": "requests",
    "request_throughput": "requests/sec",
    "output_token_throughput": "tokens/sec",
    "total_token_throughput": "tokens/sec",
    "total_isl": "tokens",
    "total_osl": "tokens",
    "benchmark_duration": "sec",
    "min_request_timestamp": "ns",
    "max_response_timestamp": "ns",
}


def done_of(lines: list[dict[str, Any]], phase: str = "measure") -> list[dict[str, Any]]:
    return [line for line in lines if line["phase"] == phase and line["success"]]


def itl_ns(line: dict[str, Any]) -> int:
    """0 where all tokens came in one read."""
    return round((line["last_token_at_ns"] - line["first_token_at_ns"]) / (line["output_tokens"] - 1))


def values_of(done: list[dict[str, Any]]) -> dict[str, list[float]]:
    itl = [itl_ns(line) for line in done]
    return {
        "time_to_first_token": [(line["first_token_at_ns"] - line["sent_at_ns"]) / 1e6 for line in done],
        "time_to_second_token": [line["itl_ns"][0] / 1e6 for line in done],
        "request_latency": [(line["last_token_at_ns"] - line["sent_at_ns"]) / 1e6 for line in done],
        "inter_token_latency": [one / 1e6 for one in itl],
        "inter_chunk_latency": [gap / 1e6 for line in done for gap in line["itl_ns"]],
        "output_token_throughput_per_user": [1e9 / one for one in itl if one],
        "output_sequence_length": [line["output_tokens"] for line in done],
        "input_sequence_length": [line["prompt_tokens"] for line in done],
    }


def assert_described(metric: dict[str, Any], own: list[float]) -> None:
    assert tuple(metric) == STATISTICS
    near = {"rel": 1e-5, "abs": 1e-6}
    assert metric["avg"] == pytest.approx(np.mean(own), **near)
    assert metric["std"] == pytest.approx(np.std(own), **near)
    assert (metric["min"], metric["max"]) == (pytest.approx(min(own), **near), pytest.approx(max(own), **near))
    assert (metric["count"], metric["sum"]) == (len(own), pytest.approx(sum(own), **near))
    for q in QUANTILES:
        assert metric[f"p{q}"] == pytest.approx(np.percentile(own, q), **near)


def test_the_summary_s_figures_are_those_of_the_lines(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path]
) -> None:
    bundle = run_of("open")
    summary = strict_json((exported(bundle, "aiperf") / "profile_export_aiperf.json").read_text())
    lines = lines_of(bundle)
    done = done_of(lines)
    for name, own in values_of(done).items():
        assert summary[name]["unit"] == UNITS[name]
        assert_described(summary[name], own)
    for name, unit in RUN_UNITS.items():
        assert summary[name]["unit"] == unit
        assert set(summary[name]) == {"unit", "avg"}
    begin, end = min(line["sent_at_ns"] for line in done), max(line["last_token_at_ns"] for line in done)
    duration_s = (end - begin) / 1e9
    assert summary["benchmark_duration"]["avg"] == pytest.approx(duration_s)
    assert summary["request_throughput"]["avg"] == pytest.approx(len(done) / duration_s)
    assert summary["output_token_throughput"]["avg"] == pytest.approx(
        sum(line["output_tokens"] for line in done) / duration_s
    )
    failed = [line for line in lines if line["phase"] == "measure" and not line["success"]]
    assert summary["error_request_count"]["avg"] == len(failed)
    assert sum(error["count"] for error in summary["error_summary"]) == len(failed) > 0


def test_warm_up_stands_apart_or_is_counted(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path]
) -> None:
    bundle = run_of("open")
    warm = done_of(lines_of(bundle), "warmup")
    apart = strict_json((exported(bundle, "aiperf") / "profile_export_aiperf.json").read_text())
    assert_described(apart["warmup_metrics"]["request_latency"], values_of(warm)["request_latency"])
    counted = strict_json((exported(bundle, "aiperf", include_warmup=True) / "profile_export_aiperf.json").read_text())
    assert "warmup_metrics" not in counted
    assert counted["request_count"]["avg"] == apart["request_count"]["avg"] + len(warm)


def test_each_request_is_a_line(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path]
) -> None:
    bundle = run_of("open")
    text = (exported(bundle, "aiperf") / "profile_export.jsonl").read_text()
    records = [strict_json(line) for line in text.splitlines()]
    asked = [line for line in lines_of(bundle) if line["phase"] == "measure"]
    began = bundle.run["started_at_unix_ns"]
    for record, line in zip(records, asked, strict=True):
        metadata = record["metadata"]
        assert set(metadata) >= REQUIRED_METADATA
        assert metadata["x_request_id"] == line["request_id"]
        assert metadata["request_start_ns"] == began + line["sent_at_ns"]
        assert metadata["request_end_ns"] == began + line["done_at_ns"]
        assert metadata["benchmark_phase"] == "profiling"
        assert (record["error"] is None) == line["success"]
        if line["success"]:
            without = set() if itl_ns(line) else {"output_token_throughput_per_user"}
            assert set(record["metrics"]) == set(UNITS) - without
            assert record["metrics"]["inter_chunk_latency"]["value"] == pytest.approx([g / 1e6 for g in line["itl_ns"]])
        else:
            assert record["metrics"] == {}
            assert record["error"]["code"] == 500
            assert record["error"]["message"]


@pytest.mark.parametrize("name", ["web", "all failed", "one request"])
def test_what_has_no_sample_is_left_out(
    run_of: Callable[[str], Bundle], exported: Callable[..., Path], name: str
) -> None:
    summary = strict_json((exported(run_of(name), "aiperf") / "profile_export_aiperf.json").read_text())
    assert ("time_to_first_token" in summary) == (name == "one request")
    assert ("request_latency" in summary) == (name != "all failed")
    assert summary["request_count"]["avg"] == {"all failed": 0, "one request": 1}.get(
        name, summary["request_count"]["avg"]
    )
