"""What servers say of themselves while the load goes on, once a second, on connections of their own."""

import asyncio
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

import orjson

EVERY_S = 1.0
MOST_OF_A_CORE = 0.01
"""Asking may take so much of a core's time; a server that says more is asked less often."""


class Sampled(Protocol):
    def sample(self) -> dict[str, Any] | None:
        """Flat; None where the server says nothing. Blocking."""


class Places(Protocol):
    def monitor_path(self, name: str) -> Path:
        """Where a file of the monitors goes."""


class Clock(Protocol):
    elapsed_ns: int


class ServerWatch:
    """A task beside the run that appends to monitor/server.jsonl: `async with` it around the load.

    The first sample is taken before the load and the last one after it. A server that says nothing has no file.
    """

    def __init__(
        self, places: Places, services: Mapping[str, Sampled], clock: Clock, redact: Callable[[str], str]
    ) -> None:
        self._places, self._services, self._clock, self._redact = places, dict(services), clock, redact
        self._cost_s = 0.0
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> "ServerWatch":
        await asyncio.to_thread(self._look, 0)
        if self._services:
            self._task = asyncio.create_task(self._watch())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task})
            await asyncio.to_thread(self._look, self._clock.elapsed_ns)

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(max(EVERY_S, self._cost_s / MOST_OF_A_CORE))
            await asyncio.to_thread(self._look, self._clock.elapsed_ns)

    def _look(self, at_ns: int) -> None:
        """Ask each service once. One that has nothing to say, or is gone, is asked no more."""
        began_s = time.thread_time()
        for name, service in list(self._services.items()):
            try:
                sample = service.sample()
            except Exception:  # a monitor never ends a run: the load itself will tell that the server is gone
                sample = None
                if at_ns > 0:
                    continue
            if sample is None:
                del self._services[name]
            else:
                self._append(at_ns, name, sample)
        self._cost_s = time.thread_time() - began_s

    def _append(self, at_ns: int, name: str, sample: dict[str, Any]) -> None:
        texts = {key: self._redact(value) if isinstance(value, str) else value for key, value in sample.items()}
        line = {"at_ns": at_ns, **({"service": name} if name else {}), **texts}
        with self._places.monitor_path("server.jsonl").open("ab") as file:
            file.write(orjson.dumps(line) + b"\n")
