"""A metric's course made coarse enough to be looked at: columns of time, rows of length, percentiles of each column."""

from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.course import Course
from loadgen.units import NS_PER_MS, NS_PER_S

if TYPE_CHECKING:
    from loadgen.metrics.figures import Figures

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

MOST_COLUMNS, FEWEST_COLUMNS = 150, 12
WANTED_EACH = 30
"""So many values a column, where there are enough."""

MOST_ROWS, FEWEST_ROWS = 44, 12

NEEDS_N = {50: 3, 90: 10, 99: 100}
"""From so many values on a column says something of such a percentile."""


class Course2D(NamedTuple):
    """at_s: edges of the columns, shape (c + 1,). low_ms: edges of the rows, shape (r + 1,), the first above 0.
    counts: shape (r, c).
    """

    at_s: Floats
    low_ms: Floats
    counts: Ints

    @property
    def middles_s(self) -> Floats:
        return np.asarray((self.at_s[:-1] + self.at_s[1:]) / 2)


def course_of(figures: "Figures", metric: str) -> Course | None:
    """Over the whole run; the warm-up and the drain too where they were kept."""
    over = figures.over_time
    parts = [courses[metric] for courses in (over.courses, over.outside) if metric in courses]
    return Course.merged(parts) if parts else None


def over_time(course: Course) -> Course2D | None:
    """None: too little to be drawn over time."""
    heat = course.heat()
    n_slots = heat.counts.shape[1]
    if n_slots < 2 or heat.counts.sum() < FEWEST_COLUMNS:
        return None
    wanted = np.clip(heat.counts.sum() / WANTED_EACH, FEWEST_COLUMNS, MOST_COLUMNS)
    starts = np.arange(0, n_slots, max(round(n_slots / wanted), 1))
    counts = np.add.reduceat(heat.counts, starts, axis=1)
    at_s = np.append(heat.from_ns[starts], heat.from_ns[-1]) / NS_PER_S
    low_ms = np.maximum(heat.low_ns, 1) / NS_PER_MS
    return Course2D(at_s, low_ms, counts)


def coarse_rows(course: Course2D) -> Course2D:
    """The same with so few rows that each can be seen."""
    wanted = min(max(int(np.sqrt(course.counts.sum())), FEWEST_ROWS), MOST_ROWS)
    each = -(-len(course.counts) // wanted)
    starts = np.arange(0, len(course.counts), each)
    low_ms = np.append(course.low_ms[starts], course.low_ms[-1])
    return course._replace(low_ms=low_ms, counts=np.add.reduceat(course.counts, starts, axis=0))


def percentile_of(course: Course2D, q: int) -> Floats:
    """ms, shape (c,); NaN where a column has too few values. q: one of NEEDS_N."""
    below = np.cumsum(course.counts, axis=0)
    n = below[-1]
    rows = (below < np.ceil(n * q / 100)).sum(axis=0)
    rows = np.minimum(rows, len(course.counts) - 1)
    middles = np.sqrt(course.low_ms[:-1] * course.low_ms[1:])
    return np.where(n >= NEEDS_N[q], middles[rows], np.nan)


def shares(course: Course2D) -> list[list[float | None]]:
    """How full each cell is beside the fullest, by the square root, so that what is rare is seen; None: empty."""
    widths = np.diff(course.at_s)
    density = course.counts / widths
    top = float(density.max()) or 1.0
    scaled = np.sqrt(density / top)
    return [[round(value, 3) if value > 0 else None for value in row] for row in scaled.tolist()]


def waited_ms(figures: "Figures") -> tuple[Floats, Floats] | None:
    """The mean time between when requests were due and when they were sent, of each column: at_s (edges), ms."""
    courses = figures.over_time.courses
    if "e2e" not in courses or "service_e2e" not in courses:
        return None
    all_ns, service_ns = courses["e2e"], courses["service_e2e"]
    slots = np.flatnonzero(all_ns.n)
    if len(slots) < 2 or all_ns.bits != service_ns.bits:
        return None
    begin, end = int(slots[0]), int(slots[-1]) + 1
    starts = np.arange(begin, end, max((end - begin) // MOST_COLUMNS, 1))
    n = np.add.reduceat(all_ns.n[:end], starts)
    sums = np.add.reduceat((all_ns.sums_ns - service_ns.sums_ns)[:end], starts)
    at_s = np.append(starts, end) * all_ns.slot_ns / NS_PER_S
    with np.errstate(invalid="ignore", divide="ignore"):
        return at_s, np.where(n > 0, np.maximum(sums, 0.0) / n / NS_PER_MS, np.nan)


def due_per_s(figures: "Figures", edges_s: Floats) -> Floats | None:
    """Requests by when they were due, a second, between edges: those that were answered or failed."""
    courses = [courses["e2e"] for courses in (figures.over_time.courses, figures.over_time.outside) if "e2e" in courses]
    if not courses:
        return None
    total = np.zeros(len(edges_s))
    strips = [(course.n.astype(np.float64), course.slot_ns) for course in courses]
    strips.append((figures.over_time.failed.values, figures.over_time.failed.slot_ns))
    for values, slot_ns in strips:
        known = np.concatenate([[0.0], np.cumsum(values)])
        total += np.interp(edges_s, np.arange(len(known)) * slot_ns / NS_PER_S, known)
    return np.diff(total) / np.diff(edges_s)
