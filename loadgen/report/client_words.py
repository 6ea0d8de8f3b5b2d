"""What the load generator says of itself, in words: whether it, and not the service, set the pace."""

from collections.abc import Callable, Mapping
from typing import Any

from loadgen.report.facts import Facts
from loadgen.report.numbers import count, figure, is_known, ms, percent, plain, seconds
from loadgen.report.words import cell, table

VERDICTS = {
    "trusted": "The load generator kept up: the figures are the service's (trusted).",
    "suspect": "The load generator may have added to the figures (suspect).",
    "bound": "The load generator was the limit, or near it (bound): the figures tell more of it than of the service.",
}

FIGURES: dict[str, tuple[str, Callable[[Any], str]]] = {
    "busy_ratio": ("share of the time in which its loop did not wait", percent),
    "cpu_ratio": ("CPU it used, as a share of one core", percent),
    "cpu_s": ("CPU time", seconds),
    "cpu_limit": ("CPUs that it may use at once", plain),
    "starved_ratio": ("share of the time in which its loop was ready to run and had no CPU", percent),
    "host_cpu_ratio": ("use of the CPUs that it may use, by all on the host", percent),
    "steal_ratio": ("CPU time that other guests of the hypervisor took", percent),
    "p99_send_lag_ms": ("99 of 100 requests left at most so late", ms),
    "p99_own_send_lag_ms": ("the same, from when they were due and had a free connection", ms),
    "connection_wait_ratio": ("requests that waited for a free connection, which is the service's slowness", percent),
    "p99_read_lag_ms": ("99 of 100 answers were read at most so long after their arrival", ms),
    "p99_loop_lag_ms": ("99 of 100 times its loop got to what came at most so late", ms),
    "shared_stamps_ratio": ("tokens that were read together with a later one", percent),
    "stamp": ("what dated the arrivals", str),
    "n_clock_steps": ("steps of the wall clock during the run", count),
    "n_lost_records": ("records lost", count),
}

_INTRO = "The load generator watches itself: if it is busy or late, the figures are partly its own."


def client_words(client: Mapping[str, Any]) -> list[str]:
    """The verdict in a sentence, then each reason. Of a run that was killed, or older than the verdict: nothing.

    client: `client` of summary.json.
    """
    verdict = VERDICTS.get(str(client.get("verdict")))
    return [] if verdict is None else [verdict, *map(str, client.get("reasons") or ())]


def client_warning(client: Mapping[str, Any]) -> list[str]:
    """The same where it is not to be trusted, for a place where one reads before any figure."""
    return [] if client.get("verdict") == "trusted" else client_words(client)


def client_lines(facts: Facts) -> list[str]:
    """The warning, for a terminal."""
    said = client_warning(facts.summary.get("client") or {})
    return [*said[:1], *(f"  {reason}" for reason in said[1:])]


def client_notice(facts: Facts) -> list[str]:
    """The warning, for the top of a page in Markdown."""
    said = client_warning(facts.summary.get("client") or {})
    return [*said[:1], "", *(f"- {cell(reason)}" for reason in said[1:])] if said else []


def client_section(facts: Facts) -> list[str]:
    """The verdict and the raw figures behind it, in Markdown. The reasons stand in the notice."""
    client = facts.summary.get("client") or {}
    rows = [(words, shown(client[name])) for name, (words, shown) in FIGURES.items() if client.get(name) is not None]
    if not rows:
        return []
    said = next(iter(client_words(client)), _unjudged(client))
    return ["## The load generator itself", "", said, "", *table(("what", "figure"), rows), *_ceiling(client)]


def _unjudged(client: Mapping[str, Any]) -> str:
    """Of a run that was killed why there is no verdict."""
    reasons = client.get("reasons") or ()
    return f"Whether it kept up is {cell(reasons[0])}." if reasons else _INTRO


def _ceiling(client: Mapping[str, Any]) -> list[str]:
    ceiling = client.get("ceiling") or {}
    rates = [f"{figure(ceiling[name])} {what} a second" for name, what in _RATES.items() if is_known(ceiling.get(name))]
    said = f"By its calibration of {cell(ceiling.get('at'))} this host can drive {' or '.join(rates)}."
    return ["", said] if rates else []


_RATES = {"events_per_s": "tokens", "requests_per_s": "requests"}
