"""One duration a request, from its instants. docs/measuring.md says what each means."""

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.records import NEVER

SPANS = {
    "ttft": ("planned_at_ns", "first_token_at_ns"),
    "service_ttft": ("sent_at_ns", "first_token_at_ns"),
    "e2e": ("planned_at_ns", "done_at_ns"),
    "service_e2e": ("sent_at_ns", "done_at_ns"),
    "send_lag": ("planned_at_ns", "sent_at_ns"),
}
"""From which instant to which. What starts at `planned` counts the wait for a free connection (Tene, wrk2)."""

SERVER_SPANS = {
    "server_total": "server_total_ns",
    "server_load": "server_load_ns",
    "server_prompt_eval": "server_prompt_eval_ns",
    "server_eval": "server_eval_ns",
}
"""Durations that the server itself reports, and the field of the record that holds them."""

PER_REQUEST = (*SPANS, "tpot", "read_lag", *SERVER_SPANS)

_NEEDED = {**SPANS, "read_lag": ("first_byte_at_ns",)}
"""Where all requests have these, all have the metric."""


def per_request_ns(metric: str, columns: Columns) -> NDArray[np.int64]:
    """A metric of each request.

    metric: one of PER_REQUEST. Returns ns, shape (n,); NEVER where an instant or a count that it needs is missing.
    """
    if metric in SERVER_SPANS:
        return columns[SERVER_SPANS[metric]]
    return columns.derived(metric, lambda requests: _worked_out_ns(metric, requests))


def present(metric: str, columns: Columns) -> tuple[NDArray[np.int64], NDArray[np.bool_] | None]:
    """The same without those that are NEVER, in their order, and which requests they are of; None: of all."""
    values_ns = per_request_ns(metric, columns)
    if metric in _NEEDED and all(map(columns.is_whole, _NEEDED[metric])):
        return values_ns, None
    there = values_ns >= 0
    return (values_ns, None) if there.all() else (values_ns[there], there)


def _worked_out_ns(metric: str, columns: Columns) -> NDArray[np.int64]:
    if metric == "tpot":
        return _tpot_ns(columns)
    if metric == "read_lag":
        lags_ns, was_answered = columns["read_lag_ns"], columns.is_whole("first_byte_at_ns")
        return lags_ns if was_answered else np.where(columns["first_byte_at_ns"] >= 0, lags_ns, NEVER)
    return _span_ns(columns, *SPANS[metric])


def _span_ns(columns: Columns, begin: str, end: str) -> NDArray[np.int64]:
    """Never below 0: two clocks (the kernel's stamps, the loop's) may disagree by a microsecond."""
    length_ns: NDArray[np.int64] = columns[end] - columns[begin]
    np.maximum(length_ns, 0, out=length_ns)
    if not (columns.is_whole(begin) and columns.is_whole(end)):
        length_ns[(columns[begin] < 0) | (columns[end] < 0)] = NEVER
    return length_ns


def _tpot_ns(columns: Columns) -> NDArray[np.int64]:
    """(last_token - first_token) / (output_tokens - 1), to the nearest ns. A single token has none.

    Source: vLLM bench, inference-perf.
    """
    n_gaps = columns["output_tokens"].astype(np.int64) - 1
    spans = _span_ns(columns, "first_token_at_ns", "last_token_at_ns")
    known = (n_gaps >= 1) & (spans >= 0)
    return np.where(known, np.rint(spans / np.maximum(n_gaps, 1)).astype(np.int64), NEVER)
