"""Figures of a window out of looks that were taken now and again: fed one look after the other, nothing is kept.

docs/measuring.md has the formulas.
"""

import math
from typing import Any, NamedTuple

from loadgen.units import s_from_ns


class Span(NamedTuple):
    """From one instant to another, ns since the run began."""

    from_ns: int
    to_ns: int

    @property
    def s(self) -> float:
        return s_from_ns(max(self.to_ns - self.from_ns, 0))

    def within(self, other: "Span") -> "Span":
        return Span(max(self.from_ns, other.from_ns), min(self.to_ns, other.to_ns))


class Mean:
    """A figure's mean, least and greatest over the window."""

    def __init__(self, window: Span) -> None:
        self._window = window
        self._before: tuple[int, float] | None = None
        self._sum = self._seconds = 0.0
        self._least, self._greatest = float("inf"), float("-inf")

    def see(self, at_ns: int, value: float | None) -> None:
        """value: None: not known."""
        if value is not None and self._before is not None:
            self._pass(Span(self._before[0], at_ns), self._before[1], value)
        self._before = None if value is None else (at_ns, value)

    def _pass(self, span: Span, first: float, last: float) -> None:
        raise NotImplementedError

    def _add(self, seconds: float, mean: float, *seen: float) -> None:
        """seen: what may be the least or the greatest."""
        self._sum += seconds * mean
        self._seconds += seconds
        self._least, self._greatest = min(self._least, *seen), max(self._greatest, *seen)

    @property
    def seconds(self) -> float:
        """So much of the window is known."""
        return self._seconds

    @property
    def value(self) -> float | None:
        return self._sum / self._seconds if self._seconds > 0 else None

    @property
    def figure(self) -> dict[str, float] | None:
        """None where nothing of the window is known."""
        if self.value is None:
            return None
        return {"mean": rounded(self.value), "min": rounded(self._least), "max": rounded(self._greatest)}


class Level(Mean):
    """What goes up and down, such as memory: a straight line from look to look. Its least and greatest are of looks
    within the window, or, where there are none, of the line.
    """

    def _pass(self, span: Span, first: float, last: float) -> None:
        inside = span.within(self._window)
        if inside.s <= 0:
            return
        slope = (last - first) / span.s
        begin = first + slope * s_from_ns(inside.from_ns - span.from_ns)
        end = begin + slope * inside.s
        looks = [first] * (inside.from_ns == span.from_ns) + [last] * (inside.to_ns == span.to_ns)
        self._add(inside.s, (begin + end) / 2, *(looks or [begin, end]))


class Rate(Mean):
    """What is of the time since the look before, such as a share of the CPU: it holds for all of that time."""

    def __init__(self, window: Span) -> None:
        super().__init__(window)
        self._since_ns: int | None = None

    def see(self, at_ns: int, value: float | None) -> None:
        if value is not None:
            inside = Span(self._since_ns or 0, at_ns).within(self._window)
            if inside.s > 0:
                self._add(inside.s, value, value)
        if value is not None or self._since_ns is None:
            self._since_ns = at_ns


class Held(Mean):
    """What holds until the next look says otherwise."""

    def _pass(self, span: Span, first: float, last: float) -> None:
        inside = span.within(self._window)
        if inside.s > 0:
            self._add(inside.s, first, first)


class Growth(Mean):
    """By how much a counter grows each second: even growth from look to look. A counter that falls began anew."""

    def _pass(self, span: Span, first: float, last: float) -> None:
        inside = span.within(self._window)
        if inside.s > 0 and last >= first:
            rate = (last - first) / span.s
            self._add(inside.s, rate, rate)

    @property
    def in_all(self) -> float:
        """Within what is known of the window."""
        return self._sum


def rounded(value: float) -> float:
    """Six digits: more are noise in a file that people read. Whole numbers stay."""
    return int(value) if value == int(value) else float(f"{value:.6g}")


def number(value: Any) -> float | None:
    """A value out of a file that a person may have edited."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    return value if is_number else None
