"""`loadgen.load_bundle()`: a run in memory, whatever came of it."""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import loadgen
from loadgen.bundle import Bundle
from loadgen.bundle.monitor import Sample
from loadgen.errors import RecipeError
from loadgen.export.loaded import in_order_of_the_plan
from loadgen.metrics.streaming import first_gaps
from loadgen.records import NEVER, Block, Outcome, empty_record

Lines = Callable[[Bundle], list[dict[str, Any]]]

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "bundles" / "v1"
NAMES = ["open", "closed", "all failed", "one request", "web"]


@pytest.mark.parametrize("name", NAMES)
def test_records_are_the_lines_in_the_order_of_the_plan(
    run_of: Callable[[str], Bundle], lines_of: Lines, name: str
) -> None:
    bundle = run_of(name)
    run = loadgen.load_bundle(bundle.folder)
    lines = lines_of(bundle)
    assert len(run.records) == len(lines) > 0
    assert run.records["index"].tolist() == [line["index"] for line in lines]
    for key in ("planned_at_ns", "sent_at_ns", "done_at_ns", "response_bytes"):
        assert run.records[key].tolist() == [NEVER if line[key] is None else line[key] for line in lines]
    operations = [run.operations[number].name for number in run.records["operation"]]
    assert operations == [line["operation"] for line in lines]
    for place, line in enumerate(lines):
        assert run.itl_of(place).tolist() == line.get("itl_ns", [])
    assert len(run.gaps_ns) == run.records["n_gaps"].sum()


@pytest.mark.parametrize("name", NAMES)
def test_counts_are_those_of_the_summary(run_of: Callable[[str], Bundle], name: str) -> None:
    run = loadgen.load_bundle(run_of(name).folder)
    assert run.summary is not None
    requests = run.summary["requests"]
    measured = run.records[run.records["phase"] == 1]
    assert len(run.records) == requests["planned"] + requests["warmup"] + requests["drain"]
    assert int((measured["outcome"] == Outcome.OK).sum()) == requests["succeeded"]
    assert (requests["succeeded"] == 0) == (name == "all failed")


def test_it_is_typed_frozen_and_whole(run_of: Callable[[str], Bundle]) -> None:
    bundle = run_of("closed")
    run = loadgen.load_bundle(bundle.id, results=bundle.folder.parent)
    assert (run.id, run.folder, run.status) == (bundle.id, bundle.folder, "complete")
    assert run.recipe["load"]["concurrency"] == 4
    assert run.run["plan"]["seed"] is not None
    assert run.problems == ()
    assert run.records.dtype.names is not None
    with pytest.raises(dataclasses.FrozenInstanceError):
        run.id = "other"  # type: ignore[misc]
    with pytest.raises(IndexError):
        run.itl_of(len(run.records))
    assert run.itl_of(-1).tolist() == run.itl_of(len(run.records) - 1).tolist()


def test_what_was_watched_is_there_by_the_name_of_its_file() -> None:
    run = loadgen.load_bundle("BM-20260304-002", results=GOLDEN)
    assert set(run.monitor) == {"server"}
    assert all(isinstance(sample, Sample) for sample in run.monitor["server"])
    assert [sample.at_ns for sample in run.monitor["server"]] == [0, 10**9, 2 * 10**9]


def test_a_run_that_is_not_there_is_one_line(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="no such run"):
        loadgen.load_bundle("BM-20260304-001", results=tmp_path)


def test_a_killed_run_gives_what_there_is(run_of: Callable[[str], Bundle], tmp_path: Path) -> None:
    """As kill -9 leaves it: status running, no summary, a last line that is cut."""
    source = run_of("closed")
    folder = tmp_path / source.id
    folder.mkdir()
    text = (source.folder / "run.json").read_text().replace('"status": "complete"', '"status": "running"')
    (folder / "run.json").write_text(text)
    (folder / "requests.jsonl").write_bytes(source.requests_path.read_bytes()[:-100])
    run = loadgen.load_bundle(folder)
    assert (run.status, run.summary) == ("running", None)
    assert len(run.records) == 64
    assert run.problems == ("requests.jsonl:65: the last line is cut: the run was killed while it wrote it",)


def test_gaps_follow_their_requests_into_the_order_of_the_plan() -> None:
    records = np.concatenate([empty_record() for _ in range(4)])
    records["index"], records["n_gaps"] = [3, 1, 2, 1], [2, 0, 3, 1]
    block = in_order_of_the_plan(Block(records, np.array([30, 31, 20, 21, 22, 10], np.int64)))
    assert block.records["index"].tolist() == [1, 1, 2, 3]
    assert block.gaps_ns.tolist() == [10, 20, 21, 22, 30, 31]
    assert first_gaps(block.records).tolist() == [0, 0, 1, 4]
