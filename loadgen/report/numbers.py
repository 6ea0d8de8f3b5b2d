"""Figures as people read them: three significant digits, thousands separators, a unit; a dash for what is not known."""

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any, TypeGuard

UNKNOWN = "-"

SAMPLES_BEYOND = 6.64
"""n samples support a tail percentile q if n * (1 - q) reaches this. Source: MLPerf's early-stopping rule at 99 %."""

NEEDS_N = {"p50": 11, "p90": 64, "p95": 130, "p99": 662, "p99.9": 6_636}
"""The percentiles of every table, and how many samples each needs before it means something. The same source."""

PERCENTILES = tuple(NEEDS_N)


def is_known(value: Any) -> TypeGuard[float]:
    """A finite number; a bool is none."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def figure(value: Any) -> str:
    """1234.5 -> 1,230; 12.345 -> 12.3; 0.012345 -> 0.0123."""
    if not is_known(value):
        return UNKNOWN
    if value == 0:
        return "0"
    decimals = 2 - math.floor(math.log10(abs(value)))
    rounded = round(float(value), decimals)
    decimals = 2 - math.floor(math.log10(abs(rounded)))  # 9.999 has become 10.0: one digit fewer behind the point
    if abs(rounded) < 1e-6:
        return f"{rounded:.2e}"
    return f"{rounded:,.{max(decimals, 0)}f}"


def plain(value: Any) -> str:
    """As `figure`, without zeros that say nothing: 500, 1.5. For what a person chose, such as a limit or a load."""
    text = figure(value)
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def count(value: Any) -> str:
    return f"{round(value):,}" if is_known(value) else UNKNOWN


def ms(value: Any) -> str:
    return f"{figure(value)} ms" if is_known(value) else UNKNOWN


def per_s(value: Any) -> str:
    return f"{figure(value)}/s" if is_known(value) else UNKNOWN


def seconds(value: Any) -> str:
    return f"{plain(value)} s" if is_known(value) else UNKNOWN


def percent(ratio: Any) -> str:
    """0.98 -> 98 %. Only all is 100 % and only nothing is 0 %: 0.99996 -> 99.996 %."""
    if not is_known(ratio):
        return UNKNOWN
    value = 100.0 * float(ratio)
    for decimals in range(1, 8):
        text = f"{value:.{decimals}f}".rstrip("0").rstrip(".")
        if (text != "100" or value == 100) and (text != "0" or value == 0):
            break
    return f"{text} %"


def change(before: Any, after: Any) -> str:
    """The relative difference with its sign; a dash where it cannot be said."""
    if not is_known(before) or not is_known(after) or before == 0:
        return UNKNOWN
    value = 100.0 * (after - before) / abs(before)
    if value == 0:
        return "0 %"
    return f"{value:+,.1f} %" if abs(value) < 100 else f"{value:+,.0f} %"


def is_supported(n: Any, name: str) -> bool:
    """Whether n samples are enough for this percentile to mean something."""
    return is_known(n) and n >= NEEDS_N.get(name, math.inf)


def percentile(metric: Mapping[str, Any] | None, name: str) -> float | None:
    """One percentile of a metric of summary.json; None where there is none."""
    entry = ((metric or {}).get("percentiles") or {}).get(name)
    value = entry.get("value") if isinstance(entry, Mapping) else entry
    return float(value) if is_known(value) else None


def is_certified(metric: Mapping[str, Any] | None, name: str) -> bool:
    """Whether enough samples stand behind a percentile: as the summary says; where it does not, by their number."""
    entry = ((metric or {}).get("percentiles") or {}).get(name)
    stated = entry.get("certified") if isinstance(entry, Mapping) else None
    return stated if isinstance(stated, bool) else is_supported((metric or {}).get("n"), name)


def shown_percentile(metric: Mapping[str, Any] | None, name: str) -> str:
    """The figure, in brackets where there are too few samples to rely on it."""
    text = figure(percentile(metric, name))
    return text if text == UNKNOWN or is_certified(metric, name) else f"[{text}]"
