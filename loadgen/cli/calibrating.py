"""`loadgen calibrate`: drive the simulator as hard as this host can, say what came of it, and keep it."""

import asyncio
import sys
from collections.abc import Mapping
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table

from loadgen.calibrate.drive import QUICK, THOROUGH, TOKEN_EVERY_MS, calibrate
from loadgen.calibrate.kept import described, write_calibration
from loadgen.report.numbers import UNKNOWN, count, percent

HONEST = (
    "The simulator runs on the same {n_cpus} CPUs: these are ceilings of the two together. Against a server elsewhere "
    "loadgen does as much or more."
)
STREAMS = f"Streams: so many at once, a token every {TOKEN_EVERY_MS} ms each, with a client that can still be trusted."


def calibrate_host(quick: bool, as_json: bool) -> int:
    """The exit code. Raises EngineError where nothing can be driven, or nothing be kept."""
    print(f"Calibrating: {'15 seconds' if quick else 'a minute'} or so. Leave the machine alone.", file=sys.stderr)
    ceilings = asyncio.run(calibrate(QUICK if quick else THOROUGH, _say))
    content = described(ceilings, quick)
    path = write_calibration(content)
    if as_json:
        print(orjson.dumps(content, option=orjson.OPT_INDENT_2).decode())
    console = Console(file=sys.stderr if as_json else sys.stdout, highlight=False, soft_wrap=True)
    console.print(table_of(content))
    console.print(HONEST.format(n_cpus=content["n_cpus"]))
    console.print(STREAMS)
    console.print(f"Kept: {path}", markup=False)
    return 0


def table_of(content: Mapping[str, Any]) -> Table:
    """A row for each engine and number of threads. content: what is kept."""
    table = Table(box=None, pad_edge=False)
    table.add_column("engine")
    for name in ("threads", "tokens/s", "requests/s", "streams", "loop busy"):
        table.add_column(name, justify="right")
    for row in content["ceilings"]:
        figures = (count(row[name]) for name in ("events_per_s", "requests_per_s"))
        streams = UNKNOWN if row["streams"] is None else count(row["streams"])
        table.add_row(row["engine"], str(row["threads"]), *figures, streams, percent(_rounded(row["busy_ratio"])))
    return table


def _rounded(ratio: float | None) -> float | None:
    return None if ratio is None else round(ratio, 2)


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)
