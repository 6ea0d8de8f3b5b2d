"""The laws that a sweep's throughput follows: where it bends, and how it scales. What is null has its reason."""

from typing import Any

from loadgen.report.capacity import throughput_under_load
from loadgen.report.points import Line, Sweep
from loadgen.report.words import load_axis_of
from loadgen.statistics.fits import Knee, Usl, knee, usl

KNEE_METHOD = "two lines that meet, by least squares on throughput against load; 95 % interval by profile likelihood"


def knee_of(sweep: Sweep, line: Line) -> tuple[Knee | None, str]:
    """The knee of a line, or None and the reason; runs whose client was the limit are left out."""
    if not sweep.is_numeric:
        return None, "the points are kinds, not loads"
    return knee(*_measured(sweep, line))


def usl_of(sweep: Sweep, line: Line) -> tuple[Usl | None, str]:
    """The scalability law of a line, or None and the reason."""
    axis = load_axis_of(sweep.load_axis)
    if sweep.is_offered_rate:
        return None, "the load is a rate: the scalability law is of clients"
    if axis is None:
        return None, "what is varied is not a number of clients"
    return usl(*_measured(sweep, line))


def _measured(sweep: Sweep, line: Line) -> tuple[list[float], list[float]]:
    """Load and throughput of each run that counts; repeats are values of their own."""
    read = throughput_under_load(sweep)
    pairs = [
        (float(step.load), value)
        for step in line.steps
        for point in step.trusted
        if (value := read(point.facts)) is not None
    ]
    return [load for load, _ in pairs], [value for _, value in pairs]


def laws_json(sweep: Sweep, line: Line) -> dict[str, Any]:
    """report.json's knee and usl."""
    (bend, no_bend), (law, no_law) = knee_of(sweep, line), usl_of(sweep, line)
    shown: dict[str, Any] = {"knee": None if bend is None else _knee_json(sweep, bend)}
    if bend is None:
        shown["knee_reason"] = no_bend
    shown["usl"] = None if law is None else _usl_json(law)
    if law is None:
        shown["usl_reason"] = no_law
    return shown


def _knee_json(sweep: Sweep, bend: Knee) -> dict[str, Any]:
    return {
        "axes": {sweep.load_axis: bend.load},
        "method": KNEE_METHOD,
        "ci95": None if bend.ci95 is None else list(bend.ci95),
        "slope_before": bend.slope_before,
        "slope_after": bend.slope_after,
    }


def _usl_json(law: Usl) -> dict[str, Any]:
    return {"lambda": law.lambda_, "sigma": law.sigma, "kappa": law.kappa, "n_peak": law.n_peak, "r2": law.r2}
