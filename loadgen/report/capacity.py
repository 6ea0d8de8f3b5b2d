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

BOUND_WORDS = "the client was the limit, not the service"

KEEPS_UP = 0.95
"""An open loop keeps up if it answers at least this share of what is offered."""


@dataclass(frozen=True)
class Ceiling:
    """The highest step of a line that holds, with nothing below it that does not.

    next: the first step above it, which is not known to hold; None: all hold. broken: the first that breaks a limit.
    open: the steps between, of which neither is known: undecided, not measured, or the client was the limit.
    undecided_below: steps below the highest that holds that have too few samples to say.
    """

    line: Line
    step: Step | None
    next: Step | None
    broken: Step | None = None
    open: tuple[Step, ...] = ()
    undecided_below: tuple[Step, ...] = ()

    @property
    def next_fails(self) -> Point | None:
        """A run of the lowest step that broke an SLO; None if none did."""
        if self.broken is None:
            return None
        return next(point for point in self.broken.points if point.holds is False)


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
    """Loads below one that holds may be undecided: few samples are no sign of trouble where more load holds. What
    breaks a limit, was not measured, or was held up by the client ends it."""
    ends = (place for place, step in enumerate(line.steps) if step.holds is not True and not step.is_undecided)
    tried = line.steps[: next(ends, len(line.steps))]
    n_held = max((place + 1 for place, step in enumerate(tried) if step.holds), default=0)
    below, above = line.steps[:n_held], line.steps[n_held:]
    n_open = next((place for place, step in enumerate(above) if step.holds is False), len(above))
    return Ceiling(
        line,
        step=below[-1] if below else None,
        next=above[0] if above else None,
        broken=above[n_open] if n_open < len(above) else None,
        open=tuple(step for step in above[:n_open] if step.holds is None),
        undecided_below=tuple(step for step in below if step.holds is None),
    )


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
    known = line.trusted(throughput_under_load(sweep))
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
    ceiling = ceiling_of(sweep.lines[0])
    step = sweep.lines[0].steps[0]
    point = next((point for point in step.points if point.holds is False), step.points[0])
    if point.holds is False:
        least = f"Even {at(sweep, step)} breaks the limits" if sweep.is_numeric else "None of them holds the limits"
        return f"{least}: {_broken(point)}; make the service faster, or loosen the limits, before adding load."
    if step.is_bound:
        return f"Nothing can be recommended: with the lowest load, {at(sweep, step)}, {BOUND_WORDS}."
    if point.is_undecided:
        return f"It is not known which load holds: {_open_words(sweep, ceiling)}."
    return f"Run it again: the lowest load, {at(sweep, step)}, was not measured ({point.state})."


def _broken(point: Point) -> str:
    if point.state:
        return point.state
    broken = [limit for limit in point.facts.limits if not limit.holds and not limit.is_undecided]
    return stated(broken[0]) if broken else "a limit does not hold"


def _up_to(sweep: Sweep, best: Ceiling) -> str:
    """Holds all limits up to 16 clients (p99 time to first token 412 ± 18 ms). At 32, …"""
    assert best.step is not None
    prefix = where(best.line)
    holds = f"{prefix}holds" if prefix else "Holds"
    figures = "; ".join(words for words in (_nearest(best.step), rates(best.step.trusted[0].facts)) if words)
    said = f"{_capital(holds)} all limits up to {at(sweep, best.step)} ({figures}).{_below_words(best)}"
    if best.next is None:
        return f"{said} No higher load was tried: sweep further to find where it breaks{_levelled(sweep, best)}."
    if best.open:
        return f"{said} {_capital(_open_words(sweep, best))}."
    assert best.broken is not None
    fails = next(point for point in best.broken.points if point.holds is False)
    return f"{said} At {at(sweep, best.broken)}, {_broken(fails)}."


def _below_words(best: Ceiling) -> str:
    loads = ", ".join(axis_value(step.load) for step in best.undecided_below)
    return f" Below it, {loads}: too few samples to be sure." if loads else ""


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]


def _nearest(step: Step) -> str:
    """The latency that is nearest to its limit, with its interval: p99 time to first token 412 ± 18 ms."""
    limits = step.trusted[0].facts.limits
    times = [limit for limit in limits if limit.is_time and limit.value is not None and limit.op.startswith("<")]
    if not times:
        return ""
    tightest = max(times, key=lambda limit: (limit.value or 0.0) / limit.threshold if limit.threshold else 0.0)
    return f"{tightest.name} {tightest.measured}"


def _open_words(sweep: Sweep, ceiling: Ceiling) -> str:
    """What lies between the load that holds and the one that breaks a limit."""
    each = "; ".join(open_text(sweep, step) for step in ceiling.open)
    if ceiling.broken is None:
        return f"{each}; no load was seen to break a limit"
    if ceiling.step is None:
        return f"{each}; at {at(sweep, ceiling.broken)} a limit is broken"
    lower = axis_value(ceiling.step.load)
    return f"the limit lies between {lower} (holds) and {at(sweep, ceiling.broken)} (broken); {each}"


def open_text(sweep: Sweep, step: Step) -> str:
    """24 clients: undecided, 512 more samples would decide."""
    if step.is_bound:
        return f"with {at(sweep, step)} {BOUND_WORDS}"
    if any(point.is_undecided for point in step.points):
        more = f", {step.n_more:,} more samples would decide" if step.n_more else ", too few samples to tell"
        return f"{at(sweep, step)}: undecided{more}"
    return f"{at(sweep, step)}: not measured ({step.state or step.points[0].state})"


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
        **(
            {"open": [point.facts.benchmark_id for step in ceiling.open for point in step.points]}
            if ceiling.open
            else {}
        ),
    }
