"""A run's pictures over time: how long answers took, how many came, what waited. All share the run's clock."""

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from loadgen.report.curves import Timeline
from loadgen.report.facts import Facts
from loadgen.report.html.figures import (
    Axis,
    Figure,
    Heat,
    Line,
    Mark,
    Panel,
    Rule,
    Zone,
    from_zero,
    known,
    listed,
    log_axis,
    log_or_zero,
)
from loadgen.report.html.over_time import (
    Course2D,
    coarse_rows,
    course_of,
    due_per_s,
    over_time,
    percentile_of,
    shares,
    waited_ms,
)
from loadgen.report.html.run_shapes import key, of
from loadgen.report.numbers import figure, plain
from loadgen.report.words import METRICS

if TYPE_CHECKING:
    from loadgen.metrics.figures import Figures

CLOCK = "seconds since the run began"

LINES = ((99, 1), (90, 4), (50, 0))
"""Percentiles over time, and their colours."""


LEAST_WAIT_MS = 1.0
"""Waits that stay below this are not drawn: they are the client's own few system calls."""


def clock(ends_s: float) -> Axis:
    return Axis(CLOCK, 0.0, ends_s, unit="s")


def outside(facts: Facts, ends_s: float) -> list[Mark]:
    """The warm-up and the drain, which no figure counts."""
    if facts.window_s is None:
        return []
    low, high = facts.window_s
    spans = ((0.0, low, "warm-up"), (high, ends_s, "drain"))
    return [Zone(begin, end, name) for begin, end, name in spans if end - begin > 0.002 * ends_s]


def unnamed(zones: Sequence[Mark]) -> list[Mark]:
    """For the panels below the first."""
    return [replace(zone, name="") if isinstance(zone, Zone) else zone for zone in zones]


def latency_over_time(facts: Facts, figures: "Figures", ends_s: float, is_wide: bool) -> Figure | None:
    """Percentiles of each stretch of time, and below them how often each length occurred."""
    metric = "ttft" if facts.metric("ttft") else "e2e"
    course = course_of(figures, metric)
    drawn = over_time(course) if course is not None else None
    if drawn is None:
        return None
    words = METRICS[metric]
    title = f"{of(facts)}{words[0].upper()}{words[1:]} over the run{_drift(facts)}"
    limits = [limit for limit in facts.limits if limit.metric == metric]
    lines = [Line(listed(drawn.middles_s), listed(percentile_of(drawn, q)), f"p{q}", colour) for q, colour in LINES]
    drawn_lines = [line for line in lines if known(line.y)]
    rules = [
        Rule(limit.threshold_ms, f"limit: {limit.statistic or ''} {limit.op} {plain(limit.threshold_ms)} ms")
        for limit in limits
    ]
    values = [value for line in drawn_lines for value in line.y]
    y = log_or_zero("percentiles, ms", [*values, *(limit.threshold_ms for limit in limits)])
    zones = outside(facts, ends_s)
    panels = [Panel(y, [*zones, *drawn_lines, *rules], 200)] if values else []
    panels.append(Panel(*_heat(drawn, unnamed(zones) if values else zones, rules), 220))
    says = "By when requests were due. Below: the stronger the colour, the more of them took so long at that time."
    return Figure(key("latency-over-time", facts), title, says, clock(ends_s), panels, in_time=True, is_wide=is_wide)


def _drift(facts: Facts) -> str:
    """What the summary says of a trend, in a few words."""
    trend = ((facts.summary.get("steady_state") or {}).get("trends") or {}).get("latency") or {}
    if not trend.get("is_real") or trend.get("slope_pct_per_min") is None:
        return ""
    slope = float(trend["slope_pct_per_min"])
    return f": it {'rises' if slope > 0 else 'falls'} by {figure(abs(slope))} % a minute"


def _heat(course: Course2D, zones: list[Mark], rules: list[Rule]) -> tuple[Axis, list[Mark]]:
    rows = coarse_rows(course)
    top = [rule for rule in rules if rule.at <= rows.low_ms[-1] * 1.5]
    axis = log_axis("all requests, ms (log scale)", float(rows.low_ms[0]), float(rows.low_ms[-1]), "ms", room=1.08)
    heat = Heat(listed(rows.at_s), listed(rows.low_ms), shares(rows))
    return axis, [*zones, heat, *top]


def traffic_figure(
    facts: Facts, figures: "Figures | None", timeline: Timeline | None, ends_s: float, is_wide: bool
) -> Figure | None:
    """What was due, sent, answered and failed; tokens; requests in flight; how long requests waited to be sent."""
    if timeline is None or len(timeline.at_s) < 2:
        return None
    edges = np.append(timeline.at_s, timeline.ends_s)
    zones = outside(facts, ends_s)
    panels = [_arrivals(facts, figures, timeline, edges, zones)]
    zones = unnamed(zones)
    if timeline.failed_per_s.any():
        panels.append(_steps("failures/s", edges, timeline.failed_per_s, 1, zones))
    if timeline.tokens_per_s.any():
        panels.append(_steps("tokens/s", edges, timeline.tokens_per_s, 2, zones))
    panels.append(_in_flight(facts, edges, timeline, zones))
    waited = waited_ms(figures) if figures is not None else None
    if waited is not None and np.nanmax(waited[1], initial=0.0) > LEAST_WAIT_MS:
        at_s, wait = waited
        panels.append(_steps("mean wait to be sent, ms", at_s, wait, 4, zones))
    title = f"{of(facts)}{_traffic_title(facts)}"
    says = "Grey: warm-up and drain, which no figure counts." if zones else ""
    return Figure(key("traffic", facts), title, says, clock(ends_s), panels, in_time=True, is_wide=is_wide)


def _traffic_title(facts: Facts) -> str:
    rate = facts.summary.get("request_throughput_per_s")
    failed = f", {facts.n_failed:,} failed" if facts.n_failed else ", none failed"
    return f"{figure(rate)} answers per second{failed}"


def _arrivals(
    facts: Facts, figures: "Figures | None", timeline: Timeline, edges: "np.ndarray", zones: list[Mark]
) -> Panel:
    is_open = (facts.recipe.get("load") or {}).get("mode") == "open"
    due = due_per_s(figures, edges) if is_open and figures is not None else None
    lines = [
        _step(edges, timeline.ok_per_s, "answered well", 0, True),
        _step(edges, timeline.sent_per_s, "sent", 6, False, "dot"),
    ]
    if due is not None:
        lines.append(_step(edges, due, "due", 4, False, "dash"))
    y = from_zero("requests/s", [value for line in lines for value in line.y], "/s")
    return Panel(y, [*zones, *lines], 170)


def _in_flight(facts: Facts, edges: "np.ndarray", timeline: Timeline, zones: list[Mark]) -> Panel:
    most = facts.clients and facts.clients * facts.pipeline
    rules = (
        [
            Rule(
                float(most),
                f"{most:,} clients' requests" if facts.pipeline > 1 else f"{most:,} clients",
                is_limit=False,
            )
        ]
        if most
        else []
    )
    y = from_zero("requests in flight", [*timeline.in_flight.tolist(), float(most or 0)])
    return Panel(y, [*zones, _step(edges, timeline.in_flight, "", 3, True), *rules], 110)


def _steps(label: str, edges: "np.ndarray", values: "np.ndarray", colour: int, zones: list[Mark]) -> Panel:
    line = _step(edges, values, "", colour, True)
    return Panel(from_zero(label, line.y), [*zones, line], 110)


def _step(edges: "np.ndarray", values: "np.ndarray", name: str, colour: int, is_filled: bool, dash: str = "") -> Line:
    held = listed([*values, values[-1]])
    return Line(listed(edges), held, name, colour, dash, is_step=True, is_filled=is_filled)  # type: ignore[arg-type]
