"""Whether single requests meet the bounds that a single request can meet: what goodput counts."""

import operator
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.metrics.histogram import rank_of
from loadgen.metrics.latency import per_request_ns
from loadgen.metrics.streaming import first_gaps
from loadgen.records import Block

if TYPE_CHECKING:
    from loadgen.recipe.slo import Slo

_COMPARE: dict[str, Callable[[Any, float], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_REDUCE: dict[str, np.ufunc] = {"mean": np.add, "max": np.maximum, "min": np.minimum}


def meets_every(successes: Columns, slos: "Sequence[Slo]") -> NDArray[np.bool_]:
    """Which requests meet every bound that a single request can meet: what goodput counts.

    A latency of the request is held against the threshold itself; of its gaps, the statistic that the bound names is
    taken over that request alone. A request that has no such figure (a single token has no gaps) cannot miss the bound.
    Returns shape (n,). Source: DistServe; vLLM bench --goodput.
    """
    met = np.ones(len(successes), np.bool_)
    for slo in slos:
        if slo.is_per_request:
            met &= _meets(successes, slo)
    return met


def meets(values: NDArray[Any], slo: "Slo") -> NDArray[np.bool_]:
    """Which values, in the threshold's unit, keep the bound. Shape as values."""
    return np.asarray(_COMPARE[slo.op](values, slo.threshold), np.bool_)


def _meets(successes: Columns, slo: "Slo") -> NDArray[np.bool_]:
    if slo.metric == "itl":
        return _gaps_meet(successes.block, slo)
    values_ns = per_request_ns(slo.metric, successes)
    return meets(values_ns, slo) | (values_ns < 0)


def _gaps_meet(block: Block, slo: "Slo") -> NDArray[np.bool_]:
    met = np.ones(len(block.records), np.bool_)
    has_gaps = block.records["n_gaps"] > 0
    if not has_gaps.any():
        return met
    begins = first_gaps(block.records)[has_gaps]
    n_gaps = block.records["n_gaps"][has_gaps].astype(np.int64)
    met[has_gaps] = _statistic_meets(block.gaps_ns, begins, n_gaps, slo)
    return met


def _statistic_meets(
    gaps_ns: NDArray[np.int64], begins: NDArray[np.int64], n_gaps: NDArray[np.int64], slo: "Slo"
) -> NDArray[np.bool_]:
    """Without sorting: the k-th smallest is below a bound exactly if k values are."""
    statistic = slo.statistic or "mean"
    if statistic in _REDUCE:
        figures = _REDUCE[statistic].reduceat(gaps_ns, begins).astype(np.float64)
        held = _COMPARE[slo.op](figures / n_gaps if statistic == "mean" else figures, slo.threshold)
        return np.asarray(held, np.bool_)
    n_held = np.add.reduceat(_COMPARE[slo.op](gaps_ns, slo.threshold).astype(np.int64), begins)
    rank = rank_of(np.float64(statistic[1:]), n_gaps)
    n_needed = rank if slo.op.startswith("<") else n_gaps - rank + 1
    return np.asarray(n_held >= n_needed, np.bool_)
