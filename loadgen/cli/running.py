"""`loadgen RECIPE`: run it, show it, and say at the end what it came to."""

import asyncio
import json
import os
import signal
import sys
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import Any

import orjson

from loadgen.cli.ending import INTERRUPTED
from loadgen.cli.view import Lines, View
from loadgen.report.bars import bar_lines, is_plain_terminal
from loadgen.report.slos import UNDECIDED
from loadgen.report.text import run_lines, sweep_lines
from loadgen.report.verdict import NO_SLO
from loadgen.report.words import load_phrase
from loadgen.sweep import Result, arun

Start = Callable[[View], Coroutine[Any, Any, Result]]


def run_recipe(
    recipe: str,
    overrides: dict[str, str],
    name: str | None,
    results: Path,
    reports: Path,
    quiet: bool,
    as_json: bool,
    yes: bool,
) -> int:
    """The exit code. yes: nothing is asked so far."""
    overrides = with_name(overrides, name)
    result = watched(
        lambda view: arun(recipe, overrides=overrides, results=results, reports=reports, watch=view), view_for(quiet)
    )
    say_result(result, as_json, quiet)
    return result.exit_code


def with_name(overrides: dict[str, str], name: str | None) -> dict[str, str]:
    return overrides if name is None else {**overrides, "name": json.dumps(name, ensure_ascii=False)}


def view_for(quiet: bool) -> View:
    """What stderr can show."""
    if quiet:
        return View(quiet=True)
    if sys.stderr.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        from loadgen.cli.screen import Screen

        return Screen()
    return Lines()


def watched(start: Start, view: View) -> Result:
    """Carry a run through, with Ctrl-C understood and the view closed whatever happens."""
    with stopped_by_signals(view):
        try:
            return asyncio.run(start(view))
        finally:
            view.close()


@contextmanager
def stopped_by_signals(view: View) -> Iterator[None]:
    """The first Ctrl-C ends the run in order, the second this process at once."""

    def stop(_number: int, _frame: FrameType | None) -> None:
        if view.stop_asked:
            from loadgen.cli.screen import restore_terminal

            restore_terminal()
            os._exit(INTERRUPTED)
        view.stop()
        view.stopping()

    before = {number: signal.signal(number, stop) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def say_result(result: Result, as_json: bool, quiet: bool) -> None:
    """Figures unless quiet, then the verdict and where the report is; with as_json the summary alone on stdout."""
    if result.error is not None:
        print(result.error, file=sys.stderr)
    lines = list(_last_lines(result, quiet))
    print("\n".join(lines), file=sys.stderr if as_json else sys.stdout, flush=True)
    if as_json:
        print(orjson.dumps(summary_of(result), option=orjson.OPT_INDENT_2).decode())


def summary_of(result: Result) -> dict[str, Any]:
    """summary.json of a run, report.json of a sweep."""
    if result.report is not None and is_sweep(result):
        return _sweep_report(result.report)
    if not result.bundles:
        return {"status": "interrupted"}
    return result.bundle.summary or {"benchmark_id": result.bundle.id, "status": result.bundle.status}


def is_sweep(result: Result) -> bool:
    return result.recipe.sweep is not None or result.recipe.search is not None or len(result.bundles) > 1


def _last_lines(result: Result, quiet: bool) -> Iterator[str]:
    if not result.bundles:
        yield "INTERRUPTED: nothing was measured."
        return
    if is_sweep(result) and result.report:
        yield from _sweep_lines(result, _sweep_report(result.report), quiet)
    else:
        yield from run_lines(result.bundle)[-1 if quiet else 0 :]
    if result.report is not None:
        yield f"Report: {result.report / 'report.html'}"
        yield f"Pictures: {result.report / 'plots'}{os.sep}"


def _sweep_lines(result: Result, report: dict[str, Any], quiet: bool) -> Iterator[str]:
    """The points, and: PASS: 16 clients is the highest load that holds … . What a person can do with it."""
    if not quiet:
        yield from sweep_lines(report)
        bars = bar_lines(report, is_plain_terminal(sys.stdout.encoding))
        yield from ("", *bars, "") if bars else ()
    yield f"{_word(result, report)}: {report['recommendation']}"
    if report["slo_limit"] and not report.get("search"):
        limit = report["slo_limit"]
        yield f"Highest load that holds all limits: {load_phrase(limit['axes'])} ({limit['benchmark_id']})"


def _word(result: Result, report: dict[str, Any]) -> str:
    if result.interrupted:
        return "INTERRUPTED"
    if not result.recipe.slo:
        return NO_SLO
    if search := report.get("search"):
        return "PASS" if search["found"] is not None else "FAIL" if search["high_is_certain"] else UNDECIDED
    if report["slo_limit"]:
        return "PASS"
    return "FAIL" if all(point["holds"] is False for point in report["points"]) else UNDECIDED


def _sweep_report(folder: Path) -> dict[str, Any]:
    report: dict[str, Any] = orjson.loads((folder / "report.json").read_bytes())
    return report
