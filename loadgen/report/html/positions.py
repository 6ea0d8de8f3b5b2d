"""How long the gap before each token is: a histogram for each stretch of positions, in constant memory."""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.histogram import Histogram
from loadgen.records import Block, Outcome, Phase
from loadgen.units import NS_PER_MS

Floats = NDArray[np.float64]

MOST_GAPS = 1_000_000
"""Enough for any picture; what comes after them is not read any more."""

_EDGES = np.unique(np.round(np.geomspace(1, 100_000, 97)).astype(np.int64))
FEWEST_EACH = 30
"""A stretch with fewer gaps than this is not drawn."""


class Positions(NamedTuple):
    """Each of shape (n,): the position (1: before the second token), and percentiles of its gaps. n_gaps: all."""

    at: Floats
    p50_ms: Floats
    p90_ms: Floats
    p99_ms: Floats
    n_gaps: int
    is_whole: bool


def gaps_by_position(blocks: Iterable[Block], operations: range | None = None) -> Positions | None:
    """Of the measured window's successes. operations: only such numbers. None: no stretch has enough gaps."""
    stretches: dict[int, Histogram] = {}
    n_gaps, is_whole = 0, True
    for block in blocks:
        n_gaps += _add(block, operations, stretches)
        if n_gaps >= MOST_GAPS:
            is_whole = False
            break
    drawn = [(place, stretch) for place, stretch in sorted(stretches.items()) if stretch.n >= FEWEST_EACH]
    if len(drawn) < 2:
        return None
    values = np.array([stretch.percentile([50.0, 90.0, 99.0]) for _, stretch in drawn]) / NS_PER_MS
    at = np.array([_middle(place) for place, _ in drawn])
    return Positions(at, values[:, 0], values[:, 1], values[:, 2], n_gaps, is_whole)


def _add(block: Block, operations: range | None, stretches: dict[int, Histogram]) -> int:
    records = block.records
    n_each = records["n_gaps"].astype(np.int64)
    wanted = (records["phase"] == Phase.MEASURE) & (records["outcome"] == Outcome.OK)
    if operations is not None:
        wanted &= (records["operation"] >= operations.start) & (records["operation"] < operations.stop)
    kept = np.repeat(wanted, n_each)
    firsts = np.cumsum(n_each) - n_each
    positions = np.arange(len(block.gaps_ns)) - np.repeat(firsts, n_each) + 1
    gaps, stretch = block.gaps_ns[kept], np.searchsorted(_EDGES, positions[kept], side="right") - 1
    order = np.argsort(stretch, kind="stable")
    places, firsts = np.unique(stretch[order], return_index=True)
    for place, own in zip(places.tolist(), np.split(gaps[order], firsts[1:]), strict=False):
        stretches.setdefault(place, Histogram()).add(own)
    return len(gaps)


def _middle(place: int) -> float:
    """Of the positions in a stretch."""
    low, high = _EDGES[place], _EDGES[min(place + 1, len(_EDGES) - 1)]
    return float(low + (high - low - 1) / 2)
