"""What a closed loop leaves out: the requests that its clients did not send while they waited for slow answers."""

from collections.abc import Mapping
from typing import Any

from loadgen.metrics.figures import Figures
from loadgen.metrics.window import Window
from loadgen.statistics.omission import as_open, weighted_percentile
from loadgen.units import ms_from_ns

PERCENTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}


def in_flight_of(load: Mapping[str, Any], workload: Mapping[str, Any]) -> int | None:
    """How many requests the clients of a recipe's load keep going at once; None in an open loop."""
    if load.get("mode", "closed") == "open":
        return None
    return int(load.get("concurrency") or 1) * int(workload.get("pipeline") or 1)


def omission_of(figures: Figures, window: Window, in_flight: int) -> dict[str, Any] | None:
    """summary.json's `coordinated_omission`: e2e as requests that leave on a schedule would have seen it.

    Each of in_flight is taken to send as often as it did on average, but evenly, whether or not its last answer has
    come. None without an answer. Source: Tene, HdrHistogram (correction with an expected interval).
    """
    histogram = figures.metrics.get("e2e")
    if histogram is None or not histogram.n or window.s <= 0:
        return None
    interval_ns = in_flight * (window.to_ns - window.from_ns) / figures.n_finished
    bins = histogram.bins()
    values, counts = as_open((bins.low_ns + bins.high_ns - 1) / 2, bins.counts, interval_ns)
    every = ms_from_ns(interval_ns)
    return {
        "estimate": True,
        "how": f"a request every {every:.6g} ms in each of {in_flight} places, as often as there was one on average, "
        "whether or not the last answer has come",
        "interval_ms": round(every, 6),
        "e2e": {name: _shown(weighted_percentile(values, counts, share)) for name, share in PERCENTILES.items()},
    }


def _shown(value_ns: float | None) -> float | None:
    return None if value_ns is None else round(ms_from_ns(value_ns), 6)
