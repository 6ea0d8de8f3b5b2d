"""report.md of one run: the verdict first, then the figures, then what was run and how to run it again."""

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from loadgen.report.checks import checks_section
from loadgen.report.facts import Facts
from loadgen.report.identity import what_was_run
from loadgen.report.numbers import (
    NEEDS_N,
    PERCENTILES,
    UNKNOWN,
    count,
    figure,
    is_known,
    is_supported,
    ms,
    per_s,
    percent,
    seconds,
    shown_percentile,
)
from loadgen.report.operations import operations_section
from loadgen.report.server_words import server_section
from loadgen.report.slos import Limit
from loadgen.report.verdict import Verdict
from loadgen.report.words import KINDS_WITHOUT_HTTP, LATENCIES, METRICS, OUTCOMES, OUTCOMES_WITHOUT_HTTP, cell, table

PICTURES = {
    "latency": "How long requests took: percentile curves",
    "itl": "Gaps between tokens: how often each length occurred",
    "over_time": "What was answered and what failed, per second, over the run",
    "in_flight": "Requests in flight over the run",
}

CLIENT_WORDS: dict[str, tuple[str, Callable[[Any], str]]] = {
    "busy_ratio": ("share of the time in which its loop did not wait", percent),
    "cpu_ratio": ("CPU it used, as a share of one core", percent),
    "cpu_s": ("CPU time", seconds),
    "p99_send_lag_ms": ("99 of 100 requests left at most so late", ms),
    "p99_read_lag_ms": ("99 of 100 answers were read at most so long after their arrival", ms),
    "stamp": ("what dated the arrivals", str),
    "n_clock_steps": ("steps of the wall clock during the run", count),
    "n_lost_records": ("records lost", count),
}


def run_page(facts: Facts, verdict: Verdict, plots: Sequence[str], missing: Mapping[str, str]) -> str:
    """The whole page. plots: file names under plots/; missing: why a picture is not there."""
    checks = checks_section(facts)
    is_wrong = bool(facts.n_wrong or facts.n_wrong_outside)
    parts = [
        [f"# {facts.benchmark_id}: {cell(facts.name)}", "", f"**{verdict.value}:** {verdict.sentence}"],
        _description(facts),
        _problems(facts),
        checks if is_wrong else [],  # before anything else
        _pictures(plots, ("latency",)),
        operations_section(facts) if facts.is_several else [],
        *(section for part in facts.parts for section in (_figures(part), _latencies(part))),
        [] if facts.is_several else operations_section(facts),
        slo_section(facts.limits),
        [] if is_wrong else checks,
        _failures(facts),
        _other_pictures(plots, missing),
        server_section(facts),
        what_was_run(facts),
        _client(facts),
        _again(facts),
    ]
    return "\n".join("\n".join([*part, ""]) for part in parts if part)


def _description(facts: Facts) -> list[str]:
    text = facts.recipe.get("description")
    return [f"> {cell(text)}"] if text else []


def _problems(facts: Facts) -> list[str]:
    """What the bundle lacks, before any figure."""
    return (
        ["Not everything in the bundle could be read:", "", *(f"- {cell(line)}" for line in facts.problems)]
        if facts.problems
        else []
    )


def _pictures(plots: Sequence[str], wanted: Sequence[str]) -> list[str]:
    """Of many services there are several of a kind: latency.png, latency_2.png."""
    shown = [(PICTURES[kind], name) for kind in wanted for name in plots if kind_of(name) == kind]
    return ["\n\n".join(f"![{words}](plots/{name})" for words, name in shown)] if shown else []


def kind_of(name: str) -> str:
    """latency_2.png -> latency."""
    return re.sub(r"(_\d+)?\.png$", "", name)


def _other_pictures(plots: Sequence[str], missing: Mapping[str, str]) -> list[str]:
    shown = _pictures(plots, [kind for kind in PICTURES if kind != "latency"])
    absent = [f"There is no picture {kind}.png: {why}." for kind, why in missing.items()]
    return ["## Pictures", "", "\n\n".join([*shown, *absent])] if shown or absent else []


def _of(facts: Facts) -> str:
    return f" of {facts.service_name}" if facts.service_name else ""


def _figures(facts: Facts) -> list[str]:
    summary, requests = facts.summary, facts.requests
    window = summary.get("window") or {}
    succeeded = f"{count(facts.n_succeeded)} of {count(facts.n_finished)} ({percent(summary.get('success_ratio'))})"
    rows = [
        ("Measured for", seconds(window.get("s"))),
        ("Requests answered well", succeeded if facts.n_finished else "none finished"),
        ("Answers per second", per_s(summary.get("request_throughput_per_s"))),
        ("Tokens per second", per_s(summary.get("output_throughput_per_s"))),
        (
            "Good answers per second (each within every limit)",
            per_s(summary.get("goodput_per_s")) if facts.limits else UNKNOWN,
        ),
        ("Tokens in the prompts", count(summary.get("total_prompt_tokens"))),
        ("Tokens in the answers", count(summary.get("total_output_tokens"))),
        ("Tokens in one event of the stream", figure(summary.get("tokens_per_event"))),
        ("Cut short because the run ended", count(requests.get("cancelled")) if requests.get("cancelled") else UNKNOWN),
        ("In the warm-up, not counted", count(requests.get("warmup")) if requests.get("warmup") else UNKNOWN),
    ]
    return [f"## Figures{_of(facts)}", "", *table(("what", "figure"), [row for row in rows if row[1] != UNKNOWN])]


def _latencies(facts: Facts) -> list[str]:
    named = [(name, metric) for name in LATENCIES if (metric := facts.metric(name)) is not None]
    if not named:
        return [f"## Times{_of(facts)}", "", "No request succeeded, so there are no times to show."]
    head = ("in ms", "samples", "mean", *PERCENTILES, "longest")
    rows = [
        (
            f"{METRICS[name]} ({name})",
            count(metric.get("n")),
            figure(metric.get("mean")),
            *(shown_percentile(metric, which) for which in PERCENTILES),
            figure(metric.get("max")),
        )
        for name, metric in named
    ]
    note = "p99 is the time that 99 of 100 stayed within. Times count from the instant at which a request was due."
    thin = _bracket_note([metric for _, metric in named])
    return [f"## Times{_of(facts)}", "", *table(head, rows), "", note, *thin]


def _bracket_note(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    thin = [name for name in PERCENTILES if any(not is_supported(metric.get("n"), name) for metric in metrics)]
    if not thin:
        return []
    needs = ", ".join(f"{name} {NEEDS_N[name]:,}" for name in thin)
    return [f"In brackets: too few samples to rely on. Samples needed: {needs}."]


def slo_section(limits: Sequence[Limit]) -> list[str]:
    if not limits:
        return ["## Limits", "", "The recipe sets no limits (`slo`), so nothing is judged."]
    rows = [
        (
            f"{limit.name} ({limit.expression})",
            limit.shown(limit.value) if is_known(limit.value) else "not measured",
            str(limit.verdict),
        )
        for limit in limits
    ]
    return ["## Limits", "", *table(("limit", "measured", "verdict"), rows)]


def _failures(facts: Facts) -> list[str]:
    failed = [row for part in facts.parts for row in _failure_rows(part)]
    if not failed:
        return []
    codes = [
        (f"{part.service_name} {code}".strip(), count(n))
        for part in facts.parts
        for code, n in (part.requests.get("by_error_code") or {}).items()
    ]
    said = [*table(("how", "requests"), failed)]
    said += ["", *table(("error code", "requests"), codes)] if codes else []
    return ["## What failed", "", *said]


def _failure_rows(facts: Facts) -> list[tuple[str, str]]:
    by_outcome = facts.requests.get("by_outcome") or {}
    failed = {name: n for name, n in by_outcome.items() if name not in ("ok", "cancelled") and n}
    whose = f"{facts.service_name}: " if facts.service_name else ""
    words = OUTCOMES_WITHOUT_HTTP if facts.kind in KINDS_WITHOUT_HTTP else OUTCOMES
    return [
        (f"{whose}{words.get(name, name)} ({name})", count(n))
        for name, n in sorted(failed.items(), key=lambda item: -item[1])
    ]


def _client(facts: Facts) -> list[str]:
    """Raw figures of the load generator itself: whether it, and not the service, set the pace."""
    client = facts.summary.get("client") or {}
    rows = [
        (words, shown(client[name])) for name, (words, shown) in CLIENT_WORDS.items() if client.get(name) is not None
    ]
    if not rows:
        return []
    reasons = [f"- {cell(reason)}" for reason in client.get("reasons") or []]
    judged = [f"Its own verdict: {cell(client['verdict'])}.", ""] if client.get("verdict") else []
    intro = "The load generator watches itself: if it is busy or late, the figures are partly its own."
    return [
        "## The load generator itself",
        "",
        intro,
        "",
        *judged,
        *table(("what", "figure"), rows),
        *(["", *reasons] if reasons else []),
    ]


def _again(facts: Facts) -> list[str]:
    return ["## Run it again", "", "```sh", f"loadgen --rerun {facts.benchmark_id}", "```"]
