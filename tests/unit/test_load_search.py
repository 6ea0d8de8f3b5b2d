"""When a trial has shown enough, and a whole search against the simulator, whose limit is known."""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from loadgen.engine import Live
from loadgen.metrics import Tallies
from loadgen.plan.model import Operation
from loadgen.recipe import recipe_from_dict
from loadgen.records import Block, Outcome, Phase, empty_record
from loadgen.search import Looks
from loadgen.sweep import run
from loadgen.units import NS_PER_MS, NS_PER_S

RATE = 100
DURATION_S = 20.0


@dataclass
class Trying:
    """A trial as the engine lives through it: 100 requests a second, each of them `e2e_ms` long."""

    slos: list[str]
    recipe: dict[str, Any]
    n_pending: int = 0

    def ended_at_s(self, e2e_ms: np.ndarray, failed: np.ndarray | None = None) -> float | None:
        """When the looks ended it; None: they did not."""
        recipe = recipe_from_dict({**self.recipe, "slo": self.slos})
        tallies = Tallies((Operation("get", expects_tokens=False),), {"": recipe.slo})
        tallies.set_window(0, 0, None)
        looks, live = Looks(recipe), Live(n_in_flight=self.n_pending)
        step = RATE // 4
        for first in range(0, len(e2e_ms), step):
            tallies.add(block_of(e2e_ms, slice(first, first + step), failed))
            live.elapsed_ns = round((first + step) / RATE * NS_PER_S)
            live.n_finished = min(first + step, len(e2e_ms))
            looks(live, tallies)
            if live.is_enough:
                return live.elapsed_ns / NS_PER_S
        return None


def block_of(e2e_ms: np.ndarray, part: slice, failed: np.ndarray | None) -> Block:
    index = np.arange(len(e2e_ms))[part]
    records = np.concatenate([empty_record()] * len(index))
    planned = index * NS_PER_S // RATE
    records["index"], records["planned_at_ns"], records["sent_at_ns"] = index, planned, planned
    records["first_byte_at_ns"] = records["done_at_ns"] = planned + (e2e_ms[part] * NS_PER_MS).astype(np.int64)
    records["phase"] = Phase.MEASURE
    if failed is not None:
        records["outcome"][failed[part]] = Outcome.SERVER_ERROR
    return Block(records, np.zeros(0, np.int64))


def trying(*slos: str, n_pending: int = 0, **load: Any) -> Trying:
    service = {"kind": "http", "url": "http://127.0.0.1:9"}
    load = {"mode": "open", "rate_per_s": RATE, "duration_s": DURATION_S} | load
    return Trying(list(slos), {"service": service, "load": load}, n_pending)


N = int(RATE * DURATION_S)


def drawn(share_slow: float, seed: int = 1, n: int = N) -> np.ndarray:
    """50 ms, and 500 ms for that share of them."""
    return np.where(np.random.default_rng(seed).random(n) < share_slow, 500.0, 50.0)


def test_a_promise_that_is_clearly_broken_ends_the_trial_early_but_not_at_once() -> None:
    ended = trying("p95_e2e < 100 ms").ended_at_s(drawn(0.5))
    assert ended is not None
    assert 0.2 * DURATION_S <= ended <= 0.3 * DURATION_S


def test_promises_that_are_clearly_kept_end_it_after_half_of_the_window() -> None:
    ended = trying("p95_e2e < 100 ms", "mean_e2e < 100 ms").ended_at_s(drawn(0.001))
    assert ended is not None
    assert 0.5 * DURATION_S <= ended <= 0.6 * DURATION_S


def test_a_queue_that_grows_slowly_ends_it_as_soon_as_nothing_can_help() -> None:
    """All that comes late is alike and in a row, so it is worth few samples; but there are too many of them."""
    ended = trying("p95_e2e < 100 ms").ended_at_s(np.linspace(50, 1000, N))
    assert ended is not None
    assert ended <= 0.3 * DURATION_S


def test_what_is_not_certain_goes_on_to_the_end() -> None:
    assert trying("p95_e2e < 100 ms").ended_at_s(drawn(0.045)) is None


def test_requests_under_way_may_all_be_late_so_a_promise_is_not_kept_yet() -> None:
    assert trying("p95_e2e < 100 ms", n_pending=N).ended_at_s(drawn(0.001)) is None


def test_one_failure_breaks_a_promise_of_no_failures() -> None:
    failed = np.zeros(N, bool)
    failed[700] = True
    ended = trying("success_ratio >= 100 %").ended_at_s(drawn(0.0), failed)
    assert ended == pytest.approx(7.5, abs=0.5)
    assert trying("success_ratio >= 100 %").ended_at_s(drawn(0.0)) is None  # the last request may fail


def test_many_failures_break_a_success_ratio_and_an_error_ratio_early() -> None:
    failed = np.random.default_rng(3).random(N) < 0.2
    for slo in ("success_ratio >= 99 %", "error_ratio < 1 %"):
        ended = trying(slo).ended_at_s(drawn(0.0), failed)
        assert ended is not None
        assert ended <= 0.3 * DURATION_S


def test_a_rate_is_not_called_too_low_while_answers_are_under_way() -> None:
    assert trying("request_throughput > 1000 /s").ended_at_s(drawn(0.0)) is None


def test_a_maximum_that_was_passed_stays_broken() -> None:
    late = drawn(0.0)
    late[900] = 3000.0
    ended = trying("max_e2e < 1 s").ended_at_s(late)
    assert ended == pytest.approx(9.5, abs=0.5)


def test_a_window_by_count_is_looked_at_by_its_count() -> None:
    ended = trying("p95_e2e < 100 ms", requests=N, duration_s=None).ended_at_s(drawn(0.5))
    assert ended is not None
    assert 0.2 * DURATION_S <= ended <= 0.3 * DURATION_S


def test_looking_often_does_not_make_it_wrong_more_often() -> None:
    """At the border, where 5 in 100 are slow, no claim would be right: hardly a trial may be ended by a look, but for
    those that are past help: their whole window breaks the promise too."""
    n_wrong = 0
    for seed in range(25):
        e2e_ms = drawn(0.05, seed)
        ended = trying("p95_e2e < 100 ms").ended_at_s(e2e_ms)
        n_wrong += ended is not None and (e2e_ms > 100).mean() <= 0.05
    assert n_wrong <= 1


SEARCH = """\
service: {kind: simulator, slots: 4, ttft_ms: 30, itl_ms: 10}
workload: {output_tokens: 3, prompts: {input_tokens: 8}}
load: {concurrency: 1, duration_s: 1, drain_s: 5}
search: {field: load.concurrency, from: 1, to: 16, precision: 10 %}
slo: [p50_e2e < 80 ms]
"""


@pytest.fixture
def searched(tmp_path: Path) -> Any:
    (tmp_path / "search.yaml").write_text(SEARCH)
    return run(tmp_path / "search.yaml", results=tmp_path / "results", reports=tmp_path / "reports")


def test_a_search_finds_where_the_simulator_begins_to_queue(searched: Any) -> None:
    """Four places and 50 ms: 6 clients wait 25 ms each on average, 7 wait 37 ms."""
    report = json.loads((searched.report / "report.json").read_text())
    search = report["search"]
    assert searched.exit_code == 0
    assert 4 <= search["found"] <= 6
    assert search["high"] - search["low"] == 1
    assert search["n_probes"] == len(searched.bundles) == len(report["points"])
    assert report["recommendation"] == search["says"]
    entries = [bundle.run["sweep"] for bundle in searched.bundles]
    assert [entry["point"] for entry in entries] == list(range(len(entries)))
    assert {entry["n_points"] for entry in entries} == {None}
    assert {entry["first_id"] for entry in entries} == {searched.bundles[0].id}
    assert entries[0]["search"] == {"field": "load.concurrency", "from": 1, "to": 16, "precision": 0.1}
    tried = dict.fromkeys(entry["axes"]["load.concurrency"] for entry in entries)  # a busy host may cost a second trial
    assert list(tried)[:3] == [1, 2, 4]
    assert all(bundle.status == "complete" for bundle in searched.bundles)


def test_a_search_whose_lowest_load_breaks_ends_there_with_exit_code_1(tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(SEARCH.replace("80 ms", "20 ms"))
    result = run(tmp_path / "search.yaml", results=tmp_path / "results", reports=tmp_path / "reports")
    assert result.exit_code == 1
    assert {bundle.run["sweep"]["axes"]["load.concurrency"] for bundle in result.bundles} == {1}
    assert "Even the lowest load, 1 client, does not hold" in (result.report / "report.md").read_text()  # type: ignore[operator]
