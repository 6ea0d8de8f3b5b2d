"""What the servers said of themselves before the load, and what after it."""

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, NamedTuple

from loadgen.report.facts import Facts
from loadgen.report.numbers import UNKNOWN, figure, is_known
from loadgen.report.words import cell, plural, table
from loadgen.units import NS_PER_S

if TYPE_CHECKING:
    from loadgen.bundle.monitor import Sample

MOST_ROWS = 40
NO_COUNTERS = ("_ratio", "_pct", "_per_s", "_percent", "_percentage", "_perc")


class Change(NamedTuple):
    """One figure of a server, at first and at last. per_s: None where it is no counter: where it fell, say."""

    key: str
    first: float
    last: float
    per_s: float | None


def server_section(facts: Facts) -> list[str]:
    """What changed, figure by figure; empty where no server said anything."""
    tables = [lines for part in facts.parts if (lines := _table(part))]
    if not tables:
        return []
    intro = "From the first look, before the load, to the last one after it. All looks are in monitor/server.jsonl."
    return ["## What the server says", "", intro, *(line for lines in tables for line in ("", *lines))]


def _table(facts: Facts) -> list[str]:
    changes = changes_of(facts.samples)
    changed = [change for change in changes if change.first != change.last]
    rows = [
        (change.key, exact(change.first), exact(change.last), exact(change.last - change.first), figure(change.per_s))
        for change in changed[:MOST_ROWS]
    ]
    said = table((facts.service_name or "figure", "first", "last", "difference", "per second"), rows) if rows else []
    for lines in (text_changes(facts.samples), _left_out(facts, len(changes), len(changed))):
        said += ["", *lines] if said and lines else lines
    return said


def _left_out(facts: Facts, n_all: int, n_changed: int) -> list[str]:
    whose = f" of {facts.service_name}" if facts.service_name else ""
    said = []
    if n_changed > MOST_ROWS:
        said.append(f"{n_changed - MOST_ROWS} more figures{whose} changed.")
    if n_all > n_changed:
        said.append(f"{plural(n_all - n_changed, 'figure')}{whose} did not change.")
    return [" ".join(said)] if said else []


def changes_of(samples: "Sequence[Sample]") -> list[Change]:
    """Of every number that the first and the last look have, in the server's order."""
    if len(samples) < 2:
        return []
    first, last = samples[0], samples[-1]
    seconds = (last.at_ns - first.at_ns) / NS_PER_S
    keys = [key for key, value in first.values.items() if is_known(value) and is_known(last.values.get(key))]
    return [Change(key, first.values[key], last.values[key], _rate(samples, key, seconds)) for key in keys]


def _rate(samples: "Sequence[Sample]", key: str, seconds: float) -> float | None:
    """Of what looks like a counter: it never fell, and its name does not say that it is a share."""
    values: list[Any] = [value for sample in samples if is_known(value := sample.values.get(key))]
    grows = all(later >= earlier for earlier, later in pairwise(values))
    if not grows or seconds <= 0 or key.endswith(NO_COUNTERS):
        return None
    return float((values[-1] - values[0]) / seconds)


def exact(value: float) -> str:
    """All digits of a whole number; of another, three."""
    if not is_known(value):
        return UNKNOWN
    return f"{int(value):,}" if value == int(value) else figure(value)


def text_changes(samples: "Sequence[Sample]") -> list[str]:
    """Texts that are not what they were at first: role: master, then replica."""
    if len(samples) < 2:
        return []
    first, last = samples[0].values, samples[-1].values
    return [
        f"- {cell(key)}: {cell(first[key])}, then {cell(last[key])}"
        for key in first
        if isinstance(first[key], str) and isinstance(last.get(key), str) and first[key] != last[key]
    ]
