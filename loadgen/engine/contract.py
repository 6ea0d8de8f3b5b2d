"""What both engines take and give: `fire(jobs, sink, live) -> Ending`."""

from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.model import Plan
from loadgen.records import Block

Login = Callable[[], Generator[bytes, bytes, None]]
"""A conversation before the first request, without a socket.

It yields what is to be sent (b"": nothing, only read on) and is sent what was read, in any pieces, until it returns.
Raises TargetError where the server refuses. A new one for each connection.
"""


@dataclass(frozen=True)
class Address:
    """Where the service listens, resolved and tried: the engine only connects.

    family: socket.AF_INET, AF_INET6, AF_UNIX. host: the numeric address; of a unix socket its path. server_name: the
    URL's host, for TLS and messages. tls_request: what must be sent, and answered with b"S", before TLS begins
    (PostgreSQL's SSLRequest). login: what must be said on each new connection.
    """

    family: int
    host: str
    port: int
    server_name: str
    tls: bool = False
    tls_verify: bool = True
    tls_ca_file: str | None = None
    tls_request: bytes = b""
    login: Login | None = None


class Job(NamedTuple):
    """One service's load. Several run side by side on one clock.

    A record of job j of n has index i * n + j, i its place in the plan; its operation counts on from those of the jobs
    before.
    """

    plan: Plan
    address: Address
    client: Callable[[], Any] | None = None  # Wire.CALL: makes a user's client, one a connection


class Sink(Protocol):
    """Where finished requests go while the run goes on."""

    path: Path  # requests.jsonl, to be appended to
    run_tag: str  # what goes into the slots before the index: the benchmark id
    windows_from_ns: list[
        int | None
    ]  # one a job; set by the engine as soon as it is known, before any block that holds answers from after it

    def end_window(self, job: int, to_ns: int) -> None:
        """A job's window ends at this instant, before its time: Live.enough(). Called before the instant is there."""

    def hide(self, records: NDArray[Any]) -> None:
        """Hide secrets in what servers said, in place. Called with every block before its lines are written."""

    def take(self, block: Block) -> None:
        """See a block whose lines are on the disk. Runs in the writer's thread; the arrays are reused afterwards."""


KEY_DTYPE = np.dtype([("floor", "<u4"), ("first_in_flight", "<u4"), ("n_in_flight", "<u4"), ("latest_delete", "<u4")])
"""What is known of a key's versions; ext/core/keys.pxd has the same and says how they move.

floor: no value older than this may be read any more (0: the key may never have been written). latest_delete: version of
the last delete that was sent; a missing value is right where it is >= floor.
"""


@dataclass
class Live:
    """Counters of a run that is going on, to be read at any time by anyone, and the switches that end it early.

    An engine writes them at least four times a second. Instants: ns since the run began.
    origin_ns: CLOCK_MONOTONIC at instant 0; 0 until it is there.
    """

    origin_ns: int = 0
    elapsed_ns: int = 0
    n_sent: int = 0
    n_finished: int = 0
    n_succeeded: int = 0
    n_failed: int = 0
    n_in_flight: int = 0
    n_waiting: int = 0  # open loop: due, and no free connection
    n_tokens: int = 0  # content events so far
    stop_asked: bool = False  # set by the caller: end now, cancel what is in flight
    is_enough: bool = False  # set by the caller: no more is needed

    def stop(self) -> None:
        self.stop_asked = True

    def enough(self) -> None:
        """Every window ends now, as if its time were over: what is in flight drains, and the run is done.

        One that has not begun ends as soon as it has.
        """
        self.is_enough = True


class Why(StrEnum):
    """Why a run ended."""

    DONE = "done"  # duration or count reached
    STOPPED = "stopped"  # Live.stop()
    GAVE_UP = "gave_up"  # nothing but failures for give_up_s
    DISK_FULL = "disk_full"  # requests.jsonl could not be written


@dataclass(frozen=True)
class Strain:
    """What the host was like for this process while it carried the load. Ratios 0-1; None: the system does not say.

    elapsed_s: how long was looked at. host_cpu_ratio: of the CPUs that it may run on, used by anyone. steal_ratio: of
    them, taken by other guests of the hypervisor. starved_ratio: share of the time in which a loop's thread was ready
    to run and had no CPU. cpu_limit: CPUs that it may use at once. loop_lags_ns: how late the loop got to what came,
    looked at now and then, shape (n,); only where no kernel stamp says it. backlog_ratio: of the room for records that
    wait for the disk, the most that was taken.
    """

    elapsed_s: float
    host_cpu_ratio: float | None = None
    steal_ratio: float | None = None
    starved_ratio: float | None = None
    cpu_limit: float | None = None
    loop_lags_ns: NDArray[np.int64] | None = None
    backlog_ratio: float | None = None


@dataclass
class Ending:
    """What an engine knows after the last answer, beyond the records it gave to the sink.

    Instants in ns since the run began; started_at_unix_ns ties them to the wall clock.
    windows: (from, to) of each job's measured window; `to` by count is the last answer's instant.
    keys: of each job the states of its keys, shape (n_keys,), KEY_DTYPE; None where nothing is checked by key, or in
    several threads.
    """

    why: Why
    started_at_unix_ns: int
    windows: tuple[tuple[int, int], ...]
    n_planned: int  # requests that the plan wanted sent before the end; equals the number of records
    n_sent: int
    busy_ratio: float  # share of the window in which the loop was not waiting, the mean of the threads
    cpu_s: float  # CPU time of the process between first send and last answer
    stamp: str  # "kernel" or "read": what dated the arrivals
    n_clock_steps: int = 0  # steps of the wall clock that were noticed
    n_lost_records: int = 0  # records that the disk was too slow for
    notes: list[str] = field(default_factory=list)  # lines for a person
    error: str | None = None  # what the disk said
    keys: tuple[NDArray[Any] | None, ...] = ()
    strain: Strain | None = None

    @property
    def window_from_ns(self) -> int:
        return self.windows[0][0]

    @property
    def window_to_ns(self) -> int:
        return self.windows[0][1]
