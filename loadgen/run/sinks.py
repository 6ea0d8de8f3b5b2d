"""Where finished requests go while an engine runs."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics import Tallies
from loadgen.plan.model import Plan
from loadgen.records import ERROR_BYTES, ERROR_CODE_BYTES, Block, Outcome


class _Windows(list[int | None]):
    """The windows' first instants, one a job; the tallies learn of each as soon as it is set."""

    def __init__(self, sink: "RunSink", values: Sequence[int | None]) -> None:
        super().__init__(values)
        self._sink = sink
        for job, from_ns in enumerate(values):
            sink.see_window(job, from_ns)

    def __setitem__(self, job: Any, from_ns: Any) -> None:
        if self[job] != from_ns:
            super().__setitem__(job, from_ns)
            self._sink.see_window(job, from_ns)


@dataclass
class RunSink:
    """Finished requests on their way from the engine: their lines are in `path`, their figures go to the tallies."""

    path: Path
    run_tag: str
    tallies: Tallies
    plans: Sequence[Plan]
    redact: Callable[[str], str]
    looks: Callable[[], None] | None = None  # called after each block that was counted
    _windows: _Windows = field(init=False)

    def __post_init__(self) -> None:
        self._windows = _Windows(self, [None] * len(self.plans))

    @property
    def windows_from_ns(self) -> list[int | None]:
        return self._windows

    @windows_from_ns.setter
    def windows_from_ns(self, values: list[int | None]) -> None:
        self._windows = _Windows(self, values)

    def see_window(self, job: int, from_ns: int | None) -> None:
        if from_ns is not None:
            duration_ns = self.plans[job].duration_ns
            self.tallies.set_window(job, from_ns, None if duration_ns is None else from_ns + duration_ns)

    def end_window(self, job: int, to_ns: int) -> None:
        from_ns = self._windows[job]
        if from_ns is not None:
            self.tallies.set_window(job, from_ns, to_ns)

    def hide(self, records: NDArray[Any]) -> None:
        if not records["outcome"].any():
            return
        for name, n_bytes in (("error", ERROR_BYTES), ("error_code", ERROR_CODE_BYTES)):
            for place in np.flatnonzero(records[name] != b""):
                said = self.redact(records[name][place].decode("utf-8", "ignore"))
                records[name][place] = said.encode()[:n_bytes].decode("utf-8", "ignore").encode()

    def take(self, block: Block) -> None:
        self.tallies.add(block)
        if self.looks is not None:
            self.looks()


@dataclass
class FillSink:
    """Requests of a fill: only whether they succeeded is of interest."""

    path: Path = Path(os.devnull)
    run_tag: str = "fill"
    windows_from_ns: list[int | None] = field(default_factory=list)
    error: str | None = None  # the first failure's
    n_failed: int = 0

    def end_window(self, job: int, to_ns: int) -> None:
        """It has none."""

    def hide(self, records: NDArray[Any]) -> None:
        """Nothing is written."""

    def take(self, block: Block) -> None:
        outcomes = block.records["outcome"]
        failed = np.flatnonzero(outcomes != Outcome.OK)
        self.n_failed += len(failed)
        if len(failed) and self.error is None:
            first = block.records[failed[0]]
            said = first["error"].decode("utf-8", "ignore")
            self.error = said or Outcome(first["outcome"]).name.lower()
