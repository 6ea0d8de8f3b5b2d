"""Carries calls: a user's own asynchronous client, one object a connection.

    class Client:
        async def open(self): ...                               # may be left out
        async def request(self, operation, index, values): ...  # one request
        async def close(self): ...                              # may be left out

index is the request's, as its record has it; values are what was drawn for it, () where nothing was. `request` returns
None, what it received (bytes, str) or how many bytes that were (int), or gives its content piece by piece (an
asynchronous iterator: each item is a content event, and counts with its size). It raises where it failed.
"""

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from typing import Any

from loadgen.engine.portable.deadline import Deadline
from loadgen.engine.portable.exchange import Exchange, Verdict
from loadgen.engine.portable.judging import judge_tokens
from loadgen.engine.portable.opening import open_all
from loadgen.engine.portable.words import NO_CONNECTION, words_of
from loadgen.plan.model import Plan
from loadgen.records import NEVER, Checked, Outcome

CLOSE_WITHIN_S = 5.0


class _Caller:
    """One connection of a user's: a client that is open, or none. An error of its is told apart from ours."""

    def __init__(self, number: int, make_client: Callable[[], Any]) -> None:
        self.number = number
        self.client: Any = None
        self._make_client = make_client

    async def open(self) -> None:
        if self.client is not None:
            return
        self.client = self._make_client()
        if hasattr(self.client, "open"):
            try:
                await self.client.open()
            except BaseException:
                await self.close()
                raise

    async def close(self) -> None:
        """Whatever it says to that."""
        client, self.client = self.client, None
        if hasattr(client, "close"):
            with suppress(Exception):
                async with asyncio.timeout(CLOSE_WITHIN_S):
                    await client.close()


class CallCarrier:
    """The clients of a job."""

    def __init__(self, plan: Plan, make_client: Callable[[], Any], now_ns: Callable[[], int]) -> None:
        self._plan, self._now_ns = plan, now_ns
        self._callers = [_Caller(number, make_client) for number in range(plan.connections)]
        self._free = self._callers[::-1]

    async def open(self) -> None:
        """Open all clients beforehand. One that cannot be opened is tried again by the request that needs it."""
        await open_all((caller.open for caller in self._callers), self._plan.timeout_ns, Exception)

    async def carry(self, batch: list[Exchange]) -> int:
        """Make the call, and end the exchange. Return when the client became free. Raises only CancelledError."""
        caller = self._free.pop()
        exchange = batch[0]
        deadline = Deadline(self._plan.timeout_ns, self._now_ns)
        try:
            async with deadline:
                await caller.open()
                await self._call(exchange, caller, deadline)
        except asyncio.CancelledError:
            await caller.close()
            raise
        except Exception as reason:
            _take_notes(exchange, caller.client, reason)
            exchange.end(_blame(exchange, reason))
            if isinstance(reason, OSError):  # a time-out is one too: what the client still has under way is unknown
                await caller.close()
        finally:
            self._free.append(caller)
        return exchange.freed_at_ns

    async def _call(self, exchange: Exchange, caller: _Caller, deadline: Deadline) -> None:
        exchange.passage.connection = caller.number
        exchange.sent(self._now_ns())
        deadline.begin(exchange.passage.sent_at_ns)
        answer = caller.client.request(exchange.operation.name, exchange.index, exchange.due.values)
        if inspect.isawaitable(answer):
            answer = await answer
        if hasattr(answer, "__aiter__"):
            await self._listen(exchange, answer)
        else:
            exchange.passage.came(_size_of(answer), self._now_ns())
            if exchange.operation.expects_tokens and isinstance(answer, str | bytes) and answer:
                self._take_event(exchange)
        exchange.done_at_ns = self._now_ns()
        _take_notes(exchange, caller.client, None)
        exchange.end(judge_tokens(exchange.facts, exchange.operation, self._plan.fail_on_truncated))

    async def _listen(self, exchange: Exchange, items: AsyncIterator[Any]) -> None:
        try:
            async for item in items:
                exchange.passage.came(_size_of(item), self._now_ns())
                self._take_event(exchange)
        finally:
            if inspect.isasyncgen(items):
                await items.aclose()

    def _take_event(self, exchange: Exchange) -> None:
        exchange.facts.n_events += 1
        exchange.date_events(1, exchange.passage.last_read_at_ns)

    async def close(self) -> None:
        await asyncio.gather(*(caller.close() for caller in self._callers))


def _size_of(answer: Any) -> int:
    if isinstance(answer, str):
        return len(answer.encode(errors="replace"))
    if isinstance(answer, bytes | bytearray | memoryview):
        return len(answer)
    return max(answer, 0) if isinstance(answer, int) else 0


def _blame(exchange: Exchange, reason: Exception) -> Verdict:
    code = type(reason).__name__
    if exchange.passage.connection == NEVER:
        said = NO_CONNECTION if isinstance(reason, TimeoutError) else words_of(reason)
        return Verdict(Outcome.CONNECT_FAILED, said, code)
    if isinstance(reason, TimeoutError):
        return Verdict(Outcome.TIMEOUT, str(reason), code)
    if isinstance(reason, ConnectionRefusedError):
        return Verdict(Outcome.CONNECT_FAILED, words_of(reason), code)
    if isinstance(reason, ConnectionError):
        return Verdict(Outcome.RESET, words_of(reason), code)
    outcome = getattr(reason, "outcome", None)
    return Verdict(outcome if isinstance(outcome, Outcome) else Outcome.SERVER_ERROR, str(reason), code)


def _take_notes(exchange: Exchange, client: Any, reason: Exception | None) -> None:
    """What a client knows of its latest call and says of its own accord, as docs/services/python.md lists it."""
    exchange.n_sent_bytes = int(getattr(client, "n_sent_bytes", 0))
    exchange.n_items = int(getattr(client, "n_items", NEVER))
    exchange.checked = Checked.YES if getattr(client, "checked", False) else Checked.NO
    exchange.status = int(getattr(reason, "status", 0))
