"""What a closed loop leaves out, as an estimate beside its figures."""

from typing import Any

import numpy as np
import pytest
from made_records import MS, Op, S, answers, block_of, streamed

from loadgen.metrics import KnownFacts, Tally
from loadgen.metrics.omission import in_flight_of
from loadgen.metrics.recalculate import recalculate
from loadgen.records import Block

GET = Op("get", False)


def stalled() -> Block:
    """One client for 10 s: an answer every 10 ms, but for one that takes 2 s."""
    lengths = np.full(801, 10 * MS)
    lengths[400] = 2000 * MS
    planned = np.cumsum(lengths) - lengths
    return answers(planned, lengths)


def summary_of(block: Block, in_flight: int | None) -> dict[str, Any]:
    tally = Tally([GET], [], in_flight=in_flight)
    tally.add(block)
    return tally.summary(KnownFacts([(0, 10 * S)]))


def test_a_stall_that_was_one_slow_answer_would_have_been_met_by_many() -> None:
    summary = summary_of(stalled(), 1)
    estimate = summary["coordinated_omission"]
    assert summary["metrics"]["e2e"]["percentiles"]["p99"]["value"] == pytest.approx(10, rel=0.01)
    assert estimate["estimate"] is True
    assert estimate["e2e"]["p50"] == pytest.approx(10, rel=0.01)
    assert estimate["e2e"]["p90"] > 500  # 160 of 960 requests would have been due during it
    assert estimate["e2e"]["p99"] == pytest.approx(1880, rel=0.02)


def test_even_answers_leave_nothing_out() -> None:
    summary = summary_of(answers(np.arange(1000) * 10 * MS, np.full(1000, 10 * MS)), 1)
    assert summary["coordinated_omission"]["e2e"]["p99.9"] == pytest.approx(10, rel=0.01)


def test_an_open_loop_has_no_such_estimate() -> None:
    assert "coordinated_omission" not in summary_of(stalled(), None)


def test_without_an_answer_there_is_no_estimate() -> None:
    assert "coordinated_omission" not in summary_of(block_of([streamed(0)])._replace(records=stalled().records[:0]), 1)


@pytest.mark.parametrize(
    ("load", "workload", "in_flight"),
    [
        ({"mode": "closed", "concurrency": 8}, {}, 8),
        ({"mode": "closed", "concurrency": 8}, {"pipeline": 4}, 32),
        ({"mode": "open", "rate_per_s": 8}, {}, None),
        ({}, {}, 1),
    ],
)
def test_what_is_in_flight_is_told_from_the_recipe(load: Any, workload: Any, in_flight: int | None) -> None:
    assert in_flight_of(load, workload) == in_flight


def test_a_run_that_is_counted_again_has_the_same_estimate() -> None:
    class Kept:
        operations = (GET,)
        run = {"recipe": {"load": {"mode": "closed", "concurrency": 1, "duration_s": 10.0}, "slo": []}}  # noqa: RUF012

        def blocks(self) -> list[Block]:
            return [stalled()]

    _, again = recalculate(Kept())
    assert again["coordinated_omission"] == summary_of(stalled(), 1)["coordinated_omission"]
