"""What a terminal shows of a report: a run's figures and verdict, a sweep's points as a table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loadgen.report.facts import Facts, facts_of
from loadgen.report.numbers import (
    UNKNOWN,
    figure,
    is_known,
    percent,
    shown_percentile,
)
from loadgen.report.verdict import verdict_of
from loadgen.report.words import METRICS, axis_value

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle

HEADLINE_METRICS = ("ttft", "itl", "e2e")

SHORT_AXES = {"load.concurrency": "clients", "load.rate_per_s": "rate/s"}


def run_lines(bundle: "Bundle") -> list[str]:
    """Headline figures, each limit, and in the last line the verdict."""
    facts = facts_of(bundle)
    return [*_latency_lines(facts), *_limit_lines(facts), verdict_of(facts).line]


def _limit_lines(facts: Facts) -> list[str]:
    rows = [
        (limit.verdict or UNKNOWN, limit.expression, f"measured {limit.shown(limit.value)}") for limit in facts.limits
    ]
    return aligned(rows)


def _latency_lines(facts: Facts) -> list[str]:
    rows = [
        (name, *(f"{which} {shown_percentile(facts.metric(name), which)} ms" for which in ("p50", "p95", "p99")))
        for name in HEADLINE_METRICS
        if facts.metric(name)
    ]
    return aligned([(*row, METRICS[row[0]]) for row in rows])


def sweep_lines(content: Mapping[str, Any]) -> list[str]:
    """A compact table of the points. content: what the sweep's report.json holds."""
    metrics = [name for name in ("ttft", "e2e") if any(_metric(point, name) for point in content["points"])]
    tokens = any(is_known(point["summary"].get("output_throughput_per_s")) for point in content["points"])
    head = (
        *(SHORT_AXES.get(axis, axis) for axis in content["axes"]),
        "answers/s",
        *(("tokens/s",) if tokens else ()),
        *(f"{name} {which} ms" for name in metrics for which in ("p50", "p99")),
        "ok",
        "limits",
        "run",
    )
    rows = [head, *(_point_row(point, content["axes"], metrics, tokens) for point in content["points"])]
    return aligned(rows, right=True)


def _point_row(point: Mapping[str, Any], axes: Sequence[str], metrics: Sequence[str], tokens: bool) -> tuple[str, ...]:
    summary = point["summary"]
    is_shown = bool((summary.get("requests") or {}).get("succeeded"))
    rates = [summary.get("request_throughput_per_s"), *([summary.get("output_throughput_per_s")] if tokens else [])]
    times = [shown_percentile(_metric(point, name), which) for name in metrics for which in ("p50", "p99")]
    return (
        *(axis_value(point["axes"][axis]) for axis in axes),
        *(figure(rate) if is_shown else UNKNOWN for rate in rates),
        *(times if is_shown else [UNKNOWN] * len(times)),
        percent(summary.get("success_ratio")),
        {True: "hold", False: "broken", None: UNKNOWN}[point["holds"]]
        if point["state"] == "measured"
        else point["state"],
        point["benchmark_id"],
    )


def _metric(point: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    metric = (point["summary"].get("metrics") or {}).get(name)
    return metric if metric and metric.get("n") else None


def aligned(rows: Sequence[tuple[str, ...]], right: bool = False) -> list[str]:
    """Columns of equal width, two spaces apart; right: all but the first are set to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    return ["  ".join(_set(row, widths, right)).rstrip() for row in rows]


def _set(row: tuple[str, ...], widths: Sequence[int], right: bool) -> list[str]:
    return [
        text.rjust(width) if right and place else text.ljust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
