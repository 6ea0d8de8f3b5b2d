"""Figures as people read them, with how sure they are."""

from dataclasses import replace
from typing import Any

import pytest
from synthetic_runs import make_bundle
from test_report_files import SHORT, written

from loadgen.report import write_report
from loadgen.report.facts import facts_of
from loadgen.report.intervals import (
    Sure,
    around,
    in_a_cell,
    in_words,
    interval,
    ratio_in_words,
    sure_figure,
    sure_mean,
    sure_percentile,
    two_digits,
)
from loadgen.report.numbers import is_certified
from loadgen.report.slos import limit_of
from loadgen.report.text import run_lines
from loadgen.report.verdict import verdict_of


@pytest.mark.parametrize(
    ("sure", "words", "cell"),
    [
        (Sure(412, (394, 430)), "412 ± 18 ms", "412 ± 18"),
        (Sure(412, (398, 441)), "412 ms (398 to 441)", "412 (398 to 441)"),
        (Sure(20, (20, 20)), "20.0 ± 0 ms", "20.0 ± 0"),
        (Sure(412), "412 ms", "412"),
        (Sure(412, None, False, 662), "[412] ms", "[412, needs 662]"),
        (Sure(412, (398, 441), False, 662), "[412] ms (398 to 441)", "[412 (398 to 441), needs 662]"),
        (Sure(412, None, False), "[412] ms", "[412]"),
        (Sure(None, None, False, 662), "-", "-"),
    ],
)
def test_a_figure_is_said_with_how_sure_it_is(sure: Sure, words: str, cell: str) -> None:
    assert (in_words(sure), in_a_cell(sure)) == (words, cell)


def test_half_an_interval_has_two_digits() -> None:
    assert [two_digits(half) for half in (0, 0.0712, 2.13, 34.2, 1234.0)] == ["0", "0.071", "2.1", "34", "1,200"]


def test_a_share_is_said_between_two_shares() -> None:
    assert ratio_in_words(Sure(0.986, (0.979, 0.991))) == "98.6 % (97.9 to 99.1)"
    assert ratio_in_words(Sure(1.0)) == "100 %"
    assert ratio_in_words(Sure(None, (0.0, 0.1))) == "-"


@pytest.mark.parametrize("pair", [None, [1.0], [1.0, None], "ab", [1.0, float("nan")]])
def test_what_is_no_interval_is_none(pair: Any) -> None:
    assert interval(pair) is None


def test_figures_are_taken_from_where_a_summary_has_them() -> None:
    metric = {
        "n": 500,
        "mean": 3.0,
        "mean_ci95": [2.0, 4.0],
        "percentiles": {"p99": {"value": 9.0, "ci95": [8.0, 12.0], "certified": False, "needs_n": 900}},
    }
    assert sure_percentile(metric, "p99") == Sure(9.0, (8.0, 12.0), False, 900)
    assert sure_mean(metric) == Sure(3.0, (2.0, 4.0))
    summary = {"goodput_per_s": 5.0, "ci95": {"goodput_per_s": [4.0, 6.0]}}
    assert around(sure_figure(summary, "goodput_per_s")) == "± 1.0"


def test_a_summary_from_before_there_were_intervals_goes_by_its_number_of_samples() -> None:
    entry = {"value": 9.0, "ci95": None, "certified": None, "needs_n": None}
    metric = {"n": 500, "percentiles": {"p95": entry, "p99": entry}}
    assert sure_percentile(metric, "p95") == Sure(9.0, None, True, None)
    assert sure_percentile(metric, "p99") == Sure(9.0, None, False, 662)
    assert is_certified(metric, "p95")


def entry_of(verdict: str, **more: Any) -> dict[str, Any]:
    return {"expression": "p99_ttft < 400 ms", "value": 380.0, "verdict": verdict, **more}


def test_an_undecided_limit_says_how_many_more_samples_would_decide() -> None:
    limits = [
        limit_of(entry_of("UNDECIDED", n=100, needs_n=512)),
        limit_of(entry_of("UNDECIDED", n=100, needs_n=None)),
        limit_of(entry_of("PASS", n=100, needs_n=None)),
    ]
    assert [limit.wanted for limit in limits if limit] == [
        "not enough samples: 412 more would decide",
        "not enough samples to tell",
        "",
    ]
    assert [limit.holds for limit in limits if limit] == [False, False, True]


def test_a_run_of_too_few_samples_is_undecided_and_says_what_would_decide(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", SHORT)
    verdict = verdict_of(facts_of(bundle))
    assert verdict.value == "UNDECIDED"
    assert " more would decide" in verdict.sentence
    page, report = written(write_report(bundle, tmp_path / "reports"))
    assert "UNDECIDED: not enough samples: " in page
    undecided = [entry for entry in report["slo"] if entry["verdict"] == "UNDECIDED"]
    assert all(entry["needs_n"] > entry["n"] > 0 for entry in undecided)
    assert any(line.startswith("UNDECIDED  p99_ttft < 400 ms") for line in run_lines(bundle))


def test_a_broken_limit_is_said_before_an_undecided_one(tmp_path) -> None:
    slos = ("p50_ttft < 1 ms", "p99.9_e2e < 1 s")
    verdict = verdict_of(facts_of(make_bundle(tmp_path, replace(SHORT, slos=slos))))
    assert verdict.value == "FAIL"
    assert "1 of 2 limits broken" in verdict.sentence
    assert "1 more undecided" in verdict.sentence


def test_a_page_says_how_sure_each_percentile_is(tmp_path) -> None:
    page, _ = written(write_report(make_bundle(tmp_path / "results", SHORT), tmp_path / "reports"))
    row = next(line for line in page.splitlines() if line.startswith("| time to first token (ttft)"))
    p50, p999 = row.split("|")[4].strip(), row.split("|")[8].strip()
    assert "±" in p50 or " to " in p50
    assert p999.startswith("[")
    assert ", needs " in p999
    assert "with 95 % confidence" in page
    assert "coordinated omission" in page
    assert "settled" in page


def test_an_open_loop_s_page_has_no_word_of_what_a_closed_one_leaves_out(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", replace(SHORT, rate_per_s=40.0))
    page, _ = written(write_report(bundle, tmp_path / "reports"))
    assert "coordinated omission" not in page
