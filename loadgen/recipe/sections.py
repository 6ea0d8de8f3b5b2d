"""One service, its workload and its load: each section by the model of its kind, then the rules between them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from loadgen.recipe import rules
from loadgen.recipe.base import Section
from loadgen.recipe.explain import did_you_mean, got_text
from loadgen.recipe.kinds import Kind, KindError, find_kind, kind_names
from loadgen.recipe.load import Load
from loadgen.recipe.service import ServiceSection, SimulatorService
from loadgen.recipe.source import Problem, Source, at, with_value
from loadgen.recipe.validate import validated
from loadgen.recipe.workload import LlmWorkload

STAND_IN = SimulatorService(kind="simulator")
"""Where a service is wrong it stands in, while the rest is checked."""

Model = TypeVar("Model", bound=Section)


@dataclass(frozen=True)
class Sections:
    """kind: None where the service names none that can be used."""

    kind: Kind | None
    service: ServiceSection
    workload: Section
    load: Load


def sections_of(source: Source) -> tuple[Sections, list[Problem]]:
    """What stands under service, workload and load, and what is wrong with it."""
    source = named_as_by_the_service(source)
    kind, problems = _kind_of(source)
    service, found_in_service = _service(source, kind)
    workload, found_in_workload = _workload(source, kind)
    load, found_in_load = _section(Load, "load", source)
    later = rules.later_load_problems(source.tree.get("load"))
    found = [*problems, *later, *found_in_service, *found_in_workload, *found_in_load, *_between(source.tree, kind)]
    return Sections(kind, service or STAND_IN, workload or Section(), load or Load()), found


def kind_at(source: Source) -> Kind | None:
    """The kind that the service names, where there is one."""
    return _kind_of(source)[0]


def _kind_of(source: Source) -> tuple[Kind | None, list[Problem]]:
    given = source.tree.get("service")
    if given is None:
        return None, [Problem(("service",), "is missing; the smallest is `service: {kind: simulator}`")]
    if not isinstance(given, dict):
        got = got_text(given, ("service",), source)
        return None, [Problem(("service",), f"must be a mapping such as {{kind: simulator}}, got {got}")]
    place = ("service", "kind")
    known = kind_names()
    if "kind" not in given:
        return None, [Problem(place, f"is missing: one of {', '.join(known)}")]
    try:
        kind = find_kind(given["kind"]) if isinstance(given["kind"], str) else None
    except KindError as error:
        return None, [Problem(place, str(error))]
    if kind is None:
        got = got_text(given["kind"], place, source)
        hint = did_you_mean(str(given["kind"]), known) or f"; known are {', '.join(known)}"
        return None, [Problem(place, f"unknown service {got}{hint}")]
    return kind, []


def _service(source: Source, kind: Kind | None) -> tuple[ServiceSection | None, list[Problem]]:
    if kind is None:
        return None, []
    given = source.tree["service"]
    service, problems = validated(kind.service, given, ("service",), source)
    return service, problems + list(rules.masked_problems(given, "service"))


def _workload(source: Source, kind: Kind | None) -> tuple[Section | None, list[Problem]]:
    if kind is None:
        return None, []
    workload, problems = _section(kind.workload, "workload", source)
    return workload, problems + list(rules.masked_problems(source.tree.get("workload"), "workload"))


def _section(model: type[Model], name: str, source: Source) -> tuple[Model | None, list[Problem]]:
    return validated(model, source.tree.get(name, {}), (name,), source)


def _between(tree: dict[str, Any], kind: Kind | None) -> Iterator[Problem]:
    load, workload = tree.get("load"), tree.get("workload")
    if isinstance(load, dict):
        yield from rules.load_problems(load)
    if isinstance(workload, dict) and kind is not None and kind.workload is LlmWorkload:
        yield from rules.llm_workload_problems(str(tree["service"]["kind"]), _speaks_ollama(tree), workload)


def _speaks_ollama(tree: dict[str, Any]) -> bool:
    """Whether the model server that is meant calls a completion `generate`."""
    kind = at(tree, ("service", "kind"))
    return kind == "ollama" or bool(kind == "simulator" and at(tree, ("service", "dialect")) == "ollama")


def named_as_by_the_service(source: Source) -> Source:
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
