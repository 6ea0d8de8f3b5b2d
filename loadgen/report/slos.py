"""The SLOs of a run as a report shows and draws them."""

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.recipe.slo import parse_slo
from loadgen.report.intervals import Sure, in_words, interval, ratio_in_words
from loadgen.report.numbers import is_known, ms, per_s, percent
from loadgen.report.words import METRICS, RATES
from loadgen.units import ms_from_ns

COMPARE: dict[str, Callable[[float, float], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

PASS, FAIL, UNDECIDED = "PASS", "FAIL", "UNDECIDED"


@dataclass(frozen=True)
class Limit:
    """One SLO. threshold and value: ms for a time, 0-1 for a ratio, per second for a rate; value None: not measured.

    service: which of several it was held against. ci95: of the value, in its unit. n: samples behind it; needs_n: how
    many in all would decide an undecided one, None where no number would, or that is not known.
    """

    expression: str
    metric: str
    statistic: str | None
    op: str
    threshold: float
    value: float | None = None
    verdict: str | None = None
    service: str = ""
    ci95: tuple[float, float] | None = None
    n: int | None = None
    needs_n: int | None = None

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

    @property
    def is_undecided(self) -> bool:
        """Neither kept nor broken: there are not enough samples to say."""
        return self.verdict == UNDECIDED

    @property
    def wanted(self) -> str:
        """What an undecided one lacks; empty where it is decided."""
        if not self.is_undecided:
            return ""
        return f"not enough samples: {self.more}" if self.more else "not enough samples to tell"

    @property
    def more(self) -> str:
        """412 more would decide; empty where no number would, or it is not known."""
        if not self.is_undecided or self.needs_n is None or self.n is None or self.needs_n <= self.n:
            return ""
        return f"{self.needs_n - self.n:,} more would decide"

    def keeps(self, value: float) -> bool:
        """Whether a figure in the threshold's unit is within the bound."""
        return COMPARE[self.op](value, self.threshold)

    def shown(self, value: float | None) -> str:
        if self.is_time:
            return ms(value)
        return percent(value) if self.is_share else per_s(value)

    @property
    def is_share(self) -> bool:
        return self.metric.endswith("_ratio") or self.metric == "recall"

    @property
    def measured(self) -> str:
        """The value and how sure it is: 136 ± 9 ms; 98.6 % (97.9 to 99.1)."""
        sure = Sure(self.value, self.ci95)
        return ratio_in_words(sure) if self.is_share else in_words(sure, "ms" if self.is_time else "/s")


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
        ci95=interval(stated.get("ci95")),
        n=_whole(stated.get("n")),
        needs_n=_whole(stated.get("needs_n")),
    )


def _whole(value: Any) -> int | None:
    return int(value) if is_known(value) else None


def limits_of(summary: Mapping[str, Any], recipe: Mapping[str, Any]) -> list[Limit]:
    """Every SLO with what was measured; those of the recipe, unjudged, where the summary has none."""
    entries = summary.get("slo") or recipe.get("slo") or []
    return [limit for entry in entries if (limit := limit_of(entry)) is not None]
