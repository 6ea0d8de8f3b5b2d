"""Answers that are wrong are found, every one, and none is cried falsely: real servers behind a proxy that lies."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

import loadgen
from lying_proxy import S3, Dialect, LyingProxy, PostgreSQL, Redis
from servers import SERVERS
from servers.process import Server

Opened = Callable[[str], LyingProxy]

STORES: dict[str, tuple[str, Callable[[], Dialect], dict[str, Any]]] = {
    "redis": ("redis", Redis, {"operations": {"get": 70, "set": 30}, "keys": 12, "value_bytes": 200}),
    "postgresql": ("postgresql", PostgreSQL, {"operations": {"select": 70, "update": 30}, "rows": 12}),
    "s3": ("seaweedfs", S3, {"operations": {"get": 70, "put": 30}, "objects": 6, "object_bytes": 3000}),
}


@pytest.fixture(params=["native", "portable"])
def engine(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture(params=STORES)
def store(request: pytest.FixtureRequest) -> str:
    name: str = request.param
    return name


@pytest.fixture
def proxied(store: str, start_server: Callable[[str], Server]) -> Iterator[Opened]:
    """proxied(how) stands before the store's server for this test."""
    server_name, dialect, _ = STORES[store]
    server = start_server(server_name)
    opened: list[LyingProxy] = []

    def stand_before(how: str) -> LyingProxy:
        opened.append(LyingProxy(dialect(), ("127.0.0.1", urlsplit(server.url).port or 0), how))
        return opened[-1]

    yield stand_before
    for proxy in opened:
        proxy.__exit__()


def service_of(store: str, port: int) -> dict[str, Any]:
    if store == "redis":
        return {"kind": "redis", "url": f"redis://127.0.0.1:{port}", "protocol": 2}
    if store == "postgresql":
        return {"kind": "postgresql", "url": f"postgresql://postgres@127.0.0.1:{port}/postgres"}
    started = SERVERS["seaweedfs"]
    keys = {"access_key": started.ACCESS_KEY, "secret_key": started.SECRET_KEY}
    return {"kind": "s3", "url": f"http://127.0.0.1:{port}", "addressing": "path", **keys}


def carried(store: str, engine: str, proxy: LyingProxy, concurrency: int, n: int, folder: Path) -> dict[str, Any]:
    """summary.json of a run through the proxy."""
    recipe = {
        "service": service_of(store, proxy.port),
        "workload": {**STORES[store][2], "reuse": True},
        "load": {"concurrency": concurrency, "requests": n, "warmup_s": 0, "engine": engine},
    }
    bundle = loadgen.run(recipe, results=folder / "results", reports=folder / "reports").bundle
    assert bundle.summary is not None
    assert bundle.summary["requests"]["planned"] == n
    return bundle.summary


def assert_all_found(summary: dict[str, Any], proxy: LyingProxy) -> None:
    """What was read back after the load may have gone by the proxy's books: some read several values at once."""
    in_load = summary["requests"]["by_outcome"]["wrong_answer"]
    after_it = sum(finding["wrong"] for finding in summary["findings"])
    assert summary["wrong"] == in_load + after_it
    assert in_load <= proxy.n_lies <= in_load + after_it


def test_no_answer_of_an_honest_server_is_called_wrong(
    proxied: Opened, store: str, engine: str, tmp_path: Path
) -> None:
    """Sixteen clients that read and write the same few keys."""
    summary = carried(store, engine, proxied("honest"), 16, 1500, tmp_path)
    assert summary["requests"]["by_outcome"] == {"ok": 1500}
    assert summary["checked"] > 900
    assert summary["wrong"] == 0


def test_every_flipped_bit_is_found(proxied: Opened, store: str, engine: str, tmp_path: Path) -> None:
    proxy = proxied("flip")
    summary = carried(store, engine, proxy, 8, 600, tmp_path)
    assert proxy.n_lies > 30
    assert_all_found(summary, proxy)


def test_every_answer_after_a_dropped_write_is_found(proxied: Opened, store: str, engine: str, tmp_path: Path) -> None:
    """One client, so that the proxy's books are exact."""
    proxy = proxied("drop")
    summary = carried(store, engine, proxy, 1, 600, tmp_path)
    assert proxy.n_dropped > 10
    assert proxy.n_lies > 10
    assert_all_found(summary, proxy)


def test_every_older_value_is_found(proxied: Opened, store: str, engine: str, tmp_path: Path) -> None:
    proxy = proxied("old")
    summary = carried(store, engine, proxy, 1, 600, tmp_path)
    assert proxy.n_lies > 10
    assert_all_found(summary, proxy)
