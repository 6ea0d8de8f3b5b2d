"""The differences between two sides at one point: within a run, or over several runs of each side."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from loadgen.compare.figures import METRICS, RATES, SHARES, STATISTICS, Difference, Figure, value_in
from loadgen.compare.reading import Key, Requests, read_requests
from loadgen.report.facts import Facts, facts_of
from loadgen.statistics.differences import (
    N_FOR_BOUNDS,
    N_PERMUTATIONS,
    Blocks,
    Bounds,
    Pair,
    Values,
    beyond_pooled,
    n_blocks_for,
    permutation_p,
    ratio_bounds,
    share_difference,
)
from loadgen.statistics.repeats import Apart, sign_flips, welch

if TYPE_CHECKING:
    from loadgen.bundle import Bundle

FEWEST = 10
"""Requests that a side needs for any test at all."""
FEWEST_BEYOND = 5
"""Of a percentile's: so many values must lie beyond it on each side."""


@dataclass(frozen=True)
class Run:
    """A bundle and what its files say."""

    bundle: "Bundle"
    facts: Facts

    @property
    def id(self) -> str:
        return self.facts.benchmark_id

    @cached_property
    def requests(self) -> dict[Key, Requests]:
        return read_requests(self.bundle, self.facts)

    def value(self, figure: Figure) -> float | None:
        return value_in(self.facts.part(figure.service).summary, figure)


def run_of(bundle: "Bundle") -> Run:
    return Run(bundle, facts_of(bundle))


Side = Sequence[Run]


def kinds_in_both(a: Side, b: Side) -> list[Key]:
    """Services and operations that can stand beside each other; a service as a whole only where its operations are the
    same on both sides."""
    of_a, of_b = _operations(a), _operations(b)
    kinds: list[Key] = []
    for service in (service for service in of_a if service in of_b):
        own, others = of_a[service], of_b[service]
        is_same = set(own) == set(others)
        kinds += [(service, "")] if is_same else []
        if len(own) > 1 or not is_same:
            kinds += [(service, name) for name in own if name in others]
    return kinds


def _operations(side: Side) -> dict[str, list[str]]:
    """Each service's, in the plan's order."""
    found: dict[str, list[str]] = {}
    for operation in side[0].bundle.operations:
        found.setdefault(operation.service, []).append(operation.name)
    return found


def figures_of(kinds: Sequence[Key], left_out: Mapping[str, str]) -> Iterator[Figure]:
    """left_out: metrics that mean something else on the two sides."""
    for service, operation in kinds:
        for name in (*RATES, *SHARES):
            if name not in left_out:
                yield Figure(name, "", service, operation)
        for metric in METRICS:
            if metric not in left_out:
                yield from (Figure(metric, statistic, service, operation) for statistic in STATISTICS)


def shared(a: Side, b: Side, figures: Iterable[Figure]) -> list[Figure]:
    """Those that both sides have."""
    return [figure for figure in figures if all(any(run.value(figure) is not None for run in side) for side in (a, b))]


def difference(
    a: Side, b: Side, figure: Figure, paired: bool = False, n_permutations: int = N_PERMUTATIONS
) -> Difference:
    """Of a figure that both sides have. paired: the n-th run of a was run beside the n-th of b.

    n_permutations: how fine a p-value within a run is told.
    """
    values = [[value for run in side if (value := run.value(figure)) is not None] for side in (a, b)]
    shown = _mean(values[0]), _mean(values[1])
    if (why := _too_few(a, b, figure, paired)) or (why := _no_ratio(figure, values)):
        return Difference(figure, *shown, why=why)
    if paired:
        return _over_pairs(a, b, figure)
    if len(a) > 1 or len(b) > 1:
        return _over_runs(figure, values)
    return _within(a[0], b[0], figure, shown, n_permutations)


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values)


def _no_ratio(figure: Figure, values: list[list[float]]) -> str:
    if figure.is_share or all(value > 0 for side in values for value in side):
        return ""
    return "it is 0 on one side: no ratio can be told"


def _too_few(a: Side, b: Side, figure: Figure, paired: bool) -> str:
    """Why a figure is shown and not tested; empty where it can be."""
    smallest = [min(_n_of(run, figure) for run in side) for side in (a, b)]
    needed = FEWEST if figure.q is None else max(FEWEST, math.ceil(FEWEST_BEYOND / (1 - figure.q) - 1e-9))
    if min(smallest) >= needed:
        return ""
    each = "slot" if paired else "side"
    return f"too few samples: it needs {needed:,} a {each}, there are {smallest[0]:,} and {smallest[1]:,}"


def _n_of(run: Run, figure: Figure) -> int:
    requests = run.requests.get((figure.service, figure.operation))
    if requests is None:
        return 0
    if figure.is_latency:
        metric = requests.metrics.get(figure.metric)
        return int(metric.counts.sum()) if metric else 0
    return requests.n_searched if figure.metric == "recall" else int(requests.n_finished.sum())


def _over_runs(figure: Figure, values: list[list[float]]) -> Difference:
    a, b = (_on_scale(figure, side) for side in values)
    told = welch(a, b)
    shown = _off_scale(figure, a), _off_scale(figure, b)
    return _from(figure, shown, told) if told else Difference(figure, *shown, why="only one run of each side has it")


def _over_pairs(a: Side, b: Side, figure: Figure) -> Difference:
    pairs = [(first.value(figure), second.value(figure)) for first, second in zip(a, b, strict=True)]
    whole = [(first, second) for first, second in pairs if first is not None and second is not None]
    firsts, seconds = (_on_scale(figure, [pair[side] for pair in whole]) for side in (0, 1))
    told = sign_flips([second - first for first, second in zip(firsts, seconds, strict=True)])
    if told is None:
        return Difference(figure, None, None, why="no pair of slots has it")
    return _from(figure, (_off_scale(figure, firsts), _off_scale(figure, seconds)), told)


def _on_scale(figure: Figure, values: list[float]) -> list[float]:
    """Logarithms, so that a difference is a ratio; shares as they are."""
    return values if figure.is_share else [math.log(value) for value in values]


def _off_scale(figure: Figure, values: list[float]) -> float:
    """Their mean, geometric where they are logarithms: the ratio of two is then the difference that is tested."""
    return _mean(values) if figure.is_share else math.exp(_mean(values))


def _from(figure: Figure, shown: tuple[float, float], told: Apart) -> Difference:
    ends = [end if figure.is_share else math.expm1(end) for end in (told.low, told.high)]
    low, high = (end if math.isfinite(end) and not _is_nothing(figure, end) else None for end in ends)
    return Difference(figure, *shown, low=low, high=high, p_value=told.p_value)


def _is_nothing(figure: Figure, end: float) -> bool:
    """-100 %: what an interval without a lower end comes to."""
    return not figure.is_share and end <= -1.0


Shown = tuple[float, float]


def _within(a: Run, b: Run, figure: Figure, shown: Shown, n_permutations: int) -> Difference:
    """Of two runs, from the blocks of both."""
    first, second = (run.requests[figure.service, figure.operation] for run in (a, b))
    if figure.q is None:
        return _of_ratio(figure, shown, (_blocks(first, figure), _blocks(second, figure)), n_permutations)
    values = first.metrics[figure.metric].values, second.metrics[figure.metric].values
    return _of_percentile(figure, shown, values, figure.q, n_permutations)


def _blocks(requests: Requests, figure: Figure) -> Blocks:
    if figure.is_latency:
        return requests.metrics[figure.metric].of_means
    if figure.metric == "recall":
        return Blocks(requests.n_found, requests.n_to_find)
    if figure.is_share:
        return Blocks(requests.n_succeeded, requests.n_finished)
    worked = {"request_throughput": requests.answers, "output_throughput": requests.tokens}
    return requests.per_second(worked.get(figure.metric, requests.good))


NEVER_SETTLED = "its values hang together over much of the run: too few independent parts; run longer"


def _of_ratio(figure: Figure, shown: Shown, sides: Pair, n_permutations: int) -> Difference:
    n_blocks = n_blocks_for(*sides)
    if n_blocks is None:
        return Difference(figure, *shown, why=NEVER_SETTLED)
    first, second = (side.merged(n_blocks) for side in sides)
    p_value = permutation_p(first, second, n_permutations)
    if figure.is_share:
        low, high = share_difference(first, second) or (None, None)
        return Difference(figure, *shown, low=low, high=high, p_value=p_value)
    bounds = ratio_bounds(
        lambda factor: permutation_p(first, second.scaled(1 / factor), N_FOR_BOUNDS), _ratio(first.ratio, second.ratio)
    )
    return _told(figure, shown, bounds, p_value)


def _of_percentile(
    figure: Figure, shown: Shown, values: tuple[Values, Values], q: float, n_permutations: int
) -> Difference:
    first, second = values
    n_blocks = n_blocks_for(*beyond_pooled(first, second, q))
    if n_blocks is None:
        return Difference(figure, *shown, why=NEVER_SETTLED)

    def p_of(factor: float, n: int = N_FOR_BOUNDS) -> float:
        of_first, of_second = beyond_pooled(first, second.scaled(1 / factor), q)
        return permutation_p(of_first.merged(n_blocks), of_second.merged(n_blocks), n)

    bounds = ratio_bounds(p_of, _ratio(first.quantile(q), second.quantile(q)))
    return _told(figure, shown, bounds, p_of(1.0, n_permutations))


def _ratio(first: float | None, second: float | None) -> float:
    return second / first if first and second else 1.0


def _told(figure: Figure, shown: Shown, bounds: Bounds, p_value: float) -> Difference:
    low, high = (None if end is None else end - 1.0 for end in bounds)
    return Difference(figure, *shown, low=low, high=high, p_value=p_value)
