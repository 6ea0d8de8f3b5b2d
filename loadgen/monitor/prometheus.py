"""Pages of metrics in Prometheus's text format. Source: Prometheus, "Exposition formats"."""

import math
import re
from collections.abc import Mapping
from typing import NamedTuple

_LEFT_OUT = re.compile(r"#|[^\s{]*_(?:bucket|created)[\s{]")
"""Comments; histograms' buckets, which are most of a page; and when counters were made."""


class Reading(NamedTuple):
    """One series of a page. labels: in the page's order."""

    name: str
    labels: Mapping[str, str]
    value: int | float

    @property
    def series(self) -> str:
        """As the page has it: name{label="value"}."""
        if not self.labels:
            return self.name
        inside = ",".join(f'{label}="{_escaped(value)}"' for label, value in self.labels.items())
        return f"{self.name}{{{inside}}}"


def readings_of(page: str) -> list[Reading]:
    """Every series that has a finite value. A line that cannot be read is left out.

    Raises ValueError for a page that has no other lines: it is in another format.
    """
    lines = [line for line in page.splitlines() if line and not _LEFT_OUT.match(line)]
    try:
        return _parsed(lines)
    except ValueError:
        found = [reading for line in lines for reading in _parsed_if_readable(line)]
    if not found:
        raise ValueError("not in Prometheus's text format")
    return found


def _parsed(lines: list[str]) -> list[Reading]:
    """Without the comments the parser does not know the kinds, and so leaves names as they are. Raises ValueError."""
    from prometheus_client.parser import text_string_to_metric_families

    try:
        families = list(text_string_to_metric_families("\n".join(lines) + "\n"))
    except IndexError:  # the parser's own, on some lines that are cut
        raise ValueError("a line is cut") from None
    samples = (sample for family in families for sample in family.samples if math.isfinite(sample.value))
    return [Reading(sample.name, sample.labels, _whole(float(sample.value))) for sample in samples]


def _parsed_if_readable(line: str) -> list[Reading]:
    try:
        return _parsed([line])
    except ValueError:
        return []


def series_of(page: str) -> dict[str, int | float]:
    """The same as a flat mapping: what a sample of monitor/server.jsonl holds."""
    return {reading.series: reading.value for reading in readings_of(page)}


def name_of(series: str) -> str:
    """Without its labels."""
    return series.partition("{")[0]


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def _whole(value: float) -> int | float:
    return int(value) if value.is_integer() and abs(value) < 2**53 else value
