"""Whether promises hold: PASS, FAIL or UNDECIDED, several of them as a family.

PASS and FAIL are claims of the same confidence, and the two-sided one: at a true border no more than alpha of all runs
make either. So a verdict agrees with the 95 % interval shown beside it.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

from loadgen.statistics.laws import binomial_cdf, t_cdf, t_quantile

PASS = "PASS"
FAIL = "FAIL"
UNDECIDED = "UNDECIDED"
MOST_N = 10**12
"""What would need more samples than this is said to need none that can be had."""


class Evidence(NamedTuple):
    """One-sided p-values: small p_holds speaks for the promise, small p_broken against it.

    needs_n: samples in all that would decide it if the figure stays as it is; None where it is decided (taken alone,
    at alpha / family) or where no number would do.
    """

    p_holds: float
    p_broken: float
    needs_n: int | None


NOTHING = Evidence(1.0, 1.0, None)
"""Of what was not measured."""


def of_share(
    share: float | None,
    n_effective: float,
    asked: float,
    *,
    n: float | None = None,
    alpha: float = 0.05,
    family: int = 1,
) -> Evidence:
    """Is the true share more than asked? A percentile's promise goes this way: asked of its values meet the bound.

    share: of the values seen that do, 0-1; None: none was seen. n: values seen in all (needs_n counts in these);
    default: n_effective. family: how many promises are judged together.
    """
    if share is None or n_effective <= 0:
        return NOTHING
    p_holds, p_broken = _tails_of_share(share, n_effective, asked)
    if 2 * min(p_holds, p_broken) <= alpha / family:
        return Evidence(p_holds, p_broken, None)
    needed = _needed_for_share(share, n_effective, asked, alpha / family)
    return Evidence(p_holds, p_broken, _samples(needed, n or n_effective, n_effective))


def _tails_of_share(share: float, n: float, asked: float) -> tuple[float, float]:
    met = share * n
    return 1 - binomial_cdf(met - 1, n, asked), binomial_cdf(met, n, asked)


def _needed_for_share(share: float, n_effective: float, asked: float, alpha: float) -> float | None:
    """The effective size at which the same share would decide, to a thousandth."""
    if share == asked:
        return None
    low, high = n_effective, 2 * n_effective
    while 2 * min(_tails_of_share(share, high, asked)) > alpha:
        low, high = high, 2 * high
        if high > MOST_N:
            return None
    while high / low > 1.001 and high - low > 0.5:
        middle = 0.5 * (low + high)
        if 2 * min(_tails_of_share(share, middle, asked)) > alpha:
            low = middle
        else:
            high = middle
    return high


def _samples(needed: float | None, n: float, n_effective: float) -> int | None:
    if needed is None:
        return None
    return math.ceil(needed * n / n_effective)


def of_mean(
    value: float | None,
    standard_error: float | None,
    df: float,
    threshold: float,
    is_upper: bool,
    *,
    n: float | None = None,
    alpha: float = 0.05,
    family: int = 1,
) -> Evidence:
    """Does a mean or a rate keep to its threshold? is_upper: it must not lie above; else not below.

    n: values seen in all; needs_n counts in these (None without).
    """
    if value is None or standard_error is None or df <= 0:
        return NOTHING
    room = threshold - value if is_upper else value - threshold
    if standard_error <= 0:
        return Evidence(float(room < 0), float(room > 0), None) if room else Evidence(0.5, 0.5, None)
    score = room / standard_error
    evidence = Evidence(t_cdf(-score, df), t_cdf(score, df), None)
    if 2 * min(evidence[:2]) <= alpha / family or not score or n is None:
        return evidence
    needed = n * _times_needed(abs(score), df, alpha / family)
    return evidence._replace(needs_n=math.ceil(needed) if needed <= MOST_N else None)


def _times_needed(score: float, df: float, alpha: float) -> float:
    """How many times the samples would decide: the error falls with their root, and the degrees of freedom grow."""
    times = 1.0
    for _ in range(_TURNS):
        times = max(1.0, (t_quantile(1 - alpha / 2, df * times) / score) ** 2)
    return times


_TURNS = 12  # it swings towards its limit


def decide(evidences: Sequence[Evidence], alpha: float = 0.05) -> list[str]:
    """A verdict of each, such that all runs with one wrong claim or more are at most alpha of them.

    Source: Holm 1979, on the two-sided p-values.
    """
    verdicts = [UNDECIDED] * len(evidences)
    order = sorted(range(len(evidences)), key=lambda place: min(evidences[place][:2]))
    for n_left, place in zip(range(len(order), 0, -1), order, strict=True):
        evidence = evidences[place]
        if 2 * min(evidence.p_holds, evidence.p_broken) > alpha / n_left:
            break
        verdicts[place] = PASS if evidence.p_holds < evidence.p_broken else FAIL
    return verdicts
