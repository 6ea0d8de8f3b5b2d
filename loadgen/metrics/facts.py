"""What figures are made of beside the records: the plan's operations, and what only the engine or a target knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray


class FindingLike(Protocol):
    """What a check after the run found."""

    @property
    def name(self) -> str: ...
    @property
    def n_checked(self) -> int: ...
    @property
    def n_wrong(self) -> int: ...
    @property
    def text(self) -> str: ...


class StrainLike(Protocol):
    """What the host was like for the load generator; the engine's Strain has these. None: the system does not say.

    loop_lags_ns: how late the loop got to what came, shape (n,); only where no kernel stamp says it. backlog_ratio: of
    the room for records that wait for the disk, the most that was taken.
    """

    @property
    def elapsed_s(self) -> float: ...
    @property
    def host_cpu_ratio(self) -> float | None: ...
    @property
    def steal_ratio(self) -> float | None: ...
    @property
    def starved_ratio(self) -> float | None: ...
    @property
    def cpu_limit(self) -> float | None: ...
    @property
    def loop_lags_ns(self) -> NDArray[np.int64] | None: ...
    @property
    def backlog_ratio(self) -> float | None: ...


class RunFacts(Protocol):
    """What only the engine knows after a run: its Ending has these. None: not known (a killed run).

    windows: (from, to) of each service's measured window, ns since the run began. cpu_s: CPU time of the process
    between first send and last answer. busy_ratio: share of the window in which the loop did not wait.
    """

    @property
    def windows(self) -> Sequence[tuple[int, int]]: ...
    @property
    def busy_ratio(self) -> float | None: ...
    @property
    def cpu_s(self) -> float | None: ...
    @property
    def stamp(self) -> str | None: ...
    @property
    def n_clock_steps(self) -> int | None: ...
    @property
    def n_lost_records(self) -> int | None: ...
    @property
    def strain(self) -> StrainLike | None: ...


@dataclass(frozen=True)
class KnownFacts:
    """RunFacts put together from what is left of a run."""

    windows: Sequence[tuple[int, int]]
    busy_ratio: float | None = None
    cpu_s: float | None = None
    stamp: str | None = None
    n_clock_steps: int | None = None
    n_lost_records: int | None = None
    strain: StrainLike | None = None


class Snapshot(NamedTuple):
    """The measured window so far, for a live view. Percentiles in ns, of successes; None without values."""

    n_succeeded: int
    n_failed: int
    n_cancelled: int
    n_warmup: int
    p50_ns: Mapping[str, float]
    p99_ns: Mapping[str, float]
    n_wrong: int = 0
