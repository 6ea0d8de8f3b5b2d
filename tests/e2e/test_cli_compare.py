"""`loadgen compare`, with and without --duet, and `loadgen slo`, on runs that were really made."""

import json
import os
import pty
import re
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from command_line import LOADGEN, TIMEOUT_S, Run, Running, environment

RECIPE = """\
service:
  kind: simulator
  ttft_ms: {dist: lognormal, mean: 20, std: 2}
  itl_ms: {dist: lognormal, mean: 2, std: 0.4}
workload: {output_tokens: 4, prompts: {input_tokens: 8}}
load: {concurrency: 8, requests: 300}
slo: [p90_ttft < 10 s]
"""
SLOWER = ("--set", "service.ttft_ms={dist: lognormal, mean: 40, std: 4}")
SWEPT = ("--set", "sweep.load.concurrency=[2, 4]", "--set", "load.requests=60")


@pytest.fixture(scope="module")
def kept(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with four things that ran: a run, one twice as slow, and the sweeps of both."""
    folder = tmp_path_factory.mktemp("compared")
    (folder / "r.yaml").write_text(RECIPE)
    for changes in ((), SLOWER, SWEPT, (*SWEPT, *SLOWER)):
        command = [*LOADGEN, "r.yaml", "--quiet", *changes]
        subprocess.run(command, cwd=folder, env=environment(), check=True, capture_output=True, timeout=100)
    for path in (folder / "results").glob("*/summary.json"):  # on a host that is busy with other things it may be bound
        summary = json.loads(path.read_text())
        summary["client"]["verdict"] = "trusted"
        path.write_text(json.dumps(summary))
    return folder


@pytest.fixture
def results(kept: Path, tmp_path: Path) -> list[str]:
    """The same in the test's own folder: the ids, in the order of running."""
    shutil.copytree(kept, tmp_path, dirs_exist_ok=True)
    return sorted(path.name for path in (tmp_path / "results").iterdir())


def sweeps(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "reports").glob("sweep_*"))


def test_slower_run_is_a_regression_in_the_last_line_and_in_the_exit_code(
    run: Run, results: list[str], tmp_path: Path
) -> None:
    first, slower, *_ = results
    done = run("compare", first, slower)
    assert done.returncode == 0, done.stderr
    *_, where, last = done.stdout.splitlines()
    assert last.startswith("B is slower: ")
    assert (tmp_path / where.removeprefix("Comparison: ")).is_file()
    assert "differs: service.ttft_ms.mean: A 20, B 40" in done.stdout
    assert run("compare", first, slower, "--fail-on-regression").returncode == 1
    assert run("compare", slower, first, "--fail-on-regression").returncode == 0
    assert run("compare", first, slower, "--fail-on-regression", "--threshold", "200 %").returncode == 0


def test_json_of_a_comparison_is_alone_on_stdout(run: Run, results: list[str], tmp_path: Path) -> None:
    first, slower, *_ = results
    done = run("compare", first, slower, "--json")
    content = json.loads(done.stdout)
    assert content == json.loads((tmp_path / "reports" / f"compare_{first}_{slower}" / "compare.json").read_text())
    assert (content["a"], content["b"]) == ([first], [slower])
    figures = {one["figure"]: one for one in content["points"][0]["figures"]}
    assert figures["p50_ttft"]["verdict"] == "worse"
    assert figures["p50_ttft"]["ci95"][0] > 50
    assert done.stderr.splitlines()[-1] == content["sentence"]


def test_sweeps_are_compared_by_their_folders(run: Run, results: list[str], tmp_path: Path) -> None:
    done = run("compare", *sweeps(tmp_path), "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert [point["axes"] for point in content["points"]] == [{"load.concurrency": 2}, {"load.concurrency": 4}]
    assert content["sentence"].startswith("B is slower: ")
    assert " at " in content["sentence"]


def test_repeats_are_given_side_by_side(run: Run, results: list[str]) -> None:
    first, slower, *_ = results
    done = run("compare", "--a", first, "--a", first, "--b", f"{slower},{slower}")
    assert done.returncode == 0, done.stderr
    assert run("compare", first, "--a", first).returncode == 2


@pytest.mark.parametrize(
    ("changes", "says"),
    [
        ({"service": {"kind": "redis"}}, "different kinds of service: A is language models, B is redis"),
        ({"plan": {"operations": [{"name": "embeddings", "expects_tokens": False}]}}, "different operations"),
    ],
)
def test_what_cannot_be_compared_is_one_line_and_exit_code_2(
    run: Run, results: list[str], tmp_path: Path, changes: dict[str, Any], says: str
) -> None:
    first, other, *_ = results
    path = tmp_path / "results" / other / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    done = run("compare", first, other)
    assert done.returncode == 2
    assert says in done.stdout.splitlines()[-1]
    assert "Traceback" not in done.stderr


def test_killed_run_is_compared_and_said_to_be_one(run: Run, results: list[str], tmp_path: Path) -> None:
    first, other, *_ = results
    folder = tmp_path / "results" / other
    (folder / "summary.json").unlink()
    path = folder / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "status": "running", "ended_at": None}))
    requests = folder / "requests.jsonl"
    requests.write_bytes(requests.read_bytes()[:-40])
    done = run("compare", first, other)
    assert done.returncode == 0, done.stderr
    assert f"note: B, {other}: killed or still running" in done.stdout
    assert "B is slower" in done.stdout.splitlines()[-1]


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("latest",), "compare: needs A and B"),
        (("latest", "BM-20200101-001"), "BM-20200101-001: no such run"),
        (("latest", "latest", "--threshold", "much"), "--threshold: must be a share in percent, such as 3 %"),
        (("--duet", "r.yaml"), "compare --duet: needs two recipes"),
        (("--duet", "r.yaml", "none.yaml"), "none.yaml"),
        (("--duet", "swept.yaml", "r.yaml"), "swept.yaml: a duet needs a recipe without a sweep"),
        (("--duet", "r.yaml", "r.yaml", "--set", "load.clients=2"), "load.clients"),
        (("latest", "latest", "--set", "load.concurrency=2"), "--set is for a duet"),
    ],
)
def test_mistake_in_a_comparison_is_one_line_and_exit_code_2(
    run: Run, results: list[str], tmp_path: Path, words: tuple[str, ...], says: str
) -> None:
    (tmp_path / "swept.yaml").write_text(RECIPE + "sweep: {load.concurrency: [1, 2]}\n")
    done = run("compare", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert len(list((tmp_path / "results").iterdir())) == len(results)


DUET = """\
service: {kind: simulator, ttft_ms: {dist: lognormal, mean: %d, std: 1}, itl_ms: 1}
workload: {output_tokens: 2, prompts: {input_tokens: 8}}
load: {concurrency: 4, requests: 5000}
"""


@pytest.fixture
def duet(tmp_path: Path) -> tuple[str, str]:
    for name, ttft_ms in (("a", 10), ("b", 20)):
        (tmp_path / f"{name}.yaml").write_text(DUET % ttft_ms)
    return "a.yaml", "b.yaml"


def test_duet_runs_both_in_turns_and_compares_the_pairs(run: Run, duet: tuple[str, str], tmp_path: Path) -> None:
    done = run("compare", "--duet", *duet, "--slots", "14", "--slot-s", "0.3", "--set", "load.concurrency=3", "--json")
    assert done.returncode == 0, done.stderr
    content = json.loads(done.stdout)
    assert content["paired"] is True
    assert len(content["a"]) == len(content["b"]) == 14  # more than are needed: a busy host may cost some
    assert [content["a"][0], content["b"][0], content["b"][1], content["a"][1]] == sorted(
        (*content["a"][:2], *content["b"][:2])
    )
    figures = {one["figure"]: one for one in content["points"][0]["figures"]}
    assert figures["p50_ttft"]["verdict"] == "worse"
    assert content["sentence"].startswith("B is slower: ")
    runs = [json.loads((tmp_path / "results" / id_ / "run.json").read_text()) for id_ in content["a"] + content["b"]]
    assert [one["plan"]["seed"] for one in runs] == [*range(14), *range(14)]
    assert {one["recipe"]["load"]["concurrency"] for one in runs} == {3}


def test_duet_that_is_stopped_compares_what_there_is(start: Callable[..., Running], duet: tuple[str, str]) -> None:
    running = start("compare", "--duet", *duet, "--slots", "50", "--slot-s", "0.3")
    running.wait_for("[6/100]")
    running.interrupt()
    code, stdout = running.end()
    assert code == 130
    assert "A: " in stdout
    assert "No difference can be called real yet: with " in stdout.splitlines()[-1]


def test_rerun_ends_with_the_comparison_of_the_two(run: Run, results: list[str], tmp_path: Path) -> None:
    done = run("--rerun", results[0])
    assert done.returncode == 0, done.stderr
    assert f"A: {results[0]}: r (simulator" in done.stdout
    new = json.loads(
        (tmp_path / "results" / sorted(p.name for p in (tmp_path / "results").iterdir())[-1] / "run.json").read_text()
    )
    assert (tmp_path / "reports" / f"compare_{results[0]}_{new['benchmark_id']}" / "compare.md").is_file()


def test_finished_run_is_held_against_other_promises(run: Run, results: list[str]) -> None:
    first, slower, *_ = results
    held = run("slo", first, "p50_ttft < 1 s", "success_ratio >= 90 %")
    assert (held.returncode, held.stderr) == (0, "")
    assert held.stdout.splitlines()[-1] == "PASS: all promises hold with 8 clients."
    broken = run("slo", slower, "p50_ttft < 1 ms")
    assert broken.returncode == 1
    assert "FAIL  p50_ttft < 1 ms" in broken.stdout
    open_ = run("slo", first, "p99.9_ttft < 10 s")
    assert open_.returncode == 0
    assert "more would decide" in open_.stdout
    as_json = [json.loads(line) for line in run("slo", first, slower, "mean_e2e < 1 s", "--json").stdout.splitlines()]
    assert [one["benchmark_id"] for one in as_json] == [first, slower]
    assert as_json[0]["slo"][0]["verdict"] == "PASS"


def test_sweep_is_held_against_other_promises_as_a_whole(run: Run, results: list[str], tmp_path: Path) -> None:
    folder = sweeps(tmp_path)[0]
    some = run("slo", folder, "mean_e2e < 10 s")
    assert some.returncode == 0
    assert some.stdout.splitlines()[-1].startswith("PASS: of 2 runs 2 PASS")
    none = run("slo", folder, "mean_e2e < 1 us")
    assert none.returncode == 1
    assert none.stdout.splitlines()[-1].startswith("FAIL: of 2 runs 2 FAIL")


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("latest", "p99_tft < 3 ms"), "slo: p99_tft is not a figure"),
        (("latest", "p99_ttft < 3"), "slo: a time needs a unit"),
        (("latest",), "slo: needs runs and promises"),
        (("p99_ttft < 3 ms",), "slo: needs runs and promises"),
        (("BM-20200101-001", "p99_ttft < 3 ms"), "BM-20200101-001: no such run"),
        (("latest", "chat.p99_ttft < 3 ms"), "none of these promises is about what it measured"),
    ],
)
def test_mistake_in_a_promise_is_one_line_and_exit_code_2(
    run: Run, results: list[str], words: tuple[str, ...], says: str
) -> None:
    done = run("slo", *words)
    assert done.returncode == 2
    assert says in done.stderr
    assert len(done.stderr.splitlines()) == 1


def test_on_a_narrow_terminal_the_table_has_colours_and_every_figure(
    run: Run, results: list[str], tmp_path: Path
) -> None:
    first, slower, *_ = results
    plain = run("compare", first, slower).stdout
    ours, theirs = pty.openpty()
    command = [*LOADGEN, "compare", first, slower]
    process = subprocess.Popen(
        command, cwd=tmp_path, env=environment(TERM="xterm-256color", COLUMNS="40"), stdout=theirs, stderr=theirs
    )
    os.close(theirs)
    shown = b"".join(iter(lambda: _read(ours), b"")).decode()
    assert process.wait(TIMEOUT_S) == 0
    os.close(ours)
    assert "\x1b[1;31m" in shown
    unstyled = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", shown)
    assert [line.split() for line in unstyled.splitlines()] == [line.split() for line in plain.splitlines()]


def _read(terminal: int) -> bytes:
    """What a terminal got; nothing at its end, which Linux tells by an error."""
    try:
        return os.read(terminal, 65536)
    except OSError:
        return b""
