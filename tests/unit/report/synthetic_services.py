"""Bundles of made-up runs of a store, and of a store beside a chat: checks, findings, recall and the server's words."""

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from synthetic_runs import SECRET, Shape, block_of, describe, recipe_of

from loadgen.bundle.jsonl import format_lines
from loadgen.bundle.layout import KeptOperation, describe_operation
from loadgen.bundle.monitor import SERVER_FILE, sample_line
from loadgen.bundle.read import Bundle
from loadgen.bundle.write import create_bundle
from loadgen.metrics import KnownFacts, Tallies
from loadgen.recipe.slo import parse_slo
from loadgen.records import NEVER, Block, Checked, Outcome
from loadgen.units import NS_PER_S

BEGAN = datetime.datetime(2026, 1, 2, 3, 4, 5, tzinfo=datetime.UTC)
CHAT = Shape(clients=4, duration_s=10.0, warmup_s=1.0)
STORE = replace(CHAT, clients=6, n_tokens=0, ttft_ms=20.0, slots=16, slos=())
OPERATIONS = (KeptOperation("get", False), KeptOperation("set", False), KeptOperation("search", False, top_k=10))


class Found(NamedTuple):
    name: str
    n_checked: int
    n_wrong: int
    text: str


ALL_THERE = Found("acknowledged writes", 1000, 0, "all 1,000 acknowledged writes that were looked at are there")
LOST = Found("acknowledged writes", 1000, 2, "2 of 1,000 acknowledged writes were lost")


@dataclass(frozen=True)
class Stored:
    """A run of a store. is_wrong: whether it lies now and then. n_missed: how many more neighbours every second search
    misses. chat: what runs beside it."""

    store: Shape = STORE
    chat: Shape | None = None
    is_wrong: bool = False
    n_missed: int = 0
    slos: Sequence[str] = ("p99_e2e < 50 ms", "recall >= 90 %")
    status: str | None = "complete"
    sweep: dict[str, Any] | None = None
    others: Mapping[str, Shape] = field(default_factory=dict)  # further stores, without checks

    @property
    def shapes(self) -> dict[str, Shape]:
        """By service, in the order of the engine's jobs."""
        if self.chat is None:
            return {"": self.store}
        return {"chat": self.chat, "store": self.store, **self.others}

    @property
    def operations(self) -> list[KeptOperation]:
        if self.chat is None:
            return list(OPERATIONS)
        chat = KeptOperation("chat", True, "chat")
        stores = [one._replace(service=name) for name in ("store", *self.others) for one in OPERATIONS]
        return [chat, *stores]


def store_block_of(stored: Stored) -> Block:
    """A third each get, set and search; gets are checked, some requests find the server still loading."""
    records = block_of(stored.store).records
    index = records["index"]
    records["operation"] = index % 3
    gets, searches = index % 3 == 0, index % 3 == 2
    records["checked"][gets] = Checked.YES
    records["n_items"], records["n_hits"] = NEVER, NEVER
    records["n_items"][searches] = 10
    missed = (index % 7 == 0) + 3 * (index % 41 == 0) + stored.n_missed * (index % 2)
    records["n_hits"][searches] = 10 - missed[searches]
    loading = index % 101 == 7
    records["outcome"][loading], records["error_code"][loading] = Outcome.SERVER_ERROR, b"LOADING"
    records["error"][loading] = b"LOADING the server is loading the dataset in memory"
    wrong = gets & (index % 89 == 5) & stored.is_wrong
    records["outcome"][wrong], records["error"][wrong] = Outcome.WRONG_ANSWER, b"version 3, though 7 was acknowledged"
    return Block(records, np.zeros(0, np.int64))


def all_blocks_of(stored: Stored) -> Block:
    """Of all services, in the order in which requests ended; indexes as the engine gives them to several jobs."""
    blocks = [store_block_of(stored)]
    if stored.chat is not None:
        blocks = [block_of(stored.chat), *blocks, *(store_block_of(Stored(shape)) for shape in stored.others.values())]
        for job, block in enumerate(blocks):
            block.records["index"] = block.records["index"] * len(blocks) + job
            block.records["operation"] += 1 + 3 * (job - 1) if job else 0
    records = np.concatenate([block.records for block in blocks])
    gaps_ns = np.concatenate([block.gaps_ns for block in blocks])
    return Block(records[np.argsort(records["done_at_ns"], kind="stable")], gaps_ns)


def recipe_of_stored(stored: Stored) -> dict[str, Any]:
    parts = {name: recipe_of(shape) for name, shape in stored.shapes.items()}
    whole = {"name": "store_check", "description": "Does it keep what it was given?", "seed": 42, "target": "laptop"}
    for name, part in parts.items():
        part["service"] = {"kind": "ollama" if name == "chat" else "redis", "url": "redis://127.0.0.1:6379"}
        part["workload"] = {"operation": "chat"} if name == "chat" else {"get": 1, "set": 1, "search": 1}
    if stored.chat is None:
        sections = ("service", "workload", "load")
        return {**whole, **{name: parts[""][name] for name in sections}, "slo": list(stored.slos)}
    plurals = {"services": "service", "workloads": "workload", "loads": "load"}
    named = {plural: {name: part[one] for name, part in parts.items()} for plural, one in plurals.items()}
    return {**whole, **named, "slo": list(stored.slos)}


def make_stored(results: Path, stored: Stored) -> Bundle:
    """The bundle of a run that went like that."""
    operations, block = stored.operations, all_blocks_of(stored)
    url = f"redis://user:{SECRET}@127.0.0.1:6379"
    service: dict[str, Any] = {"kind": "redis", "version": "7.4.1", "model": None, "url": url}
    if stored.chat is not None:
        chat = {"kind": "ollama", "version": "0.17.4", "model": "smollm2", "url": "http://127.0.0.1:11434"}
        service = {"kind": "several", "services": dict.fromkeys(stored.shapes, service) | {"chat": chat}}
    writer = create_bundle(results, BEGAN)
    described = describe(stored.store, [describe_operation(one) for one in operations])
    described = replace(described, recipe=recipe_of_stored(stored), service=service, sweep=stored.sweep, notes=())
    writer.open_run(described, BEGAN)
    writer.requests_path.write_bytes(format_lines(block, writer.id, operations))
    writer.monitor_path(SERVER_FILE).write_bytes(b"".join(_samples("" if stored.chat is None else "store")))
    if stored.status is not None:
        ended = BEGAN + datetime.timedelta(seconds=11)
        writer.finish(stored.status, _summary(stored, block), ended, started_at_unix_ns=1_767_323_045 * NS_PER_S)
    return Bundle(writer.folder)


def _summary(stored: Stored, block: Block) -> dict[str, Any]:
    slos = [parse_slo(text) for text in stored.slos]
    own = {name: [slo for slo in slos if slo.service in ("", name)] for name in stored.shapes}
    tallies = Tallies(stored.operations, own, {name: shape.clients for name, shape in stored.shapes.items()})
    windows = []
    for job, shape in enumerate(stored.shapes.values()):
        windows.append((round(shape.warmup_s * NS_PER_S), round((shape.warmup_s + shape.duration_s) * NS_PER_S)))
        tallies.set_window(job, *windows[-1])
    tallies.add(block)
    facts = KnownFacts(windows, busy_ratio=0.2, cpu_s=1.5, stamp="kernel", n_clock_steps=0, n_lost_records=0)
    found = LOST if stored.is_wrong else ALL_THERE
    return tallies.summary(facts, {"" if stored.chat is None else "store": [found]})


def _samples(service: str) -> list[bytes]:
    """Counters that grow, memory that comes and goes, a text that changes, and what stays as it was."""
    return [
        sample_line(
            at * NS_PER_S,
            {
                "commands_processed": 1_000 + 600 * at,
                "used_memory_bytes": (40 + at % 3) << 20,
                "hit_ratio": 0.5 + at / 25,
                "connected_clients": 7,
                "maxmemory_bytes": 0,
                "state": "loading" if at == 0 else "ready",
            },
            service,
        )
        for at in range(12)
    ]
