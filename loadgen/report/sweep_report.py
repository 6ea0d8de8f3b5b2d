"""A sweep's report: report.html, report.md, report.json and plots/*.png in reports/sweep_<first>_<last>/."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from loadgen.report.capacity import (
    best_ceiling,
    ceiling_json,
    ceiling_of,
    has_limits,
    open_text,
    recommendation,
    saturation,
)
from loadgen.report.facts import facts_of
from loadgen.report.html.sweep_html import write_sweep_html
from loadgen.report.laws import laws_json
from loadgen.report.points import Line, Point, Sweep, sweep_of
from loadgen.report.repeats import steps_json
from loadgen.report.run_report import SCHEMA_VERSION, write_json
from loadgen.report.searched import search_json
from loadgen.report.sweep_page import sweep_page
from loadgen.report.sweep_plots import draw_sweep
from loadgen.report.words import shortened

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle


def write_sweep_report(bundles: "Iterable[Bundle]", reports: Path) -> Path:
    """Make `reports`/sweep_<first>_<last>/ from the bundles of a sweep, whatever their status. Returns that folder.

    Raises ValueError without bundles.
    """
    bundles = list(bundles)
    sweep = sweep_of([facts_of(bundle) for bundle in bundles])
    folder = reports / f"sweep_{sweep.first.benchmark_id}_{sweep.last.benchmark_id}"
    folder.mkdir(parents=True, exist_ok=True)
    plots = [path.name for path in draw_sweep(sweep, _context(sweep), folder / "plots")]
    report = sweep_json(sweep, plots)
    page = sweep_page(sweep, report["recommendation"], plots)
    (folder / "report.md").write_text(page, "utf-8")
    write_json(folder / "report.json", report)
    write_sweep_html(folder, sweep, report, bundles, page)
    return folder


def sweep_json(sweep: Sweep, plots: list[str]) -> dict[str, Any]:
    """report.json of a sweep, with the keys that docs/recipes.md names. What is null has its reason beside it."""
    saturated, why = saturation(sweep, _busiest(sweep))
    limit, search = ceiling_json(best_ceiling(sweep)), search_json(sweep)
    report: dict[str, Any] = {
        "schema_version": SCHEMA_VERSION,
        "first_id": sweep.first.benchmark_id,
        "last_id": sweep.last.benchmark_id,
        "n_points": sweep.n_planned or len(sweep.points),
        "axes": list(sweep.axes),
        "load_axis": sweep.load_axis,
        "points": [point_json(point) for point in sweep.points],
        "steps": steps_json(sweep),
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
        **laws_json(sweep, _busiest(sweep)),
        "saturated": saturated,
        "saturated_why": why,
        **({"search": search} if search else {}),
        "recommendation": search["says"] if search else recommendation(sweep),
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
                "ci95": None if limit.ci95 is None else list(limit.ci95),
                "verdict": limit.verdict,
                **({"service": limit.service} if limit.service else {}),
            }
            for limit in facts.limits
        ],
        "holds": point.holds,
        "state": point.state or "measured",
        "n_more": point.n_more,
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
    if step.holds is False:
        return "the lowest load breaks the limits"
    return f"the lowest load: {open_text(sweep, step)}"
