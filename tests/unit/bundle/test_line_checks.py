"""A changed line is found by its number, even where what stands there now could be true."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_runs import finished

from loadgen.bundle import Bundle, line_checks, verify
from loadgen.bundle.line_checks import changed_lines, describe_lines


def written(folder: Path, lines: list[bytes]) -> Path:
    path = folder / "lines"
    path.write_bytes(b"".join(lines))
    return path


LINES = [f"line {number}\n".encode() for number in range(1, 11)]


def test_a_file_as_it_was_has_no_changed_line(tmp_path: Path) -> None:
    path = written(tmp_path, LINES)
    said = describe_lines(path)
    assert (said["n_lines"], said["lines_each"], len(said["crc32"])) == (10, 1, 80)
    assert list(changed_lines(path, said)) == []


@pytest.mark.parametrize(
    ("edited", "where"),
    [
        ([*LINES[:4], b"other\n", *LINES[5:]], ["line 5"]),
        ([b"x\n", *LINES[1:9], b"y\n"], ["line 1", "line 10"]),
        ([*LINES[:4], *LINES[5:]], ["line 5"]),
        ([*LINES[:4], LINES[4], *LINES[4:]], ["line 6"]),
        ([LINES[1], LINES[0], *LINES[2:]], ["line 1", "line 2"]),
        (LINES[:7], ["line 8"]),
        ([*LINES, b"one more\n"], ["line 11"]),
        ([*LINES[:9], b"line 10"], ["line 10"]),
        ([], ["line 1"]),
    ],
)
def test_what_was_changed_is_named(tmp_path: Path, edited: list[bytes], where: list[str]) -> None:
    said = describe_lines(written(tmp_path, LINES))
    assert list(changed_lines(written(tmp_path, edited), said)) == where


def test_of_very_many_lines_some_share_a_check(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_checks, "MOST_CHECKS", 4)
    said = describe_lines(written(tmp_path, LINES))
    assert (said["lines_each"], len(said["crc32"]) // 8) == (3, 4)
    edited = [*LINES[:4], b"other\n", *LINES[5:]]
    assert list(changed_lines(written(tmp_path, edited), said)) == ["lines 4 to 6"]


@given(st.integers(0, 9), st.binary(min_size=1, max_size=5))
def test_any_other_content_of_a_line_is_found(tmp_path_factory: pytest.TempPathFactory, at: int, text: bytes) -> None:
    folder = tmp_path_factory.mktemp("lines")
    said = describe_lines(written(folder, LINES))
    changed = [*LINES[:at], text.replace(b"\n", b" ") + b"\n", *LINES[at + 1 :]]
    assert list(changed_lines(written(folder, changed), said)) == [f"line {at + 1}"]


@pytest.mark.parametrize("said", [None, 5, [], {}, {"n_lines": 1, "lines_each": 0, "crc32": ""}, {"n_lines": 1}])
def test_without_a_description_nothing_is_said(tmp_path: Path, said: object) -> None:
    assert list(changed_lines(written(tmp_path, LINES), said)) == []


def test_verify_names_a_line_that_could_be_true(tmp_path: Path) -> None:
    bundle = finished(tmp_path)
    content = bundle.requests_path.read_bytes().splitlines(keepends=True)
    content[6] = content[6].replace(b'"response_bytes":900', b'"response_bytes":901')
    bundle.requests_path.write_bytes(b"".join(content))
    assert verify(Bundle(bundle.folder)) == [
        "requests.jsonl: its SHA-256 is not the one in run.json",
        "requests.jsonl: not as it was written: line 7",
    ]
