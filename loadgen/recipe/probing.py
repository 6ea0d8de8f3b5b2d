"""The recipe of a search: its ends are checked before the first load is tried, and it makes each load's recipe."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

from loadgen.recipe.assemble import OF_THE_WHOLE, assemble
from loadgen.recipe.explain import did_you_mean
from loadgen.recipe.model import Recipe
from loadgen.recipe.source import Problem, Source, at, dotted
from loadgen.recipe.yaml_tree import Place

SEARCHED_FIELDS = ("concurrency", "rate_per_s")
"""Fields of a load that say how much of it there is."""

_ENDS = ("from", "to")


def assemble_search(source: Source) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, whose load is the search's lowest, or None and what is wrong. source: resolved, with `search`."""
    written = source.written["search"]
    if not isinstance(written, dict):
        _, problems = assemble(source.with_values({}, without=("search",)).resolved()[0])
        return None, [
            *problems,
            Problem(("search",), "must be a mapping such as {field: load.concurrency, from: 1, to: 64}"),
        ]
    problems = [*_rules(source), *_field_problems(source)]
    place = _place(written.get("field"))
    if place is None or any(problem.place == ("search", "field") for problem in problems):
        return None, [*problems, *assemble(source)[1]]
    base, found = assemble(_with_load(source, place, written.get("from")))
    problems += [problem for problem in found if problem.place[: len(place)] != place]
    problems += _end_problems(source, place)
    if problems or base is None:
        return None, problems
    object.__setattr__(base, "_point_at", _points_of(source, place))
    return base, []


def _points_of(source: Source, place: Place) -> "Callable[[float], Recipe]":
    def point(load: float) -> Recipe:
        recipe, problems = point_at(source, place, load)
        if recipe is None:
            raise ValueError("; ".join(source.line_of(problem) for problem in problems))
        return recipe

    return point


def point_at(source: Source, place: Place, load: Any) -> tuple[Recipe | None, list[Problem]]:
    """The recipe of one load, or what is wrong with it there."""
    return assemble(_with_load(replace(source, written=_without(source.written)), place, load))


def _without(written: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in written.items() if name not in OF_THE_WHOLE}


def _with_load(source: Source, place: Place, load: Any) -> Source:
    names = tuple(str(part) for part in place)
    return source.with_values({names: _whole_if_whole(load, place)}).resolved()[0]


def _whole_if_whole(load: Any, place: Place) -> Any:
    """1e3 clients are 1000."""
    is_whole = isinstance(load, float) and load.is_integer() and place[-1] == "concurrency"
    return int(load) if is_whole else load


def _rules(source: Source) -> Iterator[Problem]:
    if "sweep" in source.tree:
        yield Problem(("search",), "goes in the place of sweep: give one of them")
    if not source.tree.get("slo"):
        yield Problem(("search",), "needs promises to hold: give slo, such as [p99_ttft < 500 ms]")


def _place(field: Any) -> Place | None:
    return tuple(field.split(".")) if isinstance(field, str) and field else None


def _field_problems(source: Source) -> Iterator[Problem]:
    """A field that is not there, or that says nothing of how much load there is. A missing one the model tells."""
    field = source.written["search"].get("field")
    place = _place(field)
    if place is None:
        return
    known = list(_known(source))
    if field not in known:
        hint = did_you_mean(str(field), known) or f"; there are {', '.join(known)}"
        yield Problem(("search", "field"), f"is not a load that can be searched{hint}")
    elif place[-1] == "rate_per_s" and at(source.tree, (*place[:-1], "stages")) is not None:
        yield Problem(("search", "field"), "the stages of the load say its rate")


def _known(source: Source) -> Iterator[str]:
    services = source.tree.get("services")
    sections = [f"loads.{name}" for name in services] if isinstance(services, dict) else ["load"]
    yield from (f"{section}.{field}" for section in sections for field in SEARCHED_FIELDS)


def _end_problems(source: Source, place: Place) -> list[Problem]:
    """What is wrong with the load itself at either end; the same at both is said once."""
    by_text: dict[str, Problem] = {}
    for end in _ENDS:
        for problem in point_at(source, place, source.written["search"].get(end))[1]:
            if problem.place[: len(place)] == place:
                by_text.setdefault(problem.text, _at_end(problem, place, end))
    return list(by_text.values())


def _at_end(problem: Problem, place: Place, end: str) -> Problem:
    """A mistake in the load, at the end of the search that brought it."""
    rest = problem.place[len(place) :]
    return Problem(("search", end), f"{dotted(rest)}: {problem.text}" if rest else problem.text)
