"""python bench/run.py [ROW…]: how fast and how true loadgen is on this machine, with a goal beside each figure.

Asserts nothing: exit code 0 whatever the figures are. A row that cannot be run says why and is left out.
"""

import argparse
import platform
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from figure import Figure, as_json, as_table
from rows import ROWS as ENGINE_ROWS
from rows import Bench, Row
from stores import STORE_ROWS

ROWS: dict[str, Row] = {**ENGINE_ROWS, **STORE_ROWS}


def main() -> int:
    parser = _parser()
    options = parser.parse_args()
    unknown = set(options.rows) - ROWS.keys()
    if unknown:
        parser.error(f"no such row: {', '.join(sorted(unknown))}; there are {', '.join(ROWS)}")
    figures: list[Figure] = []
    with tempfile.TemporaryDirectory(prefix="loadgen-bench-", ignore_cleanup_errors=True) as folder:
        bench = Bench(Path(folder), options.scale)
        for name in options.rows or ROWS:
            figures += _figures_of(name, bench)
    print(f"\n{_machine()}\n\n{as_table(figures)}")
    if options.json:
        options.json.write_text(as_json(figures) + "\n")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python bench/run.py", description=__doc__)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; default: all")
    parser.add_argument("--scale", type=float, default=1.0, help="0.1: a tenth of the requests, for a quick look")
    parser.add_argument("--json", type=Path, metavar="FILE", help="the figures for a program to read")
    return parser


def _figures_of(name: str, bench: Bench) -> Sequence[Figure]:
    print(f"{name}: {ROWS[name].__doc__}", file=sys.stderr, flush=True)
    try:
        return list(ROWS[name](bench))
    except Exception as reason:  # one row that cannot be run must not take the others with it
        print(f"{name}: left out: {type(reason).__name__}: {reason}", file=sys.stderr)
        return []


def _machine() -> str:
    info = Path("/proc/cpuinfo")
    models = [line.split(":", 1)[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
    cpu = f"{len(models)} x {models[0]}" if models else platform.processor()
    return f"{cpu}, {platform.system()} {platform.release()}, Python {platform.python_version()}"


if __name__ == "__main__":
    sys.exit(main())
