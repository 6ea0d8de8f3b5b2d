"""The load generator itself: what it takes of the host, and its engine's counters."""

import time
from typing import Any, Protocol

import psutil

from loadgen.monitor.host import SHORTEST_S
from loadgen.monitor.watcher import Look
from loadgen.units import NS_PER_MS

COUNTERS = ("n_in_flight", "n_waiting", "n_sent", "n_finished", "n_failed", "n_tokens")
"""Of the engine's live counters."""


class LiveCounters(Protocol):
    """As the engine keeps them; elapsed_ns: the instant of the run at which it last did."""

    origin_ns: int
    elapsed_ns: int


class ClientSource:
    """cpu_ratio: of one core, since the last look that had it. pump_lag_ms: how old the engine's counters are, which is
    how far its pump is behind; None before the load.
    """

    name, settles_s = "client", 0.0

    def __init__(self, live: LiveCounters) -> None:
        self.notes: list[str] = []
        self._live = live
        self._process = psutil.Process()
        self._before: tuple[float, float] | None = None

    def look(self) -> list[Look]:
        with self._process.oneshot():
            taken = {
                "cpu_ratio": self._cpu_ratio(),
                "rss_bytes": self._process.memory_info().rss,
                "n_threads": self._process.num_threads(),
            }
        counters: dict[str, Any] = {name: getattr(self._live, name) for name in COUNTERS}
        return [Look({**taken, **counters, "pump_lag_ms": self._pump_lag_ms()})]

    def close(self) -> None:
        """Nothing is held."""

    def _cpu_ratio(self) -> float | None:
        at_s, used_s = time.monotonic(), sum(self._process.cpu_times()[:2])
        before = self._before
        if before is not None and at_s - before[0] < SHORTEST_S:
            return None
        self._before = (at_s, used_s)
        return None if before is None else round((used_s - before[1]) / (at_s - before[0]), 6)

    def _pump_lag_ms(self) -> float | None:
        live = self._live
        if not live.origin_ns:
            return None
        now_ns = time.monotonic_ns() - live.origin_ns
        return round(max(now_ns - live.elapsed_ns, 0) / NS_PER_MS, 3)
