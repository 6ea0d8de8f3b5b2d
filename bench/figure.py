"""One figure of the bench, and the table they make."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class Figure:
    """goal: None where there is none. floor: the bare C loop's figure, from the same minute and the same server."""

    row: str
    what: str
    value: float
    unit: str
    goal: float | None = None
    at_least: bool = False  # the goal is a lower bound; else an upper one
    floor: float | None = None

    @property
    def is_met(self) -> bool | None:
        if self.goal is None:
            return None
        return self.value >= self.goal if self.at_least else self.value <= self.goal

    @property
    def ratio(self) -> float | None:
        """Of the figure to the floor."""
        return self.value / self.floor if self.floor else None


HEAD = ("row", "figure", "measured", "goal", "met", "floor", "ratio")


def as_table(figures: Iterable[Figure]) -> str:
    """A Markdown table whose columns line up."""
    rows = [HEAD, *map(_cells, figures)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    lines = [
        "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |" for row in rows
    ]
    return "\n".join([lines[0], "|" + "|".join("-" * (width + 2) for width in widths) + "|", *lines[1:]])


def as_json(figures: Sequence[Figure]) -> str:
    return json.dumps([asdict(one) | {"is_met": one.is_met, "ratio": one.ratio} for one in figures], indent=2)


def _cells(figure: Figure) -> tuple[str, ...]:
    sign = "≥" if figure.at_least else "≤"
    return (
        figure.row,
        figure.what,
        f"{_number(figure.value)} {figure.unit}".strip(),
        "" if figure.goal is None else f"{sign} {_number(figure.goal)}",
        {None: "", True: "yes", False: "NO"}[figure.is_met],
        "" if figure.floor is None else _number(figure.floor),
        "" if figure.ratio is None else f"{figure.ratio:.2f}",
    )


def _number(value: float) -> str:
    """Three digits that count; thousands with their commas."""
    if value == 0 or abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"
