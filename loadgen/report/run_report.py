"""A run's report: report.md, report.json and plots/*.png in one folder."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from loadgen.report.curves import Curves, curves_of
from loadgen.report.facts import Facts, facts_and_tally
from loadgen.report.run_page import PICTURES, run_page
from loadgen.report.run_plots import draw_run
from loadgen.report.verdict import Verdict, verdict_of
from loadgen.report.words import without_secrets

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle
    from loadgen.metrics.tally import Tally

SCHEMA_VERSION = 1
"""Of every report.json."""

IDENTITY = (
    *("created_at", "ended_at", "status", "git_commit", "git_dirty", "recipe_hash", "rerun_of", "sweep", "target"),
    *("service", "clients", "environment", "plan", "notes"),
)


def write_report(bundle: "Bundle", reports: Path, tally: "Tally | None" = None) -> Path:
    """Make `reports`/<benchmark id>/ from a bundle, whatever its status. Returns that folder.

    tally: the run's own, already filled, to save reading its requests again.
    """
    facts, tally = facts_and_tally(bundle, tally)
    folder = reports / facts.benchmark_id
    folder.mkdir(parents=True, exist_ok=True)
    curves = curves_of(tally, facts.window_s)
    plots = [path.name for path in draw_run(curves, facts, folder / "plots")]
    verdict = verdict_of(facts)
    (folder / "report.md").write_text(run_page(facts, verdict, plots, _missing(facts, curves, plots)), "utf-8")
    write_json(folder / "report.json", run_json(facts, verdict, plots))
    return folder


def run_json(facts: Facts, verdict: Verdict, plots: list[str]) -> dict[str, Any]:
    """report.json of a run. `run` is its identity: run.json without the recipe's body and the list of files."""
    run = {name: facts.run[name] for name in IDENTITY if name in facts.run}
    run["name"], run["load"] = facts.name, facts.load
    if isinstance(run.get("service"), Mapping) and run["service"].get("url"):
        run["service"] = {**run["service"], "url": without_secrets(run["service"]["url"])}
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
                "threshold": limit.threshold,
                "verdict": limit.verdict,
            }
            for limit in facts.limits
        ],
        "verdict": {"value": verdict.value, "sentence": verdict.sentence},
        "plots": [f"plots/{name}" for name in plots],
    }


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Indented, and never a NaN: what is not a number is null."""
    path.write_bytes(
        orjson.dumps(content, option=orjson.OPT_INDENT_2 | orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_APPEND_NEWLINE)
    )


def _missing(facts: Facts, curves: Curves, plots: list[str]) -> dict[str, str]:
    """Why a picture that a reader may look for is not there."""
    reasons = {
        "latency.png": "no request succeeded",
        "itl.png": "no answer had two tokens or more" if facts.has_tokens else "the answers are not streams of tokens",
        "over_time.png": "nothing was sent" if curves.timeline is None else "the run was too short",
        "in_flight.png": "nothing was sent" if curves.timeline is None else "the run was too short",
    }
    return {name: reasons[name] for name in PICTURES if name not in plots}
