"""What a terminal shows of a report: a run's figures and verdict, a sweep's points as a table."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from loadgen.report.checks import example_text
from loadgen.report.client_words import client_lines
from loadgen.report.facts import Facts, facts_of, metric_of
from loadgen.report.intervals import in_words, sure_percentile
from loadgen.report.numbers import (
    UNKNOWN,
    count,
    figure,
    is_known,
    percent,
    shown_percentile,
)
from loadgen.report.operations import operation_lines
from loadgen.report.verdict import verdict_of
from loadgen.report.words import METRICS, axis_value, load_axis_of, one_line

if TYPE_CHECKING:
    from loadgen.bundle.read import Bundle

HEADLINE_METRICS = ("ttft", "itl", "e2e")

SHORT_FIELDS = {"concurrency": "clients", "rate_per_s": "rate/s"}


def run_lines(bundle: "Bundle") -> list[str]:
    """Headline figures, a line for each service and operation, each limit, what was wrong; the last is the verdict."""
    facts = facts_of(bundle)
    figures = [*_latency_lines(facts), *aligned(operation_lines(facts), right=True)]
    judged = [*_steady_lines(facts), *_limit_lines(facts), *_check_lines(facts), *client_lines(facts)]
    return [*figures, *judged, verdict_of(facts).line]


def _check_lines(facts: Facts) -> list[str]:
    """What was checked and found right in a line; what was wrong one by one."""
    lines = []
    for part in facts.parts:
        whose = f"{part.service_name}: " if part.service_name else ""
        recall = part.summary.get("recall")
        if recall:
            lines.append(f"{whose}recall {percent(recall['mean'])}, lowest {percent(recall['min'])}")
        if part.n_checked and not part.n_wrong:
            lines.append(f"{whose}all {count(part.n_checked)} that were checked were right")
        wrong = [finding for finding in part.summary.get("findings") or () if finding.get("wrong")]
        lines += [f"WRONG {whose}{one_line(finding.get('text'))}" for finding in wrong]
        lines += [f"WRONG {example_text(part.service_name, one)}" for one in part.summary.get("wrong_examples") or ()]
    return lines


def _limit_lines(facts: Facts) -> list[str]:
    return aligned(
        [(limit.verdict or UNKNOWN, limit.stated, f"measured {limit.measured}", limit.wanted) for limit in facts.limits]
    )


def _steady_lines(facts: Facts) -> list[str]:
    """Only what a person must know before taking the figures for those of a steady run."""
    lines = []
    for part in facts.parts:
        whose = f"{part.service_name}: " if part.service_name else ""
        steady = part.summary.get("steady_state") or {}
        if not steady.get("is_steady") and part.n_succeeded:
            lines += [f"{whose}{sentence}" for sentence in steady.get("says") or ()]
    return lines


def _latency_lines(facts: Facts) -> list[str]:
    rows = [
        (name, *(f"{which} {in_words(sure_percentile(facts.metric(name), which))}" for which in ("p50", "p95", "p99")))
        for name in HEADLINE_METRICS
        if facts.metric(name)
    ]
    return aligned([(*row, METRICS[row[0]]) for row in rows])


def sweep_lines(content: Mapping[str, Any]) -> list[str]:
    """A compact table of the points; of several services a row for each. content: the sweep's report.json."""
    rows_of = [(point, name, summary) for point in content["points"] for name, summary in _summaries(point)]
    summaries = [summary for _, _, summary in rows_of]
    metrics = [name for name in ("ttft", "e2e") if any(metric_of(summary, name) for summary in summaries)]
    tokens = any(is_known(summary.get("output_throughput_per_s")) for summary in summaries)
    checks = any(is_known(summary.get("wrong")) for summary in summaries)
    services = any(name for _, name, _ in rows_of)
    head = (
        *map(short_axis, content["axes"]),
        *(("service",) if services else ()),
        "answers/s",
        *(("tokens/s",) if tokens else ()),
        *(f"{name} {which} ms" for name in metrics for which in ("p50", "p99")),
        "ok",
        *(("wrong",) if checks else ()),
        "limits",
        "run",
    )
    rows = [head]
    for point, name, summary in rows_of:
        rows.append(
            (
                *(axis_value(point["axes"][axis]) for axis in content["axes"]),
                *((name,) if services else ()),
                *_figures(summary, metrics, tokens),
                percent(summary.get("success_ratio")),
                *((count(summary.get("wrong")),) if checks else ()),
                _held(point),
                point["benchmark_id"],
            )
        )
    return aligned(rows, right=True)


def short_axis(axis: str) -> str:
    """load.concurrency: clients; loads.store.rate_per_s: store rate/s."""
    found = load_axis_of(axis)
    return f"{found.service} {SHORT_FIELDS[found.field]}".lstrip() if found else axis


def _summaries(point: Mapping[str, Any]) -> list[tuple[str, Mapping[str, Any]]]:
    services = point["summary"].get("services")
    return [("", point["summary"])] if services is None else list(services.items())


def _figures(summary: Mapping[str, Any], metrics: Sequence[str], tokens: bool) -> list[str]:
    is_shown = bool((summary.get("requests") or {}).get("succeeded"))
    rates = [summary.get("request_throughput_per_s"), *([summary.get("output_throughput_per_s")] if tokens else [])]
    times = [shown_percentile(metric_of(summary, name), which) for name in metrics for which in ("p50", "p99")]
    shown = [*map(figure, rates), *times]
    return shown if is_shown else [UNKNOWN] * len(shown)


def _held(point: Mapping[str, Any]) -> str:
    if point["state"] != "measured":
        return str(point["state"])
    if point["holds"] is not None:
        return "hold" if point["holds"] else "broken"
    is_bound = (point.get("client") or {}).get("verdict") == "bound"
    is_open = any(slo["verdict"] == "UNDECIDED" for slo in point["slo"])
    return "client-bound" if is_bound else "undecided" if is_open else UNKNOWN


def aligned(rows: Sequence[tuple[str, ...]], right: bool = False) -> list[str]:
    """Columns of equal width, two spaces apart; right: all but the first are set to the right."""
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))] if rows else []
    return ["  ".join(_set(row, widths, right)).rstrip() for row in rows]


def _set(row: tuple[str, ...], widths: Sequence[int], right: bool) -> list[str]:
    return [
        text.rjust(width) if right and place else text.ljust(width)
        for place, (text, width) in enumerate(zip(row, widths, strict=True))
    ]
