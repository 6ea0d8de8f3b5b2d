"""A run's report: report.html, report.md, report.json and plots/*.png in one folder."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from loadgen.report.curves import Curves, curves_of
from loadgen.report.facts import Facts, facts_and_tallies
from loadgen.report.html.run_html import write_run_html
from loadgen.report.run_page import PICTURES, kind_of, run_page
from loadgen.report.run_plots import draw_run
from loadgen.report.verdict import Verdict, verdict_of
from loadgen.report.words import without_secrets

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle
    from loadgen.metrics.tallies import Tallies

SCHEMA_VERSION = 1
"""Of every report.json."""

IDENTITY = (
    *("created_at", "ended_at", "status", "git_commit", "git_dirty", "recipe_hash", "rerun_of", "sweep", "target"),
    *("service", "clients", "environment", "plan", "notes"),
)


def write_report(bundle: "Bundle", reports: Path, tallies: "Tallies | None" = None) -> Path:
    """Make `reports`/<benchmark id>/ from a bundle, whatever its status. Returns that folder.

    tallies: the run's own, already filled, to save reading its requests again.
    """
    facts, tallies = facts_and_tallies(bundle, tallies)
    folder = reports / facts.benchmark_id
    folder.mkdir(parents=True, exist_ok=True)
    curves = [_curves_of(part, tallies) for part in facts.parts]
    plots = [path.name for path in draw_run(facts, curves, folder / "plots")]
    verdict = verdict_of(facts)
    page = run_page(facts, verdict, plots, _missing(facts, curves, plots))
    (folder / "report.md").write_text(page, "utf-8")
    write_json(folder / "report.json", run_json(facts, verdict, plots))
    write_run_html(folder, bundle, facts, tallies, curves, verdict, page)
    return folder


def _curves_of(facts: Facts, tallies: "Tallies") -> Curves:
    tally = tallies.by_service.get(facts.service_name)
    return Curves() if tally is None else curves_of(tally, facts.window_s)


def run_json(facts: Facts, verdict: Verdict, plots: list[str]) -> dict[str, Any]:
    """report.json of a run. `run` is its identity: run.json without the recipe's body and the list of files."""
    run = {name: facts.run[name] for name in IDENTITY if name in facts.run}
    run["name"], run["load"] = facts.name, facts.load
    if isinstance(run.get("service"), Mapping):
        run["service"] = _public(run["service"])
    return {
        "schema_version": SCHEMA_VERSION,
        "benchmark_id": facts.benchmark_id,
        "run": run,
        "summary": facts.summary,
        "recounted": facts.recounted,
        "problems": list(facts.problems),
        "slo": [
            {
                "expression": limit.expression,
                "value": limit.value,
                "ci95": limit.ci95,
                "threshold": limit.threshold,
                "verdict": limit.verdict,
                "n": limit.n,
                "needs_n": limit.needs_n,
                **({"service": limit.service} if limit.service else {}),
            }
            for limit in facts.limits
        ],
        "verdict": {"value": verdict.value, "sentence": verdict.sentence},
        "plots": [f"plots/{name}" for name in plots],
    }


def _public(service: Mapping[str, Any]) -> dict[str, Any]:
    """Of several services, each of them."""
    shown = {**service}
    if shown.get("url"):
        shown["url"] = without_secrets(shown["url"])
    if isinstance(shown.get("services"), Mapping):
        shown["services"] = {name: _public(part) for name, part in shown["services"].items()}
    return shown


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Indented, and never a NaN: what is not a number is null."""
    path.write_bytes(
        orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
    )


def _missing(facts: Facts, curves: Sequence[Curves], plots: list[str]) -> dict[str, str]:
    """Why a picture that a reader may look for is not there."""
    in_time = "nothing was sent" if all(one.timeline is None for one in curves) else "the run was too short"
    reasons = {"latency": "no request succeeded", "over_time": in_time, "in_flight": in_time}
    if any(part.has_tokens for part in facts.parts):
        reasons["itl"] = "no answer had two tokens or more"
    drawn = {kind_of(name) for name in plots}
    return {kind: reasons[kind] for kind in PICTURES if kind in reasons and kind not in drawn}
