"""How latency went over time at each load of a sweep, side by side: one heat map."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.recalculate import recalculate
from loadgen.report.html.figures import Axis, Figure, Heat, Mark, Panel, Rule, Values, listed, log_axis
from loadgen.report.html.over_time import Course2D, over_time
from loadgen.report.html.sweep_series import rules_on
from loadgen.report.points import Point, Sweep
from loadgen.report.words import METRICS, axis_label, axis_value, shortened

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle

Floats = NDArray[np.float64]

MOST_BYTES = 96_000_000
"""Of all requests.jsonl together: they must be read again for this picture, which takes about a second for so many."""

N_COLUMNS, N_ROWS = 24, 44
"""Of each load."""


def heat_figure(sweep: Sweep, bundles: "Mapping[str, Bundle]", service: str = "") -> Figure | None:
    """bundles: by benchmark id. None where no point has enough requests, or all have too many to be read again."""
    points = [point for point in sweep.points if point.is_measured and point.facts.benchmark_id in bundles]
    if sum(_bytes_of(bundles[point.facts.benchmark_id]) for point in points) > MOST_BYTES:
        return None
    metric = "ttft" if any(point.facts.metric("ttft") for point in points) else "e2e"
    courses = [(point, _course(bundles[point.facts.benchmark_id], metric, service)) for point in points]
    drawn = [(point, course) for point, course in courses if course is not None]
    return _figure(sweep, drawn, metric, service) if drawn else None


def _bytes_of(bundle: "Bundle") -> int:
    return bundle.requests_path.stat().st_size if bundle.requests_path.exists() else 0


def _course(bundle: "Bundle", metric: str, service: str) -> Course2D | None:
    """Of the measured window alone."""
    tallies, _ = recalculate(bundle)
    tally = tallies.by_service.get(service)
    course = None if tally is None else tally.whole.over_time.courses.get(metric)
    return None if course is None else over_time(course)


def _figure(sweep: Sweep, drawn: Sequence[tuple[Point, Course2D]], metric: str, service: str) -> Figure:
    rows = _common_rows([course for _, course in drawn])
    blocks = [_cells(course, rows) for _, course in drawn]
    shares: list[Values] = [[share for block in blocks for share in block[row]] for row in range(N_ROWS)]
    edges = [place + column / N_COLUMNS for place in range(len(drawn)) for column in range(N_COLUMNS)]
    heat = Heat(listed([*edges, len(drawn)]), listed(rows), shares)
    parts: list[Mark] = [Rule(float(place), is_upright=True, is_limit=False) for place in range(1, len(drawn))]
    limits = [rule for rule in rules_on(sweep, metric) if rows[0] <= rule.at <= rows[-1] * 1.5]
    high = max([float(rows[-1]), *(rule.at for rule in limits)])
    y = log_axis("all requests, ms (log scale)", float(rows[0]), high, "ms", room=1.08)
    ticks = tuple((place + 0.5, _name(sweep, point)) for place, (point, _) in enumerate(drawn))
    label = axis_label(sweep.load_axis) if sweep.is_numeric else ", ".join(sweep.axes)
    x = Axis(f"{label}; within each, its measured window from left to right", 0.0, float(len(drawn)), ticks=ticks)
    whose = f"{service}: " if service else ""
    says = "The stronger the colour, the more requests took so long at that time; each load has its own scale."
    title = f"{whose}{METRICS[metric].capitalize()} over time, at each load"
    key = f"heat-{service}" if service else "heat"
    return Figure(key, title, says, x, [Panel(y, [heat, *parts, *limits], 280)], is_wide=True)


def _name(sweep: Sweep, point: Point) -> str:
    if sweep.is_numeric and len(sweep.lines) == 1:
        return axis_value(point.axes[sweep.load_axis])
    return shortened(", ".join(axis_value(value) for value in point.axes.values()), 20)


def _common_rows(courses: Sequence[Course2D]) -> Floats:
    low, high = min(course.low_ms[0] for course in courses), max(course.low_ms[-1] for course in courses)
    return np.geomspace(low, high, N_ROWS + 1)


def _cells(course: Course2D, rows: Floats) -> list[list[float | None]]:
    """By the common rows and N_COLUMNS equal parts of the window, how full each cell is beside the fullest."""
    middles_ms = np.sqrt(course.low_ms[:-1] * course.low_ms[1:])
    in_row = np.clip(np.searchsorted(rows, middles_ms, side="right") - 1, 0, N_ROWS - 1)
    counts = np.zeros((N_ROWS, course.counts.shape[1]))
    np.add.at(counts, in_row, course.counts)
    edges = np.linspace(course.at_s[0], course.at_s[-1], N_COLUMNS + 1)
    known = np.concatenate([np.zeros((N_ROWS, 1)), np.cumsum(counts, axis=1)], axis=1)
    spread = np.diff([np.interp(edges, course.at_s, row) for row in known], axis=1)
    scaled = np.sqrt(spread / (spread.max() or 1.0))
    return [[round(value, 3) if value > 0 else None for value in row] for row in scaled.tolist()]
