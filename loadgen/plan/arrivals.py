"""When requests leave. Open loop: instants on a schedule; closed loop: pauses between an answer and the next request.

A schedule is two things: a rate profile, whose integral says how many requests are due by an instant, and the spacing
of the arrivals along that integral: even, or drawn. An instant is the profile's inverse at the arrival's place.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.streams import BLOCK, Purpose, blockwise, generator
from loadgen.units import NS_PER_S

NOT_BEFORE_THE_END_OF_TIME_NS = 2**62
"""The instant of an arrival that never comes: the profile's rate has gone to 0."""

Instants = Callable[[int, int], NDArray[np.int64]]
"""draw(first, count): ns, shape (count,), of the indexes from first on. Instants count from the run's begin."""


@dataclass(frozen=True)
class RateProfile:
    """A rate that is linear in pieces; the last piece goes on for ever. Each array: shape (n_pieces,).

    due: how many requests are due by the piece's start. slope: by how much the rate rises a second.
    """

    from_s: NDArray[np.float64]
    due: NDArray[np.float64]
    rate_per_s: NDArray[np.float64]
    slope: NDArray[np.float64]

    def instants_s(self, due: NDArray[np.float64]) -> NDArray[np.float64]:
        """When so many requests are due: the inverse of the cumulated rate. inf where the rate has gone to 0 before.

        With x requests into a piece: t = 2 x / (r + sqrt(r^2 + 2 slope x)), the root that stays exact as the slope
        goes to 0.
        """
        piece = np.searchsorted(self.due, due, side="right") - 1
        rate, slope = self.rate_per_s[piece], self.slope[piece]
        into = due - self.due[piece]
        speed = rate + np.sqrt(np.maximum(rate * rate + 2 * slope * into, 0.0))
        still = (rate == 0) & (slope == 0)
        with np.errstate(divide="ignore", invalid="ignore"):
            offset_s = np.where(into == 0, 0.0, 2 * into / speed)
        return np.asarray(np.where(still, np.inf, self.from_s[piece] + offset_s), np.float64)


def steady(rate_per_s: float) -> RateProfile:
    """One rate throughout."""
    return _profile([rate_per_s], [rate_per_s], [])


def steps(stages: Sequence[tuple[float, float]]) -> RateProfile:
    """Each stage (rate_per_s, duration_s) at its own rate; the last rate goes on."""
    rates = [rate for rate, _ in stages]
    return _profile([*rates, rates[-1]], [*rates, rates[-1]], [duration for _, duration in stages])


def ramp(stages: Sequence[tuple[float, float]]) -> RateProfile:
    """From 0 the rate goes linearly to each stage's rate, reached at the stage's end; the last rate goes on."""
    rates = [0.0, *(rate for rate, _ in stages)]
    return _profile(rates, [*rates[1:], rates[-1]], [duration for _, duration in stages])


def _profile(first_rates: Sequence[float], last_rates: Sequence[float], durations_s: Sequence[float]) -> RateProfile:
    """Pieces from their rates at both ends; the last piece has no duration and no slope."""
    durations = np.array(durations_s, np.float64)
    first, last = np.array(first_rates, np.float64), np.array(last_rates, np.float64)
    return RateProfile(
        from_s=np.concatenate(([0.0], np.cumsum(durations))),
        due=np.concatenate(([0.0], np.cumsum(durations * (first + last)[:-1] / 2))),
        rate_per_s=first,
        slope=np.concatenate(((last - first)[:-1] / durations, [0.0])),
    )


def scheduled(profile: RateProfile, seed: int, burstiness: float | None) -> Instants:
    """The planned instants of an open loop.

    burstiness: shape of the gamma distribution of the gaps, whose mean the rate gives: 1 is a Poisson process, below 1
    is burstier (coefficient of variation 1/sqrt(burstiness)). None: even spacing, the first arrival at instant 0.
    Source: vLLM's benchmark_serving defines burstiness so.
    """
    due = _evenly_due if burstiness is None else _RandomlyDue(seed, burstiness).draw

    def draw(first: int, count: int) -> NDArray[np.int64]:
        instants_ns = profile.instants_s(due(first, count)) * NS_PER_S
        return np.rint(np.minimum(instants_ns, NOT_BEFORE_THE_END_OF_TIME_NS)).astype(np.int64)

    return draw


def _evenly_due(first: int, count: int) -> NDArray[np.float64]:
    return np.arange(first, first + count, dtype=np.float64)


class _RandomlyDue:
    """Cumulated gaps of mean 1. Sums up to each block's start are kept: 8 bytes for 4,096 arrivals."""

    def __init__(self, seed: int, burstiness: float) -> None:
        self._seed, self._burstiness = seed, burstiness
        self._block_from = [0.0]
        self._lock = Lock()  # threads of an engine draw at the same time
        self.draw = blockwise(self._block)

    def _block(self, number: int) -> NDArray[np.float64]:
        with self._lock:
            while len(self._block_from) <= number:
                last = len(self._block_from) - 1
                self._block_from.append(self._block_from[last] + float(self._cumulated(last)[-1]))
        return self._block_from[number] + self._cumulated(number)

    def _cumulated(self, number: int) -> NDArray[np.float64]:
        draws = generator(self._seed, Purpose.ARRIVAL, number).standard_gamma(self._burstiness, BLOCK)
        return np.cumsum(draws / self._burstiness)


def until(instants: Instants, end_ns: int | None, n_requests: int | None) -> Instants:
    """The same schedule, ended: no instant at or after end_ns, no index from n_requests on. None: no such end."""

    def draw(first: int, count: int) -> NDArray[np.int64]:
        allowed = count if n_requests is None else min(count, n_requests - first)
        values = instants(first, max(allowed, 0))
        return values if end_ns is None else values[: np.searchsorted(values, end_ns)]

    return draw


def pauses(think_time_s: float, n_clients: int) -> Instants:
    """Pauses of a closed loop, in ns. None before a client's first request: those are the first n_clients indexes."""
    pause_ns = round(think_time_s * NS_PER_S)

    def draw(first: int, count: int) -> NDArray[np.int64]:
        return np.where(np.arange(first, first + count) < n_clients, 0, pause_ns).astype(np.int64)

    return draw
