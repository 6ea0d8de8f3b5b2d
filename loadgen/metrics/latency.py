"""One duration a request, from its instants. docs/measuring.md says what each means."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

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


def per_request_ns(metric: str, records: NDArray[Any]) -> NDArray[np.int64]:
    """A metric of each request.

    metric: one of PER_REQUEST. records: shape (n,), RECORD_DTYPE.
    Returns ns, shape (n,); NEVER where an instant or a count that it needs is missing.
    """
    if metric == "tpot":
        return _tpot_ns(records)
    if metric == "read_lag":
        return np.where(records["first_byte_at_ns"] >= 0, records["read_lag_ns"], NEVER)
    if metric in SERVER_SPANS:
        return np.asarray(records[SERVER_SPANS[metric]], np.int64)
    begin, end = SPANS[metric]
    return _span_ns(records[begin], records[end])


def present(values_ns: NDArray[np.int64]) -> NDArray[np.int64]:
    """Those that are not NEVER, in their order."""
    there = values_ns >= 0
    return values_ns if there.all() else values_ns[there]


def _span_ns(begin: NDArray[np.int64], end: NDArray[np.int64]) -> NDArray[np.int64]:
    """Never below 0: two clocks (the kernel's stamps, the loop's) may disagree by a microsecond."""
    both = (begin >= 0) & (end >= 0)
    return np.where(both, np.maximum(end - begin, 0), NEVER)


def _tpot_ns(records: NDArray[Any]) -> NDArray[np.int64]:
    """(last_token - first_token) / (output_tokens - 1), to the nearest ns. A single token has none.

    Source: vLLM bench, inference-perf.
    """
    n_gaps = records["output_tokens"].astype(np.int64) - 1
    spans = _span_ns(records["first_token_at_ns"], records["last_token_at_ns"])
    known = (n_gaps >= 1) & (spans >= 0)
    return np.where(known, np.rint(spans / np.maximum(n_gaps, 1)).astype(np.int64), NEVER)
