"""One row a request: the columns that CSV, Parquet and pandas have in common."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.bundle.layout import (
    CONTENT_KEYS,
    FINISH_REASONS,
    OUTCOMES,
    PHASES,
    SERVER_KEYS,
    STAMPS,
    TOKEN_SOURCES,
    KeptOperation,
    request_id,
)
from loadgen.export.chosen import durations_ns
from loadgen.records import NEVER, RECORD_DTYPE, Block, Outcome
from loadgen.units import NS_PER_MS

DURATIONS = ("ttft", "service_ttft", "tpot", "e2e", "service_e2e", "send_lag")

_INSTANTS = tuple(name for name in RECORD_DTYPE.names or () if name.endswith("_at_ns"))
_TOKENS = ("prompt_tokens", "output_tokens")
_AFTER_TOKENS = (*SERVER_KEYS, *CONTENT_KEYS, "request_bytes", "response_bytes", "connection", "payload")


class Column(NamedTuple):
    """A column of a table. values: shape (n,), integers, floats, bools, or objects (texts).

    is_missing: shape (n,), bool; None where no row lacks it. What values hold there means nothing.
    """

    name: str
    values: NDArray[Any]
    is_missing: NDArray[np.bool_] | None = None


def table_of(run_id: str, operations: Sequence[KeptOperation], block: Block) -> list[Column]:
    """The keys of a line of requests.jsonl in their order, without its list of gaps, then durations in ms.

    Every table has the same columns, whatever was measured: what an operation does not have is missing in its rows.
    """
    records = block.records
    return [
        Column("request_id", _texts([request_id(run_id, index) for index in records["index"].tolist()])),
        Column("index", records["index"]),
        _named("phase", records, PHASES),
        _named("operation", records, [operation.name for operation in operations]),
        _named("service", records, [operation.service or None for operation in operations], by="operation"),
        *(_number(name, records) for name in _INSTANTS),
        _named("stamp", records, STAMPS),
        Column("read_lag_ns", records["read_lag_ns"]),
        _named("outcome", records, OUTCOMES),
        Column("success", records["outcome"] == Outcome.OK),
        Column("http_status", records["http_status"].astype(np.int64), records["http_status"] == 0),
        *(_said(name, records) for name in ("error", "error_code")),
        _named("finish_reason", records, FINISH_REASONS),
        *(_number(name, records) for name in _TOKENS),
        _named("token_source", records, TOKEN_SOURCES),
        *(_number(name, records) for name in ("n_events", "n_shared_stamps")),
        *(_number(name, records) for name in _AFTER_TOKENS),
        Column("checked", records["checked"].astype(np.bool_)),
        *(_duration(metric, block) for metric in DURATIONS),
    ]


def _texts(texts: Sequence[str | None]) -> NDArray[Any]:
    values = np.empty(len(texts), object)
    values[:] = texts
    return values


def _named(name: str, records: NDArray[Any], names: Sequence[str | None], by: str | None = None) -> Column:
    values = _texts(names)[records[by or name]] if names else np.empty(0, object)
    return Column(name, values, values == None)  # noqa: E711  element by element


def _number(name: str, records: NDArray[Any]) -> Column:
    values = records[name].astype(np.int64)
    return Column(name, values, values == NEVER)


def _said(name: str, records: NDArray[Any]) -> Column:
    values = _texts([text.decode("utf-8", "replace") for text in records[name].tolist()])
    return Column(name, values, records[name] == b"")


def _duration(metric: str, block: Block) -> Column:
    values_ns = durations_ns(metric, block)
    return Column(f"{metric}_ms", values_ns / NS_PER_MS, values_ns == NEVER)
