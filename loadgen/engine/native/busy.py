"""How busy the loops were in the measured window, neither warm-up nor drain, as the pump sees it."""

from typing import NamedTuple


class Look(NamedTuple):
    """waited_ns: of all loops together, up to now."""

    at_ns: int
    waited_ns: int


class BusyShare:
    """The share of the time in which a loop did not wait, the mean of n_loops."""

    def __init__(self, n_loops: int) -> None:
        self._n_loops = n_loops
        self._first: Look | None = None
        self._last: Look | None = None

    def look(self, look: Look, from_ns: int | None, end_ns: int | None) -> None:
        """from_ns, end_ns: of the window; None: not known yet, and with the last answer."""
        if from_ns is None or look.at_ns < from_ns:
            return
        if self._first is None:
            self._first = look
        elif self._last is None or end_ns is None or self._last.at_ns < end_ns:
            self._last = look

    def ratio(self, whole: Look) -> float:
        """whole: that of the whole run, which stands in for a window in which nobody looked twice."""
        first, last = self._first, self._last
        if first is None or last is None:
            first, last = Look(0, 0), whole
        length_ns = max(last.at_ns - first.at_ns, 1) * self._n_loops
        return min(max(1 - (last.waited_ns - first.waited_ns) / length_ns, 0.0), 1.0)
