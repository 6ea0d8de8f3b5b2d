"""Figures with how sure they are: 412 ± 18 ms, 412 ms (398 to 441), and in brackets what has too few samples."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from loadgen.report.numbers import NEEDS_N, UNKNOWN, count, figure, is_certified, is_known, percent, percentile

LOPSIDED = 1.35
"""From here on one half of an interval is so much wider than the other that ± would say the wrong thing."""

Show = Callable[[Any], str]


class Sure(NamedTuple):
    """A figure, its 95 % interval or None, whether enough samples stand behind it, and how many would."""

    value: float | None
    ci95: tuple[float, float] | None = None
    is_certified: bool = True
    needs_n: int | None = None


def interval(pair: Any) -> tuple[float, float] | None:
    """[low, high] of a summary; None for anything else."""
    if isinstance(pair, Sequence) and len(pair) == 2 and is_known(pair[0]) and is_known(pair[1]):
        return float(pair[0]), float(pair[1])
    return None


def sure_percentile(metric: Mapping[str, Any] | None, name: str) -> Sure:
    """A percentile of a metric of summary.json. Where a summary does not say, the number of samples does."""
    entry = ((metric or {}).get("percentiles") or {}).get(name)
    stated: Mapping[str, Any] = entry if isinstance(entry, Mapping) else {}
    certified, needs = is_certified(metric, name), stated.get("needs_n")
    wanted = int(needs) if is_known(needs) else None if certified else NEEDS_N.get(name)
    return Sure(percentile(metric, name), interval(stated.get("ci95")), certified, wanted)


def sure_mean(metric: Mapping[str, Any] | None) -> Sure:
    value = (metric or {}).get("mean")
    return Sure(float(value) if is_known(value) else None, interval((metric or {}).get("mean_ci95")))


def sure_figure(summary: Mapping[str, Any], key: str) -> Sure:
    """request_throughput_per_s and the like, with the interval that stands under `ci95`."""
    value = summary.get(key)
    return Sure(float(value) if is_known(value) else None, interval((summary.get("ci95") or {}).get(key)))


def around(sure: Sure, show: Show = figure) -> str:
    """± 18; 398 to 441; empty without an interval."""
    if sure.ci95 is None or sure.value is None:
        return ""
    below, above = sure.value - sure.ci95[0], sure.ci95[1] - sure.value
    if show is figure and below >= 0 and above >= 0 and max(below, above) <= LOPSIDED * min(below, above):
        return f"± {two_digits(max(below, above))}"
    return f"{show(sure.ci95[0])} to {show(sure.ci95[1])}"


def two_digits(half: float) -> str:
    """How far an interval reaches: 2.13 -> 2.1, 0.0712 -> 0.071, 34.2 -> 34."""
    if half <= 0:
        return "0"
    decimals = 1 - math.floor(math.log10(half))
    return f"{round(half, decimals):,.{max(decimals, 0)}f}"


def bracketed(sure: Sure, show: Show = figure) -> str:
    """In brackets where there are too few samples to rely on it."""
    text = show(sure.value)
    return text if sure.is_certified or text == UNKNOWN else f"[{text}]"


def in_words(sure: Sure, unit: str = "ms") -> str:
    """412 ± 18 ms; 412 ms (398 to 441); [412] ms; a dash where nothing is known."""
    says, value = around(sure), bracketed(sure)
    if sure.value is None:
        return UNKNOWN
    if says.startswith("±"):
        return f"{value} {says} {unit}".rstrip()
    return f"{value} {unit}".rstrip() + (f" ({says})" if says else "")


def in_a_cell(sure: Sure) -> str:
    """412 ± 18; 412 (398 to 441); [412 (398 to 441), needs 662]."""
    text, says = figure(sure.value), around(sure)
    if says:
        text += f" {says}" if says.startswith("±") else f" ({says})"
    if sure.is_certified or sure.value is None:
        return text
    return f"[{text}, needs {count(sure.needs_n)}]" if sure.needs_n else f"[{text}]"


def ratio_in_words(sure: Sure) -> str:
    """98.6 % (97.9 to 99.1)."""
    text = percent(sure.value)
    if sure.ci95 is None or text == UNKNOWN:
        return text
    low, high = (percent(end).removesuffix(" %") for end in sure.ci95)
    return f"{text} ({low} to {high})"
