"""The JSON Schema, and the documentation against it."""

import re
from pathlib import Path
from typing import Any

import pytest

from loadgen.recipe import load_recipe, recipe_schema
from loadgen.recipe.kinds import BUILT_IN
from loadgen.recipe.schema import usable_kinds
from loadgen.recipe.tables import HEAD, SHARED, rows_of, tables_of_kind, type_of

ROOT = Path(__file__).resolve().parents[3]
RECIPES = ROOT / "docs" / "recipes.md"
PAGES = [RECIPES, *sorted((ROOT / "docs" / "services").glob("*.md"))]

KINDS = list(usable_kinds(BUILT_IN))
SCHEMA = recipe_schema(BUILT_IN)
MODELS: dict[str, dict[str, Any]] = {"Recipe": SCHEMA, **SCHEMA["$defs"]}

HEADINGS = {
    "Recipe": "The top level",
    "Tls": "`service.tls`",
    "Load": "`load`",
    "Stage": "`load.stages`, each",
    "Lengths": "A drawn number of tokens",
    "Delay": "A drawn time",
    "Search": "`search`",
    "Monitor": "`monitor`",
    "Cost": "`cost`",
}
"""Where docs/recipes.md tells of what all kinds share; the rest has its table on one of the pages of docs/services."""


def section_of(text: str, heading: str) -> str:
    """From a heading to the next one."""
    _, found, rest = text.partition(f"## {heading}\n")
    assert found, f"docs/recipes.md has no heading: {heading}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("name", HEADINGS)
def test_docs_have_every_shared_field_with_type_default_and_meaning(name: str) -> None:
    section = section_of(RECIPES.read_text(encoding="utf-8"), HEADINGS[name])
    documented = [line for line in section.splitlines() if line.startswith("| `")]
    assert documented == list(rows_of(MODELS[name]))


@pytest.mark.parametrize("kind", KINDS)
def test_a_page_has_every_field_of_a_kind(kind: str) -> None:
    pages = "\n".join(page.read_text(encoding="utf-8") for page in PAGES)
    for table in tables_of_kind(kind):
        text = "\n".join(table.lines) + "\n"
        assert f"\n{text}\n" in f"{pages}\n", f"docs/services/ lacks this table of {table.model}:\n{text}"


def test_no_page_tells_of_a_field_that_there_is_not() -> None:
    known = {row for model in MODELS.values() for row in rows_of(model)}
    for page in PAGES:
        for table in page.read_text(encoding="utf-8").split("\n\n"):
            lines = table.splitlines()
            if tuple(lines[:2]) == HEAD:
                assert set(lines[2:]) <= known, page


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_has_its_page(kind: str) -> None:
    found = re.search(rf"^\| [^|]*`{kind}`[^|]* \| \[.*\]\((services/.*\.md)\) \|$", RECIPES.read_text(), re.MULTILINE)
    assert found
    assert (ROOT / "docs" / found[1]).is_file()


def test_tables_call_types_and_defaults_by_plain_words() -> None:
    fields = {
        "n": {"type": "integer", "minimum": 1, "maximum": 9, "default": 5, "description": "How many."},
        "ratio": {"type": "number", "exclusiveMinimum": 0, "description": "A share. Default: half."},
        "which": {"enum": ["a", 2], "default": "a", "description": "a | 2."},
        "how": {"anyOf": [{"type": "integer", "minimum": 1}, {"$ref": "#/$defs/Lengths"}, {"type": "null"}]},
        "on": {"type": "boolean", "default": False, "description": "Whether."},
    }
    assert list(rows_of({"properties": fields, "required": ["how"]})) == [
        "| `n` | whole number ≥ 1 ≤ 9 | 5 | How many. |",
        "| `ratio` | number > 0 | half | A share. |",
        "| `which` | a, 2 | a | a / 2. |",
        "| `how` | whole number ≥ 1 or a drawn number | must be given |  |",
        "| `on` | true or false | false | Whether. |",
    ]
    assert set(SHARED) == set(HEADINGS) - {"Recipe"}
    assert type_of({"items": {"type": "string"}, "type": "array"}) == "a list"


def test_editors_are_told_what_belongs_to_a_kind() -> None:
    assert SCHEMA["properties"]["service"]["properties"]["kind"]["enum"] == KINDS
    chosen = {one["if"]["properties"]["service"]["properties"]["kind"]["const"]: one["then"] for one in SCHEMA["allOf"]}
    assert chosen["http"]["properties"]["workload"]["$ref"] == "#/$defs/HttpWorkload"
    assert chosen["ollama"]["properties"]["service"]["$ref"] == "#/$defs/LlmService"


def test_every_field_of_the_schema_is_explained_and_no_other_is_allowed() -> None:
    for name, model in MODELS.items():
        assert model["additionalProperties"] is False, name
        assert all(field.get("description") for field in model["properties"].values()), name


@pytest.mark.parametrize("path", sorted((ROOT / "recipes").glob("*.yaml")), ids=lambda path: path.stem)
def test_recipe_that_comes_with_the_program_is_right(path: Path) -> None:
    recipe = load_recipe(path)
    assert recipe.description
    assert recipe.name == path.stem
    assert all(point.load.duration_s or point.load.requests for _, point in recipe.points())


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_examples_in_the_docs_are_right(page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for i, example in enumerate(examples):
        for name in re.findall(r"\$\{(\w+)\}", example):
            monkeypatch.setenv(name, "from-the-environment")
        path = tmp_path / f"example_{i}.yaml"
        path.write_text(example)
        load_recipe(path)
