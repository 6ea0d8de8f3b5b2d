"""What a run's pictures have in common: one panel a service, with its name over it where there are several."""

from typing import TYPE_CHECKING, Any, NamedTuple

from loadgen.report.canvas import INK, PLATE
from loadgen.report.curves import Curves, Timeline
from loadgen.report.facts import Facts
from loadgen.report.words import shortened

if TYPE_CHECKING:
    from matplotlib.axes import Axes


class Panel(NamedTuple):
    """One service, and what is drawn of it."""

    facts: Facts
    curves: Curves

    @property
    def timeline(self) -> Timeline | None:
        return self.curves.timeline

    @property
    def name(self) -> str:
        """Empty where there is one service only."""
        return self.facts.service_name


def context_of(facts: Facts) -> str:
    """A few words on what was measured, for below a picture's title."""
    return facts.load if facts.is_several else f"{shortened(facts.service)} · {facts.load}"


def write_name(axis: "Axes", panel: Panel, also: str = "") -> None:
    """The service's name, and a few words more, inside its panel at the top."""
    if panel.name:
        place = (0.02, 0.985)
        words = f"{shortened(panel.name, 24)}{', ' + also if also else ''}"
        says: dict[str, Any] = {"weight": "bold", "size": 10.5, "color": INK, "zorder": 4, "bbox": PLATE}
        axis.text(*place, words, transform=axis.transAxes, va="top", **says)
