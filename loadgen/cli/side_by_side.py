"""Two runs beside each other, as text."""

from collections.abc import Iterator

from loadgen.bundle import Bundle
from loadgen.report.facts import Facts, facts_of
from loadgen.report.numbers import change, count, figure, ms, percent, percentile
from loadgen.report.text import aligned
from loadgen.report.verdict import verdict_of
from loadgen.report.words import METRICS

LATENCIES = ("ttft", "itl", "e2e")
PERCENTILES = ("p50", "p99")

Line = tuple[str, ...]


def side_by_side(first: Bundle, second: Bundle) -> list[str]:
    """A table: the figure, the first run, the second, and by how much it changed."""
    before, after = facts_of(first), facts_of(second)
    lines: list[Line] = [("", before.benchmark_id, after.benchmark_id, "change")]
    lines.append(_identity("recipe hash", *(facts.run.get("recipe_hash") for facts in (before, after))))
    for one, other in zip(before.parts, after.parts, strict=False):
        lines += [(f"{one.service_name}:", "", "", "")] if one.service_name else []
        digests = ((facts.run.get("plan") or {}).get("digest") for facts in (one, other))
        lines += [_identity("plan digest", *digests), *_figures(one, other), *_latencies(one, other)]
    lines.append(("verdict", verdict_of(before).value, verdict_of(after).value, ""))
    return aligned(lines, right=True)


def _identity(name: str, first: str | None, second: str | None) -> Line:
    shown = (str(digest or "unknown")[:12] for digest in (first, second))
    return name, *shown, "same" if first == second else "differs"


def _figures(before: Facts, after: Facts) -> Iterator[Line]:
    for name, key in (
        ("answers per second", "request_throughput_per_s"),
        ("tokens per second", "output_throughput_per_s"),
    ):
        first, second = before.summary.get(key), after.summary.get(key)
        if first is not None or second is not None:
            yield name, figure(first), figure(second), change(first, second)
    yield "requests finished", count(before.n_finished), count(after.n_finished), ""
    ratios = [facts.summary.get("success_ratio") for facts in (before, after)]
    yield "succeeded", percent(ratios[0]), percent(ratios[1]), ""


def _latencies(before: Facts, after: Facts) -> Iterator[Line]:
    for name in LATENCIES:
        for which in PERCENTILES:
            first, second = (percentile(facts.metric(name), which) for facts in (before, after))
            if first is not None or second is not None:
                yield f"{which} {METRICS[name]}", ms(first), ms(second), change(first, second)
