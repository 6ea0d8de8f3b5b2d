"""The grid of a sweep: from axes to one recipe a point, every point checked before the first is run."""

import itertools
from collections.abc import Iterator, Mapping
from typing import Any

from loadgen.recipe.assemble import OF_THE_WHOLE, assemble
from loadgen.recipe.base import Section
from loadgen.recipe.explain import did_you_mean, fields_at
from loadgen.recipe.kinds import Kind, KindError, find_kind
from loadgen.recipe.model import SINGULAR, Recipe
from loadgen.recipe.probing import assemble_search
from loadgen.recipe.several import inward, part_of
from loadgen.recipe.source import FREE, Problem, Source, at, dotted
from loadgen.recipe.yaml_tree import Place

MAX_POINTS = 1000

SWEPT_SECTIONS = ("service", "workload", "load", "seed")
Axes = dict[str, list[Any]]
"""Field -> its values, as they are written."""


def assemble_all(source: Source) -> tuple[Recipe | None, list[Problem]]:
    """The recipe and its points, or None and what is wrong. source: resolved.

    The recipe itself holds the first value of an axis that its sections leave open.
    """
    if "search" in source.tree:
        return assemble_search(source)
    if "sweep" not in source.tree:
        return assemble(source)
    axes, problems = _axes(source)
    first = {name: values[0] for name, values in axes.items()}
    absent = {
        place_of_axis(name): value for name, value in first.items() if at(source.written, place_of_axis(name)) is None
    }
    base, unset = source.with_values(absent).resolved()
    recipe, found = assemble(base)
    problems += unset + [
        _on_its_axis(problem, dict.fromkeys((dotted(place) for place in absent), 0)) for problem in found
    ]
    if problems or recipe is None:
        return None, problems + list(_wrong_values(source, axes, first))
    points, problems = _points(source, axes)
    recipe = _with_points(recipe, points)
    return (None, problems) if problems else (recipe, [])


def place_of_axis(name: str) -> tuple[str, ...]:
    return tuple(name.split("."))


def _axes(source: Source) -> tuple[Axes, list[Problem]]:
    """The axes that can be walked; the others are problems."""
    written = source.written["sweep"]
    if not isinstance(written, dict) or not written:
        return {}, [Problem(("sweep",), "must name a field and its values, such as {load.concurrency: [1, 2, 4]}")]
    problems = [problem for name, values in written.items() for problem in _axis_problems(name, values, source)]
    wrong = {problem.place[1] for problem in problems}
    axes = {name: values for name, values in written.items() if name not in wrong}
    n_points = 1
    for values in axes.values():
        n_points *= len(values)
    if n_points > MAX_POINTS:
        problems.append(Problem(("sweep",), f"must have at most {MAX_POINTS} points, got {n_points}"))
        return {name: values[:1] for name, values in axes.items()}, problems
    return axes, problems


def _axis_problems(name: str, values: Any, source: Source) -> Iterator[Problem]:
    place: Place = ("sweep", name)
    if not isinstance(values, list) or not values:
        hint = (
            f"; a field is named with its section: {name}.{next(iter(values))}"
            if isinstance(values, dict) and values
            else ""
        )
        yield Problem(place, f"must be a list of values, such as [1, 2, 4]{hint}")
    elif any(value in values[:i] for i, value in enumerate(values)):
        yield Problem(place, "each value must be given once")
    else:
        yield from _name_problems(name, place, source)


def _name_problems(name: str, place: Place, source: Source) -> Iterator[Problem]:
    """name: load.concurrency; of one of several services loads.NAME.concurrency."""
    field = place_of_axis(name)
    service = field[1] if field[0] in SINGULAR and len(field) > 1 else ""
    inside = tuple(str(part) for part in (inward(field, service) if service else field) or ())
    sections = _models_at(source, service)
    if _is_named_right(field, service, source) and _can_be_swept(inside, sections):
        return
    known = fields_at(Recipe, inside[:-1], sections)
    names = [".".join((*field[:-1], one)) for one in known if field[:-1] or one in SWEPT_SECTIONS]
    hint = did_you_mean(name, names) or did_you_mean(name, _swept_names(sections))
    example = "loads.NAME.concurrency" if "services" in source.tree else "load.concurrency"
    yield Problem(place, f"is not a field that can be swept{hint or f', such as {example}'}")


def _is_named_right(field: tuple[str, ...], service: str, source: Source) -> bool:
    """With the name of a service that there is, where there are several; without where there is one."""
    if "services" not in source.tree:
        return not service
    services = source.tree["services"]
    return field[0] == "seed" or (isinstance(services, dict) and service in services)


def _can_be_swept(inside: tuple[str, ...], sections: dict[str, list[type[Section]]]) -> bool:
    if len(inside) > 2 and inside[1] in FREE:
        return inside[0] in SWEPT_SECTIONS
    if inside == ("seed",):
        return True
    return len(inside) > 1 and inside[0] in SWEPT_SECTIONS and inside[-1] in fields_at(Recipe, inside[:-1], sections)


def _models_at(source: Source, service: str) -> dict[str, list[type[Section]]]:
    """What the sections of a service may be made of: of its kind, and of those that the sweep has it change to."""
    whole = part_of(source, service) if service else source
    axis = source.tree["sweep"].get(f"services.{service}.kind" if service else "service.kind", [])
    given = at(whole.tree, ("service", "kind"))
    names = [given, *(axis if isinstance(axis, list) else ())]
    kinds = [kind for name in names if isinstance(name, str) and (kind := _usable(name)) is not None]
    return {"service": [kind.service for kind in kinds], "workload": [kind.workload for kind in kinds]}


def _usable(name: str) -> Kind | None:
    try:
        return find_kind(name)
    except KindError:
        return None


def _swept_names(sections: dict[str, list[type[Section]]]) -> list[str]:
    return [f"{section}.{field}" for section in SWEPT_SECTIONS for field in fields_at(Recipe, (section,), sections)]


def _on_its_axis(problem: Problem, positions: Mapping[str, int]) -> Problem:
    """A mistake in a swept field, at the value of the sweep that brought it."""
    for name, i in positions.items():
        place = place_of_axis(name)
        if problem.place[: len(place)] == place:
            rest = problem.place[len(place) :]
            return Problem(("sweep", name, i), f"{dotted(rest)}: {problem.text}" if rest else problem.text)
    return problem


def _wrong_values(source: Source, axes: Axes, first: Mapping[str, Any]) -> Iterator[Problem]:
    """Values that are wrong by themselves, in a recipe that has other mistakes too."""
    for name, values in axes.items():
        for i, value in enumerate(values):
            yield from (
                problem
                for problem in _found_at(source, {**first, name: value}, {name: i})
                if problem.place[0] == "sweep"
            )


def _found_at(source: Source, values: Mapping[str, Any], positions: Mapping[str, int]) -> list[Problem]:
    point, _ = source.with_values(
        {place_of_axis(name): value for name, value in values.items()}, without=OF_THE_WHOLE
    ).resolved()
    return [_on_its_axis(problem, positions) for problem in assemble(point)[1]]


def _points(source: Source, axes: Axes) -> tuple[list[tuple[dict[str, Any], Recipe]], list[Problem]]:
    points: list[tuple[dict[str, Any], Recipe]] = []
    problems: list[Problem] = []
    for positions in itertools.product(*(range(len(values)) for values in axes.values())):
        values = {name: axes[name][i] for name, i in zip(axes, positions, strict=True)}
        point, _ = source.with_values(
            {place_of_axis(name): value for name, value in values.items()}, without=OF_THE_WHOLE
        ).resolved()
        recipe, found = assemble(point)
        if recipe is not None:
            points.append((values, recipe))
        by_axis = [_on_its_axis(problem, dict(zip(axes, positions, strict=True))) for problem in found]
        problems += [problem if problem.place[0] == "sweep" else _of_the_grid(problem, values) for problem in by_axis]
    return points, problems


def _of_the_grid(problem: Problem, values: Mapping[str, Any]) -> Problem:
    here = ", ".join(f"{name} = {value}" for name, value in values.items())
    return Problem(("sweep",), f"at {here}: {dotted(problem.place)}: {problem.text}")


def _with_points(recipe: Recipe, points: list[tuple[dict[str, Any], Recipe]]) -> Recipe:
    object.__setattr__(recipe, "_points", tuple(points))
    return recipe
