"""What differs around two runs: recipe, service, host, engine, client. One line a field."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, NamedTuple

from loadgen.recipe.source import at
from loadgen.recipe.yaml_tree import Place
from loadgen.report.facts import Facts
from loadgen.report.points import NOT_AXES
from loadgen.report.words import without_secrets

SHOWN_CHARS = 12

Places = Mapping[str, Place]
"""Words, and where in run.json they stand."""

AROUND: Places = {
    "git commit": ("git_commit",),
    "uncommitted changes": ("git_dirty",),
    "loadgen": ("environment", "loadgen_version"),
    "host": ("clients", 0, "hostname"),
    "hardware": ("environment", "hardware_fingerprint"),
    "service version": ("service", "version"),
    "model": ("service", "model"),
    "model digest": ("service", "image_digest"),
    "recipe hash": ("recipe_hash",),
}
"""What a rerun holds against the first run before anything is sent: by its place in run.json."""

AFTERWARDS: Places = {
    "kind of service": ("service", "kind"),
    "image": ("service", "image"),
    "CPU": ("clients", 0, "cpu_model"),
    "CPUs": ("clients", 0, "n_cpus"),
    "kernel": ("environment", "kernel"),
    "GPUs": ("environment", "gpus"),
    "Python": ("environment", "python"),
    "engine": ("clients", 0, "engine"),
    "engine threads": ("clients", 0, "n_threads"),
    "seed": ("plan", "seed"),
    "data set": ("plan", "dataset", "sha256"),
    "plan digest": ("plan", "digest"),
}
"""What two finished runs are held against each other by, beside the above."""

_NOT_FIELDS = {*NOT_AXES, "seed", "target"}


class Differing(NamedTuple):
    """A field that differs. a, b: as they are shown."""

    field: str
    a: str
    b: str

    @property
    def line(self) -> str:
        return f"{self.field}: A {self.a}, B {self.b}"


def differences_between(before: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[str]:
    """`service version: 0.17.5, was 0.17.4`, of two run.json."""
    for one in _around(before, now, AROUND):
        yield f"{one.field}: {one.b}, was {one.a}"
    if before.get("git_dirty") and now.get("git_dirty"):
        yield "uncommitted changes: then and now, and nobody knows whether they are the same"


def differing(a: Facts, b: Facts, but: Iterable[str] = ()) -> list[Differing]:
    """All that differs. but: fields of the recipe that are meant to vary, such as a sweep's axes."""
    around = {name: place for name, place in {**AROUND, **AFTERWARDS}.items() if name != "recipe hash"}
    recipes = list(_recipes(a, b, frozenset(but)))
    asked = {one.field.rpartition("service.")[2] for one in recipes}  # what the recipe sets, the service says again
    settings = (one for one in _settings(a, b) if one.field.rpartition("settings.")[2] not in asked)
    return list({one.field: one for one in (*_around(a.run, b.run, around), *settings, *recipes)}.values())


def _around(
    a: Mapping[str, Any], b: Mapping[str, Any], places: Mapping[str, tuple[str | int, ...]]
) -> Iterator[Differing]:
    for words, place in _per_service(a, b, places):
        first, second = at(a, place), at(b, place)
        if first != second:
            yield Differing(words, shown(first), shown(second))


def _per_service(a: Mapping[str, Any], b: Mapping[str, Any], places: Places) -> Iterator[tuple[str, Place]]:
    """The places; of several services what is said of the service for each of them."""
    several = [names for run in (a, b) if isinstance(names := at(run, ("service", "services")), Mapping)]
    for words, place in places.items():
        if place[0] != "service" or not several:
            yield words, place
            continue
        for name in dict.fromkeys(name for names in several for name in names):
            yield f"{name}: {words}", ("service", "services", name, *place[1:])


def _settings(a: Facts, b: Facts) -> Iterator[Differing]:
    """How the servers were started, as they or the recipes say."""
    parts = {part.service_name: part for part in b.parts}
    for part in a.parts:
        other = parts.get(part.service_name)
        if other is not None:
            whose = f"{part.service_name}: " if part.service_name else ""
            settings = ((one.run.get("service") or {}).get("settings") or {} for one in (part, other))
            yield from _fields(f"{whose}settings.", *map(_flat, settings))


def _recipes(a: Facts, b: Facts, but: frozenset[str]) -> Iterator[Differing]:
    fields = [
        {name: value for name, value in _flat(facts.recipe).items() if not _is_no_field(name, but)} for facts in (a, b)
    ]
    yield from _fields("", *fields)


def _is_no_field(name: str, but: frozenset[str]) -> bool:
    """What says nothing of the load or the service, what is told already, and what is meant to vary."""
    first, _, rest = name.partition(".")
    return first in _NOT_FIELDS or name in but or rest in ("kind", "model") or ".settings." in name


def _fields(prefix: str, a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Differing]:
    for name in dict.fromkeys((*a, *b)):
        first, second = a.get(name), b.get(name)
        if first != second:
            if name.rpartition(".")[2] == "url":
                first, second = (without_secrets(url) for url in (first, second))
            yield Differing(f"{prefix}{name}", shown(first), shown(second))


def _flat(section: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in section.items():
        flat.update(_flat(value, f"{prefix}{name}.") if isinstance(value, Mapping) else {f"{prefix}{name}": value})
    return flat


def shown(value: Any) -> str:
    if value is None:
        return "unknown"
    if isinstance(value, bool):
        return "yes" if value else "no"
    text = str(value)
    is_digest = len(text) >= 40 and all(character in "0123456789abcdef" for character in text.removeprefix("sha256:"))
    return text.removeprefix("sha256:")[:SHOWN_CHARS] if is_digest else text
