"""Opening bundles: by any name, of any age, whole or not."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from made_runs import NOW, OPERATIONS, block_of, finished, start, write_requests

from loadgen.bundle import SCHEMA_VERSION, Bundle, list_ids, open_bundle, verify
from loadgen.bundle.jsonl import format_lines
from loadgen.bundle.layout import KeptOperation
from loadgen.errors import RecipeError
from loadgen.metrics.recalculate import recalculate

HERE = Path(__file__).parent


def edit_run(bundle: Bundle, **changes: Any) -> Path:
    (bundle.folder / "run.json").write_text(json.dumps({**bundle.run, **changes}))
    return bundle.folder


def test_a_bundle_opens_by_its_id_its_folder_and_as_the_latest(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = finished(tmp_path), finished(tmp_path)
    assert open_bundle(first.id, tmp_path).folder == first.folder
    assert open_bundle(first.folder, Path("elsewhere")).id == first.id
    assert open_bundle("latest", tmp_path).id == last.id
    monkeypatch.chdir(tmp_path)
    assert open_bundle(first.id, Path("elsewhere")).id == first.id


def test_ids_are_listed_by_day_and_number_and_other_folders_are_not(tmp_path: Path) -> None:
    for name in ("BM-20260304-1000", "BM-20260304-999", "BM-20260305-001", "sweep_1", "BM-20260305-002"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "run.json").write_text("{}")
    (tmp_path / "BM-20260305-002" / "run.json").unlink()
    assert list_ids(tmp_path) == ["BM-20260304-999", "BM-20260304-1000", "BM-20260305-001"]
    assert list_ids(tmp_path / "none") == []


@pytest.mark.parametrize("which", ["BM-20260304-001", "latest", "nowhere"])
def test_a_bundle_that_does_not_exist_is_one_line_and_exit_code_2(tmp_path: Path, which: str) -> None:
    with pytest.raises(RecipeError) as caught:
        open_bundle(which, tmp_path)
    assert which in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_a_bundle_of_a_newer_schema_is_refused_in_one_line(tmp_path: Path) -> None:
    folder = edit_run(finished(tmp_path), schema_version=SCHEMA_VERSION + 1)
    with pytest.raises(RecipeError, match=f"newer loadgen: schema version {SCHEMA_VERSION + 1}"):
        open_bundle(folder, tmp_path)


@pytest.mark.parametrize("content", ["", "[]", "{", "{}", '{"schema_version": "1"}', '{"schema_version": 0}'])
def test_a_run_json_that_is_none_is_one_line(tmp_path: Path, content: str) -> None:
    bundle = finished(tmp_path)
    (bundle.folder / "run.json").write_text(content)
    with pytest.raises(RecipeError, match=r"run\.json"):
        open_bundle(bundle.id, tmp_path)


def test_a_folder_without_run_json_is_not_a_bundle(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="not a bundle"):
        open_bundle(tmp_path, tmp_path)


@pytest.mark.parametrize("n", [1, 5, 12, 4096])
def test_blocks_give_back_the_records_that_were_written(tmp_path: Path, n: int) -> None:
    blocks = list(finished(tmp_path).blocks(n))
    expected = block_of(0, 12)
    assert b"".join(block.records.tobytes() for block in blocks) == expected.records.tobytes()
    assert [gap for block in blocks for gap in block.gaps_ns.tolist()] == expected.gaps_ns.tolist()
    assert max(len(block.records) for block in blocks) <= n


def test_operations_come_from_the_lines_where_run_json_does_not_list_them(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    again = Bundle(edit_run(bundle, plan={}))
    assert again.operations == (KeptOperation("get", False), KeptOperation("chat", True))
    assert sum(len(block.records) for block in again.blocks()) == 12


def test_a_cut_last_line_is_left_out_and_said(tmp_path: Path) -> None:
    writer = start(tmp_path)
    write_requests(writer)
    with writer.requests_path.open("ab") as file:
        file.write(b'{"request_id":"BM-20')
    bundle = open_bundle(writer.id, tmp_path)
    assert sum(len(block.records) for block in bundle.blocks(5)) == 12
    assert sum(len(block.records) for block in bundle.blocks(5)) == 12
    assert bundle.problems == ["requests.jsonl:13: the last line is cut: the run was killed while it wrote it"]


def test_lines_that_are_no_requests_are_named_by_number(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    lines = bundle.requests_path.read_bytes().splitlines(keepends=True)
    lines[3] = b"rubbish\n"
    bundle.requests_path.write_bytes(b"".join(lines))
    assert sum(len(block.records) for block in bundle.blocks(2)) == 11
    assert bundle.problems == ["requests.jsonl:4: not JSON"]


def test_many_bad_lines_are_counted_instead_of_listed(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    bundle.requests_path.write_bytes(b"x\n" * 500)
    assert list(bundle.blocks()) == []
    assert len(bundle.problems) == 21
    assert bundle.problems[-1] == "requests.jsonl: and 480 more lines"


def test_a_summary_that_cannot_be_read_is_none_and_said(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    (bundle.folder / "summary.json").write_text("{")
    assert bundle.summary is None
    assert "summary.json: cannot be read" in bundle.problems[0]


def test_a_bundle_without_requests_has_no_blocks(tmp_path: Path) -> None:
    writer = start(tmp_path)
    writer.requests_path.unlink()
    assert list(open_bundle(writer.id, tmp_path).blocks()) == []


def test_a_run_killed_in_mid_line_can_be_summarised(tmp_path: Path) -> None:
    """A process is killed with SIGKILL; what it wrote is read, and its figures are worked out again."""
    program = (
        "import sys, time\n"
        "from pathlib import Path\n"
        "from made_runs import start, write_requests\n"
        "writer = start(Path(sys.argv[1]))\n"
        "write_requests(writer)\n"
        "with writer.requests_path.open('ab', buffering=0) as file:\n"
        '    file.write(b\'{"request_id":"BM\')\n'
        "    print('written', flush=True)\n"
        "    sys.stdin.read()\n"
    )
    path = os.pathsep.join([str(HERE), str(HERE.parents[2])])
    victim = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path)],
        env={**os.environ, "PYTHONPATH": path},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with victim:
        assert victim.stdout is not None
        assert victim.stdout.readline() == b"written\n"
        victim.send_signal(signal.SIGKILL)
    bundle = open_bundle("latest", tmp_path)
    assert (bundle.status, bundle.summary) == ("running", None)
    complete = finished(tmp_path).summary
    assert complete is not None
    _, summary = recalculate(bundle)
    for key in ("requests", "metrics", "by_operation", "slo", "success_ratio", "total_output_tokens"):
        assert summary[key] == complete[key]
    assert verify(bundle) == [
        "the run is still going on, or was killed: it has no summary and no hashes",
        "requests.jsonl:13: the last line is cut: the run was killed",
    ]


def test_reading_holds_one_batch_at_a_time(tmp_path: Path) -> None:
    writer = start(tmp_path)
    with writer.requests_path.open("ab") as file:
        for first in range(0, 5000, 1000):
            file.write(format_lines(block_of(first, 1000), writer.id, OPERATIONS))
    writer.finish("complete", None, NOW)
    blocks = Bundle(writer.folder).blocks(100)
    assert len(next(blocks).records) == 100
    assert sum(len(block.records) for block in blocks) == 4900
