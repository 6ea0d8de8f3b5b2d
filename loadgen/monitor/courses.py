"""How what was watched went over time, for pictures: a few hundred points each, however long the run."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from loadgen.bundle.monitor import Sample
from loadgen.monitor.means import number
from loadgen.monitor.servers import levels_of
from loadgen.units import s_from_ns

MOST_POINTS = 600
"""More than a picture has pixels for; of a longer run every second look is left out, and again."""

FIGURES: dict[str, tuple[str, ...]] = {
    "host": ("cpu_ratio", "steal_ratio", "memory_used_bytes"),
    "client": ("cpu_ratio", "rss_bytes"),
    "gpu": ("power_w", "utilisation_ratio", "memory_used_bytes", "temperature_c"),
    "server": ("running", "waiting", "kv_cache_ratio"),
}
"""By source, in the order in which courses_of() gives them."""


class Course(NamedTuple):
    """One line of a picture. source: "host", "gpu", "server" or "client". of: which card, or which of several services.

    at_s: seconds since the run began. Looks that did not know the figure are left out.
    """

    source: str
    figure: str
    of: str
    at_s: list[float]
    values: list[float]


def courses_of(samples: Callable[[str], Iterable[Sample]]) -> list[Course]:
    """Those that have two points or more, in the order of host, client, cards, servers."""
    found: dict[tuple[str, str, str], _Thinned] = {}
    for source, sample in _all(samples):
        for figure, of, value in _figures_in(source, sample):
            key = (source, figure, of)
            if key not in found:
                found[key] = _Thinned()
            found[key].add(s_from_ns(sample.at_ns), value)
    return [Course(*key, *kept.points) for key, kept in found.items() if len(kept.points[0]) > 1]


def _all(samples: Callable[[str], Iterable[Sample]]) -> Iterator[tuple[str, Sample]]:
    for source in FIGURES:
        for sample in samples(source):
            yield source, sample


def _figures_in(source: str, sample: Sample) -> Iterator[tuple[str, str, float]]:
    """Name, whose, and value."""
    of = str(sample.values.get("gpu")) if source == "gpu" else sample.service
    values = levels_of(sample.values) if source == "server" else sample.values
    for name in FIGURES[source]:
        value = number(values.get(name))
        if value is not None:
            yield name, of, value


class _Thinned:
    """Keeps every n-th point, n doubling as they come."""

    def __init__(self) -> None:
        self.points: tuple[list[float], list[float]] = ([], [])
        self._each, self._n = 1, 0

    def add(self, at_s: float, value: float) -> None:
        if self._n % self._each == 0:
            self.points[0].append(at_s)
            self.points[1].append(value)
        self._n += 1
        if len(self.points[0]) > 2 * MOST_POINTS:
            self._each *= 2
            self.points = (self.points[0][::2], self.points[1][::2])
