"""`loadgen export`: a finished run in another tool's shape."""

import sys
from pathlib import Path

from loadgen.export import export


def export_bundle(
    which: str, format: str, out: Path | None, include_warmup: bool, service: str | None, results: Path
) -> int:
    """Write the files and name them; what is not in them is said on stderr."""
    done = export(which, format, out, results=results, include_warmup=include_warmup, service=service)
    for note in (*done.left_out, *done.problems):
        print(f"note: {note}", file=sys.stderr)
    if not done.files:
        print("note: nothing to write: no request succeeded", file=sys.stderr)
    for path in done.files:
        print(f"Written: {path}")
    return 0
