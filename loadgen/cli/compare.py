"""`loadgen compare A B`: two runs, sweeps or sets of repeats side by side; `--duet`: two recipes run side by side."""

import os
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import orjson

from loadgen.cli.kept import bundles_of
from loadgen.compare.comparison import Comparison, compare
from loadgen.compare.figures import Word
from loadgen.compare.files import comparison_json, write_comparison
from loadgen.compare.words import lines_above, sentence, table_lines
from loadgen.errors import RecipeError

FOUND_REGRESSION, NOTHING_COMPARED = 1, 2

_PERCENT = re.compile(r"(\d+(?:\.\d+)?)\s*%?")
_COLOURS: dict[Word | None, str] = {
    Word.WORSE: "bold red",
    Word.BETTER: "bold green",
    Word.SMALL: "yellow",
    Word.UNTESTED: "dim",
}


def compare_runs(
    which: tuple[str, ...],
    a: tuple[str, ...],
    b: tuple[str, ...],
    threshold: str,
    fail_on_regression: bool,
    as_json: bool,
    results: Path,
    reports: Path,
) -> int:
    """The exit code: 1 only with fail_on_regression, 2 where nothing could be compared."""
    share = share_of(threshold)
    first, second = (bundles_of(side, results, reports) for side in _sides(which, a, b))
    return told(compare(first, second, share), reports, fail_on_regression, as_json)


def told(comparison: Comparison, reports: Path, fail_on_regression: bool = False, as_json: bool = False) -> int:
    """Show a comparison and write its files. The last line is the sentence, wherever it goes."""
    folder = write_comparison(comparison, reports)
    show(comparison, sys.stderr if as_json else sys.stdout, folder)
    if as_json:
        print(orjson.dumps(comparison_json(comparison), option=orjson.OPT_INDENT_2).decode())
    if not any(one.p_value is not None for _, one in comparison.told):
        return NOTHING_COMPARED
    return FOUND_REGRESSION if fail_on_regression and comparison.regressions else 0


def show(comparison: Comparison, out: TextIO, folder: Path | None = None) -> None:
    print("\n".join(lines_above(comparison)), file=out)
    if out.isatty() and os.environ.get("TERM", "dumb") != "dumb":
        _draw(comparison, out)
    else:
        print("\n".join(line for line, _ in table_lines(comparison)), file=out)
    where = [f"Comparison: {folder / 'compare.md'}"] if folder else []
    print("\n".join(["", *where, sentence(comparison)]), file=out, flush=True)


def _draw(comparison: Comparison, out: TextIO) -> None:
    """The same lines in colours: a table that rich lays out would cut figures off where the terminal is narrow."""
    from rich.console import Console
    from rich.text import Text

    console = Console(file=out, highlight=False)
    for line, word in table_lines(comparison):
        console.print(Text(line, _COLOURS.get(word, "")), soft_wrap=True)


def _sides(which: Sequence[str], a: Sequence[str], b: Sequence[str]) -> tuple[list[str], list[str]]:
    """A B, or --a ID --a ID --b ID. Raises RecipeError for anything else."""
    if len(which) == 2 and not a and not b:
        return [which[0]], [which[1]]
    if not which and a and b:
        return _listed(a), _listed(b)
    raise RecipeError("compare: needs A and B, or --a ID and --b ID, each as often as there are repeats")


def _listed(ids: Sequence[str]) -> list[str]:
    """Several may stand behind one option, with commas between them."""
    return [one for text in ids for one in text.split(",") if one]


def share_of(text: str) -> float:
    """`3 %`, `3%` or `3` as 0.03. Raises RecipeError."""
    match = _PERCENT.fullmatch(text.strip())
    if match is None:
        raise RecipeError(f"--threshold: must be a share in percent, such as 3 %, got {text!r}")
    return float(match[1]) / 100
