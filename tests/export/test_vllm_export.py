"""`--format vllm`: the keys of vllm bench serve, and its figures worked out again from the lines alone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from export_checks import strict_json

from loadgen.bundle import Bundle, open_bundle

KEYS = {  # of vLLM 0.32, serve.py: --save-result --save-detailed --percentile-metrics ttft,tpot,itl,e2el
    *("date", "endpoint_type", "backend", "label", "model_id", "tokenizer_id", "num_prompts", "request_rate"),
    *("burstiness", "max_concurrency", "duration", "completed", "failed", "total_input_tokens", "total_output_tokens"),
    *("request_throughput", "request_goodput", "output_throughput", "total_token_throughput", "input_lens"),
    *("output_lens", "ttfts", "itls", "latencies", "start_times", "queue_times", "errors", "max_output_tokens_per_s"),
    *("max_concurrent_requests", "rtfx"),
    *(f"{word}_{name}_ms" for word in ("mean", "median", "std", "p50", "p90", "p95", "p99", "p99.9")
      for name in ("ttft", "tpot", "itl", "e2el")),
}  # fmt: skip
OF_TOKENS = {key for key in KEYS if any(word in key for word in ("ttft", "tpot", "itl", "output", "rtfx"))} | {
    *("request_goodput", "max_concurrent_requests"),
}
GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "bundles" / "v1"

Lines = Callable[[Bundle], list[dict[str, Any]]]


def close(ms: float | None, ns: Any) -> bool:
    return ms is not None and abs(ms * 1e6 - float(ns)) < 1.0


@pytest.mark.parametrize(("name", "include_warmup"), [("open", False), ("open", True), ("closed", False)])
def test_figures_are_those_of_the_lines(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path], name: str, include_warmup: bool
) -> None:
    bundle = run_of(name)
    result = strict_json(exported(bundle, "vllm", include_warmup=include_warmup).read_text())
    assert set(result) == KEYS
    phases = {"measure", "warmup"} if include_warmup else {"measure"}
    asked = [line for line in lines_of(bundle) if line["phase"] in phases and line["outcome"] != "cancelled"]
    done = [line for line in asked if line["success"]]
    assert len(asked) > len(done) or name == "closed"
    duration_s = (max(line["done_at_ns"] for line in asked) - min(line["planned_at_ns"] for line in asked)) / 1e9
    n_in, n_out = (sum(line[key] for line in done) for key in ("prompt_tokens", "output_tokens"))
    assert (result["completed"], result["failed"]) == (len(done), len(asked) - len(done))
    assert (result["total_input_tokens"], result["total_output_tokens"]) == (n_in, n_out)
    assert result["duration"] == pytest.approx(duration_s)
    assert result["request_throughput"] == pytest.approx(len(done) / duration_s)
    assert result["output_throughput"] == pytest.approx(n_out / duration_s)
    assert result["total_token_throughput"] == pytest.approx((n_in + n_out) / duration_s)
    values = {
        "ttft": [line["first_token_at_ns"] - line["sent_at_ns"] for line in done],
        "e2el": [line["last_token_at_ns"] - line["sent_at_ns"] for line in done],
        "tpot": [(line["last_token_at_ns"] - line["first_token_at_ns"]) / (line["output_tokens"] - 1) for line in done],
        "itl": [gap for line in done for gap in line["itl_ns"]],
    }
    for metric, own in values.items():
        assert close(result[f"mean_{metric}_ms"], np.mean(own)), metric
        assert close(result[f"std_{metric}_ms"], np.std(own)), metric
        assert close(result[f"median_{metric}_ms"], np.median(own)), metric
        for q in (50, 90, 95, 99, 99.9):
            assert close(result[f"p{q:g}_{metric}_ms"], np.percentile(own, q)), (metric, q)


def test_its_busiest_second_is_counted_as_it_counts(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path]
) -> None:
    bundle = run_of("open")
    result = strict_json(exported(bundle, "vllm").read_text())
    done = [line for line in lines_of(bundle) if line["phase"] == "measure" and line["success"]]
    begin = min(line["sent_at_ns"] for line in done)
    tokens, active = np.zeros(100), np.zeros(100)
    for line in done:
        for at in line["first_token_at_ns"] + np.cumsum([0, *line["itl_ns"]]):
            tokens[(at - begin) // 10**9] += 1
        for second in range((line["sent_at_ns"] - begin) // 10**9, (line["last_token_at_ns"] - begin) // 10**9 + 1):
            active[second] += 1
    assert (result["max_output_tokens_per_s"], result["max_concurrent_requests"]) == (tokens.max(), active.max())


def test_each_request_has_its_entry(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path]
) -> None:
    bundle = run_of("open")
    result = strict_json(exported(bundle, "vllm").read_text())
    asked = [line for line in lines_of(bundle) if line["phase"] == "measure"]
    assert [bool(error) for error in result["errors"]] == [not line["success"] for line in asked]
    for line, itl, ttft, n in zip(asked, result["itls"], result["ttfts"], result["output_lens"], strict=True):
        assert itl == pytest.approx([gap / 1e9 for gap in line["itl_ns"]])
        assert ttft == pytest.approx((line["first_token_at_ns"] - line["sent_at_ns"]) / 1e9 if line["success"] else 0.0)
        assert n == (line["output_tokens"] if line["success"] else 0)


def test_a_run_without_tokens_has_the_keys_of_a_pooling_benchmark(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path]
) -> None:
    bundle = run_of("web")
    result = strict_json(exported(bundle, "vllm").read_text())
    assert set(result) == KEYS - OF_TOKENS
    done = [line for line in lines_of(bundle) if line["phase"] == "measure" and line["success"]]
    own = [line["done_at_ns"] - line["sent_at_ns"] for line in done]
    assert result["completed"] == len(done) > 0
    assert close(result["mean_e2el_ms"], np.mean(own))
    assert close(result["p99_e2el_ms"], np.percentile(own, 99))


def test_requests_that_generate_nothing_are_left_out_and_said(tmp_path: Path) -> None:
    from loadgen.export import export

    bundle = open_bundle("BM-20260304-001", GOLDEN)  # chats and gets, mixed
    done = export(bundle.folder, "vllm", tmp_path / "out.json")
    assert done.left_out == ("left out: 3 requests of operations that generate no tokens",)
    assert strict_json((tmp_path / "out.json").read_text())["num_prompts"] == 7


@pytest.mark.parametrize(("name", "completed"), [("all failed", 0), ("one request", 1)])
def test_a_figure_without_a_sample_is_null(
    run_of: Callable[[str], Bundle], exported: Callable[..., Path], name: str, completed: int
) -> None:
    result = strict_json(exported(run_of(name), "vllm").read_text())
    assert result["completed"] == completed
    assert (result["mean_ttft_ms"] is None) == (completed == 0)
    assert result["failed"] == (12 if completed == 0 else 0)
    assert set(result) == KEYS
