"""HdrHistogram logs: one file a metric, a line a second, as HistogramLogAnalyzer and hdr-plot read them.

Values are nanoseconds with 3 significant digits. Source: HdrHistogram's log format 1.2, histograms in encoding V2.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import EngineError
from loadgen.export.chosen import Chosen, durations_ns
from loadgen.metrics.streaming import token_arrivals
from loadgen.records import Block
from loadgen.units import NS_PER_S, ms_from_ns

METRICS = ("ttft", "service_ttft", "tpot", "e2e", "service_e2e", "send_lag")
HIGHEST_NS = 24 * 3600 * NS_PER_S
DIGITS = 3
_SUB_BUCKET_BITS = 11  # 2,048 places hold 3 digits


def write_hdr(chosen: Chosen, folder: Path) -> list[Path]:
    """Write `<metric>.hlog` for each metric that successes have. Returns what was written.

    A value belongs to the second, from the first planned instant, in which it ended. Raises EngineError where the
    package hdrhistogram is not installed.
    """
    _hdrh()
    folder.mkdir(parents=True, exist_ok=True)
    written = []
    for name, ends_ns, values_ns in _values(chosen.succeeded):
        if len(values_ns):
            path = folder / f"{name}.hlog"
            _write_log(chosen, ends_ns, values_ns, path)
            written.append(path)
    return written


def _values(done: Block) -> Iterator[tuple[str, NDArray[np.int64], NDArray[np.int64]]]:
    """Each metric: its name, when each value ended and what it is, ns."""
    for metric in METRICS:
        values_ns = durations_ns(metric, done)
        there = values_ns >= 0
        yield metric, done.records["done_at_ns"][there], values_ns[there]
    n_started = int((done.records["first_token_at_ns"] >= 0).sum())
    at_ns = token_arrivals(done).at_ns[n_started : n_started + len(done.gaps_ns)]
    yield "itl", at_ns, done.gaps_ns


def _write_log(chosen: Chosen, ends_ns: NDArray[np.int64], values_ns: NDArray[np.int64], path: Path) -> None:
    begin_ns = int(chosen.records["planned_at_ns"].min())
    seconds = np.maximum(ends_ns - begin_ns, 0) // NS_PER_S
    began_at_s = chosen.wall_s_of(begin_ns)
    lines = [
        "#[Histogram log format version 1.2]",
        f"#[{path.stem} of {chosen.run.id} in nanoseconds, written by loadgen]",
        f"#[StartTime: {began_at_s:.3f} (seconds since epoch), {datetime.fromtimestamp(began_at_s, UTC):%c}]",
        f"#[BaseTime: {began_at_s:.3f} (seconds since epoch)]",
        '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"',
        *(_line(second, values_ns[seconds == second]) for second in np.unique(seconds).tolist()),
    ]
    path.write_text("\n".join(lines) + "\n", encoding="ascii")


def _line(second: int, values_ns: NDArray[np.int64]) -> str:
    """Interval_Max is in milliseconds, as HdrHistogram's own writers have it for values in nanoseconds."""
    counted = _hdrh().HdrHistogram(1, HIGHEST_NS, DIGITS)
    for value_ns, n in _counted(values_ns):
        counted.record_value(value_ns, n)
    return f"{second:.3f},1.000,{ms_from_ns(counted.get_max_value()):.3f},{counted.encode().decode('ascii')}"


def _counted(values_ns: NDArray[np.int64]) -> Iterator[tuple[int, int]]:
    """How often each value comes; values of the same place of the histogram are one, its lowest."""
    bounded = np.clip(values_ns, 1, HIGHEST_NS)
    shifts = np.maximum(np.frexp(bounded.astype(np.float64))[1] - _SUB_BUCKET_BITS, 0)
    values, counts = np.unique((bounded >> shifts) << shifts, return_counts=True)
    yield from zip(values.tolist(), counts.tolist(), strict=True)


def _hdrh() -> Any:
    try:
        from hdrh import histogram
    except ImportError:
        raise EngineError("hdr needs hdrhistogram, which is not installed: pip install 'loadgen[export]'") from None
    return histogram
