"""The SLOs of a recipe, and which service each is about."""

from collections.abc import Iterator, Mapping
from typing import Any

from loadgen.recipe.explain import did_you_mean, got_text
from loadgen.recipe.kinds import Kind
from loadgen.recipe.rules import has_figure
from loadgen.recipe.slo import Slo, parse_slo
from loadgen.recipe.source import Problem, Source
from loadgen.recipe.yaml_tree import Place

Kinds = Mapping[str, tuple[str, Kind | None]]
"""Each service's kind, by the service's name; "" where there is one. None: the recipe names none that can be used."""


def slos_of(source: Source, kinds: Kinds) -> tuple[tuple[Slo, ...], list[Problem]]:
    """Those that are right, and what is wrong with the others."""
    given = source.tree.get("slo", [])
    if not isinstance(given, list):
        return (), [Problem(("slo",), "must be a list, such as [p99_ttft < 500 ms]")]
    slos: list[Slo] = []
    problems: list[Problem] = []
    for i, text in enumerate(given):
        place: Place = ("slo", i)
        try:
            slos.append(_parsed(text, place, source))
        except ValueError as error:
            problems.append(Problem(place, str(error)))
        else:
            problems += _service_problems(place, slos[-1], kinds)
    return tuple(slos), problems


def _parsed(text: Any, place: Place, source: Source) -> Slo:
    if not isinstance(text, str):
        raise ValueError(f"must be text such as p99_ttft < 500 ms, got {got_text(text, place, source)}")
    return parse_slo(text)


def _service_problems(place: Place, slo: Slo, kinds: Kinds) -> Iterator[Problem]:
    """A service that is not there, or a figure that its runs do not have."""
    names = [name for name in kinds if name]
    if slo.service and not names:
        figure = slo.expression.removeprefix(f"{slo.service}.")
        yield Problem(place, f"there is one service here, and it has no name: {figure}")
    elif slo.service and slo.service not in names:
        hint = did_you_mean(slo.service, names) or f"; there are {', '.join(names)}"
        yield Problem(place, f"unknown service {slo.service!r}{hint}")
    else:
        yield from _figure_problems(place, slo, kinds)


def _figure_problems(place: Place, slo: Slo, kinds: Kinds) -> Iterator[Problem]:
    asked = [kind for name, kind in kinds.items() if slo.service in ("", name)]
    if asked and not any(kind is None or has_figure(kind, slo) for _, kind in asked):
        words = " or ".join(dict.fromkeys(word for word, _ in asked))
        yield Problem(place, f"{slo.metric} is not measured with a service of kind {words}")


def slos_for(name: str, kind: Kind, slos: tuple[Slo, ...]) -> tuple[Slo, ...]:
    """Those that one of several services must hold: its own, and those of all that it has the figures for."""
    return tuple(slo for slo in slos if slo.service in ("", name) and has_figure(kind, slo))
