"""A line of a sweep as marks: its places on the load axis, what is known of each load, and what is said of it."""

from collections.abc import Callable, Iterable, Sequence

import numpy as np

from loadgen.report.capacity import at, ceiling_of, has_limits, throughput
from loadgen.report.facts import Facts
from loadgen.report.html.figures import (
    Axis,
    Band,
    Mark,
    Points,
    Rule,
    Zone,
    known,
    short,
)
from loadgen.report.html.run_words import client_verdict
from loadgen.report.intervals import Sure, in_words, sure_figure, sure_percentile
from loadgen.report.load_axes import is_doubling
from loadgen.report.numbers import figure, plain
from loadgen.report.points import Line, Step, Sweep
from loadgen.report.slos import Limit
from loadgen.report.words import axis_label, axis_value, load_phrase, shortened

Read = Callable[[Facts], Sure]


def load_axis(sweep: Sweep) -> Axis:
    """Doubling where the loads are far apart; of kinds, a place each."""
    if not sweep.is_numeric:
        names = [shortened(str(step.load), 18) for step in sweep.lines[0].steps]
        ticks = tuple((float(place), name) for place, name in enumerate(names))
        return Axis(", ".join(sweep.axes), -0.6, len(names) - 0.4, ticks=ticks)
    loads = sorted({float(step.load) for line in sweep.lines for step in line.steps})
    ticks = tuple((load, axis_value(int(load) if load == int(load) else load)) for load in loads)
    if is_doubling(loads):
        return Axis(axis_label(sweep.load_axis), loads[0] / 1.25, loads[-1] * 1.25, True, ticks)
    margin = 0.06 * (loads[-1] - loads[0]) or max(abs(loads[0]) * 0.5, 0.5)
    return Axis(axis_label(sweep.load_axis), loads[0] - margin, loads[-1] + margin, ticks=ticks)


def place_of(sweep: Sweep, line: Line, step: Step) -> float:
    return float(step.load) if sweep.is_numeric else float(line.steps.index(step))


def sure_of(step: Step, read: Read) -> Sure | None:
    """The one run's; of repeats the median, between the lowest and the highest end of their intervals."""
    sures = [sure for point in step.measured if (sure := read(point.facts)).value is not None]
    if len(sures) < 2:
        return sures[0] if sures else None
    values = sorted(float(sure.value) for sure in sures if sure.value is not None)
    ends = [end for sure in sures for end in (sure.ci95 or (sure.value, sure.value)) if end is not None]
    return Sure(float(np.median(values)), (min(ends), max(ends)), all(sure.is_certified for sure in sures))


def is_bound(step: Step) -> bool:
    """Whether the load generator itself set the pace in any of its runs."""
    return any(client_verdict(point.facts.summary) == "bound" for point in step.measured)


def series(
    sweep: Sweep, line: Line, read: Read, name: str, colour: int, unit: str, labelled: bool = False
) -> list[Mark]:
    """A line through the measured loads with its band, and a mark for each that says what it is."""
    found = [(step, sure) for step in line.steps if (sure := sure_of(step, read)) is not None]
    x = [short(place_of(sweep, line, step)) for step, _ in found]
    low, high = ([short(sure.ci95[end]) if sure.ci95 else None for _, sure in found] for end in (0, 1))
    points = Points(
        x=x,
        y=[short(sure.value) for _, sure in found],
        name=name,
        colour=colour,
        low=() if sweep.is_numeric else low,
        high=() if sweep.is_numeric else high,
        hollow=[is_bound(step) or not sure.is_certified for step, sure in found],
        labels=[figure(sure.value) for _, sure in found] if labelled else (),
        tips=[tip_of(sweep, line, step, sure, name, unit) for step, sure in found],
        is_joined=sweep.is_numeric,
    )
    return [*([Band(x, low, high, colour=colour)] if sweep.is_numeric and known(low) else []), points]


def tip_of(sweep: Sweep, line: Line, step: Step, sure: Sure, name: str, unit: str) -> str:
    where = at(sweep, step) if sweep.is_numeric else str(step.load)
    others = f"{load_phrase(line.others)}, " if line.others else ""
    says = ["the load generator set the pace"] if is_bound(step) else []
    says += [f"too few samples, needs {sure.needs_n:,}"] if not sure.is_certified and sure.needs_n else []
    return f"{others}{where}: {name} {in_words(sure, unit)}{f' ({chr(59).join(says)})' if says else ''}"


def around_load(sweep: Sweep) -> list[Mark]:
    """Where limits are broken, of a sweep with one line; and loads without figures, with the reason."""
    marks: list[Mark] = []
    if sweep.is_numeric and len(sweep.lines) == 1 and has_limits(sweep):
        ceiling = ceiling_of(sweep.lines[0])
        if ceiling.next is not None and ceiling.next.holds is False:
            axis = load_axis(sweep)
            begin = axis.low if ceiling.step is None else _between(axis, ceiling.step.load, ceiling.next.load)
            marks.append(Zone(begin, axis.high, "limits broken", is_bad=True))
    for line in sweep.lines:
        for step in line.steps:
            if step.state:
                marks.append(Rule(place_of(sweep, line, step), step.state, is_upright=True, is_limit=False))
    return marks


def _between(axis: Axis, low: float, high: float) -> float:
    return float((low * high) ** 0.5 if axis.is_log else (low + high) / 2)


def percentile_reader(metric: str, name: str) -> Read:
    return lambda facts: sure_percentile(facts.metric(metric), name)


def limits_on(sweep: Sweep, metric: str) -> list[Limit]:
    """Of the first run that has any: a sweep's points share them."""
    limits: list[Limit] = next((point.facts.limits for point in sweep.points if point.facts.limits), [])
    return [limit for limit in limits if limit.metric == metric]


def rules_on(sweep: Sweep, metric: str) -> list[Rule]:
    return [
        Rule(limit.threshold_ms, f"limit: {limit.statistic} {limit.op} {plain(limit.threshold_ms)} ms")
        for limit in limits_on(sweep, metric)
    ]


def values_of(marks: Iterable[Mark]) -> list[float]:
    """All that points are drawn at."""
    return [value for mark in marks if isinstance(mark, Points) for value in known(mark.y)]


def highs(marks: Sequence[Mark], most: float) -> list[float]:
    """Ends of bands, as far as they are not far off."""
    ends = [high for mark in marks if isinstance(mark, Band) for high in known(mark.high)]
    return [min(max(ends), 1.5 * most)] if ends else []


def suffix(whose: str) -> str:
    return f"-{whose.removesuffix(': ')}" if whose else ""


def answers(facts: Facts) -> Sure:
    """Of several services all together, which has no interval of its own."""
    return Sure(throughput(facts)) if facts.is_several else sure_figure(facts.summary, "request_throughput_per_s")
