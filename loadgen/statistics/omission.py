"""What an open client would have seen beside a closed run: an estimate, never a measurement.

A closed client that waits for a slow answer sends nothing meanwhile, so one stall is one slow value. An open client
would have gone on sending: each request planned during the stall would have waited for the rest of it.

Source: Tene, HdrHistogram (copyCorrectedForCoordinatedOmission): a value v adds v - e, v - 2e, … down to e.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

F = NDArray[np.float64]
MOST_ADDED = 250
"""Values that one bin adds; a longer stall adds as many values, evenly spread, that count more each."""


def as_open(values: ArrayLike, counts: ArrayLike, expected_interval: float) -> tuple[F, F]:
    """The values an open client would have seen, and how many of each.

    values, counts: shape (n_bins,), as a histogram has them. expected_interval: between two sends of one connection,
    in the values' unit: connections / throughput. Where it is not positive, nothing is added.
    Returns values rising and their counts.
    """
    seen, n_seen = np.asarray(values, np.float64), np.asarray(counts, np.float64)
    if expected_interval > 0:
        added, n_added = _added(seen, n_seen, expected_interval)
        seen, n_seen = np.concatenate([seen, added]), np.concatenate([n_seen, n_added])
    order = np.argsort(seen, kind="stable")
    return seen[order], n_seen[order]


def _added(values: F, counts: F, interval: float) -> tuple[F, F]:
    """What the requests that were not sent would have seen, and how many of each."""
    n_unsent = np.maximum(0.0, np.floor(values / interval) - 1)
    n_shown = np.minimum(n_unsent, MOST_ADDED).astype(np.int64)
    source = np.repeat(np.arange(len(values)), n_shown)
    place = np.arange(len(source)) - np.repeat(np.cumsum(n_shown) - n_shown, n_shown)
    weight = n_unsent[source] / n_shown[source]
    return values[source] - interval * (0.5 + (place + 0.5) * weight), counts[source] * weight


def weighted_percentile(values: F, counts: F, q: float) -> float | None:
    """The smallest value with at least q (0-1) of the counts at or below it; values rising. None of nothing."""
    reached = np.cumsum(counts)
    if not len(reached) or reached[-1] <= 0:
        return None
    place = int(np.searchsorted(reached, q * reached[-1] * (1 - 1e-12)))
    return float(values[min(place, len(values) - 1)])
