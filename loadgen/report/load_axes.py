"""Lines or bars over a sweep's loads, and what is around them: the load axis, the broken region, unmeasured points."""

import math
import textwrap
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from loadgen.report.canvas import FAILURE, PENS, PLATE, Pen
from loadgen.report.capacity import Ceiling, ceiling_of, has_limits
from loadgen.report.facts import Facts
from loadgen.report.numbers import figure, is_supported
from loadgen.report.points import Line, Step, Sweep
from loadgen.report.words import axis_label, axis_value, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Read = Callable[[Facts], float | None]
Interval = tuple[float, float]
Sure = Callable[[Facts], Interval | None]


def _not_sure(_: Facts) -> Interval | None:
    return None


MOST_MARKS = 16
"""Of words beside each other over the width of a picture."""

MOST_LEVEL_NAMES = 5
"""More kinds than this have their names set aslant."""

LOG_FROM = 4
"""How many times the lowest load the highest must be for the axis to double at equal steps."""

HATCHES = {"o": "", "s": "//", "^": ".."}


def pens_of(sweep: Sweep) -> list[Pen]:
    """A different one for each line: past seven lines the colours come again, with other dashes and marks."""
    n = len(PENS)
    return [PENS[place % n]._replace(**_rotated(place, n)) for place in range(len(sweep.lines))]


def _rotated(place: int, n: int) -> dict[str, Any]:
    other = PENS[(place + place // n) % n]
    return {"dash": other.dash, "mark": other.mark}


def draw_line(
    axis: "Axes", line: Line, read: Read, pen: Pen, name: str, is_thin: Callable[[Step], bool], sure: Sure = _not_sure
) -> None:
    """A line through the measured loads. Repeats get a dash each.

    is_thin: whether a step's mark is hollow; so is that of a step whose client was the limit. sure: a run's 95 %
    interval of the figure, for the band around the line.
    """
    known = line.measured(read)
    at_x, values = [step.load for step, _ in known], [value for _, value in known]
    axis.plot(at_x, values, color=pen.colour, linestyle=pen.dash, marker=pen.mark, markersize=7, label=name)
    _draw_band(axis, [(step.load, reach) for step, _ in known if (reach := _reach(step, read, sure))], pen)
    for step, value in known:
        face = "white" if is_thin(step) or step.is_bound else pen.colour
        mark: dict[str, Any] = {"markersize": 8, "markeredgewidth": 1.8, "markerfacecolor": face, "zorder": 3}
        axis.plot([step.load], [value], pen.mark, color=pen.colour, **mark)
        each = step.values(read)
        if len(each) > 1:
            axis.plot([step.load] * len(each), each, "_", color=pen.colour, markersize=12, markeredgewidth=1.6)


def _draw_band(axis: "Axes", reaches: Sequence[tuple[Any, Interval]], pen: Pen) -> None:
    loads, low, high = (
        [load for load, _ in reaches],
        [low for _, (low, _) in reaches],
        [high for _, (_, high) in reaches],
    )
    if len(loads) > 1:
        axis.fill_between(loads, low, high, color=pen.colour, alpha=0.13, linewidth=0, zorder=1.2)
    axis.vlines(loads, low, high, color=pen.colour, alpha=0.55, linewidth=1.4, zorder=1.6)


def _reach(step: Step, read: Read, sure: Sure) -> Interval | None:
    """From the lowest to the highest of the repeats; of a single run its 95 % interval; None: not known."""
    values = step.values(read)
    if len(values) > 1:
        return min(values), max(values)
    known = [one for point in step.trusted or step.measured if (one := sure(point.facts)) is not None]
    return known[0] if known else None


def write_values(axis: "Axes", line: Line, read: Read, below: bool = False) -> None:
    """The figures beside a line's marks."""
    known = line.measured(read)
    apart = spaced([step.load for step in line.steps])
    for step, value in known:
        if step.load not in apart:
            continue
        place: dict[str, Any] = {"textcoords": "offset points", "ha": "center", "va": "top" if below else "bottom"}
        place["bbox"] = PLATE
        axis.annotate(figure(value), (step.load, value), (0, -8 if below else 7), size=9.5, zorder=2.5, **place)


def draw_bars(
    axis: "Axes",
    line: Line,
    read: Read,
    pen: Pen,
    name: str,
    is_thin: Callable[[Step], bool],
    place: tuple[int, int] = (0, 1),
) -> None:
    """A bar for each kind. place: which of how many bars side by side. Too few samples: the figure is in brackets."""
    number, n_beside = place
    width = 0.6 if n_beside == 1 else 0.8 / n_beside
    for at_x, step in enumerate(line.steps):
        value = step.value(read)
        if value is None:
            continue
        left = at_x + (number - (n_beside - 1) / 2) * width
        hatch = HATCHES.get(pen.mark, "xx")
        axis.bar(left, value, width * 0.95, color=pen.colour, edgecolor="white", hatch=hatch, label=name)
        name = "_nolegend_"  # once is enough
        if number < n_beside - 1 and len(line.steps) > MOST_LEVEL_NAMES:
            continue  # of many bars only the last of each kind has its figure
        text = f"[{figure(value)}]" if is_thin(step) else figure(value)
        axis.annotate(text, (left, value), (0, 4), textcoords="offset points", ha="center", size=10)


def supports(step: Step, metric: str, name: str) -> bool:
    """Whether every run of a step has samples enough for a percentile of a metric."""
    return all(is_supported((point.facts.metric(metric) or {}).get("n"), name) for point in step.measured)


def finish(axis: "Axes", sweep: Sweep, labelled: bool = True, named: bool = True) -> None:
    """The load axis and what is drawn over it. labelled: with the axis' name; named: with words at the marks."""
    if sweep.is_numeric:
        _lay_out_loads(axis, sweep)
        _shade_broken(axis, sweep, named)
    else:
        _lay_out_kinds(axis, sweep)
    _mark_unmeasured(axis, sweep, named)
    if labelled:
        axis.set_xlabel(axis_label(sweep.load_axis) if sweep.is_numeric else ", ".join(sweep.axes))


def _lay_out_loads(axis: "Axes", sweep: Sweep) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    loads = sorted({step.load for line in sweep.lines for step in line.steps})
    if is_doubling(loads):
        axis.set_xscale("log", base=2)
        axis.set_xlim(loads[0] / 1.25, loads[-1] * 1.25)
    else:
        margin = 0.07 * (loads[-1] - loads[0]) or max(abs(loads[0]) * 0.5, 0.5)
        axis.set_xlim(loads[0] - margin, loads[-1] + margin)
    axis.xaxis.set_major_locator(FixedLocator(spaced(loads)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: axis_value(int(value) if value == int(value) else value))


def spaced(loads: Sequence[float]) -> list[float]:
    """Those of rising loads that stay so far apart on their axis that words at them do not touch."""
    positions = [math.log(load) for load in loads] if is_doubling(loads) else list(loads)
    least = (positions[-1] - positions[0]) / MOST_MARKS
    kept: list[int] = []
    for place, position in enumerate(positions):
        if not kept or position - positions[kept[-1]] >= least:
            kept.append(place)
    return [loads[place] for place in kept]


def is_doubling(loads: Sequence[float]) -> bool:
    """Whether rising loads are laid out on a logarithmic axis."""
    return loads[0] > 0 and loads[-1] / loads[0] >= LOG_FROM


def kind_names(sweep: Sweep) -> list[str]:
    """What stands under each kind: a few beside each other, cut into lines; many aslant, each on one."""
    names = [str(step.load) for step in sweep.lines[0].steps]
    if len(names) > MOST_LEVEL_NAMES:
        return [shortened(name, 18) for name in names]
    return [textwrap.fill(name, 78 // len(names), max_lines=3, placeholder=" …") for name in names]


def px_under_kinds(sweep: Sweep) -> int:
    """How much room the names of kinds take below the lowest panel."""
    names = kind_names(sweep)
    if len(names) > MOST_LEVEL_NAMES:
        return 12 + 5 * max(map(len, names))
    return 16 * max(name.count("\n") + 1 for name in names)


def _lay_out_kinds(axis: "Axes", sweep: Sweep) -> None:
    names = kind_names(sweep)
    axis.set_xlim(-0.6, len(names) - 0.4)
    aslant: dict[str, Any] = {"rotation": 40, "ha": "right", "rotation_mode": "anchor"}
    axis.set_xticks(range(len(names)), names, **(aslant if len(names) > MOST_LEVEL_NAMES else {}))
    axis.grid(visible=False, axis="x")


def _shade_broken(axis: "Axes", sweep: Sweep, named: bool) -> None:
    """From where on limits are broken; only where there is one line, so that it is one place."""
    ceiling = _lone_ceiling(sweep)
    if ceiling is None or ceiling.broken is None:
        return
    low, high = axis.get_xlim()
    below = ceiling.open[-1] if ceiling.open else ceiling.step
    begin = low if below is None else _between(axis, below.load, ceiling.broken.load)
    axis.axvspan(begin, high, facecolor=FAILURE, alpha=0.08, linewidth=0)
    if begin > low:
        axis.axvline(begin, color=FAILURE, linewidth=1.2)
    if named:
        transform = axis.get_xaxis_transform()
        axis.text(
            begin, 0.975, "  limits broken", transform=transform, va="top", size=10.5, color="#A04000", weight="bold"
        )


def _between(axis: "Axes", low: float, high: float) -> float:
    return float((low * high) ** 0.5 if axis.get_xscale() == "log" else (low + high) / 2)


def _lone_ceiling(sweep: Sweep) -> Ceiling | None:
    return ceiling_of(sweep.lines[0]) if len(sweep.lines) == 1 and has_limits(sweep) else None


def _mark_unmeasured(axis: "Axes", sweep: Sweep, named: bool) -> None:
    """Points without figures: a cross on the axis and the reason, never a zero."""
    transform = axis.get_xaxis_transform()
    for line in sweep.lines:
        for place, step in enumerate(line.steps):
            if step.state:
                at_x = step.load if sweep.is_numeric else place
                axis.plot([at_x], [0.04], "X", color=FAILURE, markersize=10, transform=transform, clip_on=False)
                if named:
                    said: dict[str, Any] = {"rotation": 90, "ha": "center", "va": "bottom", "size": 10, "bbox": PLATE}
                    axis.text(at_x, 0.1, step.state, transform=transform, **said)
