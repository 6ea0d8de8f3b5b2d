"""Bundles of runs that never were: the same on every machine, written with the real bundle writer and the real tally.

Draws come from splitmix64 and are shaped with + * / and sqrt only, so that no library's version can move a digit.
"""

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.bundle.jsonl import format_lines
from loadgen.bundle.layout import KeptOperation, describe_operation
from loadgen.bundle.read import Bundle
from loadgen.bundle.write import RunDescription, create_bundle
from loadgen.metrics import KnownFacts, Tally
from loadgen.recipe.slo import parse_slo
from loadgen.records import RECORD_DTYPE, Block, Outcome, Phase
from loadgen.units import NS_PER_MS, NS_PER_S

SLOS = ("p99_ttft < 400 ms", "p95_itl < 60 ms", "success_ratio >= 99 %")

SECRET = "sk-never-show-this"


@dataclass(frozen=True)
class Shape:
    """One made-up run. A service with `slots` places answers `clients`; from there on first tokens wait their turn."""

    clients: int = 8
    rate_per_s: float | None = None  # given: an open loop
    duration_s: float = 20.0
    warmup_s: float = 2.0
    slots: int = 8
    ttft_ms: float = 100.0
    gap_ms: float = 20.0
    n_tokens: int = 24  # 0: plain HTTP
    fail_share: float = 0.0
    status: str | None = "complete"  # None: killed, no summary
    slos: Sequence[str] = SLOS
    model: str = "smollm2"
    name: str = "chat_sweep"
    description: str | None = "How many users can this server take?"
    sweep: dict[str, Any] | None = None
    service: dict[str, Any] = field(default_factory=dict)
    git_commit: str | None = "0123456789abcdef0123456789abcdef01234567"
    extra_recipe: dict[str, Any] = field(default_factory=dict)


def uniform(n: int, stream: int) -> NDArray[np.float64]:
    """n draws from [0, 1). Source: Steele, Lea and Flood, splitmix64."""
    state = (np.arange(1, n + 1, dtype=np.uint64) + np.uint64(stream * 1_000_003)) * np.uint64(0x9E3779B97F4A7C15)
    state = (state ^ (state >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    state = (state ^ (state >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return ((state ^ (state >> np.uint64(31))) >> np.uint64(11)).astype(np.float64) / 2.0**53


def spread(base: float, n: int, stream: int) -> NDArray[np.float64]:
    """Around `base`, with a tail that grows as the square root."""
    u = uniform(n, stream)
    return base * (0.85 + 0.25 * u + 0.05 * (1.0 / np.sqrt(1.0 - 0.999 * u) - 1.0))


def block_of(shape: Shape) -> Block:
    """The requests of the run in the order in which they ended."""
    begins, ttft_ns, gaps_ns, client = _times(shape)
    n = len(begins)
    records = np.zeros(n, RECORD_DTYPE)
    done = begins + ttft_ns + gaps_ns.sum(axis=1)
    order = np.argsort(done, kind="stable")
    begins, ttft_ns, gaps_ns, client, done = (values[order] for values in (begins, ttft_ns, gaps_ns, client, done))
    for name in ("server_total_ns", "server_load_ns", "server_prompt_eval_ns", "server_eval_ns", "n_items", "n_hits"):
        records[name] = -1
    records["index"] = np.argsort(np.argsort(begins, kind="stable"), kind="stable")
    records["planned_at_ns"], records["sent_at_ns"] = begins, begins + 20_000
    records["first_byte_at_ns"], records["done_at_ns"] = begins + ttft_ns, done
    records["read_lag_ns"], records["connection"], records["stamp"] = 9_000, client, 1
    records["request_bytes"], records["response_bytes"], records["http_status"] = 700, 9_000, 200
    low, high = shape.warmup_s * NS_PER_S, (shape.warmup_s + shape.duration_s) * NS_PER_S
    records["phase"] = np.where(begins < low, Phase.WARMUP, np.where(begins < high, Phase.MEASURE, Phase.DRAIN))
    failed = uniform(n, 9) < shape.fail_share
    _add_tokens(records, shape, failed)
    records["outcome"][failed], records["http_status"][failed] = Outcome.RATE_LIMITED, 429
    records["error"][failed] = b"429 Too Many Requests"
    return Block(records, gaps_ns[~failed].ravel() if shape.n_tokens else np.zeros(0, np.int64))


def _times(shape: Shape) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """When each request was due, its first token, its gaps and its client."""
    n_gaps = max(shape.n_tokens - 1, 0)
    waits = max(shape.clients / shape.slots, 1.0)
    answer_ms = shape.ttft_ms + n_gaps * shape.gap_ms
    ttft_ms = shape.ttft_ms + answer_ms * (waits - 1.0)
    ends_ms = (shape.warmup_s + shape.duration_s) * 1000.0
    if shape.rate_per_s is None:
        rounds = max(int(ends_ms / (answer_ms * waits)), 1)
        n = rounds * shape.clients
    else:
        n = int(ends_ms / 1000.0 * shape.rate_per_s)
    ttft_ns = (spread(ttft_ms, n, 1) * NS_PER_MS).astype(np.int64)
    gaps_ns = (spread(shape.gap_ms, n * n_gaps, 2) * NS_PER_MS).astype(np.int64).reshape(n, n_gaps)
    if shape.rate_per_s is not None:
        begins = (np.arange(n) * (NS_PER_S / shape.rate_per_s)).astype(np.int64)
        return begins, ttft_ns, gaps_ns, np.arange(n) % 64
    each = (ttft_ns + gaps_ns.sum(axis=1)).reshape(rounds, shape.clients)
    begins = (np.cumsum(each, axis=0) - each).ravel()
    return begins, ttft_ns, gaps_ns, np.tile(np.arange(shape.clients), rounds)


def _add_tokens(records: NDArray[Any], shape: Shape, failed: NDArray[np.bool_]) -> None:
    records["prompt_tokens"] = records["output_tokens"] = records["first_token_at_ns"] = records[
        "last_token_at_ns"
    ] = -1
    if not shape.n_tokens:
        return
    well = ~failed
    records["first_token_at_ns"][well] = records["first_byte_at_ns"][well]
    records["last_token_at_ns"][well] = records["done_at_ns"][well]
    records["n_events"][well], records["n_gaps"][well] = shape.n_tokens, shape.n_tokens - 1
    records["prompt_tokens"][well], records["output_tokens"][well] = 128, shape.n_tokens
    records["token_source"][well], records["finish_reason"][well] = 1, 1


def recipe_of(shape: Shape) -> dict[str, Any]:
    loop: dict[str, Any] = {"mode": "closed", "concurrency": shape.clients}
    if shape.rate_per_s is not None:
        loop = {"mode": "open", "rate_per_s": shape.rate_per_s, "arrival": "constant"}
    kind = "ollama" if shape.n_tokens else "http"
    return {
        "name": shape.name,
        "description": shape.description,
        "seed": 42,
        "target": "laptop",
        "service": {"kind": kind, "url": "http://127.0.0.1:11434", "model": shape.model, "api_key": "***"},
        "workload": {"operation": "chat", "output_tokens": shape.n_tokens or None},
        "load": {**loop, "duration_s": shape.duration_s, "warmup_s": shape.warmup_s},
        "slo": list(shape.slos),
        **shape.extra_recipe,
    }


def make_bundle(results: Path, shape: Shape, block: Block | None = None) -> Bundle:
    """Write the bundle of a run that went like `shape`; `block` in the place of its requests."""
    block = block_of(shape) if block is None else block
    operations = (KeptOperation("chat" if shape.n_tokens else "get", bool(shape.n_tokens)),)
    began = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
    writer = create_bundle(results, began)
    writer.open_run(describe(shape, [describe_operation(operation) for operation in operations]), began)
    writer.requests_path.write_bytes(format_lines(block, writer.id, operations))
    if shape.status is not None:
        ended = began + datetime.timedelta(seconds=shape.warmup_s + shape.duration_s)
        writer.finish(
            shape.status, _summary(shape, block, operations), ended, started_at_unix_ns=1_767_323_045 * NS_PER_S
        )
    return Bundle(writer.folder)


def _summary(shape: Shape, block: Block, operations: Sequence[KeptOperation]) -> dict[str, Any]:
    window_from, window_to = (round(at * NS_PER_S) for at in (shape.warmup_s, shape.warmup_s + shape.duration_s))
    in_flight = shape.clients if shape.rate_per_s is None else None
    tally = Tally(operations, [parse_slo(text) for text in shape.slos], window_to, in_flight=in_flight)
    tally.window_from_ns = window_from
    tally.add(block)
    known = KnownFacts(
        [(window_from, window_to)], busy_ratio=0.021, cpu_s=0.75, stamp="kernel", n_clock_steps=0, n_lost_records=0
    )
    return tally.summary(known)


def describe(shape: Shape, operations: Sequence[dict[str, Any]]) -> RunDescription:
    kind = "ollama" if shape.n_tokens else "http"
    version = "0.17.4" if shape.n_tokens else None
    url = "http://user:" + SECRET + "@127.0.0.1:11434/?token=" + SECRET
    return RunDescription(
        recipe=recipe_of(shape),
        recipe_hash="ab" * 32,
        target="laptop",
        service={"kind": kind, "version": version, "model": shape.model, "url": url, **shape.service},
        plan={
            "seed": 42,
            "digest": "cd" * 32,
            "n_requests": None,
            "dataset": {"name": "synthetic", "sha256": None},
            "operations": list(operations),
        },
        clients=[
            {
                "hostname": "laptop",
                "engine": "native",
                "n_threads": 1,
                "cpu_model": "Example CPU",
                "n_cpus": 2,
                "kernel": "6.1",
            }
        ],
        environment={
            "loadgen_version": "0.1.0",
            "python": "3.11.2",
            "os": "Linux",
            "kernel": "6.1",
            "cpu": "Example CPU",
        },
        git_commit=shape.git_commit,
        git_dirty=bool(shape.git_commit),
        sweep=shape.sweep,
        notes=["the server does not know ignore_eos: left out"],
    )


def make_sweep(results: Path, base: Shape, field_name: str, values: Sequence[Any], **changes: Any) -> list[Bundle]:
    """One bundle for each value of a field of Shape; changes: {value: {field: value}} of single points, under `at`."""
    special: dict[Any, dict[str, Any]] = changes.get("at", {})
    return [make_bundle(results, replace(base, **{field_name: value, **special.get(value, {})})) for value in values]
