"""A comparison as text: the lines above the table, its rows, and one sentence that a person can act on."""

import math
from collections.abc import Iterator, Sequence

from loadgen.compare.comparison import Comparison, Point, too_few_pairs
from loadgen.compare.figures import Difference, Word
from loadgen.compare.pairs import Side
from loadgen.report.numbers import UNKNOWN, is_known
from loadgen.report.text import aligned
from loadgen.report.words import plural

HEAD = ("figure", "A", "B", "change", "95 % interval", "")

HEADLINE = ("p99", "p95", "p90", "p50", "mean")
HEADLINE_METRICS = (
    *("success_ratio", "recall", "ttft", "e2e", "itl", "tpot"),
    *("request_throughput", "output_throughput", "goodput"),
)

WORSE_OR_BETTER = {"success_ratio": ("failing more", "failing less"), "recall": ("finding less", "finding more")}
"""What B is in a share; in all else it is slower or faster."""

RATE = "request_throughput"
MOST_THE_SAME = 0.05
"""What differs by more is not called the same, however wide the threshold."""

Row = tuple[str, ...]
Told = tuple[Point, Difference]


def lines_above(comparison: Comparison) -> Iterator[str]:
    """Who is who, what differs, what is not compared, and what to know first."""
    for name, side in (("A", comparison.a), ("B", comparison.b)):
        yield f"{name}: {side_text(side)}"
    yield from (f"differs: {one.line}" for one in comparison.differs)
    if not comparison.differs:
        yield "differs: nothing that is known of recipe, service and host"
    yield from (f"not compared: {line}" for line in (*comparison.unmatched, *comparison.stops, *comparison.left_out))
    yield from (f"note: {line}" for line in (*comparison.notes, too_few_pairs(comparison)) if line)


def side_text(side: Side) -> str:
    """BM-1, chat (ollama 0.17.4 smollm2), 8 clients; of several the first and the last."""
    first = side[0].facts
    ids = first.benchmark_id if len(side) == 1 else f"{len(side)} runs, {first.benchmark_id} to {side[-1].id}"
    loads = dict.fromkeys(run.facts.load for run in side)
    shown = list(loads) if len(loads) < 4 else [*list(loads)[:1], "…", *list(loads)[-1:]]
    return f"{ids}: {first.name} ({first.service}), {', '.join(shown)}"


def rows_of(point: Point, threshold: float) -> list[Row]:
    return [_row(one, threshold) for one in point.differences]


def _row(one: Difference, threshold: float) -> Row:
    interval = UNKNOWN if one.p_value is None else range_text(one, signed=True)
    changes = (text.replace("points", "pt") for text in (amount(one, one.change, signed=True), interval))
    return (
        one.figure.words,
        one.figure.shown(one.a),
        one.figure.shown(one.b),
        *changes,
        str(one.word(threshold)),
    )


def table_lines(comparison: Comparison) -> list[tuple[str, Word | None]]:
    """All points, aligned, each under its place in the sweep; with each line of a figure what is said of it."""
    lines: list[tuple[str, Word | None]] = []
    for point in comparison.points:
        if point.differences:
            words = [one.word(comparison.threshold) for one in point.differences]
            shown = aligned([HEAD, *rows_of(point, comparison.threshold)], right=True)
            lines += [("", None), *([(point.where, None)] if point.where else [])]
            lines += zip(shown, [None, *words], strict=True)
    return lines


def amount(one: Difference, value: float | None, signed: bool = False) -> str:
    """13 %, or 1.2 points of a share."""
    if value is None or not is_known(value):
        return UNKNOWN
    return f"{number(value, signed)} {'points' if one.figure.is_share else '%'}"


def number(value: float, signed: bool = False) -> str:
    """A share in percent: 13, 1.2, 0.04; with its sign +13."""
    scaled = 100 * value
    size = abs(scaled)
    decimals = 0 if size >= 9.95 else 1 if size >= 0.095 else 2
    text = f"{size:,.{decimals}f}"
    if float(text.replace(",", "")) == 0:
        return "0"
    return f"{'-' if scaled < 0 else '+' if signed else ''}{text}"


def range_text(one: Difference, signed: bool = False) -> str:
    """8 to 18 %; over 8 %; under 18 %; anything."""
    unit = "points" if one.figure.is_share else "%"
    if one.low is None and one.high is None:
        return "anything"
    if one.high is None:
        return f"over {number(one.low or 0.0, signed)} {unit}"
    if one.low is None:
        return f"under {number(one.high, signed)} {unit}"
    return f"{number(one.low, signed)} to {number(one.high, signed)} {unit}"


def sentence(comparison: Comparison) -> str:
    """B is slower: p99 TTFT 13 % higher (8 to 18 %), real. Throughput the same within 1 %."""
    if not any(one.p_value is not None for _, one in comparison.told):
        return _nothing_tested(comparison)
    worse, better = comparison.having(Word.WORSE), comparison.having(Word.BETTER)
    chosen = [_headline(found) for found in (worse, better) if found]
    said = f"{_judgement(comparison, worse, better)}{_also(chosen, worse, better)}"
    return " ".join(part for part in (said, _throughput(comparison, chosen)) if part)


def _nothing_tested(comparison: Comparison) -> str:
    why = next(iter((*comparison.stops, *comparison.left_out, *comparison.unmatched)), "they have no figure in common")
    return f"Nothing could be compared: {why}."


def _judgement(comparison: Comparison, worse: Sequence[Told], better: Sequence[Told]) -> str:
    if worse and better:
        says = f"{_says(_headline(worse))}; {_says(_headline(better))}"
        return f"B is worse in some and better in others: {says}; both real."
    if worse:
        return f"B is {_words_of(_headline(worse))[0]}: {_says(_headline(worse))}, real."
    if better:
        return f"B is {_words_of(_headline(better))[1]}: {_says(_headline(better))}, real."
    small = comparison.having(Word.SMALL)
    if small:
        limit = amount_text(comparison.threshold)
        return f"B and A differ by less than {limit}: {_says(_headline(small))}, real but small."
    return _undecided(comparison)


def _undecided(comparison: Comparison) -> str:
    if why := too_few_pairs(comparison):
        return f"No difference can be called real yet: {why}."
    open_ones = comparison.having(Word.OPEN)
    if not open_ones:
        return f"No real difference: all that was compared is the same within {amount_text(comparison.threshold)}."
    point, one = _headline(open_ones)
    where = f" at {point.where}" if point.where else ""
    more = "slots" if comparison.paired else "requests"
    could = f"{one.figure.words}{where} could still differ by {range_text(one, signed=True)}"
    return f"No real difference found. {could}: more {more} would tell."


def amount_text(share: float) -> str:
    return f"{number(share)} %"


def _words_of(told: Told) -> tuple[str, str]:
    return WORSE_OR_BETTER.get(told[1].figure.metric, ("slower", "faster"))


def _headline(found: Sequence[Told]) -> Told:
    """The one that says most: the whole before an operation, failures before times, the tail before the middle."""
    return min(found, key=lambda told: (bool(told[1].figure.operation), *_rank(told[1]), -abs(told[1].change or 0.0)))


def _rank(one: Difference) -> tuple[int, int]:
    statistic = one.figure.statistic
    return HEADLINE_METRICS.index(one.figure.metric), HEADLINE.index(statistic) if statistic else 0


def _says(told: Told) -> str:
    """p99 TTFT 13 % higher (8 to 18 %) at 8 clients."""
    point, one = told
    change = one.change or 0.0
    direction = "higher" if change > 0 else "lower"
    interval = range_text(_sized(one))
    where = f" at {point.where}" if point.where else ""
    return f"{one.figure.words} {amount(one, abs(change))} {direction} ({interval}){where}"


def _sized(one: Difference) -> Difference:
    """Its interval in the direction of the difference: 8 to 18 % lower, not -18 to -8 %."""
    if (one.change or 0.0) >= 0:
        return one
    ends = (None if end is None else -end for end in (one.high, one.low))
    low, high = ends
    return Difference(one.figure, one.a, one.b, low, high, one.p_value, one.p_held)


def _also(chosen: Sequence[Told], worse: Sequence[Told], better: Sequence[Told]) -> str:
    n_more = len(worse) + len(better) - len(chosen)
    if n_more <= 0 or (worse and better):
        return ""
    return f" So {'is' if n_more == 1 else 'are'} {plural(n_more, 'other figure')}."


def _throughput(comparison: Comparison, chosen: Sequence[Told]) -> str:
    """Of one point: what became of the rate, unless that was said; of a sweep nothing."""
    if len(comparison.points) != 1 or any(one.figure.metric == RATE for _, one in chosen):
        return ""
    rates = [one for _, one in comparison.told if one.figure.metric == RATE and not one.figure.operation]
    if len(rates) != 1 or rates[0].p_value is None:
        return ""
    return f"Throughput {_rate_text(rates[0], comparison.threshold)}."


def _rate_text(one: Difference, threshold: float) -> str:
    change = one.change or 0.0
    if one.low is not None and one.high is not None:
        within = max(math.ceil(100 * max(abs(one.low), abs(one.high)) - 1e-9), 1)
        if within <= max(1, math.ceil(100 * min(threshold, MOST_THE_SAME))):
            return f"the same within {within} %"
    if one.is_real:
        return f"{amount(one, abs(change))} {'higher' if change > 0 else 'lower'}"
    return f"not told apart ({range_text(one, signed=True)})"
