"""A run's pictures of durations: percentile curves, and the histogram of gaps."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from loadgen.report.canvas import FAILURE, GREY, INK, PENS, PLATE, Pen, legend, log_ms_axis, save, sheet
from loadgen.report.curves import Curve, Gaps
from loadgen.report.numbers import NEEDS_N, count, figure, plain
from loadgen.report.panels import Panel, write_name
from loadgen.report.slos import Limit
from loadgen.report.words import plural

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


def draw_latency(panels: Sequence[Panel], context: str, path: Path) -> Path:
    curves = [curve for panel in panels for curve in panel.curves.latencies.values()]
    thin = any(curve.at[-1] > curve.supported_to for curve in curves)
    note = "; dashed: too few requests to rely on" if thin else ""
    subtitle = f"{context} · how long requests took{note}"
    canvas, axes = sheet(_latency_title(panels), subtitle, columns=len(panels))
    for axis, panel in zip(axes, panels, strict=True):
        _latency_panel(axis, panel)
    _latency_axes(axes, panels)
    legend(canvas, *axes)
    return save(canvas, path)


def _latency_panel(axis: "Axes", panel: Panel) -> None:
    latencies = panel.curves.latencies
    write_name(axis, panel, plural(max(curve.n for curve in latencies.values()), "request"))
    for metric, curve in latencies.items():
        counted = "" if panel.name else f" ({plural(curve.n, 'request')})"
        _percentile_curve(axis, curve, CURVE_PENS[metric], CURVE_NAMES[metric] + counted)
    for limit in _marked(panel):
        _limit_mark(axis, limit, is_short=bool(panel.name) and len(latencies) == 1)


def _marked(panel: Panel) -> list[Limit]:
    return [limit for limit in panel.facts.limits if limit.metric in panel.curves.latencies and limit.percentile]


def _latency_title(panels: Sequence[Panel]) -> str:
    """In the share of requests that the fewest of them can speak of."""
    curves = [curve for panel in panels for curve in panel.curves.latencies.values()]
    fewest = min(curve.n if curve.n_effective is None else curve.n_effective for curve in curves)
    quantile, share = next((quantile, share) for needs_n, quantile, share in TITLE_SHARES if fewest >= needs_n)
    parts = [
        f"{panel.name} {CURVE_NAMES[name]} within {figure(curve.value_at(quantile))} ms".lstrip()
        for panel in panels
        for name, curve in panel.curves.latencies.items()
    ]
    return f"{share} requests: {', '.join(parts)}"


def _percentile_curve(axis: "Axes", curve: Curve, pen: Pen, name: str) -> None:
    solid = curve.at <= curve.supported_to
    tail = ~solid
    tail[max(int(solid.sum()) - 1, 0)] = True  # the dashed part begins where the solid one ends
    axis.plot(curve.at[solid], curve.value_ms[solid], color=pen.colour)
    axis.plot([], [], color=pen.colour, marker=pen.mark, markeredgecolor="white", markersize=7, label=name)
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


def _limit_mark(axis: "Axes", limit: Limit, is_short: bool) -> None:
    """is_short: leave out what the limit is about; its place says it."""
    place = 1.0 / (1.0 - limit.quantile)
    axis.plot([place / 1.5, place * 1.5], [limit.threshold_ms] * 2, color=INK, linewidth=2.4, solid_capstyle="butt")
    about = "" if is_short else f"{CURVE_NAMES[limit.metric]} "
    note = f"limit: {limit.percentile} {about}{limit.op} {plain(limit.threshold_ms)} ms"
    place_px: dict[str, Any] = {"textcoords": "offset points", "ha": "right", "va": "center", "bbox": PLATE}
    axis.annotate(note, (place / 1.5, limit.threshold_ms), (-5, 0), size=10, **place_px)


def _latency_axes(axes: "Sequence[Axes]", panels: Sequence[Panel]) -> None:
    curves = [curve for panel in panels for curve in panel.curves.latencies.values()]
    low_ms = float(min(curve.value_ms[curve.value_ms > 0].min(initial=np.inf) for curve in curves))
    marks = [limit.threshold_ms for panel in panels for limit in _marked(panel)]
    high_ms = float(max([*(curve.value_ms.max() for curve in curves), *marks]))
    for axis, panel in zip(axes, panels, strict=True):
        furthest = max(float(curve.at[-1]) for curve in panel.curves.latencies.values())
        _percentile_axis(axis, furthest, len(panels))
    axes[0].set_ylabel("ms")
    if 0 < low_ms < np.inf and high_ms / low_ms > 8:
        log_ms_axis(axes[0], low_ms, high_ms * (1.35 if len(panels) == 1 else 2.0))
    else:
        axes[0].set_ylim(0, high_ms * 1.15 or 1.0)
        axes[0].yaxis.set_major_formatter(lambda value, _: plain(value))
    for axis in axes[1:]:
        axis.tick_params(labelleft=False)


def _percentile_axis(axis: "Axes", furthest: float, n_panels: int) -> None:
    from matplotlib.ticker import FixedLocator, NullLocator

    right = max(furthest, 2.0)
    shown = [tick for tick in PERCENTILE_TICKS if tick <= right * 1.001]
    axis.set_xscale("log")
    axis.set_xlim(1.0, right * 1.25)
    axis.xaxis.set_major_locator(FixedLocator(shown))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.set_xticklabels([PERCENTILE_TICKS[tick] for tick in shown])
    means = " (at 99: all but the slowest 1 in 100 were at most so slow)"
    axis.set_xlabel(f"percentile{means if n_panels == 1 else ''}")


def draw_gaps(panels: Sequence[Panel], context: str, path: Path) -> Path:
    drawn = [(panel, panel.curves.gaps) for panel in panels if panel.curves.gaps is not None]
    subtitle = f"{context} · pauses between one token's arrival and the next, {_n_gaps(drawn)}"
    canvas, axes = sheet(_gaps_title(drawn), subtitle, columns=len(drawn))
    many = len(drawn) > 1
    reaches = [_gaps_panel(axis, panel, gaps, many) for axis, (panel, gaps) in zip(axes, drawn, strict=True)]
    for axis, reach in zip(axes, reaches, strict=True):
        axis.set_xlim(0, reach)
        axis.set_xlabel("gap between two tokens, ms")
    axes[0].set_ylabel("share of all gaps, %")
    legend(canvas, *axes)
    return save(canvas, path)


def _n_gaps(drawn: Sequence[tuple[Panel, Gaps]]) -> str:
    return f"{count(sum(gaps.n_all for _, gaps in drawn))} in all"


def _gaps_title(drawn: Sequence[tuple[Panel, Gaps]]) -> str:
    if len(drawn) == 1:
        gaps = drawn[0][1]
        whose = f"{drawn[0][0].name}: half" if drawn[0][0].name else "Half"
        most = f"at most {figure(gaps.p50_ms)} ms, 99 of 100 at most {figure(gaps.p99_ms)} ms"
        return f"{whose} of the gaps between tokens are {most}"
    each = [f"{panel.name} within {figure(gaps.p99_ms)} ms" for panel, gaps in drawn]
    return f"99 of 100 gaps between tokens: {', '.join(each)}"


def _gaps_panel(axis: "Axes", panel: Panel, gaps: Gaps, many: bool) -> float:
    """many: others are beside it, and share the legend. Returns how far the axis must reach, ms."""
    p50, p99 = f"p50: {figure(gaps.p50_ms)} ms", f"p99: {figure(gaps.p99_ms)} ms"
    write_name(axis, panel, f"{p50}, {p99}" if many else "")
    share = 100.0 * gaps.n / gaps.n_all
    bars: dict[str, Any] = {"align": "edge", "color": PENS[0].colour, "edgecolor": "white", "linewidth": 0.5}
    axis.bar(gaps.edges_ms[:-1], share, np.diff(gaps.edges_ms), **bars)
    bars_end = float(gaps.edges_ms[-1])
    axis.axvline(gaps.p50_ms, color=INK, linewidth=1.8, label="p50" if many else p50)
    axis.axvline(gaps.p99_ms, color=INK, linewidth=1.8, dashes=(4, 2), label="p99" if many else p99)
    reach = _gap_limits(axis, [limit for limit in panel.facts.limits if limit.metric == "itl"], bars_end)
    if gaps.n_beyond:
        note = f"{count(gaps.n_beyond)} longer,\nup to {figure(gaps.max_ms)} ms →"
        axis.text(bars_end * 0.995, 0.55, note, transform=axis.get_xaxis_transform(), ha="right", size=10, color=GREY)
    return reach


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
