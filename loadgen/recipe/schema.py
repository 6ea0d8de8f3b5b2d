"""The recipe's JSON Schema: with the sections of every kind of service that there is."""

from collections.abc import Iterable
from contextlib import suppress
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import JsonSchemaMode, models_json_schema

from loadgen.recipe.kinds import Kind, KindError, find_kind, kind_names
from loadgen.recipe.model import Recipe

_REF = "#/$defs/{model}"

Schema = dict[str, Any]


def recipe_schema(names: Iterable[str] | None = None) -> Schema:
    """For editors. names: the kinds of service; None: all that can be used here."""
    kinds = usable_kinds(kind_names() if names is None else names)
    refs, defs = _defined([Recipe, *_models_of(kinds.values())])
    recipe = defs.pop("Recipe")
    recipe["properties"] |= _properties(kinds, refs)
    recipe["required"] = []
    recipe |= {
        "title": "loadgen recipe",
        "oneOf": [{"required": ["service"]}, {"required": ["services"]}],
        "allOf": [_by_kind(name, kind, refs) for name, kind in kinds.items()],
    }
    used = _used(recipe, defs)
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **recipe,
        "$defs": {name: model for name, model in defs.items() if name in used},
    }


def usable_kinds(names: Iterable[str]) -> dict[str, Kind]:
    """Without those that are not whole here."""
    kinds = {}
    for name in names:
        with suppress(KindError):
            kind = find_kind(name)
            if kind is not None:
                kinds[name] = kind
    return kinds


def _models_of(kinds: Iterable[Kind]) -> list[type[BaseModel]]:
    return list(dict.fromkeys(model for kind in kinds for model in (kind.service, kind.workload)))


def _defined(models: list[type[BaseModel]]) -> tuple[dict[type[BaseModel], Schema], dict[str, Schema]]:
    """Where each model is referred to, and all definitions by their names."""
    mode: JsonSchemaMode = "validation"
    refs, schema = models_json_schema([(model, mode) for model in models], ref_template=_REF)
    return {model: refs[model, mode] for model in models}, schema["$defs"]


def _used(schema: Any, defs: dict[str, Schema]) -> set[str]:
    """The definitions that a schema refers to, and those that these refer to."""
    used: set[str] = set()
    left = [schema]
    while left:
        one = left.pop()
        left += one.values() if isinstance(one, dict) else one if isinstance(one, list) else []
        name = str(one["$ref"]).rpartition("/")[2] if isinstance(one, dict) and isinstance(one.get("$ref"), str) else ""
        if name and name not in used:
            used.add(name)
            left.append(defs[name])
    return used


def _properties(kinds: dict[str, Kind], refs: dict[type[BaseModel], Schema]) -> Schema:
    """What service and workload may be; which of them it is, _by_kind() says."""
    kind = {"enum": list(kinds), "description": "Which service this is."}
    service = {"type": "object", "properties": {"kind": kind}, "required": ["kind"]}
    any_service = {"anyOf": [refs[model] for model in dict.fromkeys(one.service for one in kinds.values())]}
    any_workload = {"anyOf": [refs[model] for model in dict.fromkeys(one.workload for one in kinds.values())]}
    described = {name: {"description": Recipe.model_fields[name].description} for name in Recipe.model_fields}
    return {
        "service": service | described["service"],
        "workload": {"type": "object"} | described["workload"],
        "services": {"type": "object", "additionalProperties": any_service} | described["services"],
        "workloads": {"type": "object", "additionalProperties": any_workload} | described["workloads"],
    }


def _by_kind(name: str, kind: Kind, refs: dict[type[BaseModel], Schema]) -> Schema:
    chosen = {"properties": {"service": {"properties": {"kind": {"const": name}}, "required": ["kind"]}}}
    return {
        "if": chosen | {"required": ["service"]},
        "then": {"properties": {"service": refs[kind.service], "workload": refs[kind.workload]}},
    }
