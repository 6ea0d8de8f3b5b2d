"""A sweep's report: report.md, report.json and plots/*.png in reports/sweep_<first>_<last>/."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.report.capacity import (
    best_ceiling,
    ceiling_json,
    ceiling_of,
    has_limits,
    recommendation,
    saturation,
)
from loadgen.report.facts import facts_of
from loadgen.report.points import Line, Point, Sweep, sweep_of
from loadgen.report.run_report import SCHEMA_VERSION, write_json
from loadgen.report.sweep_page import KNEE_REASON, USL_REASON, sweep_page
from loadgen.report.sweep_plots import draw_sweep
from loadgen.report.words import shortened

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle


def write_sweep_report(bundles: "Iterable[Bundle]", reports: Path) -> Path:
    """Make `reports`/sweep_<first>_<last>/ from the bundles of a sweep, whatever their status. Returns that folder.

    Raises ValueError without bundles.
    """
    sweep = sweep_of([facts_of(bundle) for bundle in bundles])
    folder = reports / f"sweep_{sweep.first.benchmark_id}_{sweep.last.benchmark_id}"
    folder.mkdir(parents=True, exist_ok=True)
    plots = [path.name for path in draw_sweep(sweep, _context(sweep), folder / "plots")]
    report = sweep_json(sweep, plots)
    (folder / "report.md").write_text(sweep_page(sweep, report["recommendation"], plots), "utf-8")
    write_json(folder / "report.json", report)
    return folder


def sweep_json(sweep: Sweep, plots: list[str]) -> dict[str, Any]:
    """report.json of a sweep, with the keys that docs/recipes.md names. What is null has its reason beside it."""
    saturated, why = saturation(sweep, _busiest(sweep))
    limit = ceiling_json(best_ceiling(sweep))
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "first_id": sweep.first.benchmark_id,
        "last_id": sweep.last.benchmark_id,
        "n_points": sweep.n_planned or len(sweep.points),
        "axes": list(sweep.axes),
        "load_axis": sweep.load_axis,
        "points": [point_json(point) for point in sweep.points],
        "slo_limit": limit,
    }
    if limit is None:
        report["slo_limit_reason"] = _no_limit_reason(sweep)
    if len(sweep.lines) > 1:
        report["slo_limits"] = [
            {"others": dict(line.others), "slo_limit": ceiling_json(ceiling_of(line))} for line in sweep.lines
        ]
    return {
        **report,
        "knee": None,
        "knee_reason": KNEE_REASON,
        "usl": None,
        "usl_reason": USL_REASON,
        "saturated": saturated,
        "saturated_why": why,
        "recommendation": recommendation(sweep),
        "plots": [f"plots/{name}" for name in plots],
    }


def point_json(point: Point) -> dict[str, Any]:
    facts = point.facts
    return {
        "benchmark_id": facts.benchmark_id,
        "status": facts.status,
        "axes": dict(point.axes),
        "summary": _without_operations(facts.summary),
        "slo": [
            {
                "expression": limit.expression,
                "value": limit.value,
                "ci95": None,
                "verdict": limit.verdict,
                **({"service": limit.service} if limit.service else {}),
            }
            for limit in facts.limits
        ],
        "holds": point.holds,
        "state": point.state or "measured",
        "client": facts.summary.get("client"),
    }


def _without_operations(summary: Mapping[str, Any]) -> dict[str, Any]:
    shown = {name: value for name, value in summary.items() if name != "by_operation"}
    if "services" in shown:
        shown["services"] = {name: _without_operations(service) for name, service in shown["services"].items()}
    return shown


def _context(sweep: Sweep) -> str:
    return shortened(sweep.first.service if sweep.is_numeric and not sweep.services else sweep.first.name)


def _busiest(sweep: Sweep) -> Line:
    """Of a grid, the line that held the highest load, else the first."""
    best = best_ceiling(sweep)
    return best.line if best is not None else sweep.lines[0]


def _no_limit_reason(sweep: Sweep) -> str:
    if not has_limits(sweep):
        return "the recipe sets no limits (slo)"
    if not sweep.is_numeric:
        return "the points are kinds, not loads"
    step = sweep.lines[0].steps[0]
    return (
        "the lowest load breaks the limits"
        if step.holds is False
        else f"the lowest load was not measured ({step.state})"
    )
