"""How sure a run's figures are: what depends on its neighbours is worth less, and what is too little says so."""

import json
from typing import Any

import numpy as np
import pytest
from made_records import MS, Made, Op, S, answers, block_of, streamed
from numpy.typing import NDArray

from loadgen.metrics import KnownFacts, Tally
from loadgen.records import NEVER, Outcome

GET = Op("get", False)
LENGTH_S = 20
Ints = NDArray[np.int64]


def summary_of(planned_ns: Ints, e2e_ns: Ints, outcomes: Any = Outcome.OK, length_s: float = LENGTH_S) -> Any:
    tally = Tally([GET], [])
    tally.window_from_ns = 0
    block = answers(planned_ns, e2e_ns)
    by_instant = np.argsort(planned_ns + e2e_ns, kind="stable")
    block.records["outcome"] = outcomes if np.ndim(outcomes) == 0 else np.asarray(outcomes)[by_instant]
    tally.add(block)
    return tally.summary(KnownFacts([(0, round(length_s * S))]))


def poisson(n: int, seed: int, length_s: float = LENGTH_S) -> Ints:
    draws = np.random.default_rng(seed).random(n)
    return (np.sort(draws) * length_s * S).astype(np.int64)


def independent(n: int, seed: int) -> Ints:
    return np.random.default_rng(seed + 1000).lognormal(np.log(20 * MS), 0.5, n).astype(np.int64)


def drawn_out(n: int, seed: int, memory: float = 0.95) -> Ints:
    """Each as long as the one before it, about: an AR(1) of the logarithms, with the law of independent()."""
    noise = np.random.default_rng(seed + 2000).standard_normal(n) * np.sqrt(1 - memory**2)
    logs = np.empty(n)
    logs[0] = noise[0] / np.sqrt(1 - memory**2)
    for i in range(1, n):
        logs[i] = memory * logs[i - 1] + noise[i]
    return (20 * MS * np.exp(0.5 * logs)).astype(np.int64)


def test_independent_answers_are_worth_their_number_and_those_alike_their_neighbours_are_not() -> None:
    alone = summary_of(poisson(2000, 1), independent(2000, 1))["metrics"]["e2e"]
    alike = summary_of(poisson(2000, 1), drawn_out(2000, 1))["metrics"]["e2e"]
    assert alone["n_effective"] > 1000
    assert alike["n_effective"] < 300  # 2000 (1 - 0.95) / (1 + 0.95) = 51, of the logarithms
    assert alike["n"] == alone["n"] == 2000
    assert _width(alike["mean_ci95"]) > 2 * _width(alone["mean_ci95"])
    assert _width(alike["percentiles"]["p50"]["ci95"]) > 2 * _width(alone["percentiles"]["p50"]["ci95"])


def _width(interval: list[float]) -> float:
    return interval[1] - interval[0]


@pytest.mark.parametrize("make", [independent, drawn_out])
@pytest.mark.parametrize(("name", "score"), [("p50", 0.0), ("p90", 1.2816)])
def test_an_interval_holds_the_truth_about_as_often_as_it_promises(make: Any, name: str, score: float) -> None:
    truth, n_runs, held = 20 * np.exp(0.5 * score), 60, 0
    for seed in range(n_runs):
        entry = summary_of(poisson(1500, seed), make(1500, seed))["metrics"]["e2e"]["percentiles"][name]
        interval = entry["ci95"] or [0, np.inf]  # too few to bound it: nothing is claimed
        held += interval[0] <= truth <= interval[1]
    assert held >= 50  # of 57 expected; fewer than 50 would be 1 in 3,000


def test_an_interval_lies_around_its_value_and_within_what_was_seen() -> None:
    for n in (5, 12, 100, 700, 7000):
        metric = summary_of(poisson(n, n), independent(n, n))["metrics"]["e2e"]
        for name, entry in metric["percentiles"].items():
            if entry["ci95"] is not None:
                assert metric["min"] <= entry["ci95"][0] <= entry["value"] <= entry["ci95"][1] <= metric["max"], name


def test_a_percentile_is_certified_by_what_its_samples_are_worth_and_else_says_how_many_it_needs() -> None:
    percentiles = summary_of(poisson(2000, 3), drawn_out(2000, 3))["metrics"]["e2e"]["percentiles"]
    p50, p999 = percentiles["p50"], percentiles["p99.9"]
    assert (p50["certified"], p50["needs_n"]) == (p50["n_effective"] >= 11, None)
    assert not p999["certified"]
    assert p999["needs_n"] == pytest.approx(6636 * 2000 / p999["n_effective"], rel=0.01)
    assert p999["ci95"] is None  # 2000 samples do not bound it on both sides


@pytest.mark.parametrize("n", [0, 1, 2, 5])
def test_of_hardly_any_samples_nothing_is_claimed_and_nothing_is_no_number(n: int) -> None:
    summary = summary_of(poisson(n, 1), independent(n, 1))
    json.dumps(summary, allow_nan=False)
    metric = summary["metrics"]["e2e"]
    assert 0 <= metric["n_effective"] <= n
    assert not any(entry["certified"] for entry in metric["percentiles"].values())
    assert all(entry["needs_n"] >= 11 for entry in metric["percentiles"].values())
    assert metric["percentiles"]["p99"]["ci95"] is None
    if n < 2:
        assert metric["mean_ci95"] is None


def test_identical_values_are_sure_and_are_worth_their_number() -> None:
    metric = summary_of(poisson(800, 4), np.full(800, 20 * MS))["metrics"]["e2e"]
    assert metric["n_effective"] == 800
    assert metric["mean_ci95"] == [20.0, 20.0]
    assert metric["percentiles"]["p99"]["certified"]
    assert metric["percentiles"]["p99"]["ci95"] == [20.0, 20.0]


def test_no_success_leaves_every_confidence_null() -> None:
    summary = summary_of(poisson(50, 5), independent(50, 5), Outcome.TIMEOUT)
    json.dumps(summary, allow_nan=False)
    assert summary["metrics"]["e2e"]["mean_ci95"] is None
    assert summary["ci95"]["success_ratio"] == pytest.approx([0, 0.0713], abs=1e-3)  # Wilson, of 0 in 50
    assert summary["ci95"]["request_throughput_per_s"] == [0.0, 0.0]


def test_a_beat_is_surer_than_arrivals_at_random() -> None:
    """A closed loop's answers come in waves: what one stretch has too many the next has too few."""
    beat = np.repeat(np.arange(0, LENGTH_S * S, 300 * MS), 8)
    even = summary_of(beat, np.full(len(beat), 290 * MS))
    random = summary_of(poisson(len(beat), 6), independent(len(beat), 6))
    rate = len(beat) / LENGTH_S
    assert _width(even["ci95"]["request_throughput_per_s"]) < 0.05 * rate
    assert _width(random["ci95"]["request_throughput_per_s"]) > 0.08 * rate


def test_the_interval_of_a_rate_holds_it_about_as_often_as_it_promises() -> None:
    held = 0
    for seed in range(60):
        n = int(np.random.default_rng(seed).poisson(50 * LENGTH_S))
        low, high = summary_of(poisson(n, seed), independent(n, seed))["ci95"]["request_throughput_per_s"]
        held += low <= 50 <= high
    assert held >= 50


def test_failures_that_come_together_tell_less_than_as_many_that_come_alone() -> None:
    planned, e2e = poisson(2000, 7), independent(2000, 7)
    together = np.zeros(2000, np.uint8)
    together[900:1000] = Outcome.SERVER_ERROR
    alone = np.random.default_rng(7).permutation(together)
    wide, narrow = (summary_of(planned, e2e, some)["ci95"]["success_ratio"] for some in (together, alone))
    assert wide[0] < narrow[0] < 0.95 < narrow[1] < wide[1]


def test_lags_and_the_server_s_own_durations_have_no_confidence() -> None:
    block = block_of([streamed(S), streamed(2 * S)])
    block.records["server_total_ns"] = [NEVER, 150 * MS]
    tally = Tally([Op("chat", True)], [])
    tally.add(block)
    metrics = tally.summary(KnownFacts([(0, 3 * S)]))["metrics"]
    for name in ("send_lag", "read_lag", "server_total"):
        assert (metrics[name]["n_effective"], metrics[name]["mean_ci95"]) == (None, None)
        assert metrics[name]["percentiles"]["p99"]["certified"] is None


def test_each_operation_has_its_own_confidence() -> None:
    tally = Tally([GET, Op("set", False)], [])
    tally.add(answers(poisson(400, 8), independent(400, 8)))
    tally.add(block_of([Made(operation=1, planned=S, done=2 * S)]))
    summary = tally.summary(KnownFacts([(0, LENGTH_S * S)]))
    by_operation = {name: own["metrics"]["e2e"]["n_effective"] for name, own in summary["by_operation"].items()}
    assert by_operation["get"] > 100
    assert by_operation["set"] == 1
    assert "ci95" in summary["by_operation"]["set"]
    assert "steady_state" not in summary["by_operation"]["set"]
