"""The JSON Schema, and docs/recipes.md against it."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from loadgen.recipe import load_recipe, recipe_schema

ROOT = Path(__file__).resolve().parents[3]
DOCS = ROOT / "docs" / "recipes.md"

SCHEMA = recipe_schema()
MODELS: dict[str, dict[str, Any]] = {"Recipe": SCHEMA, **SCHEMA["$defs"]}

HEADINGS = {
    "Recipe": "The top level",
    "SimulatorService": "`service` of kind simulator",
    "LlmService": "`service` of kind ollama, vllm and openai",
    "HttpService": "`service` of kind http",
    "Tls": "`service.tls`",
    "LlmWorkload": "`workload` of simulator, ollama, vllm and openai",
    "SyntheticPrompts": "`workload.prompts` of kind synthetic",
    "FilePrompts": "`workload.prompts` of kind file",
    "InlinePrompts": "`workload.prompts` of kind inline",
    "HttpWorkload": "`workload` of http",
    "HttpRequest": "`workload.requests`, each",
    "Load": "`load`",
    "Stage": "`load.stages`, each",
    "Lengths": "A drawn number of tokens",
    "Delay": "A drawn time",
}
"""Where docs/recipes.md tells of each part of the schema."""

_KINDS = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "object": "mapping",
}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}


def rows_of(model: dict[str, Any]) -> Iterator[str]:
    """One table row for each field: name, type, default, meaning."""
    for name, field in model["properties"].items():
        meaning, _, said = field["description"].partition(" Default: ")
        if meaning.startswith("Default: "):
            meaning, said = "", meaning.removeprefix("Default: ")
        default = said.rstrip(".") or _default(field, name in model.get("required", []))
        yield f"| `{name}` | {type_of(field)} | {default} | {meaning.replace('|', '/')} |"


def _default(field: dict[str, Any], required: bool) -> str:
    if required:
        return "must be given"
    value = field.get("default")
    if value in (None, "", [], {}):
        return "none"
    text = {True: "true", False: "false"}.get(value) if isinstance(value, bool) else None
    return text or (f"{value:g}" if isinstance(value, float) else str(value))


def type_of(field: dict[str, Any]) -> str:
    if "$ref" in field:
        model = field["$ref"].rpartition("/")[2]
        return {"Lengths": "a drawn number", "Delay": "a drawn time"}.get(model, "mapping")
    if "const" in field:
        return str(field["const"])
    if "enum" in field:
        return ", ".join(field["enum"])
    for union in ("anyOf", "oneOf"):
        if union in field:
            return " or ".join(dict.fromkeys(type_of(part) for part in field[union] if part.get("type") != "null"))
    if field.get("type") == "array":
        return "a list"
    bounds = "".join(f" {sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field and field[key] < 2**50)
    return _KINDS.get(field.get("type", ""), "any") + bounds


def section_of(text: str, heading: str) -> str:
    """From a heading to the next one."""
    _, found, rest = text.partition(f"## {heading}\n")
    assert found, f"docs/recipes.md has no heading: {heading}"
    return re.split(r"^#+ ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def test_every_part_of_the_schema_has_its_heading() -> None:
    assert set(HEADINGS) == set(MODELS)


@pytest.mark.parametrize("name", HEADINGS)
def test_docs_have_every_field_with_type_default_and_meaning(name: str) -> None:
    section = section_of(DOCS.read_text(encoding="utf-8"), HEADINGS[name])
    documented = [line for line in section.splitlines() if line.startswith("| `")]
    assert documented == list(rows_of(MODELS[name]))


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


def test_examples_in_the_docs_are_right(tmp_path: Path) -> None:
    examples = re.findall(r"```yaml\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)
    assert examples
    for i, example in enumerate(examples):
        path = tmp_path / f"example_{i}.yaml"
        path.write_text(example)
        load_recipe(path)
