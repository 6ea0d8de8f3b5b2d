"""Whole reports of odd runs: a report that says so, never NaN, never a traceback, never a secret."""

import json
import os
import re
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
from synthetic_runs import SECRET, Shape, block_of, make_bundle, make_sweep

from loadgen.bundle.read import Bundle
from loadgen.metrics.recalculate import recalculate
from loadgen.records import RECORD_DTYPE, Block
from loadgen.report import write_report, write_sweep_report
from loadgen.report.facts import facts_of
from loadgen.report.text import run_lines, sweep_lines
from loadgen.report.verdict import verdict_of

SHORT = Shape(duration_s=5.0, warmup_s=1.0, n_tokens=8, gap_ms=10.0)

EMPTY = Block(np.zeros(0, RECORD_DTYPE), np.zeros(0, np.int64))

RUN_SHAPES = {
    "a whole run": SHORT,
    "no success at all": replace(SHORT, fail_share=1.0),
    "plain HTTP": replace(SHORT, n_tokens=0, slos=("p99_e2e < 1 s",)),
    "a single token": replace(SHORT, n_tokens=1),
    "one request": replace(SHORT, clients=1, duration_s=0.2, warmup_s=0.0),
    "an open loop": replace(SHORT, rate_per_s=40.0),
    "no limits": replace(SHORT, slos=()),
    "interrupted": replace(SHORT, status="interrupted"),
    "failed": replace(SHORT, status="failed", fail_share=1.0),
    "killed": replace(SHORT, status=None),
    "a window of no length": replace(SHORT, duration_s=0.0),
    "every request in the warm-up": replace(SHORT, warmup_s=6.0, duration_s=0.0),
    "no commit": replace(SHORT, git_commit=None, description=None),
}


def written(folder) -> tuple[str, dict]:
    return (folder / "report.md").read_text("utf-8"), json.loads((folder / "report.json").read_text("utf-8"))


def assert_is_sound(page: str, report: dict, folder) -> None:
    everything = page + json.dumps(report)
    assert re.findall(r"\b(NaN|nan|Infinity|inf|None)\b", everything) == []
    assert SECRET not in everything
    for picture in re.findall(r"\((plots/[^)]+)\)", page):
        assert picture in report["plots"]
        assert (folder / picture).is_file()


@pytest.mark.parametrize("kind", RUN_SHAPES)
def test_a_report_of_any_run_is_sound(kind: str, tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", RUN_SHAPES[kind])
    folder = write_report(bundle, tmp_path / "reports")
    page, report = written(folder)
    assert folder == tmp_path / "reports" / bundle.id
    assert_is_sound(page, report, folder)
    assert report["benchmark_id"] == bundle.id
    assert page.startswith(
        f"# {bundle.id}: chat_sweep\n\n**{report['verdict']['value']}:** {report['verdict']['sentence']}"
    )
    assert f"loadgen --rerun {bundle.id}" in page
    assert run_lines(bundle)[-1] == f"{report['verdict']['value']}: {report['verdict']['sentence']}"


@pytest.mark.parametrize("status", ["complete", "failed", None])
def test_a_run_that_sent_nothing_says_so(status, tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", replace(SHORT, status=status), EMPTY)
    folder = write_report(bundle, tmp_path / "reports")
    page, report = written(folder)
    assert_is_sound(page, report, folder)
    assert report["verdict"]["value"] == "NO RESULT"
    assert "There is no picture over_time.png: nothing was sent." in page


def test_a_failed_run_without_a_summary_says_so(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", replace(SHORT, status="failed"), EMPTY)
    (bundle.folder / "summary.json").unlink()
    page, report = written(write_report(Bundle(bundle.folder), tmp_path / "reports"))
    assert report["recounted"] is True
    assert "the run failed" in page


def test_a_line_that_was_cut_is_said_and_the_rest_is_used(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", replace(SHORT, status=None))
    whole = bundle.requests_path.read_bytes()
    bundle.requests_path.write_bytes(whole[:-200])
    page, report = written(write_report(Bundle(bundle.folder), tmp_path / "reports"))
    assert report["verdict"]["value"] == "PARTIAL"
    assert "the last line is cut" in page
    assert report["summary"]["requests"]["succeeded"] > 100


@pytest.mark.parametrize(
    ("shape", "value"),
    [
        (replace(SHORT, slos=("p90_ttft < 400 ms",)), "PASS"),
        (SHORT, "UNDECIDED"),
        (replace(SHORT, fail_share=0.5), "FAIL"),
        (replace(SHORT, fail_share=1.0), "FAIL"),
        (replace(SHORT, slos=()), "NO SLO"),
        (replace(SHORT, status="interrupted"), "PARTIAL"),
        (replace(SHORT, status="failed", fail_share=1.0), "FAIL"),
    ],
)
def test_the_verdict_is_of_what_was_measured(shape: Shape, value: str, tmp_path) -> None:
    assert verdict_of(facts_of(make_bundle(tmp_path, shape))).value == value


def test_a_tally_in_hand_gives_the_same_report_as_the_requests(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", SHORT)
    tally, _ = recalculate(bundle)
    first, second = write_report(bundle, tmp_path / "a"), write_report(bundle, tmp_path / "b", tally)
    for name in ("report.md", "report.json", "plots/latency.png", "plots/over_time.png"):
        assert (first / name).read_bytes() == (second / name).read_bytes()


def test_a_report_written_again_takes_the_old_one_s_place(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", SHORT)
    once = written(write_report(bundle, tmp_path / "reports"))
    assert written(write_report(bundle, tmp_path / "reports")) == once


def test_text_from_a_server_cannot_break_the_page(tmp_path) -> None:
    shape = replace(SHORT, name="a|b\nc <script>", description="x | y\n\n<b>z</b>", service={"version": "1|2\n3"})
    page, _ = written(write_report(make_bundle(tmp_path / "results", shape), tmp_path / "reports"))
    assert "<script>" not in page
    assert "<b>" not in page
    assert "1\\|2 3" in page


SWEEP_CASES = {
    "loads": {"field_name": "clients", "values": [1, 4, 16]},
    "one point": {"field_name": "clients", "values": [4]},
    "one point without success": {"field_name": "clients", "values": [4], "at": {4: {"fail_share": 1.0}}},
    "a failed and an interrupted point": {
        "field_name": "clients",
        "values": [1, 4, 16],
        "at": {4: {"status": "interrupted"}, 16: {"status": "failed", "fail_share": 1.0}},
    },
    "a killed point": {"field_name": "clients", "values": [1, 4], "at": {1: {"status": None}}},
    "models": {"field_name": "model", "values": ["a", "b"], "at": {"b": {"status": "interrupted"}}},
    "rates": {"field_name": "rate_per_s", "values": [20.0, 40.0]},
    "plain HTTP": {"field_name": "n_tokens", "values": [0], "at": {}},
}


@pytest.mark.parametrize("kind", SWEEP_CASES)
def test_a_report_of_any_sweep_is_sound(kind: str, tmp_path) -> None:
    bundles = make_sweep(tmp_path / "results", SHORT, **SWEEP_CASES[kind])
    folder = write_sweep_report(bundles, tmp_path / "reports")
    page, report = written(folder)
    assert folder.name == f"sweep_{bundles[0].id}_{bundles[-1].id}"
    assert_is_sound(page, report, folder)
    assert report["recommendation"] in page
    assert [point["benchmark_id"] for point in report["points"]] == [bundle.id for bundle in bundles]
    assert len(sweep_lines(report)) == 1 + len(bundles)


def test_a_sweep_s_report_has_the_promised_keys_and_a_reason_for_each_null(tmp_path) -> None:
    _, report = written(write_sweep_report(make_sweep(tmp_path, SHORT, "clients", [1, 16]), tmp_path / "reports"))
    promised = {
        "schema_version",
        "first_id",
        "last_id",
        "axes",
        "points",
        "slo_limit",
        "knee",
        "usl",
        "saturated",
        "recommendation",
    }
    assert promised <= set(report)
    assert {"benchmark_id", "axes", "summary", "slo", "holds", "client"} <= set(report["points"][0])
    assert set(report["points"][0]["slo"][0]) == {"expression", "value", "ci95", "verdict"}
    assert "by_operation" not in report["points"][0]["summary"]
    assert (report["knee"], report["usl"]) == (None, None)
    assert report["knee_reason"]
    assert report["usl_reason"]


def test_an_unmeasured_point_is_a_dash_in_the_table_and_never_a_zero(tmp_path) -> None:
    bundles = make_sweep(tmp_path, SHORT, "clients", [1, 4], at={4: {"fail_share": 1.0}})
    page, _ = written(write_sweep_report(bundles, tmp_path / "reports"))
    row = next(line for line in page.splitlines() if line.startswith("| 4 |"))
    assert row.startswith("| 4 | - | - | - |")
    assert "broken, every request failed" in row


def test_matplotlib_is_not_imported_until_something_is_drawn() -> None:
    code = "import sys, loadgen.report, loadgen.report.text; sys.exit('matplotlib' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_a_person_s_own_matplotlib_settings_neither_show_nor_change(tmp_path) -> None:
    import matplotlib

    bundle = make_bundle(tmp_path / "results", SHORT)
    plain = write_report(bundle, tmp_path / "a")
    with matplotlib.rc_context({"axes.facecolor": "black", "font.size": 30.0}):
        styled = write_report(bundle, tmp_path / "b")
        assert matplotlib.rcParams["font.size"] == 30.0
    assert (plain / "plots/latency.png").read_bytes() == (styled / "plots/latency.png").read_bytes()


def test_a_home_that_cannot_be_written_costs_no_warning(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", SHORT)
    code = (
        "import pathlib, sys; from loadgen.bundle.read import Bundle; from loadgen.report import write_report; "
        "write_report(Bundle(pathlib.Path(sys.argv[1])), pathlib.Path(sys.argv[2]))"
    )
    nowhere = {"HOME": "/proc/nowhere", "MPLCONFIGDIR": "/proc/nowhere", "XDG_CACHE_HOME": "/proc/nowhere"}
    command = [sys.executable, "-c", code, str(bundle.folder), str(tmp_path / "reports")]
    done = subprocess.run(command, env={**os.environ, **nowhere}, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_a_failing_stream_keeps_the_tail_of_a_block_sound(tmp_path) -> None:
    block = block_of(replace(SHORT, fail_share=0.3))
    bundle = make_bundle(tmp_path / "results", replace(SHORT, fail_share=0.3), block)
    _, report = written(write_report(bundle, tmp_path / "reports"))
    by_outcome = report["summary"]["requests"]["by_outcome"]
    assert sum(by_outcome.values()) == int((block.records["phase"] == 1).sum())
