"""A run's figures against plain Python, whatever blocks its requests come in."""

import json
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import MS, Made, Op, S, answers, block_of, requests, streamed

from loadgen.metrics import KnownFacts, Tally
from loadgen.metrics.series import BIN_NS, MAX_BINS
from loadgen.metrics.summary import PERCENTILES
from loadgen.recipe.slo import parse_slo
from loadgen.records import Outcome, Phase

CHAT = Op("chat", True)
GET = Op("get", False)
WINDOW = (1 * S, 5 * S)
FACTS = KnownFacts([WINDOW])
SLOS = ("p50_ttft < 1500 ms", "max_itl < 100 ms", "success_ratio >= 50 %")

many_requests = st.lists(requests(n_operations=2), min_size=1, max_size=30)


def tally_of(made: list[Made], *cuts: int, operations: tuple[Op, ...] = (CHAT,), slos: tuple[str, ...] = ()) -> Tally:
    tally = Tally(operations, [parse_slo(text) for text in slos], WINDOW[1])
    tally.window_from_ns = WINDOW[0]
    edges = [0, *sorted(cuts), len(made)]
    for begin, end in pairwise(edges):
        tally.add(block_of(made[begin:end]))
    return tally


def measured(made: list[Made]) -> list[Made]:
    return [one for one in made if one.phase is Phase.MEASURE]


def tokens_in_window(made: list[Made]) -> float:
    return sum(one.tokens_an_event() for one in made for at in one.token_instants() if WINDOW[0] <= at < WINDOW[1])


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(many_requests)
def test_requests_are_counted_by_phase_and_outcome(made: list[Made]) -> None:
    summary = tally_of(made, operations=(CHAT, GET)).summary(FACTS)
    outcomes = Counter(one.outcome for one in measured(made))
    failed = [one for one in measured(made) if one.outcome not in (Outcome.OK, Outcome.CANCELLED)]
    n_failed, codes = len(failed), Counter(one.error_code for one in failed if one.error_code)
    assert summary["requests"] == {
        "planned": len(measured(made)),
        "sent": sum(one.sent is not None for one in measured(made)),
        "finished": outcomes[Outcome.OK] + n_failed,
        "succeeded": outcomes[Outcome.OK],
        "failed": n_failed,
        "cancelled": outcomes[Outcome.CANCELLED],
        "by_outcome": {kind.name.lower(): n for kind, n in outcomes.items()},
        **({"by_error_code": codes} if codes else {}),
        "warmup": sum(one.phase is Phase.WARMUP for one in made),
        "drain": sum(one.phase is Phase.DRAIN for one in made),
    }


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(many_requests)
def test_latencies_are_over_successes_of_the_window(made: list[Made]) -> None:
    tally = tally_of(made, operations=(CHAT, GET))
    good = [one for one in measured(made) if one.outcome is Outcome.OK]
    for name, values in (
        ("ttft", [one.ttft() for one in good if one.ttft() is not None]),
        ("e2e", [one.e2e() for one in good if one.e2e() is not None]),
        ("itl", [gap for one in good for gap in one.gaps]),
    ):
        kept = tally.metrics.get(name)
        assert (kept.n if kept else 0) == len(values)
        assert (kept.max if kept else None) == max(values, default=None)  # type: ignore[type-var]


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(many_requests)
def test_tokens_count_where_they_arrive_whatever_became_of_their_request(made: list[Made]) -> None:
    summary = tally_of(made, operations=(CHAT, GET)).summary(FACTS)
    assert summary["window"]["n_tokens"] == pytest.approx(tokens_in_window(made))
    assert summary["output_throughput_per_s"] == pytest.approx(tokens_in_window(made) / 4)


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(many_requests, st.lists(st.integers(0, 30), max_size=3))
def test_the_blocks_in_which_requests_come_change_nothing(made: list[Made], cuts: list[int]) -> None:
    at_once = tally_of(made, operations=(CHAT, GET), slos=SLOS).summary(FACTS)
    in_parts = tally_of(made, *cuts, operations=(CHAT, GET), slos=SLOS).summary(FACTS)
    assert _rounded(in_parts) == _rounded(at_once)


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(many_requests)
def test_each_operation_has_the_figures_of_its_own_requests(made: list[Made]) -> None:
    summary = tally_of(made, operations=(CHAT, GET), slos=SLOS).summary(FACTS)
    for number, operation in enumerate((CHAT, GET)):
        own = [one for one in made if one.operation == number]
        for one in own:
            one.operation = 0
        alone = tally_of(own, operations=(operation,), slos=SLOS).summary(FACTS)["by_operation"]
        assert _rounded(summary["by_operation"][operation.name]) == _rounded(alone[operation.name])


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(many_requests)
def test_a_summary_is_json_without_a_nan(made: list[Made]) -> None:
    json.dumps(tally_of(made, operations=(CHAT, GET), slos=SLOS).summary(FACTS), allow_nan=False)


def _rounded(value: object) -> object:
    """Sums of floats depend on their order in the last digit."""
    if isinstance(value, dict):
        return {key: _rounded(inner) for key, inner in value.items()}
    if isinstance(value, list):
        return [_rounded(inner) for inner in value]
    return float(f"{value:.6g}") if isinstance(value, float) else value


def test_one_request_gives_the_figures_that_a_person_would_work_out() -> None:
    summary = tally_of([streamed(2 * S)], slos=("p99_ttft < 100 ms", "p99_ttft <= 101 ms", "goodput >= 1 /s")).summary(
        FACTS
    )
    assert summary["success_ratio"] == 1.0
    assert summary["window"] == {"from_ns": S, "to_ns": 5 * S, "s": 4.0, "n_requests": 1, "n_tokens": 4}
    assert summary["request_throughput_per_s"] == 0.25
    assert summary["output_throughput_per_s"] == 1.0
    assert (summary["total_prompt_tokens"], summary["total_output_tokens"]) == (7, 4)
    assert summary["tokens_per_event"] == 1.0
    means = {name: metric["mean"] for name, metric in summary["metrics"].items()}
    assert means == {
        "ttft": 100.0,
        "service_ttft": 99.0,
        "itl": 20.0,
        "tpot": 20.0,
        "e2e": 161.0,
        "service_e2e": 160.0,
        "send_lag": 1.0,
        "read_lag": 0.0,
    }
    assert list(summary["metrics"]["itl"]["percentiles"]) == list(PERCENTILES)
    assert [(entry["value"], entry["threshold"], entry["unit"], entry["verdict"]) for entry in summary["slo"]] == [
        (100.0, 100.0, "ms", "FAIL"),
        (100.0, 101.0, "ms", "UNDECIDED"),  # one sample says nothing of 99 of 100
        (0.0, 1.0, "per_s", "FAIL"),
    ]


def test_operations_without_tokens_have_no_token_figures() -> None:
    plain = Made(planned=2 * S, sent=2 * S, first_byte=3 * S, done=3 * S)
    summary = tally_of([plain], operations=(GET,)).summary(FACTS)
    assert list(summary["metrics"]) == ["e2e", "service_e2e", "send_lag", "read_lag"]
    absent = {"output_throughput_per_s", "total_prompt_tokens", "total_output_tokens", "tokens_per_event"}
    assert not absent & (summary.keys() | summary["by_operation"]["get"].keys())
    assert "n_tokens" not in summary["window"]


def test_without_requests_every_figure_is_null_and_every_bound_fails() -> None:
    summary = tally_of([], slos=("p99_ttft < 1 s", "success_ratio >= 1 %", "recall >= 90 %")).summary(FACTS)
    assert summary["success_ratio"] is None
    assert summary["metrics"]["ttft"]["percentiles"]["p99"]["value"] is None
    assert [(entry["value"], entry["verdict"]) for entry in summary["slo"]] == [(None, "FAIL")] * 3
    assert summary["client"]["p99_send_lag_ms"] is None


def test_a_window_that_never_began_has_no_rates() -> None:
    summary = tally_of([]).summary(KnownFacts([(5 * S, 2 * S)]))
    assert summary["window"]["s"] == 0
    assert summary["request_throughput_per_s"] is None


def test_the_window_holds_its_first_instant_and_not_its_last() -> None:
    made = [streamed(first_token=1 * S, gaps=[4 * S - 1, 1], done=6 * S, output_tokens=3)]
    assert tally_of(made).summary(FACTS)["window"]["n_tokens"] == 2


def test_by_count_the_window_has_no_end_and_begins_when_it_is_known() -> None:
    tally = Tally([CHAT], [])
    tally.add(block_of([streamed(0, phase=Phase.WARMUP)]))
    tally.window_from_ns = 1 * S
    tally.add(block_of([streamed(900 * MS, phase=Phase.WARMUP), streamed(900 * S)]))
    summary = tally.summary(KnownFacts([(1 * S, 901 * S)]))
    assert summary["window"]["n_tokens"] == 8
    assert summary["requests"]["planned"] == 1


def test_tokens_per_event_is_said_where_the_server_bundles_them() -> None:
    summary = tally_of([streamed(2 * S, output_tokens=8)]).summary(FACTS)
    assert summary["tokens_per_event"] == 2.0
    assert summary["output_throughput_per_s"] == 2.0


def test_goodput_is_throughput_where_no_bound_is_set() -> None:
    summary = tally_of([streamed(2 * S)]).summary(FACTS)
    assert summary["goodput_per_s"] == summary["request_throughput_per_s"] == 0.25


def test_the_client_says_how_late_it_was_for_failures_too() -> None:
    failed = Made(planned=2 * S, sent=2 * S + 5 * MS, outcome=Outcome.RESET)
    facts = KnownFacts([WINDOW], busy_ratio=0.25, cpu_s=0.08, stamp="kernel", n_clock_steps=1, n_lost_records=2)
    client = tally_of([failed, streamed(2 * S)]).summary(facts)["client"]
    assert client["p99_send_lag_ms"] == 5.0
    assert (client["busy_ratio"], client["cpu_s"], client["stamp"]) == (0.25, 0.08, "kernel")
    assert (client["n_clock_steps"], client["n_lost_records"]) == (1, 2)
    assert client["cpu_ratio"] == pytest.approx(0.08 / 0.16)


def test_durations_that_the_server_reports_are_shown_where_it_does() -> None:
    block = block_of([streamed(2 * S)])
    block.records["server_total_ns"] = 150 * MS
    tally = tally_of([])
    tally.add(block)
    metrics = tally.summary(FACTS)["metrics"]
    assert metrics["server_total"]["mean"] == 150.0
    assert "server_load" not in metrics


def test_a_snapshot_has_what_a_live_view_shows() -> None:
    empty = tally_of([]).snapshot()
    assert (empty.n_succeeded, dict(empty.p99_ns)) == (0, {})
    snapshot = tally_of([streamed(2 * S), Made(outcome=Outcome.TIMEOUT), Made(phase=Phase.WARMUP)]).snapshot()
    assert (snapshot.n_succeeded, snapshot.n_failed, snapshot.n_warmup) == (1, 1, 1)
    assert snapshot.p50_ns["ttft"] == 100 * MS


def test_memory_does_not_grow_with_the_number_of_requests() -> None:
    """Everything that a Tally holds is of fixed size, but for the bins of its series, which follow the clock."""
    tally = tally_of([streamed(2 * S)])
    n_bins = len(tally.series)
    kept = {name: histogram._counts for name, histogram in tally.metrics.items()}
    for _ in range(50):
        tally.add(block_of([streamed(2 * S)] * 100))
    assert len(tally.series) == n_bins
    assert all(tally.metrics[name]._counts is counts for name, counts in kept.items())
    assert tally.by_outcome == {"ok": 5001}


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(many_requests)
def test_series_count_every_phase_in_tenths_of_a_second(made: list[Made]) -> None:
    series = tally_of(made, operations=(CHAT, GET)).series
    over = [one for one in made if one.done is not None]
    assert series.n_sent.sum() == sum(one.sent is not None for one in made)
    assert (series.n_ok.sum() + series.n_failed.sum() + series.n_cancelled.sum()) == len(made)
    sent = Counter(one.sent // BIN_NS for one in made if one.sent is not None)
    assert {at: n for at, n in enumerate(series.n_sent.tolist()) if n} == sent
    ok = Counter(one.done // BIN_NS for one in over if one.outcome is Outcome.OK)  # type: ignore[operator]
    assert {at: n for at, n in enumerate(series.n_ok.tolist()) if n} == ok
    assert math.isclose(series.n_tokens.sum(), sum(one.tokens_an_event() * one.n_events for one in made), abs_tol=1e-6)
    assert len(series.from_ns) == len(series.in_flight) == len(series)


def test_in_flight_is_what_was_sent_and_is_not_over() -> None:
    made = [Made(sent=0, done=250 * MS), Made(sent=110 * MS, done=120 * MS), Made(sent=None, outcome=Outcome.CANCELLED)]
    assert tally_of(made).series.in_flight.tolist() == [1, 1, 0]


def test_a_failure_without_an_end_ended_no_earlier_than_the_one_before_it() -> None:
    made = [Made(done=450 * MS), Made(sent=0, outcome=Outcome.TIMEOUT)]
    series = tally_of(made).series
    assert series.n_failed.tolist() == [0, 0, 0, 0, 1]


def test_an_absurd_instant_makes_no_absurd_array() -> None:
    series = tally_of([Made(done=10**18)]).series
    assert len(series) == MAX_BINS
    assert series.n_ok[-1] == 1


def test_the_answers_of_a_drain_are_no_throughput_and_late_ones_of_the_warm_up_are() -> None:
    """A service asked for 100 a second does 50: the window has those that ended in it, whenever they were planned."""
    planned = np.arange(0, 1200) * 10 * MS  # 2 s of warm-up, 10 s of window
    done = np.arange(1, 1201) * 20 * MS
    block = answers(planned, done - planned)
    block.records["phase"][planned < 2 * S] = Phase.WARMUP
    tally = Tally([Op("get", False)], [parse_slo("max_e2e < 4 s")], 12 * S)
    tally.window_from_ns = 2 * S
    tally.add(block)
    summary = tally.summary(KnownFacts([(2 * S, 12 * S)]))
    assert summary["requests"]["succeeded"] == 1000
    assert summary["request_throughput_per_s"] == 50
    assert (
        summary["goodput_per_s"] == np.count_nonzero((done >= 2 * S) & (done < 12 * S) & (done - planned < 4 * S)) / 10
    )
