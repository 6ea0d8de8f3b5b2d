"""Several named services in one recipe: each seen as a small recipe of its own."""

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from typing import Any

from loadgen.recipe.explain import did_you_mean, got_text
from loadgen.recipe.model import SINGULAR
from loadgen.recipe.source import Problem, Source
from loadgen.recipe.yaml_tree import Place

_PLURAL = {own: plural for plural, own in SINGULAR.items()}
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]*")


def inward(place: Place, name: str) -> Place | None:
    """A place of the whole as the service of that name sees it; None where it is another's."""
    if place and place[0] in SINGULAR:
        return (SINGULAR[str(place[0])], *place[2:]) if place[1:2] == (name,) else None
    return None if place and place[0] in _PLURAL else place


def outward(place: Place, name: str) -> Place:
    """The way back."""
    return (_PLURAL[str(place[0])], name, *place[1:]) if place and place[0] in _PLURAL else place


def part_of(source: Source, name: str) -> Source:
    """What was written, as the service of that name sees it. source: resolved."""
    inside = {place: inward(place, name) for place in {*source.origins, *source.typed, *source.references}}
    return replace(
        source,
        written=_tree_of(source.written, name),
        tree=_tree_of(source.tree, name),
        origins={to: text for place, text in source.origins.items() if (to := inside[place]) is not None},
        typed={to: text for place, text in source.typed.items() if (to := inside[place]) is not None},
        references={to: text for place, text in source.references.items() if (to := inside[place]) is not None},
    )


def _tree_of(tree: dict[str, Any], name: str) -> dict[str, Any]:
    kept = {field: value for field, value in tree.items() if field not in SINGULAR and field not in _PLURAL}
    for plural, own in SINGULAR.items():
        section = tree.get(plural)
        if isinstance(section, dict) and name in section:
            kept[own] = section[name]
    return kept


def check_names(source: Source) -> tuple[list[str], list[Problem]]:
    """The services' names, and what is wrong with how they are named."""
    services = source.tree["services"]
    if not isinstance(services, dict) or not services:
        got = "nothing" if services == {} else got_text(services, ("services",), source)
        return [], [Problem(("services",), f"must name each service, such as {{llm: {{kind: …}}}}, got {got}")]
    problems = list(_singular_problems(source.tree))
    for name in services:
        if not _NAME.fullmatch(name):
            problems.append(Problem(("services", name), "a name has letters, digits, _ and -, and a letter first"))
    for plural in ("workloads", "loads"):
        problems += _unknown_names(plural, source, list(services))
    return [name for name in services if _NAME.fullmatch(name)], problems


def _singular_problems(tree: dict[str, Any]) -> Iterator[Problem]:
    for own in (own for own in _PLURAL if own in tree):
        yield Problem((own,), f"with services it is {_PLURAL[own]}: {{NAME: …}}, one for each")


def _unknown_names(plural: str, source: Source, names: list[str]) -> Iterable[Problem]:
    section = source.tree.get(plural, {})
    if not isinstance(section, dict):
        got = got_text(section, (plural,), source)
        return [Problem((plural,), f"must be a mapping of services' names, got {got}")]
    known = f"; there are {', '.join(names)}"
    return [
        Problem((plural, name), f"there is no such service{did_you_mean(name, names) or known}")
        for name in section
        if name not in names
    ]
