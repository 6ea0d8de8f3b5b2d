"""One job of a run on the native engine: its loops, its draws, its window, and when it is hopeless."""

import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.engine import _native
from loadgen.engine.contract import KEY_DTYPE, Job, Live, Why
from loadgen.engine.native.sockets import SocketGiver
from loadgen.engine.strain import cpu_wait_ns
from loadgen.plan.model import RENEW_AFTER_NS, Plan, Wire
from loadgen.units import NS_PER_MS

END_AFTER_NS = 50 * NS_PER_MS
"""A window that ends early ends so much later than it was asked to: by then every loop knows."""

DRAWS = 8192
"""So many indexes are drawn at a time: small enough to be quick, large enough that numpy's overhead is nothing."""


class NativeJob:
    """The loops of one job, one a thread."""

    def __init__(self, jobs: Sequence[Job], number: int, run_tag: str) -> None:
        self.plan = plan = jobs[number].plan
        self._limits = _limits(jobs, number)
        self._is_cut = False
        self.address = jobs[number].address
        self.window = _native.SharedWindow(plan.warmup_ns if plan.warmup_requests is None else -1)
        self.loops = _loops(jobs, number, self.window, run_tag)
        self._feeder = _Feeder(plan, self.loops)
        self._patience = _Patience(plan.give_up_ns)
        self._giver = SocketGiver(self.address, self.loops, plan) if _needs_sockets(jobs[number]) else None
        self._renewed_at_ns = 0
        self.threads: list[threading.Thread] = []
        self.cpu_waits_ns: list[int | None] = []  # of each thread that has ended
        self._was_done = False

    def start(self, method: str, *arguments: int) -> None:
        """Call a method of each loop, in a thread of its own."""
        self.threads = [
            threading.Thread(
                target=self._call, args=(getattr(loop, method), *arguments), name=f"loadgen-{method}", daemon=True
            )
            for loop in self.loops
        ]
        self.cpu_waits_ns = []
        for thread in self.threads:
            thread.start()

    def _call(self, method: Callable[..., None], *arguments: int) -> None:
        method(*arguments)
        self.cpu_waits_ns.append(cpu_wait_ns())

    @property
    def is_running(self) -> bool:
        return any(thread.is_alive() for thread in self.threads)

    def join(self) -> None:
        for thread in self.threads:
            thread.join()

    def note_end(self, why: Why) -> None:
        """What ends the run later does not touch a job that was done before."""
        self._was_done |= why is Why.DONE and not self.is_running

    def feed(self) -> None:
        self._feeder.feed()

    def open_sockets(self, live: Live) -> None:
        """Where the loops do not connect: give each of their connections a socket, or the reason why not."""
        if self._giver is not None:
            self._giver.give_all(live)

    def give_sockets(self) -> None:
        if self._giver is not None:
            self._giver.give_wanted()

    def renew(self, now_ns: int) -> None:
        """Give the loops requests with fresh signatures, where the old ones age."""
        if self.plan.renewed is not None and now_ns - self._renewed_at_ns > RENEW_AFTER_NS:
            self._renewed_at_ns = now_ns
            raw = self.plan.renewed()
            for loop in self.loops:
                loop.set_raw(raw)

    def end_window(self, now_ns: int) -> int | None:
        """End the window before its time. Returns the instant; None where there is none to end."""
        from_ns, lasts_ns = self.window.from_ns, self.plan.duration_ns
        to_ns = now_ns + END_AFTER_NS
        is_over = from_ns is not None and lasts_ns is not None and to_ns >= from_ns + lasts_ns
        if self._is_cut or from_ns is None or from_ns >= now_ns or is_over:
            return None
        self._is_cut = True
        self.plan = replace(self.plan, duration_ns=to_ns - from_ns)
        for thread, loop in enumerate(self.loops):
            _set_limits(loop, {**self._limits, "duration_ns": to_ns - from_ns}, self.plan, thread, len(self.loops))
        return to_ns

    def n_waiting(self, now_ns: int) -> int:
        """Open loop: arrivals that are due and have no connection yet."""
        end_ns = now_ns
        if self.plan.duration_ns is not None and self.window.from_ns is not None:
            end_ns = min(now_ns, self.window.from_ns + self.plan.duration_ns)
        return sum(loop.n_waiting(end_ns) for loop in self.loops)

    def is_hopeless(self, now_ns: int) -> bool:
        if not self.is_running:
            return False
        counters = self._counters()
        n_succeeded = sum(one["n_succeeded"] for one in counters)
        return self._patience.is_over(now_ns, n_succeeded, sum(one["n_failed"] for one in counters))

    def measured_window(self, elapsed_ns: int, why: Why) -> tuple[int, int]:
        """The window as it was: ended by its last answer (by count), by its time, or by what cut the run short."""
        from_ns, plan = self.window.from_ns, self.plan
        if from_ns is None:
            return elapsed_ns, elapsed_ns
        why = Why.DONE if self._was_done else why
        counters = self._counters()
        last_done_ns = max(one["last_done_ns"] for one in counters)
        by_count = plan.requests is not None and sum(one["n_measured"] for one in counters) == plan.requests
        to_ns = elapsed_ns
        if why is Why.DONE and by_count and last_done_ns:
            to_ns = last_done_ns
        elif why is Why.DONE and plan.duration_ns is not None:
            to_ns = from_ns + plan.duration_ns
        if plan.duration_ns is not None:
            to_ns = min(to_ns, from_ns + plan.duration_ns)
        return from_ns, max(to_ns, from_ns)

    @property
    def keys(self) -> NDArray[Any] | None:
        states = self.loops[0].keys()
        return None if states is None else np.frombuffer(states, KEY_DTYPE)

    def stop(self) -> None:
        for loop in self.loops:
            loop.stop()

    def close(self) -> None:
        """Give back what the loops hold. Their threads have ended."""
        if self._giver is not None:
            self._giver.close()
        self.loops.clear()

    def _counters(self) -> list[dict[str, int]]:
        return [loop.counters for loop in self.loops]


class _Feeder:
    """Deals the plan's draws out to the loops: index i goes to loop i modulo their number."""

    def __init__(self, plan: Plan, loops: list[_native.Loop]) -> None:
        self.plan, self.loops = plan, loops
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
            self._deal(n_wanted)
        if self.is_over:
            for loop in self.loops:
                loop.feed_end()

    def _deal(self, n_wanted: int) -> None:
        dues = self.plan.draw(self.n_drawn, n_wanted)
        n_loops = len(self.loops)
        for thread, loop in enumerate(self.loops):
            share = slice((thread - self.n_drawn) % n_loops, None, n_loops)
            loop.feed(
                np.ascontiguousarray(dues.when_ns[share], np.int64),
                np.ascontiguousarray(dues.payload[share], np.uint32),
                None if dues.values is None else np.ascontiguousarray(dues.values[share], np.int32),
            )
        self.n_drawn += len(dues.payload)
        self.is_over = len(dues.payload) < n_wanted or self.n_drawn == self.n_most


class _Patience:
    """Ends a run that has nothing but failures for so long."""

    def __init__(self, give_up_ns: int) -> None:
        self.give_up_ns = give_up_ns
        self.n_succeeded = 0
        self.n_failed = 0
        self.failing_since_ns: int | None = None

    def is_over(self, now_ns: int, n_succeeded: int, n_failed: int) -> bool:
        if n_succeeded > self.n_succeeded:
            self.n_succeeded, self.n_failed, self.failing_since_ns = n_succeeded, n_failed, None
        elif n_failed > self.n_failed and self.failing_since_ns is None:
            self.failing_since_ns = now_ns
        return self.failing_since_ns is not None and now_ns - self.failing_since_ns >= self.give_up_ns


def _needs_sockets(job: Job) -> bool:
    """Whether a connection is more than a TCP connection: a login, or another kind of socket."""
    address = job.address
    return (
        address.login is not None
        or address.family not in (socket.AF_INET, socket.AF_INET6)
        or job.plan.wire in (Wire.REDIS, Wire.POSTGRESQL)
    )


def _loops(jobs: Sequence[Job], number: int, window: _native.SharedWindow, run_tag: str) -> list[_native.Loop]:
    plan = jobs[number].plan
    n_threads = max(1, min(plan.threads, plan.connections))
    return [_loop(jobs, number, window, run_tag, thread, n_threads) for thread in range(n_threads)]


def _loop(
    jobs: Sequence[Job], number: int, window: _native.SharedWindow, run_tag: str, thread: int, n_threads: int
) -> _native.Loop:
    plan, address = jobs[number].plan, jobs[number].address
    loop = _native.Loop(
        plan.pool,
        window,
        n_connections=plan.connections // n_threads + (thread < plan.connections % n_threads),
        wire=plan.wire,
        open_loop=plan.open_loop,
        pipeline=plan.pipeline,
        is_given_sockets=_needs_sockets(jobs[number]),
    )
    if not _needs_sockets(jobs[number]):
        loop.set_address(address.family, address.host, address.port)
    _set_limits(loop, _limits(jobs, number), plan, thread, n_threads)
    loop.set_names(run_tag.encode(), [operation.expects_tokens for operation in plan.operations])
    loop.set_keys(plan.value_tag, plan.n_keys, plan.n_existing, is_kept=n_threads == 1, is_fill=plan.is_fill)
    return loop


def _limits(jobs: Sequence[Job], number: int) -> dict[str, Any]:
    """What a job's loops have in common."""
    plan = jobs[number].plan
    return {
        "warmup_ns": plan.warmup_ns,
        "warmup_requests": plan.warmup_requests,
        "duration_ns": plan.duration_ns,
        "drain_ns": plan.drain_ns,
        "timeout_ns": plan.timeout_ns,
        "job": number,
        "n_jobs": len(jobs),
        "first_operation": sum(len(job.plan.operations) for job in jobs[:number]),
        "fail_on_truncated": plan.fail_on_truncated,
    }


def _set_limits(loop: _native.Loop, limits: dict[str, Any], plan: Plan, thread: int, n_threads: int) -> None:
    n_measured = None if plan.requests is None else _share(plan, n_threads, thread)
    loop.set_limits(**limits, n_measured=n_measured, thread=thread, n_threads=n_threads)


def _share(plan: Plan, n_threads: int, thread: int) -> int:
    """How many of the window's requests are this thread's: those whose index leaves `thread` modulo the threads."""
    first = plan.warmup_requests or 0
    skipped = (thread - first) % n_threads
    return max(0, -(-((plan.requests or 0) - skipped) // n_threads))
