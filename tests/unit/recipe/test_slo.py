"""Service-level objectives: what they mean, and what is none."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.recipe import Slo, parse_slo


@pytest.mark.parametrize(
    ("text", "metric", "statistic", "threshold"),
    [
        ("p99_ttft < 500 ms", "ttft", "p99", 500e6),
        ("p99.9_service_ttft <= 1.5 s", "service_ttft", "p99.9", 1.5e9),
        ("mean_itl < 200 us", "itl", "mean", 200e3),
        ("max_tpot < 1e2 ms", "tpot", "max", 100e6),
        ("min_service_e2e > 1 ms", "service_e2e", "min", 1e6),
        ("p99 < 1 s", "e2e", "p99", 1e9),
        ("max < 1 s", "e2e", "max", 1e9),
        ("success_ratio >= 99 %", "success_ratio", None, 0.99),
        ("success_ratio >= 0.99", "success_ratio", None, 0.99),
        ("error_ratio < 1%", "error_ratio", None, 0.01),
        ("recall >= 95 %", "recall", "mean", 0.95),
        ("mean_recall >= 0.9", "recall", "mean", 0.9),
        ("p5_recall > 0.8", "recall", "p5", 0.8),
        ("min_recall > 50 %", "recall", "min", 0.5),
        ("llm-1.p99.9_ttft < 1 s", "ttft", "p99.9", 1e9),
        ("vectors.recall >= 0.9", "recall", "mean", 0.9),
        ("request_throughput > 100 /s", "request_throughput", None, 100),
        ("output_throughput>100", "output_throughput", None, 100),
        ("goodput >= 5/s", "goodput", None, 5),
    ],
)
def test_slo_is_read_into_base_units(text: str, metric: str, statistic: str | None, threshold: float) -> None:
    slo = parse_slo(text)
    assert (slo.metric, slo.statistic) == (metric, statistic)
    assert slo.threshold == pytest.approx(threshold)


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "must read"),
        ("p99_ttft", "must read"),
        ("p99_ttft = 5 ms", "must read"),
        ("p99_ttft < -5 ms", "must read"),
        ("p99_ttft < 5 m s", "must read"),
        ("p99_ttft < 500", "a time needs a unit"),
        ("p99_ttft < 500 min", "'us' or 'ms' or 's'"),
        ("p99_ttft < 5 %", "takes the unit"),
        ("ttft < 5 ms", "such as p99_ttft or mean_ttft"),
        ("p99_latency < 5 ms", "is not a figure"),
        ("p100_ttft < 5 ms", "is not a figure"),
        ("p_ttft < 5 ms", "is not a figure"),
        ("success_ratio > 5 ms", "'%' or none|none or '%'"),
        ("p99_success_ratio > 5 %", "is not a figure"),
        ("max_recall > 5 %", "is not a figure"),
        ("p5_recall > 5 ms", "takes the unit"),
        ("5.p99 < 5 ms", "is not a figure"),
        (".p99 < 5 ms", "is not a figure"),
        ("a.b.p99 < 5 ms", "is not a figure"),
        ("goodput > 5 %", "takes the unit"),
    ],
)
def test_what_is_no_slo_is_refused_with_a_one_line_reason(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason) as caught:
        parse_slo(text)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("op", "below", "at", "above"), [("<", 1, 0, 0), ("<=", 1, 1, 0), (">", 0, 0, 1), (">=", 0, 1, 1)]
)
def test_bound_holds_on_its_own_side(op: str, below: bool, at: bool, above: bool) -> None:
    slo = parse_slo(f"p99_e2e {op} 1 ms")
    assert [slo.holds(value) for value in (999_999, 1_000_000, 1_000_001)] == [below, at, above]
    assert not slo.holds(float("nan"))


def test_expression_is_the_same_however_it_is_spaced() -> None:
    assert parse_slo("p99_ttft<500ms") == parse_slo("  p99_ttft  <  500   ms ")
    assert parse_slo("p99_ttft<500ms").expression == "p99_ttft < 500 ms"


def test_only_latencies_judge_single_requests() -> None:
    assert parse_slo("p99 < 1 s").is_per_request
    assert not parse_slo("success_ratio > 0.5").is_per_request


@given(st.text(max_size=40))
def test_any_text_is_an_slo_or_a_reason(text: str) -> None:
    with contextlib.suppress(ValueError):
        slo = parse_slo(text)
        assert isinstance(slo, Slo)
        assert parse_slo(slo.expression) == slo
