"""Tables of a recipe's fields, in Markdown, out of its JSON Schema: for docs/ and `loadgen services KIND`."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from loadgen.recipe.schema import Schema, recipe_schema

HEAD = ("| field | type | default | meaning |", "|---|---|---|---|")

SHARED = {
    "Lengths": "a drawn number",
    "Delay": "a drawn time",
    "Tls": "mapping",
    "Load": "mapping",
    "Stage": "mapping",
    "Search": "mapping",
    "Monitor": "mapping",
    "Cost": "mapping",
}
"""Models that docs/recipes.md tells of once for all kinds, and what a field is called that has one."""

_TYPES = {
    "integer": "whole number",
    "number": "number",
    "boolean": "true or false",
    "string": "text",
    "object": "mapping",
    "array": "a list",
}
_BOUNDS = {"minimum": "≥", "exclusiveMinimum": ">", "maximum": "≤"}
_BEYOND_WORDS = 2**31 - 1
"""Bounds from here on are the program's own; nobody reaches them."""


class Table(NamedTuple):
    """model: its name in the schema. heading: what its fields are fields of."""

    model: str
    heading: str
    rows: list[str]

    @property
    def lines(self) -> list[str]:
        return [*HEAD, *self.rows]


def tables_of_kind(name: str) -> list[Table]:
    """Of a kind that can be used: its service, its workload, and what is below them; not what all kinds share."""
    schema = recipe_schema([name])
    chosen = schema["allOf"][0]["then"]["properties"]
    found: dict[str, Table] = {}
    for section in ("service", "workload"):
        _collect(_model_of(chosen[section]), f"`{section}` of {name}", section, schema["$defs"], found)
    return list(found.values())


def _collect(model: str, heading: str, place: str, defs: dict[str, Schema], found: dict[str, Table]) -> None:
    if model in found or model in SHARED:
        return
    found[model] = Table(model, heading, list(rows_of(defs[model])))
    for name, field in defs[model]["properties"].items():
        for inner, words in _below(field, f"{place}.{name}", defs):
            _collect(inner, words, f"{place}.{name}", defs, found)


def _below(field: Schema, place: str, defs: dict[str, Schema]) -> Iterator[tuple[str, str]]:
    """The models that a field may hold, and what each is called."""
    if "$ref" in field:
        model = _model_of(field)
        kind = defs[model].get("properties", {}).get("kind", {}).get("const")
        yield model, f"`{place}`" + (f" of kind {kind}" if kind else "")
    for part in _parts(field):
        yield from _below(part, place, defs)
    for each in (field.get("items"), field.get("additionalProperties")):
        if isinstance(each, dict):
            yield from ((model, f"{words}, each") for model, words in _below(each, place, defs))


def _parts(field: Schema) -> Sequence[Schema]:
    """Of a choice, what there is to choose from."""
    parts: Sequence[Schema] = field.get("anyOf") or field.get("oneOf") or ()
    return parts


def _model_of(ref: Schema) -> str:
    return str(ref["$ref"]).rpartition("/")[2]


def rows_of(model: Schema) -> Iterator[str]:
    """One table row for each field: name, type, default, meaning. A description may end with `Default: …`."""
    for name, field in model["properties"].items():
        meaning, _, said = f" {field.get('description', '')}".partition(" Default: ")
        default = said.rstrip(".") or _default(field, name in model.get("required", ()))
        yield f"| `{name}` | {_cell(type_of(field))} | {_cell(default)} | {_cell(meaning.strip())} |"


def _cell(text: str) -> str:
    return text.replace("|", "/")


def _default(field: Schema, is_required: bool) -> str:
    if is_required:
        return "must be given"
    value = field.get("default")
    if value in (None, "", [], {}):
        return "none"
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{value:g}"
    return "none" if isinstance(value, (dict, list)) else str(value)


def type_of(field: Schema) -> str:
    """In words: whole number ≥ 1 or a drawn number."""
    if "$ref" in field:
        return SHARED.get(_model_of(field), "mapping")
    if "const" in field:
        return _value(field["const"])
    if "enum" in field:
        return ", ".join(map(_value, field["enum"]))
    if _parts(field):
        return " or ".join(dict.fromkeys(type_of(part) for part in _parts(field) if part.get("type") != "null"))
    bounds = "".join(
        f" {sign} {field[key]:g}" for key, sign in _BOUNDS.items() if key in field and field[key] < _BEYOND_WORDS
    )
    return _TYPES.get(field.get("type", ""), "any") + bounds


def _value(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
