"""A recipe from text, and the lines of its mistakes."""

from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.errors import RecipeError
from loadgen.recipe import Recipe, load_recipe


@pytest.fixture
def recipe_of(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Recipe]:
    """recipe_of(text, **overrides) loads text as the file `chat.yaml` of the current folder; `__` is a dot."""
    monkeypatch.chdir(tmp_path)

    def load(text: str, **overrides: str) -> Recipe:
        Path("chat.yaml").write_text(text, encoding="utf-8")
        return load_recipe("chat.yaml", {name.replace("__", "."): value for name, value in overrides.items()})

    return load


@pytest.fixture
def mistakes_of(recipe_of: Callable[..., Recipe]) -> Callable[..., list[str]]:
    """mistakes_of(text, **overrides): the lines of the RecipeError."""

    def mistakes(text: str, **overrides: str) -> list[str]:
        with pytest.raises(RecipeError) as caught:
            recipe_of(text, **overrides)
        return str(caught.value).split("\n")

    return mistakes
