"""What figures are made of beside the records: the plan's operations, and what only the engine or a target knows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol


class OperationLike(Protocol):
    """An operation of the plan, as far as figures need it. service: "" where there is only one."""

    @property
    def name(self) -> str: ...
    @property
    def expects_tokens(self) -> bool: ...
    @property
    def service(self) -> str: ...
    @property
    def top_k(self) -> int: ...


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


@dataclass(frozen=True)
class KnownFacts:
    """RunFacts put together from what is left of a run."""

    windows: Sequence[tuple[int, int]]
    busy_ratio: float | None = None
    cpu_s: float | None = None
    stamp: str | None = None
    n_clock_steps: int | None = None
    n_lost_records: int | None = None


class Snapshot(NamedTuple):
    """The measured window so far, for a live view. Percentiles in ns, of successes; None without values."""

    n_succeeded: int
    n_failed: int
    n_cancelled: int
    n_warmup: int
    p50_ns: Mapping[str, float]
    p99_ns: Mapping[str, float]
    n_wrong: int = 0
