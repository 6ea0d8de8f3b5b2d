"""Finished runs: finding them by what a person types, and `loadgen report` and `loadgen verify`."""

import re
import sys
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import orjson

from loadgen.bundle import Bundle, open_bundle, verify
from loadgen.bundle.damage import blamed_on
from loadgen.errors import RecipeError
from loadgen.report import write_report, write_sweep_report
from loadgen.report.facts import facts_of
from loadgen.report.verdict import verdict_of

FOUND_PROBLEMS = 1

_SWEEP_FOLDER = re.compile(r"sweep_BM-\d{8}-\d{3,}_BM-\d{8}-\d{3,}")


def bundles_of(which: Iterable[str], results: Path, reports: Path) -> list[Bundle]:
    """Each ID is a benchmark id, a bundle's folder, `latest`, or a sweep's folder, which stands for all its runs.

    Raises RecipeError for what is none of these.
    """
    found: dict[str, Bundle] = {}
    for name in which:
        for one in sweep_ids(name, reports) or [name]:
            bundle = open_bundle(one, results)
            found.setdefault(bundle.id, bundle)
    return list(found.values())


def sweep_ids(name: str, reports: Path) -> list[str]:
    """The runs of a sweep, named by its folder in reports; none where it is no sweep's."""
    if not _SWEEP_FOLDER.fullmatch(Path(name).name):
        return []
    folder = next((place for place in (Path(name), reports / name) if place.is_dir()), None)
    if folder is None:
        raise RecipeError(f"{name}: no such folder, nor in {reports}")
    try:
        report = orjson.loads((folder / "report.json").read_bytes())
        return [point["benchmark_id"] for point in report["points"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RecipeError(f"{folder / 'report.json'}: does not tell a sweep's runs: {error}") from None


def report_bundles(which: tuple[str, ...], results: Path, reports: Path) -> int:
    """Make each run's report again, and of several a sweep's."""
    bundles = bundles_of(which, results, reports)
    with ExitStack() as blame:
        for bundle in bundles:
            blame.enter_context(blamed_on(bundle))
        folders = [write_report(bundle, reports) for bundle in bundles]
        for bundle in bundles:
            _say_what_is_wrong(bundle)
        if len(bundles) == 1:
            print(verdict_of(facts_of(bundles[0])).line)
        folder = folders[0] if len(bundles) == 1 else write_sweep_report(bundles, reports)
    print(f"Report: {folder / 'report.html'}")
    return 0


def _say_what_is_wrong(bundle: Bundle) -> None:
    """A killed run is worth a report, and a word about what it lacks."""
    if bundle.status == "running":
        print(
            f"note: {bundle.id}: its run was killed, or is still going on: the report is of what there is",
            file=sys.stderr,
        )
    for problem in bundle.problems:
        print(f"note: {bundle.id}: {problem}", file=sys.stderr)


def verify_bundles(which: tuple[str, ...], results: Path, reports: Path) -> int:
    """0 where all is right, else 1 with a line for each problem."""
    bundles = bundles_of(which, results, reports)
    code = 0
    for bundle in bundles:
        problems = verify(bundle)
        for problem in problems:
            print(f"{bundle.id}: {problem}")
        if problems:
            code = FOUND_PROBLEMS
        else:
            print(f"{bundle.id}: right, {bundle.status}")
    return code
