"""The still picture: an SVG of a Figure, in the page itself. Its colours are the page's, in the dark too."""

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from loadgen.report.html.figures import Axis, Figure, Panel, Zone, ticks_of
from loadgen.report.html.markup import Html, tag
from loadgen.report.html.still_marks import Place, draw_mark, number

NARROW_PX, WIDE_PX = 560, 1120
LEFT_PX, RIGHT_PX, BOTTOM_PX = 58, 16, 46
HEAD_PX, APART_PX = 24, 14
"""Above each panel, for what its vertical axis is; and between two of them."""

TICK_CHARS_PX = 7


class Sheet(NamedTuple):
    """A panel and where it lies, px from the top."""

    panel: Panel
    place: Place


def still(figure: Figure) -> Html:
    width = WIDE_PX if figure.is_wide else NARROW_PX
    sheets = list(_laid_out(figure, width))
    height = int(sheets[-1].place.bottom) + BOTTOM_PX
    drawn = [part for sheet in sheets for part in _panel(sheet, figure.x, is_last=sheet is sheets[-1])]
    label = tag("text", figure.x.label, x=(LEFT_PX + width - RIGHT_PX) / 2, y=height - 8, class_="axis middle")
    return tag(
        "svg",
        *drawn,
        label,
        viewBox=f"0 0 {width} {height}",
        class_=f"still {'wide' if figure.is_wide else 'narrow'}",
        role="img",
        aria_label=f"{figure.title}. {figure.says}",
    )


def _laid_out(figure: Figure, width: int) -> Iterator[Sheet]:
    top = 0
    for panel in figure.panels:
        top += HEAD_PX
        bottom = top + panel.height_px
        yield Sheet(panel, Place(figure.x, panel.y, LEFT_PX, width - RIGHT_PX, top, bottom))
        top = bottom + APART_PX


def _panel(sheet: Sheet, x: Axis, is_last: bool) -> Iterator[Html]:
    panel, place = sheet
    zones = [mark for mark in panel.marks if isinstance(mark, Zone)]
    yield from (part for mark in zones for part in draw_mark(mark, place))
    yield from _grid(place)
    yield from (part for mark in panel.marks if not isinstance(mark, Zone) for part in draw_mark(mark, place))
    yield tag("path", d=f"M{place.left} {place.bottom}H{place.right}", class_="base")
    yield tag("text", panel.y.label, x=4, y=place.top - 9, class_="axis")
    if is_last:
        yield from _x_ticks(place, x)


def _grid(place: Place) -> Iterator[Html]:
    for value, words in ticks_of(place.y, most=max(int((place.bottom - place.top) / 42), 2)):
        at = number(place.at_y(value))
        yield tag("path", d=f"M{place.left} {at}H{place.right}", class_="grid")
        yield tag("text", words, x=place.left - 7, y=number(place.at_y(value) + 4), class_="tick end")


def _x_ticks(place: Place, x: Axis) -> Iterator[Html]:
    ticks = ticks_of(x, most=8)
    for value, words in _apart([(place.at_x(value), words) for value, words in ticks]):
        yield tag("path", d=f"M{number(value)} {place.bottom}v5", class_="base")
        yield tag("text", words, x=number(value), y=place.bottom + 18, class_="tick middle")


def _apart(ticks: Sequence[tuple[float, str]]) -> list[tuple[float, str]]:
    """Those whose words do not touch those of the one before."""
    kept: list[tuple[float, str]] = []
    ends = -math.inf
    for at, words in ticks:
        half = len(words) * TICK_CHARS_PX / 2
        if at - half > ends:
            kept.append((at, words))
            ends = at + half + 4
    return kept
