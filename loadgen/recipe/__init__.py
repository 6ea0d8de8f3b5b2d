"""The recipe: what a person writes, as a typed model."""

from loadgen.recipe.loader import load_recipe, recipe_from_dict
from loadgen.recipe.model import Recipe
from loadgen.recipe.schema import recipe_schema
from loadgen.recipe.slo import Slo, parse_slo

__all__ = ["Recipe", "Slo", "load_recipe", "parse_slo", "recipe_from_dict", "recipe_schema"]
