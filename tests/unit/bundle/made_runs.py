"""Bundles made from synthetic records, as a run would leave them."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from loadgen.bundle import Bundle, BundleWriter, RunDescription, create_bundle
from loadgen.bundle.jsonl import format_lines
from loadgen.bundle.layout import KeptOperation, describe_operation
from loadgen.bundle.monitor import SERVER_FILE, sample_line
from loadgen.metrics import KnownFacts, Tallies, Tally
from loadgen.recipe.slo import parse_slo
from loadgen.records import Block, FinishReason, Outcome, Phase, Stamp, TokenSource, empty_record

NOW = datetime(2026, 3, 4, 23, 59, 58, 250_000, UTC)
OPERATIONS = (KeptOperation("chat", True), KeptOperation("get", False))
MS = 1_000_000
N_WARMUP = 2
RECIPE: dict[str, Any] = {
    "name": "made",
    "seed": 7,
    "service": {"kind": "openai", "url": "http://127.0.0.1:8000", "model": "tiny", "api_key": "***"},
    "load": {"mode": "closed", "concurrency": 2, "requests": 10, "warmup_requests": N_WARMUP},
    "slo": ["p99_ttft < 500 ms", "success_ratio >= 99 %"],
}


def hash_of(recipe: dict[str, Any]) -> str:
    text = json.dumps(recipe, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def description(**changes: Any) -> RunDescription:
    facts: dict[str, Any] = {
        "recipe": RECIPE,
        "recipe_hash": hash_of(RECIPE),
        "target": "laptop",
        "service": {"kind": "openai", "url": "http://127.0.0.1:8000", "model": "tiny", "version": None},
        "plan": {
            "seed": 7,
            "digest": "0" * 64,
            "n_requests": 12,
            "dataset": {"name": "synthetic", "sha256": None},
            "operations": [describe_operation(operation) for operation in OPERATIONS],
        },
        "clients": [{"hostname": "here", "engine": "native", "n_threads": 1}],
        "environment": {"python": "3.11.2"},
    }
    return RunDescription(**{**facts, **changes})


def block_of(first: int, n: int) -> Block:
    """n requests from index first on: chats of three events, every third one a get, the fifth of each ten a failure."""
    records = np.concatenate([_record(index) for index in range(first, first + n)])
    gaps_ns = np.tile(np.array([10 * MS, 20 * MS + 1], np.int64), int((records["n_gaps"] > 0).sum()))
    return Block(records, gaps_ns)


def _record(index: int) -> np.ndarray[Any, Any]:
    record = empty_record()
    planned = 100 * MS * (index + 1)
    record["index"], record["planned_at_ns"], record["sent_at_ns"] = index, planned, planned + 15_000
    record["phase"] = Phase.WARMUP if index < N_WARMUP else Phase.MEASURE
    record["request_bytes"], record["connection"], record["stamp"] = 300, index % 2, Stamp.KERNEL
    if index % 10 == 5:
        record["outcome"], record["error"] = Outcome.RESET, 'Connection "reset" by peer\n\u20ac'.encode()
        return record
    record["first_byte_at_ns"], record["read_lag_ns"] = planned + 50 * MS, 4_000
    record["response_bytes"], record["http_status"] = 900, 200
    record["done_at_ns"] = planned + 90 * MS
    if index % 3 == 0:
        record["operation"] = 1
    else:
        record["first_token_at_ns"], record["last_token_at_ns"] = planned + 50 * MS, planned + 80 * MS + 1
        record["n_events"], record["n_gaps"], record["n_shared_stamps"] = 3, 2, 1
        record["prompt_tokens"], record["output_tokens"], record["token_source"] = 12, 3, TokenSource.USAGE
        record["finish_reason"] = FinishReason.STOP
    return record


DATA_OPERATIONS = (KeptOperation("get", False), KeptOperation("search", False, top_k=10))
SERVICES = (KeptOperation("chat", True, "llm"), *(one._replace(service="store") for one in DATA_OPERATIONS))
BEGINS = {"": 300 * MS, "llm": 300 * MS, "store": 1_100 * MS}  # where the first measured request was planned
SLOS = {"llm": ["llm.p99_ttft < 500 ms"], "store": ["store.recall >= 90 %"]}


class Found(NamedTuple):
    name: str
    n_checked: int
    n_wrong: int
    text: str


LOST = Found("acknowledged writes", 40, 1, "1 of 40 acknowledged writes was lost")


def data_block_of(first: int, n: int, first_operation: int = 0) -> Block:
    """n requests to a store: even ones are checked, the fourth of each ten is wrong, the seventh refused."""
    records = np.concatenate([_data_record(index, first_operation) for index in range(first, first + n)])
    return Block(records, np.zeros(0, np.int64))


def _data_record(index: int, first_operation: int) -> np.ndarray[Any, Any]:
    record = empty_record()
    planned = 100 * MS * (index + 1)
    record["index"], record["planned_at_ns"], record["sent_at_ns"] = index, planned, planned + 15_000
    record["first_byte_at_ns"] = record["done_at_ns"] = planned + 2 * MS
    record["phase"] = Phase.WARMUP if index < N_WARMUP else Phase.MEASURE
    record["request_bytes"], record["response_bytes"], record["connection"] = 60, 120, index % 2
    record["operation"] = first_operation + index % 2
    if index % 10 == 7:
        record["outcome"], record["error"] = Outcome.SERVER_ERROR, b"LOADING the dataset"
        record["error_code"] = b"LOADING"
    elif index % 2:
        record["n_items"], record["n_hits"] = 10, 9 + index % 3 // 2
    else:
        record["checked"] = True
    if index % 10 == 4:
        record["outcome"], record["error"] = Outcome.WRONG_ANSWER, b"version 3, though 7 was acknowledged before"
    return record


def finished_data(results: Path) -> Bundle:
    """A run of a store, with what the server said of itself."""
    tallies = Tallies(DATA_OPERATIONS, {"": [parse_slo("recall >= 90 %")]}, {"": 2})
    recipe = {**RECIPE, "service": {"kind": "redis"}, "slo": ["recall >= 90 %"]}
    service = {"kind": "redis", "version": "7.4.1", "url": None}
    return _finished(results, DATA_OPERATIONS, [data_block_of(0, 24)], tallies, {"": [LOST]}, recipe, service)


def finished_services(results: Path) -> Bundle:
    """A run of two services side by side."""
    slos = {name: list(map(parse_slo, texts)) for name, texts in SLOS.items()}
    tallies = Tallies(SERVICES, slos, dict.fromkeys(slos, 2))
    chats, others = block_of(1, 2), data_block_of(10, 12, first_operation=1)
    load = RECIPE["load"]
    recipe = {
        "name": "made",
        "services": {"llm": RECIPE["service"], "store": {"kind": "redis"}},
        "loads": {"llm": load, "store": load},
        "slo": [text for texts in SLOS.values() for text in texts],
    }
    services = {"llm": {"kind": "openai", "model": "tiny"}, "store": {"kind": "redis", "version": "7.4.1"}}
    service = {"kind": "several", "services": services}
    return _finished(results, SERVICES, [chats, others], tallies, {"store": [LOST]}, recipe, service)


def _finished(
    results: Path,
    operations: Sequence[KeptOperation],
    blocks: Sequence[Block],
    tallies: Tallies,
    findings: Mapping[str, Sequence[Found]],
    recipe: Mapping[str, Any],
    service: Mapping[str, Any],
) -> Bundle:
    plan = {**description().plan, "operations": [describe_operation(one) for one in operations]}
    writer = start(results, recipe=recipe, recipe_hash=hash_of(dict(recipe)), plan=plan, service=service)
    for job, service_name in enumerate(tallies.by_service):
        tallies.set_window(job, BEGINS[service_name], None)
    with writer.requests_path.open("ab") as file:
        for block in blocks:
            tallies.add(block)
            file.write(format_lines(block, writer.id, operations))
    windows = [(BEGINS[name], tally.last_end_at_ns or 0) for name, tally in tallies.by_service.items()]
    store = "store" if len(tallies.by_service) > 1 else ""
    samples = [sample_line(at * 1000 * MS, {"commands": 100 + 50 * at, "role": "master"}, store) for at in range(3)]
    writer.monitor_path(SERVER_FILE).write_bytes(b"".join(samples))
    summary = tallies.summary(KnownFacts(windows, 0.1, 0.05, "kernel", 0, 0), findings)
    writer.finish("complete", summary, NOW, started_at_unix_ns=1_772_668_798_250_000_000)
    return Bundle(writer.folder)


def start(results: Path, redact: Callable[[str], str] = str, **changes: Any) -> BundleWriter:
    """A bundle with status running and no requests yet."""
    writer = create_bundle(results, NOW, redact)
    writer.open_run(description(**changes), NOW)
    return writer


def write_requests(writer: BundleWriter, n: int = 12) -> dict[str, Any]:
    """Append n requests, and return the summary of them."""
    in_flight = RECIPE["load"]["concurrency"]
    tally = Tally(OPERATIONS, [parse_slo(text) for text in RECIPE["slo"]], in_flight=in_flight)
    block = block_of(0, n)
    tally.window_from_ns = 100 * MS * (N_WARMUP + 1)
    tally.add(block)
    with writer.requests_path.open("ab") as file:
        file.write(format_lines(block, writer.id, OPERATIONS))
    assert tally.last_end_at_ns is not None
    return tally.summary(KnownFacts([(tally.window_from_ns, tally.last_end_at_ns)], 0.1, 0.05, "kernel", 0, 0))


def finished(results: Path, n: int = 12) -> Bundle:
    writer = start(results)
    writer.finish("complete", write_requests(writer, n), NOW, started_at_unix_ns=1_772_668_798_250_000_000)
    return Bundle(writer.folder)


def finished_sure(results: Path) -> Bundle:
    """Of enough requests for most of their percentiles to have an interval."""
    return finished(results, 160)


def edit_lines(bundle: Bundle, change: Callable[[list[bytes]], list[bytes]]) -> Bundle:
    """The same bundle with other lines, and its hashes made to agree, so that only the lines can give it away."""
    bundle.requests_path.write_bytes(b"".join(change(bundle.requests_path.read_bytes().splitlines(keepends=True))))
    return with_hashes(bundle)


def with_hashes(bundle: Bundle) -> Bundle:
    run = dict(bundle.run)
    run["files"] = {
        name: {
            "bytes": (bundle.folder / name).stat().st_size,
            "sha256": hashlib.sha256((bundle.folder / name).read_bytes()).hexdigest(),
        }
        for name in run["files"]
    }
    (bundle.folder / "run.json").write_text(json.dumps(run))
    return Bundle(bundle.folder)
