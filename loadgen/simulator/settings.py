"""What a simulated server is like."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

FAULTS = (
    "400", "401", "404", "429", "500", "503", "context_length", "html", "stall", "reset", "truncated",
    "error_event", "not_json", "no_done", "role_only", "slow_head", "close",
)  # fmt: skip

# (kind, mean, std, low, high): the kinds are ext/sim/draw.pxd's DrawKind.
Shape = tuple[int, float, float, float, float]
FIXED, LOGNORMAL, NORMAL = 0, 1, 2
NS_PER_MS = 1e6
LONGEST_NS = 1e15
MOST_TOKENS = 1_000_000


@dataclass(frozen=True)
class SimulatorSettings:
    """Times, lengths and faults of a simulated server. ValueError says which field is wrong and why.

    ttft_ms, itl_ms: a number, or {dist: lognormal, mean, std}.
    output_tokens: a number, {mean, std, min, max}, or None for what each request asks (64 where it does not say).
    What the request asks is always the most it gets, and a million the most of all.
    slots: how many requests are served at once, the rest queue in the order they came; None or 0: all.
    error_ratio: the share that is answered with a fault, drawn from `faults`, weights by name (500 alone by default).
    seed: of every draw; request number n of two servers with one seed gets the same answer at the same pace.
    models: the names that are known, others get 404; None: any name will do.
    """

    ttft_ms: float | Mapping[str, Any] = 50.0
    itl_ms: float | Mapping[str, Any] = 10.0
    output_tokens: int | Mapping[str, Any] | None = None
    slots: int | None = None
    error_ratio: float = 0.0
    faults: Mapping[str, float] | None = None
    seed: int = 0
    models: tuple[str, ...] | None = None

    def __post_init__(self) -> None:
        self.ttft_ns_shape()
        self.itl_ns_shape()
        self.output_tokens_shape()
        if self.slots is not None and self.slots < 0:
            raise ValueError(f"slots: must be >= 0, got {self.slots}")
        if not 0 <= self.error_ratio <= 1:
            raise ValueError(f"error_ratio: must lie between 0 and 1, got {self.error_ratio}")
        if self.seed < 0:
            raise ValueError(f"seed: must be >= 0, got {self.seed}")
        for name, weight in (self.faults or {}).items():
            if name not in FAULTS:
                raise ValueError(f"faults: no such fault: {name} (there are {', '.join(FAULTS)})")
            if weight <= 0:
                raise ValueError(f"faults: {name}: must be > 0, got {weight}")

    def ttft_ns_shape(self) -> Shape:
        return _time_shape("ttft_ms", self.ttft_ms)

    def itl_ns_shape(self) -> Shape:
        return _time_shape("itl_ms", self.itl_ms)

    def output_tokens_shape(self) -> Shape | None:
        if self.output_tokens is None:
            return None
        if not isinstance(self.output_tokens, Mapping):
            if self.output_tokens < 1:
                raise ValueError(f"output_tokens: must be >= 1, got {self.output_tokens}")
            return (FIXED, float(self.output_tokens), 0.0, 1.0, MOST_TOKENS)
        return _length_shape(self.output_tokens)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able; from_dict makes it again."""
        return asdict(self)

    @classmethod
    def from_dict(cls, fields: Mapping[str, Any]) -> "SimulatorSettings":
        """Raises ValueError for a field that is none."""
        unknown = set(fields) - set(cls.__dataclass_fields__)
        if unknown:
            raise ValueError(f"{min(unknown)}: unknown field of a simulator")
        models = fields.get("models")
        return cls(**{**fields, "models": None if models is None else tuple(models)})


def _time_shape(field: str, value: float | Mapping[str, Any]) -> Shape:
    if not isinstance(value, Mapping):
        if not 0 <= value * NS_PER_MS <= LONGEST_NS:
            raise ValueError(f"{field}: must be >= 0, got {value}")
        return (FIXED, value * NS_PER_MS, 0.0, 0.0, LONGEST_NS)
    _expect_keys(field, value, {"mean", "std"}, {"dist"})
    mean, std = float(value["mean"]), float(value["std"])
    if value.get("dist", "lognormal") != "lognormal":
        raise ValueError(f"{field}.dist: must be lognormal, got {value['dist']}")
    if mean <= 0 or std < 0:
        raise ValueError(f"{field}: mean must be > 0 and std >= 0, got {mean:g} and {std:g}")
    return _lognormal(mean * NS_PER_MS, std * NS_PER_MS)


def _lognormal(mean_ns: float, std_ns: float) -> Shape:
    """The distribution whose own mean and standard deviation these are; the logarithm's are others."""
    log_variance = math.log1p((std_ns / mean_ns) ** 2)
    return (LOGNORMAL, math.log(mean_ns) - log_variance / 2, math.sqrt(log_variance), 0.0, LONGEST_NS)


def _length_shape(value: Mapping[str, Any]) -> Shape:
    """A normal, rounded, and held between min and max."""
    _expect_keys("output_tokens", value, {"mean"}, {"std", "min", "max"})
    mean, std = float(value["mean"]), float(value.get("std") or 0)
    low, high = float(value.get("min") or 1), float(value.get("max") or MOST_TOKENS)
    if std < 0 or not 1 <= low <= high:
        raise ValueError("output_tokens: std must be >= 0 and 1 <= min <= max")
    return (NORMAL, mean, std, low, high)


def _expect_keys(field: str, value: Mapping[str, Any], needed: set[str], optional: set[str]) -> None:
    missing = needed - set(value)
    unknown = set(value) - needed - optional
    if missing:
        raise ValueError(f"{field}.{min(missing)}: is missing")
    if unknown:
        raise ValueError(f"{field}.{min(unknown)}: unknown field")
