"""A picture of what was watched beside the load, on the load's own axis of time."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from loadgen.monitor.courses import Course
from loadgen.report.canvas import PENS, Pen, legend, legend_rows, save, sheet
from loadgen.report.curves import Timeline
from loadgen.report.facts import Facts
from loadgen.report.numbers import figure, percent, plain
from loadgen.report.run_timeline import NOT_COUNTED, outside_window

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Line(NamedTuple):
    """What a panel draws. factor: from the sample's unit to the panel's."""

    source: str
    figure: str
    words: str
    factor: float = 1.0


PANELS: dict[str, tuple[Line, ...]] = {
    "CPU, %": (
        Line("host", "cpu_ratio", "this host", 100.0),
        Line("client", "cpu_ratio", "load generator, of one core", 100.0),
        Line("host", "steal_ratio", "taken by other guests", 100.0),
    ),
    "GPU power, W": (Line("gpu", "power_w", "GPU"),),
    "GPU busy, %": (Line("gpu", "utilisation_ratio", "GPU", 100.0),),
    "in the server": (Line("server", "running", "served"), Line("server", "waiting", "waiting")),
}
MOST_LINES = 8
"""In one panel: a host of many cards shows the first of them."""


def draw_watched(facts: Facts, timeline: Timeline | None, context: str, path: Path) -> Path:
    """Answers per second at the top, where there is one service; below it what there is of CPU, power and queue."""
    drawn = watched_panels(facts)
    has_load = timeline is not None and not facts.is_several
    heights = [1.0] * (len(drawn) + has_load)
    named = list(dict.fromkeys(words for lines in drawn.values() for words, _, _ in lines))
    pens = {words: PENS[number % len(PENS)] for number, words in enumerate(named)}
    subtitle = f"{context} · {NOT_COUNTED}"
    canvas, axes = sheet(_title(facts), subtitle, heights, legend_lines=legend_rows(named))
    if has_load and timeline is not None:
        _draw_load(axes[0], timeline)
    for axis, (name, lines) in zip(axes[has_load:], drawn.items(), strict=True):
        _draw_lines(axis, name, lines, pens)
    for axis in axes:
        if timeline is not None:
            outside_window(axis, timeline, named=axis is axes[0])
    axes[-1].set_xlim(0, _ends_s(facts, timeline))
    axes[-1].set_xlabel("seconds since the run began")
    legend(canvas, *axes)
    return save(canvas, path)


def watched_panels(facts: Facts) -> dict[str, list[tuple[str, Course, float]]]:
    """By panel, the lines of it: words, course, factor. Panels without a line are left out."""
    found = {
        name: [(_words(line, course), course, line.factor) for line in lines for course in _courses(facts, line)]
        for name, lines in PANELS.items()
    }
    return {name: lines[:MOST_LINES] for name, lines in found.items() if lines}


def _courses(facts: Facts, line: Line) -> list[Course]:
    return [
        course
        for course in facts.watched
        if (course.source, course.figure) == (line.source, line.figure)
        and not (line.figure == "steal_ratio" and not any(course.values))
    ]


def _words(line: Line, course: Course) -> str:
    if line.source == "gpu":
        return f"{line.words} {course.of}"
    return f"{course.of}, {line.words}" if course.of else line.words


def _draw_load(axis: "Axes", timeline: Timeline) -> None:
    edges = np.append(timeline.at_s, timeline.ends_s)
    axis.stairs(timeline.ok_per_s, edges, color=PENS[0].colour, alpha=0.35, fill=True)
    axis.set_ylabel("answers/s")
    _from_zero(axis, float(timeline.ok_per_s.max(initial=0.0)))


def _draw_lines(axis: "Axes", name: str, lines: Sequence[tuple[str, Course, float]], pens: Mapping[str, Pen]) -> None:
    for words, course, factor in lines:
        _draw_line(axis, course, factor, pens[words], words)
    axis.set_ylabel(name)
    _from_zero(axis, max(max(course.values) * factor for _, course, factor in lines))


def _draw_line(axis: "Axes", course: Course, factor: float, pen: Pen, words: str) -> None:
    marks: dict[str, Any] = {"marker": pen.mark, "markersize": 4} if len(course.at_s) <= 40 else {}
    heights = np.array(course.values) * factor
    axis.plot(course.at_s, heights, color=pen.colour, linestyle=pen.dash, label=words, **marks)


def _from_zero(axis: "Axes", most: float) -> None:
    axis.set_ylim(0, max(most * 1.15, 1e-9))
    axis.yaxis.set_major_formatter(lambda value, _: plain(value))
    axis.locator_params(axis="y", nbins=4)


def _ends_s(facts: Facts, timeline: Timeline | None) -> float:
    looks = max(course.at_s[-1] for course in facts.watched)
    return max(looks, timeline.ends_s if timeline is not None else 0.0, 1e-6)


def _title(facts: Facts) -> str:
    """In the figures of the summary."""
    monitor = facts.summary.get("monitor") or {}
    host, energy = monitor.get("host") or {}, monitor.get("energy") or {}
    said = []
    if host.get("cpu_ratio"):
        said.append(f"this host's CPU was {percent(host['cpu_ratio']['mean'])} in use")
    if energy.get("mean_power_w"):
        said.append(f"its cards drew {figure(energy['mean_power_w'])} W")
    text = ", ".join(said) or "what was watched beside the load"
    return f"{text[0].upper()}{text[1:]}"
