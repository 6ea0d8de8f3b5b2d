"""Whether what came back was right: answers that were checked, wrong ones, error codes, recall, findings."""

from typing import Any, NamedTuple

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_records import MS, Made, Op, S, block_of, requests

from loadgen.metrics import KnownFacts, Tally
from loadgen.metrics.figures import MOST_ERROR_CODES, OTHER_CODES
from loadgen.recipe.slo import parse_slo
from loadgen.records import Outcome, Phase

GET, SEARCH = Op("get", False), Op("search", False, top_k=10)
FACTS = KnownFacts([(0, 4 * S)])


class Found(NamedTuple):
    name: str
    n_checked: int
    n_wrong: int
    text: str


LOST = Found("acknowledged writes", 100, 2, "2 of 100 acknowledged writes were lost")


def summary_of(made: list[Made], *findings: Found, slos: tuple[str, ...] = ()) -> dict[str, Any]:
    tally = Tally([GET, SEARCH], [parse_slo(text) for text in slos])
    tally.add(block_of(made))
    return tally.summary(FACTS, findings)


@settings(deadline=None)  # a summary may take longer on a busy machine
@given(st.lists(requests(n_operations=2), min_size=1, max_size=30))
def test_checked_and_wrong_answers_of_the_window_are_counted(made: list[Made]) -> None:
    summary = summary_of(made)
    measured = [one for one in made if one.phase is Phase.MEASURE]
    n_checked = sum(one.checked for one in measured)
    n_wrong = sum(one.outcome is Outcome.WRONG_ANSWER for one in measured)
    assert (summary.get("checked", 0), summary.get("wrong", 0)) == (n_checked, n_wrong)
    assert ("checked" in summary) == ("wrong" in summary) == (n_checked + n_wrong > 0)
    n_outside = sum(one.outcome is Outcome.WRONG_ANSWER for one in made) - n_wrong
    assert summary.get("wrong_outside_window", 0) == n_outside
    by_operation = summary["by_operation"]
    assert sum(one.get("checked", 0) for one in by_operation.values()) == n_checked


def test_what_was_looked_at_after_the_run_counts_as_checked_and_is_listed() -> None:
    summary = summary_of([Made(checked=True), Made(checked=True, outcome=Outcome.WRONG_ANSWER)], LOST)
    assert (summary["checked"], summary["wrong"]) == (102, 3)
    assert summary["by_operation"]["get"]["wrong"] == 1
    assert summary["findings"] == [
        {"name": "acknowledged writes", "checked": 100, "wrong": 2, "text": "2 of 100 acknowledged writes were lost"}
    ]


def test_without_checks_there_is_no_word_of_them() -> None:
    assert not summary_of([Made()]).keys() & {"checked", "wrong", "wrong_outside_window", "findings", "recall"}


def test_wrong_answers_stand_after_goodput_and_are_failures() -> None:
    summary = summary_of([Made(checked=True, outcome=Outcome.WRONG_ANSWER), Made(checked=True)])
    keys = list(summary)
    assert keys[keys.index("goodput_per_s") :][:3] == ["goodput_per_s", "checked", "wrong"]
    assert summary["success_ratio"] == 0.5


def test_error_codes_of_failures_are_counted_the_most_frequent_first() -> None:
    failed = [Made(outcome=Outcome.SERVER_ERROR, error_code=code) for code in ("OOM", "LOADING", "LOADING", "")]
    unmeasured = Made(outcome=Outcome.SERVER_ERROR, error_code="BUSY", phase=Phase.DRAIN)
    cancelled = Made(outcome=Outcome.CANCELLED, error_code="BUSY")
    summary = summary_of([*failed, unmeasured, cancelled, Made()])
    assert list(summary["requests"]["by_error_code"].items()) == [("LOADING", 2), ("OOM", 1)]
    assert "by_error_code" not in summary_of([Made()])["requests"]


def test_a_server_that_makes_up_codes_fills_no_memory() -> None:
    made = [Made(outcome=Outcome.CLIENT_ERROR, error_code=f"E{number:05d}") for number in range(1000)]
    codes = summary_of(made)["requests"]["by_error_code"]
    assert len(codes) == MOST_ERROR_CODES + 1
    assert codes[OTHER_CODES] == 1000 - MOST_ERROR_CODES


def test_recall_is_of_successes_of_operations_that_ask_for_neighbours() -> None:
    made = [Made(operation=1, n_hits=n) for n in (10, 9, 5, 10)]
    others = [Made(operation=0, n_hits=1), Made(operation=1, n_hits=0, outcome=Outcome.TIMEOUT), Made(operation=1)]
    summary = summary_of([*made, *others])
    expected = {"mean": 0.85, "p1": 0.5, "p5": 0.5, "min": 0.5, "n": 4}
    assert summary["recall"] == pytest.approx(expected)
    assert summary["by_operation"]["search"]["recall"] == pytest.approx(expected)
    assert "recall" not in summary["by_operation"]["get"]


@pytest.mark.parametrize(
    ("text", "value", "verdict"),
    [
        ("recall >= 80 %", 0.85, "PASS"),
        ("recall >= 85 %", 0.85, "UNDECIDED"),  # it lies on the bound: no number of samples would tell
        ("mean_recall > 0.9", 0.85, "FAIL"),
        ("p5_recall >= 0.5", 0.5, "PASS"),
        ("p40_recall >= 0.95", 0.9, "FAIL"),
        ("min_recall > 0.5", 0.5, "FAIL"),
        ("min_recall >= 0.5", 0.5, "PASS"),
    ],
)
def test_a_bound_on_recall_holds_its_mean_its_percentile_or_its_minimum(text: str, value: float, verdict: str) -> None:
    hits = np.random.default_rng(5).permutation([10, 9, 5, 10] * 100).tolist()
    made = [Made(operation=1, n_hits=n, planned=i * 4 * MS, done=i * 4 * MS + MS) for i, n in enumerate(hits)]
    (entry,) = summary_of(made, slos=(text,))["slo"]
    assert (entry["value"], entry["unit"], entry["verdict"]) == (pytest.approx(value), "ratio", verdict)
