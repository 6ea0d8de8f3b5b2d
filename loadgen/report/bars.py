"""A small picture for a terminal: throughput, and the latency that decides, as bars over the loads."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from loadgen.recipe.slo import parse_slo
from loadgen.report.numbers import figure, is_known, plain
from loadgen.report.text import aligned, short_axis
from loadgen.report.words import axis_value
from loadgen.units import ms_from_ns

WIDTH = 24
MOST_LOADS = 24
EIGHTHS = " ▏▎▍▌▋▊▉█"
LIMIT = "│"
PLAIN, PLAIN_LIMIT = "#", "|"
"""Where the terminal has no other letters."""


class Deciding(NamedTuple):
    """The latency that is drawn. limit_ms: None where no limit is set on it."""

    metric: str
    statistic: str
    limit_ms: float | None

    @property
    def name(self) -> str:
        return f"{self.statistic} {self.metric} ms"


def bar_lines(content: Mapping[str, Any], is_plain: bool = False) -> list[str]:
    """A line a load; nothing of kinds, of several services or of fewer than two loads. content: report.json."""
    rows = _rows(content)
    if len(rows) < 2 or len(rows) > MOST_LOADS or len(content.get("slo_limits") or ()) > 1:
        return []
    deciding = _deciding(content)
    key = f"{deciding.statistic}_{deciding.metric}_ms"
    loads = [axis_value(load) for load, _ in rows]
    rates = [_median(figures, "request_throughput_per_s") for _, figures in rows]
    times = [_median(figures, key) for _, figures in rows]
    head = (short_axis(content["load_axis"]), "answers/s", f"{deciding.name}{_limit_words(deciding, is_plain)}")
    columns = (_set_right([head[0], *loads]), _bars(rates, None, is_plain), _bars(times, deciding.limit_ms, is_plain))
    return aligned([(columns[0][0], *head[1:]), *zip(columns[0][1:], *columns[1:], strict=True)])


def _limit_words(deciding: Deciding, is_plain: bool) -> str:
    if deciding.limit_ms is None:
        return ""
    return f" ({PLAIN_LIMIT if is_plain else LIMIT} the limit, {plain(deciding.limit_ms)})"


def _rows(content: Mapping[str, Any]) -> list[tuple[float, Mapping[str, Any]]]:
    """Load and figures of each step that was measured."""
    axis = content["load_axis"]
    steps = [(step["axes"].get(axis), step["figures"]) for step in content.get("steps") or ()]
    return [(load, figures) for load, figures in steps if is_known(load) and figures]


def _deciding(content: Mapping[str, Any]) -> Deciding:
    """The percentile of the limit that broke first; else of the first on a percentile that is drawn; else p99."""
    entries = [entry for point in content["points"] for entry in point["slo"]]
    ordered = sorted(entries, key=lambda entry: entry["verdict"] != "FAIL")
    has_tokens = any("p99_ttft_ms" in step["figures"] for step in content.get("steps") or ())
    for entry in ordered:
        slo = parse_slo(entry["expression"])
        if slo.metric in ("ttft", "itl", "e2e") and slo.statistic in ("p50", "p95", "p99"):
            return Deciding(slo.metric, slo.statistic, ms_from_ns(slo.threshold))
    return Deciding("ttft" if has_tokens else "e2e", "p99", None)


def _median(figures: Mapping[str, Any], name: str) -> float | None:
    value = (figures.get(name) or {}).get("median")
    return float(value) if is_known(value) else None


def _bars(values: Sequence[float | None], limit: float | None, is_plain: bool) -> list[str]:
    """Each a bar and its figure. The limit is drawn where it lies within the width."""
    top = max((value for value in values if value is not None), default=0.0)
    top = min(max(top, (limit or 0.0) * 1.25), (limit or top) * 4) or 1.0  # a queue of seconds leaves the limit visible
    place = None if not limit else round(limit / top * WIDTH)
    return [f"{_bar(value, top, place, is_plain)} {figure(value)}" for value in values]


def _bar(value: float | None, top: float, limit_at: int | None, is_plain: bool) -> str:
    eighths = 0 if value is None else round(min(value / top, 1.0) * WIDTH * 8)
    whole, rest = divmod(eighths, 8)
    drawn = (PLAIN * whole) if is_plain else EIGHTHS[8] * whole + (EIGHTHS[rest] if rest else "")
    cells = list(drawn.ljust(WIDTH))
    if limit_at is not None and 0 < limit_at < WIDTH and cells[limit_at] == " ":
        cells[limit_at] = PLAIN_LIMIT if is_plain else LIMIT
    return "".join(cells)


def _set_right(texts: Sequence[str]) -> list[str]:
    width = max(map(len, texts))
    return [text.rjust(width) for text in texts]


def is_plain_terminal(encoding: str | None) -> bool:
    """Whether a stream of that encoding can show no blocks."""
    try:
        f"{EIGHTHS}{LIMIT}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return True
    return False
