"""From a tree of plain values to a Recipe: each section by its own model, then the rules between them."""

import json
from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from loadgen.recipe import rules
from loadgen.recipe.base import Section
from loadgen.recipe.model import SINGULAR, Recipe
from loadgen.recipe.monitor import masked_problems
from loadgen.recipe.promises import slos_for, slos_of
from loadgen.recipe.secrets import secrets_in
from loadgen.recipe.sections import Sections, sections_of
from loadgen.recipe.several import check_names, outward, part_of
from loadgen.recipe.slo import Slo
from loadgen.recipe.source import Problem, Source
from loadgen.recipe.validate import validated

OF_THE_WHOLE = ("sweep", "search", "repeat", "order", "pause_s")
"""What neither a point of a sweep nor one service of several has of its own."""


def assemble(source: Source) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, or None and what is wrong with it. source: resolved."""
    return _several(source) if "services" in source.tree else _one(source)


def _one(source: Source) -> tuple[Recipe | None, list[Problem]]:
    found, problems = sections_of(source)
    slos, slo_problems = slos_of(source, {"": (found.service.kind, found.kind)})
    recipe, more = _recipe(source, _values(found), slos, found)
    problems = [*_problems_of_the_whole(source), *problems, *slo_problems, *more]
    if recipe is None or problems:
        return None, problems
    _keep(recipe, source, secrets_in(recipe))
    return recipe, []


def _several(source: Source) -> tuple[Recipe | None, list[Problem]]:
    names, problems = check_names(source)
    problems += _problems_of_the_whole(source)
    found: dict[str, Sections] = {}
    for name in names:
        found[name], inside = sections_of(part_of(source, name))
        problems += [replace(problem, place=outward(problem.place, name)) for problem in inside]
    kinds = {name: (one.service.kind, one.kind) for name, one in found.items()}
    slos, slo_problems = slos_of(source, kinds)
    if not found:
        return None, [*problems, *slo_problems]
    first = next(iter(found.values()))
    values = {plural: {name: getattr(one, own) for name, one in found.items()} for plural, own in SINGULAR.items()}
    recipe, more = _recipe(source, _values(first) | values, slos, first)
    problems += [*slo_problems, *more]
    if recipe is None or problems:
        return None, problems
    _keep(recipe, source, secrets_in(recipe))
    parts = tuple((name, _part(recipe, source, name, one)) for name, one in found.items())
    object.__setattr__(recipe, "_parts", parts)
    return recipe, []


def _part(whole: Recipe, source: Source, name: str, found: Sections) -> Recipe:
    """One of several services as a recipe of its own. It hides what the whole hides."""
    assert found.kind is not None
    kept = {field: value for field, value in source.tree.items() if field not in (*SINGULAR, *OF_THE_WHOLE)}
    values = {**kept, **_values(found), "slo": slos_for(name, found.kind, whole.slo)}
    part = Recipe.model_validate(values)
    inside = part_of(source, name)
    object.__setattr__(part, "_source", replace(inside, values=source.values, secrets=whole._source.secrets))
    return part


def _values(found: Sections) -> dict[str, Any]:
    return {"service": found.service, "workload": found.workload, "load": found.load}


def _recipe(
    source: Source, sections: dict[str, Any], slos: tuple[Slo, ...], found: Sections
) -> tuple[Recipe | None, list[Problem]]:
    made_of: dict[str, list[type[Section]]] = {}
    if found.kind is not None:
        made_of = {"service": [found.kind.service], "workload": [found.kind.workload]}
    return validated(Recipe, source.tree | sections | {"slo": slos}, (), source, made_of)


def _problems_of_the_whole(source: Source) -> list[Problem]:
    return [
        *rules.later_problems(source.tree),
        *rules.sweep_problems(source.tree),
        *masked_problems(source.tree),
    ]


def _keep(recipe: Recipe, source: Source, secrets: Iterable[str]) -> None:
    """What the recipe must know to be written. A secret that it also shows where nothing is secret cannot be hidden."""
    object.__setattr__(recipe, "_source", source)
    written = json.dumps(recipe.canonical(), ensure_ascii=False)
    hidden = frozenset(secret for secret in secrets if not source.stands_in(secret, written))
    object.__setattr__(recipe, "_source", replace(source, secrets=hidden))
