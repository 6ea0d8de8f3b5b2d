"""`loadgen export` as a user types it, and runs of which there is nothing."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from export_checks import said_by, strict_json

from loadgen.bundle import Bundle
from loadgen.cli.main import EXPORT_FORMATS
from loadgen.export import FORMATS, export, load_bundle


def test_the_formats_of_the_help_are_those_there_are() -> None:
    assert tuple(FORMATS) == EXPORT_FORMATS


@pytest.mark.parametrize("format", FORMATS)
def test_files_are_named_after_the_run_and_told(
    run_of: Callable[[str], Bundle], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, format: str
) -> None:
    monkeypatch.chdir(tmp_path)
    bundle = run_of("closed")
    code, out, err = said_by("export", str(bundle.folder), "--format", format)
    assert (code, err) == (0, "")
    told = [tmp_path / line.removeprefix("Written: ") for line in out.splitlines()]
    assert told == [path for path in told if path.is_file()]
    assert {path.name for path in tmp_path.iterdir()} == {f"{bundle.id}{FORMATS[format].suffix}"}


@pytest.mark.parametrize(
    ("args", "code", "said"),
    [
        (["--format", "xml"], 2, "--format xml: must be one of vllm, aiperf, guidellm, csv, parquet, hdr"),
        (["--format", "csv", "--service", "x"], 2, "has only one"),
        (["--format", "csv", "--out", "/proc/none/here.csv"], 4, "/proc/none/here.csv: cannot be written: "),
        ([], 2, "--format"),
    ],
)
def test_a_mistake_is_one_line(run_of: Callable[[str], Bundle], args: list[str], code: int, said: str) -> None:
    got, out, err = said_by("export", str(run_of("closed").folder), *args)
    assert (got, out) == (code, "")
    assert said in err
    assert err.count("\n") == 1


def test_hdr_of_a_run_without_a_success_says_that_there_is_nothing(
    run_of: Callable[[str], Bundle], tmp_path: Path
) -> None:
    code, out, err = said_by("export", str(run_of("all failed").folder), "--format", "hdr", "--out", str(tmp_path))
    assert (code, out) == (0, "")
    assert err == "note: nothing to write: no request succeeded\n"


@pytest.mark.parametrize("has_plan", [True, False])
def test_a_run_that_was_killed_before_its_first_request_is_empty(
    run_of: Callable[[str], Bundle], tmp_path: Path, has_plan: bool
) -> None:
    source = run_of("closed")
    folder = tmp_path / source.id
    folder.mkdir()
    run = {**source.run, "status": "running", "files": {}, "started_at_unix_ns": None, "ended_at": None}
    (folder / "run.json").write_text(json.dumps(run if has_plan else {**run, "plan": {}}))
    (folder / "requests.jsonl").touch()
    assert len(load_bundle(folder).records) == 0
    assert len(load_bundle(folder).to_pandas()) == 0
    for format in FORMATS:
        export(folder, format, tmp_path / format)
    assert strict_json((tmp_path / "vllm").read_text())["completed"] == 0
    assert strict_json((tmp_path / "guidellm").read_text())["benchmarks"][0]["duration"] == 0
    assert len((tmp_path / "csv").read_text().splitlines()) == 1
