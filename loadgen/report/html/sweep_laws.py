"""What a sweep's throughput is held against: growth without loss, the universal scalability law, and the knee."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from loadgen.report.html.figures import Line as Drawn
from loadgen.report.html.figures import Mark, Rule, listed
from loadgen.report.html.sweep_series import answers, sure_of
from loadgen.report.numbers import figure, is_known, plain
from loadgen.report.points import Sweep


def laws_of(sweep: Sweep, report: Mapping[str, Any], values: Sequence[float]) -> list[Mark]:
    line = sweep.lines[0]
    loads = [float(step.load) for step in line.steps]
    if loads[0] <= 0 or len(values) < 2:
        return []
    first = next(step for step in line.steps if sure_of(step, answers) is not None)
    each = 1.0 if sweep.is_offered_rate else values[0] / float(first.load)
    name = "all that is offered" if sweep.is_offered_rate else "if throughput grew with the load"
    ideal = [(load, load * each) for load in np.geomspace(loads[0], loads[-1], 40) if load * each <= 1.25 * max(values)]
    marks: list[Mark] = [Drawn(listed([x for x, _ in ideal]), listed([y for _, y in ideal]), name, 6, "dot")]
    usl = report.get("usl")
    if isinstance(usl, Mapping) and all(is_known(usl.get(key)) for key in ("lambda", "sigma", "kappa")):
        x = np.geomspace(loads[0], loads[-1], 60)
        y = usl["lambda"] * x / (1 + usl["sigma"] * (x - 1) + usl["kappa"] * x * (x - 1))
        marks.append(Drawn(listed(x), listed(y), "scalability law", 3, "dash"))
    return [*marks, *_knee(sweep, report)]


def _knee(sweep: Sweep, report: Mapping[str, Any]) -> list[Mark]:
    knee = report.get("knee")
    place = (knee.get("axes") or {}).get(sweep.load_axis) if isinstance(knee, Mapping) else None
    if not is_known(place):
        return []
    return [Rule(float(place), f"knee {plain(place)}", is_upright=True, is_limit=False, is_low=True)]


def law_words(report: Mapping[str, Any]) -> str:
    usl = report.get("usl")
    if not isinstance(usl, Mapping) or not is_known(usl.get("sigma")):
        return ""
    peak = f", most at {plain(usl['n_peak'])}" if is_known(usl.get("n_peak")) else ""
    contention, coherency = figure(100 * usl["sigma"]), figure(usl.get("kappa"))
    fit = f"The universal scalability law fits with R² {figure(usl.get('r2'))}"
    return f" {fit}: contention {contention} %, coherency {coherency}{peak}."
