"""The pictures of one run."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadgen.report.canvas import FAILURE, GREY, INK, PENS, Pen, house_style, legend, log_ms_axis, save, sheet
from loadgen.report.curves import Curve, Curves, Floats, Gaps, Timeline
from loadgen.report.facts import Facts
from loadgen.report.numbers import NEEDS_N, count, figure, percent, plain
from loadgen.report.slos import Limit
from loadgen.report.words import plural, shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes

CURVE_NAMES = {"ttft": "first token", "e2e": "whole answer"}

CURVE_PENS = {"ttft": PENS[0], "e2e": PENS[1]}

TITLE_SHARES = (
    (NEEDS_N["p99"], 0.99, "99 of 100"),
    (NEEDS_N["p95"], 0.95, "95 of 100"),
    (NEEDS_N["p90"], 0.9, "9 of 10"),
    (0, 0.5, "Half of the"),
)
"""From so many requests on, the title can speak of such a share."""

PERCENTILE_TICKS = {1: "0", 2: "50", 10: "90", 20: "95", 100: "99", 1000: "99.9"}


def draw_run(curves: Curves, facts: Facts, folder: Path) -> list[Path]:
    """Every picture that this run's figures allow, as PNG in `folder`."""
    limits, context = facts.limits, shortened(facts.service) + f" · {facts.load}"
    drawn: list[Path] = []
    folder.mkdir(parents=True, exist_ok=True)
    with house_style():
        if curves.latencies:
            drawn.append(_latency(curves.latencies, limits, context, folder / "latency.png"))
        if curves.gaps is not None:
            drawn.append(_gaps(curves.gaps, limits, context, folder / "itl.png"))
        if curves.timeline is not None and len(curves.timeline.at_s) > 1:
            drawn.append(_over_time(curves.timeline, facts, context, folder / "over_time.png"))
            drawn.append(_in_flight(curves.timeline, context, facts.clients, folder / "in_flight.png"))
    return drawn


def _latency(latencies: dict[str, Curve], limits: Sequence[Limit], context: str, path: Path) -> Path:
    thin = any(curve.at[-1] > curve.supported_to for curve in latencies.values())
    note = "; dashed: too few requests to rely on" if thin else ""
    subtitle = f"{context} · how long requests took{note}"
    canvas, (axis,) = sheet(_latency_title(latencies), subtitle)
    for metric, curve in latencies.items():
        _percentile_curve(axis, curve, CURVE_PENS[metric], CURVE_NAMES[metric])
    marked = [limit for limit in limits if limit.metric in latencies and limit.percentile]
    for limit in marked:
        _limit_mark(axis, limit)
    lows = [curve.value_ms[curve.value_ms > 0].min(initial=np.inf) for curve in latencies.values()]
    highs = [curve.value_ms.max() for curve in latencies.values()] + [limit.threshold_ms for limit in marked]
    _latency_axes(axis, float(min(lows)), float(max(highs)), max(float(curve.at[-1]) for curve in latencies.values()))
    legend(canvas, axis)
    return save(canvas, path)


def _latency_title(latencies: dict[str, Curve]) -> str:
    fewest = min(curve.n for curve in latencies.values())
    quantile, share = next((quantile, share) for needs_n, quantile, share in TITLE_SHARES if fewest >= needs_n)
    parts = [f"{CURVE_NAMES[name]} within {figure(curve.value_at(quantile))} ms" for name, curve in latencies.items()]
    return f"{share} requests: {', '.join(parts)}"


def _percentile_curve(axis: "Axes", curve: Curve, pen: Pen, name: str) -> None:
    solid = curve.at <= curve.supported_to
    tail = ~solid
    tail[max(int(solid.sum()) - 1, 0)] = True  # the dashed part begins where the solid one ends
    label = f"{name} ({plural(curve.n, 'request')})"
    axis.plot(curve.at[solid], curve.value_ms[solid], color=pen.colour)
    axis.plot([], [], color=pen.colour, marker=pen.mark, markeredgecolor="white", markersize=7, label=label)
    axis.plot(curve.at[tail], curve.value_ms[tail], color=pen.colour, dashes=(2.2, 1.8), linewidth=1.7)
    for quantile in (0.5, 0.9, 0.99, 0.999):
        place = 1.0 / (1.0 - quantile)
        if place <= curve.at[-1] * 1.001:
            value = curve.value_at(quantile)
            axis.plot([place], [value], pen.mark, color=pen.colour, markersize=6.5, markeredgecolor="white")
            side = "right" if quantile == 0.999 else "center"
            axis.annotate(
                f"{figure(value)} ms", (place, value), (0, 8), textcoords="offset points", ha=side, size=10, color=INK
            )


def _limit_mark(axis: "Axes", limit: Limit) -> None:
    place = 1.0 / (1.0 - limit.quantile)
    axis.plot([place / 1.5, place * 1.5], [limit.threshold_ms] * 2, color=INK, linewidth=2.4, solid_capstyle="butt")
    note = f"limit: {limit.percentile} {CURVE_NAMES[limit.metric]} {limit.op} {plain(limit.threshold_ms)} ms"
    axis.annotate(
        note, (place / 1.5, limit.threshold_ms), (-5, 0), textcoords="offset points", ha="right", va="center", size=10
    )


def _latency_axes(axis: "Axes", low_ms: float, high_ms: float, furthest: float) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    right = max(furthest, 2.0)
    shown = [tick for tick in PERCENTILE_TICKS if tick <= right * 1.001]
    axis.set_xscale("log")
    axis.set_xlim(1.0, right * 1.25)
    axis.xaxis.set_major_locator(FixedLocator(shown))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticklabels([PERCENTILE_TICKS[tick] for tick in shown])
    axis.set_xlabel("percentile (at 99: all but the slowest 1 in 100 were at most so slow)")
    axis.set_ylabel("ms")
    if 0 < low_ms < np.inf and high_ms / low_ms > 8:
        log_ms_axis(axis, low_ms, high_ms * 1.35)
    else:
        axis.set_ylim(0, high_ms * 1.15 or 1.0)
        axis.yaxis.set_major_formatter(lambda value, _: plain(value))


def _gaps(gaps: Gaps, limits: Sequence[Limit], context: str, path: Path) -> Path:
    p50, p99 = figure(gaps.p50_ms), figure(gaps.p99_ms)
    title = f"Half of the gaps between tokens are at most {p50} ms, 99 of 100 at most {p99} ms"
    subtitle = f"{context} · pauses between one token's arrival and the next, {count(gaps.n_all)} in all"
    canvas, (axis,) = sheet(title, subtitle)
    share = 100.0 * gaps.n / gaps.n_all
    axis.bar(
        gaps.edges_ms[:-1],
        share,
        np.diff(gaps.edges_ms),
        align="edge",
        color=PENS[0].colour,
        edgecolor="white",
        linewidth=0.5,
    )
    bars_end = float(gaps.edges_ms[-1])
    axis.axvline(gaps.p50_ms, color=INK, linewidth=1.8, label=f"p50: {figure(gaps.p50_ms)} ms")
    axis.axvline(gaps.p99_ms, color=INK, linewidth=1.8, dashes=(4, 2), label=f"p99: {figure(gaps.p99_ms)} ms")
    reach = _gap_limits(axis, [limit for limit in limits if limit.metric == "itl"], bars_end)
    if gaps.n_beyond:
        note = f"{count(gaps.n_beyond)} longer,\nup to {figure(gaps.max_ms)} ms →"
        axis.text(bars_end * 0.995, 0.55, note, transform=axis.get_xaxis_transform(), ha="right", size=10, color=GREY)
    axis.set_xlim(0, reach)
    axis.set_xlabel("gap between two tokens, ms")
    axis.set_ylabel("share of all gaps, %")
    legend(canvas, axis)
    return save(canvas, path)


def _gap_limits(axis: "Axes", limits: Sequence[Limit], reach: float) -> float:
    """Draw the limits that are not far off, name the others. Returns how far the axis must reach, ms."""
    for limit in limits:
        near = limit.threshold_ms <= reach * 2
        reach = max(reach, limit.threshold_ms * 1.08) if near else reach
        style: dict[str, Any] = {"color": FAILURE, "linewidth": 2.2, "dashes": (1.2, 1.2)}
        if near:
            axis.axvline(limit.threshold_ms, label=f"limit: {limit.expression}", **style)
        else:
            axis.plot([], [], label=f"limit: {limit.expression}, far to the right", **style)
    return reach


def _over_time(timeline: Timeline, facts: Facts, context: str, path: Path) -> Path:
    panels = [("requests/s", timeline.ok_per_s, PENS[0])]
    if timeline.tokens_per_s.any():
        panels.append(("tokens/s", timeline.tokens_per_s, PENS[2]))
    panels.append(("failures/s", timeline.failed_per_s, PENS[1]))
    subtitle = f"{context} · each step is {plain(timeline.step_s)} s; grey: warm-up and drain, not counted"
    canvas, axes = sheet(_over_time_title(timeline, facts), subtitle, heights=(2.0,) * (len(panels) - 1) + (1.1,))
    for axis, (name, values, pen) in zip(axes, panels, strict=True):
        _steps(axis, timeline, values, pen, name)
    _sent(axes[0], timeline)
    for axis in axes:
        _outside_window(axis, timeline, named=axis is axes[0])
    if not timeline.failed_per_s.any():
        axes[-1].set_ylim(0, 1)
        axes[-1].set_yticks([0])
        axes[-1].text(0.5, 0.45, "no failures", transform=axes[-1].transAxes, ha="center", va="center", color=GREY)
    _time_axis(axes[-1], timeline)
    legend(canvas, axes[0])
    return save(canvas, path)


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


def _outside_window(axis: "Axes", timeline: Timeline, named: bool = True) -> None:
    if timeline.window_s is None:
        return
    low, high = timeline.window_s
    for begin, end, name in ((0.0, low, "warm-up"), (high, timeline.ends_s, "drain")):
        if end - begin > 1e-6:
            axis.axvspan(begin, end, color="#8a8a8a", alpha=0.22, linewidth=0)
        if named and end - begin > 0.06 * timeline.ends_s:
            place = ((begin + end) / 2, 0.985)
            axis.text(*place, name, transform=axis.get_xaxis_transform(), ha="center", va="top", size=10, color=GREY)


def _time_axis(axis: "Axes", timeline: Timeline) -> None:
    axis.set_xlim(0, timeline.ends_s)
    axis.set_xlabel("seconds since the run began")


def _over_time_title(timeline: Timeline, facts: Facts) -> str:
    """In the figures of the summary, so that the picture says what the table says."""
    if not timeline.ok_per_s.any():
        return "No request succeeded" + (": every answer was a failure" if timeline.failed_per_s.any() else "")
    failed = percent(facts.n_failed / facts.n_finished) if facts.n_finished else "none"
    trouble = f"{failed} of the requests failed" if facts.n_failed else "nothing failed"
    return f"{_trend(timeline.ok_per_s[timeline.in_window()], facts)}, and {trouble}"


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


def _in_flight(timeline: Timeline, context: str, clients: int | None, path: Path) -> Path:
    subtitle = f"{context} · requests sent and not yet answered; grey: warm-up and drain, not counted"
    canvas, (axis,) = sheet(_in_flight_title(timeline, clients), subtitle)
    _steps(axis, timeline, timeline.in_flight, PENS[0]._replace(colour="#4C4C9D"), "requests in flight")
    top = max(float(timeline.in_flight.max(initial=0.0)), clients or 0, 1.0)
    if clients:
        axis.axhline(
            clients, color=INK, linewidth=1.6, dashes=(5, 2), label=f"{plural(clients, 'client')}: at most so many"
        )
    axis.set_ylim(0, top * 1.12)
    _outside_window(axis, timeline)
    _time_axis(axis, timeline)
    legend(canvas, axis)
    return save(canvas, path)


def _in_flight_title(timeline: Timeline, clients: int | None) -> str:
    inside = timeline.in_flight[timeline.in_window()]
    if not len(inside):
        return "The window is too short to say how many requests were in flight"
    mean = float(inside.mean())
    if clients:
        return f"On average {plain(mean)} of {plural(clients, 'client')} were waiting for an answer"
    quarter = max(len(inside) // 4, 1)
    first, last = float(inside[:quarter].mean()), float(inside[-quarter:].mean())
    if last > 1.5 * first + 2:
        return f"Requests pile up: {figure(first)} in flight at first, {figure(last)} at the end"
    return f"No pile-up: about {figure(mean)} requests in flight, first to last"
