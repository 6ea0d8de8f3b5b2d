"""The portable engine: aiohttp in one event loop. Slower than the native one; runs anywhere, carries TLS and proxies.

Same plan, same records and outcomes, same window as the native engine: every behaviour test runs on both.
"""

import asyncio
import time
from collections import deque

from loadgen.engine.contract import Address, Ending, Live, Sink, Why
from loadgen.engine.course import Course, Due
from loadgen.engine.exchange import Exchange
from loadgen.engine.http_client import HttpClient
from loadgen.engine.limits import raise_descriptor_limit
from loadgen.engine.line_writer import LineWriter, Row
from loadgen.plan.model import Plan
from loadgen.records import Outcome, Phase
from loadgen.units import NS_PER_MS, s_from_ns

TICK_NS = 50 * NS_PER_MS
FIRST_BACKOFF_NS = 10 * NS_PER_MS
LAST_BACKOFF_NS = 1000 * NS_PER_MS
BATCH_ROWS = 1024
ARRIVALS_AT_ONCE = 16
"""After so many overdue arrivals the loop gets a turn, so that the requests they started are sent."""


async def fire(plan: Plan, address: Address, sink: Sink, live: Live) -> Ending:
    """Carry the plan's load and return when the last answer is on the disk.

    Raises EngineError where this host lacks descriptors; a failed request is a record, never an exception. Cancelling
    the task ends the run at once: what is in flight gets its records.
    """
    raise_descriptor_limit(plan.connections)
    client = HttpClient(plan, address, sink.run_tag)
    try:
        await _open(client, live)
        writer = LineWriter(sink, plan.operations)
        run = _Run(plan, client, sink, live, writer)
        try:
            await run.carry()
        finally:
            run.flush()
            await asyncio.to_thread(writer.close)
        if writer.bug is not None:
            raise writer.bug
        return run.ending()
    finally:
        await client.close()


async def _open(client: HttpClient, live: Live) -> None:
    """Open the connections beforehand, but no longer than the caller wants the run."""
    opening = asyncio.create_task(client.open())
    try:
        while not (await asyncio.wait({opening}, timeout=s_from_ns(TICK_NS)))[0] and not live.stop_asked:
            pass
    finally:
        await _end(opening)


class _Run:
    """One run: what is planned, in flight and waiting, and the counters."""

    def __init__(self, plan: Plan, client: HttpClient, sink: Sink, live: Live, writer: LineWriter) -> None:
        self.plan, self.client, self.sink, self.live, self.writer = plan, client, sink, live, writer
        self.course = Course(plan)
        self.waiting: deque[Due] = deque()
        self.n_carriers = 0  # open loop: connections in use
        self.rows: list[Row] = []
        self.why = Why.DONE
        self.n_ended = 0
        self.last_answer_ns = 0
        self.first_failure_ns: int | None = None  # since the last success
        self.busy = _Busy()
        self.started_at_unix_ns = time.time_ns()
        self.cpu_from_s = time.process_time()
        self.origin_ns = time.monotonic_ns()
        self.sink.window_from_ns = self.course.window_from_ns

    def now_ns(self) -> int:
        return time.monotonic_ns() - self.origin_ns

    async def carry(self) -> None:
        """Send everything, and end early where that is asked for, pointless or impossible."""
        work = asyncio.create_task(self._open_loop() if self.plan.open_loop else self._closed_loop())
        try:
            while not (await asyncio.wait({work}, timeout=s_from_ns(self._to_next_look_ns())))[0]:
                self._look()
                if self._is_cut_short():
                    break
        finally:
            await _end(work)
            while self.waiting:
                self._drop_waiting(Outcome.CANCELLED)
            self._look()

    # --- closed loop

    async def _closed_loop(self) -> None:
        async with asyncio.TaskGroup() as slots:
            for _ in range(self.plan.connections):
                slots.create_task(self._slot())

    async def _slot(self) -> None:
        """One client: sends its next request when its last answer has come."""
        free_at_ns = backoff_ns = 0
        while (due := self._next_due(free_at_ns)) is not None:
            await self._until(due.planned_at_ns)
            exchange = await self._send(due)
            free_at_ns = exchange.freed_at_ns
            if exchange.outcome is Outcome.CONNECT_FAILED:
                backoff_ns = min(max(2 * backoff_ns, FIRST_BACKOFF_NS), LAST_BACKOFF_NS)
                free_at_ns += backoff_ns
            else:
                backoff_ns = 0

    # --- open loop

    async def _open_loop(self) -> None:
        async with asyncio.TaskGroup() as group:
            n_overdue = 0
            while (due := self._next_due(0)) is not None:
                n_overdue = n_overdue + 1 if due.planned_at_ns <= self.now_ns() else 0
                if n_overdue % ARRIVALS_AT_ONCE == ARRIVALS_AT_ONCE - 1:
                    await asyncio.sleep(0)
                await self._until(due.planned_at_ns)
                self._arrive(due, group)

    def _arrive(self, due: Due, group: asyncio.TaskGroup) -> None:
        """A request is due: it takes a free connection, or waits for one."""
        if self.n_carriers < self.plan.connections:
            self.n_carriers += 1
            group.create_task(self._carry_from(due))
            return
        self.waiting.append(due)
        if len(self.waiting) == 1:
            self._watch_waiting()

    async def _carry_from(self, due: Due | None) -> None:
        """Send a request, and then what waits, until nothing does."""
        while due is not None:
            await self._send(due)
            self._drop_expired()
            due = self.waiting.popleft() if self.waiting else None
        self.n_carriers -= 1

    def _watch_waiting(self) -> None:
        """Look again when the first of those that wait has waited too long."""
        left_ns = self.waiting[0].planned_at_ns + self.plan.timeout_ns - self.now_ns()
        asyncio.get_running_loop().call_later(s_from_ns(max(left_ns, NS_PER_MS)), self._drop_and_watch)

    def _drop_and_watch(self) -> None:
        self._drop_expired()
        if self.waiting:
            self._watch_waiting()

    def _drop_expired(self) -> None:
        while self.waiting and self.waiting[0].planned_at_ns + self.plan.timeout_ns <= self.now_ns():
            self._drop_waiting(Outcome.TIMEOUT)

    def _drop_waiting(self, outcome: Outcome) -> None:
        exchange = self._exchange(self.waiting.popleft())
        exchange.outcome = outcome
        self._keep(exchange)

    # --- one request

    def _next_due(self, from_ns: int) -> Due | None:
        due = self.course.next_due(from_ns)
        if self.sink.window_from_ns is None:
            self.sink.window_from_ns = self.course.window_from_ns
        return due

    async def _until(self, at_ns: int) -> None:
        """Wait, never less: a timer may go off a little early."""
        while (left_ns := at_ns - self.now_ns()) > 0:
            await asyncio.sleep(s_from_ns(left_ns))

    def _exchange(self, due: Due) -> Exchange:
        return Exchange(self.plan, due, self.client.encode(due.payload, due.index), self.now_ns, self.live)

    async def _send(self, due: Due) -> Exchange:
        exchange = self._exchange(due)
        self.live.n_in_flight += 1
        try:
            await exchange.carry(self.client)
        finally:
            self.live.n_in_flight -= 1
            self._keep(exchange)
        return exchange

    def _keep(self, exchange: Exchange) -> None:
        """The request has ended: keep its record, and count it."""
        self.rows.append(exchange.row())
        if len(self.rows) >= BATCH_ROWS:
            self.flush()
        ended_at_ns = exchange.freed_at_ns
        self.n_ended += 1
        self.live.n_finished += 1
        if exchange.due.phase is Phase.MEASURE:
            self.last_answer_ns = max(self.last_answer_ns, ended_at_ns)
        if exchange.outcome is Outcome.OK:
            self.live.n_succeeded += 1
            self.first_failure_ns = None
        elif exchange.outcome is not Outcome.CANCELLED:
            self.live.n_failed += 1
            if self.first_failure_ns is None:
                self.first_failure_ns = ended_at_ns

    def flush(self) -> None:
        """Hand the finished requests to the writer."""
        if self.rows:
            self.writer.put(self.rows)
            self.rows = []

    # --- the run

    @property
    def _cutoff_ns(self) -> int | None:
        """When the drain is over."""
        end_ns = self.course.window_end_ns
        return None if end_ns is None else end_ns + self.plan.drain_ns

    def _to_next_look_ns(self) -> int:
        if self._cutoff_ns is None:
            return TICK_NS
        return min(max(self._cutoff_ns - self.now_ns(), 0), TICK_NS)

    def _look(self) -> None:
        """Bring the counters up to date and the records to the disk."""
        self.live.elapsed_ns = self.now_ns()
        self.live.n_waiting = len(self.waiting)
        self.busy.look(self.now_ns(), self.course)
        self.flush()

    def _is_cut_short(self) -> bool:
        now_ns = self.now_ns()
        if self.writer.disk_error is not None:
            self.why = Why.DISK_FULL
        elif self.live.stop_asked or self.writer.bug is not None:
            self.why = Why.STOPPED
        elif self.first_failure_ns is not None and now_ns - self.first_failure_ns >= self.plan.give_up_ns:
            self.why = Why.GAVE_UP
        else:
            return self._cutoff_ns is not None and now_ns >= self._cutoff_ns
        return True

    def ending(self) -> Ending:
        """What is known of the run after its last record is written."""
        if self.writer.disk_error is not None:
            self.why = Why.DISK_FULL
        from_ns, to_ns = self._window()
        return Ending(
            why=self.why,
            started_at_unix_ns=self.started_at_unix_ns,
            window_from_ns=from_ns,
            window_to_ns=to_ns,
            n_planned=self.n_ended,
            n_sent=self.live.n_sent,
            busy_ratio=self.busy.ratio,
            cpu_s=time.process_time() - self.cpu_from_s,
            stamp="read",
            n_lost_records=self.writer.n_lost,
            notes=self._notes(),
            error=self.writer.disk_error,
        )

    def _window(self) -> tuple[int, int]:
        """The window as it was: cut short where the run was, and by count ended by the last answer."""
        now_ns = self.now_ns()
        from_ns, end_ns = self.course.window_from_ns, self.course.window_end_ns
        if from_ns is None:
            return now_ns, now_ns
        to_ns = now_ns
        if self.why is Why.DONE and (self.course.is_counted_out or end_ns is None):
            to_ns = self.last_answer_ns
        elif self.why is Why.DONE and end_ns is not None:
            to_ns = end_ns
        return from_ns, max(from_ns, to_ns if end_ns is None else min(to_ns, end_ns))

    def _notes(self) -> list[str]:
        notes = []
        if self.plan.threads > 1:
            notes.append(f"the portable engine runs in one thread, not in {self.plan.threads}")
        if self.writer.n_lost:
            notes.append(f"{self.writer.n_lost} records are not in requests.jsonl: the disk could not keep up")
        return notes


class _Busy:
    """The share of the window in which the loop's thread had the CPU."""

    def __init__(self) -> None:
        self.from_ns: int | None = None
        self.to_ns = 0
        self.cpu_from_ns = self.cpu_to_ns = 0

    def look(self, now_ns: int, course: Course) -> None:
        if self.from_ns is None:
            if course.window_from_ns is not None and now_ns >= course.window_from_ns:
                self.from_ns, self.cpu_from_ns = now_ns, time.thread_time_ns()
        elif course.window_end_ns is None or self.to_ns < course.window_end_ns:
            self.to_ns, self.cpu_to_ns = now_ns, time.thread_time_ns()

    @property
    def ratio(self) -> float:
        if self.from_ns is None or self.to_ns <= self.from_ns:
            return 0.0
        return min((self.cpu_to_ns - self.cpu_from_ns) / (self.to_ns - self.from_ns), 1.0)


async def _end(work: "asyncio.Task[None]") -> None:
    """Cancel what is still going on, and wait for its records. Raises what went wrong in it, if anything did."""
    work.cancel()
    await asyncio.wait({work})
    if not work.cancelled():
        work.result()
