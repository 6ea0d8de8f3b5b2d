"""A picture as numbers, without a pixel: what the still pictures and the page's own script are both drawn from.

Colours are places in the page's palette, 0 to 6; style.css says what they are in the light and in the dark.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import ArrayLike

from loadgen.report.canvas import log_ticks
from loadgen.report.numbers import is_known, plain

Dash = Literal["", "dash", "dot"]
Values = Sequence[float | None]

MOST_TICKS = 6
LOG_FROM = 8
"""How many times the lowest value the highest must be for an axis to be logarithmic, where that is left open."""

N_COLOURS = 7


@dataclass(frozen=True)
class Axis:
    """ticks: (value, words); none: round figures. unit: behind a figure that is read off."""

    label: str
    low: float
    high: float
    is_log: bool = False
    ticks: tuple[tuple[float, str], ...] = ()
    unit: str = ""


@dataclass(frozen=True)
class Line:
    """is_step: each value holds until the next x. is_filled: down to the axis."""

    x: Values
    y: Values
    name: str = ""
    colour: int = 0
    dash: Dash = ""
    is_step: bool = False
    is_filled: bool = False
    kind: ClassVar[str] = "line"


@dataclass(frozen=True)
class Band:
    """Between low and high; belongs to the line of its colour."""

    x: Values
    low: Values
    high: Values
    name: str = ""
    colour: int = 0
    kind: ClassVar[str] = "band"


@dataclass(frozen=True)
class Points:
    """low, high: an interval around each. hollow: which must not be relied on. tips: what is said of each."""

    x: Values
    y: Values
    name: str = ""
    colour: int = 0
    low: Values = ()
    high: Values = ()
    hollow: Sequence[bool] = ()
    labels: Sequence[str] = ()
    tips: Sequence[str] = ()
    is_joined: bool = False
    kind: ClassVar[str] = "points"


@dataclass(frozen=True)
class Bars:
    """Upright: y from 0 over low to high of x. Lying: x from `base` to `base + y`, at a place of the vertical axis."""

    low: Values
    high: Values
    y: Values
    name: str = ""
    colour: int = 0
    kind: ClassVar[str] = "bars"


@dataclass(frozen=True)
class Heat:
    """share: shape (len(y_edges) - 1, len(x_edges) - 1), 0 to 1, None where there is nothing to tell."""

    x_edges: Values
    y_edges: Values
    share: Sequence[Values]
    name: str = ""
    kind: ClassVar[str] = "heat"


@dataclass(frozen=True)
class Rule:
    """A bound: across the panel at a value of y, or upright at a value of x; low, high: only so far.

    is_low: the name of an upright one stands at its foot, out of the way of what is drawn further up; side: on which
    side of it, "" where that is left open.
    """

    at: float
    name: str = ""
    is_upright: bool = False
    low: float | None = None
    high: float | None = None
    is_limit: bool = True
    is_low: bool = False
    side: Literal["", "left", "right"] = ""
    kind: ClassVar[str] = "rule"


@dataclass(frozen=True)
class Zone:
    """A part of the horizontal axis. is_bad: where limits are broken; else what does not count."""

    low: float
    high: float
    name: str = ""
    is_bad: bool = False
    kind: ClassVar[str] = "zone"


Mark = Line | Band | Points | Bars | Heat | Rule | Zone


@dataclass(frozen=True)
class Panel:
    """height_px: of the panel itself, without what is written under it."""

    y: Axis
    marks: Sequence[Mark]
    height_px: int = 260


@dataclass(frozen=True)
class Figure:
    """Panels above each other that share the horizontal axis.

    key: of this picture in the page. title: the finding. says: what is drawn. in_time: the axis is the run's time, and
    zooming into one such picture zooms into all. is_wide: it takes the page's whole width.
    """

    key: str
    title: str
    says: str
    x: Axis
    panels: Sequence[Panel]
    in_time: bool = False
    is_wide: bool = False

    @property
    def marks(self) -> list[Mark]:
        return [mark for panel in self.panels for mark in panel.marks]


def listed(values: ArrayLike, digits: int = 5) -> list[float | None]:
    """Plain numbers of `digits` significant digits; None for what is not finite."""
    return [short(value, digits) for value in np.asarray(values, np.float64).tolist()]


def short(value: float | None, digits: int = 5) -> float | None:
    return float(f"{value:.{digits}g}") if is_known(value) else None


def known(values: Iterable[float | None]) -> list[float]:
    return [value for value in values if is_known(value)]


def from_zero(label: str, values: Iterable[float | None], unit: str = "", room: float = 1.12) -> Axis:
    """A linear axis from 0 to a little past the highest value."""
    top = max(known(values), default=0.0)
    return Axis(label, 0.0, top * room if top > 0 else 1.0, unit=unit)


def log_or_zero(label: str, values: Iterable[float | None], unit: str = "ms", room: float = 1.3) -> Axis:
    """Logarithmic where the values are far apart and positive, else from 0."""
    drawn = known(values)
    positive = [value for value in drawn if value > 0]
    if positive and len(positive) == len(drawn) and max(positive) / min(positive) >= LOG_FROM:
        return log_axis(f"{label} (log scale)", min(positive), max(positive), unit, room)
    return from_zero(label, drawn, unit)


def log_axis(label: str, low: float, high: float, unit: str = "", room: float = 1.3) -> Axis:
    """0 < low <= high."""
    low, high = low / room, high * room
    return Axis(label, low, high, True, tuple((tick, plain(tick)) for tick in log_ticks(low, high)), unit)


def ticks_of(axis: Axis, most: int = MOST_TICKS) -> list[tuple[float, str]]:
    """The axis' own, or round figures from its low to its high end."""
    if axis.ticks:
        return [tick for tick in axis.ticks if axis.low <= tick[0] * (1 + 1e-9) and tick[0] <= axis.high * (1 + 1e-9)]
    step = round_step((axis.high - axis.low) / most)
    first = math.ceil(axis.low / step - 1e-9)
    last = math.floor(axis.high / step + 1e-9)
    return [(place * step, plain(place * step)) for place in range(first, last + 1)]


def round_step(least: float) -> float:
    """1, 2 or 5 times a power of ten, at least so much."""
    if least <= 0:
        return 1.0
    power = 10.0 ** math.floor(math.log10(least))
    return next(times * power for times in (1, 2, 5, 10) if times * power >= least * (1 - 1e-9))


def as_json(figure: Figure) -> dict[str, Any]:
    """For draw.js."""
    return {
        "key": figure.key,
        "title": figure.title,
        "x": _axis_json(figure.x),
        "inTime": figure.in_time,
        "panels": [
            {"y": _axis_json(panel.y), "height": panel.height_px, "marks": [_mark_json(mark) for mark in panel.marks]}
            for panel in figure.panels
        ],
    }


def _mark_json(mark: Mark) -> dict[str, Any]:
    return {"kind": mark.kind, **vars(mark)}


def _axis_json(axis: Axis) -> dict[str, Any]:
    return {
        "label": axis.label,
        "range": [axis.low, axis.high],
        "log": axis.is_log,
        "ticks": [list(tick) for tick in ticks_of(axis)] if axis.ticks else None,
        "unit": axis.unit,
    }
