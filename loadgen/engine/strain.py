"""How hard this host was on the process that carried a load: CPU that it could have, and that others took.

Everything is read from the kernel at the load's two ends; what this system does not say is None.
"""

import os
import threading
import time
from array import array
from asyncio import AbstractEventLoop
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import psutil

from loadgen.engine.contract import Strain
from loadgen.units import NS_PER_S

PROBE_PAUSE_S = 0.02
"""Fifty looks a second: enough for a p99 of a run of seconds, and nothing beside what a load costs."""

_CGROUPS = Path("/sys/fs/cgroup")


class CpuTimes(NamedTuple):
    """Of all CPUs that this process may run on, together, in seconds since they were started."""

    total_s: float
    used_s: float  # by anyone on this host
    stolen_s: float | None  # by other guests of a hypervisor


class StrainWatch:
    """Begins with the load; `ended` says what it was like."""

    def __init__(self) -> None:
        self._from_ns = time.monotonic_ns()
        self._from = _cpu_times()

    def ended(self, cpu_waits_ns: Sequence[int | None], loop_lags_ns: "Iterable[int] | None" = None) -> Strain:
        """cpu_waits_ns: of each loop's thread, see cpu_wait_ns(). loop_lags_ns: as LoopProbe has them."""
        elapsed_ns = max(time.monotonic_ns() - self._from_ns, 1)
        waits_ns = [wait_ns for wait_ns in cpu_waits_ns if wait_ns is not None]
        used, stolen = _shares(self._from, _cpu_times())
        return Strain(
            elapsed_s=elapsed_ns / NS_PER_S,
            host_cpu_ratio=used,
            steal_ratio=stolen,
            starved_ratio=min(sum(waits_ns) / len(waits_ns) / elapsed_ns, 1.0) if waits_ns else None,
            cpu_limit=cpu_limit(),
            loop_lags_ns=None if loop_lags_ns is None else np.fromiter(loop_lags_ns, np.int64),
        )


def cpu_wait_ns() -> int | None:
    """How long the calling thread, since it began, was ready to run and had no CPU. Source: Linux, sched-stats.rst."""
    try:
        return int(Path("/proc/thread-self/schedstat").read_text().split()[1])
    except (OSError, ValueError, IndexError):
        return None


def cpu_limit() -> float | None:
    """How many CPUs this process may use at once: its affinity, and the quotas of its cgroups."""
    n_cpus = float(len(_cpus()) or os.cpu_count() or 0)
    return min([n_cpus, *_quotas()]) or None


def _cpus() -> list[int]:
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []


def _cpu_times() -> CpuTimes | None:
    try:
        each = psutil.cpu_times(percpu=True)
    except (OSError, RuntimeError, NotImplementedError):
        return None
    ours = [each[cpu] for cpu in _cpus() if cpu < len(each)] or each
    stolen_s = sum(cpu.steal for cpu in ours) if hasattr(ours[0], "steal") else None
    idle_s = sum(cpu.idle + getattr(cpu, "iowait", 0.0) for cpu in ours)
    guests = ("guest", "guest_nice")  # they are in user and nice already
    total_s = sum(value for cpu in ours for name, value in cpu._asdict().items() if name not in guests)
    return CpuTimes(total_s, total_s - idle_s - (stolen_s or 0.0), stolen_s)


def _shares(before: CpuTimes | None, after: CpuTimes | None) -> tuple[float | None, float | None]:
    """Of the time between: used by anyone, and stolen."""
    if before is None or after is None or after.total_s <= before.total_s:
        return None, None
    total_s = after.total_s - before.total_s
    used = min(max((after.used_s - before.used_s) / total_s, 0.0), 1.0)
    if before.stolen_s is None or after.stolen_s is None:
        return used, None
    return used, min(max((after.stolen_s - before.stolen_s) / total_s, 0.0), 1.0)


def _quotas() -> list[float]:
    """CPUs that the process's cgroup and those above it allow; empty where none is limited."""
    try:
        lines = Path("/proc/self/cgroup").read_text().splitlines()
    except OSError:
        return []
    found = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        for folder in _folders_of(controllers, path.strip("/")):
            quota = _quota_v2(folder) if not controllers else _quota_v1(folder)
            found += [] if quota is None else [quota]
    return found


def _folders_of(controllers: str, path: str) -> list[Path]:
    """The cgroup's folder and those above it; of a hierarchy that does not limit CPUs, none."""
    if controllers and "cpu" not in controllers.split(","):
        return []
    root = _CGROUPS / controllers if controllers else _CGROUPS
    if controllers and not root.is_dir():
        root = _CGROUPS / "cpu"
    parts = [part for part in path.split("/") if part not in ("", "..")]
    return [root.joinpath(*parts[:n]) for n in range(len(parts) + 1)]


def _quota_v2(folder: Path) -> float | None:
    try:
        quota, period = (folder / "cpu.max").read_text().split()
        return None if quota == "max" else int(quota) / int(period)
    except (OSError, ValueError):
        return None


def _quota_v1(folder: Path) -> float | None:
    try:
        quota, period = (int((folder / f"cpu.cfs_{name}_us").read_text()) for name in ("quota", "period"))
    except (OSError, ValueError):
        return None
    return quota / period if quota > 0 and period > 0 else None


class LoopProbe:
    """How late an asyncio loop gets to what arrives: a thread drops a note now and then, and the loop dates it.

    Where no kernel stamp says it, this is what an answer waits for. lags_ns: one a note.
    """

    def __init__(self, loop: AbstractEventLoop) -> None:
        self.lags_ns = array("q")
        self._loop = loop
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._drop_notes, name="loadgen-probe", daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._is_over.set()
        self._thread.join()

    def _drop_notes(self) -> None:
        while not self._is_over.wait(PROBE_PAUSE_S):
            self._loop.call_soon_threadsafe(self._found, time.monotonic_ns())

    def _found(self, dropped_at_ns: int) -> None:
        self.lags_ns.append(time.monotonic_ns() - dropped_at_ns)
