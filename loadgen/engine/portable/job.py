"""One job of a run on the portable engine: its closed or open loop, and what it knows of its window."""

import asyncio
import sys
from collections import deque
from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from loadgen.engine.contract import Job, Live, Why
from loadgen.engine.portable.calls import CallCarrier
from loadgen.engine.portable.course import Course, Due
from loadgen.engine.portable.exchange import Exchange, Place, Setting, Verdict
from loadgen.engine.portable.http import HttpCarrier
from loadgen.engine.portable.keys import Keys
from loadgen.engine.portable.requests import Requests
from loadgen.engine.portable.streams import StreamCarrier
from loadgen.errors import EngineError
from loadgen.plan import model
from loadgen.plan.model import Plan, Wire
from loadgen.records import Outcome, Phase
from loadgen.units import NS_PER_MS, s_from_ns

FIRST_BACKOFF_NS = 10 * NS_PER_MS
LAST_BACKOFF_NS = 1000 * NS_PER_MS
ARRIVALS_AT_ONCE = 16
"""After so many overdue arrivals the loop gets a turn, so that the requests they started are sent."""


class Carrier(Protocol):
    """The connections of a job, whatever they speak."""

    async def open(self) -> None:
        """Open them beforehand, as far as that succeeds."""

    async def carry(self, batch: list[Exchange]) -> int:
        """Send the batch over a free one, and end each exchange. Return the instant at which that became free again.

        Raises only CancelledError. The caller sees to it that no more batches are under way than connections.
        """

    async def close(self) -> None:
        """Give back all sockets."""


class PortableJob:
    """Sends what the plan wants sent."""

    def __init__(self, jobs: Sequence[Job], number: int, run_tag: str, now_ns: Callable[[], int], live: Live) -> None:
        self.plan = plan = jobs[number].plan
        self.course = Course(plan)
        self.keys = Keys(plan)
        self.waiting: deque[Due] = deque()
        self.last_answer_ns = 0
        self.first_failure_ns: int | None = None  # since the last success
        self.on_end: Callable[[Exchange], None] = _nothing
        first_operation = sum(len(job.plan.operations) for job in jobs[:number])
        self._requests = Requests(plan, run_tag)
        self._setting = Setting(
            plan, Place(number, len(jobs), first_operation), self._requests, self.keys, live, now_ns, self._ended
        )
        self._live, self._now_ns = live, now_ns
        self._is_over = False  # whatever becomes of other jobs
        self._pipeline = plan.pipeline if plan.wire is Wire.REDIS else 1
        self._upcoming: Due | None = None  # open loop: the next arrival; None: no more will come
        self._n_carriers = 0  # open loop: connections in use
        self._watching: asyncio.TimerHandle | None = None
        self._renewed_at_ns = now_ns()
        self._renewing: asyncio.Task[NDArray[np.uint8]] | None = None
        self.carrier = _carrier_for(jobs[number], self._requests, now_ns)

    async def carry(self) -> None:
        """Send everything; what is in flight when this is cancelled gets its records."""
        try:
            await (self._open_loop() if self.plan.open_loop else self._closed_loop())
            self._is_over = True
        finally:
            self._arrive(n_most=sys.maxsize)  # a slow host may be behind with them
            while self.waiting:
                self._drop_waiting(Verdict(Outcome.CANCELLED))

    async def close(self) -> None:
        if self._watching is not None:
            self._watching.cancel()
        if self._renewing is not None:
            await asyncio.wait({self._renewing})
        await self.carrier.close()

    # --- closed loop

    async def _closed_loop(self) -> None:
        async with asyncio.TaskGroup() as slots:
            for _ in range(self.plan.connections):
                slots.create_task(self._slot())

    async def _slot(self) -> None:
        """One client: sends its next requests when its last answer has come."""
        free_at_ns = backoff_ns = 0
        while (due := self.course.next_due(free_at_ns)) is not None:
            await self._until(due.planned_at_ns)
            if self.course.is_after_window(due.planned_at_ns):  # it was ended early in the meantime
                break
            batch = [self._exchange(due), *self._company_of(due)]
            free_at_ns = await self._send(batch)
            if batch[0].verdict.outcome is Outcome.CONNECT_FAILED:
                backoff_ns = min(max(2 * backoff_ns, FIRST_BACKOFF_NS), LAST_BACKOFF_NS)
                free_at_ns += backoff_ns
            else:
                backoff_ns = 0

    def _company_of(self, due: Due) -> list[Exchange]:
        """What is sent with it: as many as the pipeline takes, planned at the same instant."""
        company: list[Exchange] = []
        while len(company) < self._pipeline - 1:
            another = self.course.next_due(due.planned_at_ns, pauses=False)
            if another is None:
                break
            company.append(self._exchange(another))
        return company

    # --- open loop

    async def _open_loop(self) -> None:
        async with asyncio.TaskGroup() as group:
            self._upcoming = self.course.next_due(0)
            while self._upcoming is not None:
                await self._until(self._upcoming.planned_at_ns)
                if self.course.is_after_window(self._upcoming.planned_at_ns):
                    self._upcoming = None
                    break
                self._arrive(len(self.waiting) + ARRIVALS_AT_ONCE * self._pipeline)
                self._begin_waiting(group)
                if self._upcoming is not None and self._upcoming.planned_at_ns <= self._now_ns():
                    await asyncio.sleep(0)

    def _arrive(self, n_most: int) -> None:
        """Put what is due by now among those that wait, until they are so many."""
        now_ns = self._now_ns()
        while self._upcoming is not None and self._upcoming.planned_at_ns <= now_ns and len(self.waiting) < n_most:
            self.waiting.append(self._upcoming)
            self._upcoming = self.course.next_due(0)

    def _begin_waiting(self, group: asyncio.TaskGroup) -> None:
        """Those that wait take what connections are free."""
        while self.waiting and self._n_carriers < self.plan.connections:
            self._n_carriers += 1
            group.create_task(self._carry_from(self._taken()))
        if self.waiting and self._watching is None:
            self._watch_waiting()

    async def _carry_from(self, batch: list[Exchange]) -> None:
        """Send requests, and then what waits, until nothing does."""
        while batch:
            await self._send(batch)
            self._drop_expired()
            batch = self._taken()
        self._n_carriers -= 1

    def _taken(self) -> list[Exchange]:
        """The first of those that wait, as many as the pipeline takes."""
        return [self._exchange(self.waiting.popleft()) for _ in range(min(self._pipeline, len(self.waiting)))]

    def _watch_waiting(self) -> None:
        """Look again when the first of those that wait has waited too long."""
        left_ns = self.waiting[0].planned_at_ns + self.plan.timeout_ns - self._now_ns()
        loop = asyncio.get_running_loop()
        self._watching = loop.call_later(s_from_ns(max(left_ns, NS_PER_MS)), self._drop_and_watch)

    def _drop_and_watch(self) -> None:
        self._watching = None
        self._drop_expired()
        if self.waiting:
            self._watch_waiting()

    def _drop_expired(self) -> None:
        while self.waiting and self.waiting[0].planned_at_ns + self.plan.timeout_ns <= self._now_ns():
            self._drop_waiting(Verdict(Outcome.TIMEOUT))

    def _drop_waiting(self, verdict: Verdict) -> None:
        self._exchange(self.waiting.popleft()).end(verdict)

    # --- requests

    async def _until(self, at_ns: int) -> None:
        """Wait, never less: a timer may go off a little early."""
        while (left_ns := at_ns - self._now_ns()) > 0:
            await asyncio.sleep(s_from_ns(left_ns))

    def _exchange(self, due: Due) -> Exchange:
        return Exchange(self._setting, due)

    async def _send(self, batch: list[Exchange]) -> int:
        """Return when the connection became free."""
        for exchange in batch:
            exchange.begin()
        try:
            return await self.carrier.carry(batch)
        finally:
            for exchange in batch:
                exchange.end()

    def _ended(self, exchange: Exchange) -> None:
        ended_at_ns = exchange.freed_at_ns
        if exchange.due.phase is Phase.MEASURE:
            self.last_answer_ns = max(self.last_answer_ns, ended_at_ns)
        self._live.n_finished += 1
        if exchange.verdict.outcome is Outcome.OK:
            self._live.n_succeeded += 1
            self.first_failure_ns = None
        elif exchange.verdict.outcome is not Outcome.CANCELLED:
            self._live.n_failed += 1
            if self.first_failure_ns is None:
                self.first_failure_ns = ended_at_ns
        self.on_end(exchange)

    def renew_aged(self) -> None:
        """Ask for requests with fresh signatures where the old ones age. It goes on beside the load."""
        if self._renewing is not None and self._renewing.done():
            self._requests.raw = self._renewing.result()
            self._renewing = None
        is_aged = self._now_ns() - self._renewed_at_ns >= model.RENEW_AFTER_NS
        if self.plan.renewed is not None and self._renewing is None and is_aged:
            self._renewed_at_ns = self._now_ns()
            self._renewing = asyncio.create_task(asyncio.to_thread(self.plan.renewed))

    # --- the run

    @property
    def cutoff_ns(self) -> int | None:
        """When the drain is over."""
        end_ns = self.course.window_end_ns
        return None if end_ns is None else end_ns + self.plan.drain_ns

    def is_hopeless(self, now_ns: int) -> bool:
        """Nothing but failures for too long."""
        return self.first_failure_ns is not None and now_ns - self.first_failure_ns >= self.plan.give_up_ns

    def window(self, why: Why, now_ns: int) -> tuple[int, int]:
        """The window as it was: cut short where the run was, and by count ended by the last answer."""
        from_ns, end_ns = self.course.window_from_ns, self.course.window_end_ns
        if from_ns is None:
            return now_ns, now_ns
        is_done = why is Why.DONE or self._is_over
        to_ns = now_ns
        if is_done and (self.course.is_counted_out or end_ns is None):
            to_ns = self.last_answer_ns
        elif is_done and end_ns is not None:
            to_ns = end_ns
        return from_ns, max(from_ns, to_ns if end_ns is None else min(to_ns, end_ns))


def _carrier_for(job: Job, requests: Requests, now_ns: Callable[[], int]) -> Carrier:
    plan: Plan = job.plan
    if plan.wire is Wire.CALL:
        if job.client is None:
            raise EngineError("a plan of calls needs a client to call")
        return CallCarrier(plan, job.client, now_ns)
    if plan.wire in (Wire.REDIS, Wire.POSTGRESQL):
        return StreamCarrier(plan, job.address, requests, now_ns)
    return HttpCarrier(plan, job.address, requests, now_ns)


def _nothing(_: Exchange) -> None:
    """Nobody wants to know."""
