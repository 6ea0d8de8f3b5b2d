"""How much load, in which shape, and for how long."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from loadgen.recipe.base import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt, Section, problem_at

DEFAULT_DURATION_S = 10.0
DEFAULT_CONNECTIONS = 512
STAGED = ("ramp", "steps")


class Stage(Section):
    """A piece of a schedule."""

    rate_per_s: NonNegativeFloat = Field(
        description="Requests a second: throughout (steps), or at the stage's end (ramp)."
    )
    duration_s: PositiveFloat = Field(description="How long the stage lasts.")


class Load(Section):
    """The load. What applies to one mode only is None in the other."""

    mode: Literal["closed", "open"] = Field(
        default="closed",
        description="closed: each client sends when its last answer has come; open: requests leave on a schedule.",
    )
    concurrency: PositiveInt | None = Field(default=None, description="Closed: how many clients. Default: 1.")
    think_time_s: NonNegativeFloat | None = Field(
        default=None, description="Closed: each client's pause before its next request. Default: 0."
    )
    rate_per_s: PositiveFloat | None = Field(
        default=None, description="Open: requests a second; with stages they say it."
    )
    arrival: Literal["constant", "poisson", "gamma", "ramp", "steps"] | None = Field(
        default=None,
        description="Open: how arrivals are spread: constant, poisson, gamma (with burstiness), ramp or steps (with "
        "stages). Default: poisson.",
    )
    burstiness: PositiveFloat | None = Field(
        default=None,
        description="Gamma: the shape of the gaps: 1 is poisson, below 1 comes in bursts, above 1 is more even.",
    )
    stages: Annotated[tuple[Stage, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="Ramp and steps: the pieces of the schedule, one after the other."
    )
    duration_s: PositiveFloat | None = Field(
        default=None,
        description="Length of the measured window. Default: 10 where no count is given either; with stages, what "
        "they last after the warm-up.",
    )
    requests: PositiveInt | None = Field(
        default=None, description="Requests in the window; with duration_s too, whichever is reached first."
    )
    warmup_s: NonNegativeFloat = Field(default=0.0, description="Before the window: sent and recorded, not counted.")
    warmup_requests: NonNegativeInt | None = Field(
        default=None, description="The same by number of requests, in the place of warmup_s."
    )
    drain_s: NonNegativeFloat = Field(default=30.0, description="How long answers may still come after the window.")
    timeout_s: PositiveFloat = Field(default=60.0, description="How long one request may take.")
    connections: PositiveInt | None = Field(
        default=None, description="Open: the most connections at once. Default: 512."
    )
    threads: Annotated[int, Field(ge=1, le=256)] = Field(default=1, description="Threads of the native engine.")
    engine: Literal["auto", "native", "portable"] = Field(
        default="auto", description="auto takes the native one where it can."
    )
    give_up_s: PositiveFloat = Field(default=10.0, description="With no success for so long the run ends.")

    @model_validator(mode="before")
    @classmethod
    def _defaults_of_the_mode(cls, fields: Any) -> Any:
        if not isinstance(fields, dict):
            return fields
        defaults: dict[str, Any] = {"concurrency": 1, "think_time_s": 0.0}
        if fields.get("mode") == "open":
            defaults = {"arrival": "poisson", "connections": DEFAULT_CONNECTIONS}
        if not {"duration_s", "requests", "stages"} & fields.keys():
            defaults["duration_s"] = DEFAULT_DURATION_S
        return defaults | fields

    @model_validator(mode="after")
    def _duration_of_the_stages(self) -> "Load":
        if self.stages is None or self.duration_s is not None:
            return self
        window_s = sum(stage.duration_s for stage in self.stages) - self.warmup_s
        if window_s <= 0:
            raise problem_at("warmup_s", f"must be shorter than the stages together, got {self.warmup_s:g}")
        object.__setattr__(self, "duration_s", window_s)
        return self

    @property
    def n_connections(self) -> int:
        """The most requests in flight at once."""
        return (self.concurrency if self.mode == "closed" else self.connections) or 1
