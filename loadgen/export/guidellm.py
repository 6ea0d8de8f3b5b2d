"""GuideLLM's benchmarks.json, as its version 0.8 writes it: one benchmark, without the texts of requests and answers.

Its figures are its own: docs/exports.md tells each one beside ours. A distribution without a value is all zeros and
counts 0, as there.
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.bundle.layout import request_id
from loadgen.export.chosen import Chosen, durations_ns, error_text, present
from loadgen.export.guidellm_metrics import metrics_of, span_ns
from loadgen.export.weighted import described
from loadgen.records import NEVER
from loadgen.units import NS_PER_MS, NS_PER_S

REPORT_VERSION = 2
MOST_REQUESTS = 10_000
"""Requests of a status that are told one by one: its `sample_size`. Figures are of all."""


def guidellm_report(chosen: Chosen) -> dict[str, Any]:
    """The whole file."""
    environment = chosen.run.run.get("environment") or {}
    return {
        "metadata": {
            "version": REPORT_VERSION,
            "guidellm_version": f"loadgen {environment.get('loadgen_version')}, exported",
            "python_version": str(environment.get("python")),
            "platform": str(environment.get("os")),
        },
        "config": {"spec": _spec(chosen)},
        "benchmarks": [_benchmark(chosen)],
        "conclusions": [],
    }


def _load(chosen: Chosen) -> tuple[dict[str, Any], dict[str, Any]]:
    """The profile that was asked for, and the strategy of the one benchmark."""
    load = chosen.run.recipe.get("load") or {}
    if load.get("mode") == "open":
        kind = "constant" if load.get("arrivals") == "constant" else "poisson"
        rate = float(load.get("rate_per_s") or 0)
        return {"kind": kind, "rate": [rate]}, {"type_": kind, "rate": rate}
    streams = int(load.get("concurrency") or 1)
    return {"kind": "concurrent", "streams": [streams]}, {"type_": "concurrent", "streams": streams}


def _spec(chosen: Chosen) -> dict[str, Any]:
    """What it was asked to do. Its reader wants data: how long prompts and answers were, on average."""
    done = chosen.succeeded.records
    lengths = {name: present(done[name]) for name in ("prompt_tokens", "output_tokens")}
    means = {name: max(round(float(values.mean())), 1) if len(values) else 1 for name, values in lengths.items()}
    service = chosen.run.run["service"]
    return {
        "backend": {"kind": "openai_http", "target": str(service.get("url")), "model": service.get("model")},
        "profile": _load(chosen)[0],
        "data": [{"kind": "synthetic_text", **means}],
    }


def _benchmark(chosen: Chosen) -> dict[str, Any]:
    begin_s, end_s = (chosen.wall_s_of(at_ns) for at_ns in chosen.span_ns or (0, 0))
    warmup_at_ns = chosen.warmup.records["planned_at_ns"]
    first_s = chosen.wall_s_of(int(warmup_at_ns.min())) if len(warmup_at_ns) else begin_s
    done, failed = chosen.succeeded.records, chosen.failed
    by_status = {"successful": done, "errored": failed, "incomplete": done[:0], "total": chosen.records}
    is_open = _load(chosen)[1]["type_"] != "concurrent"
    return {
        "type_": "generative_benchmark",
        "config": _config(chosen),
        "scheduler_state": _scheduler_state(chosen, (first_s, end_s)),
        "scheduler_metrics": _scheduler_metrics(chosen, (first_s, begin_s, end_s)),
        "metrics": metrics_of(chosen, by_status, (begin_s, end_s), is_open),
        "requests": {
            "successful": [_request(chosen, record) for record in _sample(done)],
            "errored": [_request(chosen, record, error_text(record)) for record in _sample(failed)],
            "incomplete": [],
            "total": None,
        },
        "warnings": [],
        "start_time": begin_s,
        "end_time": end_s,
        "duration": end_s - begin_s,
        "warmup_duration": begin_s - first_s,
        "cooldown_duration": 0.0,
    }


def _sample(records: NDArray[Any]) -> NDArray[Any]:
    """Evenly spaced, where there are too many."""
    if len(records) <= MOST_REQUESTS:
        return records
    sample: NDArray[Any] = records[np.linspace(0, len(records) - 1, MOST_REQUESTS).astype(np.intp)]
    return sample


def _config(chosen: Chosen) -> dict[str, Any]:
    profile, strategy = _load(chosen)
    environment = chosen.run.run.get("environment") or {}
    return {
        "id_": chosen.run.id,
        "run_id": chosen.run.id,
        "run_index": 0,
        "strategy": strategy,
        "constraints": {},
        "sample_size": MOST_REQUESTS,
        "prefer_response_metrics": True,
        "slo": None,
        "confidence": None,
        "warnings": [],
        "profile": profile,
        "requests": {},
        "backend": _spec(chosen)["backend"],
        "environment": {"loadgen_version": environment.get("loadgen_version")},
    }


def _scheduler_state(chosen: Chosen, span_s: tuple[float, float]) -> dict[str, Any]:
    n, n_failed = len(chosen.records), len(chosen.failed)
    return {
        "node_id": 0,
        "num_processes": 1,
        "start_time": span_s[0],
        "end_time": span_s[1],
        "start_requests_time": span_s[0],
        "end_requests_time": span_s[1],
        "created_requests": n,
        "processed_requests": n,
        "successful_requests": n - n_failed,
        "errored_requests": n_failed,
        "cancelled_requests": 0,
    }


def _scheduler_metrics(chosen: Chosen, at_s: tuple[float, float, float]) -> dict[str, Any]:
    """What is not known, because there was no such scheduler, is -1: its own word for that."""
    first_s, begin_s, end_s = at_s
    before = ("queued_time", "resolve_start_delay", "resolve_targeted_start_delay", "request_start_delay")
    after = ("resolve_end_delay", "resolve_time", "finalized_delay", "processed_delay")
    n, n_failed = len(chosen.records), len(chosen.failed)
    return {
        "start_time": first_s,
        "request_start_time": first_s,
        "measure_start_time": begin_s,
        "measure_end_time": end_s,
        "request_end_time": end_s,
        "end_time": end_s,
        "requests_made": {"successful": n - n_failed, "errored": n_failed, "incomplete": 0, "total": n},
        "generation_delay": described(np.zeros(0)),
        **{f"{name}_avg": -1.0 for name in (*before, *after)},
        "request_targeted_start_delay_avg": _mean_s(durations_ns("send_lag", chosen.block)),
        "request_time_avg": _mean_s(durations_ns("service_e2e", chosen.succeeded)),
        "dataset_incomplete": False,
        "strategy_type": _load(chosen)[1]["type_"],
    }


def _mean_s(values_ns: Any) -> float:
    known = present(values_ns)
    return float(known.mean()) / NS_PER_S if len(known) else -1.0


def _request(chosen: Chosen, record: Any, error: str | None = None) -> dict[str, Any]:
    identity = request_id(chosen.run.id, int(record["index"]))
    n_input, n_output = (_known(record[name]) for name in ("prompt_tokens", "output_tokens"))
    return {
        "type_": "generative_request_stats",
        "request_id": identity,
        "info": {
            "request_id": identity,
            "status": "completed" if error is None else "errored",
            "timings": _timings(chosen, record),
            "error": error,
        },
        "input_metrics": {"text_tokens": n_input},
        "output_metrics": {"text_tokens": n_output},
        **_figures(chosen, record),
        "prompt_tokens": n_input,
        "output_tokens": n_output,
    }


def _timings(chosen: Chosen, record: Any) -> dict[str, Any]:
    instants = {
        "targeted_start": "planned_at_ns",
        "request_start": "sent_at_ns",
        "first_request_iteration": "first_byte_at_ns",
        "first_token_iteration": "first_token_at_ns",
        "last_token_iteration": "last_token_at_ns",
        "last_request_iteration": "done_at_ns",
        "request_end": "done_at_ns",
        "resolve_end": "done_at_ns",
    }
    at_s = {key: _at_s(chosen, record[name]) for key, name in instants.items()}
    n_events = int(record["n_events"])
    return {**at_s, "request_iterations": n_events, "token_iterations": n_events}


def _figures(chosen: Chosen, record: Any) -> dict[str, float | None]:
    """What its reader works out again from the instants."""
    one, n_gaps = record[None], int(record["output_tokens"]) - 1
    has_first, has_last = record["first_token_at_ns"] >= 0, record["last_token_at_ns"] >= 0
    latency_ns, ttft_ns, gaps_ns = (
        int(span_ns(one, begin, end)[0])
        for begin, end in (
            ("sent_at_ns", "done_at_ns"),
            ("sent_at_ns", "first_token_at_ns"),
            ("first_token_at_ns", "last_token_at_ns"),
        )
    )
    return {
        "request_start_time": _at_s(chosen, record["sent_at_ns"]),
        "request_end_time": _at_s(chosen, record["done_at_ns"]),
        "request_latency": latency_ns / NS_PER_S if record["done_at_ns"] >= 0 else None,
        "time_to_first_token_ms": ttft_ns / NS_PER_MS if has_first else None,
        "inter_token_latency_ms": gaps_ns / NS_PER_MS / n_gaps if has_last and n_gaps >= 1 else None,
    }


def _at_s(chosen: Chosen, at_ns: Any) -> float | None:
    return chosen.wall_s_of(int(at_ns)) if at_ns >= 0 else None


def _known(value: Any) -> int | None:
    return None if value == NEVER else int(value)
