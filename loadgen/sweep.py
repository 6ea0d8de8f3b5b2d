"""A recipe with all its points, one run after the other, and the reports of what came out."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from loadgen.bundle import Bundle
from loadgen.errors import LoadgenError
from loadgen.recipe import Recipe, load_recipe, recipe_from_dict
from loadgen.report import write_report, write_sweep_report
from loadgen.run import Measured, Place, Watch, error_of, run_once

INTERRUPTED = 130


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
        """As the command line ends: 0 unless SLOs failed (a sweep: no point held them all), or something went wrong."""
        if self.interrupted:
            return INTERRUPTED
        if self.error is not None:
            return self.error.exit_code
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
    """Run a recipe, every point of its sweep, and write the reports: what the command line does.

    recipe: a path, the same as a dict, or a Recipe. overrides: dotted field -> value as in YAML; not for a Recipe.
    rerun_of: the benchmark id that is repeated. Raises RecipeError, and TargetError or EngineError where nothing could
    be measured at all; what ends a run that has begun is in the Result's `error`.
    """
    folder = Path(recipe).parent if isinstance(recipe, str | os.PathLike) else Path()
    known = _recipe(recipe, overrides or {})
    place = Place(Path(results), folder, rerun_of)
    result, measured = await _run_points(known, place, watch or Watch())
    if measured:
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
    points = recipe.points()
    for number, (axes, point) in enumerate(points):
        if number > 0:
            await _pause(recipe.pause_s, watch)
        if watch.stop_asked:
            break
        first_id = measured[0].bundle.id if measured else None
        sweep = {"name": recipe.name, "point": number, "n_points": len(points), "first_id": first_id, "axes": axes}
        try:
            one = await run_once(point, place.at(sweep if recipe.sweep is not None else None), watch)
        except LoadgenError as error:
            result.error = error
            break
        measured.append(one)
        result.error = error_of(one.bundle)
        if result.error is not None:
            break
    result.bundles = [one.bundle for one in measured]
    result.interrupted = watch.stop_asked
    return result, measured


async def _pause(length_s: float, watch: Watch) -> None:
    """Between two points; a stop ends it within a moment."""
    ends_at = asyncio.get_running_loop().time() + length_s
    while not watch.stop_asked and (left_s := ends_at - asyncio.get_running_loop().time()) > 0:
        await asyncio.sleep(min(left_s, 0.1))


def _write_reports(recipe: Recipe, measured: list[Measured], reports: Path) -> Path:
    """After the last run: drawing pictures beside a load would disturb it."""
    folders = [write_report(one.bundle, reports, one.tally) for one in measured]
    if recipe.sweep is None:
        return folders[0]
    return write_sweep_report([one.bundle for one in measured], reports)
