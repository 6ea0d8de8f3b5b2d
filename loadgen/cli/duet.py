"""`loadgen compare --duet A.yaml B.yaml`: run both, slot by slot, and compare the pairs."""

import asyncio
import sys
from pathlib import Path

from loadgen.cli.compare import FOUND_REGRESSION, NOTHING_COMPARED, share_of, told
from loadgen.cli.ending import INTERRUPTED
from loadgen.cli.running import stopped_by_signals, view_for
from loadgen.compare.comparison import compare
from loadgen.compare.duet import Duet, run_duet, slot_recipes
from loadgen.errors import RecipeError


def run_and_compare(
    which: tuple[str, ...],
    a: tuple[str, ...],
    b: tuple[str, ...],
    overrides: dict[str, str],
    slots: int,
    slot_s: float,
    threshold: str,
    fail_on_regression: bool,
    as_json: bool,
    results: Path,
    reports: Path,
) -> int:
    """The exit code: 130 where it was stopped by hand; what there is is compared all the same."""
    if len(which) != 2 or a or b:
        raise RecipeError("compare --duet: needs two recipes, such as a.yaml b.yaml")
    share = share_of(threshold)
    first, second = (slot_recipes(path, overrides, slots, slot_s) for path in which)
    view = view_for(False)
    with stopped_by_signals(view):
        try:
            duet = asyncio.run(run_duet((first, second), results, Path(which[0]).parent, view))
        finally:
            view.close()
    code = _compared(duet, share, fail_on_regression, as_json, reports)
    if duet.error is not None and not duet.interrupted:
        print(duet.error, file=sys.stderr)
        return duet.error.exit_code
    return INTERRUPTED if duet.interrupted else code


def _compared(duet: Duet, share: float, fail_on_regression: bool, as_json: bool, reports: Path) -> int:
    if not duet.a:
        print("no pair of slots was run to its end: nothing to compare", file=sys.stderr)
        return NOTHING_COMPARED
    code = told(compare(duet.a, duet.b, share, paired=True), reports, fail_on_regression, as_json)
    return code if code in (0, FOUND_REGRESSION) else NOTHING_COMPARED
