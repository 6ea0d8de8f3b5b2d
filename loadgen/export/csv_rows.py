"""CSV: one row a request, every request of the run, its phase beside it. What is missing is an empty field."""

import csv
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from loadgen.export.table import Column

ROWS_AT_ONCE = 10_000


def write_csv(columns: list[Column], path: Path) -> None:
    """Write a table with a line of names. Texts are quoted where they must be; floats are exact to the nanosecond."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow([column.name for column in columns])
        for first in range(0, len(columns[0].values), ROWS_AT_ONCE):
            rows = slice(first, first + ROWS_AT_ONCE)
            writer.writerows(zip(*(_shown(column, rows) for column in columns), strict=True))


def _shown(column: Column, rows: slice) -> Iterable[Any]:
    values: list[Any] = column.values[rows].tolist()
    if column.values.dtype.kind == "f":
        values = [f"{value:.6f}" for value in values]  # ms: to the nanosecond
    elif column.values.dtype.kind == "b":
        values = ["true" if value else "false" for value in values]
    if column.is_missing is None:
        return values
    return ["" if missing else value for value, missing in zip(values, column.is_missing[rows].tolist(), strict=True)]
