"""Ctrl-C and kill -9 in the middle: what there is stays valid and is reported."""

import json
import signal
import socket
import threading
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import psutil
import pytest
from command_line import TIMEOUT_S, Run, Running

LONG = """\
service: {kind: simulator, ttft_ms: 5, itl_ms: 1}
workload: {output_tokens: 8, prompts: {input_tokens: 8}}
load: {concurrency: 4, duration_s: 600}
"""

Start = Callable[..., Running]


@pytest.fixture
def long_recipe(tmp_path: Path) -> str:
    """Ten minutes at every point, if nobody stops it."""
    (tmp_path / "long.yaml").write_text(LONG)
    return "long.yaml"


def bundles(folder: Path) -> list[Path]:
    return sorted((folder / "results").iterdir())


def status_of(bundle: Path) -> str:
    return str(json.loads((bundle / "run.json").read_text())["status"])


def wait_for_lines(bundle: Path, n_lines: int) -> None:
    """Until so many requests are on the disk. There is nothing to be told by: the file is looked at."""
    ticks = threading.Event()
    for _ in range(int(TIMEOUT_S / 0.05)):
        path = bundle / "requests.jsonl"
        if path.exists() and path.read_bytes().count(b"\n") >= n_lines:
            return
        ticks.wait(0.05)
    raise AssertionError(f"{bundle} has fewer than {n_lines} lines")


def test_ctrl_c_in_mid_sweep_closes_the_run_and_reports_what_there_is(
    start: Start, run: Run, long_recipe: str, tmp_path: Path
) -> None:
    going = start(long_recipe, "--set", "sweep.load.requests=[20, 1000000, 7]", "--set", "load.duration_s=600")
    going.wait_for("[2/3]")
    wait_for_lines(bundles(tmp_path)[1], 10)
    going.interrupt()
    code, stdout = going.end()
    assert code == 130, going.lines
    assert [status_of(bundle) for bundle in bundles(tmp_path)] == ["complete", "interrupted"]
    assert "\nINTERRUPTED: " in stdout
    report = next(line for line in stdout.splitlines() if line.startswith("Report: ")).removeprefix("Report: ")
    assert Path(report).parent.name.startswith("sweep_")
    assert (tmp_path / report).is_file()
    for bundle in bundles(tmp_path):
        verified = run("verify", bundle.name)
        assert verified.returncode == 0, verified.stdout


def test_ctrl_c_in_a_single_run_closes_it(start: Start, run: Run, long_recipe: str, tmp_path: Path) -> None:
    going = start(long_recipe, "--json")
    going.wait_for("begins")
    wait_for_lines(bundles(tmp_path)[0], 10)
    going.interrupt()
    code, stdout = going.end()
    assert code == 130
    assert json.loads(stdout)["requests"]["succeeded"] >= 10
    assert any("stopped by hand" in line for line in going.lines)
    verified = run("verify", "latest")
    assert verified.returncode == 0, verified.stdout


def test_second_ctrl_c_stops_at_once(start: Start, tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:  # takes connections and never answers
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "r.yaml").write_text(f"service: {{kind: openai, url: '{url}', model: m}}\n")
        going = start("r.yaml")
        going.wait_for("looking for the service")
        going.interrupt()
        going.wait_for("Ctrl-C again")
        going.interrupt()
        assert going.end()[0] == 130


def test_killed_run_loses_little_and_can_be_reported_and_verified(
    start: Start, run: Run, long_recipe: str, tmp_path: Path
) -> None:
    going = start(long_recipe)
    going.wait_for("begins")
    (bundle,) = bundles(tmp_path)
    wait_for_lines(bundle, 50)
    children = psutil.Process(going.process.pid).children(recursive=True)
    going.process.send_signal(signal.SIGKILL)
    going.end()
    assert status_of(bundle) == "running"
    _, alive = psutil.wait_procs(children, TIMEOUT_S)
    assert not alive, "the simulator outlived the run"

    verified = run("verify", bundle.name)
    assert verified.returncode == 1
    assert "was killed" in verified.stdout

    reported = run("report", bundle.name)
    assert reported.returncode == 0, reported.stderr
    assert "killed" in reported.stderr
    report = json.loads((tmp_path / "reports" / bundle.name / "report.json").read_text())
    assert report["summary"]["requests"]["succeeded"] >= 50
    assert bundle.name in run("list").stdout


def test_line_that_was_cut_by_a_kill_is_said(run: Run, short_recipe: str, tmp_path: Path) -> None:
    assert run(short_recipe, "--quiet").returncode == 0
    (bundle,) = bundles(tmp_path)
    described = json.loads((bundle / "run.json").read_text())
    (bundle / "run.json").write_text(json.dumps({**described, "status": "running", "files": {}, "ended_at": None}))
    (bundle / "summary.json").unlink()
    path = bundle / "requests.jsonl"
    path.write_bytes(path.read_bytes()[:-40])
    verified = run("verify", bundle.name)
    assert verified.returncode == 1
    assert "the last line is cut" in verified.stdout
    reported = run("report", bundle.name)
    assert reported.returncode == 0
    assert "the last line is cut" in reported.stderr
    assert (
        json.loads((tmp_path / "reports" / bundle.name / "report.json").read_text())["summary"]["requests"]["succeeded"]
        == 19
    )
