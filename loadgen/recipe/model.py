"""The whole recipe, typed and frozen. Only loader.py makes one; it has checked what holds between the sections."""

import hashlib
import json
from collections.abc import Callable
from functools import cached_property
from typing import Annotated, Any, Literal

from pydantic import Field, PlainSerializer, PrivateAttr, SerializeAsAny, WithJsonSchema

from loadgen.recipe.base import NonNegativeFloat, PositiveInt, Section, Text
from loadgen.recipe.load import Load
from loadgen.recipe.monitor import NOTHING, Cost, Monitor, Watched
from loadgen.recipe.search import Search
from loadgen.recipe.service import ServiceSection
from loadgen.recipe.slo import Slo
from loadgen.recipe.source import Source

MAX_SEED = 2**53 - 1
"""Beyond it tools that read JSON numbers as doubles would change the seed."""

SINGULAR = {"services": "service", "workloads": "workload", "loads": "load"}
"""What a section of several services is for one of them."""

SloText = Annotated[
    Slo, PlainSerializer(lambda slo: slo.expression, return_type=str), WithJsonSchema({"type": "string"})
]
Axis = Annotated[list[Any], Field(min_length=1)]


class Recipe(Section):
    """What is to be measured.

    With several services, `service`, `workload` and `load` are those of the first one: use parts().
    """

    name: Annotated[Text, Field(max_length=200)] = Field(
        default="",
        description="What reports call it. Default: the file's name without its ending.",
        validate_default=False,
    )
    description: str = Field(default="", description="The question that the run is to answer.")
    seed: Annotated[int, Field(ge=0, le=MAX_SEED)] = Field(
        default=0, description="Every random draw of the run comes from it."
    )
    target: Text = Field(
        default="", description="The cluster's or host's name. Default: the host name.", validate_default=False
    )
    service: SerializeAsAny[ServiceSection] = Field(
        description="The service under test. Default: must be given, or `services`."
    )
    workload: SerializeAsAny[Section] = Field(description="What each request asks for. Default: what its kind has.")
    load: Load = Field(default_factory=Load, description="How much load, in which shape, and for how long.")
    services: dict[str, SerializeAsAny[ServiceSection]] | None = Field(
        default=None,
        description="Several services in one run, each with a name, in the place of `service`; see "
        "[below](#several-services).",
    )
    workloads: dict[str, SerializeAsAny[Section]] | None = Field(
        default=None, description="The workload of each of several services, by its name."
    )
    loads: dict[str, Load] | None = Field(
        default=None, description="The load of each of several services, by its name."
    )
    sweep: dict[str, Axis] | None = Field(
        default=None,
        description="Any field by its dotted name with its values; several make a grid: {load.concurrency: [1, 2, 4]}.",
    )
    search: Search | None = Field(
        default=None,
        description="In the place of sweep: the highest load that holds the promises is looked for; see "
        "[below](#search).",
    )
    slo: Annotated[tuple[SloText, ...], Field(strict=False)] = Field(
        default=(), description="Promises to hold, such as `p99_ttft < 500 ms`; see [below](#service-level-objectives)."
    )
    repeat: PositiveInt = Field(default=1, description="How often each point of a sweep is run.")
    order: Literal["ascending", "interleaved", "random"] = Field(
        default="ascending",
        description="In which order the points of a sweep are run. ascending: as they are written, repeats one after "
        "the other; interleaved: all points once, then all again; random: shuffled by the seed.",
    )
    pause_s: NonNegativeFloat = Field(
        default=0.0, description="Seconds of rest between the points of a sweep or a search."
    )
    record: Literal["all"] = Field(default="all", description="Which requests go to requests.jsonl.")

    monitor: Watched = Field(
        default="auto", description="What is watched beside the load: auto is all that there is; see [below](#monitor)."
    )
    cost: Cost | None = Field(
        default=None, description="What the service costs, for figures in money; see [below](#cost)."
    )

    _source: Source = PrivateAttr()

    @property
    def watched(self) -> Monitor:
        """`monitor`, its words spelt out."""
        if isinstance(self.monitor, Monitor):
            return self.monitor
        return Monitor() if self.monitor == "auto" else NOTHING

    def canonical(self) -> dict[str, Any]:
        """The recipe as JSON, defaults filled in, that gives the same recipe again.

        What came out of a variable stands as `${NAME}`; other secrets as `***`. Whole numbers are integers.
        """
        left_out = None if self.services is None else set(SINGULAR.values())
        return self._source.as_written(self.model_dump(mode="json", exclude_none=True, exclude=left_out, by_alias=True))

    @cached_property
    def hash(self) -> str:
        """SHA-256, in hex, of the canonical JSON with its keys sorted."""
        text = json.dumps(self.canonical(), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
        return hashlib.sha256(text.encode()).hexdigest()

    def points(self) -> list[tuple[dict[str, Any], "Recipe"]]:
        """Each point of the sweep in the order of running: its place on the axes, and its recipe, which has no sweep.

        With `repeat` each comes so many times. Of a search: the load that is tried first. Else: one point, at {}.
        """
        if self.search is not None:
            return [self.point_at(self.search.from_)]
        if self.sweep is None:
            return [({}, self)]
        if self.order == "ascending":
            return [point for point in self._points for _ in range(self.repeat)]
        rounds = [*self._points] * self.repeat
        return rounds if self.order == "interleaved" else _shuffled(rounds, self.seed)

    def point_at(self, load: float) -> tuple[dict[str, Any], "Recipe"]:
        """One load of the search: its place on the axis, and its recipe. Raises ValueError where it cannot be run."""
        if self.search is None or self._point_at is None:
            raise ValueError("the recipe has no search")
        value = round(load) if self.search.is_whole else load
        return {self.search.field: value}, self._point_at(value)

    def parts(self) -> list[tuple[str, "Recipe"]]:
        """Each named service as a recipe of its own, with those of the promises that it can hold.

        With one service: [("", self)].
        """
        return list(self._parts) or [("", self)]

    def secrets(self) -> tuple[str, ...]:
        """Every text that must not be written anywhere, and all that came out of a variable."""
        return self._source.hidden()

    def redacted(self, text: str) -> str:
        """The text with every secret of this recipe, and all that came out of a variable, as `***`."""
        return self._source.redacted(text)

    _points: tuple[tuple[dict[str, Any], "Recipe"], ...] = PrivateAttr(default=())
    _point_at: Callable[[float], "Recipe"] | None = PrivateAttr(default=None)
    _parts: tuple[tuple[str, "Recipe"], ...] = PrivateAttr(default=())


def _shuffled(points: list[Any], seed: int) -> list[Any]:
    """By the hashes of seed and place: the same on every machine, without a random number."""
    return [points[place] for place in sorted(range(len(points)), key=lambda place: _digest(seed, place))]


def _digest(seed: int, place: int) -> bytes:
    return hashlib.sha256(f"{seed}:{place}".encode()).digest()
