"""Values against the model of their section: the section, or its mistakes in a person's words."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from loadgen.recipe.base import Section
from loadgen.recipe.explain import place_of, problems_of
from loadgen.recipe.source import Problem, Source, with_value
from loadgen.recipe.yaml_tree import NotYaml, Place, read_scalar

_NUMBER_ERRORS = ("int_type", "float_type", "bool_type")

Model = TypeVar("Model", bound=Section)


def validated(
    model: type[Model],
    values: Any,
    above: Place,
    source: Source,
    sections: Mapping[str, Sequence[type[Section]]] | None = None,
) -> tuple[Model | None, list[Problem]]:
    """above: where the values stand. sections: what service and workload are made of, for hints."""
    try:
        return model.model_validate(values), []
    except ValidationError as error:
        converted = _read_as_wanted(error.errors(include_url=False), values, above, source)
        if converted is None:
            return None, list(problems_of(error, model, above, source, sections))
    return validated(model, converted, above, source, sections)


def _read_as_wanted(errors: list[ErrorDetails], values: Any, above: Place, source: Source) -> Any | None:
    """What a variable holds is text, and what is typed after --set is read as YAML, whatever the field wants.

    Returns the values with a number in the one's place and text in the other's; None where that is no help.
    """
    converted = None
    for details in errors:
        place = place_of(details)
        value = _wanted(details, (*above, *place), source)
        if value is not None:
            converted = with_value(values if converted is None else converted, place, value)
    return converted


def _wanted(details: ErrorDetails, place: Place, source: Source) -> Any | None:
    if details["type"] == "string_type" and not isinstance(details["input"], (dict, list)):
        return source.typed.get(place)
    if details["type"] in _NUMBER_ERRORS and place in source.references and isinstance(details["input"], str):
        with suppress(NotYaml):
            value = read_scalar(details["input"])
            return value if isinstance(value, (int, float)) else None
    return None
