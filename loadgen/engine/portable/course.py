"""The course of a run, without a clock: which request is next, when it is planned, and when nothing more is."""

from dataclasses import dataclass, replace

from loadgen.plan.model import Dues, Plan
from loadgen.records import Phase

BLOCK_DRAWS = 1024


@dataclass(frozen=True, slots=True)
class Due:
    """One planned request. planned_at_ns: ns since the run began."""

    index: int
    payload: int
    planned_at_ns: int
    phase: Phase
    values: tuple[int, ...] = ()


@dataclass
class Course:
    """Walks through a plan, index by index.

    window_from_ns: None until the first request of the window is planned (warm-up by count).
    n_measured: requests of the window so far.
    """

    plan: Plan
    n_due: int = 0
    n_measured: int = 0
    window_from_ns: int | None = None
    _block_first: int = 0
    _block: Dues | None = None
    _is_cut: bool = False

    def __post_init__(self) -> None:
        if self.plan.warmup_requests is None:
            self.window_from_ns = self.plan.warmup_ns

    @property
    def window_end_ns(self) -> int | None:
        """The first instant after the window; None where it has not begun or ends by count."""
        if self.window_from_ns is None or self.plan.duration_ns is None:
            return None
        return self.window_from_ns + self.plan.duration_ns

    def end_window(self, now_ns: int) -> int | None:
        """End the window before its time. Returns the instant; None where there is none to end."""
        from_ns, end_ns = self.window_from_ns, self.window_end_ns
        if self._is_cut or from_ns is None or from_ns >= now_ns or (end_ns is not None and now_ns >= end_ns):
            return None
        self._is_cut = True
        self.plan = replace(self.plan, duration_ns=now_ns - from_ns)
        return now_ns

    def is_after_window(self, planned_at_ns: int) -> bool:
        return self.window_end_ns is not None and planned_at_ns >= self.window_end_ns

    @property
    def is_counted_out(self) -> bool:
        """All requests of the window are planned."""
        return self.plan.requests is not None and self.n_measured >= self.plan.requests

    def next_due(self, from_ns: int, *, pauses: bool = True) -> Due | None:
        """The next request, or None: nothing more is planned.

        from_ns: what the draw counts from: the instant the slot became free (closed loop), 0 (open loop).
        pauses: False: it is planned at from_ns itself, in company of another of the slot.
        """
        if self.is_counted_out or (drawn := self._draw(self.n_due)) is None:
            return None
        payload, when_ns, values = drawn
        planned_at_ns = from_ns + when_ns if pauses else from_ns
        if self.is_after_window(planned_at_ns):
            return None
        due = Due(self.n_due, payload, planned_at_ns, self._phase(planned_at_ns), values)
        self.n_due += 1
        self.n_measured += due.phase is Phase.MEASURE
        return due

    def _phase(self, planned_at_ns: int) -> Phase:
        if self.plan.warmup_requests is None:
            return Phase.WARMUP if planned_at_ns < self.plan.warmup_ns else Phase.MEASURE
        if self.n_due < self.plan.warmup_requests:
            return Phase.WARMUP
        if self.window_from_ns is None:
            self.window_from_ns = planned_at_ns
        return Phase.MEASURE

    def _draw(self, index: int) -> tuple[int, int, tuple[int, ...]] | None:
        """Payload, instant (or pause) and values of an index; None: the schedule has ended."""
        at = index - self._block_first
        if self._block is None or at >= BLOCK_DRAWS:
            self._block_first, at = index, 0
            self._block = self.plan.draw(index, BLOCK_DRAWS)
        payload, when_ns, values = self._block
        if at >= len(when_ns):
            return None
        return int(payload[at]), int(when_ns[at]), () if values is None else tuple(values[at].tolist())
