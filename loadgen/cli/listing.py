"""`loadgen list`: the runs there are, a line each."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson

from loadgen.bundle import Bundle, list_ids, open_bundle
from loadgen.bundle.damage import blamed_on
from loadgen.cli.where import dotted_value, parse_where
from loadgen.errors import LoadgenError
from loadgen.report.facts import COMPLETE, Facts
from loadgen.report.numbers import figure, is_known, ms, percentile
from loadgen.report.verdict import verdict_of
from loadgen.report.words import LATENCIES

HEAD = ("ID", "DATE", "RECIPE", "SERVICE", "LOAD", "ANSWERS/S", "TOKENS/S", "P99 TTFT", "P99 E2E", "FAILED", "VERDICT")
N_TEXT_COLUMNS = 5
NO_FIGURE = "-"

_SHORT = {"service": "service.kind", "recipe": "name", "model": "service.model", "load": "load.mode"}
_STATISTIC = re.compile(rf"(?P<statistic>p\d+(?:\.\d+)?|mean|min|max|std)_(?P<metric>{'|'.join(LATENCIES)})(?:_ms)?")


@dataclass(frozen=True)
class Row:
    """One run, or one of its several services.

    facts: what its files say; a killed run has no figures here, `report` counts them anew.
    """

    facts: Facts
    folder: Path

    @property
    def date(self) -> str:
        return str(self.facts.run.get("created_at") or "")[:16].replace("T", " ")

    @property
    def verdict(self) -> str:
        """PASS, FAIL or NO SLO of a run that is complete; of another how it ended."""
        return verdict_of(self.facts).value if self.facts.status == COMPLETE else self.facts.status

    def value(self, name: str) -> Any:
        """What --where may name: a column, a field of the recipe, a key of run.json or summary.json, p99_ttft in ms."""
        columns = {"id": self.facts.benchmark_id, "date": self.date, "verdict": self.verdict}
        if name in columns:
            return columns[name]
        match = _STATISTIC.fullmatch(name)
        if match:
            return self._statistic(match["metric"], match["statistic"])
        full = _SHORT.get(name, name)
        found = (dotted_value(tree, full) for tree in (self.facts.recipe, self.facts.run, self.facts.summary))
        return next((value for value in found if value is not None), None)

    def _statistic(self, metric: str, statistic: str) -> Any:
        figures = self.facts.metric(metric) or {}
        value = figures.get(statistic, (figures.get("percentiles") or {}).get(statistic))
        return value.get("value") if isinstance(value, dict) else value

    def cells(self) -> tuple[str, ...]:
        facts = self.facts
        rates = (facts.summary.get(f"{name}_throughput_per_s") for name in ("request", "output"))
        tails = (percentile(facts.metric(name), "p99") for name in ("ttft", "e2e"))
        return (
            facts.benchmark_id,
            self.date,
            facts.name,
            f"{facts.service_name}: {facts.service}" if facts.service_name else facts.service,
            facts.load,
            *(figure(rate) if is_known(rate) else NO_FIGURE for rate in rates),
            *(ms(tail) if tail is not None else NO_FIGURE for tail in tails),
            f"{facts.n_failed:,}" if facts.summary else NO_FIGURE,
            self.verdict,
        )

    def as_json(self) -> dict[str, Any]:
        facts = self.facts
        metrics = {f"p99_{name}_ms": percentile(facts.metric(name), "p99") for name in LATENCIES}
        return {
            "benchmark_id": facts.benchmark_id,
            "created_at": facts.run.get("created_at"),
            "name": facts.name,
            **({"service_name": facts.service_name} if facts.service_name else {}),
            "service": facts.service,
            "load": facts.load,
            "status": facts.status,
            "verdict": self.verdict,
            "request_throughput_per_s": facts.summary.get("request_throughput_per_s"),
            "output_throughput_per_s": facts.summary.get("output_throughput_per_s"),
            "n_failed": facts.n_failed if facts.summary else None,
            **metrics,
            "folder": str(self.folder),
        }


def list_bundles(where: str | None, as_json: bool, results: Path, reports: Path) -> int:
    """Oldest first. What is no bundle that this version can open is said on stderr and left out."""
    chosen = parse_where(where) if where is not None else lambda _: True
    rows = [row for row in _rows(results) if chosen(row.value)]
    if as_json:
        for row in rows:
            print(orjson.dumps(row.as_json()).decode())
    elif rows:
        print("\n".join(_aligned([HEAD, *(row.cells() for row in rows)])))
    else:
        print(f"no runs in {results}{' of which this is true' if where else ''}", file=sys.stderr)
    return 0


def _rows(results: Path) -> list[Row]:
    rows = []
    for identity in list_ids(results):
        try:
            bundle = open_bundle(identity, results)
            with blamed_on(bundle):
                rows += [row for row in _rows_of(bundle) if row.cells()]
        except LoadgenError as error:
            print(f"note: {error}", file=sys.stderr)
    return rows


def _rows_of(bundle: Bundle) -> list[Row]:
    facts = Facts(bundle.id, bundle.run, bundle.summary or {})
    return [Row(part, bundle.folder) for part in facts.parts]


def _aligned(rows: list[tuple[str, ...]]) -> list[str]:
    """Words to the left, figures to the right, the verdict to the left again."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    last = len(HEAD) - 1

    def cell(i: int, text: str) -> str:
        return text.ljust(widths[i]) if i < N_TEXT_COLUMNS or i == last else text.rjust(widths[i])

    return ["  ".join(cell(i, text) for i, text in enumerate(row)).rstrip() for row in rows]
