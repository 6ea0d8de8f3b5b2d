"""What things are called in a report: plain words for the names in the bundle's files."""

import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple
from urllib.parse import urlsplit, urlunsplit

from loadgen.report.numbers import UNKNOWN, is_known, plain

METRICS = {
    "ttft": "time to first token",
    "service_ttft": "time to first token, from the send",
    "itl": "gap between tokens",
    "tpot": "time per output token",
    "e2e": "time to the whole answer",
    "service_e2e": "time to the whole answer, from the send",
    "send_lag": "lateness of the send",
    "read_lag": "lateness of the read",
}

TITLE_METRICS = {"ttft": "first token", "e2e": "whole answer", "itl": "gap between tokens"}

LATENCIES = ("ttft", "itl", "tpot", "e2e", "service_ttft", "service_e2e")

OUTCOMES = {
    "rate_limited": "turned away (429)",
    "server_error": "server error (5xx)",
    "client_error": "refused as a wrong request (4xx)",
    "connect_failed": "no connection",
    "reset": "connection cut by the server",
    "timeout": "no answer in time",
    "protocol_error": "an answer that breaks the protocol",
    "stream_error": "an error in the middle of the answer",
    "empty_output": "an answer without content",
    "truncated": "cut off at the length limit",
    "context_length_exceeded": "prompt too long for the model",
    "refused": "refused by the model",
    "wrong_answer": "wrong answer",
    "cancelled": "the run ended first",
}

OUTCOMES_WITHOUT_HTTP = {
    **OUTCOMES,
    "rate_limited": "turned away",
    "server_error": "server error",
    "client_error": "refused as a wrong request",
}

KINDS_WITHOUT_HTTP = ("redis", "postgresql", "python")

STATUSES = {
    "complete": "complete",
    "interrupted": "stopped by hand",
    "failed": "failed",
    "running": "killed or still running",
}

RATES = {
    "request_throughput": "answers per second",
    "output_throughput": "tokens per second",
    "goodput": "good answers per second",
    "success_ratio": "share of answers that succeeded",
    "error_ratio": "share of requests that failed",
    "recall": "recall",
}

LOAD_FIELDS = {"concurrency": "clients at once", "rate_per_s": "requests sent per second"}

_LOAD_AXIS = re.compile(r"load(?:|s\.(?P<service>[^.]+))\.(?P<field>concurrency|rate_per_s)")


class LoadAxis(NamedTuple):
    """A field of the recipe that says how much load there is. service: "" where there is one only."""

    service: str
    field: str


def load_axis_of(axis: str) -> LoadAxis | None:
    """load.concurrency, loads.vectors.rate_per_s and the like; None: another field."""
    match = _LOAD_AXIS.fullmatch(axis)
    return LoadAxis(match["service"] or "", match["field"]) if match else None


def status_of(status: Any) -> str:
    return STATUSES.get(str(status), str(status))


def plural(n: float, one: str, many: str = "") -> str:
    """1 client, 8 clients, 1,500 clients."""
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def load_of(recipe: Mapping[str, Any]) -> str:
    """The load in a few words: 8 clients; 200 requests/s (poisson); chat 8 clients, store 50 clients."""
    loads = recipe.get("loads") or {}
    if not recipe.get("services"):
        return _load_of(recipe.get("load") or {})
    return ", ".join(f"{name} {_load_of(loads.get(name) or {})}" for name in recipe["services"])


def _load_of(load: Mapping[str, Any]) -> str:
    if load.get("mode") == "open":
        rate, arrival = load.get("rate_per_s"), load.get("arrival") or "constant"
        kind = arrival.get("kind", "") if isinstance(arrival, Mapping) else arrival
        return f"{plain(rate)} requests/s ({kind})" if is_known(rate) else f"a schedule of arrivals ({kind})"
    n = load.get("concurrency")
    return plural(n, "client") if is_known(n) else "an unknown load"


def axis_value(value: Any) -> str:
    """A sweep's value as people write it."""
    if is_known(value):
        return f"{value:,}" if isinstance(value, int) else f"{value:,.10g}"
    return UNKNOWN if value is None else str(value)


def load_phrase(axes: Mapping[str, Any]) -> str:
    """Where in a sweep: 8 clients; 8 clients of chat, 200 requests/s to store; workload.output_tokens 64."""
    return ", ".join(_axis_phrase(name, value) for name, value in axes.items()) or "the one load"


def _axis_phrase(name: str, value: Any) -> str:
    axis = load_axis_of(name)
    if axis is None or not is_known(value):
        return f"{name} {axis_value(value)}"
    if axis.field == "concurrency":
        return plural(value, "client") + (f" of {axis.service}" if axis.service else "")
    return f"{axis_value(value)} requests/s" + (f" to {axis.service}" if axis.service else "")


def axis_label(name: str) -> str:
    """For under an axis: clients at once (load.concurrency)."""
    axis = load_axis_of(name)
    return f"{LOAD_FIELDS[axis.field]} ({name})" if axis else name


def shortened(text: str, n_chars: int = 40) -> str:
    return text if len(text) <= n_chars else text[: n_chars - 1] + "…"


def without_secrets(url: Any) -> str:
    """The URL without user, password and query: a bundle has none, but a report is what people publish."""
    if not url:
        return UNKNOWN
    try:
        parts = urlsplit(str(url))
        host = parts.netloc.rpartition("@")[2]
    except ValueError:
        return UNKNOWN
    return urlunsplit((parts.scheme, host, parts.path, "", ""))


def one_line(text: Any) -> str:
    """Text of a server's as one line, without what would move a terminal's cursor."""
    shown = "".join(char if char.isprintable() else " " for char in str(text))
    return re.sub(r" +", " ", shown).strip()


def cell(text: Any) -> str:
    """Text that stays one cell of a Markdown table, and no HTML."""
    clean = one_line(text)
    return re.sub(r"<(?=[A-Za-z/!?])", "&lt;", clean.replace("|", "\\|")) or UNKNOWN


def table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A Markdown table; every column after the first is set to the right."""
    rule = ("---", *("---:" for _ in head[1:]))
    return [f"| {' | '.join(row)} |" for row in (head, rule, *(tuple(map(cell, row)) for row in rows))]


def left_table(head: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> list[str]:
    """A Markdown table of texts: every column is set to the left."""
    rule = tuple("---" for _ in head)
    return [f"| {' | '.join(row)} |" for row in (head, rule, *(tuple(map(cell, row)) for row in rows))]
