"""All runs at one load together: the median of each figure, and how far apart the repeats lie."""

import statistics
from collections.abc import Callable
from typing import Any

from loadgen.report.capacity import at, throughput, token_throughput, where
from loadgen.report.facts import Facts
from loadgen.report.numbers import UNKNOWN, figure, percentile
from loadgen.report.points import Line, Step, Sweep
from loadgen.report.words import table

Read = Callable[[Facts], float | None]

METRICS = ("ttft", "itl", "e2e")
PERCENTILES = ("p50", "p95", "p99")


def figures_read() -> dict[str, Read]:
    """What is shown of repeats, by its name in report.json."""
    rates: dict[str, Read] = {
        "request_throughput_per_s": throughput,
        "output_throughput_per_s": token_throughput,
    }
    return rates | {f"{which}_{metric}_ms": _reader(metric, which) for metric in METRICS for which in PERCENTILES}


def _reader(metric: str, which: str) -> Read:
    return lambda facts: percentile(facts.metric(metric), which)


def steps_json(sweep: Sweep) -> list[dict[str, Any]]:
    """report.json's `steps`: one an entry of the load axis and each line, of as many runs as the recipe repeats."""
    return [_step_json(sweep, line, step) for line in sweep.lines for step in line.steps]


def _step_json(sweep: Sweep, line: Line, step: Step) -> dict[str, Any]:
    axes = {**line.others, sweep.load_axis: step.load} if sweep.is_numeric else dict(step.points[0].axes)
    spread = {name: _spread(step.values(read)) for name, read in figures_read().items() if step.values(read)}
    return {
        "axes": axes,
        "benchmark_ids": [point.facts.benchmark_id for point in step.points],
        "n_runs": len(step.points),
        "n_measured": len(step.trusted),
        "holds": step.holds,
        "is_bound": step.is_bound,
        "n_more": step.n_more,
        "figures": spread,
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def has_repeats(sweep: Sweep) -> bool:
    return any(len(step.points) > 1 for line in sweep.lines for step in line.steps)


def repeats_section(sweep: Sweep) -> list[str]:
    """A row a load: the median of its runs, and the lowest and highest in brackets; nothing without repeats."""
    if not has_repeats(sweep):
        return []
    steps = [(line, step) for line in sweep.lines for step in line.steps]
    read = figures_read()
    names = ("request_throughput_per_s", *(f"p99_{metric}_ms" for metric in METRICS))
    shown = [name for name in names if any(step.values(read[name]) for _, step in steps)]
    head = ("load", "runs", *map(_words, shown))
    rows = [
        (f"{where(line)}{at(sweep, step)}", str(len(step.points)), *(_text(step.values(read[name])) for name in shown))
        for line, step in steps
    ]
    return [
        "## Repeats",
        "",
        "The median of the runs at each load, and the lowest to the highest.",
        "",
        *table(head, rows),
    ]


def _words(name: str) -> str:
    return "answers/s" if name.startswith("request") else name.removesuffix("_ms").replace("_", " ") + ", ms"


def _text(values: list[float]) -> str:
    if not values:
        return UNKNOWN
    median = figure(statistics.median(values))
    return median if len(values) == 1 else f"{median} ({figure(min(values))} to {figure(max(values))})"
