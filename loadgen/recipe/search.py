"""The highest load that holds the promises: which field is searched, where, and how closely."""

import re
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, WithJsonSchema, model_validator

from loadgen.recipe.base import PositiveFloat, Section, Text, problem_at

DEFAULT_PRECISION = 0.05

_PERCENT = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


def _read_share(value: Any) -> Any:
    """`5 %` as 0.05; anything else as it is, for the model to judge."""
    match = _PERCENT.fullmatch(value) if isinstance(value, str) else None
    return value if match is None else float(match[1]) / 100.0


Share = Annotated[
    float,
    BeforeValidator(_read_share),
    Field(gt=0, lt=1),
    WithJsonSchema({"anyOf": [{"type": "number", "exclusiveMinimum": 0}, {"type": "string"}]}),
]


class Search(Section):
    """In the place of a sweep."""

    field: Text = Field(
        description="The load that is searched: `load.concurrency` or `load.rate_per_s`; of several services "
        "`loads.NAME.concurrency` and the like."
    )
    from_: PositiveFloat = Field(alias="from", description="The lowest load: it is tried first.")
    to: PositiveFloat = Field(description="The highest load that may be tried.")
    precision: Share = Field(
        default=DEFAULT_PRECISION,
        description="How near the load that holds and the one that does not must come, as a share: 0.05 or 5 %. "
        "Default: 5 %.",
    )

    @property
    def is_whole(self) -> bool:
        """Whether loads are whole numbers."""
        return self.field.endswith(".concurrency")

    @model_validator(mode="after")
    def _rising(self) -> "Search":
        if self.to <= self.from_:
            raise problem_at("to", f"must be > from ({self.from_:g}), got {self.to:g}")
        return self
