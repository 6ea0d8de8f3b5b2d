"""A recipe with all its points, or a search's trials, one run after the other, and the reports of what came out."""

import asyncio
import os
from collections.abc import Generator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen.bundle import Bundle
from loadgen.errors import LoadgenError, TargetError
from loadgen.recipe import Recipe, load_recipe, recipe_from_dict
from loadgen.report import write_report, write_sweep_report
from loadgen.run import Measured, Place, Watch, error_of, run_once
from loadgen.search import Looks, described, found_a_load, probes

INTERRUPTED = 130

Points = Generator[tuple[dict[str, Any], Recipe], Bundle, None]
"""Each point's place on the axes and its recipe; what came out of it is sent in."""


@dataclass
class Result:
    """What a recipe gave. report: the folder with report.md (the sweep's, if there is one). error: what ended it."""

    recipe: Recipe
    bundles: list[Bundle] = field(default_factory=list)
    report: Path | None = None
    error: LoadgenError | None = None
    interrupted: bool = False

    @property
    def bundle(self) -> Bundle:
        """The only run's, or the last one's."""
        return self.bundles[-1]

    @property
    def exit_code(self) -> int:
        """As the command line ends: 0 unless SLOs failed, or something else did.

        Of several points one must hold them all; of a search, the load that it found.
        """
        if self.interrupted:
            return INTERRUPTED
        if self.error is not None:
            return self.error.exit_code
        if self.recipe.search is not None:
            return 0 if found_a_load(self.recipe, self.bundles) else 1
        return 0 if any(holds_slos(bundle) for bundle in self.bundles) else 1


def holds_slos(bundle: Bundle) -> bool:
    """Whether none of the run's SLOs failed."""
    return all(slo["verdict"] != "FAIL" for slo in (bundle.summary or {}).get("slo", []))


def run(recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any], **options: Any) -> Result:
    """Run a recipe, as `arun` does, from code that is not asynchronous."""
    return asyncio.run(arun(recipe, **options))


async def arun(
    recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any],
    *,
    overrides: Mapping[str, str] | None = None,
    results: str | os.PathLike[str] = "results",
    reports: str | os.PathLike[str] = "reports",
    rerun_of: str | None = None,
    watch: Watch | None = None,
) -> Result:
    """Run a recipe, every point of its sweep or its search, and write the reports: what the command line does.

    recipe: a path, the same as a dict, or a Recipe. overrides: dotted field -> value as in YAML; not for a Recipe.
    rerun_of: the benchmark id that is repeated. Raises RecipeError, and TargetError or EngineError where nothing could
    be measured at all; what ends a run that has begun is in the Result's `error`.
    """
    folder = Path(recipe).parent if isinstance(recipe, str | os.PathLike) else Path()
    known = _recipe(recipe, overrides or {})
    place = Place(Path(results), folder, rerun_of)
    watch = watch or Watch()
    result, measured = await _run_points(known, place, watch)
    if measured:
        watch.reporting()
        result.report = await asyncio.to_thread(_write_reports, known, measured, Path(reports))
    elif result.error is not None and not result.interrupted:
        raise result.error
    return result


def _recipe(recipe: Recipe | str | os.PathLike[str] | Mapping[str, Any], overrides: Mapping[str, str]) -> Recipe:
    if isinstance(recipe, Recipe):
        return recipe
    if isinstance(recipe, Mapping):
        return recipe_from_dict(recipe, overrides)
    return load_recipe(recipe, overrides)


async def _run_points(recipe: Recipe, place: Place, watch: Watch) -> tuple[Result, list[Measured]]:
    """One point after the other, until one cannot be run, is interrupted, or fails."""
    result, measured = Result(recipe), list[Measured]()
    points = probes(recipe) if recipe.search is not None else _grid(recipe)
    point = next(points, None)
    while point is not None and not watch.stop_asked:
        look = Looks(point[1]) if recipe.search is not None else None
        try:
            one = await run_once(point[1], place.at(_place_in_sweep(recipe, point[0], measured)), watch, look)
        except LoadgenError as error:
            result.error = error
            break
        measured.append(one)
        result.error = _ends_it(recipe, measured)
        if result.error is not None or watch.stop_asked:
            break
        point = _next_point(points, one.bundle)
        if point is not None:
            await _pause(recipe.pause_s, watch)
    result.bundles = [one.bundle for one in measured]
    result.interrupted = watch.stop_asked
    return result, measured


def _grid(recipe: Recipe) -> Points:
    yield from (point for point in recipe.points())  # a generator: what is sent to this one goes on to it


def _next_point(points: Points, bundle: Bundle) -> tuple[dict[str, Any], Recipe] | None:
    """What comes after that bundle."""
    try:
        return points.send(bundle)
    except StopIteration:
        return None


def _place_in_sweep(recipe: Recipe, axes: dict[str, Any], measured: list[Measured]) -> dict[str, Any] | None:
    """run.json's `sweep`. How many trials a search will have, nobody knows."""
    if recipe.sweep is None and recipe.search is None:
        return None
    first_id = measured[0].bundle.id if measured else None
    n_points = len(recipe.points()) if recipe.search is None else None
    place = {"name": recipe.name, "point": len(measured), "n_points": n_points, "first_id": first_id, "axes": axes}
    return place if recipe.search is None else {**place, "search": described(recipe)}


def _ends_it(recipe: Recipe, measured: list[Measured]) -> LoadgenError | None:
    """A failed run ends a sweep. A search goes on below a load at which everything failed, if something has held."""
    error = error_of(measured[-1].bundle)
    is_shown_limit = isinstance(error, TargetError) and recipe.search is not None and len(measured) > 1
    return None if is_shown_limit else error


async def _pause(length_s: float, watch: Watch) -> None:
    """Between two points; a stop ends it within a moment."""
    ends_at = asyncio.get_running_loop().time() + length_s
    while not watch.stop_asked and (left_s := ends_at - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(left_s, 0.1))


def _write_reports(recipe: Recipe, measured: list[Measured], reports: Path) -> Path:
    """After the last run: drawing pictures beside a load would disturb it."""
    folders = [write_report(one.bundle, reports, one.tally) for one in measured]
    if recipe.sweep is None and recipe.search is None:
        return folders[0]
    return write_sweep_report([one.bundle for one in measured], reports)
