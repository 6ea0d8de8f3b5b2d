"""What every section of a recipe is made of."""

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator
from pydantic_core import PydanticCustomError

PositiveFloat = Annotated[float, Field(gt=0)]
NonNegativeFloat = Annotated[float, Field(ge=0)]
PositiveInt = Annotated[int, Field(ge=1)]
NonNegativeInt = Annotated[int, Field(ge=0)]
Text = Annotated[str, Field(min_length=1)]


class Section(BaseModel):
    """Strict (no text for a number), frozen, and closed to unknown fields."""

    model_config = ConfigDict(strict=True, frozen=True, extra="forbid", allow_inf_nan=False, protected_namespaces=())


def problem_at(field: str, text: str) -> PydanticCustomError:
    """A mistake that only shows between fields, reported at the one that a person would change."""
    return PydanticCustomError("between_fields", "{text}", {"field": field, "text": text})


def number_or_mapping(value: Any) -> str:
    """Which branch of `a number or {…}` a value is meant to be; the tag's brackets keep it out of field names."""
    return "(mapping)" if isinstance(value, (dict, Section)) else "(number)"


class Lengths(Section):
    """A number of tokens drawn for each request: normal, rounded, and held within min and max."""

    mean: PositiveFloat = Field(description="Mean number of tokens.")
    std: NonNegativeFloat = Field(default=0.0, description="Standard deviation.")
    min: PositiveInt = Field(default=1, description="No fewer than this.")
    max: PositiveInt | None = Field(default=None, description="No more than this. Default: no limit.")

    @model_validator(mode="after")
    def _ordered(self) -> "Lengths":
        if self.max is not None and self.max < self.min:
            raise problem_at("max", f"must be >= min ({self.min}), got {self.max}")
        return self


class Delay(Section):
    """A time drawn for each request or token, in milliseconds."""

    dist: Literal["lognormal"] = Field(default="lognormal", description="The distribution.")
    mean: PositiveFloat = Field(description="Mean, in ms.")
    std: NonNegativeFloat = Field(default=0.0, description="Standard deviation, in ms.")


TokenCount = Annotated[
    Annotated[PositiveInt, Tag("(number)")] | Annotated[Lengths, Tag("(mapping)")], Discriminator(number_or_mapping)
]
DelayMs = Annotated[
    Annotated[NonNegativeFloat, Tag("(number)")] | Annotated[Delay, Tag("(mapping)")], Discriminator(number_or_mapping)
]
