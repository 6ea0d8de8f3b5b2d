"""What a sweep comes to: the highest load that holds, whether throughput still grows, and what to do about it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from loadgen.report.facts import Facts
from loadgen.report.numbers import figure, is_known, plain
from loadgen.report.points import Line, Point, Step, Sweep
from loadgen.report.verdict import headline, rates, stated
from loadgen.report.words import axis_value, load_phrase

LITTLE_GAIN = 0.3
"""Throughput has levelled off where its gain is under this share of the load's, both in logarithms: at most 23 % more
answers for twice the load."""

KEEPS_UP = 0.95
"""An open loop keeps up if it answers at least this share of what is offered."""


@dataclass(frozen=True)
class Ceiling:
    """The highest step of a line that holds with all below it; next: the step that ended the search, if one did."""

    line: Line
    step: Step | None
    next: Step | None

    @property
    def next_fails(self) -> Point | None:
        """A run of the next step that broke an SLO; None if it was not measured, or if there is none."""
        if self.next is None or self.next.holds is not False:
            return None
        return next(point for point in self.next.points if point.holds is False)


def throughput(facts: Facts) -> float | None:
    """Answers per second, of all services together."""
    values = [part.summary.get("request_throughput_per_s") for part in facts.parts]
    known = [float(value) for value in values if is_known(value)]
    return sum(known) if known else None


def throughput_under_load(sweep: Sweep) -> Callable[[Facts], float | None]:
    """Of the service whose load rises."""
    service = sweep.load_service
    return (lambda facts: throughput(facts.part(service))) if service else throughput


def token_throughput(facts: Facts) -> float | None:
    value = facts.summary.get("output_throughput_per_s") if facts.has_tokens else None
    return float(value) if is_known(value) else None


def ceiling_of(line: Line) -> Ceiling:
    held: Step | None = None
    for step in line.steps:
        if not step.holds:
            return Ceiling(line, held, step)
        held = step
    return Ceiling(line, held, None)


def best_ceiling(sweep: Sweep) -> Ceiling | None:
    """That of the line which holds the highest load (of equals: the most answers); None where loads have no order."""
    if not sweep.is_numeric:
        return None
    found = [ceiling for line in sweep.lines if (ceiling := ceiling_of(line)).step is not None]
    return max(found, key=lambda one: (one.step.load, one.step.value(throughput) or 0.0)) if found else None  # type: ignore[union-attr]


def has_limits(sweep: Sweep) -> bool:
    return any(point.facts.limits for point in sweep.points)


def saturation(sweep: Sweep, line: Line) -> tuple[bool, str]:
    """Whether throughput has stopped growing at the line's highest load, and what shows it."""
    if not sweep.is_numeric:
        return False, "the points are kinds, not loads"
    last = line.steps[-1]
    if last.points[0].facts.n_failed and last.state == "every request failed":
        return True, f"with {at(sweep, last)} every request failed"
    known = line.measured(throughput_under_load(sweep))
    if sweep.is_offered_rate and known:
        return _keeps_up(sweep, *known[-1])
    rising = [(step, value) for step, value in known if step.load > 0 and value > 0]
    if len(rising) < 2:
        return False, "there are too few measured loads to say"
    (before, slow), (after, fast) = rising[-2], rising[-1]
    gain, more = fast / slow, after.load / before.load
    percents = round(100 * abs(gain - 1))
    by = f"{'grew' if gain > 1 else 'fell'} by {percents:,} %" if percents else "stayed the same"
    why = f"from {axis_value(before.load)} to {at(sweep, after)} ({plain(more)} times the load) answers per second {by}"
    return math.log(gain) < LITTLE_GAIN * math.log(more), why


def _keeps_up(sweep: Sweep, step: Step, answered: float) -> tuple[bool, str]:
    return not keeps_up(step, answered), f"of {at(sweep, step)} offered it answered {figure(answered)} per second"


def keeps_up(step: Step, answered_per_s: float) -> bool:
    """Whether an open loop's answers come as fast as its requests are sent."""
    return bool(answered_per_s >= KEEPS_UP * step.load)


def at(sweep: Sweep, step: Step) -> str:
    """8 clients."""
    return load_phrase({sweep.load_axis: step.load}) if sweep.is_numeric else str(step.load)


def where(line: Line) -> str:
    """Which line of a grid; empty where there is only one."""
    return f"with {load_phrase(line.others)}: " if line.others else ""


def recommendation(sweep: Sweep) -> str:
    """One sentence that a person can act on, with its figures."""
    measured = [point for point in sweep.points if point.is_measured]
    if not measured:
        return f"Nothing can be recommended: no load could be measured ({sweep.points[0].state})."
    if not has_limits(sweep):
        return _without_limits(sweep, measured)
    if not sweep.is_numeric:
        return _among_kinds(sweep, measured)
    best = best_ceiling(sweep)
    return _nothing_holds(sweep) if best is None else _up_to(sweep, best)


def _without_limits(sweep: Sweep, measured: list[Point]) -> str:
    most = max(measured, key=lambda point: throughput(point.facts) or 0.0)
    return (
        "Set limits (slo) in the recipe to learn which load is acceptable; of what was tried, "
        f"{load_phrase(most.axes)} gave the most: {headline(most.facts)}."
    )


def _among_kinds(sweep: Sweep, measured: list[Point]) -> str:
    holding = [point for point in measured if point.holds]
    if not holding:
        return _nothing_holds(sweep)
    most = max(holding, key=lambda point: throughput(point.facts) or 0.0)
    n_all = len(sweep.points)
    which = f"of the {len(holding)} of {n_all} that hold the limits it gives the most"
    if len(holding) == 1:
        which = (
            "it is the only one that was tried"
            if n_all == 1
            else f"it is the only one of {n_all} that holds the limits"
        )
    return f"Take {load_phrase(most.axes)}: {which}, {headline(most.facts)}."


def _nothing_holds(sweep: Sweep) -> str:
    step = sweep.lines[0].steps[0]
    point = next((point for point in step.points if point.holds is False), step.points[0])
    if point.holds is not False:
        return f"Run it again: the lowest load, {at(sweep, step)}, was not measured ({point.state})."
    broken = _broken(point)
    least = f"Even {at(sweep, step)} breaks the limits" if sweep.is_numeric else "None of them holds the limits"
    return f"{least}: {broken}; make the service faster, or loosen the limits, before adding load."


def _broken(point: Point) -> str:
    if point.state:
        return point.state
    broken = [limit for limit in point.facts.limits if not limit.holds]
    return stated(broken[0]) if broken else "a limit does not hold"


def _up_to(sweep: Sweep, best: Ceiling) -> str:
    assert best.step is not None
    point = best.step.measured[0]
    figures = f"{rates(point.facts)}{_room(point)}"
    prefix = where(best.line)
    start = f"{prefix[0].upper()}{prefix[1:]}run" if prefix else "Run"
    says = f"{start} it with up to {at(sweep, best.step)}: there it holds every limit with {figures}"
    if best.next is None:
        return f"{says}; no higher load was tried, so sweep further to find where it breaks{_levelled(sweep, best)}."
    fails = best.next_fails
    if fails is None:
        unknown = f"the next load, {at(sweep, best.next)}, was not measured ({best.next.state})"
        return f"{says}; {unknown}, so the limit may lie higher."
    return f"{says}; with {at(sweep, best.next)} it breaks one: {_broken(fails)}."


def _room(point: Point) -> str:
    """How near the tightest latency limit is."""
    times = [
        limit for limit in point.facts.limits if limit.is_time and limit.value is not None and limit.op.startswith("<")
    ]
    if not times:
        return ""
    tightest = max(times, key=lambda limit: (limit.value or 0.0) / limit.threshold if limit.threshold else 0.0)
    return f" (nearest limit: {tightest.expression}, measured {tightest.shown(tightest.value)})"


def _levelled(sweep: Sweep, best: Ceiling) -> str:
    saturated, why = saturation(sweep, best.line)
    return f", though throughput has levelled off ({why})" if saturated else ""


def ceiling_json(ceiling: Ceiling | None) -> dict[str, Any] | None:
    if ceiling is None or ceiling.step is None:
        return None
    point = ceiling.step.points[0]
    fails = ceiling.next_fails
    return {
        "axes": dict(point.axes),
        "benchmark_id": point.facts.benchmark_id,
        "next_fails": fails.facts.benchmark_id if fails else None,
    }
