"""What may not be compared, and what must be known before a difference is believed."""

from collections.abc import Iterator
from typing import Any, NamedTuple

from loadgen.compare.pairs import Run, Side
from loadgen.report.facts import COMPLETE, Facts
from loadgen.report.words import status_of

FAMILIES = {
    **dict.fromkeys(("simulator", "ollama", "vllm", "openai"), "language models"),
    **dict.fromkeys(("chroma", "qdrant"), "stores of vectors"),
}
"""Kinds of service that do the same and may stand beside each other; every other kind stands with itself."""

OF_THE_LOOP = ("request_throughput", "output_throughput", "goodput", "ttft", "e2e")
"""What a closed loop and an open one do not mean the same by: in one of them the load waits for the service."""

BOUND, SUSPECT = "bound", "suspect"


class Obstacles(NamedTuple):
    """stops: why nothing can be compared at all. left_out: metric -> why. notes: lines to be read first."""

    stops: list[str]
    left_out: dict[str, str]
    notes: list[str]


def obstacles(a: Side, b: Side) -> Obstacles:
    """Of two sides at one point."""
    firsts = a[0].facts, b[0].facts
    return Obstacles(list(_stops(a, b)), _left_out(*firsts), [*_notes(a, "A"), *_notes(b, "B")])


def _stops(a: Side, b: Side) -> Iterator[str]:
    families = [_family(side[0].facts) for side in (a, b)]
    if families[0] != families[1]:
        yield f"different kinds of service: A is {families[0]}, B is {families[1]}"
        return
    for side in (a, b):
        for run in side:
            if why := _bound(run):
                yield why
            elif not run.facts.n_finished:
                yield f"{run.id}: no request was finished in the measured window"
    if not set(_operations(a[0].facts)) & set(_operations(b[0].facts)):
        named = (", ".join(name for _, name in _operations(side[0].facts)) or "none" for side in (a, b))
        yield "different operations: A {}, B {}".format(*named)


def _bound(run: Run) -> str:
    """Empty where its figures are the service's."""
    if (run.facts.summary.get("client") or {}).get("verdict") != BOUND:
        return ""
    return f"{run.id}: the client was the limit, so its figures are not the service's{_why(run.facts)}"


def without_bound(a: Side, b: Side, paired: bool) -> tuple[Side, Side, list[str]]:
    """Of repeats, the runs whose figures are the service's; of a duet, the pairs of which both are. And a line for each
    run that is left out. Both sides as they are where nothing would remain of one."""
    whys = [[_bound(run) for run in side] for side in (a, b)]
    pairs = [first or second for first, second in zip(*whys, strict=True)] if paired else []
    kept = [
        [run for run, why in zip(side, pairs or own, strict=True) if not why]
        for side, own in zip((a, b), whys, strict=True)
    ]
    if not all(kept):
        return a, b, []
    how = "left out with its pair" if paired else "left out"
    return kept[0], kept[1], [f"{how}: {why}" for own in whys for why in own if why]


def _family(facts: Facts) -> str:
    """language models; redis; of several services each one's."""
    if facts.is_several:
        return " and ".join(sorted(f"{part.service_name} ({_family(part)})" for part in facts.parts))
    return FAMILIES.get(facts.kind, facts.kind or "unknown")


def _why(facts: Facts) -> str:
    reasons = facts.summary.get("client", {}).get("reasons") or []
    return f" ({'; '.join(map(str, reasons))})" if reasons else ""


def _operations(facts: Facts) -> list[tuple[str, str]]:
    return list(_neighbours(facts))


def _neighbours(facts: Facts) -> dict[tuple[str, str], int]:
    """Of each service's operations, how many neighbours they ask for; 0: none."""
    listed = (facts.run.get("plan") or {}).get("operations") or ()
    return {(str(one.get("service") or ""), str(one.get("name"))): int(one.get("top_k") or 0) for one in listed}


def _left_out(a: Facts, b: Facts) -> dict[str, str]:
    left: dict[str, str] = {}
    if _modes(a) != _modes(b):
        why = "one loop is closed and the other open, and they do not mean the same by it"
        left = dict.fromkeys(OF_THE_LOOP, why)
    of_a, of_b = _neighbours(a), _neighbours(b)
    if any(of_a[operation] != of_b[operation] for operation in of_a.keys() & of_b.keys()):
        left["recall"] = "they ask for different numbers of neighbours"
    if "goodput" not in left and (why := _no_goodput(a, b)):
        left["goodput"] = why
    return left


def _modes(facts: Facts) -> list[str]:
    return [str((part.recipe.get("load") or {}).get("mode") or "closed") for part in facts.parts]


def _no_goodput(a: Facts, b: Facts) -> str:
    """Why goodput cannot be compared; it is the throughput itself where no limit is set for a single request."""
    bounds = [_bounds(facts) for facts in (a, b)]
    if bounds[0] != bounds[1]:
        return "the limits differ that a good answer is held against"
    return "" if bounds[0] else "no limit is set for a single request"


def _bounds(facts: Facts) -> list[Any]:
    return sorted((limit.service, limit.expression) for limit in facts.limits if limit.is_time)


def _notes(side: Side, name: str) -> Iterator[str]:
    for run in side:
        facts = run.facts
        if facts.status != COMPLETE:
            yield f"{name}, {run.id}: {status_of(facts.status)}: what there is of it is compared"
        client = facts.summary.get("client") or {}
        if client.get("verdict") == SUSPECT:
            yield f"{name}, {run.id}: the client is suspect{_why(facts)}"
        for part in facts.parts:
            if part.n_finished and not part.n_succeeded:
                whose = f"{part.service_name}: " if part.service_name else ""
                yield f"{name}, {run.id}: {whose}no request succeeded: only the share that succeeded can be compared"
        yield from (f"{name}, {run.id}: {problem}" for problem in facts.problems)


def operations_on_one_side(a: Side, b: Side) -> list[str]:
    """Operations that only one side has, a line each side."""
    of_a, of_b = (_operations(side[0].facts) for side in (a, b))
    lines = []
    for name, own, others in (("A", of_a, of_b), ("B", of_b, of_a)):
        only = [": ".join(filter(None, one)) for one in own if one not in others]
        if only:
            lines.append(f"only {name} has {', '.join(only)}: the figures of all operations together are left out")
    return lines
