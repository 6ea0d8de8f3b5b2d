"""Whether the measured window lay in the run's steady state: where the warm-up truly ended, and what drifted since."""

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.series import BIN_NS, MAX_BINS
from loadgen.metrics.window import Window
from loadgen.statistics.effective import autocorrelation_time
from loadgen.statistics.steady import settled_at, trend
from loadgen.units import NS_PER_S, s_from_ns

if TYPE_CHECKING:
    from loadgen.metrics.tally import Tally

METHOD = "MSER-5"
_FEWEST = 50  # ten batches of five
_MOST = 1_000
_TREND_STEPS = 60
_TREND_ALPHA = 0.025  # of two trends at once, so that 1 run in 20 without any has one
_CHANCE = 3.0  # standard errors
_SMALL_RATIO = 0.02  # a difference that nobody would mind
_SMALL_DRIFT_PCT = 1.0

Floats = NDArray[np.float64]

WORDS = {"throughput": "answers per second", "ttft": "the time to the first token", "e2e": "the time to the answer"}


class Progress(NamedTuple):
    """A figure over the run. at_ns: where each step begins; values: shape as at_ns. step_ns: how far apart, about."""

    name: str
    at_ns: NDArray[np.int64]
    values: Floats
    step_ns: int


def steady_state(tally: "Tally", window: Window) -> dict[str, Any]:
    """summary.json's `steady_state`: MSER-5 over the whole run, and trends over the window.

    What MSER-5 would cut off the window, but what differs from the rest no more than by chance or than by 2 %, counts
    as settled: of noise alone it cuts off some as well. Source: White, Cobb and Spratt 2000; Mann and Kendall.
    """
    figures = [one for one in (_throughput(tally, window), _latency(tally, window)) if len(one.values)]
    trends = {_key(one): _trend(one, window) for one in figures}
    drifting = {name: _is_worth_saying(found, window) for name, found in trends.items()}
    settled = [_settled_at_ns(one, window, drifting[_key(one)]) for one in figures if len(one.values) >= _FEWEST]
    at_ns = None if not settled or None in settled else max(at for at in settled if at is not None)
    is_before = at_ns is not None and at_ns <= window.from_ns
    return {
        "method": METHOD,
        "settled_at_ns": at_ns,
        "window_from_ns": window.from_ns,
        "is_before_window": is_before,
        "is_steady": is_before and not any(drifting.values()),
        "trends": {name: found for name, found in trends.items() if found is not None},
        "says": [_settled_words(at_ns, bool(settled), window), *_trend_words(trends, window)],
    }


def _key(progress: Progress) -> str:
    return "throughput" if progress.name == "throughput" else "latency"


def _throughput(tally: "Tally", window: Window) -> Progress:
    """Successes by their end, as far as the window goes: the drain is no state of the run. Empty without one."""
    n_bins = min(window.to_ns // BIN_NS, MAX_BINS)
    n_ok = tally.series.n_ok[:n_bins].astype(np.float64)
    n_ok = np.pad(n_ok, (0, n_bins - len(n_ok))) if n_ok.any() else n_ok[:0]
    each = max(-(-len(n_ok) // _MOST), 1)
    starts = np.arange(0, len(n_ok) // each * each, each)
    values = np.add.reduceat(n_ok, starts) if len(starts) else n_ok[:0]
    return Progress("throughput", starts * BIN_NS, values[: len(starts)], each * BIN_NS)


def _latency(tally: "Tally", window: Window) -> Progress:
    """The mean of each slot that has a value."""
    courses = {name: tally.course(name, whole_run=True) for name in ("ttft", "e2e")}
    name = "ttft" if courses["ttft"] is not None else "e2e"
    course = courses[name]
    if course is None:
        return Progress(name, np.zeros(0, np.int64), np.zeros(0), 1)
    n = course.n
    n[window.to_ns // course.slot_ns + 1 :] = 0
    there = np.flatnonzero(n)
    return Progress(name, there * course.slot_ns, course.sums_ns[there] / n[there], course.slot_ns)


def _settled_at_ns(progress: Progress, window: Window, is_drifting: bool) -> int | None:
    """None: it never settles. is_drifting: whether it has a trend over the window."""
    place = settled_at(progress.values)
    inside = progress.at_ns >= window.from_ns
    if place is not None and progress.at_ns[place] <= window.from_ns:
        return int(progress.at_ns[place])
    cut_ns = window.from_ns + (window.to_ns - window.from_ns) // 2 if place is None else int(progress.at_ns[place])
    later = progress.at_ns >= cut_ns
    if not (place is None and is_drifting) and not _differ(progress.values[inside & ~later], progress.values[later]):
        return window.from_ns
    return None if place is None else cut_ns


def _differ(first: Floats, second: Floats) -> bool:
    """Whether two stretches have another mean, beyond chance, and so that anybody would mind."""
    if not len(first) or len(second) < 2:
        return False
    apart, whole = abs(float(first.mean() - second.mean())), abs(float(second.mean()))
    spread = float(second.var(ddof=1)) * autocorrelation_time(second)
    error = math.sqrt(spread / len(first) + spread / len(second))
    return apart > _CHANCE * error and apart > _SMALL_RATIO * whole


def _trend(progress: Progress, window: Window) -> dict[str, Any] | None:
    """Over the window, in steps of equal length; None where there are too few."""
    inside = (progress.at_ns >= window.from_ns) & (progress.at_ns + progress.step_ns <= window.to_ns)
    values, at_ns = progress.values[inside], progress.at_ns[inside]
    if not len(values):
        return None
    step_ns = max((window.to_ns - window.from_ns) // _TREND_STEPS, progress.step_ns)
    steps = (at_ns - window.from_ns) // step_ns
    starts = np.flatnonzero(np.diff(steps, prepend=-1))
    means = np.add.reduceat(values, starts) / np.diff(np.append(starts, len(values)))
    found, mean = trend(means, _TREND_ALPHA), float(means.mean())
    if found is None or mean <= 0:
        return None
    per_min = 100 * found.slope_per_step / mean * (60 * NS_PER_S / step_ns)
    return {
        "metric": progress.name,
        "p_value": round(found.p_value, 6),
        "slope_pct_per_min": round(per_min, 4),
        "is_real": bool(found.is_real),
    }


def _is_worth_saying(found: dict[str, Any] | None, window: Window) -> bool:
    """A trend that is real, and that comes to something over the window."""
    if found is None or not found["is_real"]:
        return False
    return bool(abs(found["slope_pct_per_min"]) * window.s / 60 >= _SMALL_DRIFT_PCT)


def _settled_words(at_ns: int | None, is_told: bool, window: Window) -> str:
    if not is_told:
        return "The run was too short to tell whether it had settled before its window began."
    if at_ns is None:
        return "The run never settled: a longer warm-up, or a longer run, is needed."
    if at_ns <= window.from_ns:
        return "The run had settled before its window began."
    into = s_from_ns(at_ns - window.from_ns)
    return (
        f"The run settled only {into:.3g} s into its window: a warm-up of {math.ceil(s_from_ns(at_ns) * 10) / 10:g} s "
        "would leave that out."
    )


def _trend_words(trends: dict[str, dict[str, Any] | None], window: Window) -> list[str]:
    known = [found for found in trends.values() if found is not None]
    says = [
        f"Over the window {WORDS[found['metric']]} {'rose' if found['slope_pct_per_min'] > 0 else 'fell'} by "
        f"{abs(found['slope_pct_per_min']):.3g} % a minute."
        for found in known
        if _is_worth_saying(found, window)
    ]
    return says or ([f"Nothing drifted: {' and '.join(WORDS[found['metric']] for found in known)}."] if known else [])
