"""The result file of `vllm bench serve`, as its version 0.32 writes it with --save-result --save-detailed.

Its figures are its own: docs/exports.md tells each one beside ours. A figure without a sample is null here (there: 0).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.export.chosen import (
    Chosen,
    durations_ns,
    error_text,
    event_instants_ns,
    present,
    said_by_server,
)
from loadgen.metrics.streaming import first_gaps
from loadgen.records import NEVER, Block, Outcome
from loadgen.units import NS_PER_S, ms_from_ns

PERCENTILES = (50, 90, 95, 99, 99.9)


def vllm_result(chosen: Chosen) -> dict[str, Any]:
    """The whole file. Without tokens it has the keys of its pooling benchmark: no ttft, tpot and itl."""
    return {**_setting(chosen), **_counts(chosen), **_figures(chosen), **_detail(chosen)}


def _setting(chosen: Chosen) -> dict[str, Any]:
    run = chosen.run.run
    service, load = run["service"], chosen.run.recipe.get("load") or {}
    kind = service.get("kind")
    is_open = load.get("mode") == "open"
    return {
        "date": datetime.fromisoformat(run["created_at"]).strftime("%Y%m%d-%H%M%S"),
        "endpoint_type": kind,
        "backend": kind,
        "label": chosen.run.id,
        "model_id": service.get("model"),
        "tokenizer_id": None,
        "num_prompts": len(chosen.records),
        "request_rate": load.get("rate_per_s") if is_open else "inf",
        "burstiness": 1.0,
        "max_concurrency": None if is_open else load.get("concurrency"),
    }


def _counts(chosen: Chosen) -> dict[str, Any]:
    done = chosen.succeeded.records
    n_input, n_output = (int(said_by_server(done, name).sum()) for name in ("prompt_tokens", "output_tokens"))
    duration_s = _duration_s(chosen)
    shown = {
        "duration": duration_s,
        "completed": len(done),
        "failed": len(chosen.failed),
        "total_input_tokens": n_input,
        "request_throughput": _rate(len(done), duration_s),
        "total_token_throughput": _rate(n_input + n_output, duration_s),
    }
    if not chosen.has_tokens:
        return shown
    return shown | {
        "total_output_tokens": n_output,
        "request_goodput": None,
        "output_throughput": _rate(n_output, duration_s),
        "max_output_tokens_per_s": float(_most_events_in_a_second(chosen.succeeded)),
        "max_concurrent_requests": _most_requests_in_a_second(chosen.succeeded),
        "rtfx": 0.0,
    }


def _duration_s(chosen: Chosen) -> float | None:
    span = chosen.span_ns
    return None if span is None else (span[1] - span[0]) / NS_PER_S


def _rate(n: int, duration_s: float | None) -> float | None:
    return n / duration_s if duration_s else None


def latencies_ns(block: Block) -> NDArray[np.int64]:
    """Its end-to-end latency, shape (n,): from the send to the last content event; without tokens, to the last byte."""
    records = block.records
    ends = np.where(records["last_token_at_ns"] >= 0, records["last_token_at_ns"], records["done_at_ns"])
    lengths = np.maximum(ends - records["sent_at_ns"], 0)
    return np.where((ends >= 0) & (records["sent_at_ns"] >= 0), lengths, NEVER)


def _figures(chosen: Chosen) -> dict[str, Any]:
    done = chosen.succeeded
    metrics = {"e2el": latencies_ns(done)}
    if chosen.has_tokens:
        metrics = {
            "ttft": durations_ns("service_ttft", done),
            "tpot": durations_ns("tpot", done),
            "itl": done.gaps_ns,
            **metrics,
        }
    return {key: value for name, values in metrics.items() for key, value in _statistics(name, present(values)).items()}


def _statistics(name: str, values_ns: NDArray[np.int64]) -> dict[str, float | None]:
    """numpy's own: the standard deviation of a population, percentiles between two neighbours."""
    keys = [f"{word}_{name}_ms" for word in ("mean", "median", "std", *(f"p{q:g}" for q in PERCENTILES))]
    if not len(values_ns):
        return dict.fromkeys(keys)
    figures = (values_ns.mean(), np.median(values_ns), values_ns.std(), *np.percentile(values_ns, PERCENTILES))
    return {key: ms_from_ns(float(figure)) for key, figure in zip(keys, figures, strict=True)}


def _seconds_since_first_send(instants_ns: NDArray[np.int64], records: NDArray[Any]) -> NDArray[np.int64]:
    since: NDArray[np.int64] = (instants_ns - present(records["sent_at_ns"]).min()) // NS_PER_S
    return since


def _most_events_in_a_second(done: Block) -> int:
    """In seconds from the first send."""
    instants_ns = event_instants_ns(done)
    if not len(instants_ns):
        return 0
    return int(np.bincount(np.maximum(_seconds_since_first_send(instants_ns, done.records), 0)).max())


def _most_requests_in_a_second(done: Block) -> int:
    """How many were under way at any time in the same second."""
    lengths_ns = latencies_ns(done)
    records, lengths_ns = done.records[lengths_ns >= 0], lengths_ns[lengths_ns >= 0]
    if not len(records):
        return 0
    begins = _seconds_since_first_send(records["sent_at_ns"], records)
    ends = _seconds_since_first_send(records["sent_at_ns"] + lengths_ns, records)
    steps = np.bincount(begins, minlength=int(ends.max()) + 2) - np.bincount(ends + 1, minlength=int(ends.max()) + 2)
    return int(np.cumsum(steps).max())


def _detail(chosen: Chosen) -> dict[str, Any]:
    """One entry a request. What a failure would have had is 0 or empty there, and so here."""
    records = chosen.records
    is_done = records["outcome"] == Outcome.OK
    detail: dict[str, Any] = {
        "input_lens": said_by_server(records, "prompt_tokens").tolist(),
        "latencies": _seconds(latencies_ns(chosen.block), is_done),
        "start_times": _seconds(records["sent_at_ns"], records["sent_at_ns"] >= 0),
        "queue_times": _seconds(durations_ns("send_lag", chosen.block), records["sent_at_ns"] >= 0),
        "errors": ["" if done else error_text(one) for one, done in zip(records, is_done.tolist(), strict=True)],
    }
    if not chosen.has_tokens:
        return detail
    return detail | {
        "output_lens": np.where(is_done, said_by_server(records, "output_tokens"), 0).tolist(),
        "ttfts": _seconds(durations_ns("service_ttft", chosen.block), is_done),
        "itls": _itls(chosen.block),
    }


def _seconds(values_ns: NDArray[np.int64], counts: NDArray[np.bool_]) -> list[float]:
    seconds: list[float] = np.where(counts & (values_ns >= 0), values_ns / NS_PER_S, 0.0).tolist()
    return seconds


def _itls(block: Block) -> Sequence[list[float]]:
    seconds = (block.gaps_ns / NS_PER_S).tolist()
    begins, n_gaps = first_gaps(block.records).tolist(), block.records["n_gaps"].tolist()
    return [seconds[begin : begin + n] for begin, n in zip(begins, n_gaps, strict=True)]
