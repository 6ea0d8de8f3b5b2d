"""Several services in one run: each has the figures that it would have alone."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import MS, Made, Op, S, block_of, requests, streamed
from test_checks import LOST
from test_tally import _rounded

from loadgen.metrics import KnownFacts, Tallies, Tally
from loadgen.metrics.recalculate import recalculate
from loadgen.recipe.slo import parse_slo
from loadgen.records import Block, Outcome, Phase

CHAT, GET, SET = Op("chat", True, "llm"), Op("get", False, "cache"), Op("set", False, "cache")
OPERATIONS = (CHAT, GET, SET)
WINDOWS = ((1 * S, 3 * S), (2 * S, 5 * S))
SLOS = {
    "llm": [parse_slo("llm.p50_ttft < 1500 ms")],
    "cache": [parse_slo("cache.p50_e2e < 1 s"), parse_slo("success_ratio >= 50 %")],
}


def tallies_of(*blocks: Block) -> Tallies:
    tallies = Tallies(OPERATIONS, SLOS)
    for job, window in enumerate(WINDOWS):
        tallies.set_window(job, *window)
    for block in blocks:
        tallies.add(block)
    return tallies


def alone(made: list[Made], service: str, operations: tuple[Op, ...], window: tuple[int, int]) -> dict[str, Any]:
    tally = Tally(operations, SLOS[service], window[1], first_operation=OPERATIONS.index(operations[0]))
    tally.window_from_ns = window[0]
    tally.add(block_of(made))
    summary = tally.summary(KnownFacts([window]))
    del summary["client"]
    return summary


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(st.lists(requests(n_operations=3), min_size=1, max_size=30))
def test_each_service_has_the_figures_that_it_would_have_alone(made: list[Made]) -> None:
    summary = tallies_of(block_of(made)).summary(KnownFacts(WINDOWS))
    chats, others = [one for one in made if one.operation == 0], [one for one in made if one.operation > 0]
    by_themselves = {
        "llm": alone(chats, "llm", (CHAT,), WINDOWS[0]),
        "cache": alone(others, "cache", (GET, SET), WINDOWS[1]),
    }
    for part in (*summary["services"].values(), *by_themselves.values()):
        for entry in part["slo"]:
            del entry["verdict"], entry["needs_n"]  # of several services all bounds are one family
    assert _rounded(summary["services"]) == _rounded(by_themselves)
    json.dumps(summary, allow_nan=False)


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(st.lists(requests(n_operations=3), min_size=1, max_size=30))
def test_all_services_together_have_the_sums(made: list[Made]) -> None:
    tallies = tallies_of(block_of(made))
    summary = tallies.summary(KnownFacts(WINDOWS))
    services = summary["services"].values()
    for key in ("planned", "sent", "finished", "succeeded", "failed", "cancelled", "warmup", "drain"):
        assert summary["requests"][key] == sum(service["requests"][key] for service in services)
    assert (tallies.n_succeeded, tallies.n_failed) == (summary["requests"]["succeeded"], summary["requests"]["failed"])
    assert tallies.by_outcome == summary["requests"]["by_outcome"]
    assert tallies.snapshot().n_succeeded == tallies.n_succeeded
    assert tallies.n_wrong == tallies.snapshot().n_wrong == summary.get("wrong", 0)


def test_bounds_are_said_as_they_were_written_with_the_service_that_they_were_held_against() -> None:
    summary = tallies_of(block_of([Made(operation=1, outcome=Outcome.RESET)])).summary(KnownFacts(WINDOWS))
    assert [(entry["service"], entry["expression"], entry["verdict"]) for entry in summary["slo"]] == [
        ("llm", "llm.p50_ttft < 1500 ms", "FAIL"),
        ("cache", "cache.p50_e2e < 1 s", "FAIL"),
        ("cache", "success_ratio >= 50 %", "UNDECIDED"),  # one failure of one might be one of two
    ]


def test_findings_belong_to_their_service_and_count_in_all() -> None:
    made = [Made(operation=0, checked=True), Made(operation=1, checked=True, outcome=Outcome.WRONG_ANSWER)]
    summary = tallies_of(block_of(made)).summary(KnownFacts(WINDOWS), {"cache": [LOST]})
    assert (summary["checked"], summary["wrong"]) == (102, 3)
    assert (summary["services"]["cache"]["wrong"], summary["services"]["llm"]["wrong"]) == (3, 0)
    assert [finding["service"] for finding in summary["findings"]] == ["cache"]


def test_the_client_is_one_for_all_services() -> None:
    made = [streamed(2 * S), Made(operation=1, planned=3 * S, sent=3 * S + 7 * MS, done=3 * S + 9 * MS)]
    summary = tallies_of(block_of(made)).summary(KnownFacts(WINDOWS, cpu_s=0.1))
    assert summary["client"]["p99_send_lag_ms"] == 7.0
    assert summary["client"]["cpu_ratio"] == pytest.approx(0.1 / 1.008)
    assert all("client" not in service for service in summary["services"].values())


def test_one_service_is_the_whole_run() -> None:
    made = [streamed(2 * S), streamed(3 * S, outcome=Outcome.WRONG_ANSWER, checked=True)]
    slos = [parse_slo("p99_ttft < 1 s")]
    tallies, tally = Tallies([Op("chat", True)], {"": slos}), Tally([Op("chat", True)], slos, 5 * S)
    tallies.set_window(0, 1 * S, 5 * S)
    tally.window_from_ns = 1 * S
    for one in (tallies, tally):
        one.add(block_of(made))
    facts = KnownFacts([(1 * S, 5 * S)])
    assert tallies.summary(facts, {"": [LOST]}) == tally.summary(facts, [LOST])
    assert list(tallies.by_service) == [""]


def test_operations_of_a_service_that_do_not_stand_together_are_a_mistake() -> None:
    with pytest.raises(ValueError, match="operations of cache do not stand together"):
        Tallies((GET, CHAT, SET), {})


class Kept:
    """A killed run of two services."""

    operations = OPERATIONS
    run = {  # noqa: RUF012
        "recipe": {
            "services": {"llm": {}, "cache": {}},
            "loads": {"llm": {"warmup_s": 1, "duration_s": 2.0}, "cache": {"warmup_requests": 1}},
            "slo": ["p50_ttft < 1500 ms", "cache.p50_e2e < 1 s", "success_ratio >= 50 %", "recall > 50 %"],
        }
    }

    def blocks(self) -> list[Block]:
        warmup = Made(operation=1, planned=S, done=2 * S, phase=Phase.WARMUP)
        measured = [Made(operation=number, planned=2 * S, done=4 * S) for number in (2, 1)]
        return [block_of([streamed(2 * S), warmup]), block_of(measured)]


def test_the_figures_of_a_killed_run_are_worked_out_service_by_service() -> None:
    _, summary = recalculate(Kept())
    windows = {name: (own["window"]["from_ns"], own["window"]["to_ns"]) for name, own in summary["services"].items()}
    assert windows == {"llm": (1 * S, 2 * S + 161 * MS), "cache": (2 * S, 4 * S)}
    assert [(entry["service"], entry["metric"]) for entry in summary["slo"]] == [
        ("llm", "ttft"),
        ("llm", "success_ratio"),
        ("cache", "e2e"),
        ("cache", "success_ratio"),
    ]
