"""Laws of a service's throughput under load: where it bends (a knee), and the universal scalability law."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from loadgen.statistics.laws import t_quantile

F = NDArray[np.float64]

FEWEST_LOADS = 4
"""Two lines that meet have four unknowns."""

CERTAIN = 0.01
"""A bend counts as one from this p-value of the F test down. It is far below 5 %: where the lines meet is chosen by the
data, which the test's law does not know."""

LITTLE_LEFT = 0.7
"""It is a knee only where the slope falls to this share or less."""

N_PLACES = 400
"""Candidates for the place where the two lines meet."""

FURTHEST_PEAK = 100.0
"""A peak that lies so many times beyond the highest load that was measured is not seen in the measurements."""

_FEW = "there are fewer than 4 measured loads"


class Knee(NamedTuple):
    """Where throughput stops growing as it did. ci95: in units of load; None: as many unknowns as measurements.

    slope_before, slope_after: throughput gained for each unit of load.
    """

    load: float
    ci95: tuple[float, float] | None
    slope_before: float
    slope_after: float


class Usl(NamedTuple):
    """X(N) = lambda_ N / (1 + sigma (N - 1) + kappa N (N - 1)).

    lambda_: throughput of one client alone. sigma: the share that cannot be done side by side (contention). kappa: what
    each pair of clients costs (coherency). n_peak: the load of the most throughput; None: it never falls.
    Source: Gunther, Guerrilla Capacity Planning, 2007.
    """

    lambda_: float
    sigma: float
    kappa: float
    n_peak: float | None
    r2: float

    def at(self, loads: ArrayLike) -> F:
        return usl_curve(loads, self.lambda_, self.sigma, self.kappa)


def knee(loads: ArrayLike, throughput: ArrayLike) -> tuple[Knee | None, str]:
    """The knee of throughput over load, or None and the reason. Shapes (n,); repeats of a load are values of their own.

    Two lines that meet, by least squares over the place where they do; the interval is that of the profile likelihood
    (the places whose residuals an F test of 1 and n - 4 degrees of freedom does not tell from the best). Source:
    Hudson, Fitting segmented curves whose join points have to be estimated, 1966; Seber and Wild, Nonlinear Regression,
    1989, 9.3.
    """
    x, y = np.asarray(loads, np.float64), np.asarray(throughput, np.float64)
    distinct = np.unique(x)
    if len(distinct) < FEWEST_LOADS:
        return None, _FEW
    places = _places(distinct)
    residuals = _residuals_at(x, y, places)
    best = int(residuals.argmin())
    (_, before, after), left = _two_lines(x, y, places[best])
    reason = _not_a_knee(x, y, left, before, after)
    if reason:
        return None, reason
    return Knee(float(places[best]), _interval(places, residuals, len(x)), float(before), float(after)), ""


def _places(distinct: F) -> F:
    """Between the second load and the last but one, so that each line has two loads at least; with every load."""
    low, high = distinct[1], distinct[-2]
    return np.unique(np.concatenate([np.linspace(low, high, N_PLACES), distinct[1:-1]]))


def _residuals_at(x: F, y: F, places: F) -> F:
    """The sum of squared residuals of two lines that meet at each place.

    A bend adds one column to the straight line's; what it takes from the residuals is its projection on them.
    """
    line = np.linalg.qr(np.column_stack([np.ones_like(x), x]))[0]
    bends = np.maximum(x[:, None] - places, 0.0)
    bends -= line @ (line.T @ bends)
    rest = y - line @ (line.T @ y)
    return np.asarray(np.maximum(rest @ rest - (rest @ bends) ** 2 / (bends**2).sum(axis=0), 0.0))


def _two_lines(x: F, y: F, place: float) -> tuple[F, float]:
    """(value at 0, slope before, slope after) and the sum of squared residuals, of lines that meet at a place."""
    return _least_squares(np.column_stack([np.ones_like(x), np.minimum(x, place), np.maximum(x - place, 0.0)]), y)


def _least_squares(columns: F, y: F) -> tuple[F, float]:
    solution = np.linalg.lstsq(columns, y, rcond=None)[0]
    return np.asarray(solution, np.float64), float(((y - columns @ solution) ** 2).sum())


def _not_a_knee(x: F, y: F, left: float, before: float, after: float) -> str:
    """Why a bend is none; empty where it is one."""
    if before <= 0:
        return "throughput does not grow from the lowest load on"
    if after > LITTLE_LEFT * before:
        return "throughput grows in a straight line over the loads measured"
    n_free = len(x) - 4
    straight = _least_squares(np.column_stack([np.ones_like(x), x]), y)[1]
    if n_free > 0 and _bend_p_value(straight, left, n_free) > CERTAIN and not _is_nothing(left, y):
        return "the measurements scatter too much to tell a bend from a straight line"
    return ""


def _bend_p_value(straight: float, bent: float, n_free: int) -> float:
    """Of the F test with 2 and n_free degrees of freedom, whose law is (1 + 2 F / n_free) ** (-n_free / 2)."""
    if bent <= 0:
        return 0.0
    statistic = (straight - bent) / 2 / (bent / n_free)
    return float((1 + 2 * max(statistic, 0.0) / n_free) ** (-n_free / 2))


def _is_nothing(residuals: float, y: F) -> bool:
    """What is left is rounding, not scatter."""
    return residuals <= 1e-18 * float((y**2).sum())


def _interval(places: F, residuals: F, n: int) -> tuple[float, float] | None:
    n_free = n - 4
    if n_free < 1:
        return None
    most = residuals.min() * (1 + t_quantile(0.975, n_free) ** 2 / n_free)
    within = places[residuals <= most * (1 + 1e-12)]
    return float(within.min()), float(within.max())


def usl_curve(loads: ArrayLike, lambda_: float, sigma: float, kappa: float) -> F:
    n = np.asarray(loads, np.float64)
    return np.asarray(lambda_ * n / (1 + sigma * (n - 1) + kappa * n * (n - 1)), np.float64)


def usl(loads: ArrayLike, throughput: ArrayLike) -> tuple[Usl | None, str]:
    """The law that fits best by least squares, all of its coefficients >= 0; or None and the reason. Shapes (n,).

    Every choice of coefficients that may be 0 is fitted by itself (Levenberg and Marquardt, from the linear form of the
    law), and the best kept.
    """
    n, x = np.asarray(loads, np.float64), np.asarray(throughput, np.float64)
    if len(np.unique(n)) < FEWEST_LOADS:
        return None, _FEW
    if not (x > 0).any() or (n <= 0).any():
        return None, "there is no throughput to fit" if (n > 0).all() else "a load is not above 0"
    fits = [_fitted(n, x, start) for start in _starts(n, x)]
    left, (lambda_, *costs) = min(fits, key=lambda one: one[0])
    sigma, kappa = (0.0 if cost < _NO_COST else cost for cost in costs)
    spread = float(((x - x.mean()) ** 2).sum())
    r2 = 1.0 - left / spread if spread > 0 else 1.0
    return Usl(lambda_, sigma, kappa, _peak(sigma, kappa, float(n.max())), r2), ""


_NO_COST = 1e-9
"""Less is what the fit's arithmetic leaves of a bound of nought."""


def _starts(n: F, x: F) -> Iterator[tuple[float, float, float]]:
    """(lambda, sigma, kappa) of the linear form N / X = 1 / lambda + ..., with and without each; 0: left out."""
    well = x > 0
    n, x = n[well], x[well]
    columns = np.column_stack([np.ones_like(n), n - 1, n * (n - 1)]) * (x / n)[:, None]
    for kept in ([0], [0, 1], [0, 2], [0, 1, 2]):
        found = np.zeros(3)
        found[kept] = np.linalg.lstsq(columns[:, kept], np.ones_like(x), rcond=None)[0]
        one = found[0] if found[0] > 0 else 1.0 / float((x / n).max())
        least = [0.0, *(1e-6 if place in kept else 0.0 for place in (1, 2))]
        yield 1.0 / one, max(found[1] / one, least[1]), max(found[2] / one, least[2])


def _fitted(n: F, x: F, start: tuple[float, float, float]) -> tuple[float, tuple[float, float, float]]:
    """Squared residuals and coefficients. They stand as logarithm and roots, so that none can be below 0; one that
    begins at 0 stays there: the derivative by its root is 0."""
    at = np.array([np.log(start[0]), np.sqrt(start[1]), np.sqrt(start[2])])
    damping, left = 1e-3, _squares(n, x, at)
    for _ in range(200):
        model, slopes = _model_and_slopes(n, at)
        square = slopes.T @ slopes
        step = np.linalg.lstsq(square + damping * np.diag(np.diag(square) + 1e-12), slopes.T @ (x - model), rcond=None)[
            0
        ]
        tried = _squares(n, x, at + step)
        if tried >= left:
            damping *= 8.0
            if damping > 1e12:
                break
            continue
        is_there = left - tried <= 1e-14 * left
        at, left, damping = at + step, tried, damping / 5.0
        if is_there:
            break
    return left, _coefficients(at)


def _coefficients(at: F) -> tuple[float, float, float]:
    return float(np.exp(at[0])), float(at[1] ** 2), float(at[2] ** 2)


def _squares(n: F, x: F, at: F) -> float:
    with np.errstate(over="ignore", invalid="ignore"):
        left = float(((x - usl_curve(n, *_coefficients(at))) ** 2).sum())
    return left if np.isfinite(left) else np.inf


def _model_and_slopes(n: F, at: F) -> tuple[F, F]:
    """The law at n, shape (n,), and its derivatives by the three parameters, shape (n, 3)."""
    lambda_, sigma, kappa = _coefficients(at)
    below = 1 + sigma * (n - 1) + kappa * n * (n - 1)
    model = lambda_ * n / below
    return model, np.column_stack(
        [model, -model / below * (n - 1) * 2 * at[1], -model / below * n * (n - 1) * 2 * at[2]]
    )


def _peak(sigma: float, kappa: float, highest: float) -> float | None:
    """Where the law's derivative is 0: N ** 2 = (1 - sigma) / kappa."""
    if sigma >= 1:
        return 1.0
    if kappa <= 0 or (1 - sigma) / kappa > (FURTHEST_PEAK * highest) ** 2:
        return None
    return max(float(np.sqrt((1 - sigma) / kappa)), 1.0)
