"""A search as its bundles tell it: what it found, and how sure that is."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from loadgen.report.facts import Facts
from loadgen.report.numbers import percent
from loadgen.report.points import Point, Step, Sweep
from loadgen.report.verdict import stated
from loadgen.report.words import load_phrase, plural
from loadgen.statistics.bracket import Found, Span, Trial, bracket_of


class Searched(NamedTuple):
    """field: what was searched. bound_at: loads in each of whose trials the client was the limit."""

    field: str
    span: Span
    n_probes: int
    found: Found
    bound_at: tuple[float, ...]

    def at(self, load: float) -> str:
        return load_phrase({self.field: round(load) if self.span.is_whole else load})


def span_of(search: Mapping[str, Any]) -> Span:
    """From run.json's `sweep.search`."""
    is_whole = str(search["field"]).endswith(".concurrency")
    return Span(float(search["from"]), float(search["to"]), float(search["precision"]), is_whole)


def trial_of(facts: Facts, load: float) -> Trial:
    """A run as one trial of a load. Verdicts that are open leave it to the figures. A client that was the limit cannot
    show that the load holds; but a busy moment of the host makes it that too, so another trial may tell."""
    point = Point(facts, {})
    if point.holds is not None:
        return Trial(load, point.holds)
    if point.is_bound:
        return Trial(load, held=False, is_certain=False)
    limits = facts.limits
    return Trial(load, all(limit.value is not None and limit.keeps(limit.value) for limit in limits), is_certain=False)


def searched_of(sweep: Sweep) -> Searched | None:
    """None where the runs are no search. Runs that were cut off are no trials."""
    search = sweep.search
    if search is None:
        return None
    field = str(search["field"])
    whole = [point for point in sweep.points if not point.state or point.holds is not None]
    found = bracket_of([trial_of(point.facts, point.axes[field]) for point in whole])
    told = {point.axes[field] for point in whole if not point.is_bound}
    bound_at = tuple(sorted({point.axes[field] for point in whole} - told))
    return Searched(field, span_of(search), len(whole), found, bound_at)


def search_json(sweep: Sweep) -> dict[str, Any] | None:
    """report.json's `search`."""
    one = searched_of(sweep)
    if one is None:
        return None
    return {
        **dict(sweep.search or {}),
        "found": one.found.low,
        "low": one.found.low,
        "high": one.found.high,
        "low_is_certain": one.found.low_is_certain,
        "high_is_certain": one.found.high_is_certain,
        "recovers_at": list(one.found.recovers_at),
        "n_probes": one.n_probes,
        "says": search_says(sweep, one),
    }


def search_says(sweep: Sweep, one: Searched) -> str:
    """What was found in a sentence or a few, with its figures."""
    said = [_main(sweep, one), *_doubts(sweep, one)]
    return " ".join(said)


def _main(sweep: Sweep, one: Searched) -> str:
    low, high, after = one.found.low, one.found.high, f"after {plural(one.n_probes, 'trial')}"
    if low is None and high is None:
        return "Nothing was found: no trial was finished."
    if low is None:
        assert high is not None
        return f"Even the lowest load, {one.at(high)}, does not hold: {_why(sweep, one, high)}."
    if high is None:
        top = (
            "the highest that was to be tried: search further up" if low >= one.span.high else "the search ended early"
        )
        return f"Holds all limits at {one.at(low)}, {top}; {after}."
    between = f"the limit lies between that and {one.at(high)}, where {_why(sweep, one, high)}"
    near = high / low - 1
    early = "" if _is_narrow(one) else f" The search ended early: the two are still {percent(round(near, 3))} apart."
    return f"Holds all limits up to {one.at(low)}; {between}; {after}.{early}"


def _is_narrow(one: Searched) -> bool:
    low, high, span = one.found.low, one.found.high, one.span
    assert low is not None
    assert high is not None
    return high <= low * (1 + span.precision) * (1 + 1e-9) or (span.is_whole and high - low <= 1)


def _why(sweep: Sweep, one: Searched, load: float) -> str:
    """What was broken at a load."""
    if load in one.bound_at:
        return "the client was the limit, not the service"
    points = [point for point in _step(sweep, one, load).points if point.holds is not True]
    for point in points:
        missed = [limit for limit in point.facts.limits if limit.value is None or not limit.keeps(limit.value)]
        if missed:
            return stated(missed[0])
    return "it does not"


def _step(sweep: Sweep, one: Searched, load: float) -> Step:
    return Step(load, tuple(point for point in sweep.points if point.axes[one.field] == load))


def _doubts(sweep: Sweep, one: Searched) -> list[str]:
    """What stands on figures alone, and what contradicts a simple limit."""
    said = []
    for load, is_certain in ((one.found.low, one.found.low_is_certain), (one.found.high, one.found.high_is_certain)):
        if load is not None and not is_certain and load not in one.bound_at:
            n_more = _step(sweep, one, load).n_more
            more = f": {n_more:,} more samples would decide" if n_more else ""
            said.append(f"At {one.at(load)} that is by the figures alone{more}.")
    if one.found.recovers_at:
        places = ", ".join(one.at(load) for load in one.found.recovers_at)
        said.append(f"The service recovers at {places}: it held there, above a load that broke a limit.")
    return said
