"""AIPerf's two files, as its version 0.13 writes them: profile_export_aiperf.json and profile_export.jsonl.

Its figures are its own: docs/exports.md tells each one beside ours. A metric without a sample is left out, as there.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from loadgen.bundle.layout import OUTCOMES, request_id
from loadgen.export.chosen import Chosen, durations_ns, error_text, present, said_by_server
from loadgen.export.vllm import latencies_ns
from loadgen.metrics.streaming import first_gaps, pick
from loadgen.records import NEVER, Block, Outcome, Phase
from loadgen.units import NS_PER_MS, NS_PER_S

SUMMARY_FILE = "profile_export_aiperf.json"
RECORDS_FILE = "profile_export.jsonl"
SCHEMA_VERSION = "1.4"
PERCENTILES = (1, 5, 10, 25, 50, 75, 90, 95, 99)

_PHASES = {Phase.WARMUP: "warmup", Phase.MEASURE: "profiling"}
_Metric = tuple[str, NDArray[Any]]  # its unit, and a value of each request or NEVER


def aiperf_summary(chosen: Chosen) -> dict[str, Any]:
    """profile_export_aiperf.json."""
    span = _span_ns(chosen.succeeded)
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark_id": chosen.run.id,
        **_metrics_of(chosen.succeeded),
        **_run_metrics(chosen, span),
        "was_cancelled": chosen.run.status == "interrupted",
        "error_summary": _errors(chosen.failed),
        **{key: _local_time(chosen, at) for key, at in zip(("start_time", "end_time"), span or (), strict=False)},
        **_warmup(chosen.warmup),
    }


def aiperf_records(chosen: Chosen) -> Iterator[bytes]:
    """profile_export.jsonl, line by line: the chosen requests, in the order of the plan."""
    per_request = {name: (unit, values.tolist()) for name, (unit, values) in _per_request(chosen.block).items()}
    gaps_ms, begins = (chosen.block.gaps_ns / NS_PER_MS).tolist(), first_gaps(chosen.records).tolist()
    for place, record in enumerate(chosen.records):
        is_done = record["outcome"] == Outcome.OK
        metrics = {
            name: {"value": values[place], "unit": unit}
            for name, (unit, values) in per_request.items()
            if is_done and values[place] != NEVER
        }
        if is_done and record["n_gaps"]:
            gaps = gaps_ms[begins[place] : begins[place] + int(record["n_gaps"])]
            metrics["inter_chunk_latency"] = {"value": gaps, "unit": "ms"}
        line = {"metadata": _metadata(chosen, record), "metrics": metrics, "error": _error(record)}
        yield orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)


def _per_request(block: Block) -> dict[str, _Metric]:
    """What it works out for each request, in the units that it shows."""
    ttft, itl = durations_ns("service_ttft", block), durations_ns("tpot", block)
    records = block.records
    n_input, n_output = said_by_server(records, "prompt_tokens"), said_by_server(records, "output_tokens")
    return {
        "time_to_first_token": ("ms", _ms(ttft)),
        "time_to_second_token": ("ms", _ms(_first_gap_of_each(block))),
        "request_latency": ("ms", _ms(latencies_ns(block))),
        "inter_token_latency": ("ms", _ms(itl)),
        "output_token_throughput_per_user": (
            "tokens/sec/user",
            np.where(itl > 0, NS_PER_S / np.maximum(itl, 1), float(NEVER)),
        ),
        "output_sequence_length": ("tokens", np.where(n_output > 0, n_output, NEVER)),
        "input_sequence_length": ("tokens", np.where(n_input > 0, n_input, NEVER)),
    }


def _ms(values_ns: NDArray[np.int64]) -> NDArray[np.float64]:
    return np.where(values_ns >= 0, values_ns / NS_PER_MS, float(NEVER))


def _first_gap_of_each(block: Block) -> NDArray[np.int64]:
    gaps = np.append(block.gaps_ns, NEVER)
    return np.where(block.records["n_gaps"] > 0, gaps[np.minimum(first_gaps(block.records), len(gaps) - 1)], NEVER)


def _metrics_of(done: Block) -> dict[str, Any]:
    pooled = {"inter_chunk_latency": ("ms", _ms(done.gaps_ns))}
    metrics = {**_per_request(done), **pooled}
    described = {name: _described(unit, present(values)) for name, (unit, values) in metrics.items()}
    return {name: metric for name, metric in described.items() if metric}


def _described(unit: str, values: NDArray[Any]) -> dict[str, Any] | None:
    """numpy's own: the standard deviation of a population, percentiles between two neighbours."""
    if not len(values):
        return None
    percentiles = np.percentile(values, PERCENTILES).tolist()
    return {
        "unit": unit,
        "avg": float(values.mean()),
        **{f"p{q}": value for q, value in zip(PERCENTILES, percentiles, strict=True)},
        "min": values.min().item(),
        "max": values.max().item(),
        "std": float(values.std()),
        "count": len(values),
        "sum": values.sum().item(),
    }


def _span_ns(done: Block) -> tuple[int, int] | None:
    """From the first send to the last content event, of successes."""
    lengths_ns = latencies_ns(done)
    there = lengths_ns >= 0
    if not there.any():
        return None
    sent_at_ns = done.records["sent_at_ns"][there]
    return int(sent_at_ns.min()), int((sent_at_ns + lengths_ns[there]).max())


def _run_metrics(chosen: Chosen, span: tuple[int, int] | None) -> dict[str, Any]:
    """One figure a run: only `unit` and `avg`."""
    done = chosen.succeeded.records
    n_input, n_output = (int(said_by_server(done, name).sum()) for name in ("prompt_tokens", "output_tokens"))
    figures: dict[str, tuple[str, float]] = {"request_count": ("requests", len(done))}
    if len(chosen.failed):
        figures["error_request_count"] = ("requests", len(chosen.failed))
    if chosen.has_tokens:
        figures |= {"total_isl": ("tokens", n_input), "total_osl": ("tokens", n_output)}
    if span and span[1] > span[0]:
        figures |= _rates(chosen, span, len(done), n_input, n_output)
    return {name: {"unit": unit, "avg": float(value)} for name, (unit, value) in figures.items()}


def _rates(
    chosen: Chosen, span: tuple[int, int], n_done: int, n_input: int, n_output: int
) -> dict[str, tuple[str, float]]:
    duration_s = (span[1] - span[0]) / NS_PER_S
    rates = {
        "request_throughput": ("requests/sec", n_done / duration_s),
        "benchmark_duration": ("sec", duration_s),
        "min_request_timestamp": ("ns", chosen.began_at_unix_ns + span[0]),
        "max_response_timestamp": ("ns", chosen.began_at_unix_ns + span[1]),
    }
    if not chosen.has_tokens:
        return rates
    return rates | {
        "output_token_throughput": ("tokens/sec", n_output / duration_s),
        "total_token_throughput": ("tokens/sec", (n_input + n_output) / duration_s),
    }


def _warmup(block: Block) -> dict[str, Any]:
    metrics = _metrics_of(pick(block, block.records["outcome"] == Outcome.OK))
    return {"warmup_metrics": metrics} if metrics else {}


def _local_time(chosen: Chosen, at_ns: int) -> str:
    return datetime.fromtimestamp(chosen.wall_s_of(at_ns), UTC).isoformat(timespec="microseconds")


def _metadata(chosen: Chosen, record: Any) -> dict[str, Any]:
    began, index = chosen.began_at_unix_ns, int(record["index"])
    begin = record["sent_at_ns"] if record["sent_at_ns"] >= 0 else record["planned_at_ns"]
    ended = max(int(record["done_at_ns"]), int(begin))
    return {
        "session_num": index,
        "x_request_id": request_id(chosen.run.id, index),
        "turn_index": 0,
        "credit_issued_ns": began + int(record["planned_at_ns"]),
        "request_start_ns": began + int(begin),
        **({"request_ack_ns": began + int(record["first_byte_at_ns"])} if record["first_byte_at_ns"] >= 0 else {}),
        "request_end_ns": began + ended,
        "worker_id": f"connection-{int(record['connection'])}",
        "record_processor_id": "loadgen",
        "benchmark_phase": _PHASES[Phase(record["phase"])],
        "was_cancelled": False,
    }


def _error(record: Any) -> dict[str, Any] | None:
    if record["outcome"] == Outcome.OK:
        return None
    status = int(record["http_status"])
    return {
        **({"code": status} if status else {}),
        "type": OUTCOMES[int(record["outcome"])],
        "message": error_text(record),
    }


def _errors(failed: NDArray[Any]) -> list[Mapping[str, Any]]:
    """Each different error and how often it came, the most frequent first."""
    counted = Counter(orjson.dumps(_error(record)) for record in failed)
    return [{"error_details": orjson.loads(error), "count": n} for error, n in counted.most_common()]
