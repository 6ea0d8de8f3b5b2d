"""The pictures of one run; of several services each has its own panels, side by side."""

from collections.abc import Callable, Sequence
from pathlib import Path

from loadgen.report.canvas import house_style
from loadgen.report.curves import Curves
from loadgen.report.facts import Facts
from loadgen.report.monitor_plots import draw_watched, watched_panels
from loadgen.report.panels import Panel, context_of
from loadgen.report.run_latency import draw_gaps, draw_latency
from loadgen.report.run_timeline import draw_in_flight, draw_over_time

MOST_PANELS = 3
"""Side by side in one picture; more services go into further ones."""

Draw = Callable[[Sequence[Panel], str, Path], Path]


def draw_run(facts: Facts, curves: Sequence[Curves], folder: Path) -> list[Path]:
    """Every picture that this run's figures allow, as PNG in `folder`. curves: those of each of facts.parts."""
    panels = [Panel(part, drawn) for part, drawn in zip(facts.parts, curves, strict=True)]
    in_time = [panel for panel in panels if panel.timeline is not None and len(panel.timeline.at_s) > 1]
    kinds: tuple[tuple[str, Draw, list[Panel]], ...] = (
        ("latency", draw_latency, [panel for panel in panels if panel.curves.latencies]),
        ("itl", draw_gaps, [panel for panel in panels if panel.curves.gaps is not None]),
        ("over_time", draw_over_time, in_time),
        ("in_flight", draw_in_flight, in_time),
    )
    folder.mkdir(parents=True, exist_ok=True)
    with house_style():
        drawn = [
            draw(some, context_of(facts), folder / f"{kind}{number}.png")
            for kind, draw, wanted in kinds
            for number, some in _numbered(wanted)
        ]
        if in_time and watched_panels(facts):
            drawn.append(draw_watched(facts, in_time[0].timeline, context_of(facts), folder / "watched.png"))
    return drawn


def _numbered(panels: Sequence[Panel]) -> list[tuple[str, Sequence[Panel]]]:
    """As many at a time as fit, with what the pictures' names end in."""
    starts = range(0, len(panels), MOST_PANELS)
    return [(f"_{start // MOST_PANELS + 1}" if start else "", panels[start : start + MOST_PANELS]) for start in starts]
