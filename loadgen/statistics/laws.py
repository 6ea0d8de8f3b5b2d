"""Normal, t, beta and binomial laws of scalars: as much of them as intervals and verdicts need, without scipy.

The binomial takes fractional sizes and counts, because effective sample sizes are fractional: its distribution
function is the incomplete beta function, which passes through the binomial's at whole numbers.
"""

import math
from collections.abc import Callable
from statistics import NormalDist
from typing import NamedTuple

Rising = Callable[[float], float]

_NORMAL = NormalDist()
_TINY = 1e-300
_CLOSE = 1e-14
_MOST_TERMS = 20_000  # the fraction needs some sqrt(max(a, b)) of them


def normal_cdf(x: float) -> float:
    """P(Z <= x)."""
    return 0.5 * math.erfc(-x / math.sqrt(2))


def normal_quantile(p: float) -> float:
    """The x with P(Z <= x) = p, 0 < p < 1. Source: Wichura, AS 241."""
    return _NORMAL.inv_cdf(p)


def beta_cdf(x: float, a: float, b: float) -> float:
    """The regularised incomplete beta function I_x(a, b); a, b > 0.

    Source: Numerical Recipes 6.4 (continued fraction, modified Lentz).
    """
    if x <= 0:
        return 0.0
    if x >= 1:
        return 1.0
    front = math.exp(_log_beta(a, b) + a * math.log(x) + b * math.log1p(-x))
    if x < (a + 1) / (a + b + 2):
        return min(1.0, front * _fraction(x, a, b) / a)
    return max(0.0, 1.0 - front * _fraction(1 - x, b, a) / b)


def _log_beta(a: float, b: float) -> float:
    """The logarithm of 1 / B(a, b)."""
    return math.lgamma(a + b) - math.lgamma(a) - math.lgamma(b)


def _fraction(x: float, a: float, b: float) -> float:
    c, d = 1.0, _not_zero(1 - (a + b) * x / (a + 1))
    d = 1 / d
    value = d
    for m in range(1, _MOST_TERMS):
        for term in (
            m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m)),
            -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1)),
        ):
            d = 1 / _not_zero(1 + term * d)
            c = _not_zero(1 + term / c)
            value *= d * c
        if abs(d * c - 1) < _CLOSE:
            break
    return value


def _not_zero(x: float) -> float:
    return x if abs(x) > _TINY else _TINY


def beta_quantile(p: float, a: float, b: float) -> float:
    """The x with I_x(a, b) = p."""
    if p <= 0 or p >= 1:
        return 0.0 if p <= 0 else 1.0
    mean = a / (a + b)
    spread = math.sqrt(mean * (1 - mean) / (a + b + 1))
    return _root_near(lambda x: beta_cdf(x, a, b) - p, mean + normal_quantile(p) * spread, 0.2 * spread, (0.0, 1.0))


def t_cdf(x: float, df: float) -> float:
    """P(T <= x) of Student's t; df may be fractional or infinite."""
    if math.isinf(df):
        return normal_cdf(x)
    tail = 0.5 * beta_cdf(df / (df + x * x), df / 2, 0.5)
    return tail if x < 0 else 1 - tail


def t_quantile(p: float, df: float) -> float:
    """The x with P(T <= x) = p, 0 < p < 1, df > 0."""
    z = normal_quantile(p)
    if p == 0.5 or df > _AS_GOOD_AS_NORMAL:
        return z
    if p < 0.5:
        return -t_quantile(1 - p, df)
    guess = z + (z**3 + z) / (4 * df)  # Abramowitz and Stegun 26.7.5
    return _root_near(lambda x: t_cdf(x, df) - p, guess, 0.01 * guess, (0.0, math.inf))


_AS_GOOD_AS_NORMAL = 1e8


def binomial_cdf(k: float, n: float, p: float) -> float:
    """P(Bin(n, p) <= k), extended to fractional k and n; 0 from -1 down, 1 from n up."""
    if k <= -1:
        return 0.0
    if k >= n:
        return 1.0
    variance = n * p * (1 - p)
    if variance > _LARGE_VARIANCE:
        return _nearly_normal((k + 0.5 - n * p) / math.sqrt(variance), (1 - 2 * p) / math.sqrt(variance))
    return beta_cdf(1 - p, n - k, k + 1)


_LARGE_VARIANCE = 1e6  # from here on the next term of the series is below 1e-7, and the fraction long


def _nearly_normal(z: float, skewness: float) -> float:
    """Source: Edgeworth's series, its first term."""
    density = math.exp(-z * z / 2) / math.sqrt(2 * math.pi)
    return min(1.0, max(0.0, normal_cdf(z) - skewness * (z * z - 1) / 6 * density))


def binomial_quantile(probability: float, n: float, p: float) -> float:
    """The fractional k, -1 < k < n, with P(Bin(n, p) <= k) = probability; 0 < p < 1."""
    z = normal_quantile(probability)
    spread = math.sqrt(n * p * (1 - p))
    guess = n * p + z * spread + (1 - 2 * p) * (z * z - 1) / 6 - 0.5  # Cornish and Fisher
    return _root_near(lambda k: binomial_cdf(k, n, p) - probability, guess, 0.05 + 0.001 * spread, (-1.0, n))


def _root_near(rising: Rising, guess: float, step: float, within: tuple[float, float]) -> float:
    """Where a rising function crosses zero within bounds, where it is below and above zero."""
    low = high = _end(rising, min(max(guess, within[0]), within[1]))
    while low.value > 0 and low.at > within[0]:
        high, low, step = low, _end(rising, max(within[0], low.at - step)), 4 * step
    while high.value < 0 and high.at < within[1]:
        low, high, step = high, _end(rising, min(within[1], high.at + step)), 4 * step
    return _root_between(rising, low, high)


class _End(NamedTuple):
    at: float
    value: float


def _end(rising: Rising, at: float) -> _End:
    return _End(at, rising(at))


def _root_between(rising: Rising, low: _End, high: _End) -> float:
    """False position that halves the value of an end kept twice (the Illinois rule); bisection where it lags."""
    kept = 0
    for turn in range(_MOST_TURNS):
        if low.value >= 0 or high.value <= 0 or high.at - low.at <= _CLOSE_ROOT * (abs(low.at) + abs(high.at)):
            break
        share = 0.5 if turn % 4 == 3 else low.value / (low.value - high.value)
        middle = _end(rising, low.at + share * (high.at - low.at))
        if abs(middle.value) < _NO_VALUE:
            return middle.at
        if middle.value < 0:
            low, high, kept = middle, high if kept >= 0 else _End(high.at, high.value / 2), -1
        else:
            low, high, kept = low if kept <= 0 else _End(low.at, low.value / 2), middle, 1
    return low.at if -low.value < high.value else high.at


_MOST_TURNS = 100
_CLOSE_ROOT = 1e-12
_NO_VALUE = 1e-11  # a probability that makes no difference
