"""How each kind of mark becomes SVG: paths, with classes for their colours."""

import math
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import NamedTuple

from loadgen.report.html.figures import Axis, Band, Bars, Heat, Line, Mark, Points, Rule, Values, Zone
from loadgen.report.html.markup import Html, tag

N_LEVELS = 8
"""Of a heat map's shades."""


class Place(NamedTuple):
    """Where a panel lies, px, and what its axes are."""

    x: Axis
    y: Axis
    left: float
    right: float
    top: float
    bottom: float

    def at_x(self, value: float) -> float:
        return self.left + _share(self.x, value) * (self.right - self.left)

    def at_y(self, value: float) -> float:
        return self.bottom - _share(self.y, value) * (self.bottom - self.top)


def _share(axis: Axis, value: float) -> float:
    """Where on the axis, 0 to 1; what lies beyond its ends is on them."""
    if axis.is_log:
        if value <= 0:
            return 0.0
        share = math.log(value / axis.low) / math.log(axis.high / axis.low)
    else:
        share = (value - axis.low) / ((axis.high - axis.low) or 1.0)
    return min(max(share, 0.0), 1.0)


def number(value: float) -> str:
    """Of px: a tenth is fine enough."""
    return f"{value:.1f}".removesuffix(".0")


def draw_mark(mark: Mark, place: Place) -> Iterator[Html]:
    match mark:
        case Line():
            yield from _line(mark, place)
        case Band():
            yield _band(mark, place)
        case Points():
            yield from _points(mark, place)
        case Bars():
            yield _bars(mark, place)
        case Heat():
            yield from _heat(mark, place)
        case Rule():
            yield from _rule(mark, place)
        case Zone():
            yield from _zone(mark, place)


def _line(mark: Line, place: Place) -> Iterator[Html]:
    for run in _unbroken(mark.x, mark.y):
        path = _path(run, place, mark.is_step)
        if mark.is_filled:
            closed = f"{path}V{number(place.bottom)}H{number(place.at_x(run[0][0]))}Z"
            yield tag("path", d=closed, class_=f"fill c{mark.colour}")
        yield tag("path", d=path, class_=f"line {mark.dash} c{mark.colour}")


def _unbroken(x: Values, y: Values) -> list[list[tuple[float, float]]]:
    """The runs of neighbours that are both known: where nothing was measured there is no line."""
    pairs = list(zip(x, y, strict=True))
    runs = [list(group) for is_known, group in groupby(pairs, lambda pair: None not in pair) if is_known]
    return [[(at, value) for at, value in run if at is not None and value is not None] for run in runs]


def _path(run: Sequence[tuple[float, float]], place: Place, is_step: bool) -> str:
    points = [(number(place.at_x(at)), number(place.at_y(value))) for at, value in run]
    if is_step:
        return f"M{points[0][0]} {points[0][1]}" + "".join(f"H{at}V{value}" for at, value in points[1:])
    return "M" + "L".join(f"{at} {value}" for at, value in points)


def _band(mark: Band, place: Place) -> Html:
    path = ""
    upper, lower = _unbroken(mark.x, mark.high), _unbroken(mark.x, mark.low)
    for high, low in zip(upper, lower, strict=False):
        path += _path(high, place, False) + "L" + _path(low[::-1], place, False)[1:] + "Z"
    return tag("path", d=path, class_=f"band c{mark.colour}")


def _points(mark: Points, place: Place) -> Iterator[Html]:
    if mark.is_joined:
        for run in _unbroken(mark.x, mark.y):
            yield tag("path", d=_path(run, place, False), class_=f"line c{mark.colour}")
    for number_of, (at, value) in enumerate(zip(mark.x, mark.y, strict=True)):
        if at is None or value is None:
            continue
        x, y = number(place.at_x(at)), place.at_y(value)
        low, high = (values[number_of] if number_of < len(values) else None for values in (mark.low, mark.high))
        if low is not None and high is not None:
            ends = f"M{x} {number(place.at_y(low))}V{number(place.at_y(high))}"
            yield tag("path", d=ends, class_=f"whisker c{mark.colour}")
        is_hollow = number_of < len(mark.hollow) and mark.hollow[number_of]
        yield tag("circle", cx=x, cy=number(y), r=4, class_=f"point {'hollow' if is_hollow else ''} c{mark.colour}")
        if number_of < len(mark.labels) and mark.labels[number_of]:
            yield tag("text", mark.labels[number_of], x=x, y=number(y - 9), class_="mark middle")


def _bars(mark: Bars, place: Place) -> Html:
    path = ""
    for low, high, value in zip(mark.low, mark.high, mark.y, strict=True):
        if low is None or high is None or not value:
            continue
        left, right = place.at_x(low), place.at_x(high)
        gap = 0.5 if right - left > 4 else 0.0
        path += f"M{number(left + gap)} {number(place.bottom)}V{number(place.at_y(value))}H{number(right - gap)}"
        path += f"V{number(place.bottom)}Z"
    return tag("path", d=path, class_=f"bar c{mark.colour}")


def _heat(mark: Heat, place: Place) -> Iterator[Html]:
    """A path for each shade, not a rectangle for each cell: a fifth of the bytes."""
    paths = dict.fromkeys(range(1, N_LEVELS + 1), "")
    for row, low, high in zip(mark.share, mark.y_edges, mark.y_edges[1:], strict=False):
        assert low is not None
        assert high is not None
        top, bottom = number(place.at_y(high)), number(place.at_y(low))
        for level, first, end in _same_levels(row):
            left, right = (number(place.at_x(mark.x_edges[edge] or 0.0)) for edge in (first, end))
            paths[level] += f"M{left} {bottom}V{top}H{right}V{bottom}Z"
    for level, path in paths.items():
        if path:
            yield tag("path", d=path, class_="heat", fill_opacity=f"{level / N_LEVELS:g}")


def _same_levels(row: Values) -> Iterator[tuple[int, int, int]]:
    """level, first and end of each run of neighbours with the same shade; what is empty is left out."""
    levels = [0 if not share else max(math.ceil(share * N_LEVELS), 1) for share in row]
    first = 0
    for level, group in groupby(levels):
        end = first + len(list(group))
        if level:
            yield min(level, N_LEVELS), first, end
        first = end


def _rule(mark: Rule, place: Place) -> Iterator[Html]:
    kind = "rule limit" if mark.is_limit else "rule"
    if mark.is_upright:
        at = number(place.at_x(mark.at))
        yield tag("path", d=f"M{at} {place.top}V{place.bottom}", class_=kind)
        is_far = place.at_x(mark.at) > (place.left + place.right) / 2
        end = mark.side == "left" or (is_far and not mark.side)
        y = place.bottom - 7 if mark.is_low else place.top + 14
        yield tag("text", mark.name, x=float(at) + (-6 if end else 6), y=y, class_=_side(end))
        return
    y = place.at_y(mark.at)
    left = place.left if mark.low is None else place.at_x(mark.low)
    right = place.right if mark.high is None else place.at_x(mark.high)
    yield tag("path", d=f"M{number(left)} {number(y)}H{number(right)}", class_=kind)
    is_short = mark.low is not None
    x, side = (left - 6, "mark plate end") if is_short else (right - 2, "mark plate end")
    yield tag("text", mark.name, x=number(x), y=number(y + (4 if is_short else -5)), class_=side)


def _side(is_end: bool) -> str:
    return "mark plate end" if is_end else "mark plate"


def _zone(mark: Zone, place: Place) -> Iterator[Html]:
    left, right = place.at_x(mark.low), place.at_x(mark.high)
    box = {"x": number(left), "y": number(place.top), "width": number(right - left)}
    yield tag("rect", **box, height=number(place.bottom - place.top), class_="zone bad" if mark.is_bad else "zone")
    if right - left > 7 * len(mark.name):
        y = place.bottom - 7 if mark.is_bad else place.top + 14  # what breaks limits is mostly drawn high up
        yield tag("text", mark.name, x=number(left + 6), y=y, class_="mark bad" if mark.is_bad else "mark")
