"""The host that loadgen runs on: CPU, memory, network, disk. Source: psutil."""

import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import psutil

from loadgen.monitor.watcher import Look

SHORTEST_S = 0.2
"""The kernel counts CPU time in hundredths of a second: shares over less than this would be of its ticks."""

_OF_A_LARGER_ONE = Path("/sys/class/net")


class Counters(NamedTuple):
    """What only grows. cores: of each the seconds (all, idle, stolen). bytes: by what they were moved for."""

    at_s: float
    cores: tuple[tuple[float, float, float], ...]
    counts: Mapping[str, float]


class HostSource:
    """Shares and rates are of the time since the last look that had some; None in the first one, and where less than
    SHORTEST_S has passed.
    """

    name, settles_s = "host", 0.0

    def __init__(self) -> None:
        self.notes: list[str] = []
        self._before: Counters | None = None

    def look(self) -> list[Look]:
        return [Look({**self._since_before(read_counters()), **read_levels()})]

    def close(self) -> None:
        """Nothing is held."""

    def _since_before(self, now: Counters) -> dict[str, float | None]:
        before = self._before
        if before is not None and now.at_s - before.at_s < SHORTEST_S:
            return changes(None, now)
        self._before = now
        return changes(before, now)


def changes(before: Counters | None, now: Counters) -> dict[str, float | None]:
    """Shares of CPU time (1: all cores) and rates between two readings; None without a first one."""
    return {**_cpu(before, now), **_rates(before, now)}


def _cpu(before: Counters | None, now: Counters) -> dict[str, float | None]:
    """busy: neither idle nor waiting for a disk; what the hypervisor gave to others (stolen) is busy."""
    pairs = list(zip(before.cores, now.cores, strict=False)) if before is not None else []
    spent = [[max(later - first, 0.0) for first, later in zip(*pair, strict=True)] for pair in pairs]
    in_all = sum(total for total, _, _ in spent)
    if in_all <= 0:
        return dict.fromkeys(("cpu_ratio", "busiest_core_ratio", "steal_ratio"))
    return {
        "cpu_ratio": _share(in_all - sum(idle for _, idle, _ in spent), in_all),
        "busiest_core_ratio": max(_share(total - idle, total) for total, idle, _ in spent if total > 0),
        "steal_ratio": _share(sum(stolen for _, _, stolen in spent), in_all),
    }


def _share(part: float, whole: float) -> float:
    return round(min(max(part / whole, 0.0), 1.0), 6)


def _rates(before: Counters | None, now: Counters) -> dict[str, float | None]:
    if before is None:
        return {f"{name}_per_s": None for name in now.counts}
    firsts, seconds = before.counts, now.at_s - before.at_s
    return {f"{name}_per_s": _rate(firsts.get(name), count, seconds) for name, count in now.counts.items()}


def _rate(first: float | None, last: float, seconds: float) -> float | None:
    """A counter that fell (an interface that went away) has none."""
    return round((last - first) / seconds, 3) if first is not None and last >= first and seconds > 0 else None


def read_counters() -> Counters:
    cores = tuple(_seconds_of(core) for core in psutil.cpu_times(percpu=True))
    counts = {**_network_bytes(), **_disk_bytes(), "context_switches": float(psutil.cpu_stats().ctx_switches)}
    return Counters(time.monotonic(), cores, counts)


def _seconds_of(core: Any) -> tuple[float, float, float]:
    """The kernel counts the time of guests within user and nice as well."""
    guests = getattr(core, "guest", 0.0) + getattr(core, "guest_nice", 0.0)
    idle = core.idle + getattr(core, "iowait", 0.0)
    return sum(core) - guests, idle, getattr(core, "steal", 0.0)


def _network_bytes() -> dict[str, float]:
    """loopback: what was sent over it, which is what was received. Of a bond or a bridge the parts are left out."""
    each = psutil.net_io_counters(pernic=True)
    outside = [counters for name, counters in each.items() if not _is_loopback(name) and not _is_part(name)]
    return {
        "network_received_bytes": float(sum(counters.bytes_recv for counters in outside)),
        "network_sent_bytes": float(sum(counters.bytes_sent for counters in outside)),
        "loopback_bytes": float(sum(counters.bytes_sent for name, counters in each.items() if _is_loopback(name))),
    }


def _is_loopback(name: str) -> bool:
    return name == "lo" or name.startswith(("lo0", "Loopback"))


def _is_part(name: str) -> bool:
    return (_OF_A_LARGER_ONE / name / "master").exists()


def _disk_bytes() -> dict[str, float]:
    """Nothing where the host does not tell, as in some containers."""
    disks = psutil.disk_io_counters()
    if disks is None:
        return {}
    return {"disk_read_bytes": float(disks.read_bytes), "disk_written_bytes": float(disks.write_bytes)}


def read_levels() -> dict[str, float | None]:
    """What goes up and down."""
    memory, swap = psutil.virtual_memory(), psutil.swap_memory()
    loads: Sequence[float] = psutil.getloadavg()
    return {
        "memory_used_bytes": memory.total - memory.available,
        "memory_total_bytes": memory.total,
        "swap_used_bytes": swap.used,
        "load_1m": round(loads[0], 2),
    }
