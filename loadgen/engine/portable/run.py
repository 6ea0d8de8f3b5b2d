"""One run on the portable engine: all its jobs on one loop and one clock, the counters, and the way to the disk."""

import asyncio
import time
from collections.abc import Sequence

from loadgen.engine.contract import Ending, Job, Live, Sink, Why
from loadgen.engine.limits import raise_descriptor_limit
from loadgen.engine.portable.exchange import Exchange
from loadgen.engine.portable.job import PortableJob
from loadgen.engine.portable.line_writer import LineWriter, Row
from loadgen.engine.strain import LoopProbe, StrainWatch, cpu_wait_ns
from loadgen.units import NS_PER_MS, s_from_ns

TICK_NS = 50 * NS_PER_MS
BATCH_ROWS = 1024


async def fire(jobs: Sequence[Job], sink: Sink, live: Live) -> Ending:
    """Carry the jobs' loads and return when the last answer is on the disk.

    Raises EngineError where this host lacks descriptors; a failed request is a record, never an exception. Cancelling
    the task ends the run at once: what is in flight gets its records.
    """
    raise_descriptor_limit(sum(job.plan.connections for job in jobs))
    clock = _Clock()
    carried: list[PortableJob] = []
    try:
        for number in range(len(jobs)):
            carried.append(PortableJob(jobs, number, sink.run_tag, clock.now_ns, live))
        await _open(carried, live)
        writer = LineWriter(sink, [operation for job in jobs for operation in job.plan.operations])
        run = _Run(carried, clock, sink, live, writer)
        try:
            await run.carry()
        finally:
            run.flush()
            await asyncio.to_thread(writer.close)
        if writer.bug is not None:
            raise writer.bug
        return run.ending()
    finally:
        for job in carried:
            await job.close()


class _Clock:
    """Instants of the run."""

    def __init__(self) -> None:
        self._origin_ns = time.monotonic_ns()

    def begin(self) -> int:
        """The run begins now: at this instant of CLOCK_MONOTONIC."""
        self._origin_ns = time.monotonic_ns()
        return self._origin_ns

    def now_ns(self) -> int:
        return time.monotonic_ns() - self._origin_ns


async def _open(jobs: list[PortableJob], live: Live) -> None:
    """Open the connections beforehand, but no longer than the caller wants the run."""
    opening = [asyncio.create_task(job.carrier.open()) for job in jobs]
    try:
        while (await asyncio.wait(opening, timeout=s_from_ns(TICK_NS)))[1] and not live.stop_asked:
            pass
    finally:
        await _end(opening)


class _Run:
    """What is beside the jobs: the counters, the records on their way, and when all must end."""

    def __init__(self, jobs: list[PortableJob], clock: _Clock, sink: Sink, live: Live, writer: LineWriter) -> None:
        self.jobs, self.now_ns, self.sink, self.live, self.writer = jobs, clock.now_ns, sink, live, writer
        self.rows: list[Row] = []
        self.why = Why.DONE
        self.n_ended = 0
        self.are_windows_known = False
        self.busy = _Busy(jobs)
        self.started_at_unix_ns = time.time_ns()
        self.cpu_from_s = time.process_time()
        self.strain, self.cpu_wait_from_ns = StrainWatch(), cpu_wait_ns()
        self.probe = LoopProbe(asyncio.get_running_loop())
        live.origin_ns = clock.begin()
        for job in jobs:
            job.on_end = self.keep
        self.show_windows()

    async def carry(self) -> None:
        """Carry all jobs, and end early where that is asked for, pointless or impossible."""
        tasks = [asyncio.create_task(job.carry()) for job in self.jobs]
        try:
            while (await asyncio.wait(tasks, timeout=s_from_ns(self._to_next_look_ns(tasks))))[1]:
                self.look()
                if self.live.is_enough:
                    self._end_windows()
                self._end_drained(tasks)
                if self._is_cut_short(tasks) or any(map(_has_failed, tasks)):
                    break
        finally:
            self.probe.close()
            await _end(tasks)
            self.look()

    def keep(self, exchange: Exchange) -> None:
        """A request has ended: its record goes to the disk."""
        self.n_ended += 1
        self.show_windows()
        self.rows.append(exchange.row())
        if len(self.rows) >= BATCH_ROWS:
            self.flush()

    def flush(self) -> None:
        """Hand the finished requests to the writer."""
        if self.rows:
            self.writer.put(self.rows)
            self.rows = []

    def show_windows(self) -> None:
        """Before any record from a window leaves."""
        if not self.are_windows_known:
            windows_from_ns = [job.course.window_from_ns for job in self.jobs]
            self.are_windows_known = None not in windows_from_ns
            self.sink.windows_from_ns = windows_from_ns

    def look(self) -> None:
        """Bring the counters up to date and the records to the disk."""
        self.live.elapsed_ns = self.now_ns()
        self.live.n_waiting = sum(len(job.waiting) for job in self.jobs)
        self.busy.look(self.now_ns())
        self.show_windows()
        self.flush()
        for job in self.jobs:
            job.renew_aged()

    def _end_windows(self) -> None:
        for number, job in enumerate(self.jobs):
            to_ns = job.course.end_window(self.now_ns())
            if to_ns is not None:
                self.sink.end_window(number, to_ns)

    def _to_next_look_ns(self, tasks: list["asyncio.Task[None]"]) -> int:
        cutoffs = (job.cutoff_ns for job, task in zip(self.jobs, tasks, strict=True) if not _is_ending(task))
        return min([TICK_NS, *(max(cutoff_ns - self.now_ns(), 0) for cutoff_ns in cutoffs if cutoff_ns is not None)])

    def _end_drained(self, tasks: list["asyncio.Task[None]"]) -> None:
        """A job whose drain is over ends by itself; others may go on."""
        for job, task in zip(self.jobs, tasks, strict=True):
            if job.cutoff_ns is not None and self.now_ns() >= job.cutoff_ns and not _is_ending(task):
                task.cancel()

    def _is_cut_short(self, tasks: list["asyncio.Task[None]"]) -> bool:
        if self.writer.disk_error is not None:
            self.why = Why.DISK_FULL
        elif self.live.stop_asked or self.writer.bug is not None:
            self.why = Why.STOPPED
        elif any(job.is_hopeless(self.now_ns()) for job, task in zip(self.jobs, tasks, strict=True) if not task.done()):
            self.why = Why.GAVE_UP
        return self.why is not Why.DONE

    def ending(self) -> Ending:
        """What is known of the run after its last record is written."""
        if self.writer.disk_error is not None:
            self.why = Why.DISK_FULL
        return Ending(
            why=self.why,
            started_at_unix_ns=self.started_at_unix_ns,
            windows=tuple(job.window(self.why, self.now_ns()) for job in self.jobs),
            n_planned=self.n_ended,
            n_sent=self.live.n_sent,
            busy_ratio=self.busy.ratio,
            cpu_s=time.process_time() - self.cpu_from_s,
            stamp="read",
            n_lost_records=self.writer.n_lost,
            notes=self._notes(),
            error=self.writer.disk_error,
            keys=tuple(job.keys.states() for job in self.jobs),
            strain=self.strain.ended([_since(self.cpu_wait_from_ns)], self.probe.lags_ns),
        )

    def _notes(self) -> list[str]:
        notes = []
        n_threads = max(job.plan.threads for job in self.jobs)
        if n_threads > 1:
            notes.append(f"the portable engine runs in one thread, not in {n_threads}")
        if self.writer.n_lost:
            notes.append(f"{self.writer.n_lost} records are not in requests.jsonl: the disk could not keep up")
        return notes


class _Busy:
    """The share of the time in which the loop's thread had the CPU, from the first window's begin to the last's end."""

    def __init__(self, jobs: list[PortableJob]) -> None:
        self._jobs = jobs
        self._from_ns: int | None = None
        self._to_ns = 0
        self._cpu_from_ns = self._cpu_to_ns = 0

    def look(self, now_ns: int) -> None:
        if self._from_ns is None:
            begins = [job.course.window_from_ns for job in self._jobs]
            if any(from_ns is not None and now_ns >= from_ns for from_ns in begins):
                self._from_ns, self._cpu_from_ns = now_ns, time.thread_time_ns()
        elif any(end_ns is None or self._to_ns < end_ns for end_ns in (job.course.window_end_ns for job in self._jobs)):
            self._to_ns, self._cpu_to_ns = now_ns, time.thread_time_ns()

    @property
    def ratio(self) -> float:
        if self._from_ns is None or self._to_ns <= self._from_ns:
            return 0.0
        return min((self._cpu_to_ns - self._cpu_from_ns) / (self._to_ns - self._from_ns), 1.0)


def _since(cpu_wait_from_ns: int | None) -> int | None:
    """How long this thread has waited for a CPU since then."""
    waited_ns = cpu_wait_ns()
    return None if waited_ns is None or cpu_wait_from_ns is None else waited_ns - cpu_wait_from_ns


async def _end(tasks: list["asyncio.Task[None]"]) -> None:
    """Cancel what is still going on, and wait for its records. Raises what went wrong in it, if anything did."""
    for task in tasks:
        if not _is_ending(task):
            task.cancel()
    await asyncio.wait(tasks)
    for task in tasks:
        if not task.cancelled():
            task.result()


def _is_ending(task: "asyncio.Task[None]") -> bool:
    return task.done() or task.cancelling() > 0


def _has_failed(task: "asyncio.Task[None]") -> bool:
    return task.done() and not task.cancelled() and task.exception() is not None
