"""The table of requests as a pandas DataFrame."""

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import EngineError
from loadgen.export.table import Column, table_of
from loadgen.metrics.streaming import first_gaps

if TYPE_CHECKING:
    import pandas

    from loadgen.export.loaded import LoadedBundle


def frame_of(run: "LoadedBundle") -> "pandas.DataFrame":
    """One row a request, in the order of the plan. Integers that may be missing are Int64, few texts categories.

    Raises EngineError where pandas is not installed.
    """
    try:
        import pandas
    except ImportError:
        raise EngineError("to_pandas() needs pandas, which is not installed: pip install pandas") from None
    columns = table_of(run.id, run.operations, run.block)
    frame = pandas.DataFrame({column.name: _series(pandas, column) for column in columns})
    gaps = np.split(run.gaps_ns, first_gaps(run.records)[1:])[: len(run.records)]
    frame["itl_ns"] = pandas.Series(gaps, dtype=object)
    return frame


def _series(pandas: Any, column: Column) -> Any:
    values, is_missing = column.values, column.is_missing
    if values.dtype == object:
        return pandas.Series(_or_none(values, is_missing), dtype=object if column.name == "request_id" else "category")
    if values.dtype.kind == "f":
        return pandas.Series(values if is_missing is None else np.where(is_missing, np.nan, values))
    if is_missing is None:
        return pandas.Series(values)
    return pandas.Series(pandas.arrays.IntegerArray(values.copy(), is_missing))


def _or_none(values: NDArray[Any], is_missing: NDArray[np.bool_] | None) -> list[Any]:
    if is_missing is None:
        return list(values)
    return [None if missing else value for value, missing in zip(values, is_missing, strict=True)]
