"""pydantic's findings in the words of a person who writes recipes."""

import difflib
import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from loadgen.recipe.secrets import is_secret_name
from loadgen.recipe.source import Problem, Source
from loadgen.recipe.yaml_tree import Place

SHOWN_CHARS = 60

_COMPARISONS = {
    "greater_than": (">", "gt"),
    "greater_than_equal": (">=", "ge"),
    "less_than": ("<", "lt"),
    "less_than_equal": ("<=", "le"),
}
_KINDS = {
    "int_type": "a whole number",
    "int_from_float": "a whole number",
    "float_type": "a number",
    "finite_number": "a finite number",
    "bool_type": "true or false",
    "string_type": "text",
    "dict_type": "a mapping (name: value)",
    "model_type": "a mapping (name: value)",
    "model_attributes_type": "a mapping (name: value)",
    "list_type": "a list",
    "tuple_type": "a list",
}


Models = Sequence[type[BaseModel]]


def problems_of(
    error: ValidationError,
    model: type[BaseModel],
    above: Place,
    source: Source,
    sections: Mapping[str, Models] | None = None,
) -> Iterator[Problem]:
    """Each mistake of one section with its place, which begins with `above`. sections: see fields_at()."""
    for details in error.errors(include_url=False):
        place = (*above, *place_of(details))
        if details["type"] == "too_short" and details["input"]:
            continue  # not short: pydantic counts the items that are right, and says what is wrong with the others
        if details["type"] == "extra_forbidden":
            yield Problem(place, unknown_field(str(place[-1]), place[len(above) : -1], model, sections or {}))
        else:
            yield Problem(place, _text(details, place, source))


def place_of(details: ErrorDetails) -> Place:
    """pydantic's location without the tags of unions, and down to the field that a check between fields names."""
    place = tuple(
        part for part in details["loc"] if isinstance(part, int) or not (part.startswith("(") or part == "[key]")
    )
    if details["type"] == "between_fields":
        return (*place, details["ctx"]["field"])
    return (*place, "kind") if details["type"] == "union_tag_invalid" else place


def _text(details: ErrorDetails, place: Place, source: Source) -> str:
    kind = details["type"]
    context = details.get("ctx", {})
    got = got_text(details["input"], place, source)
    if kind == "missing":
        return "is missing"
    if kind == "between_fields":
        return str(context["text"])
    if kind in _COMPARISONS:
        sign, bound = _COMPARISONS[kind]
        return f"must be {sign} {context[bound]:g}, got {got}"
    if kind in _KINDS:
        return f"must be {_KINDS[kind]}, got {got}"
    if kind in ("literal_error", "union_tag_invalid"):
        return _one_of(context, details["input"], got)
    if kind in ("string_too_short", "too_short"):
        return "must not be empty"
    if kind == "value_error":
        return str(context["error"])
    message = details["msg"]
    return f"{message[0].lower()}{message[1:]}, got {got}"


def _one_of(context: dict[str, Any], given: Any, got: str) -> str:
    expected = str(context.get("expected", context.get("expected_tags", ""))).replace("'", "").replace(" or ", ", ")
    choices = [choice.strip(" ()") for choice in expected.split(",")]
    if "tag" in context:
        given = str(context["tag"]).strip("()")
        got = repr(given)
    if len(choices) == 1:
        return f"must be {choices[0]}, got {got}"
    return f"must be one of {', '.join(choices)}, got {got}{did_you_mean(str(given), choices)}"


def got_text(value: Any, place: Place, source: Source) -> str:
    """The value as a message may show it: nothing that is secret, nothing long."""
    if place in source.references:
        return f"what {source.references[place]} holds"
    if any(is_secret_name(str(part)) for part in place):
        return "another kind of value"
    if isinstance(value, (dict, list, tuple)):
        return "a mapping" if isinstance(value, dict) else "a list"
    text = repr(source.redacted(value)) if isinstance(value, str) else json.dumps(value, default=str)
    return text if len(text) <= SHOWN_CHARS else text[: SHOWN_CHARS - 1] + "…"


def did_you_mean(name: str, choices: list[str]) -> str:
    near = difflib.get_close_matches(name.lower(), choices, n=1, cutoff=0.6)
    return f", did you mean {near[0]}?" if near else ""


def unknown_field(name: str, above: Place, model: type[BaseModel], sections: Mapping[str, Models]) -> str:
    """The complaint, with the nearest of the fields that could stand there, or the place below where it belongs."""
    known = fields_at(model, above, sections)
    hint = did_you_mean(name, known)
    below = [section for section in known if name in fields_at(model, (*above, section), sections)]
    if below and not hint:
        hint = f", did you mean {below[0]}.{name}?"
    return f"unknown field{hint}" if hint else f"unknown field; known here: {', '.join(known)}"


def fields_at(model: type[BaseModel], place: Place, sections: Mapping[str, Models]) -> list[str]:
    """The names of the fields that may stand at a place below a model, in their order.

    sections: what stands in the model's own fields of these names, in the place of what their types say.
    """
    models: Models = [model]
    for depth, part in enumerate(place):
        if isinstance(part, int):
            continue
        if depth == 0 and part in sections:
            models = sections[part]
            continue
        fields = [one.model_fields[part] for one in models if part in one.model_fields]
        models = [inner for one in fields for inner in _models_in(one.annotation)]
    return list(dict.fromkeys(field.alias or name for one in models for name, field in one.model_fields.items()))


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for part in get_args(annotation) for model in _models_in(part)]
