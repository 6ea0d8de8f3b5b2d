"""How sure a rate is that comes in waves: a closed loop's answers, arrivals on a beat.

Between the waves of a closed loop lies the same time again and again, so what one stretch has too many the next has too
few: the count over a long time is far surer than the counts of short stretches say. The spectrum near frequency zero
has both that and what is slow and correlated.
"""

import math

import numpy as np
from numpy.typing import NDArray

N_ORDINATES = 5
"""Of the lowest frequencies: one wave over the whole time, two, …: slower than a closed loop's own beat."""


def spectral_spread(
    counts_per_batch: NDArray[np.float64], batch_s: float, n_ordinates: int = N_ORDINATES
) -> tuple[float, float, float] | None:
    """A rate per second, its standard error and the degrees of freedom.

    counts_per_batch: shape (n,), batches of batch_s seconds each, in their order.
    None for fewer than 4 times n_ordinates of them.
    Source: Heidelberger and Welch 1981 (the spectrum at frequency zero), with the mean of the lowest ordinates.
    """
    counts = np.asarray(counts_per_batch, np.float64)
    n = len(counts)
    if n < 4 * n_ordinates or batch_s <= 0:
        return None
    waves = np.fft.rfft(counts - counts.mean())[1 : n_ordinates + 1]
    at_zero = float((waves * waves.conj()).real.mean()) / n  # the variance of a sum, for each batch
    return float(counts.mean()) / batch_s, math.sqrt(at_zero / n) / batch_s, 2.0 * n_ordinates
