"""Where the highest load that holds lies, from the loads tried so far, and which to try next: no clock, no service.

Doubling from the lowest load until one does not hold, then halving what is left, in logarithms, until it is as narrow
as was asked. A load whose trial decides nothing counts by its figures; the two that are left then are tried again.
"""

import math
from collections.abc import Sequence
from typing import NamedTuple

GROWTH = 2.0
"""A service is never offered more than twice what it was seen to hold, but to see whether it recovers above."""

MOST_TRIALS = 3
"""Of one load whose trials decide nothing, and do not agree."""


class Span(NamedTuple):
    """What is searched. precision: a share; the search ends when the lowest load that breaks is so near. is_whole:
    loads are whole numbers."""

    low: float
    high: float
    precision: float
    is_whole: bool = False


class Trial(NamedTuple):
    """One load, tried once. held: by its verdicts, or where these leave it open (is_certain False) by its figures."""

    load: float
    held: bool
    is_certain: bool = True


class Found(NamedTuple):
    """low: the highest load that holds with all below it, None: the lowest broke. high: the lowest above it that does
    not, None: nothing broke. is_certain: of each, whether its trials decided it. recovers_at: loads above high that
    held again."""

    low: float | None
    high: float | None
    low_is_certain: bool
    high_is_certain: bool
    recovers_at: tuple[float, ...]


class _Judged(NamedTuple):
    held: bool
    is_certain: bool
    votes: tuple[bool, ...]


def next_load(trials: Sequence[Trial], span: Span) -> float | None:
    """Which load to try after these; None: the search is over."""
    judged = _judge(trials)
    found = bracket_of(trials)
    if found.high is None:
        return _upwards(judged, found.low, span)
    middle = None if found.low is None else _between(found.low, found.high, span)
    if middle is not None:
        return middle
    if _is_open(judged[found.high]) or (found.recovers_at and _may_be_chance(judged[found.high])):
        return found.high
    if found.low is None:
        return None
    return found.low if _is_open(judged[found.low]) else _above(judged, found, span)


def bracket_of(trials: Sequence[Trial]) -> Found:
    """What the trials say; the lowest load that does not hold decides."""
    judged = _judge(trials)
    broken = [load for load, one in judged.items() if not one.held]
    high = min(broken, default=None)
    held = [load for load, one in judged.items() if one.held]
    low = max((load for load in held if high is None or load < high), default=None)
    return Found(
        low,
        high,
        low is not None and judged[low].is_certain,
        high is not None and judged[high].is_certain,
        tuple(sorted(load for load in held if high is not None and load > high)),
    )


def _judge(trials: Sequence[Trial]) -> dict[float, _Judged]:
    """Each load by its trials: what is certain outweighs figures; else the more of them, and a draw does not hold."""
    return {load: _together([trial for trial in trials if trial.load == load]) for load in {t.load for t in trials}}


def _together(trials: Sequence[Trial]) -> _Judged:
    certain = [trial.held for trial in trials if trial.is_certain]
    votes = certain or [trial.held for trial in trials]
    return _Judged(2 * sum(votes) > len(votes), bool(certain), tuple(votes))


def _is_open(judged: _Judged) -> bool:
    """Whether another trial may tell."""
    return not judged.is_certain and _may_be_chance(judged)


def _may_be_chance(judged: _Judged) -> bool:
    """Two trials that agree outweigh a third. What a whole host did for a moment looks certain once."""
    n_for = sum(judged.votes)
    agrees = max(n_for, len(judged.votes) - n_for) >= 2
    return not agrees and len(judged.votes) < MOST_TRIALS


def _upwards(judged: dict[float, _Judged], low: float | None, span: Span) -> float | None:
    """Nothing has broken so far."""
    if low is None:
        return span.low
    if low < span.high:
        return min(low * GROWTH, span.high)
    return low if _is_open(judged[low]) else None


def _between(low: float, high: float, span: Span) -> float | None:
    """A load in the middle of what is left, in logarithms; None where that is narrow enough."""
    if high <= low * (1 + span.precision):
        return None
    if span.is_whole:
        return None if high - low <= 1 else float(min(max(round(math.sqrt(low * high)), low + 1), high - 1))
    return _rounded(math.sqrt(low * high), span.precision)


def _rounded(load: float, precision: float) -> float:
    """To a tenth of the precision, or finer: people read these numbers."""
    digits = 1 + math.ceil(-math.log10(precision))
    return round(load, digits - math.floor(math.log10(load)))


def _above(judged: dict[float, _Judged], found: Found, span: Span) -> float | None:
    """Whether the service recovers above is looked at once, where only one load has broken."""
    assert found.high is not None
    n_above = sum(load >= found.high for load in judged)
    above = min(found.high * GROWTH, span.high)
    return above if n_above == 1 and above > found.high else None
