"""Rates over the measured window. Answers and tokens count where they arrive, so that ramp and drain fall out."""

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.metrics.streaming import Arrivals
from loadgen.metrics.window import Window


def rate_per_s(count: float, window: Window) -> float | None:
    """count / window length; None where the window is empty."""
    return count / window.s if window.s else None


def arrived_between(arrivals: Arrivals, from_ns: int, end_ns: int | None) -> NDArray[np.bool_]:
    """Which events came at from_ns <= instant < end_ns, shape (n_events,). end_ns None: no end."""
    inside = arrivals.at_ns >= from_ns
    if end_ns is not None:
        inside &= arrivals.at_ns < end_ns
    return inside


def between(requests: Columns, from_ns: int, end_ns: int | None) -> Columns:
    """Those that ended at from_ns <= instant < end_ns; themselves where all did. end_ns None: no end."""
    first, last = requests.ends("done_at_ns")
    if first >= from_ns and (end_ns is None or last < end_ns):
        return requests
    inside = requests["done_at_ns"] >= from_ns
    if end_ns is not None:
        inside &= requests["done_at_ns"] < end_ns
    return requests.pick(np.flatnonzero(inside))
