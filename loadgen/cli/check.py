"""`loadgen check`: whether a recipe is right, and what would be sent. Nothing is."""

from collections.abc import Iterator
from typing import Any

from loadgen.cli.sample import request_lines
from loadgen.cli.view import described, length_of
from loadgen.plan import build_plan
from loadgen.plan.model import Plan
from loadgen.recipe import Recipe, load_recipe
from loadgen.report.numbers import percent, plain
from loadgen.report.words import load_of, load_phrase, plural
from loadgen.targets import target_for
from loadgen.units import s_from_ns

SHOWN_ARRIVALS = 8
SHOWN_POINTS = 12


def check_recipe(path: str, overrides: dict[str, str]) -> int:
    """Raises RecipeError for what is wrong, as a run would."""
    recipe = load_recipe(path, overrides)
    points = recipe.points()
    parts = points[0][1].parts()
    plans = [(name, part, build_plan(part, target_for(part))) for name, part in parts]
    print("\n".join([f"{path}: right", *_whole(recipe, points)]))
    for name, part, plan in plans:
        print("\n".join(_part_lines(name, part, plan, recipe.sweep is not None or recipe.search is not None)))
    return 0


def _whole(recipe: Recipe, points: list[tuple[dict[str, Any], Recipe]]) -> Iterator[str]:
    yield f"  name      {recipe.name}, seed {recipe.seed}, hash {recipe.hash[:12]}"
    yield f"  {'services' if recipe.services else 'service '}  {described(recipe)}"
    if recipe.sweep is not None:
        shown = "; ".join(load_phrase(axes) for axes, _ in points[:SHOWN_POINTS])
        more = f"; and {len(points) - SHOWN_POINTS} more" if len(points) > SHOWN_POINTS else ""
        yield f"  sweep     {plural(len(points), 'run')}: {shown}{more}"
    if recipe.search is not None:
        one = recipe.search
        yield f"  search    {one.field}, from {plain(one.from_)} to {plain(one.to)}, to {percent(one.precision)}"
    for slo in recipe.slo:
        yield f"  promise   {slo.expression}"


def _part_lines(name: str, recipe: Recipe, plan: Plan, is_first: bool) -> Iterator[str]:
    if name:
        yield from ("", f"{name}: {described(recipe)}")
    yield from _plan_lines(recipe, plan, is_first)
    yield ""
    yield from request_lines(recipe, plan)


def _plan_lines(recipe: Recipe, plan: Plan, is_first: bool) -> Iterator[str]:
    of_the_first = " (of the first run)" if is_first else ""
    yield f"  load      {load_of(recipe.canonical())}, {length_of(plan)}{of_the_first}"
    yield f"  arrivals  {_arrivals(plan)}"
    yield f"  requests  {_pool(plan)}"
    if plan.n_keys:
        yield f"  keys      {plural(plan.n_keys, 'key')}, {plan.n_existing:,} of them written before the load"
    yield f"  data      {plan.dataset.get('name') or 'none'}"
    yield f"  digest    {plan.digest[:12]}"


def _pool(plan: Plan) -> str:
    """How many different ones there are, how large, and how many travel at once."""
    sizes = plan.pool.payloads["raw_bytes"] + plan.pool.payloads["body_bytes"]
    size = f", {sizes.min():,} to {sizes.max():,} bytes" if sizes.any() else ""
    most = "at most " if plan.open_loop else ""
    pipeline = f", each connection sends {plan.pipeline} at once" if plan.pipeline > 1 else ""
    return f"{plural(len(plan.pool), 'different one')}{size}, {most}{plural(plan.connections, 'connection')}{pipeline}"


def _arrivals(plan: Plan) -> str:
    """When the first requests leave."""
    when_ns = plan.draw(0, SHOWN_ARRIVALS).when_ns
    if plan.open_loop:
        shown = ", ".join(f"{s_from_ns(instant):.3f}" for instant in when_ns)
        return f"at {shown} s …" if len(when_ns) else "none within the window"
    pause_ns = int(plan.draw(plan.connections, 1).when_ns[0])
    pause = f", {s_from_ns(pause_ns):g} s after it" if pause_ns else ""
    return f"each client's next request when its last answer has come{pause}"
