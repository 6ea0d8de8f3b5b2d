"""What a run's page says first, and its table of limits."""

from collections.abc import Mapping
from typing import Any

from loadgen.report.facts import Facts
from loadgen.report.html.markup import Html, joined, tag
from loadgen.report.html.page import TONES, note
from loadgen.report.html.sentences import headline_and_rest
from loadgen.report.html.tables import html_table
from loadgen.report.intervals import in_words, sure_percentile
from loadgen.report.numbers import UNKNOWN, is_known
from loadgen.report.slos import PASS, UNDECIDED, Limit
from loadgen.report.verdict import Verdict
from loadgen.report.words import METRICS

CLIENT_TONES = {"trusted": "good", "suspect": "open", "bound": "bad"}


def run_sentence(facts: Facts, verdict: Verdict) -> str:
    """Holds all 3 limits with 8 clients: p99 time to first token 412 ± 18 ms. Of any other verdict, its own words."""
    limits = facts.limits
    if verdict.value != PASS or facts.n_wrong or facts.n_wrong_outside:
        return headline_and_rest(verdict.sentence)[0]
    which = {1: "the limit", 2: "both limits"}.get(len(limits), f"all {len(limits)} limits")
    figure = leading_figure(facts)
    return f"Holds {which} with {facts.load}{f': {figure}' if figure else ''}."


def rest_of_verdict(facts: Facts, verdict: Verdict) -> str:
    """What of the verdict the sentence has not said."""
    headline, rest = headline_and_rest(verdict.sentence)
    if headline == run_sentence(facts, verdict):
        return rest
    _, colon, figures = verdict.sentence.partition(": ")
    return f"It gave {figures}" if colon else verdict.sentence


def leading_figure(facts: Facts) -> str:
    """Of the first limit on a percentile: p99 time to first token 412 ± 18 ms."""
    for part in facts.parts:
        for limit in part.limits:
            metric = part.metric(limit.metric)
            if limit.percentile and metric and limit.percentile in (metric.get("percentiles") or {}):
                sure = sure_percentile(metric, limit.percentile)
                whose = f"{part.service_name} " if part.service_name else ""
                return f"{whose}{limit.percentile} {METRICS[limit.metric]} {in_words(sure)}"
    return ""


def limits_table(facts: Facts) -> Html:
    limits = facts.limits
    if not limits:
        return note("The recipe sets no limits (slo), so nothing is judged.")
    rows = [_row(limit) for limit in limits]
    head = ("limit", "verdict", "measured", "95 % interval")
    said = []
    if any(limit.verdict == UNDECIDED for limit in limits):
        said.append(note("UNDECIDED: the samples allow both; neither held nor broken with 95 % confidence."))
    return joined([html_table(head, rows, [False, False, True, True], caption="Limits"), *said])


def _row(limit: Limit) -> tuple[object, ...]:
    measured = limit.shown(limit.value) if is_known(limit.value) else "not measured"
    between = f"{limit.shown(limit.ci95[0])} to {limit.shown(limit.ci95[1])}" if limit.ci95 else UNKNOWN
    more = tag("small", limit.wanted) if limit.wanted else None
    name = joined([limit.name, tag("small", limit.stated)])
    return name, joined([verdict_badge(limit.verdict), more]), measured, between


def verdict_badge(verdict: str | None) -> Html:
    return tag("span", verdict or "not judged", class_=f"badge {TONES.get(verdict or '', 'plain')}")


def client_tile(facts: Facts) -> list[tuple[str, object, object]]:
    """Whether the load generator's own figures may be believed; of several services only once, with the first."""
    verdict = client_verdict(facts.summary)
    if not verdict:
        return []
    words = {
        "trusted": "its own part is small",
        "suspect": "may have held results back",
        "bound": "it set the pace, not the service",
    }
    return [
        (
            "The load generator",
            tag("span", verdict, class_=f"says {CLIENT_TONES.get(verdict, 'plain')}"),
            words.get(verdict),
        )
    ]


def client_verdict(summary: Mapping[str, Any]) -> str:
    return str((summary.get("client") or {}).get("verdict") or "")
