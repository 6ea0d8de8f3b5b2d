"""Services: one file each. `target_for(recipe)` finds the one that the recipe names."""

from loadgen.errors import RecipeError
from loadgen.recipe.kinds import KindError, find_kind
from loadgen.recipe.model import Recipe
from loadgen.targets.base import Readiness, Target

__all__ = ["Readiness", "Target", "target_for"]


def target_for(recipe: Recipe) -> Target:
    """Of a recipe of one service. Raises RecipeError for what only its target sees, such as headers."""
    name = recipe.service.kind
    try:
        kind = find_kind(name)
    except KindError as error:
        raise RecipeError(f"service.kind: {error}") from None
    if kind is None:
        raise RecipeError(f"service.kind: unknown service {name!r}")
    target: Target = kind.target(recipe)
    return target
