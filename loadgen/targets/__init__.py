"""Services: one file each. `target_for(recipe)` finds the one that the recipe names."""

from loadgen.recipe.model import Recipe
from loadgen.recipe.service import HttpService, SimulatorService
from loadgen.targets.base import Readiness, Target

__all__ = ["Readiness", "Target", "target_for"]


def target_for(recipe: Recipe) -> Target:
    """Raises RecipeError for headers that cannot be sent."""
    service = recipe.service
    if isinstance(service, SimulatorService):
        from loadgen.targets.simulator import SimulatorTarget

        return SimulatorTarget(recipe)
    if isinstance(service, HttpService):
        from loadgen.targets.http import HttpTarget

        return HttpTarget(recipe)
    if service.kind == "ollama":
        from loadgen.targets.ollama import OllamaTarget

        return OllamaTarget(recipe, service)
    from loadgen.targets.openai import OpenAiTarget
    from loadgen.targets.vllm import VllmTarget

    return VllmTarget(recipe, service) if service.kind == "vllm" else OpenAiTarget(recipe, service)
