"""A run's figures from its records alone."""

from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import Made, Op, S, block_of, requests, streamed

from loadgen.metrics import KnownFacts, Tally
from loadgen.metrics.recalculate import recalculate
from loadgen.recipe.slo import parse_slo
from loadgen.records import Block, Outcome, Phase

SLO = "p50_ttft < 500 ms"


class Kept:
    """What recalculate() needs of a bundle."""

    operations = (Op("chat", True),)

    def __init__(self, made: list[Made], **load: Any) -> None:
        self.run = {"recipe": {"load": load, "slo": [SLO]}}
        self._made = made

    def blocks(self) -> Iterator[Block]:
        for one in self._made:
            yield block_of([one])


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(st.lists(requests(), min_size=1, max_size=20))
def test_the_figures_are_those_that_the_run_would_have_counted(made: list[Made]) -> None:
    tally = Tally(Kept.operations, [parse_slo(SLO)], 3 * S)
    tally.window_from_ns = 1 * S
    tally.add(block_of(made))
    _, summary = recalculate(Kept(made, warmup_s=1, duration_s=2.0))
    expected = tally.summary(KnownFacts([(1 * S, max(1 * S, min(3 * S, tally.last_end_at_ns or 0)))]))
    assert summary["requests"] == expected["requests"]
    assert summary["window"] == pytest.approx(expected["window"])
    assert summary["total_output_tokens"] == expected["total_output_tokens"]
    assert summary["metrics"]["itl"]["n"] == expected["metrics"]["itl"]["n"]
    assert [entry["verdict"] for entry in summary["slo"]] == [entry["verdict"] for entry in expected["slo"]]


def test_a_warm_up_by_count_ends_where_the_first_measured_request_was_planned() -> None:
    made = [streamed(0, phase=Phase.WARMUP), streamed(3 * S), streamed(2 * S)]
    _, summary = recalculate(Kept(made, warmup_requests=1, requests=2))
    assert summary["window"]["from_ns"] == 2 * S
    assert summary["window"]["to_ns"] == made[1].done
    assert summary["window"]["n_tokens"] == 8


def test_a_run_killed_in_its_warm_up_has_no_rates() -> None:
    _, summary = recalculate(Kept([streamed(0, phase=Phase.WARMUP)], warmup_s=10, duration_s=60))
    assert summary["requests"]["warmup"] == 1
    assert summary["request_throughput_per_s"] is None
    assert summary["slo"][0]["verdict"] == "FAIL"


def test_a_run_without_a_single_record_has_figures_that_are_null() -> None:
    _, summary = recalculate(Kept([], warmup_requests=5))
    assert summary["requests"]["planned"] == 0


def test_the_clients_cpu_is_unknown_but_its_lag_is_not() -> None:
    _, summary = recalculate(Kept([streamed(0), Made(sent=0, outcome=Outcome.RESET)]))
    assert summary["client"]["cpu_s"] is None
    assert summary["client"]["p99_send_lag_ms"] == 1.0
