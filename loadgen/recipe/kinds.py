"""The kinds of service that there are, each known by the one file that brings it."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from loadgen.recipe.base import Section
from loadgen.recipe.service import ServiceSection

GROUP = "loadgen.targets"
"""Entry points of this group, in any installed package, add kinds: their name is the kind, their object a Kind."""

BUILT_IN = {
    "simulator": "loadgen.targets.simulator",
    "ollama": "loadgen.targets.ollama",
    "vllm": "loadgen.targets.vllm",
    "openai": "loadgen.targets.openai",
    "redis": "loadgen.targets.redis",
    "postgresql": "loadgen.targets.postgresql",
    "s3": "loadgen.targets.s3",
    "chroma": "loadgen.targets.chroma",
    "qdrant": "loadgen.targets.qdrant",
    "http": "loadgen.targets.http",
    "python": "loadgen.targets.python",
}
"""Each module has a KIND. They are imported when a recipe names them, so that others cost nothing."""


@dataclass(frozen=True)
class Kind:
    """A service as recipes know it.

    service, workload: the models of its sections; the workload has `weights`: {operation: share}, in order.
    target: makes the target of a recipe. metrics: what its SLOs may speak of beyond e2e, ratios and rates.
    about: one line for `loadgen services`.
    """

    service: type[ServiceSection]
    workload: type[Section]
    target: Callable[[Any], Any]
    metrics: frozenset[str] = frozenset()
    about: str = ""


TOKEN_METRICS = frozenset({"ttft", "service_ttft", "itl", "tpot", "output_throughput"})


class KindError(Exception):
    """A kind whose code is not whole here. The text is one line that says what is missing."""


def kind_names() -> list[str]:
    """All that recipes may name: ours, and those of installed packages."""
    return [*BUILT_IN, *(name for name in _foreign() if name not in BUILT_IN)]


def package_of(name: str) -> str:
    """The package that brings a kind."""
    point = None if name in BUILT_IN else _foreign().get(name)
    return point.dist.name if point is not None and point.dist is not None else "loadgen"


@lru_cache
def find_kind(name: str) -> Kind | None:
    """None: there is none of this name. Raises KindError."""
    if name in BUILT_IN:
        return _built_in(name)
    return _loaded(_foreign()[name]) if name in _foreign() else None


def _built_in(name: str) -> Kind | None:
    try:
        kind: Kind | None = getattr(import_module(BUILT_IN[name]), "KIND", None)
    except ModuleNotFoundError as error:
        if error.name == BUILT_IN[name]:
            return None
        raise KindError(f"{name} needs the Python package {error.name}, which is not installed") from None
    return kind


def _loaded(point: EntryPoint) -> Kind:
    brought = f"{point.name} comes with {package_of(point.name)}"
    try:
        kind = point.load()
    except Exception as error:  # anything may happen in a package that others wrote
        reason = " ".join(str(error).split())
        raise KindError(f"{brought}, which cannot be imported: {type(error).__name__}: {reason}") from None
    if not isinstance(kind, Kind):
        raise KindError(f"{brought}, where {point.value} is no loadgen.recipe.kinds.Kind")
    return kind


@lru_cache
def _foreign() -> dict[str, EntryPoint]:
    return {point.name: point for point in entry_points(group=GROUP)}
