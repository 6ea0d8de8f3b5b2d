"""A fresh simulator for each test, fast unless the test says otherwise."""

import contextlib
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from simulator_client import Client

from loadgen.simulator import SimulatorProcess, SimulatorSettings, start_simulator

StartSimulator = Callable[..., SimulatorProcess]


@pytest.fixture
def start() -> Iterator[StartSimulator]:
    """start(log=None, **settings): stopped when the test ends."""
    running: list[SimulatorProcess] = []

    def start_one(log: Path | None = None, **settings: Any) -> SimulatorProcess:
        running.append(start_simulator(SimulatorSettings(**{"ttft_ms": 1, "itl_ms": 1, **settings}), log))
        return running[-1]

    yield start_one
    for simulator in running:
        simulator.stop()


@pytest.fixture
def connect() -> Iterator[Callable[[str], Client]]:
    """connect(url): closed when the test ends."""
    with contextlib.ExitStack() as clients:
        yield lambda url: clients.enter_context(Client(url))


@pytest.fixture
def url(start: StartSimulator) -> str:
    return start().url


@pytest.fixture
def log_path(tmp_path: Path) -> Path:
    return tmp_path / "simulator.jsonl"


@pytest.fixture
def read_log(log_path: Path) -> Callable[[], list[dict[str, Any]]]:
    return lambda: [json.loads(line) for line in log_path.read_text().splitlines()]
