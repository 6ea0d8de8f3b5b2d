"""Parquet: the table of the CSV, typed, with the gaps as a column of lists. pyarrow writes it."""

from pathlib import Path
from typing import Any

import numpy as np

from loadgen.errors import EngineError
from loadgen.export.table import Column
from loadgen.metrics.streaming import first_gaps
from loadgen.records import Block


def write_parquet(columns: list[Column], block: Block, path: Path, metadata: dict[str, str]) -> None:
    """Write a table. metadata: texts that go into the file beside it.

    Raises EngineError where pyarrow is not installed.
    """
    pyarrow, parquet = _pyarrow()
    arrays = {column.name: _array(pyarrow, column) for column in columns}
    ends = [*first_gaps(block.records).tolist(), len(block.gaps_ns)]
    arrays["itl_ns"] = pyarrow.ListArray.from_arrays(np.array(ends, np.int32), pyarrow.array(block.gaps_ns))
    table = pyarrow.table(arrays).replace_schema_metadata(metadata)
    parquet.write_table(table, path, compression="zstd")


def _array(pyarrow: Any, column: Column) -> Any:
    if column.values.dtype == object:
        return pyarrow.array(column.values, pyarrow.string(), mask=column.is_missing).dictionary_encode()
    return pyarrow.array(column.values, mask=column.is_missing)


def _pyarrow() -> tuple[Any, Any]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise EngineError("Parquet needs pyarrow, which is not installed: pip install 'loadgen[export]'") from None
    return pyarrow, parquet
