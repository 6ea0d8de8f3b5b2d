"""The rows of the table: each runs something as a user would and gives its figures. Nothing is asserted."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from figure import Figure
from loadgen.bundle.jsonl import codes
from loadgen.engine._lines import Lines
from loadgen.records import Block, empty_record
from loadgen.simulator import SimulatorSettings, start_simulator
from measure import (
    Floor,
    Loadgen,
    Sample,
    Streams,
    build_floor,
    cpu_s_of,
    run_floor,
    run_loadgen,
    wrk_requests_per_s,
)
from servers import nginx
from servers.process import free_port

NS_PER_MS = 1e6
MB = 1e6
GATHER_US = 200  # of the floor's second run
LINES_A_BLOCK = 4096
HTTP_PAIRS = 7
PERCENTILES = (50, 99, 99.9)


@dataclass
class Bench:
    """folder: for everything that is written. scale: < 1 for a quick look; the figures are then worth less."""

    folder: Path
    scale: float = 1.0
    _floor: Path | None = field(default=None, init=False)
    _n_folders: int = field(default=0, init=False)

    def fresh_folder(self) -> Path:
        self._n_folders += 1
        return self.folder / str(self._n_folders)

    @property
    def floor(self) -> Path:
        if self._floor is None:
            self._floor = build_floor(self.folder)
        return self._floor

    def scaled(self, n: int) -> int:
        return max(1, round(n * self.scale))


class Against(NamedTuple):
    """Something that ran against a simulator, and when that handed each token to its kernel, by X-Request-Id."""

    ran: Any
    token_unix_ns: dict[str, list[int]]


def against_simulator(bench: Bench, ttft_ms: float, itl_ms: float, act: Callable[[str], Any]) -> Against:
    """act(url) against a simulator of its own."""
    log = bench.folder / "simulator.jsonl"
    with start_simulator(SimulatorSettings(ttft_ms=ttft_ms, itl_ms=itl_ms), log=log) as simulator:
        ran = act(simulator.url)
    with log.open("rb") as lines:
        return Against(ran, {line["request_id"]: line["token_unix_ns"] for line in map(orjson.loads, lines)})


class Trio(NamedTuple):
    """The same streams by loadgen, the floor, and the floor when it gathers wake-ups. Errors: ms, one a request."""

    loadgen: Loadgen
    floor: Floor
    gathering: Floor
    loadgen_error_ms: NDArray[np.float64]
    floor_error_ms: NDArray[np.float64]
    n_wrong: (
        int  # requests of loadgen's that are lost, double, or have another number of tokens than the simulator sent
    )


def run_trio(bench: Bench, streams: Streams, ttft_ms: float, itl_ms: float) -> Trio:
    floor = against_simulator(bench, ttft_ms, itl_ms, lambda url: run_floor(bench.floor, url, streams, 0))
    gathering = against_simulator(bench, ttft_ms, itl_ms, lambda url: run_floor(bench.floor, url, streams, GATHER_US))
    ours = against_simulator(bench, ttft_ms, itl_ms, lambda url: run_loadgen(streams.recipe(url), bench.fresh_folder()))
    return Trio(
        ours.ran,
        floor.ran,
        gathering.ran,
        _errors_ms(_first_tokens_unix_ns(ours.ran), ours.token_unix_ns),
        _errors_ms(floor.ran.first_token_unix_ns, floor.token_unix_ns),
        _count_wrong(ours.ran, ours.token_unix_ns, streams.requests),
    )


def _first_tokens_unix_ns(ran: Loadgen) -> dict[str, int]:
    began = ran.run["started_at_unix_ns"]
    return {line["request_id"]: began + line["first_token_at_ns"] for line in ran.lines() if line["success"]}


def _errors_ms(stamped: dict[str, int], sent: dict[str, list[int]]) -> NDArray[np.float64]:
    """First token: the client's stamp minus the instant at which the simulator had handed it to the kernel."""
    return np.array([at - sent[request][0] for request, at in stamped.items()]) / NS_PER_MS


def _count_wrong(ran: Loadgen, sent: dict[str, list[int]], n_requests: int) -> int:
    """Requests without exactly one line, plus lines whose count of tokens is not what was sent."""
    lines: list[tuple[str, int]] = [(line["request_id"], line["n_events"]) for line in ran.lines()]
    n_double = len(lines) - len(dict(lines))
    n_lost = n_requests - len(dict(lines))
    return n_double + n_lost + sum(n_events != len(sent[request]) for request, n_events in lines)


def _percentiles(values: NDArray[np.float64]) -> list[float]:
    return [float(value) for value in np.percentile(values, PERCENTILES)]


def stamps(bench: Bench) -> Iterator[Figure]:
    """500 streams of 100 tokens, 20 ms apart: how true the stamps are, and what the whole costs."""
    row = "500 streams"
    trio = run_trio(bench, Streams(500, bench.scaled(3000), 100), ttft_ms=100, itl_ms=20)
    yield from _stamp_figures(row, trio, goals_ms=(0.01, 0.05, 0.5))
    floor_s = trio.floor.cpu_s
    yield Figure(row, "CPU of the process, reports and all", trio.loadgen.cpu_s, "s", 2.5, floor=floor_s)
    yield Figure(row, "CPU from first send to last answer", trio.loadgen.load_cpu_s, "s", 2.5, floor=floor_s)
    yield Figure(row, "the floor when it gathers 0.2 ms", trio.gathering.cpu_s, "s", floor=floor_s)


def _stamp_figures(row: str, trio: Trio, goals_ms: tuple[float | None, ...]) -> Iterator[Figure]:
    pairs = zip(_percentiles(trio.loadgen_error_ms), _percentiles(trio.floor_error_ms), strict=True)
    for percentile, goal_ms, (ours, floor) in zip(PERCENTILES, goals_ms, pairs, strict=True):
        yield Figure(row, f"stamp error p{percentile:g}", ours, "ms", goal_ms, floor=floor)
    yield Figure(row, "lost, double or wrong", trio.n_wrong, "requests", 0)


def events(bench: Bench) -> Iterator[Figure]:
    """64 streams without a pause: how many events a second, and what one costs."""
    row = "64 streams, no pause"
    trio = run_trio(bench, Streams(64, bench.scaled(3000), 256), ttft_ms=0, itl_ms=0)
    lines = [(line["sent_at_ns"], line["done_at_ns"], line["n_events"]) for line in trio.loadgen.lines()]
    sent_at_ns, done_at_ns, n_events = np.array(lines).T
    floor, n = trio.floor, int(n_events.sum())
    per_s = n / (int(done_at_ns.max()) - int(sent_at_ns.min())) * 1e9
    floor_us = floor.cpu_s * 1e6 / floor.n_events
    yield Figure(row, "events", per_s, "/s", 200_000, at_least=True, floor=floor.n_events / floor.wall_s)
    yield Figure(
        row, "CPU an event, first send to last answer", trio.loadgen.load_cpu_s * 1e6 / n, "µs", 3.5, floor=floor_us
    )
    yield Figure(row, "CPU an event, reports and all", trio.loadgen.cpu_s * 1e6 / n, "µs", floor=floor_us)
    yield Figure(row, "lost, double or wrong", trio.n_wrong, "requests", 0)


def many(bench: Bench) -> Iterator[Figure]:
    """2,000 and 5,000 streams, a token every 20 ms each."""
    for n_streams in (2000, 5000):
        streams = Streams(n_streams, bench.scaled(2 * n_streams), 100)
        trio = run_trio(bench, streams, ttft_ms=100, itl_ms=20)
        row = f"{n_streams:,} streams"
        yield from _stamp_figures(row, trio, goals_ms=(None, 1.0, None))
        yield Figure(row, "CPU from first send to last answer", trio.loadgen.load_cpu_s, "s", floor=trio.floor.cpu_s)


def http(bench: Bench) -> Iterator[Figure]:
    """Answers of twelve bytes from nginx, 64 connections, in turn with wrk -t1 -c64: the median of the pairs."""
    duration_s = max(1.0, 3 * bench.scale)
    with nginx.start(free_port(), bench.fresh_folder()) as server:
        pairs = [_http_pair(bench, server.url, duration_s) for _ in range(HTTP_PAIRS)]
    ours, wrk, failed = zip(*pairs, strict=True)
    row = "plain HTTP, 64 connections"
    yield Figure(row, "requests", float(np.median(ours)), "/s", float(np.median(wrk)), at_least=True)
    ratios = [one / other for one, other in zip(ours, wrk, strict=True)]
    yield Figure(row, "requests, of wrk's", float(np.median(ratios)), "x", 1.0, at_least=True)
    yield Figure(row, "the lowest and", min(ratios), "x")
    yield Figure(row, "the highest of the pairs", max(ratios), "x")
    yield Figure(row, "failed", sum(failed), "requests", 0)


def _http_pair(bench: Bench, url: str, duration_s: float) -> tuple[float, float, int]:
    """loadgen's requests a second, wrk's before and after it, and how many of loadgen's failed."""
    before = wrk_requests_per_s(url + "/", 64, duration_s)
    ran = run_loadgen(_plain_recipe(url, duration_s), bench.fresh_folder())
    after = wrk_requests_per_s(url + "/", 64, duration_s)
    failed = int(ran.summary["requests"]["failed"])
    return float(ran.summary["request_throughput_per_s"]), (before + after) / 2, failed


def _plain_recipe(url: str, duration_s: float) -> dict[str, Any]:
    return {
        "name": "bench_http",
        "service": {"kind": "http", "url": url},
        "workload": {"requests": [{"name": "hello", "method": "GET", "path": "/"}]},
        "load": {"concurrency": 64, "duration_s": duration_s, "warmup_s": 0},
    }


def memory(bench: Bench) -> Iterator[Figure]:
    """1,000,000 streamed requests of two tokens: what the process holds on the way."""
    streams = Streams(64, bench.scaled(1_000_000), 2)
    ran = against_simulator(bench, 0, 0, lambda url: run_loadgen(streams.recipe(url), bench.fresh_folder())).ran
    early, late, at_most = _memory_on_the_way(ran.samples)
    row = f"{streams.requests:,} requests"
    yield Figure(row, "memory after a tenth", early / MB, "MB", 150)
    yield Figure(row, "memory after the last", late / MB, "MB", 150)
    yield Figure(row, "growth", (late - early) / MB, "MB", 5)
    yield Figure(row, "largest with the report", at_most / MB, "MB")


def _memory_on_the_way(samples: list[Sample]) -> tuple[int, int, int]:
    """Bytes when a tenth of requests.jsonl was written, when it was whole, and the most there ever were."""
    whole = max(sample.lines_bytes for sample in samples)
    early = next(sample for sample in samples if sample.lines_bytes >= whole / 10)
    late = next(sample for sample in samples if sample.lines_bytes == whole)
    return early.rss_bytes, late.rss_bytes, max(sample.rss_bytes for sample in samples)


def open_loop(bench: Bench) -> Iterator[Figure]:
    """Poisson arrivals, 5,000 a second: how late they leave."""
    recipe = {
        "name": "bench_open",
        "workload": {"prompts": {"kind": "inline", "list": ["hello there"]}, "output_tokens": 8},
        "load": {
            "mode": "open",
            "arrival": "poisson",
            "rate_per_s": 5000,
            "duration_s": max(2.0, 30 * bench.scale),
            "warmup_s": 0,
        },
    }
    ran = against_simulator(bench, 5, 5, lambda url: run_loadgen(recipe | _service(url), bench.fresh_folder())).ran
    lag_ms = np.array([line["sent_at_ns"] - line["planned_at_ns"] for line in ran.lines()]) / NS_PER_MS
    row = "open loop, poisson 5,000/s"
    for percentile, goal_ms, value in zip(PERCENTILES, (0.05, 0.5, None), _percentiles(lag_ms), strict=True):
        yield Figure(row, f"send lag p{percentile:g}", value, "ms", goal_ms)
    yield Figure(row, "failed", ran.summary["requests"]["failed"], "requests", 0)


def _service(url: str) -> dict[str, Any]:
    return {"service": {"kind": "openai", "url": url, "model": "simulator"}}


def lines_a_core(bench: Bench) -> Iterator[Figure]:
    """Lines of requests.jsonl that one core formats, by the kind of answer."""
    kinds = (("plain HTTP", False, 0, 500_000), ("16 tokens", True, 16, 500_000), ("100 tokens", True, 100, None))
    for name, expects_tokens, n_tokens, goal in kinds:
        per_s = _lines_per_s(bench.scaled(400_000), expects_tokens, n_tokens)
        yield Figure("requests.jsonl, one core", f"lines, {name}", per_s, "/s", goal, at_least=True)


def _lines_per_s(n_lines: int, expects_tokens: bool, n_tokens: int) -> float:
    """Through the native writer, a block at a time, into /dev/null."""
    block = _block(LINES_A_BLOCK, n_tokens)
    n_blocks = max(1, n_lines // LINES_A_BLOCK)
    with open("/dev/null", "wb") as nowhere:
        writer = Lines(nowhere.fileno(), 0, b"BM-20260131-001", [b'"chat"'], [expects_tokens], codes())
        began = time.thread_time()
        for _ in range(n_blocks):
            writer.write(block.records.data, block.gaps_ns.data)
        return n_blocks * LINES_A_BLOCK / (time.thread_time() - began)


def _block(n: int, n_tokens: int) -> Block:
    """Answers of n_tokens events, 20 ms apart or so."""
    record = empty_record()
    n_gaps = max(0, n_tokens - 1)
    record["n_events"], record["n_gaps"], record["prompt_tokens"], record["output_tokens"] = (
        n_tokens,
        n_gaps,
        128,
        n_tokens,
    )
    record["http_status"], record["connection"] = 200, 7
    records = np.repeat(record, n)
    records["index"] = np.arange(n) + 1_000_000
    instants = (
        "planned_at_ns",
        "sent_at_ns",
        "first_byte_at_ns",
        "first_token_at_ns",
        "last_token_at_ns",
        "done_at_ns",
    )
    for place, name in enumerate(instants):
        records[name] = 30_000_000_000 + records["index"] * 1_234 + place * 51_234_567
    return Block(
        records.view(np.uint8), np.random.default_rng(0).integers(15_000_000, 25_000_000, n * n_gaps).view(np.uint8)
    )


def start_up(_: Bench) -> Iterator[Figure]:
    """What typing --help costs, beside the interpreter with asyncio."""
    asyncio_s = min(cpu_s_of([sys.executable, "-c", "import asyncio"]) for _ in range(5))
    ours_s = min(cpu_s_of([sys.executable, "-m", "loadgen", "--help"]) for _ in range(5))
    yield Figure("loadgen --help", "of `import asyncio`", ours_s / asyncio_s, "x", 2.0)


Row = Callable[[Bench], Iterable[Figure]]
ROWS: dict[str, Row] = {
    "stamps": stamps,
    "events": events,
    "many": many,
    "http": http,
    "memory": memory,
    "open": open_loop,
    "lines": lines_a_core,
    "help": start_up,
}
