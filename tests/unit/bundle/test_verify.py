"""A bundle that was touched is found out, and the line that gives it away is named."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import (
    edit_lines,
    finished,
    finished_data,
    finished_services,
    hash_of,
    start,
    with_hashes,
    write_requests,
)

from loadgen.bundle import Bundle, open_bundle, verify


def test_a_bundle_as_it_was_written_has_no_problems(tmp_path: Path) -> None:
    assert verify(finished(tmp_path)) == []


def test_bundles_of_a_store_and_of_several_services_have_no_problems(tmp_path: Path) -> None:
    assert verify(finished_data(tmp_path)) == []
    assert verify(finished_services(tmp_path)) == []


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"checked": False}, "checked: must be true, or left out, got False"),
        ({"error_code": None}, "error_code: must be a string, got None"),
        ({"n_items": 3, "n_hits": 4}, "n_hits: 4 of 3 items"),
        ({"n_items": -1}, "n_items: must be an integer >= 0, got -1"),
        ({"service": "web"}, "operation: web get is none of the run's"),
    ],
)
def test_a_wrong_line_of_a_store_is_named_with_its_number(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    bundle = edit_lines(finished_data(tmp_path), change_of(5, **changes))
    assert any(problem.startswith(f"requests.jsonl:5: {fault}") for problem in verify(bundle)), verify(bundle)


def test_checks_that_went_missing_show_in_the_counts(tmp_path: Path) -> None:
    bundle = edit_lines(finished_data(tmp_path), change_of(5, checked=..., outcome="ok", success=True, error=None))
    problems = verify(bundle)
    assert "summary.json: checked: 51, but requests.jsonl has 10 and the findings 40" in problems
    assert "summary.json: wrong: 3, but requests.jsonl has 1 and the findings 1" in problems


def test_error_codes_that_were_changed_show_in_the_counts(tmp_path: Path) -> None:
    problems = verify(edit_lines(finished_data(tmp_path), change_of(8, error_code="OOM")))
    codes = "{'LOADING': 2}, but requests.jsonl has {'OOM': 1, 'LOADING': 1}"
    assert f"summary.json: requests.by_error_code: {codes}" in problems


def test_counts_are_held_against_each_service_and_against_all(tmp_path: Path) -> None:
    bundle = edit_lines(finished_services(tmp_path), lambda lines: lines[:-1])
    problems = verify(bundle)
    assert "summary.json: requests.planned: 13, but requests.jsonl has 12" in problems
    assert "summary.json: services.store.requests.planned: 12, but requests.jsonl has 11" in problems
    assert not any("services.llm" in problem for problem in problems)


def test_a_service_without_its_figures_is_named(tmp_path: Path) -> None:
    bundle = finished_services(tmp_path)
    assert bundle.summary is not None
    del bundle.summary["services"]["llm"]["metrics"]
    bundle.summary["services"]["store"] = 5
    (bundle.folder / "summary.json").write_text(json.dumps(bundle.summary))
    problems = verify(with_hashes(bundle))
    assert "summary.json: services.llm: metrics: missing" in problems
    assert "summary.json: services.store: must be dict, got int" in problems


def test_a_single_changed_byte_is_found_by_its_hash(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    content = bundle.requests_path.read_bytes()
    bundle.requests_path.write_bytes(content.replace(b'"kernel"', b'"read"  ', 1))
    assert verify(bundle) == [
        "requests.jsonl: its SHA-256 is not the one in run.json",
        "requests.jsonl: not as it was written: line 1",
    ]


def test_files_that_are_missing_grown_or_strange_are_named(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    (bundle.folder / "summary.json").unlink()
    (bundle.folder / "notes.txt").write_text("mine")
    with bundle.requests_path.open("ab") as file:
        file.write(b"\n")
    problems = verify(Bundle(bundle.folder))
    assert "summary.json: listed in run.json, but not there" in problems
    assert "summary.json: missing" in problems
    assert "notes.txt: not listed in run.json" in problems
    assert any(problem.startswith("requests.jsonl: has ") for problem in problems)
    assert "requests.jsonl:13: not JSON" in problems


def change_of(number: int, **changes: Any) -> Callable[[list[bytes]], list[bytes]]:
    """Other values for some keys of one line; ... removes the key."""

    def change(lines: list[bytes]) -> list[bytes]:
        line = {**json.loads(lines[number - 1]), **changes}
        lines[number - 1] = json.dumps({key: value for key, value in line.items() if value is not ...}).encode() + b"\n"
        return lines

    return change


@pytest.mark.parametrize(
    ("changes", "fault"),
    [
        ({"index": 99}, "request_id: BM-20260304-001-000000000004 does not belong to index 99 of BM-20260304-001"),
        ({"success": False}, "success: False, but the outcome is ok"),
        ({"sent_at_ns": 5}, "sent_at_ns: before planned_at_ns"),
        ({"first_byte_at_ns": 5}, "first_byte_at_ns: before planned_at_ns"),
        ({"done_at_ns": 560_000_000, "latency_s": 0.06}, "done_at_ns: before last_token_at_ns"),
        ({"itl_ns": [1]}, "itl_ns: 1 gaps for 3 events, must be 2"),
        ({"itl_ns": [1, 2]}, "itl_ns: does not add up to last_token_at_ns - first_token_at_ns"),
        (
            {"n_events": 0, "itl_ns": []},
            "n_events: 0, but first_token_at_ns is 550000000 and last_token_at_ns is 58",
        ),
        ({"latency_s": 0.5}, "latency_s: 0.5, but done_at_ns - planned_at_ns is 90000000 ns"),
        ({"ttft_s": None}, "ttft_s: None, but first_token_at_ns is 550000000"),
        ({"payload": ...}, "payload: missing"),
        ({"itl_ns": ...}, "itl_ns: missing"),
        ({"server_eval_ns": -1}, "server_eval_ns: must be an integer >= 0, got -1"),
        ({"colour": "red"}, "colour: unknown key"),
        ({"outcome": "good"}, "outcome: must be one of ok, rate_limited,"),
        ({"finish_reason": 5}, "finish_reason: must be one of null, stop,"),
        ({"phase": None}, "phase: must be one of warmup, measure, drain, got None"),
        ({"prompt_tokens": 1.5}, "prompt_tokens: must be an integer >= 0 or null, got 1.5"),
        ({"index": True}, "index: must be an integer >= 0, got True"),
        ({"itl_ns": [-1, 3]}, "itl_ns: must be a list of integers >= 0, got [-1, 3]"),
        ({"operation": "del"}, "operation: del is none of the run's"),
        ({"operation": []}, "operation: must be a string, got []"),
        ({"error": 5}, "error: must be a string or null, got 5"),
        ({"success": 1}, "success: must be true or false, got 1"),
        ({"latency_s": "0.1"}, "latency_s: must be a number >= 0 or null, got '0.1'"),
    ],
)
def test_the_bad_line_is_named_with_what_is_wrong(tmp_path: Path, changes: dict[str, Any], fault: str) -> None:
    bundle = edit_lines(finished(tmp_path), change_of(5, **changes))
    assert any(problem.startswith(f"requests.jsonl:5: {fault}") for problem in verify(bundle)), verify(bundle)


def test_an_index_that_is_there_twice_is_named(tmp_path: Path) -> None:
    bundle = edit_lines(finished(tmp_path), lambda lines: [*lines[:4], lines[3], *lines[4:]])
    problems = verify(bundle)
    assert "requests.jsonl:5: index 3 stands in line 4 already" in problems
    assert "summary.json: requests.planned: 10, but requests.jsonl has 11" in problems


@pytest.mark.parametrize(
    ("gone", "where"),
    [
        ([3], "1 line is missing: none has index 3"),
        ([2, 6], "2 lines are missing: none has index 2, 6"),
        ([11], "1 line is missing: after the last index"),
    ],
)
def test_requests_whose_lines_went_missing_are_named(tmp_path: Path, gone: list[int], where: str) -> None:
    def without(lines: list[bytes]) -> list[bytes]:
        return [line for place, line in enumerate(lines) if place not in gone]

    assert f"requests.jsonl: {where}" in verify(edit_lines(finished(tmp_path), without))


def test_a_line_that_went_missing_shows_in_the_counts(tmp_path: Path) -> None:
    bundle = edit_lines(finished(tmp_path), lambda lines: lines[:-1])
    problems = verify(bundle)
    assert "summary.json: requests.planned: 10, but requests.jsonl has 9" in problems
    assert "summary.json: total_output_tokens: 18, but requests.jsonl has 15" in problems


def test_a_failure_made_a_success_shows_in_the_counts(tmp_path: Path) -> None:
    bundle = edit_lines(finished(tmp_path), change_of(6, outcome="ok", success=True))
    assert "summary.json: requests.failed: 1, but requests.jsonl has 0" in verify(bundle)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"status": "done"}, "run.json: status: must be one of running, complete, interrupted, failed, got 'done'"),
        ({"target": 5}, "run.json: target: must be str, got int"),
        ({"git_dirty": "no"}, "run.json: git_dirty: must be bool or null, got str"),
        ({"recipe_hash": "0" * 64}, "run.json: recipe_hash: does not belong to the recipe that stands there"),
        ({"files": {"requests.jsonl": 5}}, "run.json: files: requests.jsonl: must have bytes and sha256"),
        ({"files": []}, "run.json: files: must be dict, got list"),
    ],
)
def test_a_wrong_value_in_run_json_is_named(tmp_path: Path, changes: dict[str, Any], problem: str) -> None:
    bundle = finished(tmp_path)
    (bundle.folder / "run.json").write_text(json.dumps({**bundle.run, **changes}))
    assert problem in verify(Bundle(bundle.folder))


def test_a_missing_key_of_run_json_is_named(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    run = {key: value for key, value in bundle.run.items() if key != "recipe"}
    (bundle.folder / "run.json").write_text(json.dumps(run))
    assert "run.json: recipe: missing" in verify(Bundle(bundle.folder))


def test_a_bundle_under_another_name_is_said(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    shutil.move(bundle.folder, tmp_path / "mine")
    problems = verify(open_bundle(tmp_path / "mine", tmp_path))
    assert problems == ["run.json: benchmark_id: 'BM-20260304-001', but the folder is mine"]


@pytest.mark.parametrize("part", ["planned", "finished"])
def test_counts_of_the_summary_that_contradict_each_other_are_said(tmp_path: Path, part: str) -> None:
    bundle = finished(tmp_path)
    assert bundle.summary is not None
    bundle.summary["requests"][part] += 1
    (bundle.folder / "summary.json").write_text(json.dumps(bundle.summary))
    problems = verify(with_hashes(bundle))
    assert any(problem.startswith(f"summary.json: requests.{part}: is not ") for problem in problems)


def test_a_run_that_goes_on_is_said_and_its_lines_are_checked(tmp_path: Path) -> None:
    writer = start(tmp_path)
    write_requests(writer)
    assert verify(Bundle(writer.folder)) == [
        "the run is still going on, or was killed: it has no summary and no hashes"
    ]


def test_many_faults_are_counted_instead_of_listed(tmp_path: Path) -> None:
    bundle = edit_lines(finished(tmp_path), lambda lines: [b"x\n"] * 100)
    problems = verify(bundle)
    assert "requests.jsonl: and 80 more faults" in problems
    assert len(problems) < 40


def test_the_hash_of_a_recipe_does_not_depend_on_the_order_of_its_keys(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    turned = dict(reversed(bundle.run["recipe"].items()))
    assert hash_of(turned) == bundle.run["recipe_hash"]
    (bundle.folder / "run.json").write_text(json.dumps({**bundle.run, "recipe": turned}))
    assert verify(Bundle(bundle.folder)) == []
