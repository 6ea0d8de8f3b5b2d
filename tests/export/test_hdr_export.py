"""`--format hdr`: logs that HdrHistogram's own reader reads, with the values of the lines."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hdrh.log import HistogramLogReader

from loadgen.bundle import Bundle
from loadgen.export.hdr import HIGHEST_NS

Lines = Callable[[Bundle], list[dict[str, Any]]]

OWN = {
    "service_ttft": lambda line: [line["first_token_at_ns"] - line["sent_at_ns"]],
    "e2e": lambda line: [line["done_at_ns"] - line["planned_at_ns"]],
    "send_lag": lambda line: [line["sent_at_ns"] - line["planned_at_ns"]],
    "itl": lambda line: line["itl_ns"],
}


def read(path: Path) -> tuple[HdrHistogram, int]:
    """All intervals of a log together, and how many there are."""
    whole = HdrHistogram(1, HIGHEST_NS, 3)
    reader = HistogramLogReader(str(path), whole)
    n = 0
    while (interval := reader.get_next_interval_histogram()) is not None:
        whole.add(interval)
        n += 1
    reader.close()
    return whole, n


@pytest.mark.parametrize("metric", OWN)
def test_a_log_reads_back_with_the_values_of_the_lines(
    run_of: Callable[[str], Bundle], lines_of: Lines, exported: Callable[..., Path], metric: str
) -> None:
    bundle = run_of("open")
    done = [line for line in lines_of(bundle) if line["phase"] == "measure" and line["success"]]
    values = np.array([value for line in done for value in OWN[metric](line)])
    whole, n_intervals = read(exported(bundle, "hdr") / f"{metric}.hlog")
    assert whole.get_total_count() == len(values)
    assert n_intervals >= 2  # a run of 1.5 s
    assert whole.get_max_value() == pytest.approx(values.max(), rel=1e-3)
    for q in (50, 90, 99):
        rank = max(int(q / 100 * len(values) + 0.5), 1)  # as the library counts
        expected = np.sort(np.maximum(values, 1))[rank - 1]
        assert whole.get_value_at_percentile(q) == pytest.approx(expected, rel=2e-3)


def test_the_head_is_as_the_format_has_it(run_of: Callable[[str], Bundle], exported: Callable[..., Path]) -> None:
    bundle = run_of("open")
    version, comment, start, base, legend, *lines = (exported(bundle, "hdr") / "e2e.hlog").read_text().splitlines()
    assert version == "#[Histogram log format version 1.2]"
    assert bundle.id in comment
    assert start.startswith("#[StartTime: ")
    assert base.startswith("#[BaseTime: ")
    assert legend == '"StartTimestamp","Interval_Length","Interval_Max","Interval_Compressed_Histogram"'
    seconds = [float(line.split(",")[0]) for line in lines]
    assert seconds == sorted(seconds)
    assert all(line.split(",")[3].startswith("HISTF") for line in lines)


@pytest.mark.parametrize(("name", "has"), [("web", {"e2e", "service_e2e", "send_lag"}), ("all failed", set())])
def test_only_metrics_that_there_are_have_a_log(
    run_of: Callable[[str], Bundle], exported: Callable[..., Path], name: str, has: set[str]
) -> None:
    assert {path.stem for path in exported(run_of(name), "hdr").glob("*")} == has
