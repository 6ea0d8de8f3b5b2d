"""The pictures of a sweep: throughput, and latency percentiles, against load."""

import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadgen.report.canvas import GREY, INK, PENS, house_style, legend, legend_rows, log_ms_axis, save, sheet
from loadgen.report.capacity import at, keeps_up, saturation, throughput, throughput_under_load, token_throughput
from loadgen.report.intervals import sure_figure, sure_percentile
from loadgen.report.laws import usl_of
from loadgen.report.load_axes import (
    Read,
    Sure,
    draw_bars,
    draw_line,
    finish,
    pens_of,
    px_under_kinds,
    supports,
    write_values,
)
from loadgen.report.numbers import figure, percentile, plain
from loadgen.report.points import Line, Step, Sweep
from loadgen.report.slos import Limit
from loadgen.report.words import METRICS, TITLE_METRICS, axis_value, load_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes

DRAWN_METRICS = ("ttft", "e2e", "itl")

DRAWN_PERCENTILES = ("p50", "p95", "p99")


def draw_sweep(sweep: Sweep, context: str, folder: Path) -> list[Path]:
    """Every picture that the measured points allow, as PNG in `folder`; context: a few words on the service.

    Of several services each has its own pictures, against the one load that rises.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with house_style():
        if not sweep.services:
            return _draw(sweep, context, folder, "")
        return [
            path
            for name in sweep.services
            for path in _draw(sweep.part(name), f"{name} · {context}", folder, f"_{_file_name(name)}")
        ]


def _file_name(service: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]", "-", service)


def _draw(sweep: Sweep, context: str, folder: Path, ending: str) -> list[Path]:
    drawn: list[Path] = []
    if _any(sweep, throughput):
        drawn.append(_throughput(sweep, context, folder / f"throughput{ending}.png"))
    for metric in DRAWN_METRICS:
        if _any(sweep, _reader(metric, "p99")):
            drawn.append(_latency(sweep, metric, context, folder / f"{metric}{ending}.png"))
    return drawn


def _any(sweep: Sweep, read: Read) -> bool:
    return any(line.measured(read) for line in sweep.lines)


def _reader(metric: str, name: str) -> Read:
    return lambda facts: percentile(facts.metric(metric), name)


def _percentile_interval(metric: str, name: str) -> Sure:
    return lambda facts: sure_percentile(facts.metric(metric), name).ci95


def _room(sweep: Sweep) -> dict[str, Any]:
    """For names of kinds below the panels, and for a legend of many lines above."""
    under_px = 16 if sweep.is_numeric else px_under_kinds(sweep)
    labels = [load_phrase(line.others) for line in sweep.lines if line.others]
    return {"bottom_px": 46 + under_px, "legend_lines": legend_rows(labels)}


def _throughput(sweep: Sweep, context: str, path: Path) -> Path:
    panels: list[tuple[str, Read]] = [("answers/s", throughput)]
    if _any(sweep, token_throughput):
        panels.insert(0, ("tokens/s", token_throughput))
    drawn = "what it answered, against the load put on it" if sweep.is_numeric else "what each of them answered"
    title = _throughput_title(sweep, *panels[0])
    canvas, axes = sheet(
        title, f"{context} · {drawn}{_bound_note(sweep)}", heights=(1.0,) * len(panels), **_room(sweep)
    )
    for axis, (name, read) in zip(axes, panels, strict=True):
        _throughput_panel(axis, sweep, name, read)
        finish(axis, sweep, labelled=axis is axes[-1], named=axis is axes[0])
    if sweep.is_numeric:
        legend(canvas, *(axes[::-1] if sweep.is_offered_rate else axes))
    return save(canvas, path)


def _throughput_panel(axis: "Axes", sweep: Sweep, name: str, read: Read) -> None:
    axis.set_ylabel(name)
    for line, pen in zip(sweep.lines, pens_of(sweep), strict=True):
        if sweep.is_numeric:
            name_of = load_phrase(line.others) if line.others else "measured"
            draw_line(axis, line, read, pen, name_of, lambda _: False, _rate_interval(read))
        else:
            draw_bars(axis, line, read, pen, name, lambda _: False)
    if sweep.is_numeric and len(sweep.lines) == 1:
        write_values(axis, sweep.lines[0], read)
        _ideal(axis, sweep, read)
        _draw_law(axis, sweep, read)
    top = max(value for line in sweep.lines for step, _ in line.measured(read) for value in step.values(read))
    axis.set_ylim(0, top * 1.35 or 1.0)
    axis.yaxis.set_major_formatter(lambda value, _: plain(value))
    axis.locator_params(axis="y", nbins=5)


def _rate_interval(read: Read) -> Sure:
    """The interval that a summary has of answers or of tokens per second."""
    key = "output_throughput_per_s" if read is token_throughput else "request_throughput_per_s"
    return lambda facts: sure_figure(facts.summary, key).ci95


def _draw_law(axis: "Axes", sweep: Sweep, read: Read) -> None:
    """The universal scalability law through the answers, where it was fitted."""
    line = sweep.lines[0]
    law, _ = usl_of(sweep, line) if read is throughput else (None, "")
    if law is None:
        return
    low, high = line.steps[0].load, line.steps[-1].load
    loads = np.geomspace(low, high, 120) if low > 0 else np.linspace(low, high, 120)
    axis.plot(
        loads, law.at(loads), color=INK, linewidth=1.2, linestyle=(0, (3, 2)), label="scalability law", zorder=1.7
    )


def _ideal(axis: "Axes", sweep: Sweep, read: Read) -> None:
    """What there would be if load cost nothing: all that is offered, or for each client as much as for the first."""
    loads = [step.load for step in sweep.lines[0].steps]
    known = sweep.lines[0].measured(read)
    if loads[0] <= 0 or len(known) < 2 or (sweep.is_offered_rate and read is not throughput):
        return
    each = 1.0 if sweep.is_offered_rate else known[0][1] / known[0][0].load
    name = "all that is offered" if sweep.is_offered_rate else "if it grew with the load"
    axis.plot(
        loads,
        [load * each for load in loads],
        color=GREY,
        linewidth=1.4,
        linestyle=(0, (1, 1.6)),
        label=name,
        zorder=1.5,
    )


def _throughput_title(sweep: Sweep, unit: str, read: Read) -> str:
    known = [(line, step, value) for line in sweep.lines for step, value in line.measured(read)]
    line, best, most = max(known, key=lambda one: one[2])
    rate = f"{figure(most)} {unit.removesuffix('/s')} per second"
    if not sweep.is_numeric or line.others:
        return f"The most is {rate}, {_place(sweep, line, best)}"
    if len(known) < 2:
        return f"With {at(sweep, best)} it gives {rate}"
    if sweep.is_offered_rate:
        return _offered_title(sweep, line)
    saturated, _ = saturation(sweep, line)
    if not saturated:
        return f"Throughput still grows at {at(sweep, known[-1][1])}: {rate}"
    plateau = next(step for step, value in line.measured(read) if value >= 0.9 * most)
    return f"Throughput levels off at about {rate}, from {at(sweep, plateau)} on"


def _offered_title(sweep: Sweep, line: Line) -> str:
    known = line.trusted(throughput_under_load(sweep)) or line.measured(throughput_under_load(sweep))
    behind = [(step, value) for step, value in known if not keeps_up(step, value)]
    if not behind:
        return f"It keeps up with every rate tried, up to {at(sweep, known[-1][0])}"
    step, value = behind[0]
    return f"It falls behind at {at(sweep, step)}: it answers {figure(value)} per second"


def _place(sweep: Sweep, line: Line, step: Step) -> str:
    return f"with {load_phrase(line.others) + ' and ' if line.others else ''}{at(sweep, step)}"


def _latency(sweep: Sweep, metric: str, context: str, path: Path) -> Path:
    limits = [limit for limit in _limits(sweep) if limit.metric == metric]
    many = len(sweep.lines) > 1
    columns = len(DRAWN_PERCENTILES) if many else 1
    subtitle = f"{context} · {METRICS[metric]} ({metric}){_thin_note(sweep, metric)}"
    canvas, axes = sheet(_latency_title(sweep, metric, limits), subtitle, columns=columns, **_room(sweep))
    if many:
        _lines_by_percentile(axes, sweep, metric)
    else:
        _percentiles(axes[0], sweep, metric)
    _latency_scale(axes[0], sweep, metric, limits)
    start = [value for line in sweep.lines for value in _values(line.steps[:1], metric)]
    for axis, name in zip(axes, DRAWN_PERCENTILES, strict=False):
        _limit_lines(axis, [limit for limit in limits if not many or limit.statistic == name], start)
        finish(axis, sweep, labelled=not many or axis is axes[1], named=not many)
    legend(canvas, axes[0])
    return save(canvas, path)


def _limits(sweep: Sweep) -> list[Limit]:
    """The limits of the first run that has any: a sweep's points share them."""
    return next((point.facts.limits for point in sweep.points if point.facts.limits), [])


def _bound_note(sweep: Sweep) -> str:
    is_any = any(step.is_bound for line in sweep.lines for step in line.steps)
    return "; hollow: the client was the limit" if is_any and sweep.is_numeric else ""


def _thin_note(sweep: Sweep, metric: str) -> str:
    steps = [step for line in sweep.lines for step in line.steps]
    if all(supports(step, metric, "p99") for step in steps):
        return _bound_note(sweep)
    also = ", or the client was the limit" if _bound_note(sweep) else ""
    return f"; {'hollow' if sweep.is_numeric else 'in brackets'}: too few samples to rely on{also}"


def _percentiles(axis: "Axes", sweep: Sweep, metric: str) -> None:
    line = sweep.lines[0]
    for place, (name, pen) in enumerate(zip(DRAWN_PERCENTILES, PENS, strict=False)):
        read = _reader(metric, name)
        thin = _is_thin(metric, name)
        if sweep.is_numeric:
            draw_line(axis, line, read, pen, name, thin, _percentile_interval(metric, name))
        else:
            draw_bars(axis, line, read, pen, name, thin, (place, len(DRAWN_PERCENTILES)))
        if sweep.is_numeric and name != "p95":
            write_values(axis, line, read, below=name == "p50")


def _is_thin(metric: str, name: str) -> Callable[[Step], bool]:
    return lambda step: not supports(step, metric, name)


def _lines_by_percentile(axes: Sequence["Axes"], sweep: Sweep, metric: str) -> None:
    for axis, name in zip(axes, DRAWN_PERCENTILES, strict=True):
        axis.text(0.04, 0.975, name, transform=axis.transAxes, va="top", weight="bold", color=INK)
        for line, pen in zip(sweep.lines, pens_of(sweep), strict=True):
            read, sure = _reader(metric, name), _percentile_interval(metric, name)
            draw_line(axis, line, read, pen, load_phrase(line.others), _is_thin(metric, name), sure)
    for axis in axes[1:]:
        axis.tick_params(labelleft=False)


def _latency_scale(axis: "Axes", sweep: Sweep, metric: str, limits: Sequence[Limit]) -> None:
    drawn = [value for line in sweep.lines for value in _values(line.steps, metric)]
    marks = [*drawn, *(limit.threshold_ms for limit in limits)]
    low, high = min((value for value in marks if value > 0), default=0.0), max(marks)
    axis.set_ylabel("ms")
    if low > 0 and high / low > 8 and sweep.is_numeric:
        log_ms_axis(axis, low, high * 1.8)
    else:
        axis.set_ylim(0, high * 1.25 or 1.0)
        axis.yaxis.set_major_formatter(lambda value, _: plain(value))


def _values(steps: Sequence[Step], metric: str) -> list[float]:
    """All that is drawn of a metric at these steps, ms."""
    readers = [_reader(metric, name) for name in DRAWN_PERCENTILES]
    return [value for step in steps for read in readers for value in step.values(read)]


def _limit_lines(axis: "Axes", limits: Sequence[Limit], near_start: Sequence[float]) -> None:
    """near_start: what is drawn at the lowest load; a limit's name keeps out of its way."""
    for limit in limits:
        bound = limit.threshold_ms
        axis.axhline(bound, color=INK, linewidth=2.0, linestyle=(0, (7, 2, 1.5, 2)), zorder=1.8)
        crowded = any(0.8 * bound < value < 1.2 * bound for value in near_start)
        place, side = ((0.994, bound), "right") if crowded else ((0.006, bound), "left")
        note = f" limit: {limit.statistic} {limit.op} {plain(bound)} ms "
        said: dict[str, Any] = {"xycoords": axis.get_yaxis_transform(), "textcoords": "offset points", "ha": side}
        axis.annotate(note, place, (0, 4), size=10, **said)


def _latency_title(sweep: Sweep, metric: str, limits: Sequence[Limit]) -> str:
    named = next((limit for limit in limits if limit.percentile in DRAWN_PERCENTILES), None)
    name = (named.percentile if named else None) or "p99"
    words = f"{name} {TITLE_METRICS[metric]}"
    known = [(line, step, value) for line in sweep.lines for step, value in line.measured(_reader(metric, name))]
    if named is not None and sweep.is_numeric and len(sweep.lines) == 1:
        return _against_limit(sweep, words, named, [(step, value) for _, step, value in known])
    low, high = (pick(known, key=lambda one: one[2]) for pick in (min, max))
    if len(known) == 1:
        return f"{words} is {figure(high[2])} ms with {at(sweep, high[1])}"
    if figure(low[2]) == figure(high[2]):
        return f"{words} is {figure(high[2])} ms everywhere"
    return f"{words} lies between {figure(low[2])} and {figure(high[2])} ms, the longest {_place(sweep, *high[:2])}"


def _against_limit(sweep: Sweep, words: str, limit: Limit, known: Sequence[tuple[Step, float]]) -> str:
    bound = f"{plain(limit.threshold_ms)} ms"
    broken = next((step for step, value in known if not limit.keeps(value)), None)
    if broken is None:
        return f"{words} keeps within {bound} up to {at(sweep, known[-1][0])}, the highest load measured"
    kept = [step for step, _ in known if step.load < broken.load]
    if not kept:
        return f"{words} is beyond its limit of {bound} even with {at(sweep, broken)}"
    return f"{words} keeps within {bound} up to {at(sweep, kept[-1])}, not with {axis_value(broken.load)}"
