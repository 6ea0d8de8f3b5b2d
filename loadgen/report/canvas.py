"""One look for every picture: a title that says the finding, a line that says what is drawn, a legend, grey-safe lines.

matplotlib is imported only when something is drawn, without pyplot, and whatever a person's own matplotlibrc says.
"""

import logging
import math
import textwrap
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from loadgen.report.numbers import plain

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

INK, GREY, PALE = "#1a1a1a", "#5f5f5f", "#e3e3e3"

WIDTH_PX, HEIGHT_PX, DPI = 1000, 560, 100

COMPRESS_LEVEL = 1
"""Of 9. PNG's usual 6 takes nearly twice as long, for an eighth fewer bytes."""

TITLE_CHARS = 78
"""Of the title's size, on one line."""

FAILURE = "#D55E00"

PLATE = {"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.4}
"""Behind words that may lie on a line."""


class Pen(NamedTuple):
    """How one line is drawn: Okabe and Ito's colours for the colour-blind; dash and mark tell lines apart in grey."""

    colour: str
    dash: Any
    mark: str


PENS = (
    Pen("#0072B2", "-", "o"),
    Pen("#D55E00", (0, (5, 1.5)), "s"),
    Pen("#009E73", (0, (1.2, 1.2)), "^"),
    Pen("#8C4A7E", (0, (6, 1.5, 1.2, 1.5)), "D"),
    Pen("#B8860B", (0, (3, 1, 1, 1, 1, 1)), "v"),
    Pen("#56B4E9", (0, (9, 2)), "P"),
    Pen("#000000", "-", "X"),
)

STYLE: dict[Any, Any] = {
    "font.family": "DejaVu Sans",
    "font.size": 11,
    "axes.edgecolor": GREY,
    "axes.labelcolor": INK,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "grid.color": PALE,
    "grid.linewidth": 0.8,
    "xtick.color": GREY,
    "ytick.color": GREY,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "legend.frameon": False,
    "legend.fontsize": 10.5,
    "lines.linewidth": 2.2,
    "savefig.facecolor": "white",
}


@contextmanager
def house_style() -> Iterator[None]:
    """Everything between is drawn in the one look; afterwards matplotlib's settings are what they were."""
    logger = logging.getLogger("matplotlib")
    level = logger.level
    logger.setLevel(logging.ERROR)  # a home that cannot be written costs matplotlib a warning and a temporary folder
    try:
        import matplotlib

        with matplotlib.rc_context():
            matplotlib.rcdefaults()
            matplotlib.rcParams.update(STYLE)
            yield
    finally:
        logger.setLevel(level)


def sheet(
    title: str,
    subtitle: str,
    heights: Sequence[float] = (1,),
    columns: int = 1,
    bottom_px: int = 62,
    legend_lines: int = 1,
    shared_y: bool = True,
) -> "tuple[Figure, list[Axes]]":
    """An empty picture: panels above each other, sharing the horizontal axis, or side by side, sharing the vertical.

    heights: each row's share. bottom_px: room under the lowest panel. legend_lines: rows of the legend.
    shared_y: whether panels beside each other are of one scale.
    """
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    legend_px = 21 * (legend_lines - 1)
    height_px = HEIGHT_PX + 90 * (len(heights) - 1) + legend_px
    figure = Figure(figsize=(WIDTH_PX / DPI, height_px / DPI), dpi=DPI)
    FigureCanvasAgg(figure)
    head_px = _headings(figure, height_px, title, subtitle)
    room = {
        "left": 0.1,
        "right": 0.978,
        "bottom": bottom_px / height_px,
        "top": 1 - (head_px + 62 + legend_px) / height_px,
    }
    return figure, _panels(figure, heights, columns, room, shared_y)


def _headings(figure: "Figure", height_px: int, title: str, subtitle: str) -> int:
    """Returns how far down the title reaches, px."""
    lines = _balanced(title)
    head_px = 14 + 24 * len(lines)
    says: dict[str, Any] = {"va": "top", "size": 15, "weight": "bold", "color": INK, "linespacing": 1.15}
    figure.text(0.02, 1 - 14 / height_px, "\n".join(lines), **says)
    below = textwrap.shorten(subtitle, 126, placeholder=" …")
    figure.text(0.02, 1 - (head_px + 4) / height_px, below, va="top", size=10.5, color=GREY)
    return head_px


def _balanced(title: str) -> list[str]:
    """One line, or two of about the same length."""
    if len(title) <= TITLE_CHARS:
        return [title]
    lines = textwrap.wrap(title, min(max(len(title) // 2 + 8, 40), TITLE_CHARS))
    return lines if len(lines) == 2 else textwrap.wrap(title, TITLE_CHARS, max_lines=2, placeholder=" …")


def _panels(
    figure: "Figure", heights: Sequence[float], columns: int, room: dict[str, float], shared_y: bool
) -> "list[Axes]":
    rows = len(heights)
    wide: Any = {"hspace": 0.14, "wspace": 0.07 if shared_y else 0.2}
    grid = figure.add_gridspec(rows, columns, height_ratios=list(heights), **wide, **room)
    axes: list[Axes] = []
    for place in range(rows * columns):
        shared = {"sharex": axes[place % columns]} if place >= columns else {}
        if axes and rows == 1 and shared_y:
            shared = {"sharey": axes[0]}
        axes.append(figure.add_subplot(grid[place // columns, place % columns], **shared))
    for axis in axes[: (rows - 1) * columns]:
        axis.tick_params(labelbottom=False)
    return axes


def legend(figure: "Figure", *axes: "Axes") -> None:
    """Above the panels, so that it never lies on a line. Of several panels, what any of them names, once."""
    named = {label: handle for axis in axes for handle, label in zip(*axis.get_legend_handles_labels(), strict=True)}
    if named:
        place: Any = {"loc": "lower left", "bbox_to_anchor": (0.09, axes[0].get_position().y1 + 0.002)}
        look: Any = {"handlelength": 3.2, "columnspacing": 1.8, "borderpad": 0.3}
        figure.legend(list(named.values()), list(named), ncols=legend_columns(list(named)), **look, **place)


def legend_columns(labels: Sequence[str]) -> int:
    """As many beside each other as the width has room for."""
    widest_px = 75 + 7.5 * max(len(label) for label in labels)
    return max(int(890 / widest_px), 1)


def legend_rows(labels: Sequence[str]) -> int:
    return math.ceil(len(labels) / legend_columns(labels)) if labels else 1


def save(figure: "Figure", path: Path) -> Path:
    """Written without date or version, so that the same figures give the same file."""
    figure.align_ylabels()
    figure.savefig(path, dpi=DPI, metadata={"Software": None}, pil_kwargs={"compress_level": COMPRESS_LEVEL})
    return path


def log_ms_axis(axis: "Axes", low_ms: float, high_ms: float) -> None:
    """A logarithmic vertical axis of milliseconds, from a little under `low_ms` to `high_ms`; 0 < low_ms < high_ms."""
    from matplotlib.ticker import FixedLocator, NullLocator

    axis.set_yscale("log")
    axis.set_ylim(low_ms / 1.45, high_ms)
    axis.yaxis.set_major_locator(FixedLocator(log_ticks(low_ms / 1.45, high_ms)))
    axis.yaxis.set_minor_locator(NullLocator())
    axis.yaxis.set_major_formatter(lambda value, _: plain(value))
    axis.set_ylabel("ms (log scale)")


def log_ticks(low: float, high: float) -> list[float]:
    """1, 2, 5, 10, … between `low` and `high`; only the powers of ten where that would be too many."""
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    steps = (1, 2, 5) if last - first <= 4 else (1,)
    ticks = [step * 10.0**power for power in range(first, last + 1) for step in steps]
    return [tick for tick in ticks if low <= tick <= high]
