"""`loadgen --rerun BM-ID`: the recipe of a finished run once more, what differs around it, and both side by side."""

import asyncio
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

from loadgen.bundle import Bundle, describe_client, describe_environment, git_state
from loadgen.cli.compare import show
from loadgen.cli.kept import bundles_of
from loadgen.cli.running import say_result, view_for, watched, with_name
from loadgen.cli.view import View
from loadgen.compare.comparison import compare
from loadgen.compare.differing import SHOWN_CHARS, differences_between
from loadgen.compare.files import write_comparison
from loadgen.errors import RecipeError
from loadgen.recipe import Recipe, recipe_from_dict
from loadgen.report import write_sweep_report
from loadgen.sweep import Result, arun
from loadgen.targets import target_for

SEVERAL = "several"
"""What run.json calls the service of a run that has several."""


def rerun_bundle(
    which: str,
    strict: bool,
    overrides: dict[str, str],
    name: str | None,
    results: Path,
    reports: Path,
    quiet: bool,
    as_json: bool,
    yes: bool,
) -> int:
    """The exit code. A sweep's folder stands for all its runs. yes: nothing is asked so far."""
    before = bundles_of([which], results, reports)
    recipes = [_recipe_of(bundle, with_name(overrides, name)) for bundle in before]
    view = view_for(quiet)
    result = watched(lambda view: _again(before, recipes, strict, results, reports, view), view)
    out = sys.stderr if as_json else sys.stdout
    if result.bundles:
        _compare(before, result.bundles, reports, None if quiet else out)
    say_result(result, as_json, quiet)
    return result.exit_code


def _recipe_of(bundle: Bundle, overrides: Mapping[str, str]) -> Recipe:
    recipe = bundle.run.get("recipe")
    if not isinstance(recipe, dict):
        raise RecipeError(f"{bundle.folder / 'run.json'}: has no recipe")
    return recipe_from_dict(recipe, overrides, origin=str(bundle.folder / "run.json"))


def _compare(before: list[Bundle], after: list[Bundle], reports: Path, out: TextIO | None) -> None:
    """The runs that were repeated beside their repeats: A what was before, B what is now. out: None says nothing."""
    compared = compare(before[: len(after)], after)
    folder = write_comparison(compared, reports)
    if out is not None:
        show(compared, out, folder)
        print(file=out)


async def _again(
    before: list[Bundle], recipes: list[Recipe], strict: bool, results: Path, reports: Path, view: View
) -> Result:
    """Each run once more; of several a sweep's report in the end."""
    await _say_differences(before[0], recipes[0], strict, view)
    done: list[Result] = []
    for bundle, recipe in zip(before, recipes, strict=True):
        if done and (view.stop_asked or done[-1].error is not None):
            break
        done.append(await arun(recipe, results=results, reports=reports, rerun_of=bundle.id, watch=view))
    last = done[-1]
    if len(done) == 1:
        return last
    bundles = [one for result in done for one in result.bundles]
    folder = await asyncio.to_thread(write_sweep_report, bundles, reports)
    return Result(last.recipe, bundles, folder, last.error, last.interrupted)


async def _say_differences(bundle: Bundle, recipe: Recipe, strict: bool, view: View) -> None:
    """Raises RecipeError with all of them where none is allowed."""
    differences = list(differences_between(bundle.run, await _surroundings(recipe)))
    if differences and strict:
        raise RecipeError(f"{bundle.id}: --strict, and this differs: {'; '.join(differences)}")
    view.say(f"again: {bundle.id}, recipe hash {recipe.hash[:SHOWN_CHARS]}")
    for difference in differences:
        view.say(f"differs: {difference}")


async def _surroundings(recipe: Recipe) -> dict[str, Any]:
    """What run.json would say of here and now. The service is asked who it is."""
    services = {name: await _service_of(part) for name, part in recipe.parts()}
    git_commit, git_dirty = git_state(Path())
    return {
        "git_commit": git_commit,
        "git_dirty": git_dirty,
        "environment": describe_environment(),
        "clients": [describe_client(recipe.load.engine, recipe.load.threads)],
        "service": services.get("", {"kind": SEVERAL, "services": services}),
        "recipe_hash": recipe.hash,
    }


async def _service_of(recipe: Recipe) -> dict[str, Any]:
    target = target_for(recipe)
    try:
        return (await target.prepare()).service
    finally:
        await target.close()
