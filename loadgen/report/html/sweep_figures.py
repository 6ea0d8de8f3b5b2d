"""A sweep's pictures: throughput and percentiles against load, and latency against throughput."""

from collections.abc import Mapping, Sequence
from typing import Any

from loadgen.report.capacity import at, token_throughput
from loadgen.report.facts import Facts
from loadgen.report.html.figures import N_COLOURS, Figure, Mark, Panel, Points, from_zero, known, log_or_zero, short
from loadgen.report.html.still import APART_PX, HEAD_PX
from loadgen.report.html.sweep_laws import law_words, laws_of
from loadgen.report.html.sweep_series import (
    Read,
    answers,
    around_load,
    highs,
    is_bound,
    load_axis,
    percentile_reader,
    rules_on,
    series,
    suffix,
    sure_of,
    tip_of,
    values_of,
)
from loadgen.report.intervals import Sure, in_words, sure_figure
from loadgen.report.points import Line, Step, Sweep
from loadgen.report.words import METRICS, axis_value, load_phrase

HEIGHT_PX = 340
"""Of each picture's panels together, so that two beside each other end at one height."""

PERCENTILES = (("p99", 1), ("p95", 4), ("p50", 0))
"""Drawn against load, and their colours."""

METRICS_DRAWN = ("ttft", "e2e", "itl")


def throughput_figure(sweep: Sweep, report: Mapping[str, Any], whose: str = "") -> Figure | None:
    """Answers, and tokens, against load; with one line also what there would be if load cost nothing, and the law."""
    reads: list[tuple[str, Read]] = [("answers/s", answers)]
    if any(token_throughput(point.facts) is not None for point in sweep.points):
        reads.append(("tokens/s", _tokens))
    height = (HEIGHT_PX - (HEAD_PX + APART_PX) * (len(reads) - 1)) // len(reads)
    made = [_throughput_panel(sweep, report, unit, read, height) for unit, read in reads]
    panels = [panel for panel in made if panel is not None]
    if not panels:
        return None
    says = f"Bands are 95 % intervals; hollow: the load generator set the pace.{law_words(report)}"
    title = f"{whose}{_throughput_title(sweep, report)}"
    return Figure(f"throughput{suffix(whose)}", title, says, load_axis(sweep), panels)


def _tokens(facts: Facts) -> Sure:
    return sure_figure(facts.summary, "output_throughput_per_s")


def _throughput_panel(sweep: Sweep, report: Mapping[str, Any], unit: str, read: Read, height_px: int) -> Panel | None:
    is_one = len(sweep.lines) == 1
    marks: list[Mark] = []
    for place, line in enumerate(sweep.lines):
        name = load_phrase(line.others) if line.others else "measured"
        marks += series(sweep, line, read, name, place % N_COLOURS, unit, labelled=is_one)
    values = values_of(marks)
    if not values:
        return None
    laws = laws_of(sweep, report, values) if sweep.is_numeric and is_one and read is answers else []
    y = from_zero(unit, [*values, *highs(marks, max(values))], unit, room=1.2)
    return Panel(y, [*around_load(sweep), *laws, *marks], height_px)


def _throughput_title(sweep: Sweep, report: Mapping[str, Any]) -> str:
    steps = [(line, step) for line in sweep.lines for step in line.steps]
    found = [(sure, line, step) for line, step in steps if (sure := sure_of(step, answers)) is not None]
    sure, line, step = max(found, key=lambda one: one[0].value or 0.0)
    others = f"{load_phrase(line.others)}, " if line.others else ""
    levels = ", and throughput has levelled off" if report.get("saturated") and len(sweep.lines) == 1 else ""
    return f"The most is {in_words(sure, 'answers/s')}, with {others}{at(sweep, step)}{levels}"


def latency_figures(sweep: Sweep, whose: str = "") -> list[Figure]:
    there = [metric for metric in METRICS_DRAWN if any(point.facts.metric(metric) for point in sweep.points)]
    made = [_latency_figure(sweep, metric, whose) for metric in there]
    return [figure for figure in made if figure is not None]


def _drawn(sweep: Sweep, percentiles: Sequence[tuple[str, int]]) -> list[tuple[Line, str, str, int]]:
    """(line, percentile, what it is called, colour): of one line several percentiles, of several lines the p99 each."""
    if len(sweep.lines) == 1:
        return [(sweep.lines[0], name, name, colour) for name, colour in percentiles]
    return [(line, "p99", load_phrase(line.others), place % N_COLOURS) for place, line in enumerate(sweep.lines)]


def _latency_figure(sweep: Sweep, metric: str, whose: str) -> Figure | None:
    marks: list[Mark] = []
    is_one = len(sweep.lines) == 1
    for line, name, words, colour in _drawn(sweep, PERCENTILES):
        labelled = is_one and name == "p99"
        marks += series(sweep, line, percentile_reader(metric, name), words, colour, "ms", labelled)
    values, rules = values_of(marks), rules_on(sweep, metric)
    if not values:
        return None
    y = log_or_zero("ms", [*values, *highs(marks, max(values)), *(rule.at for rule in rules)], room=1.5)
    title = f"{whose}{METRICS[metric].capitalize()} against load: {'p50, p95 and p99' if is_one else 'p99'}"
    says = "Bands are 95 % intervals; hollow: too few samples to rely on, or the load generator set the pace."
    panel = Panel(y, [*around_load(sweep), *rules, *marks], HEIGHT_PX)
    return Figure(f"{metric}{suffix(whose)}", title, says, load_axis(sweep), [panel])


def trade_figure(sweep: Sweep, whose: str = "") -> Figure | None:
    """Latency against throughput: what each further answer per second costs."""
    metric = "ttft" if any(point.facts.metric("ttft") for point in sweep.points) else "e2e"
    drawn = _drawn(sweep, (("p99", 1), ("p50", 0)))
    marks = [_trade_line(sweep, line, metric, name, words, colour) for line, name, words, colour in drawn]
    if max((len(known(mark.y)) for mark in marks), default=0) < 2:
        return None
    rules = rules_on(sweep, metric)
    y = log_or_zero("ms", [*values_of(marks), *(rule.at for rule in rules)], room=1.5)
    x = from_zero("answers per second", [value for mark in marks for value in known(mark.x)], "answers/s")
    title = f"{whose}{METRICS[metric].capitalize()} against throughput"
    says = "Each point is a load, which stands beside it; down and to the right is better."
    return Figure(f"trade{suffix(whose)}", title, says, x, [Panel(y, [*rules, *marks], HEIGHT_PX)])


def _trade_line(sweep: Sweep, line: Line, metric: str, name: str, words: str, colour: int) -> Points:
    read = percentile_reader(metric, name)
    both = [(step, sure_of(step, answers), sure_of(step, read)) for step in line.steps]
    found = [(step, rate, sure) for step, rate, sure in both if rate is not None and sure is not None]
    return Points(
        x=[short(rate.value) for _, rate, _ in found],
        y=[short(sure.value) for *_, sure in found],
        name=words,
        colour=colour,
        hollow=[is_bound(step) or not sure.is_certified for step, _, sure in found],
        labels=[_load(step) for step, *_ in found] if name == "p99" else (),
        tips=[f"{tip_of(sweep, line, step, sure, name, 'ms')}, {in_words(rate, '/s')}" for step, rate, sure in found],
        is_joined=sweep.is_numeric,
    )


def _load(step: Step) -> str:
    return str(axis_value(step.load))
