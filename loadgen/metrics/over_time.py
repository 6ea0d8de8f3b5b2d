"""How the requests of one kind went over the run: a course of each latency, and what each slot of time counted."""

from collections.abc import Iterable, Mapping

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.columns import Columns
from loadgen.metrics.course import Course, Instants, Strip
from loadgen.metrics.histogram import Counted, Histogram
from loadgen.metrics.latency import present
from loadgen.metrics.streaming import Arrivals

COURSES = ("ttft", "service_ttft", "itl", "tpot", "e2e", "service_e2e")
_OUTSIDE = ("ttft", "e2e")
_STRIPS = ("failed", "answered", "good", "arrived", "searched", "found")


class OverTime:
    """All by the planned instant, but what rates are made of: answers and tokens count where they arrive.

    courses: of the measured window's successes, of those metrics of COURSES that had a value. outside: ttft and e2e of
    the warm-up's and the drain's. failed: requests that are neither success nor cancelled; answered: successes that
    ended in the window; good: those that met every SLO of a single request; arrived: tokens; searched, found: answers
    whose recall is known, and their recall.
    """

    def __init__(self) -> None:
        self.courses: dict[str, Course] = {}
        self.outside: dict[str, Course] = {}
        self.failed = Strip()
        self.answered = Strip()
        self.good = Strip()
        self.arrived = Strip()
        self.searched = Strip()
        self.found = Strip()
        self._counted_outside: dict[str, Histogram] = {}

    def add(self, name: str, at: Instants, counted: Counted) -> None:
        """Values of the measured window."""
        _course(self.courses, name).add(at, counted)

    def add_outside(self, requests: Columns) -> None:
        """Successes of the warm-up or the drain."""
        for name in _OUTSIDE:
            values_ns, there = present(name, requests)
            counted = self._counted_outside.setdefault(name, Histogram()).add(values_ns)
            if counted is not None:
                _course(self.outside, name).add(instants_of(requests, there), counted)

    def add_tokens(self, arrivals: Arrivals, inside: NDArray[np.bool_]) -> None:
        """Those that arrived in the window. inside: shape (n_events,)."""
        at_ns = arrivals.at_ns[inside]
        if len(at_ns):
            self.arrived.add(Instants.of(at_ns), None if arrivals.tokens is None else arrivals.tokens[inside])

    def add_recall(self, at: Instants, n_hits: NDArray[np.int32], top_k: int) -> None:
        """n_hits: shape (n,), none of them missing."""
        self.searched.add(at)
        self.found.add(at, np.minimum(n_hits, top_k) / top_k)

    @classmethod
    def merged(cls, parts: "Iterable[OverTime]") -> "OverTime":
        """All of them together."""
        parts, whole = list(parts), cls()
        whole.courses = _merged([part.courses for part in parts])
        whole.outside = _merged([part.outside for part in parts])
        for name in _STRIPS:
            setattr(whole, name, Strip.merged(getattr(part, name) for part in parts))
        return whole


def instants_of(requests: Columns, there: NDArray[np.bool_] | None = None) -> Instants:
    """When requests were planned, of which there is one at least. there: which of them have a value; None: all."""
    planned = requests["planned_at_ns"]
    return Instants(planned, requests.ends("planned_at_ns")) if there is None else Instants.of(planned[there])


def _course(courses: dict[str, Course], name: str) -> Course:
    if name not in courses:
        courses[name] = Course()
    return courses[name]


def _merged(parts: list[dict[str, Course]]) -> dict[str, Course]:
    names: Mapping[str, None] = dict.fromkeys(name for courses in parts for name in courses)
    return {name: Course.merged(courses[name] for courses in parts if name in courses) for name in names}
