"""Reports of fixed runs against kept ones.

After a change that is meant, make the kept files again and read the difference before committing it:

    LOADGEN_NEW_GOLDEN=1 python -m pytest tests/golden/reports
"""

import json
import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from synthetic_runs import Shape, make_bundle, make_sweep
from synthetic_services import CHAT, STORE, Stored, make_stored

from loadgen.bundle import Bundle
from loadgen.compare.comparison import compare
from loadgen.compare.words import lines_above, sentence, table_lines
from loadgen.report import write_report, write_sweep_report
from loadgen.report.facts import facts_of
from loadgen.report.points import sweep_of
from loadgen.report.sweep_report import sweep_json
from loadgen.report.text import run_lines, sweep_lines

KEPT = Path(__file__).parent

SHAPE = Shape(duration_s=10.0, warmup_s=1.0)


def a_run(folder: Path) -> Path:
    return write_report(make_bundle(folder / "results", SHAPE), folder / "reports")


def a_failing_run(folder: Path) -> Path:
    shape = replace(SHAPE, clients=24, fail_share=0.04, status="interrupted")
    return write_report(make_bundle(folder / "results", shape), folder / "reports")


def a_plain_http_run(folder: Path) -> Path:
    shape = replace(SHAPE, n_tokens=0, rate_per_s=120.0, slos=("p99_e2e < 1 s", "error_ratio < 1 %"))
    return write_report(make_bundle(folder / "results", shape), folder / "reports")


def a_sweep(folder: Path) -> Path:
    at = {32: {"status": "failed", "fail_share": 1.0}}
    bundles = make_sweep(folder / "results", SHAPE, "clients", [1, 8, 16, 32], at=at)
    return write_sweep_report(bundles, folder / "reports")


def a_grid(folder: Path) -> Path:
    shapes = [replace(SHAPE, clients=n, n_tokens=m) for m in (8, 24) for n in (4, 8, 16)]
    return write_sweep_report([make_bundle(folder / "results", shape) for shape in shapes], folder / "reports")


def a_sweep_of_models(folder: Path) -> Path:
    names = ["smollm2:135m", "qwen3:0.6b", "a-model-with-a-long-name:7b-instruct-q4_K_M"]
    at = {names[1]: {"gap_ms": 70.0}, names[2]: {"status": None}}
    return write_sweep_report(make_sweep(folder / "results", SHAPE, "model", names, at=at), folder / "reports")


BOTH = Stored(
    chat=CHAT,
    slos=("chat.p99_ttft < 400 ms", "store.p99_e2e < 40 ms", "success_ratio >= 98 %", "store.p5_recall >= 0.9"),
)


def a_store(folder: Path) -> Path:
    return write_report(make_stored(folder / "results", Stored()), folder / "reports")


def a_store_that_lies(folder: Path) -> Path:
    return write_report(make_stored(folder / "results", Stored(is_wrong=True)), folder / "reports")


def two_services(folder: Path) -> Path:
    return write_report(make_stored(folder / "results", replace(BOTH, is_wrong=True)), folder / "reports")


def a_sweep_of_two_services(folder: Path) -> Path:
    bundles = [
        make_stored(
            folder / "results",
            replace(BOTH, store=replace(STORE, clients=n), sweep={"axes": {"loads.store.concurrency": n}}),
        )
        for n in (2, 8, 32)
    ]
    return write_sweep_report(bundles, folder / "reports")


KEPT_JSON = ("a_run", "a_plain_http_run", "a_sweep", "two_services")

RUNS = (a_run, a_failing_run, a_plain_http_run, a_store, a_store_that_lies, two_services)
SWEEPS = (a_sweep, a_grid, a_sweep_of_models, a_sweep_of_two_services)
CASES: dict[str, Callable[[Path], Path]] = {case.__name__: case for case in (*RUNS, *SWEEPS)}


@pytest.fixture(scope="module", params=CASES)
def made(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    return request.param, CASES[request.param](tmp_path_factory.mktemp(request.param))


def kept(name: str, text: str) -> str:
    """The kept file; or, when they are made again, what will be kept from now on."""
    path = KEPT / name
    if os.environ.get("LOADGEN_NEW_GOLDEN"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    return path.read_text("utf-8")


def test_the_page_is_the_kept_one(made: tuple[str, Path]) -> None:
    name, folder = made
    page = (folder / "report.md").read_text("utf-8")
    assert page == kept(f"{name}/report.md", page)


@pytest.mark.parametrize("made", KEPT_JSON, indirect=True)
def test_the_json_is_the_kept_one(made: tuple[str, Path]) -> None:
    name, folder = made
    text = (folder / "report.json").read_text("utf-8")
    assert rounded(json.loads(text)) == rounded(json.loads(kept(f"{name}/report.json", text)))


def rounded(value: Any) -> Any:
    """Nine digits: the last bits of a sum depend on how a processor adds."""
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, dict):
        return {key: rounded(inner) for key, inner in value.items()}
    return [rounded(inner) for inner in value] if isinstance(value, list) else value


def test_every_picture_is_there_of_its_size_and_with_room_to_its_edges(made: tuple[str, Path]) -> None:
    from matplotlib.image import imread

    _, folder = made
    promised = json.loads((folder / "report.json").read_text("utf-8"))["plots"]
    assert promised
    assert sorted(promised) == sorted(f"plots/{path.name}" for path in (folder / "plots").iterdir())
    for name in promised:
        pixels = imread(folder / name)[:, :, :3]
        assert pixels.shape[1] == 1000, name
        assert 560 <= pixels.shape[0] <= 740, name
        assert np.mean(pixels < 0.95) > 0.01, f"{name} is blank"
        edges = (pixels[:4], pixels[-4:], pixels[:, :4], pixels[:, -4:])
        assert all((edge > 0.98).all() for edge in edges), f"{name}: something is cut off at an edge"


def compared(first: Bundle, second: Bundle) -> list[str]:
    comparison = compare([first], [second])
    return [*lines_above(comparison), *(line for line, _ in table_lines(comparison)), sentence(comparison)]


def test_the_last_lines_on_a_terminal_are_the_kept_ones(tmp_path: Path) -> None:
    bundles = make_sweep(tmp_path / "results", SHAPE, "clients", [1, 8, 16])
    stored = [make_stored(tmp_path / "results", one) for one in (Stored(), replace(BOTH, is_wrong=True))]
    report = json.loads((write_sweep_report(bundles, tmp_path) / "report.json").read_text("utf-8"))
    parts = [
        *run_lines(bundles[1]),
        "",
        *sweep_lines(report),
        "",
        *compared(bundles[1], bundles[2]),
        "",
        *run_lines(stored[0]),
        "",
        *run_lines(stored[1]),
        "",
        *sweep_lines(sweep_json(sweep_of([facts_of(stored[1])]), [])),
    ]
    text = "\n".join(parts) + "\n"
    assert text == kept("terminal.txt", text)
