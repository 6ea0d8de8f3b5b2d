"""`loadgen check`: whether a recipe is right, and what would be sent. Nothing is."""

import json
import re
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from loadgen.cli.view import described, length_of
from loadgen.plan import build_plan
from loadgen.plan.model import Plan
from loadgen.recipe import Recipe, load_recipe
from loadgen.recipe.secrets import MASK, is_secret_name
from loadgen.report.words import load_of, load_phrase, plural
from loadgen.targets import target_for
from loadgen.units import s_from_ns

SHOWN_ARRIVALS = 8
SHOWN_POINTS = 12
SHOWN_BODY_CHARS = 1500


def check_recipe(path: str, overrides: dict[str, str]) -> int:
    """Raises RecipeError for what is wrong, as a run would."""
    recipe = load_recipe(path, overrides)
    points = recipe.points()
    first = points[0][1]
    plan = build_plan(first, target_for(first))
    print(
        "\n".join(
            [f"{path}: right", *_whole(recipe, points), *_plan_lines(first, plan), "", *_request_lines(first, plan)]
        )
    )
    return 0


def _whole(recipe: Recipe, points: list[tuple[dict[str, Any], Recipe]]) -> Iterator[str]:
    yield f"  name      {recipe.name}, seed {recipe.seed}, hash {recipe.hash[:12]}"
    yield f"  service   {described(recipe)}"
    if recipe.sweep is not None:
        shown = "; ".join(load_phrase(axes) for axes, _ in points[:SHOWN_POINTS])
        more = f"; and {len(points) - SHOWN_POINTS} more" if len(points) > SHOWN_POINTS else ""
        yield f"  sweep     {plural(len(points), 'run')}: {shown}{more}"
    for slo in recipe.slo:
        yield f"  promise   {slo.expression}"


def _plan_lines(recipe: Recipe, plan: Plan) -> Iterator[str]:
    of_the_first = " (of the first run)" if recipe.sweep is not None else ""
    yield f"  load      {load_of(recipe.canonical())}, {length_of(plan)}{of_the_first}"
    yield f"  arrivals  {_arrivals(plan)}"
    sizes = np.diff(plan.pool.from_byte)
    yield (
        f"  requests  {plural(len(plan.pool), 'different one')}, {sizes.min():,} to {sizes.max():,} bytes, "
        f"{'at most ' if plan.open_loop else ''}{plan.connections:,} at once"
    )
    yield f"  data      {plan.dataset.get('name') or 'none'}"
    yield f"  digest    {plan.digest[:12]}"


def _arrivals(plan: Plan) -> str:
    """When the first requests leave."""
    when_ns = plan.draw(0, SHOWN_ARRIVALS).when_ns
    if plan.open_loop:
        shown = ", ".join(f"{s_from_ns(instant):.3f}" for instant in when_ns)
        return f"at {shown} s …" if len(when_ns) else "none within the window"
    pause_ns = int(plan.draw(plan.connections, 1).when_ns[0])
    pause = f", {s_from_ns(pause_ns):g} s after it" if pause_ns else ""
    return f"each client's next request when its last answer has come{pause}"


def _request_lines(recipe: Recipe, plan: Plan) -> Iterator[str]:
    """The first request that would leave, as it would."""
    which = int(plan.draw(0, 1).payload[0]) if len(plan.draw(0, 1).payload) else 0
    raw = plan.pool.raw[plan.pool.from_byte[which] : plan.pool.from_byte[which + 1]].tobytes()
    head, _, body = raw.partition(b"\r\n\r\n")
    for line in head.decode("latin-1").split("\r\n"):
        yield recipe.redacted(_masked_header(line))
    if body:
        yield ""
        yield recipe.redacted(_shown_body(body.decode("utf-8", "replace")))


def _masked_header(line: str) -> str:
    match = re.match(r"([^:\s]+):\s*(.+)", line)
    return f"{match[1]}: {MASK}" if match and is_secret_name(match[1]) else line


def _shown_body(body: str) -> str:
    with suppress(ValueError):  # no JSON: shown as it is
        body = json.dumps(json.loads(body), indent=2, ensure_ascii=False)
    return (
        body
        if len(body) <= SHOWN_BODY_CHARS
        else f"{body[:SHOWN_BODY_CHARS]}\n… and {len(body) - SHOWN_BODY_CHARS:,} more characters"
    )
