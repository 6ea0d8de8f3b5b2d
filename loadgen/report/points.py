"""A sweep's points: which fields it varied, and the points sorted into lines of rising load."""

import json
import re
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from loadgen.report.facts import COMPLETE, FAILED, Facts
from loadgen.report.numbers import is_known
from loadgen.report.slos import FAIL, PASS
from loadgen.report.words import LOAD_FIELDS, load_axis_of, status_of

NOT_AXES = ("name", "description", "slo", "sweep", "search", "repeat", "order", "pause_s", "record", "monitor", "cost")

BOUND = "bound"
"""The client's verdict on itself: it could not do more."""


@dataclass(frozen=True)
class Point:
    """One run of a sweep. axes: the value of each varied field."""

    facts: Facts
    axes: Mapping[str, Any]

    def part(self, service: str) -> "Point":
        """As one of several services saw it."""
        return Point(self.facts.part(service), self.axes)

    @property
    def is_measured(self) -> bool:
        """Ended by itself and had a success: its figures may stand beside the others."""
        return self.facts.status == COMPLETE and self.facts.n_succeeded > 0

    @property
    def state(self) -> str:
        """Why it is not measured, in words; empty where it is."""
        if self.facts.status != COMPLETE:
            return status_of(self.facts.status)
        if not self.facts.n_finished:
            return "nothing finished"
        return "" if self.facts.n_succeeded else "every request failed"

    @property
    def is_bound(self) -> bool:
        """The client was the limit, not the service: its figures are shown, and count for nothing."""
        return any(
            (part.summary.get("client") or {}).get("verdict") == BOUND for part in (self.facts, *self.facts.parts)
        )

    @property
    def is_trusted(self) -> bool:
        return self.is_measured and not self.is_bound

    @property
    def holds(self) -> bool | None:
        """Whether all SLOs hold. None where that is not known: no SLOs, too few samples, a run that was cut off, or one
        whose client was the limit."""
        verdicts = {limit.verdict for limit in self.facts.limits}
        if not verdicts or self.is_bound:
            return None
        if self.facts.status == COMPLETE:
            if not self.facts.n_finished or FAIL in verdicts:
                return False
            return True if verdicts == {PASS} else None
        broke = self.facts.status == FAILED and self.facts.n_failed > 0 and verdicts != {PASS}
        return False if broke else None

    @property
    def is_undecided(self) -> bool:
        """The run is whole, breaks nothing, and has too few samples for one limit at least."""
        is_judged = self.facts.status == COMPLETE and not self.is_bound and self.facts.n_finished > 0
        return is_judged and self.holds is None and bool(self.facts.limits)

    @property
    def n_more(self) -> int | None:
        """How many more samples would decide every limit that is open, if the figures stay as they are."""
        counts = ((limit.needs_n, limit.n) for limit in self.facts.limits if limit.is_undecided)
        known = [needs_n - n for needs_n, n in counts if needs_n is not None and n is not None and needs_n > n]
        return max(known) if known else None


@dataclass(frozen=True)
class Step:
    """All runs at one load: one, or as many as the recipe repeats."""

    load: Any
    points: tuple[Point, ...]

    @property
    def measured(self) -> list[Point]:
        return [point for point in self.points if point.is_measured]

    @property
    def trusted(self) -> list[Point]:
        """Those measured runs whose client was not the limit."""
        return [point for point in self.points if point.is_trusted]

    @property
    def is_bound(self) -> bool:
        """In every measured run the client was the limit."""
        return bool(self.measured) and not self.trusted

    @property
    def holds(self) -> bool | None:
        """Whether all of them do; of runs whose client was the limit nothing is known, and the others decide."""
        verdicts = [point.holds for point in self.points if not point.is_bound] or [None]
        return False if False in verdicts else None if None in verdicts else True

    @property
    def is_undecided(self) -> bool:
        """Nothing is wrong with its runs but that one of them at least has too few samples."""
        open_ = [point for point in self.points if point.holds is None and not point.is_bound]
        return self.holds is None and bool(open_) and all(point.is_undecided for point in open_)

    @property
    def n_more(self) -> int | None:
        """How many more samples would decide its open limits."""
        known = [n for point in self.points if point.is_undecided and (n := point.n_more) is not None]
        return max(known) if known else None

    @property
    def state(self) -> str:
        """Why no run of it is measured; empty where one is."""
        return "" if self.measured else self.points[0].state

    def values(self, read: Callable[[Facts], float | None]) -> list[float]:
        """A figure of each measured run that has it; where the client was the limit in some, of the others."""
        return [value for point in self.trusted or self.measured if (value := read(point.facts)) is not None]

    def value(self, read: Callable[[Facts], float | None]) -> float | None:
        """The median over the runs; None, never 0, where nothing was measured."""
        values = self.values(read)
        return statistics.median(values) if values else None


@dataclass(frozen=True)
class Line:
    """Points that differ in the load only. others: the values of the other axes."""

    others: Mapping[str, Any]
    steps: tuple[Step, ...]

    def measured(self, read: Callable[[Facts], float | None]) -> list[tuple[Step, float]]:
        return [(step, value) for step in self.steps if (value := step.value(read)) is not None]

    def trusted(self, read: Callable[[Facts], float | None]) -> list[tuple[Step, float]]:
        """The same without steps whose client was the limit."""
        return [(step, value) for step, value in self.measured(read) if not step.is_bound]


@dataclass(frozen=True)
class Sweep:
    """axes: the varied fields, in the recipe's order. load_axis: the one that lines rise along.

    is_numeric: the load axis can be laid out by size; if not, the points are kinds (models, say) and there is one line,
    whose loads are the values of all axes together.
    """

    points: tuple[Point, ...]
    axes: tuple[str, ...]
    load_axis: str
    is_numeric: bool
    lines: tuple[Line, ...]

    @property
    def first(self) -> Facts:
        return self.points[0].facts

    @property
    def last(self) -> Facts:
        return self.points[-1].facts

    @property
    def is_offered_rate(self) -> bool:
        axis = load_axis_of(self.load_axis)
        return axis is not None and axis.field == "rate_per_s"

    @property
    def services(self) -> tuple[str, ...]:
        """Of runs of several services, their names; empty where each run is of one."""
        parts = (part for point in self.points for part in point.facts.parts)
        return tuple(dict.fromkeys(part.service_name for part in parts if part.service_name))

    @property
    def load_service(self) -> str:
        """Whose load it is that rises, of several services; empty where there is one, or where it is all of them."""
        axis = load_axis_of(self.load_axis)
        return axis.service if axis is not None else ""

    def part(self, service: str) -> "Sweep":
        """The same points as one of several services saw them."""
        points = tuple(point.part(service) for point in self.points)
        return replace(self, points=points, lines=_lines(points, self.load_axis, self.is_numeric))

    @property
    def search(self) -> Mapping[str, Any] | None:
        """What was searched, where every run is a trial of one and the same search: run.json's `sweep.search`."""
        stated = [(point.facts.run.get("sweep") or {}).get("search") for point in self.points]
        first: Mapping[str, Any] | None = stated[0]
        return first if isinstance(first, Mapping) and all(one == first for one in stated) else None

    @property
    def n_planned(self) -> int | None:
        """How many points the sweep was to have, where every run belongs to one and the same."""
        sweeps = [(point.facts.benchmark_id, point.facts.run.get("sweep") or {}) for point in self.points]
        same = len({sweep.get("first_id") or own_id for own_id, sweep in sweeps}) == 1
        n_points = sweeps[0][1].get("n_points")
        return int(n_points) if same and is_known(n_points) else None


def sweep_of(runs: Sequence[Facts]) -> Sweep:
    """Sort runs into a sweep, by their ids. Raises ValueError without runs."""
    if not runs:
        raise ValueError("a sweep's report needs one run at least")
    ordered = sorted(
        {facts.benchmark_id: facts for facts in runs}.values(), key=lambda facts: _natural(facts.benchmark_id)
    )
    axes = _axes(ordered)
    points = tuple(Point(facts, {axis: _value(facts, axis) for axis in axes}) for facts in ordered)
    load_axis = _load_axis(points, axes)
    is_numeric = all(is_known(point.axes[load_axis]) for point in points)
    return Sweep(points, axes, load_axis, is_numeric, _lines(points, load_axis, is_numeric))


def _natural(text: str) -> list[Any]:
    """BM-20260101-1000 comes after BM-20260101-999."""
    return [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", text)]


def _axes(runs: Sequence[Facts]) -> tuple[str, ...]:
    """As the runs say; else the recipe's fields in which they differ; else, of a single point, its load."""
    stated = [tuple((facts.run.get("sweep") or {}).get("axes") or ()) for facts in runs]
    if stated[0] and len(set(stated)) == 1:
        return stated[0]
    flat = [_flat(facts.recipe) for facts in runs]
    names = dict.fromkeys(name for fields in flat for name in fields)
    differing = tuple(name for name in names if len({_key(fields.get(name)) for fields in flat}) > 1)
    if differing:
        return differing
    first = runs[0].parts[0]
    section = f"loads.{first.service_name}" if first.service_name else "load"
    field = "rate_per_s" if (first.recipe.get("load") or {}).get("mode") == "open" else "concurrency"
    return (f"{section}.{field}",)


def _flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        if prefix or name not in NOT_AXES:
            flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def _value(facts: Facts, axis: str) -> Any:
    stated = (facts.run.get("sweep") or {}).get("axes") or {}
    value = stated[axis] if axis in stated else _flat(facts.recipe).get(axis)
    return json.dumps(value) if isinstance(value, (list, dict)) else value


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _load_axis(points: Sequence[Point], axes: Sequence[str]) -> str:
    """A load if one is among the axes, else the first axis of numbers, else the first."""
    numeric = [axis for axis in axes if all(is_known(point.axes[axis]) for point in points)]
    loads = [
        axis for field in LOAD_FIELDS for axis in numeric if (found := load_axis_of(axis)) and found.field == field
    ]
    return (loads or numeric or list(axes))[0]


def _lines(points: Sequence[Point], load_axis: str, is_numeric: bool) -> tuple[Line, ...]:
    by_line: dict[str, list[Point]] = {}
    for point in points:
        others = {axis: value for axis, value in point.axes.items() if is_numeric and axis != load_axis}
        by_line.setdefault(_key(others), []).append(point)
    lines = []
    for members in by_line.values():
        others = {axis: value for axis, value in members[0].axes.items() if is_numeric and axis != load_axis}
        lines.append(Line(others, _steps(members, load_axis, is_numeric)))
    return tuple(lines)


def _steps(points: Sequence[Point], load_axis: str, is_numeric: bool) -> tuple[Step, ...]:
    by_load: dict[Any, list[Point]] = {}
    for point in points:
        load = point.axes[load_axis] if is_numeric else ", ".join(str(value) for value in point.axes.values())
        by_load.setdefault(load, []).append(point)
    loads = sorted(by_load) if is_numeric else list(by_load)
    return tuple(Step(load, tuple(by_load[load])) for load in loads)
