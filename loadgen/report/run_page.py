"""report.md of one run: the verdict first, then the figures, then what was run and how to run it again."""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from loadgen.report.checks import checks_section
from loadgen.report.client_words import client_notice, client_section
from loadgen.report.facts import Facts
from loadgen.report.identity import what_was_run
from loadgen.report.intervals import in_a_cell, in_words, ratio_in_words, sure_figure, sure_mean, sure_percentile
from loadgen.report.monitor_words import monitor_section
from loadgen.report.numbers import PERCENTILES, UNKNOWN, count, figure, is_certified, is_known, ms, seconds
from loadgen.report.operations import operations_section
from loadgen.report.server_words import server_section
from loadgen.report.slos import Limit
from loadgen.report.verdict import Verdict
from loadgen.report.words import KINDS_WITHOUT_HTTP, LATENCIES, METRICS, OUTCOMES, OUTCOMES_WITHOUT_HTTP, cell, table

WORTH_SAYING = 0.8
"""Samples that are worth no more than this share of their number are said to be."""

PICTURES = {
    "latency": "How long requests took: percentile curves",
    "itl": "Gaps between tokens: how often each length occurred",
    "over_time": "What was answered and what failed, per second, over the run",
    "in_flight": "Requests in flight over the run",
    "watched": "The host, its cards and the server's queue over the run",
}


def run_page(facts: Facts, verdict: Verdict, plots: Sequence[str], missing: Mapping[str, str]) -> str:
    """The whole page. plots: file names under plots/; missing: why a picture is not there."""
    checks = checks_section(facts)
    is_wrong = bool(facts.n_wrong or facts.n_wrong_outside)
    parts = [
        [f"# {facts.benchmark_id}: {cell(facts.name)}", "", f"**{verdict.value}:** {verdict.sentence}"],
        _description(facts),
        _problems(facts),
        client_notice(facts),
        checks if is_wrong else [],  # before anything else
        _pictures(plots, ("latency",)),
        operations_section(facts) if facts.is_several else [],
        *(section for part in facts.parts for section in (_figures(part), _latencies(part))),
        [] if facts.is_several else operations_section(facts),
        slo_section(facts.limits),
        [] if is_wrong else checks,
        _failures(facts),
        _other_pictures(plots, missing),
        monitor_section(facts),
        server_section(facts),
        what_was_run(facts),
        client_section(facts),
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
    share = ratio_in_words(sure_figure(summary, "success_ratio"))
    succeeded = f"{count(facts.n_succeeded)} of {count(facts.n_finished)}: {share}"
    rows = [
        ("Measured for", seconds(window.get("s"))),
        ("Requests answered well", succeeded if facts.n_finished else "none finished"),
        ("Answers per second", _rate(summary, "request_throughput_per_s")),
        ("Tokens per second", _rate(summary, "output_throughput_per_s")),
        (
            "Good answers per second (each within every limit)",
            _rate(summary, "goodput_per_s") if facts.limits else UNKNOWN,
        ),
        ("Tokens in the prompts", count(summary.get("total_prompt_tokens"))),
        ("Tokens in the answers", count(summary.get("total_output_tokens"))),
        ("Tokens in one event of the stream", figure(summary.get("tokens_per_event"))),
        ("Cut short because the run ended", count(requests.get("cancelled")) if requests.get("cancelled") else UNKNOWN),
        ("In the warm-up, not counted", count(requests.get("warmup")) if requests.get("warmup") else UNKNOWN),
    ]
    known = [row for row in rows if row[1] != UNKNOWN]
    return [f"## Figures{_of(facts)}", "", *table(("what", "figure"), known), *_steady(facts)]


def _rate(summary: Mapping[str, Any], key: str) -> str:
    return in_words(sure_figure(summary, key), "/s")


def _steady(facts: Facts) -> list[str]:
    """Whether the window lay in the run's steady state, in the summary's own words."""
    says = (facts.summary.get("steady_state") or {}).get("says") or []
    return ["", " ".join(cell(sentence) for sentence in says)] if says and facts.n_succeeded else []


def _latencies(facts: Facts) -> list[str]:
    named = [(name, metric) for name in LATENCIES if (metric := facts.metric(name)) is not None]
    if not named:
        return [f"## Times{_of(facts)}", "", "No request succeeded, so there are no times to show."]
    head = ("in ms", "samples", "mean", *PERCENTILES, "longest")
    rows = [
        (
            f"{METRICS[name]} ({name})",
            _samples(metric),
            in_a_cell(sure_mean(metric)),
            *(in_a_cell(sure_percentile(metric, which)) for which in PERCENTILES),
            figure(metric.get("max")),
        )
        for name, metric in named
    ]
    note = "p99 is the time that 99 of 100 stayed within. Times count from the instant at which a request was due."
    sure = _sure_note([metric for _, metric in named])
    return [f"## Times{_of(facts)}", "", *table(head, rows), "", note, *sure, *_omission(facts)]


def _samples(metric: Mapping[str, Any]) -> str:
    """How many, and, where that is much fewer, how many independent ones they are worth."""
    n, effective = metric.get("n"), metric.get("n_effective")
    if is_known(n) and is_known(effective) and effective < WORTH_SAYING * n:
        return f"{count(n)}, worth {count(effective)}"
    return count(n)


def _sure_note(metrics: Sequence[Mapping[str, Any]]) -> list[str]:
    """How the figures of the table say how sure they are."""
    has_intervals = any(metric.get("mean_ci95") for metric in metrics)
    few = [name for name in PERCENTILES if any(not is_certified(metric, name) for metric in metrics)]
    worth = any("worth" in _samples(metric) for metric in metrics)
    return [
        *(
            ["After ± or in parentheses: the range in which the true figure lies, with 95 % confidence."]
            * has_intervals
        ),
        *(["Samples that depend on their neighbours are worth fewer."] * worth),
        *(["In brackets: too few samples to rely on, and how many it needs."] * bool(few)),
    ]


def _omission(facts: Facts) -> list[str]:
    """What a closed loop leaves out, as an estimate."""
    found = facts.summary.get("coordinated_omission") or {}
    times = found.get("e2e") or {}
    shown = [f"{name} {ms(times.get(name))}" for name in ("p50", "p99") if is_known(times.get(name))]
    if not shown:
        return []
    return [
        f"Had requests left on a schedule, as often but without waiting for answers, the whole answer would have taken "
        f"about {', '.join(shown)}: an estimate of what a closed loop leaves out (coordinated omission)."
    ]


def slo_section(limits: Sequence[Limit]) -> list[str]:
    if not limits:
        return ["## Limits", "", "The recipe sets no limits (`slo`), so nothing is judged."]
    rows = [
        (
            f"{limit.name} ({limit.expression})",
            limit.measured if is_known(limit.value) else "not measured",
            ": ".join(text for text in (str(limit.verdict), limit.wanted) if text),
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


def _again(facts: Facts) -> list[str]:
    return ["## Run it again", "", "```sh", f"loadgen --rerun {facts.benchmark_id}", "```"]
