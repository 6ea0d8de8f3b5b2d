"""Service-level objectives: `p99_ttft < 500 ms` as a person writes it, and as a bound that a figure holds or breaks."""

import operator
import re
from dataclasses import dataclass

from loadgen.units import NS_PER_MS, NS_PER_S, NS_PER_US

LATENCIES = ("ttft", "service_ttft", "itl", "tpot", "e2e", "service_e2e")
RATIOS = ("success_ratio", "error_ratio", "recall")
RATES = ("request_throughput", "output_throughput", "goodput")
STATISTICS = ("mean", "max", "min")

_OPERATORS = {"<": operator.lt, "<=": operator.le, ">": operator.gt, ">=": operator.ge}
_TIME_UNITS = {"us": NS_PER_US, "ms": NS_PER_MS, "s": NS_PER_S}
_RATIO_UNITS = {"": 1.0, "%": 0.01}
_RATE_UNITS = {"": 1.0, "/s": 1.0}
_SHAPE = re.compile(
    r"\s*(?:(?P<service>[A-Za-z][A-Za-z0-9_-]*)\.(?=[A-Za-z]))?(?P<figure>[A-Za-z0-9_.]+)\s*(?P<op><=|>=|<|>)\s*(?P<value>\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)\s*(?P<unit>\S*)\s*"
)
_PERCENTILE = re.compile(r"p(\d{1,2}(?:\.\d+)?)")


@dataclass(frozen=True)
class Slo:
    """One bound. threshold: ns for latencies, 0-1 for ratios, per second for rates."""

    expression: str
    metric: str
    statistic: str | None  # p99, p99.9, mean, max, min; of recall p5, mean, min; None for other ratios and rates
    op: str
    threshold: float
    unit: str  # as written
    service: str = ""  # the one of several services that it is about; "": every one that has the figure

    def holds(self, value: float) -> bool:
        """Whether a figure, in the threshold's unit, keeps the bound. A figure that is not a number keeps none."""
        return bool(_OPERATORS[self.op](value, self.threshold))

    @property
    def is_per_request(self) -> bool:
        """Whether a single request can meet or miss it, as goodput needs."""
        return self.metric in LATENCIES


def parse_slo(text: str) -> Slo:
    """Read `STATISTIC OP VALUE [UNIT]`, with a service's name and a dot before it where there are several.

    `p99 < 1 s` alone means p99_e2e, `recall` alone its mean. Raises ValueError with a one-line reason.
    """
    match = _SHAPE.fullmatch(text)
    if match is None:
        raise ValueError(f"must read STATISTIC OP VALUE UNIT, such as p99_ttft < 500 ms, got {text!r}")
    figure, op, value, unit = match.group("figure", "op", "value", "unit")
    statistic, metric = _split_figure(figure)
    service = match["service"] or ""
    return Slo(
        expression=f"{service}{'.' if service else ''}{figure} {op} {value} {unit}".strip(),
        metric=metric,
        statistic=statistic,
        op=op,
        threshold=float(value) * _scale(metric, unit, f"{figure} {op} {value}"),
        unit=unit,
        service=service,
    )


def _split_figure(figure: str) -> tuple[str | None, str]:
    if figure in RATIOS or figure in RATES:
        return "mean" if figure == "recall" else None, figure
    statistic, _, metric = figure.partition("_")
    if statistic not in STATISTICS and not _PERCENTILE.fullmatch(statistic):
        raise ValueError(_unknown_figure(figure))
    metric = metric or "e2e"
    if metric == "recall" and statistic != "max":
        return statistic, metric
    if metric not in LATENCIES:
        raise ValueError(_unknown_figure(figure))
    return statistic, metric


def _unknown_figure(figure: str) -> str:
    if figure in LATENCIES:
        return f"{figure} needs a statistic before it, such as p99_{figure} or mean_{figure}"
    return (
        f"{figure} is not a figure: pNN_, mean_, max_ or min_ before one of {', '.join(LATENCIES)}; "
        f"or one of {', '.join((*RATIOS, *RATES))} (recall also with pNN_, mean_ or min_)"
    )


def _scale(metric: str, unit: str, bound: str) -> float:
    """What one of `unit` is in the threshold's own unit."""
    if metric in LATENCIES:
        units: dict[str, float] = dict(_TIME_UNITS)
        if not unit:
            raise ValueError(f"a time needs a unit: {bound} us, ms or s")
    else:
        units = _RATIO_UNITS if metric in RATIOS else _RATE_UNITS
    if unit not in units:
        expected = " or ".join(repr(known) if known else "none" for known in units)
        raise ValueError(f"{metric} takes the unit {expected}, got {unit!r}")
    return units[unit]
