"""`--format csv` and `parquet`, and `to_pandas()`: one row a request, the same cells as the lines."""

import csv
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas
import pytest
from pyarrow import parquet

import loadgen
from loadgen.bundle import Bundle
from loadgen.bundle.layout import LINE_KEYS
from loadgen.errors import EngineError, RecipeError
from loadgen.export import export, load_bundle
from loadgen.export.table import DURATIONS

Lines = Callable[[Bundle], list[dict[str, Any]]]

GOLDEN = Path(__file__).resolve().parents[1] / "golden" / "bundles" / "v1"
NOT_IN_A_CELL = {"itl_ns", "latency_s", "ttft_s"}
SPANS = {
    "ttft_ms": ("planned_at_ns", "first_token_at_ns"),
    "service_ttft_ms": ("sent_at_ns", "first_token_at_ns"),
    "e2e_ms": ("planned_at_ns", "done_at_ns"),
    "service_e2e_ms": ("sent_at_ns", "done_at_ns"),
    "send_lag_ms": ("planned_at_ns", "sent_at_ns"),
}
NAMES = ["open", "closed", "all failed", "one request", "web"]


def cell_of(line: dict[str, Any], name: str) -> Any:
    """What a line says of a column; None where nothing."""
    if name in SPANS:
        begin, end = (line.get(key) for key in SPANS[name])
        return None if begin is None or end is None else (end - begin) / 1e6
    if name == "tpot_ms":
        n_gaps = (line.get("output_tokens") or 0) - 1
        spanned = n_gaps >= 1 and line["last_token_at_ns"] is not None
        return (line["last_token_at_ns"] - line["first_token_at_ns"]) / n_gaps / 1e6 if spanned else None
    absent = {"checked": False, "n_events": 0, "n_shared_stamps": 0}
    return line.get(name, absent.get(name))


def same(cell: Any, expected: Any) -> bool:
    if expected is None or cell is None:
        return cell is None and expected is None
    return bool(cell == pytest.approx(expected, abs=1e-6)) if isinstance(expected, float) else bool(cell == expected)


@pytest.mark.parametrize("name", NAMES)
def test_csv_has_a_row_a_request_with_the_cells_of_its_line(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path], name: str
) -> None:
    bundle = run_of(name)
    with exported(bundle, "csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for row, line in zip(rows, lines_of(bundle), strict=True):
        for column, text in row.items():
            expected = cell_of(line, column)
            cell = None if text == "" else text if isinstance(expected, str) else json.loads(text)
            assert same(cell, expected), (column, text, expected)


def test_columns_are_the_keys_of_a_line_and_durations_whatever_was_measured(
    run_of: Callable[[str], Bundle], exported: Callable[..., Path]
) -> None:
    heads = {exported(run_of(name), "csv").read_text().splitlines()[0] for name in ("open", "web")}
    (head,) = heads
    assert set(head.split(",")) == {*LINE_KEYS, *(f"{name}_ms" for name in DURATIONS)} - NOT_IN_A_CELL


@pytest.mark.parametrize("name", NAMES)
def test_parquet_reads_back_with_types_and_gaps(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path], name: str
) -> None:
    bundle = run_of(name)
    path = exported(bundle, "parquet")
    for row, line in zip(parquet.read_table(path).to_pylist(), lines_of(bundle), strict=True):
        assert row.pop("itl_ns") == line.get("itl_ns", [])
        for column, cell in row.items():
            assert same(cell, cell_of(line, column)), column
    metadata = parquet.read_schema(path).metadata
    assert metadata[b"benchmark_id"].decode() == bundle.id
    assert json.loads(metadata[b"recipe"]) == bundle.run["recipe"]


@pytest.mark.parametrize("name", NAMES)
def test_a_data_frame_has_the_same_cells(run_of: Callable[[str], Bundle], lines_of: Lines, name: str) -> None:
    bundle = run_of(name)
    frame = loadgen.load_bundle(bundle.folder).to_pandas()
    lines = lines_of(bundle)
    assert len(frame) == len(lines)
    for place, line in enumerate(lines):
        assert frame["itl_ns"][place].tolist() == line.get("itl_ns", [])
        for column in frame.columns.drop("itl_ns"):
            cell = frame[column][place]
            assert same(None if pandas.isna(cell) else cell, cell_of(line, column)), column
    assert frame["sent_at_ns"].dtype == "Int64"
    assert frame["outcome"].dtype == "category"


def test_texts_with_commas_quotes_and_lines_come_back(tmp_path: Path) -> None:
    export("BM-20260304-001", "csv", tmp_path / "out.csv", results=GOLDEN)
    with (tmp_path / "out.csv").open(newline="", encoding="utf-8") as file:
        errors = {row["error"] for row in csv.DictReader(file)}
    assert 'Connection "reset" by peer\n€' in errors


def test_a_service_among_several_is_chosen_by_name(tmp_path: Path) -> None:
    export("BM-20260304-003", "csv", tmp_path / "all.csv", results=GOLDEN)
    export("BM-20260304-003", "csv", tmp_path / "store.csv", results=GOLDEN, service="store")
    export("BM-20260304-003", "vllm", tmp_path / "llm.json", results=GOLDEN)  # only one of them generates
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 15
    assert len((tmp_path / "store.csv").read_text().splitlines()) == 13
    with pytest.raises(RecipeError, match="--service web: BM-20260304-003 has llm, store"):
        export("BM-20260304-003", "csv", tmp_path / "none.csv", results=GOLDEN, service="web")


@pytest.mark.parametrize(
    ("module", "format", "said"),
    [
        ("pyarrow", "parquet", "Parquet needs pyarrow, which is not installed: pip install 'loadgen[export]'"),
        ("hdrh", "hdr", "hdr needs hdrhistogram, which is not installed: pip install 'loadgen[export]'"),
    ],
)
def test_a_package_that_is_missing_is_one_line(
    run_of: Callable[[str], Bundle],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    module: str,
    format: str,
    said: str,
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(EngineError) as caught:
        export(run_of("closed").folder, format, tmp_path / "out")
    assert str(caught.value) == said


def test_to_pandas_without_pandas_is_one_line(run_of: Callable[[str], Bundle], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(EngineError, match="needs pandas, which is not installed"):
        load_bundle(run_of("closed").folder).to_pandas()


def test_no_cell_is_nan(run_of: Callable[[str], Bundle], exported: Callable[..., Path]) -> None:
    for name in NAMES:
        text = exported(run_of(name), "csv").read_text().lower()
        assert "nan" not in text
        assert "inf" not in text
        assert np.isfinite(len(text))
