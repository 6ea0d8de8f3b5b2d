"""compare.json and compare.md, written beside the reports of the runs."""

import re
from pathlib import Path
from typing import Any

import orjson

from loadgen.bundle.layout import SCHEMA_VERSION
from loadgen.bundle.write import replace_file
from loadgen.compare.comparison import Comparison, Point, too_few_pairs
from loadgen.compare.figures import Difference
from loadgen.compare.pairs import Side
from loadgen.compare.words import HEAD, lines_above, rows_of, sentence
from loadgen.errors import EngineError
from loadgen.report.words import cell, table


def write_comparison(comparison: Comparison, reports: Path) -> Path:
    """Returns the folder, reports/compare_A_B. Raises EngineError where it cannot be written."""
    folder = reports / f"compare_{_named(comparison.a)}_{_named(comparison.b)}"
    content = orjson.dumps(comparison_json(comparison), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(folder / "compare.json", content)
        replace_file(folder / "compare.md", page(comparison).encode())
    except OSError as error:
        raise EngineError(f"{folder}: cannot write the comparison: {error.strerror}") from error
    return folder


def _named(side: Side) -> str:
    """BM-1, or BM-1-to-BM-4; what an id out of an edited file may not bring into a path is left out."""
    ids = [re.sub(r"[^\w.-]", "-", run.id)[:64] for run in (side[0], side[-1])]
    return ids[0] if len(side) == 1 else f"{ids[0]}-to-{ids[1]}"


def page(comparison: Comparison) -> str:
    """compare.md: the sentence first, then why and how much."""
    lines = ["# A against B", "", f"**{cell(sentence(comparison))}**", ""]
    lines += [f"- {cell(line)}" for line in lines_above(comparison)]
    for point in comparison.points:
        if point.differences:
            lines += ["", f"## {cell(point.where)}"] if point.where else []
            head = (*HEAD[:-1], "verdict")
            lines += ["", *table(head, rows_of(point, comparison.threshold))]
    lines += ["", "How differences are tested, and what `real` means: docs/comparing.md.", ""]
    return "\n".join(lines)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """docs/comparing.md lists the keys. Never a NaN."""
    return {
        "schema_version": SCHEMA_VERSION,
        "a": [run.id for run in comparison.a],
        "b": [run.id for run in comparison.b],
        "paired": comparison.paired,
        "threshold_pct": 100 * comparison.threshold,
        "differs": [{"field": one.field, "a": one.a, "b": one.b} for one in comparison.differs],
        "not_compared": [*comparison.unmatched, *comparison.stops, *comparison.left_out],
        "notes": [line for line in (*comparison.notes, too_few_pairs(comparison)) if line],
        "points": [_point_json(point, comparison.threshold) for point in comparison.points],
        "n_regressions": len(comparison.regressions),
        "sentence": sentence(comparison),
    }


def _point_json(point: Point, threshold: float) -> dict[str, Any]:
    return {
        "axes": dict(point.axes),
        "a": [run.id for run in point.a],
        "b": [run.id for run in point.b],
        "figures": [_figure_json(one, threshold) for one in point.differences],
    }


def _figure_json(one: Difference, threshold: float) -> dict[str, Any]:
    figure = one.figure
    return {
        "figure": figure.name,
        **({"service": figure.service} if figure.service else {}),
        **({"operation": figure.operation} if figure.operation else {}),
        "unit": figure.unit,
        "a": one.a,
        "b": one.b,
        "difference_unit": "points" if figure.is_share else "pct",
        "difference": _hundredfold(one.change),
        "ci95": None if one.p_value is None else [_hundredfold(one.low), _hundredfold(one.high)],
        "p_value": one.p_value,
        "p_held": one.p_held,
        "is_real": one.is_real,
        "verdict": str(one.word(threshold)),
        **({"why": one.why} if one.why else {}),
    }


def _hundredfold(value: float | None) -> float | None:
    return None if value is None else 100 * value
