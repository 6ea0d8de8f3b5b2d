"""Bundles that something happened to: every command works on what is left or says in one line what is wrong.

Invariant: never a traceback, never "a fault of its own", never NaN in a file that is written.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from export_checks import said_by, strict_json
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadgen.bundle import Bundle

FILES = ("requests.jsonl", "run.json", "summary.json")
PIECES = [
    b"",
    b"0",
    b"-1",
    b"null",
    b'"',
    b"}",
    b"\n",
    b"\xff",
    b"1e999",
    b"[]",
    b"{}",
    b',"x":',
    b"99999999999999999999",
]
ALLOWED = {0, 1, 2}  # done; problems were found; the bundle cannot be read
SLOW = {"suppress_health_check": list(HealthCheck), "deadline": None}


def copied(bundle: Bundle, folder: Path) -> Path:
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(bundle.folder, folder / bundle.id)
    return folder / bundle.id


def assert_in_order(code: int, err: str) -> None:
    assert code in ALLOWED, err
    assert "Traceback" not in err
    assert "fault of its own" not in err
    if code == 2:
        assert len(err.strip().splitlines()) == 1, err


def write_all(folder: Path, out: Path) -> None:
    """Every export of it; whatever comes of them is in order."""
    for format in ("vllm", "aiperf", "guidellm", "csv", "hdr"):
        code, _, err = said_by("export", str(folder), "--format", format, "--out", str(out / format))
        assert_in_order(code, err)
    for path in (out / "vllm", out / "guidellm", out / "aiperf" / "profile_export_aiperf.json"):
        if path.is_file():
            strict_json(path.read_text())
            path.unlink()


@st.composite
def damage(draw: st.DrawFn) -> Callable[[Path], None]:
    """One file cut, or some bytes of it replaced, anywhere."""
    name, place = draw(st.sampled_from(FILES)), draw(st.floats(0, 1, exclude_max=True))
    length, piece, is_cut = draw(st.integers(0, 40)), draw(st.sampled_from(PIECES)), draw(st.booleans())

    def apply(folder: Path) -> None:
        path = folder / name
        content = path.read_bytes()
        at = int(place * len(content))
        path.write_bytes(content[:at] if is_cut else content[:at] + piece + content[at + length :])

    return apply


@pytest.mark.parametrize("name", ["open", "web"])
@settings(max_examples=40, **SLOW)
@given(damages=st.lists(damage(), min_size=1, max_size=2))
def test_any_damage_is_found_and_nothing_falls_over(
    run_of: Callable[[str], Bundle], tmp_path: Path, name: str, damages: list[Callable[[Path], None]]
) -> None:
    folder = copied(run_of(name), tmp_path / "results")
    before = {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    for apply in damages:
        apply(folder)
    is_touched = before != {path.name: path.read_bytes() for path in folder.iterdir() if path.is_file()}
    code, out, err = said_by("verify", str(folder))
    assert_in_order(code, err)
    only_run_json = all(before[name] == (folder / name).read_bytes() for name in FILES if name != "run.json")
    assert code != 0 or not is_touched or only_run_json, out
    write_all(folder, tmp_path / "out")
    assert_in_order(*said_by("list", "--results", str(folder.parent))[::2])


@settings(max_examples=8, **SLOW)
@given(apply=damage())
def test_a_report_of_any_damage_is_made_or_refused_in_one_line(
    run_of: Callable[[str], Bundle], tmp_path: Path, apply: Callable[[Path], None]
) -> None:
    folder = copied(run_of("open"), tmp_path / "results")
    apply(folder)
    code, _, err = said_by("report", str(folder), "--reports", str(tmp_path / "reports"))
    assert_in_order(code, err)
    report = tmp_path / "reports" / folder.name / "report.json"
    if report.is_file():
        strict_json(report.read_text())


@pytest.mark.parametrize(
    "key", ["recipe", "plan", "service", "environment", "clients", "status", "created_at", "files"]
)
@pytest.mark.parametrize("value", [None, 5, "text", [], {}, [5]], ids=str)
def test_a_key_of_run_json_that_is_something_else(
    run_of: Callable[[str], Bundle], tmp_path: Path, key: str, value: object
) -> None:
    folder = copied(run_of("closed"), tmp_path / "results")
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, key: value}))
    code, _, err = said_by("verify", str(folder))
    assert_in_order(code, err)
    is_possible = value == type(run[key])() and key in ("plan", "service", "environment", "clients")
    assert code == (0 if is_possible else 1)
    write_all(folder, tmp_path / "out")
    assert_in_order(*said_by("list", "--results", str(folder.parent))[::2])


@pytest.mark.parametrize("key", ["recipe", "plan", "service"])
@pytest.mark.parametrize("value", [None, 5, []], ids=str)
def test_a_report_of_a_run_json_that_is_something_else(
    run_of: Callable[[str], Bundle], tmp_path: Path, key: str, value: object
) -> None:
    folder = copied(run_of("closed"), tmp_path / "results")
    run = json.loads((folder / "run.json").read_text())
    (folder / "run.json").write_text(json.dumps({**run, key: value}))
    code, _, err = said_by("report", str(folder), "--reports", str(tmp_path / "reports"))
    assert_in_order(code, err)


@pytest.mark.parametrize("cut", [1, 100, 400, 5000])
def test_a_killed_run_can_be_verified_reported_and_exported(
    run_of: Callable[[str], Bundle], tmp_path: Path, cut: int
) -> None:
    source = run_of("closed")
    folder = copied(source, tmp_path / "results")
    (folder / "summary.json").unlink()
    text = (folder / "run.json").read_text()
    (folder / "run.json").write_text(text.replace('"status": "complete"', '"status": "running"'))
    (folder / "requests.jsonl").write_bytes(source.requests_path.read_bytes()[:-cut])
    code, out, _ = said_by("verify", str(folder))
    n_lines = source.requests_path.read_bytes()[:-cut].count(b"\n")
    assert code == 1
    assert f"{folder.name}: the run is still going on, or was killed: it has no summary and no hashes" in out
    if cut > 1:
        assert f"requests.jsonl:{n_lines + 1}: the last line is cut: the run was killed" in out
    write_all(folder, tmp_path / "out")
    code, _, err = said_by("report", str(folder), "--reports", str(tmp_path / "reports"))
    assert code == 0, err
    assert "its run was killed, or is still going on" in err


def test_verify_names_the_line_of_each_kind_of_edit(run_of: Callable[[str], Bundle], tmp_path: Path) -> None:
    source = run_of("closed")
    lines = source.requests_path.read_bytes().splitlines(keepends=True)
    fifth = json.loads(lines[4])
    swapped = {**fifth, "planned_at_ns": fifth["done_at_ns"], "done_at_ns": fifth["planned_at_ns"]}
    edits: dict[str, tuple[list[bytes], str]] = {
        "changed": ([*lines[:4], lines[4].replace(b'"ok"', b'"reset"'), *lines[5:]], "requests.jsonl:5: success: "),
        "removed": ([*lines[:4], *lines[5:]], f"requests.jsonl: 1 line is missing: none has index {fifth['index']}"),
        "doubled": (
            [*lines[:4], lines[4], *lines[4:]],
            f"requests.jsonl:6: index {fifth['index']} stands in line 5 already",
        ),
        "swapped": ([*lines[:4], json.dumps(swapped).encode() + b"\n", *lines[5:]], "requests.jsonl:5: "),
        "believable": (
            [*lines[:4], lines[4].replace(b'"payload":', b'"payload":9'), *lines[5:]],
            "requests.jsonl: not as it was written: line 5",
        ),
        "rubbish": ([*lines[:4], b"\x00\xff\n", *lines[5:]], "requests.jsonl:5: not JSON"),
    }
    for name, (edited, said) in edits.items():
        folder = copied(source, tmp_path / "results")
        (folder / "requests.jsonl").write_bytes(b"".join(edited))
        code, out, _ = said_by("verify", str(folder))
        assert code == 1
        assert f"{folder.name}: {said}" in out, (name, out)
        assert "requests.jsonl: " in out  # its hash or its length, too
