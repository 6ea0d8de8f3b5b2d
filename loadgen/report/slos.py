"""The SLOs of a run as a report shows and draws them."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.recipe.slo import parse_slo
from loadgen.report.numbers import is_known, ms, per_s, percent
from loadgen.report.words import METRICS, RATES
from loadgen.units import ms_from_ns

COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

PASS, FAIL = "PASS", "FAIL"


@dataclass(frozen=True)
class Limit:
    """One SLO. threshold and value: ms for a time, 0-1 for a ratio, per second for a rate; value None: not measured.

    service: which of several it was held against.
    """

    expression: str
    metric: str
    statistic: str | None
    op: str
    threshold: float
    value: float | None = None
    verdict: str | None = None
    service: str = ""

    @property
    def is_time(self) -> bool:
        return self.metric in METRICS

    @property
    def threshold_ms(self) -> float:
        return self.threshold

    @property
    def percentile(self) -> str | None:
        """p99 and the like; None for a mean, a maximum, a rate or a ratio."""
        return self.statistic if self.statistic and self.statistic.startswith("p") else None

    @property
    def quantile(self) -> float:
        return float((self.percentile or "p0")[1:]) / 100.0

    @property
    def name(self) -> str:
        """What is limited, in words: p99 time to first token."""
        words = METRICS.get(self.metric) or RATES.get(self.metric, self.metric)
        of_service = f"{self.service}: " if self.service else ""
        return f"{of_service}{self.statistic} {words}" if self.statistic else f"{of_service}{words}"

    @property
    def stated(self) -> str:
        """As the recipe has it, with the service that it was held against."""
        is_told = not self.service or self.expression.startswith(f"{self.service}.")
        return self.expression if is_told else f"{self.service}: {self.expression}"

    @property
    def holds(self) -> bool:
        return self.verdict == PASS

    def keeps(self, value: float) -> bool:
        """Whether a figure in the threshold's unit is within the bound."""
        return COMPARE[self.op](value, self.threshold)

    def shown(self, value: float | None) -> str:
        if self.is_time:
            return ms(value)
        return percent(value) if self.metric.endswith("_ratio") or self.metric == "recall" else per_s(value)


def limit_of(entry: Mapping[str, Any] | str) -> Limit | None:
    """From an entry of summary.json's `slo`, or from the recipe's text; None if it cannot be read."""
    stated: Mapping[str, Any] = {"expression": entry} if isinstance(entry, str) else entry
    try:
        slo = parse_slo(str(stated.get("expression")))
    except ValueError:
        return None
    value = stated.get("value")
    is_time = slo.metric in METRICS
    return Limit(
        expression=slo.expression,
        metric=slo.metric,
        statistic=slo.statistic,
        op=slo.op,
        threshold=ms_from_ns(slo.threshold) if is_time else slo.threshold,
        value=float(value) if is_known(value) else None,
        verdict=stated.get("verdict"),
        service=str(stated.get("service") or slo.service),
    )


def limits_of(summary: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[Limit]:
    """Every SLO with what was measured; those of the recipe, unjudged, where the summary has none."""
    entries = summary.get("slo") or recipe.get("slo") or []
    return [limit for entry in entries if (limit := limit_of(entry)) is not None]
