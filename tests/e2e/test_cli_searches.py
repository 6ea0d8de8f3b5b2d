"""A search as a person types it: what it shows, says, leaves behind and ends with."""

import json
from pathlib import Path

from command_line import Run

SEARCH = """\
service: {kind: simulator, slots: 2, ttft_ms: 30, itl_ms: 10}
workload: {output_tokens: 3, prompts: {input_tokens: 8}}
load: {concurrency: 1, duration_s: 1}
search: {field: load.concurrency, from: 1, to: 8, precision: 20 %}
slo: [p50_e2e < 85 ms]
"""


def test_a_search_says_the_highest_load_that_holds(run: Run, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(SEARCH)
    done = run("search.yaml")
    assert done.returncode == 0, done.stderr
    assert "[1] 1 client: " in done.stderr
    assert "\nPASS: Holds all limits up to " in done.stdout
    assert "the limit lies between that and " in done.stdout
    assert "answers/s" in done.stdout
    assert "drawing the report" in done.stderr

    verified = run("verify", *sorted(path.name for path in (tmp_path / "results").iterdir()))
    assert verified.returncode == 0, verified.stdout
    (folder,) = (tmp_path / "reports").glob("sweep_*")
    first = json.loads((folder / "report.json").read_text())["search"]
    again = run("report", folder.name)
    assert again.returncode == 0, again.stderr
    assert json.loads((folder / "report.json").read_text())["search"] == first


def test_check_tells_what_is_searched(run: Run, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(SEARCH)
    assert "search    load.concurrency, from 1 to 8, to 20 %" in run("check", "search.yaml").stdout


def test_a_search_whose_lowest_load_breaks_is_exit_code_1(run: Run, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(SEARCH)
    done = run("search.yaml", "--set", "slo=[max_e2e < 1 ms]", "--quiet")
    assert done.returncode == 1
    assert done.stdout.startswith("FAIL: Even the lowest load, 1 client, does not hold")


def test_a_load_that_is_set_makes_a_search_one_run(run: Run, tmp_path: Path) -> None:
    (tmp_path / "search.yaml").write_text(SEARCH)
    done = run("search.yaml", "--set", "load.concurrency=2", "--quiet")
    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "results").iterdir())) == 1
