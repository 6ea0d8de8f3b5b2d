"""Distributions as GuideLLM describes them: of values that may weigh differently, of rates, and of how many at once."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = {"p001": 0.1, "p01": 1, "p05": 5, "p10": 10, "p25": 25, "p50": 50, "p75": 75, "p90": 90, "p95": 95,
               "p99": 99, "p999": 99.9}  # fmt: skip
TOGETHER_S = 1e-4
"""Events closer to the first of them count as one."""

Floats = NDArray[np.float64]


def described(values: Floats, weights: Floats | None = None, n: int | None = None) -> dict[str, Any]:
    """A distribution's figures. n: how many observations; None: the sum of the weights. Without a value all are 0.

    A percentile is the smallest value up to which that share of the weight lies; std_dev is a population's.
    """
    weights = np.ones(len(values)) if weights is None else weights
    count = round(float(weights.sum())) if n is None else n
    counted = weights > 0 if weights.sum() > 0 else np.ones(len(values), np.bool_)
    if not counted.any():
        return _figures(np.zeros(1), np.ones(1), 0 if n is None else n)
    distinct, places = np.unique(values[counted], return_inverse=True)
    together = np.bincount(places, weights[counted] if weights.sum() > 0 else None)
    return _figures(distinct, together / together.sum(), count)


def _figures(values: Floats, shares: Floats, count: int) -> dict[str, Any]:
    """values: rising. shares: of the weight, 1 in all."""
    mean = float((values * shares).sum())
    variance = float(((values - mean) ** 2 * shares).sum())
    places = np.searchsorted(np.cumsum(shares), np.array(list(PERCENTILES.values())) / 100)
    percentiles = values[np.minimum(places, len(values) - 1)].tolist()
    return {
        "mean": mean,
        "median": percentiles[list(PERCENTILES).index("p50")],
        "mode": float(values[np.argmax(shares)]),
        "variance": variance,
        "std_dev": variance**0.5,
        "min": float(values[0]),
        "max": float(values[-1]),
        "count": count,
        "total_sum": mean * count,
        "percentiles": dict(zip(PERCENTILES, percentiles, strict=True)),
        "pdf": None,
        "mean_ci": None,
        "percentile_cis": None,
    }


def rates(at_s: Floats, weights: Floats, span_s: tuple[float, float]) -> dict[str, Any]:
    """How often something happens, over the time: each event's weight by half the time to its two neighbours."""
    inside = (at_s >= span_s[0]) & (at_s <= span_s[1])
    times, sums = _merged(
        np.concatenate([[span_s[0]], at_s[inside], [span_s[1]]]), np.concatenate([[0.0], weights[inside], [0.0]])
    )
    if len(times) < 2:
        return described(np.zeros(0), n=len(times))
    edges = np.concatenate([times[:1], (times[1:] + times[:-1]) / 2, times[-1:]])
    lengths = np.diff(edges)
    lengths[-1] = max(lengths[-1], 1e-6)
    return described(sums / lengths, lengths, round(float(sums.sum())))


def at_once(begins_s: Floats, ends_s: Floats, span_s: tuple[float, float]) -> dict[str, Any]:
    """How many intervals lie over each other, over the time."""
    inside = (ends_s >= span_s[0]) & (begins_s <= span_s[1])
    n = int(inside.sum())
    if not n:
        return described(np.zeros(0), n=0)
    bounded = [np.clip(times[inside], *span_s) for times in (begins_s, ends_s)]
    steps = np.concatenate([np.ones(n), -np.ones(n), np.zeros(2)])
    times, changes = _merged(np.concatenate([*bounded, span_s]), steps)
    lengths = np.diff(times)
    return described(np.maximum(np.cumsum(changes)[:-1], 0), lengths, n) if len(lengths) else described(np.ones(1), n=n)


def _merged(times: Floats, weights: Floats) -> tuple[Floats, Floats]:
    order = np.argsort(times, kind="stable")
    times, weights = times[order], weights[order]
    nexts = np.searchsorted(times, times + TOGETHER_S, side="right").tolist()
    starts, place = [], 0
    while place < len(times):
        starts.append(place)
        place = nexts[place]
    return times[starts], np.add.reduceat(weights, starts)
