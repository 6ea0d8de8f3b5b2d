"""The pictures of a sweep: throughput, and latency percentiles, against load."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadgen.report.canvas import FAILURE, GREY, INK, PENS, Pen, house_style, legend, log_ticks, save, sheet
from loadgen.report.capacity import Ceiling, at, best_ceiling, has_limits, saturation, throughput, token_throughput
from loadgen.report.facts import Facts
from loadgen.report.numbers import figure, is_supported, percentile, plain
from loadgen.report.points import Line, Step, Sweep
from loadgen.report.slos import Limit
from loadgen.report.words import METRICS, axis_label, axis_value, load_phrase

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Read = Callable[[Facts], float | None]

DRAWN_METRICS = ("ttft", "e2e", "itl")

DRAWN_PERCENTILES = ("p50", "p95", "p99")


def draw_sweep(sweep: Sweep, context: str, folder: Path) -> list[Path]:
    """Every picture that the measured points allow, as PNG in `folder`; context: a few words on the service."""
    folder.mkdir(parents=True, exist_ok=True)
    drawn: list[Path] = []
    with house_style():
        if _any(sweep, throughput):
            drawn.append(_throughput(sweep, context, folder / "throughput.png"))
        for metric in DRAWN_METRICS:
            if _any(sweep, _reader(metric, "p99")):
                drawn.append(_latency(sweep, metric, context, folder / f"{metric}.png"))
    return drawn


def _any(sweep: Sweep, read: Read) -> bool:
    return any(line.measured(read) for line in sweep.lines)


def _reader(metric: str, name: str) -> Read:
    return lambda facts: percentile(facts.metric(metric), name)


# Throughput


def _throughput(sweep: Sweep, context: str, path: Path) -> Path:
    panels: list[tuple[str, Read]] = [("answers/s", throughput)]
    if _any(sweep, token_throughput):
        panels.insert(0, ("tokens/s", token_throughput))
    unit, main = panels[0]
    subtitle = f"{context} · {_what_is_drawn(sweep)}"
    canvas, axes = sheet(_throughput_title(sweep, unit, main), subtitle, heights=(1.0,) * len(panels))
    for axis, (name, read) in zip(axes, panels, strict=True):
        axis.set_ylabel(name)
        for line, pen in zip(sweep.lines, _pens(sweep), strict=False):
            _draw_line(axis, sweep, line, read, pen, _name_of(line, "measured"))
        top = max(value for line in sweep.lines for step, _ in line.measured(read) for value in step.values(read))
        axis.set_ylim(0, top * 1.22 or 1.0)
        _ideal(axis, sweep, read)
        axis.yaxis.set_major_formatter(lambda value, _: plain(value))
        axis.locator_params(axis="y", nbins=5)
        _finish(axis, sweep, labelled=axis is axes[-1], named=axis is axes[0])
    legend(canvas, axes[0])
    return save(canvas, path)


def _what_is_drawn(sweep: Sweep) -> str:
    if not sweep.is_numeric:
        return "what it gave, each kind by itself"
    return "what it answered, against the load put on it"


def _throughput_title(sweep: Sweep, unit: str, read: Read) -> str:
    known = [(line, step, value) for line in sweep.lines for step, value in line.measured(read)]
    line, best, most = max(known, key=lambda one: one[2])
    rate = f"{figure(most)} {unit.removesuffix('/s')} per second"
    if not sweep.is_numeric or line.others:
        place = load_phrase(line.others) + " and " if line.others else ""
        return f"The most is {rate}, with {place}{at(sweep, best)}"
    if len(known) < 2:
        return f"With {at(sweep, best)} it gives {rate}"
    saturated, _ = saturation(sweep, line)
    if not saturated:
        return f"Throughput still grows at {at(sweep, known[-1][1])}: {rate}"
    return f"Throughput levels off at about {rate}, from {at(sweep, _plateau(line, read, most))} on"


def _plateau(line: Line, read: Read, most: float) -> Step:
    """The first step within a tenth of the most."""
    return next(step for step, value in line.measured(read) if value >= 0.9 * most)


def _ideal(axis: "Axes", sweep: Sweep, read: Read) -> None:
    """What there would be if load cost nothing: in an open loop the offered rate, in a closed one the first point's share."""
    loads = [step.load for line in sweep.lines for step in line.steps]
    if not sweep.is_numeric or min(loads) <= 0 or len(sweep.lines) > 1:
        return
    known = sweep.lines[0].measured(read)
    if len(known) < 2 or (sweep.is_offered_rate and read is not throughput):
        return
    each = 1.0 if sweep.is_offered_rate else known[0][1] / known[0][0].load
    name = "all that is offered" if sweep.is_offered_rate else "if each more brought as much as the first"
    fine = np.geomspace(min(loads), max(loads), 100)
    axis.plot(fine, fine * each, color=GREY, linewidth=1.3, linestyle=(0, (1, 1.6)), label=name, zorder=1.5)


# Latency


def _latency(sweep: Sweep, metric: str, context: str, path: Path) -> Path:
    limits = [limit for limit in _limits(sweep) if limit.metric == metric]
    many = len(sweep.lines) > 1
    hollow = _is_thin(sweep, metric)
    subtitle = f"{context} · {METRICS[metric]} ({metric}){'; hollow: too few samples to rely on' if hollow else ''}"
    canvas, axes = sheet(_latency_title(sweep, metric, limits), subtitle, columns=len(DRAWN_PERCENTILES) if many else 1)
    if many:
        _lines_by_percentile(axes, sweep, metric)
    elif sweep.is_numeric:
        for name, pen in zip(DRAWN_PERCENTILES, PENS, strict=False):
            _draw_line(axes[0], sweep, sweep.lines[0], _reader(metric, name), pen, name, (metric, name))
    else:
        _bars_by_percentile(axes[0], sweep, metric)
    _latency_scale(axes[0], sweep, metric, limits)
    for axis, shown in zip(axes, _limits_by_panel(limits, many), strict=False):
        _limit_lines(axis, shown)
        _finish(axis, sweep, labelled=not many or axis is axes[1], named=not many)
    legend(canvas, axes[0])
    return save(canvas, path)


def _limits(sweep: Sweep) -> list[Limit]:
    """The limits of the first run that has any: a sweep's points share them."""
    return next((point.facts.limits for point in sweep.points if point.facts.limits), [])


def _limits_by_panel(limits: Sequence[Limit], many: bool) -> list[list[Limit]]:
    if not many:
        return [list(limits)]
    return [[limit for limit in limits if limit.statistic == name] for name in DRAWN_PERCENTILES]


def _lines_by_percentile(axes: Sequence["Axes"], sweep: Sweep, metric: str) -> None:
    for axis, name in zip(axes, DRAWN_PERCENTILES, strict=True):
        axis.set_title(name, size=11, loc="left", color=INK)
        for line, pen in zip(sweep.lines, _pens(sweep), strict=False):
            _draw_line(
                axis, sweep, line, _reader(metric, name), pen, _name_of(line, ""), (metric, name), annotated=False
            )
    for axis in axes[1:]:
        axis.tick_params(labelleft=False)


def _latency_title(sweep: Sweep, metric: str, limits: Sequence[Limit]) -> str:
    named = next((limit for limit in limits if limit.percentile in DRAWN_PERCENTILES), None)
    name = (named.percentile if named else None) or "p99"
    words = f"{name} {METRICS[metric]}"
    known = [(line, step, value) for line in sweep.lines for step, value in line.measured(_reader(metric, name))]
    if not known:
        return words
    if named is not None and sweep.is_numeric and len(sweep.lines) == 1:
        return _against_limit(sweep, words, named, [(step, value) for _, step, value in known])
    low, high = (pick(known, key=lambda one: one[2]) for pick in (min, max))
    if len(known) == 1:
        return f"{words} is {figure(high[2])} ms with {at(sweep, high[1])}"
    return (
        f"{words} lies between {figure(low[2])} and {figure(high[2])} ms, the longest {_place(sweep, high[0], high[1])}"
    )


def _place(sweep: Sweep, line: Line, step: Step) -> str:
    return f"with {load_phrase(line.others) + ' and ' if line.others else ''}{at(sweep, step)}"


def _against_limit(sweep: Sweep, words: str, limit: Limit, known: Sequence[tuple[Step, float]]) -> str:
    bound = f"{plain(limit.threshold_ms)} ms"
    broken = next((step for step, value in known if not _keeps(limit, value)), None)
    if broken is None:
        return f"{words} keeps its limit of {bound} at every load tried, up to {at(sweep, known[-1][0])}"
    kept = [step for step, _ in known if step.load < broken.load]
    if not kept:
        return f"{words} breaks its limit of {bound} even with {at(sweep, broken)}"
    return (
        f"{words} keeps its limit of {bound} up to {at(sweep, kept[-1])}, and breaks it with {axis_value(broken.load)}"
    )


def _keeps(limit: Limit, value: float) -> bool:
    return {"<": value < limit.threshold, "<=": value <= limit.threshold, ">": value > limit.threshold}.get(
        limit.op, value >= limit.threshold
    )


def _latency_scale(axis: "Axes", sweep: Sweep, metric: str, limits: Sequence[Limit]) -> None:
    values = [
        value
        for line in sweep.lines
        for name in DRAWN_PERCENTILES
        for step in line.steps
        for value in step.values(_reader(metric, name))
    ]
    marks = [*values, *(limit.threshold_ms for limit in limits)]
    low, high = min(value for value in marks if value > 0) if any(marks) else 0.0, max(marks)
    axis.set_ylabel("ms")
    if low > 0 and high / low > 10 and sweep.is_numeric:
        _log_ms(axis, low, high * 1.3)
    else:
        axis.set_ylim(0, high * 1.2 or 1.0)
        axis.yaxis.set_major_formatter(lambda value, _: plain(value))


def _log_ms(axis: "Axes", low: float, high: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    ticks = log_ticks(low, high)
    axis.set_yscale("log")
    axis.set_ylim(ticks[0], max(ticks[-1], high))
    axis.yaxis.set_major_locator(FixedLocator(ticks))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: plain(value))
    axis.set_ylabel("ms (log scale)")


def _limit_lines(axis: "Axes", limits: Sequence[Limit]) -> None:
    for limit in limits:
        axis.axhline(limit.threshold_ms, color=INK, linewidth=2.0, linestyle=(0, (7, 2, 1.5, 2)), zorder=1.8)
        note = f"limit: {limit.statistic} {limit.op} {plain(limit.threshold_ms)} ms"
        axis.annotate(
            note,
            (0.006, limit.threshold_ms),
            (2, 4),
            xycoords=axis.get_yaxis_transform(),
            textcoords="offset points",
            size=10,
        )


def _is_thin(sweep: Sweep, metric: str) -> bool:
    measured = [point.facts for point in sweep.points if point.is_measured]
    return any(not is_supported((facts.metric(metric) or {}).get("n"), "p99") for facts in measured)


# Lines, bars and axes


def _pens(sweep: Sweep) -> list[Pen]:
    return [PENS[place % len(PENS)] for place in range(len(sweep.lines))]


def _name_of(line: Line, alone: str) -> str:
    return load_phrase(line.others) if line.others else alone


def _draw_line(
    axis: "Axes",
    sweep: Sweep,
    line: Line,
    read: Read,
    pen: Pen,
    name: str,
    thin: tuple[str, str] | None = None,
    annotated: bool = True,
) -> None:
    """One line over the loads; bars where the loads are kinds. thin: (metric, percentile) whose samples may be too few."""
    known = line.measured(read)
    if not sweep.is_numeric:
        _bars(axis, sweep, read, pen, 0.6, 0.0)
        return
    at_x, values = [step.load for step, _ in known], [value for _, value in known]
    axis.plot(at_x, values, color=pen.colour, linestyle=pen.dash, label=name)
    if axis.get_lines():
        axis.get_lines()[-1].set_marker(pen.mark)
        axis.get_lines()[-1].set_markersize(7)
    for step, value in known:
        hollow = thin is not None and not _supports(step, *thin)
        axis.plot(
            [step.load],
            [value],
            pen.mark,
            color=pen.colour,
            markersize=8,
            markeredgewidth=1.8,
            zorder=3,
            markerfacecolor="white" if hollow else pen.colour,
        )
        if len(step.values(read)) > 1:
            axis.plot([step.load] * len(step.values(read)), step.values(read), "_", color=pen.colour, markersize=11)
    if annotated and known and (thin is None or thin[1] in ("p50", "p99")):
        _annotate(axis, known, below=thin is not None and thin[1] == "p50")


def _supports(step: Step, metric: str, name: str) -> bool:
    return all(is_supported((point.facts.metric(metric) or {}).get("n"), name) for point in step.measured)


def _annotate(axis: "Axes", known: Sequence[tuple[Step, float]], below: bool) -> None:
    for step, value in known:
        offset = (0, -17) if below else (0, 9)
        axis.annotate(
            figure(value), (step.load, value), offset, textcoords="offset points", ha="center", size=9.5, zorder=4
        )


def _bars(axis: "Axes", sweep: Sweep, read: Read, pen: Pen, width: float, shift: float, name: str = "") -> None:
    hatch = {"o": "", "s": "//", "^": ".."}.get(pen.mark, "xx")
    for place, step in enumerate(sweep.lines[0].steps):
        value = step.value(read)
        if value is None:
            continue
        label = name if place == _first_with(sweep, read) else None
        axis.bar(place + shift, value, width, color=pen.colour, edgecolor="white", hatch=hatch, label=label)
        axis.annotate(figure(value), (place + shift, value), (0, 4), textcoords="offset points", ha="center", size=10)


def _first_with(sweep: Sweep, read: Read) -> int:
    return next(place for place, step in enumerate(sweep.lines[0].steps) if step.value(read) is not None)


def _bars_by_percentile(axis: "Axes", sweep: Sweep, metric: str) -> None:
    for number, (name, pen) in enumerate(zip(DRAWN_PERCENTILES, PENS, strict=False)):
        _bars(axis, sweep, _reader(metric, name), pen, 0.26, (number - 1) * 0.27, name)


def _finish(axis: "Axes", sweep: Sweep, labelled: bool, named: bool) -> None:
    if sweep.is_numeric:
        _load_axis(axis, sweep)
        _broken_region(axis, sweep, named)
    else:
        _kinds_axis(axis, sweep)
    _unmeasured(axis, sweep, named)
    if labelled:
        axis.set_xlabel(axis_label(sweep.load_axis) if sweep.is_numeric else ", ".join(sweep.axes))


def _load_axis(axis: "Axes", sweep: Sweep) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    loads = sorted({step.load for line in sweep.lines for step in line.steps})
    if loads[0] > 0 and loads[-1] / loads[0] >= 6:
        axis.set_xscale("log", base=2)
        axis.set_xlim(loads[0] / 1.25, loads[-1] * 1.25)
    else:
        margin = 0.07 * (loads[-1] - loads[0]) or max(abs(loads[0]) * 0.5, 0.5)
        axis.set_xlim(loads[0] - margin, loads[-1] + margin)
    axis.xaxis.set_major_locator(FixedLocator(_spread(loads)))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_major_formatter(lambda value, _: axis_value(int(value) if value == int(value) else value))


def _spread(loads: list[Any]) -> list[Any]:
    """At most 14 marks, so that they stay apart."""
    return loads[:: len(loads) // 14 + 1]


def _kinds_axis(axis: "Axes", sweep: Sweep) -> None:
    import textwrap

    names = [textwrap.fill(str(step.load), max(80 // len(sweep.lines[0].steps), 8)) for step in sweep.lines[0].steps]
    axis.set_xlim(-0.6, len(names) - 0.4)
    axis.set_xticks(range(len(names)), names)
    axis.grid(visible=False, axis="x")


def _broken_region(axis: "Axes", sweep: Sweep, named: bool) -> None:
    """Where limits are broken, shaded and hatched; only where there is one line, so that it is one place."""
    ceiling = _lone_ceiling(sweep)
    if ceiling is None or ceiling.next is None or ceiling.next.holds is not False:
        return
    low, high = axis.get_xlim()
    upper = ceiling.next.load
    is_log = axis.get_xscale() == "log"
    begin = (
        low
        if ceiling.step is None
        else (ceiling.step.load * upper) ** 0.5
        if is_log
        else (ceiling.step.load + upper) / 2
    )
    axis.axvspan(begin, high, facecolor=FAILURE, alpha=0.07, linewidth=0)
    axis.axvline(begin, color=FAILURE, linewidth=1.2) if begin > low else None
    if named:
        place = (0.994, 0.975) if begin == low else (begin, 0.975)
        side: dict[str, Any] = {"ha": "right"} if begin == low else {"ha": "left"}
        transform = axis.transAxes if begin == low else axis.get_xaxis_transform()
        axis.text(*place, " limits broken", transform=transform, va="top", size=10, color="#A04000", **side)


def _lone_ceiling(sweep: Sweep) -> Ceiling | None:
    from loadgen.report.capacity import ceiling_of

    if len(sweep.lines) > 1 or not has_limits(sweep):
        return None
    return best_ceiling(sweep) or ceiling_of(sweep.lines[0])


def _unmeasured(axis: "Axes", sweep: Sweep, named: bool) -> None:
    """Points without figures: a cross on the axis and the reason, never a zero."""
    for line in sweep.lines:
        for place, step in enumerate(line.steps):
            if not step.state:
                continue
            at_x = step.load if sweep.is_numeric else place
            axis.plot(
                [at_x], [0.03], "X", color=FAILURE, markersize=10, transform=axis.get_xaxis_transform(), clip_on=False
            )
            if named:
                place_text = (at_x, 0.07)
                axis.text(
                    *place_text, step.state, transform=axis.get_xaxis_transform(), rotation=90, ha="center", size=9.5
                )
