"""The native engine: loops without the GIL in threads of their own, and one thread that feeds them and empties them.

The loops know nothing of files, of Python or of each other. The pump, a few dozen times a second, hands each loop its
next draws, writes its full blocks to requests.jsonl, shows them to the sink, and reads the counters.
"""

import asyncio
import os
import resource
import threading
import time
from enum import IntEnum
from typing import Any

import numpy as np
import orjson
from numpy.typing import NDArray

from loadgen.engine import _native
from loadgen.engine.contract import Address, Ending, Live, Sink, Why
from loadgen.engine.limits import raise_descriptor_limit
from loadgen.plan.model import Plan
from loadgen.records import RECORD_DTYPE, Block, FinishReason, Outcome, Phase, Stamp, TokenSource

PUMP_PAUSE_S = 0.05
BUSY_PUMP_PAUSE_S = 0.02
"""While blocks keep coming."""

DRAWS = 8192
"""So many indexes are drawn at a time: small enough to be quick, large enough that numpy's overhead is nothing."""


async def fire(plan: Plan, address: Address, sink: Sink, live: Live) -> Ending:
    """Carry the plan's load and return when the last answer is on the disk.

    Raises EngineError where this host lacks descriptors; a failed request is a record, never an exception. Cancelling
    the task ends the run at once.
    """
    raise_descriptor_limit(plan.connections)
    run = _Run(plan, address, sink, live)
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
    """One run: its loops, their threads, and the pump's state."""

    def __init__(self, plan: Plan, address: Address, sink: Sink, live: Live) -> None:
        self.plan, self.sink, self.live = plan, sink, live
        from_ns = plan.warmup_ns if plan.warmup_requests is None else -1
        self.window = _native.SharedWindow(from_ns)
        n_threads = max(1, min(plan.threads, plan.connections))
        self.loops = [_loop(plan, address, sink, self.window, n_threads, thread) for thread in range(n_threads)]
        self.feeder = _Feeder(plan, self.loops)
        self.fd = os.open(sink.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o644)
        self.lines = _lines(plan, sink, self.fd)
        self.patience = _Patience(plan.give_up_ns)
        self.threads: list[threading.Thread] = []
        self.why = Why.DONE
        self.error: str | None = None
        self.origin_ns = 0
        self.n_unwritten = 0

    def open(self) -> None:
        """Open all connections, all loops at once."""
        self.feeder.feed()
        self._start("open")
        self.join()

    def carry(self) -> Ending:
        """Start the loops and pump until they have ended and everything is written."""
        cpu_from_s = _cpu_s()
        self.origin_ns, started_at_unix_ns = _both_clocks_ns()
        self._start("run", self.origin_ns)
        while any(thread.is_alive() for thread in self.threads):
            time.sleep(BUSY_PUMP_PAUSE_S if self.pump() else PUMP_PAUSE_S)
        self.join()
        self.pump()
        self.live.n_waiting = 0
        return self._ending(started_at_unix_ns, _cpu_s() - cpu_from_s)

    def pump(self) -> int:
        """Feed, empty, look. Returns how many blocks were written."""
        self.feeder.feed()
        self.sink.window_from_ns = self.window.from_ns
        n_blocks = sum(self._empty(loop) for loop in self.loops)
        self._show()
        if self.live.stop_asked:
            self._stop(Why.STOPPED)
        if self.patience.is_over(self.live):
            self._stop(Why.GAVE_UP)
        return n_blocks

    def _empty(self, loop: _native.Loop) -> int:
        """Write the loop's full blocks and give them back. Returns how many there were."""
        n_blocks = 0
        while (number := loop.take_full()) >= 0:
            records, gaps_ns = loop.block(number)
            self.sink.hide(np.frombuffer(records, RECORD_DTYPE))
            n_written = self._write(records, gaps_ns)
            self._show_block(np.frombuffer(records, RECORD_DTYPE), np.frombuffer(gaps_ns, np.int64), n_written)
            del records, gaps_ns
            loop.give_back(number)
            n_blocks += 1
        return n_blocks

    def _write(self, records: memoryview, gaps_ns: memoryview) -> int:
        """How many of the block's records are on the disk now."""
        if self.error is not None:
            return 0
        n_written = self.lines.write(records, gaps_ns)
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
            for loop in self.loops:
                loop.stop()

    def _show(self) -> None:
        """Bring the live counters up to date."""
        now_ns = time.monotonic_ns() - self.origin_ns
        window_end_ns = now_ns
        if self.plan.duration_ns is not None and self.window.from_ns is not None:
            window_end_ns = min(now_ns, self.window.from_ns + self.plan.duration_ns)
        counters = [loop.counters for loop in self.loops]
        live = self.live
        live.elapsed_ns = now_ns
        live.n_sent = sum(one["n_sent"] for one in counters)
        live.n_finished = sum(one["n_finished"] for one in counters)
        live.n_succeeded = sum(one["n_succeeded"] for one in counters)
        live.n_failed = sum(one["n_failed"] for one in counters)
        live.n_in_flight = sum(one["n_in_flight"] for one in counters)
        live.n_tokens = sum(one["n_tokens"] for one in counters)
        live.n_waiting = sum(loop.n_waiting(window_end_ns) for loop in self.loops)

    def _ending(self, started_at_unix_ns: int, cpu_s: float) -> Ending:
        counters = [loop.counters for loop in self.loops]
        elapsed_ns = max(time.monotonic_ns() - self.origin_ns, 1)
        waited_ratio = sum(one["waited_ns"] for one in counters) / (elapsed_ns * len(counters))
        n_kernel = sum(one["n_kernel_stamps"] for one in counters)
        n_answered = sum(one["n_finished"] for one in counters)
        from_ns, to_ns = self._window(elapsed_ns, counters)
        return Ending(
            why=self.why,
            started_at_unix_ns=started_at_unix_ns,
            window_from_ns=from_ns,
            window_to_ns=to_ns,
            n_planned=sum(one["n_planned"] for one in counters),
            n_sent=sum(one["n_sent"] for one in counters),
            busy_ratio=min(max(1 - waited_ratio, 0.0), 1.0),
            cpu_s=cpu_s,
            stamp="kernel" if 2 * n_kernel > n_answered else "read",
            n_clock_steps=max(loop.n_clock_steps for loop in self.loops),
            n_lost_records=sum(loop.n_lost for loop in self.loops) + self.n_unwritten,
            error=self.error,
        )

    def _window(self, elapsed_ns: int, counters: list[dict[str, int]]) -> tuple[int, int]:
        """The window as it was: ended by its last answer (by count), by its time, or by what cut the run short."""
        from_ns, plan = self.window.from_ns, self.plan
        if from_ns is None:
            return elapsed_ns, elapsed_ns
        last_done_ns = max(one["last_done_ns"] for one in counters)
        by_count = plan.requests is not None and sum(one["n_measured"] for one in counters) == plan.requests
        to_ns = elapsed_ns
        if self.why is Why.DONE and by_count and last_done_ns:
            to_ns = last_done_ns
        elif self.why is Why.DONE and plan.duration_ns is not None:
            to_ns = from_ns + plan.duration_ns
        if plan.duration_ns is not None:
            to_ns = min(to_ns, from_ns + plan.duration_ns)
        return from_ns, max(to_ns, from_ns)

    def _start(self, method: str, *arguments: int) -> None:
        self.threads = [
            threading.Thread(target=getattr(loop, method), args=arguments, name=f"loadgen-{method}", daemon=True)
            for loop in self.loops
        ]
        for thread in self.threads:
            thread.start()

    def join(self) -> None:
        for thread in self.threads:
            thread.join()

    def close(self) -> None:
        """End what may still run, and give every descriptor back."""
        for loop in self.loops:
            loop.stop()
        self.join()
        self.loops.clear()
        self.feeder.loops.clear()
        os.close(self.fd)


class _Feeder:
    """Deals the plan's draws out to the loops: index i goes to loop i modulo their number."""

    def __init__(self, plan: Plan, loops: list[_native.Loop]) -> None:
        self.plan, self.loops = plan, list(loops)
        self.n_drawn = 0
        self.n_most = None if plan.warmup_requests is None and plan.warmup_ns else plan.n_requests
        self.is_over = False

    def feed(self) -> None:
        """Draw until a loop has no more room or the plan has ended."""
        n_loops = len(self.loops)
        while not self.is_over and min(loop.room for loop in self.loops) * n_loops > DRAWS:
            n_wanted = DRAWS - DRAWS % n_loops
            if self.n_most is not None:
                n_wanted = min(n_wanted, self.n_most - self.n_drawn)
            dues = self.plan.draw(self.n_drawn, n_wanted)
            for thread, loop in enumerate(self.loops):
                first = (thread - self.n_drawn) % n_loops
                loop.feed(
                    np.ascontiguousarray(dues.when_ns[first::n_loops], np.int64),
                    np.ascontiguousarray(dues.payload[first::n_loops], np.uint32),
                )
            self.n_drawn += len(dues.payload)
            self.is_over = len(dues.payload) < n_wanted or self.n_drawn == self.n_most
        if self.is_over:
            for loop in self.loops:
                loop.feed_end()


class _Patience:
    """Ends a run that has nothing but failures for so long."""

    def __init__(self, give_up_ns: int) -> None:
        self.give_up_ns = give_up_ns
        self.n_succeeded = 0
        self.n_failed = 0
        self.failing_since_ns: int | None = None

    def is_over(self, live: Live) -> bool:
        if live.n_succeeded > self.n_succeeded:
            self.n_succeeded, self.n_failed, self.failing_since_ns = live.n_succeeded, live.n_failed, None
        elif live.n_failed > self.n_failed and self.failing_since_ns is None:
            self.failing_since_ns = live.elapsed_ns
        return self.failing_since_ns is not None and live.elapsed_ns - self.failing_since_ns >= self.give_up_ns


def _loop(
    plan: Plan, address: Address, sink: Sink, window: _native.SharedWindow, n_threads: int, thread: int
) -> _native.Loop:
    n_connections = plan.connections // n_threads + (thread < plan.connections % n_threads)
    loop = _native.Loop(plan.pool, window, n_connections=n_connections, wire=plan.wire, open_loop=plan.open_loop)
    loop.set_address(address.family, address.host, address.port)
    loop.set_limits(
        warmup_ns=plan.warmup_ns,
        warmup_requests=plan.warmup_requests,
        duration_ns=plan.duration_ns,
        n_measured=None if plan.requests is None else _share(plan, n_threads, thread),
        drain_ns=plan.drain_ns,
        timeout_ns=plan.timeout_ns,
        thread=thread,
        n_threads=n_threads,
        fail_on_truncated=plan.fail_on_truncated,
    )
    loop.set_names(sink.run_tag.encode(), [operation.expects_tokens for operation in plan.operations])
    return loop


def _share(plan: Plan, n_threads: int, thread: int) -> int:
    """How many of the window's requests are this thread's: those whose index leaves `thread` modulo the threads."""
    first = plan.warmup_requests or 0
    skipped = (thread - first) % n_threads
    return max(0, -(-((plan.requests or 0) - skipped) // n_threads))


def _lines(plan: Plan, sink: Sink, fd: int) -> _native.Lines:
    return _native.Lines(
        fd,
        os.fstat(fd).st_size,
        sink.run_tag.encode(),
        [orjson.dumps(operation.name) for operation in plan.operations],
        [operation.expects_tokens for operation in plan.operations],
        codes(),
    )


def codes() -> dict[str, list[bytes]]:
    """The JSON text of every code of a record."""
    return {
        "outcomes": _texts(Outcome),
        "phases": _texts(Phase),
        "stamps": _texts(Stamp),
        "finish_reasons": [b"null", *_texts(FinishReason)[1:]],
        "token_sources": [b"null", *_texts(TokenSource)[1:]],
    }


def _texts(kind: type[IntEnum]) -> list[bytes]:
    return [orjson.dumps(one.name.lower()) for one in kind]


def _both_clocks_ns() -> tuple[int, int]:
    """One instant on CLOCK_MONOTONIC and on the wall clock. The wall is read between two readings of the other."""
    brackets = [(time.monotonic_ns(), time.time_ns(), time.monotonic_ns()) for _ in range(5)]
    before_ns, wall_ns, after_ns = min(brackets, key=lambda bracket: bracket[2] - bracket[0])
    return (before_ns + after_ns) // 2, wall_ns


def _cpu_s() -> float:
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime
