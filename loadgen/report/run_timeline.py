"""A run's pictures over time: what was answered and what failed, and how many requests were in flight."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from loadgen.report.canvas import GREY, INK, PENS, Pen, legend, save, sheet
from loadgen.report.curves import Floats, Timeline
from loadgen.report.facts import Facts
from loadgen.report.numbers import figure, percent, plain
from loadgen.report.panels import Panel, write_name
from loadgen.report.words import plural

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NOT_COUNTED = "grey: warm-up and drain, not counted"


def draw_over_time(panels: Sequence[Panel], context: str, path: Path) -> Path:
    """A column a service; from top to bottom its answers, its tokens where any service has some, its failures."""
    timelines = [(panel, panel.timeline) for panel in panels if panel.timeline is not None]
    has_tokens = any(timeline.tokens_per_s.any() for _, timeline in timelines)
    steps = " and ".join(dict.fromkeys(f"{plain(timeline.step_s)} s" for _, timeline in timelines))
    subtitle = f"{context} · each step is {steps}; {NOT_COUNTED}"
    heights = (2.0, 2.0, 1.1) if has_tokens else (2.0, 1.1)
    n_columns = len(timelines)
    canvas, axes = sheet(_over_time_title(timelines), subtitle, heights, n_columns, shared_y=False)
    for column, (panel, timeline) in enumerate(timelines):
        own = axes[column::n_columns]
        write_name(own[0], panel)
        _over_time_column(own, timeline, has_tokens, labelled=column == 0, named=not panel.name)
        _time_axis(own[-1], max(timeline.ends_s for _, timeline in timelines))
    legend(canvas, axes[0])
    return save(canvas, path)


def _over_time_column(
    axes: "Sequence[Axes]", timeline: Timeline, has_tokens: bool, labelled: bool, named: bool
) -> None:
    """labelled: with what its axes say. named: with words for what is grey."""
    drawn = [("requests/s", timeline.ok_per_s, PENS[0]), ("failures/s", timeline.failed_per_s, PENS[1])]
    if has_tokens:
        drawn.insert(1, ("tokens/s", timeline.tokens_per_s, PENS[2]))
    for axis, (name, values, pen) in zip(axes, drawn, strict=True):
        _steps(axis, timeline, values, pen, name if labelled else "")
        if not values.any() and name != "requests/s":
            _nothing(axis, "no failures" if name == "failures/s" else "no tokens")
    _sent(axes[0], timeline)
    for axis in axes:
        outside_window(axis, timeline, named=named and axis is axes[0])


def _nothing(axis: "Axes", words: str) -> None:
    axis.set_ylim(0, 1)
    axis.set_yticks([0])
    axis.text(0.5, 0.45, words, transform=axis.transAxes, ha="center", va="center", color=GREY)


def _steps(axis: "Axes", timeline: Timeline, values: Floats, pen: Pen, name: str) -> None:
    edges = np.append(timeline.at_s, timeline.ends_s)
    axis.stairs(values, edges, color=pen.colour, linewidth=1.8)
    axis.stairs(values, edges, color=pen.colour, alpha=0.18, fill=True)
    axis.set_ylabel(name)
    axis.set_ylim(0, max(float(values.max(initial=0.0)) * 1.15, 1e-9))
    axis.yaxis.set_major_formatter(lambda value, _: plain(value))
    axis.locator_params(axis="y", nbins=5)


def _sent(axis: "Axes", timeline: Timeline) -> None:
    edges = np.append(timeline.at_s, timeline.ends_s)
    axis.stairs(timeline.sent_per_s, edges, color=INK, linewidth=1.2, linestyle=(0, (2, 1.5)), label="sent")
    axis.plot([], [], color=PENS[0].colour, linewidth=5, label="answered well")
    axis.set_ylim(0, max(float(timeline.sent_per_s.max(initial=0.0)) * 1.15, axis.get_ylim()[1]))


def outside_window(axis: "Axes", timeline: Timeline, named: bool = True) -> None:
    if timeline.window_s is None:
        return
    low, high = timeline.window_s
    for begin, end, name in ((0.0, low, "warm-up"), (high, timeline.ends_s, "drain")):
        if end - begin > 1e-6:
            axis.axvspan(begin, end, color="#8a8a8a", alpha=0.22, linewidth=0)
        if named and end - begin > 0.06 * timeline.ends_s:
            place = ((begin + end) / 2, 0.985)
            axis.text(*place, name, transform=axis.get_xaxis_transform(), ha="center", va="top", size=10, color=GREY)


def _time_axis(axis: "Axes", ends_s: float) -> None:
    axis.set_xlim(0, ends_s)
    axis.set_xlabel("seconds since the run began")


def _over_time_title(timelines: Sequence[tuple[Panel, Timeline]]) -> str:
    """In the figures of the summary, so that the picture says what the table says."""
    if len(timelines) > 1:
        return _title_of_several([panel.facts for panel, _ in timelines])
    ((panel, timeline),) = timelines
    facts = panel.facts
    if not timeline.ok_per_s.any():
        return "No request succeeded" + (": every answer was a failure" if timeline.failed_per_s.any() else "")
    return f"{_trend(timeline.ok_per_s[timeline.in_window()], facts)}, and {_trouble(facts)}"


def _title_of_several(parts: Sequence[Facts]) -> str:
    each = [f"{facts.service_name} {figure(facts.summary.get('request_throughput_per_s'))}" for facts in parts]
    shares = [(facts.service_name, facts.n_failed / facts.n_finished) for facts in parts if facts.n_failed]
    failing = [f"{name} {percent(share)}" for name, share in shares]
    trouble = f"failed: {', '.join(failing)}" if failing else "nothing failed"
    return f"Answers per second: {', '.join(each)}; {trouble}"


def _trouble(facts: Facts) -> str:
    failed = percent(facts.n_failed / facts.n_finished) if facts.n_finished else "none"
    return f"{failed} of the requests failed" if facts.n_failed else "nothing failed"


def _trend(ok: Floats, facts: Facts) -> str:
    rate = figure(facts.summary.get("request_throughput_per_s"))
    if len(ok) < 4 or not ok.sum():
        return f"{rate} answers per second"
    middle = len(ok) // 2
    first, second = float(ok[:middle].mean()), float(ok[-middle:].mean())
    noise = 3 * float(ok.std()) / np.sqrt(middle)
    if abs(second - first) <= max(0.1 * max(first, second), noise):
        return f"Steady at {rate} answers per second"
    verb = "rose" if second > first else "fell"
    return f"Answers {verb} from {figure(first)} to {figure(second)} per second between the halves of the window"


def draw_in_flight(panels: Sequence[Panel], context: str, path: Path) -> Path:
    timelines = [(panel, panel.timeline) for panel in panels if panel.timeline is not None]
    subtitle = f"{context} · requests sent and not yet answered; {NOT_COUNTED}"
    canvas, axes = sheet(_in_flight_title(timelines), subtitle, columns=len(timelines), shared_y=False)
    for axis, (panel, timeline) in zip(axes, timelines, strict=True):
        write_name(axis, panel)
        _in_flight_panel(axis, panel.facts, timeline, "requests in flight" if axis is axes[0] else "")
        _time_axis(axis, max(timeline.ends_s for _, timeline in timelines))
    legend(canvas, axes[0])
    return save(canvas, path)


def _in_flight_panel(axis: "Axes", facts: Facts, timeline: Timeline, label: str) -> None:
    _steps(axis, timeline, timeline.in_flight, PENS[0]._replace(colour="#4C4C9D"), label)
    most = _most_in_flight(facts)
    top = max(float(timeline.in_flight.max(initial=0.0)), most or 0, 1.0)
    if most:
        words = "at most so many" if facts.service_name else f"{_clients(facts)}: at most so many"
        axis.axhline(most, color=INK, linewidth=1.6, dashes=(5, 2), label=words)
    axis.set_ylim(0, top * (1.25 if facts.service_name else 1.12))
    outside_window(axis, timeline, named=not facts.service_name)


def _most_in_flight(facts: Facts) -> int | None:
    return facts.clients and facts.clients * facts.pipeline


def _clients(facts: Facts) -> str:
    each = f" of {facts.pipeline} requests each" if facts.pipeline > 1 else ""
    return f"{plural(facts.clients or 0, 'client')}{each}"


def _in_flight_title(timelines: Sequence[tuple[Panel, Timeline]]) -> str:
    if len(timelines) > 1:
        means = [(panel.name, _inside(timeline)) for panel, timeline in timelines]
        each = [f"{name} {plain(inside.mean()) if len(inside) else 'too short to say'}" for name, inside in means]
        return f"In flight on average: {', '.join(each)}"
    ((panel, timeline),) = timelines
    inside, facts = _inside(timeline), panel.facts
    if not len(inside):
        return "The window is too short to say how many requests were in flight"
    mean = float(inside.mean())
    if facts.clients and facts.pipeline > 1:
        return f"On average {plain(mean)} requests were in flight, of {_clients(facts)}"
    if facts.clients:
        return f"On average {plain(mean)} of {plural(facts.clients, 'client')} were waiting for an answer"
    quarter = max(len(inside) // 4, 1)
    first, last = float(inside[:quarter].mean()), float(inside[-quarter:].mean())
    if last > 1.5 * first + 2:
        return f"Requests pile up: {figure(first)} in flight at first, {figure(last)} at the end"
    return f"No pile-up: about {figure(mean)} requests in flight, first to last"


def _inside(timeline: Timeline) -> Floats:
    return timeline.in_flight[timeline.in_window()]
