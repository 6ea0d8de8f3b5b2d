"""The last lines on a terminal: verdict, figures, where the report is; a table for a sweep; two runs side by side."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from loadgen.report.facts import Facts, facts_of
from loadgen.report.numbers import (
    UNKNOWN,
    change,
    figure,
    is_known,
    ms,
    per_s,
    percent,
    percentile,
    shown_percentile,
)
from loadgen.report.verdict import verdict_of
from loadgen.report.words import METRICS, axis_value

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle

HEADLINE_METRICS = ("ttft", "itl", "e2e")

SHORT_AXES = {"load.concurrency": "clients", "load.rate_per_s": "rate/s"}


def run_lines(bundle: "Bundle", report: Path | None = None) -> list[str]:
    """Verdict, headline figures and where the report is. report: its folder, if it has been made."""
    facts = facts_of(bundle)
    lines = [verdict_of(facts).line, *_limit_lines(facts), *_latency_lines(facts), f"bundle: {bundle.folder}"]
    return [*lines, f"report: {report / 'report.md'}"] if report else lines


def _limit_lines(facts: Facts) -> list[str]:
    rows = [
        (f"  {limit.verdict or UNKNOWN}", limit.expression, f"measured {limit.shown(limit.value)}")
        for limit in facts.limits
    ]
    return aligned(rows)


def _latency_lines(facts: Facts) -> list[str]:
    rows = [
        (f"  {name}", *(f"{which} {shown_percentile(facts.metric(name), which)} ms" for which in ("p50", "p95", "p99")))
        for name in HEADLINE_METRICS
        if facts.metric(name)
    ]
    return aligned([(*row, METRICS[row[0].strip()]) for row in rows])


def sweep_lines(report: Path | Mapping[str, Any]) -> list[str]:
    """A compact table of the points, and what to do. report: a sweep report's folder, or what its report.json holds."""
    content = orjson.loads((report / "report.json").read_bytes()) if isinstance(report, Path) else report
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
    lines = [*aligned(rows, right=True), "", str(content["recommendation"])]
    return [*lines, f"report: {report / 'report.md'}"] if isinstance(report, Path) else lines


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


def side_by_side(before: "Bundle", after: "Bundle") -> str:
    """What differs between two runs, and their figures with the change in %. Makes no claim that a change is real."""
    first, second = facts_of(before), facts_of(after)
    rows: list[tuple[str, ...]] = [("", first.benchmark_id, second.benchmark_id, "change")]
    rows += [
        (f"  {name}", shown(old), shown(new), change(old, new))
        for name, shown, old, new in _figure_pairs(first, second)
        if is_known(old) or is_known(new)
    ]
    note = "Whether a change is more than chance is not worked out here."
    return "\n".join([*_difference_lines(first, second), "", *aligned(rows, right=True), note])


def _difference_lines(first: Facts, second: Facts) -> list[str]:
    before, after = _identity(first), _identity(second)
    differing = [(f"  {name}", f"{before[name]} -> {after[name]}") for name in before if before[name] != after[name]]
    same = ", ".join(name for name in before if before[name] == after[name] and before[name] != UNKNOWN)
    said = ["What differs:", *aligned(differing)] if differing else ["Nothing that is recorded differs."]
    return [*said, f"The same: {same}."] if same else said


def _identity(facts: Facts) -> dict[str, str]:
    run = facts.run
    service, environment = run.get("service") or {}, run.get("environment") or {}
    client = (run.get("clients") or [{}])[0]
    dirty = {True: "yes", False: "no"}.get(run.get("git_dirty"), UNKNOWN)  # type: ignore[arg-type]
    found = {
        "recipe hash": str(run.get("recipe_hash") or UNKNOWN)[:12],
        "plan digest": str((run.get("plan") or {}).get("digest") or UNKNOWN)[:12],
        "commit": str(run.get("git_commit") or UNKNOWN)[:12],
        "uncommitted changes": dirty,
        "host": client.get("hostname"),
        "service": service.get("kind"),
        "service version": service.get("version"),
        "model": service.get("model"),
        "engine": client.get("engine"),
        "loadgen": environment.get("loadgen_version"),
        "python": environment.get("python"),
        "kernel": environment.get("kernel"),
    }
    return {name: str(value or UNKNOWN) for name, value in found.items()}


def _figure_pairs(first: Facts, second: Facts) -> list[tuple[str, Any, Any, Any]]:
    """(name, how it is shown, before, after)."""
    rates = [
        ("answers", per_s, "request_throughput_per_s"),
        ("tokens", per_s, "output_throughput_per_s"),
        ("good answers", per_s, "goodput_per_s"),
        ("succeeded", percent, "success_ratio"),
    ]
    pairs: list[tuple[str, Any, Any, Any]] = [
        (name, shown, first.summary.get(key), second.summary.get(key)) for name, shown, key in rates
    ]
    for metric in HEADLINE_METRICS:
        for which in ("p50", "p99"):
            old, new = (percentile(facts.metric(metric), which) for facts in (first, second))
            pairs.append((f"{metric} {which}", ms, old, new))
    return pairs


def aligned(rows: Sequence[tuple[str, ...]], right: bool = False) -> list[str]:
    """Columns of equal width, two spaces apart; right: all but the first are set to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    return ["  ".join(_set(row, widths, right)).rstrip() for row in rows]


def _set(row: tuple[str, ...], widths: Sequence[int], right: bool) -> list[str]:
    return [
        text.rjust(width) if right and place else text.ljust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
