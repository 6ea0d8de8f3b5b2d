"""One run on the native engine: all its jobs, the pump that feeds and empties their loops, and the way to the disk.

The loops know nothing of files, of Python or of each other. The pump, a few dozen times a second, hands each loop its
next draws, writes its full blocks to requests.jsonl, shows them to the sink, and reads the counters.
"""

import asyncio
import os
import resource
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.bundle.jsonl import codes, operation_json
from loadgen.engine import _lines, _native
from loadgen.engine.contract import Ending, Job, Live, Sink, Why
from loadgen.engine.limits import raise_descriptor_limit
from loadgen.engine.native.busy import BusyShare, Look
from loadgen.engine.native.job import NativeJob
from loadgen.engine.strain import StrainWatch
from loadgen.records import RECORD_DTYPE, Block

PUMP_PAUSE_S = 0.05
BUSY_PUMP_PAUSE_S = 0.02
"""While blocks keep coming."""


async def fire(jobs: Sequence[Job], sink: Sink, live: Live) -> Ending:
    """Carry the jobs' loads and return when the last answer is on the disk.

    Raises EngineError where this host lacks descriptors; a failed request is a record, never an exception. Cancelling
    the task ends the run at once.
    """
    raise_descriptor_limit(sum(job.plan.connections for job in jobs))
    run = _Run(jobs, sink, live)
    try:
        await asyncio.to_thread(run.open)
        return await asyncio.to_thread(run.carry)
    except asyncio.CancelledError:
        live.stop()
        run.join()
        raise
    finally:
        run.close()


class _Run:
    """One run: its jobs, their threads, and the pump's state."""

    def __init__(self, jobs: Sequence[Job], sink: Sink, live: Live) -> None:
        self.sink, self.live = sink, live
        self.jobs = [NativeJob(jobs, number, sink.run_tag) for number in range(len(jobs))]
        sink.windows_from_ns = [job.window.from_ns for job in self.jobs]
        self.fd = os.open(sink.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.lines = _lines_of(jobs, sink, self.fd)
        self.why = Why.DONE
        self.error: str | None = None
        self.origin_ns = 0
        self.n_unwritten = 0
        self.backlog_ratio = 0.0  # the most that was seen to wait for the disk
        self.busy = BusyShare(sum(len(job.loops) for job in self.jobs))

    def open(self) -> None:
        """Open all connections, all loops at once."""
        self._feed()
        self._start("open")
        for job in self.jobs:
            job.open_sockets(self.live)
        self.join()

    def carry(self) -> Ending:
        """Start the loops and pump until they have ended and everything is written."""
        cpu_from_s, strain = _cpu_s(), StrainWatch()
        self.origin_ns, started_at_unix_ns = _both_clocks_ns()
        self.live.origin_ns = self.origin_ns
        self._start("run", self.origin_ns)
        while any(job.is_running for job in self.jobs):
            time.sleep(BUSY_PUMP_PAUSE_S if self.pump() else PUMP_PAUSE_S)
        self.join()
        self.pump()
        self.live.n_waiting = 0
        ending = self._ending(started_at_unix_ns, _cpu_s() - cpu_from_s)
        seen = strain.ended([wait_ns for job in self.jobs for wait_ns in job.cpu_waits_ns])
        ending.strain = replace(seen, backlog_ratio=self.backlog_ratio)
        return ending

    def pump(self) -> int:
        """Feed, empty, look. Returns how many blocks were written."""
        self._feed()
        for number, job in enumerate(self.jobs):
            job.note_end(self.why)
            job.give_sockets()
            job.renew(time.monotonic_ns() - self.origin_ns)
            self.sink.windows_from_ns[number] = job.window.from_ns
            if self.live.is_enough:
                self._end_window(number)
        n_blocks = sum(self._empty(loop) for job in self.jobs for loop in job.loops)
        self._show()
        if self.live.stop_asked:
            self._stop(Why.STOPPED)
        if any(job.is_hopeless(self.live.elapsed_ns) for job in self.jobs):
            self._stop(Why.GAVE_UP)
        return n_blocks

    def _end_window(self, number: int) -> None:
        to_ns = self.jobs[number].end_window(time.monotonic_ns() - self.origin_ns)
        if to_ns is not None:
            self.sink.end_window(number, to_ns)

    def _feed(self) -> None:
        for job in self.jobs:
            job.feed()

    def _empty(self, loop: _native.Loop) -> int:
        """Write the loop's full blocks and give them back. Returns how many there were."""
        n_blocks = 0
        self.backlog_ratio = max(loop.backlog_ratio, self.backlog_ratio)
        while (number := loop.take_full()) >= 0:
            records, gaps_ns = loop.block(number)
            self.sink.hide(np.frombuffer(records, RECORD_DTYPE))
            n_written = self._write(records, gaps_ns)
            self._show_block(np.frombuffer(records, RECORD_DTYPE), np.frombuffer(gaps_ns, np.int64), n_written)
            del records, gaps_ns
            loop.give_back(number)
            self.backlog_ratio = max(loop.backlog_ratio, self.backlog_ratio)
            n_blocks += 1
            self._feed()  # a loop that takes a million draws a second does not wait for the disk
        return n_blocks

    def _write(self, records: memoryview, gaps_ns: memoryview) -> int:
        """How many of the block's records are on the disk now."""
        if self.error is not None:
            return 0
        n_written: int = self.lines.write(records, gaps_ns)
        if self.lines.error:
            self.error = os.strerror(self.lines.error)
            self._stop(Why.DISK_FULL)
        return n_written

    def _show_block(self, records: NDArray[Any], gaps_ns: NDArray[np.int64], n_written: int) -> None:
        """Only what is on the disk is counted: the summary must agree with the file."""
        self.n_unwritten += len(records) - n_written
        written = records[:n_written]
        if n_written:
            self.sink.take(Block(written, gaps_ns[: written["n_gaps"].sum()]))

    def _stop(self, why: Why) -> None:
        if self.why is Why.DONE:
            self.why = why
            for job in self.jobs:
                job.stop()

    def _show(self) -> None:
        """Bring the live counters up to date."""
        live = self.live
        live.elapsed_ns = time.monotonic_ns() - self.origin_ns
        counters = self._counters()
        for name in ("n_sent", "n_finished", "n_succeeded", "n_failed", "n_in_flight", "n_tokens"):
            setattr(live, name, sum(one[name] for one in counters))
        live.n_waiting = sum(job.n_waiting(live.elapsed_ns) for job in self.jobs)
        self.busy.look(Look(live.elapsed_ns, sum(one["waited_ns"] for one in counters)), *self._window())

    def _window(self) -> tuple[int | None, int | None]:
        """From the first of the jobs' windows to the end of the last."""
        begins = [job.window.from_ns for job in self.jobs]
        known = [from_ns for from_ns in begins if from_ns is not None]
        ends = [
            from_ns + job.plan.duration_ns
            for from_ns, job in zip(begins, self.jobs, strict=True)
            if from_ns is not None and job.plan.duration_ns is not None
        ]
        return min(known, default=None), max(ends) if len(ends) == len(self.jobs) else None

    def _counters(self) -> list[dict[str, int]]:
        return [loop.counters for job in self.jobs for loop in job.loops]

    def _ending(self, started_at_unix_ns: int, cpu_s: float) -> Ending:
        counters = self._counters()
        elapsed_ns = max(time.monotonic_ns() - self.origin_ns, 1)
        whole = Look(elapsed_ns, sum(one["waited_ns"] for one in counters))
        n_kernel = sum(one["n_kernel_stamps"] for one in counters)
        n_answered = sum(one["n_finished"] for one in counters)
        loops = [loop for job in self.jobs for loop in job.loops]
        return Ending(
            why=self.why,
            started_at_unix_ns=started_at_unix_ns,
            windows=tuple(job.measured_window(elapsed_ns, self.why) for job in self.jobs),
            n_planned=sum(one["n_planned"] for one in counters),
            n_sent=sum(one["n_sent"] for one in counters),
            busy_ratio=self.busy.ratio(whole),
            cpu_s=cpu_s,
            stamp="kernel" if 2 * n_kernel > n_answered else "read",
            n_clock_steps=max(loop.n_clock_steps for loop in loops),
            n_lost_records=sum(loop.n_lost for loop in loops) + self.n_unwritten,
            error=self.error,
            keys=tuple(job.keys for job in self.jobs),
        )

    def _start(self, method: str, *arguments: int) -> None:
        for job in self.jobs:
            job.start(method, *arguments)

    def join(self) -> None:
        for job in self.jobs:
            job.join()

    def close(self) -> None:
        """End what may still run, and give every descriptor back."""
        for job in self.jobs:
            job.stop()
        self.join()
        for job in self.jobs:
            job.close()
        os.close(self.fd)


def _lines_of(jobs: Sequence[Job], sink: Sink, fd: int) -> _lines.Lines:
    operations = [operation for job in jobs for operation in job.plan.operations]
    return _lines.Lines(
        fd,
        os.fstat(fd).st_size,
        sink.run_tag.encode(),
        [operation_json(operation) for operation in operations],
        [operation.expects_tokens for operation in operations],
        codes(),
    )


def _both_clocks_ns() -> tuple[int, int]:
    """One instant on CLOCK_MONOTONIC and on the wall clock. The wall is read between two readings of the other."""
    brackets = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(5)]
    before_ns, wall_ns, after_ns = min(brackets, key=lambda bracket: bracket[2] - bracket[0])
    return (before_ns + after_ns) // 2, wall_ns


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
