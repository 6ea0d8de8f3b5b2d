"""The rows of the data plane: loadgen against the tool that people know, in turn, on one server in the same minutes.

Every run writes its whole requests.jsonl, checks its answers and makes its reports, as a user's would. CPU an operation
is that of the whole process between first send and last answer; the peer's is that of its whole process.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import numpy as np
from numpy.typing import NDArray

from figure import Figure
from measure import Loadgen, run_loadgen
from peers import (
    Reached,
    chroma_client,
    oha,
    pgbench,
    pgbench_at_rate,
    program,
    redis_benchmark,
    said_by,
    warp,
    wrk,
)
from rows import Bench
from servers import SERVERS
from servers.process import Server, free_port

PAIRS = 5
REDIS_KEYS = 100_000
WARP_S = 8.0
"""A shorter run is too short for warp to say anything."""


class Pair(NamedTuple):
    """Ours, and the peer's before and after it, the mean of the two."""

    ours: Reached
    peer: Reached
    n_failed: int


def paired(bench: Bench, recipe: dict[str, Any], peer: Callable[[], Reached], n_pairs: int = PAIRS) -> list[Pair]:
    """In turn, so that a minute in which the host is busy hits both."""
    pairs = []
    before = peer()
    for _ in range(n_pairs):
        ran = run_loadgen(recipe, bench.fresh_folder())
        after = peer()
        pairs.append(Pair(_reached(ran), _between(before, after), int(ran.summary["requests"]["failed"])))
        before = after
    return pairs


def _reached(ran: Loadgen) -> Reached:
    summary = ran.summary
    latency = summary["metrics"]["service_e2e"]["percentiles"]
    n = max(summary["requests"]["finished"], 1)
    return Reached(
        summary["request_throughput_per_s"], ran.load_cpu_s * 1e6 / n, latency["p50"]["value"], latency["p99"]["value"]
    )


def _between(one: Reached, other: Reached) -> Reached:
    return Reached((one.per_s + other.per_s) / 2, (one.cpu_us + other.cpu_us) / 2)


def figures_of(row: str, pairs: list[Pair], goal: float, cpu_goal: float | None = None) -> Iterator[Figure]:
    """Medians of the pairs' ratios, and between what they lay."""
    ratios = [pair.ours.per_s / pair.peer.per_s for pair in pairs]
    cpu = [pair.ours.cpu_us / pair.peer.cpu_us for pair in pairs]
    yield Figure(row, "operations", _median([pair.ours.per_s for pair in pairs]), "/s")
    yield Figure(row, "the peer's", _median([pair.peer.per_s for pair in pairs]), "/s")
    yield Figure(row, "of the peer's", _median(ratios), "x", goal, at_least=True)
    yield Figure(row, "the lowest and", min(ratios), "x")
    yield Figure(row, "the highest of the pairs", max(ratios), "x")
    yield Figure(row, "CPU an operation, of the peer's", _median(cpu), "x", cpu_goal)
    yield Figure(row, "failed or wrong", sum(pair.n_failed for pair in pairs), "operations", 0)


def _median(values: list[float]) -> float:
    return float(np.median(values))


def _load(bench: Bench, connections: int, duration_s: float = 4.0) -> dict[str, Any]:
    return {"concurrency": connections, "duration_s": max(1.0, duration_s * bench.scale), "warmup_s": 0.2}


def _started(bench: Bench, name: str) -> Server:
    server: Server = SERVERS[name].start(free_port(), bench.fresh_folder())
    return server


def _port(server: Server) -> int:
    return urlsplit(server.url).port or 0


def redis(bench: Bench) -> Iterator[Figure]:
    """Redis PING, GET and SET of 64 bytes, 50 connections, one thread; redis-benchmark."""
    with _started(bench, "redis") as server:
        yield from _redis(bench, server, "set", 1, 1.0)
        yield from _redis(bench, server, "get", 1, 1.0)
        yield from _redis(bench, server, "ping", 1, 1.0)


def redis_pipeline(bench: Bench) -> Iterator[Figure]:
    """Redis GET, 16 commands in a pipeline, 50 connections; redis-benchmark -P 16 on values that are there."""
    with _started(bench, "redis") as server:
        # a GET of nothing costs Redis half as much: the peer reads its own keys, as loadgen does
        redis_benchmark(_port(server), "set", 20 * REDIS_KEYS, 16, bench.fresh_folder())
        yield from _redis(bench, server, "get", 16, 0.8)


def _redis(bench: Bench, server: Server, operation: str, pipeline: int, goal: float) -> Iterator[Figure]:
    recipe = {
        "name": f"bench_redis_{operation}",
        "service": {"kind": "redis", "url": server.url},
        "workload": {
            "operation": operation,
            "keys": REDIS_KEYS,
            "value_bytes": 64,
            "pipeline": pipeline,
            "reuse": True,
        },
        "load": _load(bench, 50),
    }
    n = bench.scaled(400_000 * min(pipeline, 4))
    test = {"ping": "ping_mbulk"}.get(operation, operation)
    pairs = paired(bench, recipe, lambda: redis_benchmark(_port(server), test, n, pipeline, bench.fresh_folder()))
    name = f"Redis {operation.upper()}" + (f", pipeline {pipeline}" if pipeline > 1 else "")
    yield from figures_of(name, pairs, goal)


def postgresql_select(bench: Bench) -> Iterator[Figure]:
    """PostgreSQL select by key, prepared, 16 connections; pgbench -S -M prepared."""
    with _started(bench, "postgresql") as server:
        _fill_pgbench(bench, server)
        recipe = _select_recipe(server, _load(bench, 16))
        words = ["-S", "-M", "prepared", "-c", "16", "-j", "1"]
        yield from figures_of("PostgreSQL select", paired(bench, recipe, _pgbench(bench, server, words)), 1.0)


def _select_recipe(server: Server, load: dict[str, Any]) -> dict[str, Any]:
    """What `pgbench -S` asks, of the same table."""
    statement = {"name": "select", "sql": "SELECT abalance FROM pgbench_accounts WHERE aid = $1", "params": ["{key}"]}
    return {
        "name": "bench_postgresql_select",
        "service": {"kind": "postgresql", "url": server.url},
        "workload": {"statements": [statement], "rows": 100_000, "prepared": True},
        "load": load,
    }


def postgresql_tpcb(bench: Bench) -> Iterator[Figure]:
    """PostgreSQL tpcb, scale 10, 8 connections; pgbench -M prepared on the same tables."""
    with _started(bench, "postgresql") as server:
        recipe = {
            "name": "bench_postgresql_tpcb",
            "service": {"kind": "postgresql", "url": server.url},
            "workload": {"operation": "tpcb", "scale": 10, "keep": True, "reuse": True},
            "load": _load(bench, 8),
        }
        run_loadgen(recipe, bench.fresh_folder())  # makes the tables that both then use
        words = ["-M", "prepared", "-c", "8", "-j", "1"]
        yield from figures_of("PostgreSQL tpcb", paired(bench, recipe, _pgbench(bench, server, words)), 0.98)


def _pgbench(bench: Bench, server: Server, words: list[str]) -> Callable[[], Reached]:
    duration_s = max(1.0, 4 * bench.scale)
    return lambda: pgbench("127.0.0.1", _port(server), words, duration_s, bench.fresh_folder())


def _fill_pgbench(bench: Bench, server: Server) -> None:
    tool = program("pgbench", "apt install postgresql-contrib")
    place = ["-h", "127.0.0.1", "-p", str(_port(server)), "-U", "postgres"]
    said_by([tool, *place, "-i", "-q", "-s", "1", "postgres"], bench.fresh_folder())


def s3(bench: Bench) -> Iterator[Figure]:
    """S3 get and put of 64 KiB, 16 connections, MinIO; warp."""
    with _started(bench, "minio") as server:
        keys = (SERVERS["minio"].ACCESS_KEY, SERVERS["minio"].SECRET_KEY)
        for operation, objects in (("get", 500), ("put", 20_000)):  # a put of warp's is always of a new object
            recipe = {
                "name": f"bench_s3_{operation}",
                "service": {"kind": "s3", "url": server.url, "access_key": keys[0], "secret_key": keys[1]},
                "workload": {
                    "operation": operation,
                    "bucket": "loadgen-bench",
                    "objects": objects,
                    "object_bytes": 65536,
                },
                "load": _load(bench, 16, WARP_S),
            }
            host = urlsplit(server.url).netloc
            duration_s = max(WARP_S, WARP_S * bench.scale)
            peer = _warp(bench, host, keys, operation, duration_s)
            yield from figures_of(f"S3 {operation} 64 KiB", paired(bench, recipe, peer, 3), 1.0, cpu_goal=0.5)


def _warp(bench: Bench, host: str, keys: tuple[str, str], operation: str, duration_s: float) -> Callable[[], Reached]:
    return lambda: warp(host, keys, operation, 500, duration_s, bench.fresh_folder())


def http_oha(bench: Bench) -> Iterator[Figure]:
    """Plain HTTP, 64 connections, nginx; oha."""
    with _started(bench, "nginx") as server:
        load = _load(bench, 64)
        recipe = {
            "name": "bench_http",
            "service": {"kind": "http", "url": server.url},
            "workload": {"requests": [{"name": "hello", "path": "/"}]},
            "load": load,
        }
        peer = paired(bench, recipe, lambda: oha(server.url + "/", 64, load["duration_s"], bench.fresh_folder()))
        yield from figures_of("plain HTTP, oha", peer, 1.0)


def chroma(bench: Bench) -> Iterator[Figure]:
    """Chroma query, 10,000 vectors of 128 dimensions, 8 connections; chromadb's own client with asyncio."""
    with _started(bench, "chroma") as server:
        recipe = {
            "name": "bench_chroma",
            "service": {"kind": "chroma", "url": server.url},
            "workload": {
                "operation": "query",
                "collection": "loadgen-bench",
                "vectors": 10_000,
                "dimensions": 128,
                "keep": True,
                "reuse": True,
            },
            "load": _load(bench, 8),
        }
        run_loadgen(recipe, bench.fresh_folder())  # fills the collection that both then ask
        python = SERVERS["chroma"].find()
        duration_s = max(1.0, 4 * bench.scale)
        peer = paired(bench, recipe, _chroma_client(bench, python.parent / "python", _port(server), duration_s), 3)
        yield from figures_of("Chroma query", peer, 1.0, cpu_goal=0.1)


def _chroma_client(bench: Bench, python: Path, port: int, duration_s: float) -> Callable[[], Reached]:
    return lambda: chroma_client(python, port, "loadgen-bench", 128, duration_s, bench.fresh_folder())


def agreement(bench: Bench) -> Iterator[Figure]:
    """Latency as loadgen gives it and as the peer would date the same answers, beside wrk's and pgbench's own."""
    yield from _agreement_with_wrk(bench)
    yield from _agreement_with_pgbench(bench)


def _agreement_with_wrk(bench: Bench) -> Iterator[Figure]:
    """wrk has no rate: both are closed loops of 4 connections here."""
    with _started(bench, "nginx") as server:
        duration_s = max(1.0, 4 * bench.scale)
        recipe = {
            "name": "bench_agreement_http",
            "service": {"kind": "http", "url": server.url},
            "workload": {"requests": [{"name": "hello", "path": "/"}]},
            "load": {"concurrency": 4, "duration_s": duration_s, "warmup_s": 0.2},
        }
        pairs = []
        for _ in range(PAIRS):
            ours = _latency(run_loadgen(recipe, bench.fresh_folder()))
            pairs.append((ours, wrk(server.url + "/", 4, duration_s, bench.fresh_folder())))
        yield from _agreement_figures("HTTP latency, 4 connections, wrk", pairs)


def _agreement_with_pgbench(bench: Bench) -> Iterator[Figure]:
    """Poisson arrivals at half of what pgbench reaches, without what each tool was late itself."""
    with _started(bench, "postgresql") as server:
        _fill_pgbench(bench, server)
        duration_s = max(1.0, 4 * bench.scale)
        words = ["-S", "-M", "prepared", "-c", "8", "-j", "1"]
        rate = pgbench("127.0.0.1", _port(server), words, duration_s, bench.fresh_folder()).per_s / 2
        recipe = _select_recipe(
            server, {"mode": "open", "arrival": "poisson", "rate_per_s": round(rate), "connections": 8}
        )
        recipe["load"] |= {"duration_s": duration_s, "warmup_s": 0.2}
        pairs = []
        for _ in range(PAIRS):
            ours = _latency(run_loadgen(recipe, bench.fresh_folder()))
            pairs.append(
                (ours, pgbench_at_rate("127.0.0.1", _port(server), words, rate, duration_s, bench.fresh_folder()))
            )
        yield from _agreement_figures("PostgreSQL latency, half the peak, pgbench --rate", pairs)


class Latency(NamedTuple):
    """From the send to the arrival, and to when the client had read it, which is what other tools date. ms."""

    arrived_ms: NDArray[np.float64]  # shape (2,): p50 and p99
    read_ms: NDArray[np.float64]


def _latency(ran: Loadgen) -> Latency:
    done = [line for line in ran.lines() if line["success"] and line["phase"] == "measure"]
    arrived_ns = np.array([line["done_at_ns"] - line["sent_at_ns"] for line in done])
    lag_ns = np.array([line["read_lag_ns"] for line in done])
    both = (np.percentile(values, [50, 99]) / 1e6 for values in (arrived_ns, arrived_ns + lag_ns))
    return Latency(*both)


def _agreement_figures(row: str, pairs: list[tuple[Latency, Reached]]) -> Iterator[Figure]:
    for place, name in enumerate(("p50", "p99")):
        peer_ms = np.array([getattr(peer, f"{name}_ms") for _, peer in pairs])
        read_ms = np.array([ours.read_ms[place] for ours, _ in pairs])
        yield Figure(row, f"{name}, ours", float(np.median([ours.arrived_ms[place] for ours, _ in pairs])), "ms")
        yield Figure(row, f"{name}, as the peer would date ours", float(np.median(read_ms)), "ms")
        yield Figure(row, f"{name}, the peer's", float(np.median(peer_ms)), "ms")
        yield Figure(row, f"{name}, dated alike, of the peer's", float(np.median(read_ms / peer_ms)), "x", 1.05)


STORE_ROWS = {
    "redis": redis,
    "redis_pipeline": redis_pipeline,
    "postgresql_select": postgresql_select,
    "postgresql_tpcb": postgresql_tpcb,
    "s3": s3,
    "chroma": chroma,
    "http_oha": http_oha,
    "agreement": agreement,
}
