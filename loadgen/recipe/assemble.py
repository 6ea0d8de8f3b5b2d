"""From a tree of plain values to a Recipe: each section by its own model, then the rules between them."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from loadgen.recipe import rules
from loadgen.recipe.base import Section
from loadgen.recipe.explain import did_you_mean, got_text, place_of, problems_of
from loadgen.recipe.load import Load
from loadgen.recipe.model import Recipe
from loadgen.recipe.secrets import secrets_of, secrets_of_url
from loadgen.recipe.service import SERVICES, HttpReached, LlmService, SimulatorService
from loadgen.recipe.slo import Slo, parse_slo
from loadgen.recipe.source import Problem, Source, at, with_value
from loadgen.recipe.workload import HttpWorkload, LlmWorkload
from loadgen.recipe.yaml_tree import NotYaml, Place, read_scalar

_NUMBER_ERRORS = ("int_type", "float_type", "bool_type")

Model = TypeVar("Model", bound=Section)


def assemble(source: Source) -> tuple[Recipe | None, list[Problem]]:
    """The recipe, or None and what is wrong with it. source: resolved."""
    source = _named_as_by_the_service(source)
    kind = str(at(source.tree, ("service", "kind")))
    problems = [*rules.later_problems(source.tree), *rules.sweep_problems(source.tree)]
    sections: dict[str, Any] = {}
    for name, found in (
        ("service", _service(source)),
        ("workload", _workload(source, kind)),
        ("load", _section(Load, "load", source)),
        ("slo", _slos(source, kind)),
    ):
        sections[name] = found[0]
        problems += found[1]
    problems += _between(source.tree, kind)
    recipe, found_in_rest = _validated(Recipe, source.tree | sections, (), source)
    problems += found_in_rest
    if recipe is None or problems:
        return None, problems
    object.__setattr__(recipe, "_source", replace(source, secrets=frozenset(_secrets(recipe))))
    return recipe, []


def _service(source: Source) -> tuple[Section, list[Problem]]:
    """Where the service is wrong, a simulator stands in for it while the rest is checked."""
    stand_in = SimulatorService(kind="simulator")
    given = source.tree.get("service")
    if given is None:
        return stand_in, [Problem(("service",), "is missing; the smallest is `service: {kind: simulator}`")]
    if not isinstance(given, dict):
        got = got_text(given, ("service",), source)
        return stand_in, [Problem(("service",), f"must be a mapping such as {{kind: simulator}}, got {got}")]
    known = ", ".join(SERVICES)
    if "kind" not in given:
        return stand_in, [Problem(("service", "kind"), f"is missing: one of {known}")]
    model = SERVICES.get(given["kind"]) if isinstance(given["kind"], str) else None
    if model is None:
        got = got_text(given["kind"], ("service", "kind"), source)
        hint = did_you_mean(str(given["kind"]), list(SERVICES)) or f"; known are {known}"
        return stand_in, [Problem(("service", "kind"), f"unknown service {got}{hint}")]
    service, problems = _validated(model, given, ("service",), source)
    return service or stand_in, problems + list(rules.masked_problems(given))


def _workload(source: Source, kind: str) -> tuple[Section, list[Problem]]:
    if kind not in SERVICES:
        return LlmWorkload(), []
    return _section(HttpWorkload if kind == "http" else LlmWorkload, "workload", source)


def _section(model: type[Model], name: str, source: Source) -> tuple[Model, list[Problem]]:
    """A section that has defaults throughout: they stand in where it is wrong."""
    section, problems = _validated(model, source.tree.get(name, {}), (name,), source)
    return section or model(), problems


def _slos(source: Source, kind: str) -> tuple[tuple[Slo, ...], list[Problem]]:
    given = source.tree.get("slo", [])
    if not isinstance(given, list):
        return (), [Problem(("slo",), "must be a list, such as [p99_ttft < 500 ms]")]
    slos: list[Slo] = []
    problems: list[Problem] = []
    for i, text in enumerate(given):
        place: Place = ("slo", i)
        try:
            if not isinstance(text, str):
                raise ValueError(f"must be text such as p99_ttft < 500 ms, got {got_text(text, place, source)}")
            slos.append(parse_slo(text))
        except ValueError as error:
            problems.append(Problem(place, str(error)))
        else:
            problems += rules.slo_problems(place, slos[-1], kind)
    return tuple(slos), problems


def _between(tree: dict[str, Any], kind: str) -> Iterator[Problem]:
    load, workload = tree.get("load"), tree.get("workload")
    if isinstance(load, dict):
        yield from rules.load_problems(load)
    if isinstance(workload, dict) and kind in SERVICES:
        yield from rules.workload_problems(kind, _speaks_ollama(tree), workload)


def _speaks_ollama(tree: dict[str, Any]) -> bool:
    return "ollama" in (at(tree, ("service", "kind")), at(tree, ("service", "dialect")))


def _named_as_by_the_service(source: Source) -> Source:
    """Ollama calls a completion `generate`; both are understood and the recipe keeps one."""
    if not _speaks_ollama(source.tree):
        return source
    tree = source.tree
    if at(tree, ("workload", "operation")) == "completion":
        tree = with_value(tree, ("workload", "operation"), "generate")
    weights = at(tree, ("workload", "operations"))
    if isinstance(weights, dict) and "completion" in weights and "generate" not in weights:
        renamed = {"generate" if name == "completion" else name: weight for name, weight in weights.items()}
        tree = with_value(tree, ("workload", "operations"), renamed)
    return replace(source, tree=tree)


def _validated(model: type[Model], values: Any, above: Place, source: Source) -> tuple[Model | None, list[Problem]]:
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        converted = _read_as_wanted(error.errors(include_url=False), values, above, source)
        if converted is None:
            return None, list(problems_of(error, model, above, source))
    return _validated(model, converted, above, source)


def _read_as_wanted(errors: list[ErrorDetails], values: Any, above: Place, source: Source) -> Any | None:
    """What a variable holds is text, and what is typed after --set is read as YAML, whatever the field wants.

    Returns the values with a number in the one's place and text in the other's; None where that is no help.
    """
    converted = None
    for details in errors:
        place = place_of(details)
        value = _wanted(details, (*above, *place), source)
        if value is not None:
            converted = with_value(values if converted is None else converted, place, value)
    return converted


def _wanted(details: ErrorDetails, place: Place, source: Source) -> Any | None:
    if details["type"] == "string_type" and not isinstance(details["input"], (dict, list)):
        return source.typed.get(place)
    if details["type"] in _NUMBER_ERRORS and place in source.references and isinstance(details["input"], str):
        with suppress(NotYaml):
            value = read_scalar(details["input"])
            return value if isinstance(value, (int, float)) else None
    return None


def _secrets(recipe: Recipe) -> Iterator[str]:
    service = recipe.service
    yield from secrets_of(service.settings)
    if isinstance(service, HttpReached):
        yield from secrets_of_url(service.url)
        yield from secrets_of(service.headers)
    if isinstance(service, LlmService) and service.api_key is not None:
        yield service.api_key.get_secret_value()
    if isinstance(recipe.workload, LlmWorkload):
        yield from secrets_of(recipe.workload.options)
    else:
        for request in recipe.workload.requests:
            yield from secrets_of(request.headers)
            yield from secrets_of_url(request.path)
