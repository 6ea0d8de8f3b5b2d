"""What the looks of a run come to: `monitor` and `cost` in summary.json. docs/measuring.md has the formulas.

Pure: samples in, figures out; also for a run that was killed. A figure that is not known is left out or null.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from loadgen.bundle.monitor import Sample
from loadgen.monitor.cards import Cards
from loadgen.monitor.cost import Work, cost_of, energy_of, work_of
from loadgen.monitor.means import Level, Mean, Rate, Span, number
from loadgen.monitor.servers import Servers

Samples = Callable[[str], Iterable[Sample]]
"""By the name of what was watched: "host", "gpu", "server", "client"."""

HOST_RATES = (
    "cpu_ratio",
    "busiest_core_ratio",
    "steal_ratio",
    "network_received_bytes_per_s",
    "network_sent_bytes_per_s",
    "loopback_bytes_per_s",
    "disk_read_bytes_per_s",
    "disk_written_bytes_per_s",
    "context_switches_per_s",
)
HOST_LEVELS = ("memory_used_bytes", "swap_used_bytes", "load_1m")
CLIENT_RATES = ("cpu_ratio",)
CLIENT_LEVELS = ("rss_bytes", "n_threads", "n_in_flight", "n_waiting", "pump_lag_ms")


def watched_figures(summary: Mapping[str, Any], run: Mapping[str, Any], samples: Samples) -> dict[str, Any]:
    """`monitor` and `cost`, to be added to a summary; each only where there is something to say.

    summary: as summary.json, its window above all. run: as run.json, for its recipe and its service.
    """
    work = work_of(summary, run)
    if work is None or work.window.s <= 0:
        return {}
    monitor = _monitor(work, samples)
    cost = (run.get("recipe") or {}).get("cost")
    return {**({"monitor": monitor} if monitor else {}), **({"cost": cost_of(work, cost)} if cost else {})}


def _monitor(work: Work, samples: Samples) -> dict[str, Any]:
    cards, servers = Cards(work.window), Servers(work.window)
    for sample in samples("gpu"):
        cards.see(sample)
    for sample in samples("server"):
        servers.see(sample)
    figures = {
        "host": _host(work.window, samples("host")),
        "gpus": cards.figures,
        "energy": energy_of(work, cards.mean_power_w),
        "server": servers.figures,
        "client": _figures(work.window, samples("client"), CLIENT_RATES, CLIENT_LEVELS),
    }
    return {name: figure for name, figure in figures.items() if figure}


def _host(window: Span, samples: Iterable[Sample]) -> dict[str, Any]:
    last: dict[str, Any] = {}

    def seen() -> Iterable[Sample]:
        for sample in samples:
            last["memory_total_bytes"] = sample.values.get("memory_total_bytes")
            yield sample

    figures = _figures(window, seen(), HOST_RATES, HOST_LEVELS)
    return {**figures, **last} if figures else {}


def _figures(
    window: Span, samples: Iterable[Sample], rates: Iterable[str], levels: Iterable[str]
) -> dict[str, dict[str, float]]:
    """{name: {mean, min, max}} of those that are known."""
    means: dict[str, Mean] = {name: Rate(window) for name in rates}
    means |= {name: Level(window) for name in levels}
    for sample in samples:
        for name, mean in means.items():
            mean.see(sample.at_ns, number(sample.values.get(name)))
    return {name: figure for name, mean in means.items() if (figure := mean.figure) is not None}
