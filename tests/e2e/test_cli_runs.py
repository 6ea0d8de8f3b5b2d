"""From a recipe to a verdict, and all that can be done with what a run leaves behind."""

import json
import re
import signal
import subprocess
import urllib.request
from pathlib import Path

import pytest
from command_line import LOADGEN, ROOT, Run, environment


@pytest.fixture
def finished(run: Run, short_recipe: str) -> "subprocess.CompletedProcess[str]":
    """The short run, done."""
    done = run(short_recipe)
    assert done.returncode == 0, done.stderr
    return done


def the_only_bundle(folder: Path) -> Path:
    (bundle,) = (folder / "results").iterdir()
    return bundle


@pytest.mark.usefixtures("finished")
def test_run_leaves_a_bundle_and_a_report(tmp_path: Path, run: Run) -> None:
    bundle = the_only_bundle(tmp_path)
    described = json.loads((bundle / "run.json").read_text())
    assert (described["status"], described["recipe"]["name"]) == ("complete", "short")
    assert len((bundle / "requests.jsonl").read_text().splitlines()) == 20
    assert json.loads((bundle / "summary.json").read_text())["requests"]["succeeded"] == 20
    report = tmp_path / "reports" / bundle.name
    assert {"report.html", "report.md", "report.json", "plots"} <= {path.name for path in report.iterdir()}
    assert list((report / "plots").glob("*.png"))
    verified = run("verify", bundle.name)
    assert (verified.returncode, verified.stdout) == (0, f"{bundle.name}: right, complete\n")


def test_last_lines_say_the_verdict_and_where_the_report_is(
    finished: "subprocess.CompletedProcess[str]", tmp_path: Path
) -> None:
    *_, verdict, report, pictures = finished.stdout.splitlines()
    assert verdict.startswith("PASS: both limits hold with 2 clients")
    assert (tmp_path / report.removeprefix("Report: ")).is_file()
    assert (tmp_path / pictures.removeprefix("Pictures: ")).is_dir()
    assert "BM-" in finished.stderr


def test_json_is_alone_on_stdout(run: Run, short_recipe: str) -> None:
    done = run("run", short_recipe, "--json")
    assert json.loads(done.stdout)["requests"]["succeeded"] == 20
    assert done.stderr.splitlines()[-2].startswith("Report: ")


def test_quiet_says_the_verdict_alone(run: Run, short_recipe: str) -> None:
    done = run(short_recipe, "--quiet")
    assert done.stderr == ""
    assert len(done.stdout.splitlines()) == 3


def test_failed_promise_is_exit_code_1(run: Run, short_recipe: str) -> None:
    done = run(short_recipe, "--set", "slo=[mean_itl < 1 us]", "--name", "too strict")
    assert done.returncode == 1
    assert re.search("^(FAIL|UNDECIDED): ", done.stdout, re.MULTILINE)  # on a busy host a point may not count
    assert "too strict" in run("list").stdout


def test_sweep_has_a_bundle_a_point_and_a_report_of_its_own(run: Run, short_recipe: str, tmp_path: Path) -> None:
    done = run(short_recipe, "--set", "sweep.load.concurrency=[1, 2, 4]", "--json")
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    assert [point["axes"]["load.concurrency"] for point in report["points"]] == [1, 2, 4]
    assert report["slo_limit"]["axes"] == {"load.concurrency": 4}
    folder = tmp_path / "reports" / f"sweep_{report['first_id']}_{report['last_id']}"
    assert (folder / "report.md").is_file()
    assert "[3/3] 4 clients: PASS" in done.stderr
    verified = run("verify", *sorted(path.name for path in (tmp_path / "results").iterdir()))
    assert verified.returncode == 0, verified.stdout

    by_folder = run("report", folder.name)
    assert by_folder.returncode == 0, by_folder.stderr
    assert f"Report: reports/{folder.name}/report.html" in by_folder.stdout


def test_rerun_of_a_sweep_repeats_each_of_its_runs(run: Run, short_recipe: str, tmp_path: Path) -> None:
    first = json.loads(run(short_recipe, "--set", "sweep.load.concurrency=[1, 2]", "--json").stdout)
    again = run("rerun", f"reports/sweep_{first['first_id']}_{first['last_id']}", "--json")
    assert again.returncode == 0, again.stderr
    second = json.loads(again.stdout)
    assert [point["axes"] for point in second["points"]] == [point["axes"] for point in first["points"]]
    for point, before in zip(second["points"], first["points"], strict=True):
        described = json.loads((tmp_path / "results" / point["benchmark_id"] / "run.json").read_text())
        assert described["rerun_of"] == before["benchmark_id"]


def test_sweep_of_which_no_point_holds_is_exit_code_1(run: Run, short_recipe: str) -> None:
    done = run(short_recipe, "--set", "sweep.load.concurrency=[1, 2]", "--set", "slo=[mean_itl < 1 us]")
    assert done.returncode == 1
    assert "\nFAIL: " in done.stdout


@pytest.mark.usefixtures("finished")
def test_rerun_is_the_same_recipe_and_the_same_plan(run: Run, tmp_path: Path) -> None:
    first = the_only_bundle(tmp_path)
    again = run("--rerun", first.name)
    assert again.returncode == 0, again.stderr
    second = next(path for path in (tmp_path / "results").iterdir() if path != first)
    before, after = (json.loads((bundle / "run.json").read_text()) for bundle in (first, second))
    assert after["rerun_of"] == first.name
    assert after["recipe_hash"] == before["recipe_hash"]
    assert after["plan"]["digest"] == before["plan"]["digest"]
    assert f"A: {first.name}: short" in again.stdout
    assert "differs: nothing that is known of recipe, service and host" in again.stdout
    assert f"again: {first.name}" in again.stderr


@pytest.mark.usefixtures("finished")
def test_strict_rerun_refuses_what_differs(run: Run, tmp_path: Path) -> None:
    bundle = the_only_bundle(tmp_path)
    path = bundle / "run.json"
    described = json.loads(path.read_text())
    described["service"]["version"] = "0.0.1"
    path.write_text(json.dumps(described))
    refused = run("rerun", "--strict", bundle.name)
    assert refused.returncode == 2
    assert "service version" in refused.stderr
    assert len(list((tmp_path / "results").iterdir())) == 1
    told = run("rerun", bundle.name)
    assert "differs: service version: " in told.stderr


@pytest.mark.usefixtures("finished")
def test_recipe_out_of_a_bundle_runs_again_with_the_same_hash(run: Run, tmp_path: Path) -> None:
    described = json.loads((the_only_bundle(tmp_path) / "run.json").read_text())
    (tmp_path / "again.yaml").write_text(json.dumps(described["recipe"]))
    checked = run("check", "again.yaml")
    assert described["recipe_hash"][:12] in checked.stdout
    assert described["plan"]["digest"][:12] in checked.stdout


@pytest.mark.usefixtures("finished")
def test_list_shows_runs_and_chooses_among_them(run: Run, short_recipe: str, tmp_path: Path) -> None:
    run(short_recipe, "--set", "load.concurrency=4", "--name", "wide")
    head, first, second = run("list").stdout.splitlines()
    assert head.split()[:5] == ["ID", "DATE", "RECIPE", "SERVICE", "LOAD"]
    assert "short" in first
    assert "wide" in second

    def chosen(where: str) -> list[str]:
        done = run("list", "--json", "--where", where)
        assert done.returncode == 0, done.stderr
        return [json.loads(line)["name"] for line in done.stdout.splitlines()]

    assert chosen("service=simulator and load.concurrency>=4") == ["wide"]
    assert chosen("load.concurrency<4 or recipe=wide") == ["short", "wide"]
    assert chosen("p99_ttft < 10000 and verdict=PASS") == ["short", "wide"]
    assert chosen("status=failed") == []
    wrong = run("list", "--where", "nonsense")
    assert (wrong.returncode, wrong.stderr.count("\n")) == (2, 1)


def test_check_shows_the_request_and_sends_nothing(run: Run, tmp_path: Path) -> None:
    secret = "sk-never-to-be-seen"
    (tmp_path / "r.yaml").write_text(
        "service: {kind: openai, url: 'http://127.0.0.1:9', model: m, api_key: '${KEY}'}\n"
        "load: {mode: open, rate_per_s: 100, duration_s: 1}\n"
    )
    done = run("check", "r.yaml", env={"KEY": secret})
    assert done.returncode == 0, done.stderr
    assert "POST /v1/chat/completions HTTP/1.1" in done.stdout
    assert "Authorization: ***" in done.stdout
    assert secret not in done.stdout + done.stderr
    assert not (tmp_path / "results").exists()


@pytest.mark.parametrize("recipe", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_recipe_that_comes_with_the_program_can_be_checked(run: Run, recipe: Path) -> None:
    done = run("check", str(recipe))
    assert done.returncode == 0, done.stderr
    first_words = ("HTTP/1.1", "\nSET\n", "\nGET\n", "\\x00E\\x00")
    assert any(words in done.stdout for words in first_words), "the first request, as it will be sent"


def test_schema_is_json(run: Run) -> None:
    assert json.loads(run("schema").stdout)["title"] == "loadgen recipe"


@pytest.mark.parametrize("args", [[], ["--help"], ["run", "--help"], ["simulate", "--help"], ["--version"]])
def test_help_is_there(run: Run, args: list[str]) -> None:
    done = run(*args)
    assert done.returncode == 0
    assert done.stdout
    assert not done.stderr


def test_simulator_runs_by_itself(tmp_path: Path) -> None:
    command = [*LOADGEN, "simulate", "--ttft-ms", "1"]
    with subprocess.Popen(command, cwd=tmp_path, env=environment(), stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            url = process.stdout.readline().split()[-1]
            with urllib.request.urlopen(f"{url}/v1/models") as models:
                assert json.load(models)["data"]
        finally:
            process.send_signal(signal.SIGTERM)
        assert process.wait() in (0, -signal.SIGTERM)
