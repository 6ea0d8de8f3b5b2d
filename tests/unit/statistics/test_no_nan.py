"""Whatever a run may have left, answers are finite or None; warnings are errors here."""

import math
from typing import Any

import numpy as np
import pytest
from made_series import F

from loadgen.statistics.certify import early_stopping_bound
from loadgen.statistics.effective import autocorrelation_time, effective_n_of_share, variance_of_ratio
from loadgen.statistics.intervals import mean_interval, rank_interval, rate_interval, rate_spread, wilson_interval
from loadgen.statistics.steady import settled_at, trend
from loadgen.statistics.verdicts import of_mean, of_share


def is_told(answer: Any) -> bool:
    parts = answer if isinstance(answer, tuple) else (answer,)
    return all(part is None or math.isfinite(part) for part in parts)


def answers_about(below: F, counts: F, q: float) -> list[Any]:
    n, variance = int(counts.sum()), variance_of_ratio(below, counts)
    size = effective_n_of_share(below, counts, n / 7)
    assert min(n, 1) <= size <= n
    share, error = (below.sum() / n, math.sqrt(variance or 0)) if n else (None, None)
    return [
        variance,
        rank_interval(q, size, n=n or None),
        mean_interval(share or 0.0, variance, size),
        wilson_interval((share or 0.0) * size, size),
        of_share(share, size, q, n=n, family=3),
        of_mean(share, error, max(size - 1, 0), q, is_upper=True, n=n),
        early_stopping_bound(q, n, size),
        *(rate_interval(counts, 0.1), rate_spread(counts, 0.1)),
        *(autocorrelation_time(counts), trend(counts), settled_at(counts)),
    ]


@pytest.mark.parametrize("n_batches", [0, 1, 2, 3, 5, 12, 50, 512])
@pytest.mark.parametrize("per_batch", [0.1, 1, 50, 1e5])
def test_answers_are_finite_or_none(n_batches: int, per_batch: float) -> None:
    rng = np.random.default_rng(n_batches)
    for share in (0, 0.001, 0.5, 0.99, 1):
        counts = rng.poisson(per_batch, n_batches)
        below = rng.binomial(counts, share).astype(np.float64)
        for q in (0.5, 0.99, 0.999):
            assert all(map(is_told, answers_about(below, counts.astype(np.float64), q)))
