"""Making a bundle: ids that are never shared, files that are never half there, space that is kept back."""

import errno
import hashlib
import json
import os
import subprocess
import sys
from datetime import timedelta, timezone
from pathlib import Path

import pytest
from made_runs import NOW, RECIPE, description, finished, start, write_requests

from loadgen.bundle import SCHEMA_VERSION, Bundle, create_bundle, verify, write
from loadgen.bundle.monitor import Sample, sample_line
from loadgen.bundle.write import remove_cut_line
from loadgen.errors import EngineError

HERE = Path(__file__).parent
RUN_KEYS = [
    *("schema_version", "benchmark_id", "created_at", "ended_at", "started_at_unix_ns", "status"),
    *("git_commit", "git_dirty", "recipe_hash", "recipe", "rerun_of", "sweep", "target", "service"),
    *("clients", "environment", "plan", "notes", "files"),
]


def run_json(folder: Path) -> dict[str, object]:
    run: dict[str, object] = json.loads((folder / "run.json").read_text())
    return run


def test_ids_count_up_from_the_highest_of_the_day(tmp_path: Path) -> None:
    (tmp_path / "BM-20260304-007").mkdir()
    (tmp_path / "BM-20260303-900").mkdir()
    assert [create_bundle(tmp_path, NOW).id for _ in range(2)] == ["BM-20260304-008", "BM-20260304-009"]


def test_the_day_of_an_id_is_that_of_utc(tmp_path: Path) -> None:
    east = NOW.astimezone(timezone(timedelta(hours=9)))
    assert east.day != NOW.day
    assert create_bundle(tmp_path, east).id == "BM-20260304-001"


def test_after_999_ids_take_more_digits(tmp_path: Path) -> None:
    (tmp_path / "BM-20260304-999").mkdir()
    assert [create_bundle(tmp_path, NOW).id for _ in range(2)] == ["BM-20260304-1000", "BM-20260304-1001"]


def test_processes_that_start_together_never_share_an_id(tmp_path: Path) -> None:
    program = (
        "import sys\n"
        "from datetime import datetime\n"
        "from pathlib import Path\n"
        "from loadgen.bundle import create_bundle\n"
        "sys.stdin.readline()\n"
        "now = datetime.fromisoformat('2026-03-04T12:00:00+00:00')\n"
        "print(*[create_bundle(Path(sys.argv[1]), now).id for _ in range(25)])\n"
    )
    racers = [
        subprocess.Popen(
            [sys.executable, "-c", program, str(tmp_path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(4)
    ]
    for racer in racers:
        assert racer.stdin is not None
        racer.stdin.write("go\n")
        racer.stdin.flush()
    ids = [identity for racer in racers for identity in racer.communicate()[0].split()]
    assert len(ids) == len(set(ids)) == 100
    assert set(ids) == {path.name for path in tmp_path.iterdir()}


def test_a_results_folder_that_cannot_be_made_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "results").write_text("a file")
    with pytest.raises(EngineError, match="results: cannot make a bundle here: ") as caught:
        create_bundle(tmp_path / "results", NOW)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 4


def test_run_json_says_running_from_the_start(tmp_path: Path) -> None:
    writer = start(tmp_path)
    run = run_json(writer.folder)
    assert list(run) == RUN_KEYS
    assert (run["status"], run["ended_at"], run["files"]) == ("running", None, {})
    assert (run["schema_version"], run["benchmark_id"]) == (SCHEMA_VERSION, writer.id)
    assert run["created_at"] == "2026-03-04T23:59:58.250Z"
    assert writer.requests_path.read_bytes() == b""


def test_run_json_at_the_end_has_the_hash_of_every_other_file(tmp_path: Path) -> None:
    writer = start(tmp_path, notes=["first"])
    summary = write_requests(writer)
    (writer.folder / "monitor").mkdir()
    (writer.folder / "monitor" / "host.jsonl").write_text("{}\n")
    writer.finish("complete", summary, NOW, started_at_unix_ns=5, notes=["second"])
    run = run_json(writer.folder)
    assert list(run) == RUN_KEYS
    assert (run["status"], run["started_at_unix_ns"], run["notes"]) == ("complete", 5, ["first", "second"])
    names = ["monitor/host.jsonl", "requests.jsonl", "summary.json"]
    contents = {name: (writer.folder / name).read_bytes() for name in names}
    lines = run["files"]["requests.jsonl"].pop("lines")
    assert (lines["n_lines"], lines["lines_each"], len(lines["crc32"])) == (12, 1, 96)
    assert run["files"] == {
        name: {"bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
        for name, content in contents.items()
    }
    assert sorted(os.listdir(writer.folder)) == ["monitor", "requests.jsonl", "run.json", "summary.json"]


def test_the_summary_says_whose_it_is(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    assert bundle.summary is not None
    assert list(bundle.summary)[:2] == ["schema_version", "benchmark_id"]
    assert bundle.summary["benchmark_id"] == bundle.id


def test_a_run_without_figures_is_closed_too(tmp_path: Path) -> None:
    writer = start(tmp_path)
    writer.finish("failed", None, NOW)
    assert run_json(writer.folder)["status"] == "failed"
    assert not (writer.folder / "summary.json").exists()


def test_an_unknown_status_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="status must be one of"):
        start(tmp_path).finish("running", None, NOW)


def test_secrets_are_hidden_in_every_text_but_the_recipe_stays_as_it_was_hashed(tmp_path: Path) -> None:
    recipe = {**RECIPE, "description": "sk-live-1 is a name here"}
    writer = start(
        tmp_path,
        redact=lambda text: text.replace("sk-live-1", "***"),
        recipe=recipe,
        clients=[{"command": "loadgen chat.yaml --set service.api_key=sk-live-1"}],
    )
    writer.finish("complete", {"slo": ({"expression": "sk-live-1"},)}, NOW, notes=["401 for sk-live-1"])
    run = run_json(writer.folder)
    assert run["recipe"] == recipe
    assert "sk-live-1" not in json.dumps({**run, "recipe": None}) + (writer.folder / "summary.json").read_text()
    assert run["clients"] == [{"command": "loadgen chat.yaml --set service.api_key=***"}]


def test_a_cut_last_line_is_removed_when_the_run_is_closed(tmp_path: Path) -> None:
    writer = start(tmp_path)
    summary = write_requests(writer)
    whole = writer.requests_path.read_bytes()
    writer.requests_path.write_bytes(whole + b'{"request_id":"BM-2026')
    writer.finish("failed", summary, NOW)
    assert writer.requests_path.read_bytes() == whole


@pytest.mark.parametrize("n_bytes", [0, 1, 200_000])
def test_cutting_after_the_last_line_end_works_at_any_distance(tmp_path: Path, n_bytes: int) -> None:
    path = tmp_path / "lines"
    for before in (b"", b"one\n", b"one\ntwo\n"):
        path.write_bytes(before + b"x" * n_bytes)
        remove_cut_line(path)
        assert path.read_bytes() == before


def test_space_is_kept_back_while_the_run_goes_on(tmp_path: Path) -> None:
    reserve = start(tmp_path).folder / ".reserve"
    assert reserve.stat().st_size > 64 * 1024
    assert reserve.stat().st_blocks * 512 >= 64 * 1024


def test_a_file_that_cannot_be_replaced_keeps_its_old_content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    writer = start(tmp_path)
    before = (writer.folder / "run.json").read_bytes()

    def no_space(descriptor: int) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(write.os, "fsync", no_space)
    with pytest.raises(EngineError, match="cannot close the bundle: No space left on device"):
        writer.finish("complete", {}, NOW)
    assert (writer.folder / "run.json").read_bytes() == before
    assert sorted(os.listdir(writer.folder)) == ["requests.jsonl", "run.json"]


def test_without_space_for_the_summary_run_json_still_says_how_it_ended(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    writer = start(tmp_path)
    replace = write.replace_file

    def only_run_json(path: Path, content: bytes) -> None:
        if path.name == "summary.json":
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        replace(path, content)

    monkeypatch.setattr(write, "replace_file", only_run_json)
    writer.finish("failed", {}, NOW)
    run = run_json(writer.folder)
    assert (run["status"], run["notes"]) == ("failed", ["summary.json could not be written: No space left on device"])


def test_a_file_size_limit_in_mid_run_leaves_a_valid_bundle(tmp_path: Path) -> None:
    """A process of its own meets its limit in the middle of a line of requests.jsonl, and closes the bundle."""
    program = (
        "import resource, sys\n"
        "from pathlib import Path\n"
        "from made_runs import NOW, OPERATIONS, start, block_of\n"
        "from loadgen.bundle.jsonl import format_lines\n"
        "from loadgen.metrics import KnownFacts, Tally\n"
        "writer = start(Path(sys.argv[1]))\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))\n"
        "tally = Tally(OPERATIONS, [])\n"
        "n_lost = 0\n"
        "with writer.requests_path.open('ab', buffering=0) as file:\n"
        "    for first in range(0, 1000, 50):\n"
        "        lines = memoryview(format_lines(block_of(first, 50), writer.id, OPERATIONS))\n"
        "        try:\n"
        "            while lines:\n"
        "                lines = lines[file.write(lines):]\n"
        "            tally.add(block_of(first, 50))\n"
        "        except OSError as error:\n"
        "            n_lost += 50\n"
        "summary = tally.summary(KnownFacts([(0, 10**9)], n_lost_records=n_lost))\n"
        "writer.finish('failed', summary, NOW, notes=['the disk is full'])\n"
    )
    path = os.pathsep.join([str(HERE), str(HERE.parents[2])])
    done = subprocess.run(
        [sys.executable, "-c", program, str(tmp_path)], env={**os.environ, "PYTHONPATH": path}, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    bundle = Bundle(tmp_path / "BM-20260304-001")
    assert (bundle.status, bundle.run["notes"]) == ("failed", ["the disk is full"])
    assert bundle.requests_path.read_bytes().endswith(b"}\n")
    assert sum(len(block.records) for block in bundle.blocks()) >= 50
    problems = verify(bundle)
    assert len(problems) == 1
    assert "were lost because the disk was full" in problems[0]


def test_description_has_a_place_for_every_key_that_the_run_knows_beforehand() -> None:
    facts = description(rerun_of="BM-20260301-001", sweep={"name": "made", "point": 1}, git_commit="a" * 40)
    assert (facts.rerun_of, facts.git_dirty) == ("BM-20260301-001", None)


def test_what_is_watched_beside_the_load_is_hashed_and_a_cut_line_of_it_removed(tmp_path: Path) -> None:
    writer = start(tmp_path)
    path = writer.monitor_path("server.jsonl")
    path.write_bytes(sample_line(0, {"commands": 1}) + sample_line(10**9, {"commands": 5})[:-7])
    writer.finish("complete", write_requests(writer), NOW)
    bundle = Bundle(writer.folder)
    assert path == bundle.folder / "monitor" / "server.jsonl"
    assert bundle.run["files"]["monitor/server.jsonl"]["bytes"] == path.stat().st_size
    assert bundle.server_samples == (Sample(0, {"commands": 1}),)
    assert verify(bundle) == []
