"""A run's pictures of lengths: percentile curves, gaps, gaps along the answer, and where an answer's time goes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loadgen.report.curves import Curve, Gaps
from loadgen.report.facts import Facts
from loadgen.report.html.figures import (
    Axis,
    Bars,
    Figure,
    Line,
    Mark,
    Panel,
    Points,
    Rule,
    from_zero,
    known,
    listed,
    log_axis,
    log_or_zero,
    short,
)
from loadgen.report.html.positions import Positions
from loadgen.report.intervals import in_words, sure_percentile
from loadgen.report.numbers import PERCENTILES, count, figure, plain
from loadgen.report.slos import Limit
from loadgen.report.words import plural

CURVES = {"ttft": ("first token", 0), "e2e": ("whole answer", 1)}

PLACES = {1: "0", 2: "50", 10: "90", 20: "95", 100: "99", 1000: "99.9"}
"""Of the percentile axis, by 1 / (1 - q)."""

MARKED = tuple((name, 1.0 / (1.0 - float(name[1:]) / 100.0)) for name in PERCENTILES)


def of(facts: Facts) -> str:
    """Which of several services; empty where there is one."""
    return f"{facts.service_name}: " if facts.service_name else ""


def key(kind: str, facts: Facts) -> str:
    return f"{kind}-{facts.service_name}" if facts.service_name else kind


def latency_figure(facts: Facts, latencies: Mapping[str, Curve]) -> Figure | None:
    """Percentile curves with the interval of each percentile of the tables."""
    if not latencies:
        return None
    limits = [limit for limit in facts.limits if limit.metric in latencies and limit.percentile]
    marks: list[Mark] = []
    for metric, curve in latencies.items():
        marks += _curve(facts, metric, curve)
    marks += [_limit_mark(limit, len(latencies) > 1) for limit in limits]
    furthest = max(float(curve.at[-1]) for curve in latencies.values())
    drawn = [value for curve in latencies.values() for value in curve.value_ms.tolist()]
    drawn += _reach_of_whiskers(marks, max(drawn))
    y = log_or_zero("ms", [*drawn, *(limit.threshold_ms for limit in limits)], room=1.5)
    ticks = tuple((float(at), words) for at, words in PLACES.items() if at <= furthest * 1.001)
    x = Axis("percentile", 1.0, max(furthest, 2.0) * 1.15, is_log=True, ticks=ticks)
    says = f"Of {plural(max(curve.n for curve in latencies.values()), 'request')}; bars are 95 % intervals"
    says += "; hollow: too few samples to rely on." if any(_is_thin(facts, metric) for metric in latencies) else "."
    return Figure(
        key("latency", facts), f"{of(facts)}{_latency_title(facts, latencies)}", says, x, [Panel(y, marks, 300)]
    )


def _reach_of_whiskers(marks: Sequence[Mark], most_ms: float) -> list[float]:
    """So far up the axis goes for the sake of intervals: not for what is open to almost anything."""
    highs = [high for mark in marks if isinstance(mark, Points) for high in known(mark.high)]
    return [min(max(highs), 1.5 * most_ms)] if highs else []


def _is_thin(facts: Facts, metric: str) -> bool:
    return any(not sure_percentile(facts.metric(metric), name).is_certified for name in PERCENTILES)


def _latency_title(facts: Facts, latencies: Mapping[str, Curve]) -> str:
    """p99: first token 412 ± 18 ms, whole answer 1,230 ± 40 ms: of the furthest percentile that all can speak of."""
    sound = [
        name
        for name in ("p99", "p95", "p90")
        if all(sure_percentile(facts.metric(one), name).is_certified for one in latencies)
    ]
    name = sound[0] if sound else "p50"
    each = [f"{CURVES[one][0]} {in_words(sure_percentile(facts.metric(one), name))}" for one in latencies]
    return f"{name}: {', '.join(each)}"


def _curve(facts: Facts, metric: str, curve: Curve) -> list[Mark]:
    words, colour = CURVES[metric]
    solid = curve.at <= curve.supported_to
    tail = ~solid
    tail[max(int(solid.sum()) - 1, 0)] = True  # the dashed part begins where the solid one ends
    lines: list[Mark] = [Line(listed(curve.at[solid]), listed(curve.value_ms[solid]), words, colour)]
    if tail.sum() > 1:
        lines.append(Line(listed(curve.at[tail]), listed(curve.value_ms[tail]), "", colour, "dash"))
    marked = [
        (name, at, sure_percentile(facts.metric(metric), name)) for name, at in MARKED if at <= curve.at[-1] * 1.001
    ]
    points = Points(
        x=[short(at) for _, at, _ in marked],
        y=[short(sure.value) for *_, sure in marked],
        low=[short(sure.ci95[0]) if sure.ci95 else None for *_, sure in marked],
        high=[short(sure.ci95[1]) if sure.ci95 else None for *_, sure in marked],
        hollow=[not sure.is_certified for *_, sure in marked],
        tips=[f"{name} {words}: {in_words(sure)}" for name, _, sure in marked],
        colour=colour,
    )
    return [*lines, points]


def _limit_mark(limit: Limit, is_named: bool) -> Rule:
    at = 1.0 / (1.0 - limit.quantile)
    about = f" {CURVES[limit.metric][0]}" if is_named else ""
    return Rule(
        limit.threshold_ms,
        f"{limit.percentile}{about} {limit.op} {plain(limit.threshold_ms)}",
        low=at / 1.5,
        high=at * 1.5,
    )


def gaps_figure(facts: Facts, gaps: Gaps | None) -> Figure | None:
    if gaps is None:
        return None
    share = 100.0 * gaps.n / gaps.n_all
    low, high = listed(gaps.edges_ms[:-1]), listed(gaps.edges_ms[1:])
    reach = float(gaps.edges_ms[-1])
    marks: list[Mark] = [Bars(low, high, listed(share), "", 0)]
    marks += [
        Rule(gaps.p50_ms, f"p50 {figure(gaps.p50_ms)}", is_upright=True, is_limit=False, side="left"),
        Rule(gaps.p99_ms, f"p99 {figure(gaps.p99_ms)}", is_upright=True, is_limit=False, side="right"),
    ]
    for limit in facts.limits:
        if limit.metric == "itl" and limit.threshold_ms <= 2 * reach:
            reach = max(reach, limit.threshold_ms * 1.1)
            marks.append(
                Rule(
                    limit.threshold_ms,
                    f"limit: {limit.statistic} {limit.op} {plain(limit.threshold_ms)}",
                    is_upright=True,
                )
            )
    beyond = f"; {count(gaps.n_beyond)} longer, up to {figure(gaps.max_ms)} ms, are not shown" if gaps.n_beyond else ""
    half, most = f"{figure(gaps.p50_ms)} ms", f"{figure(gaps.p99_ms)} ms"
    title = f"Half of the gaps between tokens are at most {half}, 99 of 100 at most {most}"
    x = Axis("gap between two tokens, ms", 0.0, reach, unit="ms")
    y = from_zero("share of all gaps, %", share.tolist(), "%")
    return Figure(
        key("gaps", facts), f"{of(facts)}{title}", f"{count(gaps.n_all)} gaps{beyond}.", x, [Panel(y, marks, 300)]
    )


def positions_figure(facts: Facts, positions: Positions | None) -> Figure | None:
    """Whether a token takes longer the further on in the answer it is."""
    if positions is None:
        return None
    at = listed(positions.at)
    lines = [(positions.p99_ms, "p99", 1), (positions.p90_ms, "p90", 4), (positions.p50_ms, "p50", 0)]
    marks = [Line(at, listed(values), name, colour) for values, name, colour in lines]
    y = log_or_zero("gap, ms", [value for line in marks for value in line.y])
    x = log_axis(
        "position in the answer (log scale)",
        float(positions.at[0]),
        float(positions.at[-1]),
        room=1.02,
    )
    of_all = "" if positions.is_whole else f", of the first {count(positions.n_gaps)}"
    says = f"Gaps between tokens by how far the answer had come{of_all}; 1 is the one before the second token."
    return Figure(key("positions", facts), f"{of(facts)}{_along(positions)}", says, x, [Panel(y, marks, 300)])


def _along(positions: Positions) -> str:
    """The middle of the first and of the last fifth."""
    fifth = max(len(positions.at) // 5, 1)
    first, last = (float(np.median(values)) for values in (positions.p50_ms[:fifth], positions.p50_ms[-fifth:]))
    if max(first, last) < 1.2 * min(first, last):
        return f"Gaps stay the same along the answer, about {figure((first + last) / 2)} ms"
    verb = "grow" if last > first else "shrink"
    return f"Gaps {verb} along the answer, from {figure(first)} to {figure(last)} ms (p50)"


def shares_of_answer(facts: Facts) -> list[tuple[str, float, int]]:
    """What an answer's time goes into on average, ms and a colour each; empty where it is one thing only."""
    means: dict[str, Any] = {
        name: (facts.metric(name) or {}).get("mean") for name in ("ttft", "service_ttft", "e2e", "service_e2e")
    }
    if None in (means["e2e"], means["service_e2e"]):
        return []
    parts = [("waiting to be sent", means["e2e"] - means["service_e2e"], 4)]
    if means["service_ttft"] is None:
        parts.append(("the service answering", means["service_e2e"], 0))
    else:
        parts += [
            ("until the first token", means["service_ttft"], 0),
            ("the tokens after it", means["service_e2e"] - means["service_ttft"], 2),
        ]
    shown = [(name, max(float(value), 0.0), colour) for name, value, colour in parts]
    return shown if sum(value > 0.005 * means["e2e"] for _, value, _ in shown) > 1 else []
