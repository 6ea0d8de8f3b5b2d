"""Carries Redis and PostgreSQL: each connection logs in once, and then asks and is answered in turn."""

import asyncio
import errno
from collections import deque
from collections.abc import Callable

from loadgen.engine.contract import Address
from loadgen.engine.portable.channel import Channel, nothing, open_channel
from loadgen.engine.portable.contents import Content, content_for
from loadgen.engine.portable.deadline import Deadline
from loadgen.engine.portable.exchange import Exchange, Verdict
from loadgen.engine.portable.facts import MalformedError
from loadgen.engine.portable.judging import judge_postgresql, judge_redis
from loadgen.engine.portable.opening import open_all
from loadgen.engine.portable.postgresql import ROLLBACK, PostgresqlReader
from loadgen.engine.portable.requests import Requests
from loadgen.engine.portable.resp import RespReader
from loadgen.engine.portable.words import NO_CONNECTION, closed, words_of
from loadgen.errors import TargetError
from loadgen.plan.model import Plan, Wire
from loadgen.records import NEVER, Outcome


class _Connection:
    """One place for a socket."""

    def __init__(self, number: int, address: Address, now_ns: Callable[[], int]) -> None:
        self.number = number
        self.channel: Channel | None = None  # may be closed by now
        self._address, self._now_ns = address, now_ns

    async def open(self) -> Channel:
        """Its socket, a new one where there is none any more. Raises OSError, TargetError."""
        if self.channel is None or not self.channel.is_usable:
            self.channel = None
            self.channel = await open_channel(self._address, self._now_ns)
        return self.channel


class StreamCarrier:
    """The connections of a job."""

    def __init__(self, plan: Plan, address: Address, requests: Requests, now_ns: Callable[[], int]) -> None:
        self.plan, self.requests, self.now_ns = plan, requests, now_ns
        self._connections = [_Connection(number, address, now_ns) for number in range(plan.connections)]
        self._free = self._connections[::-1]

    async def open(self) -> None:
        """Open all connections beforehand. One that cannot be opened is tried again by the request that needs it."""
        openings = (connection.open for connection in self._connections)
        await open_all(openings, self.plan.timeout_ns, OSError, TargetError)

    async def carry(self, batch: list[Exchange]) -> int:
        """Send the requests at once, and end each when its answer has come. Return when the connection became free.

        Raises only CancelledError.
        """
        connection = self._free.pop()
        try:
            return await _Talk(self, connection, batch).carry()
        finally:
            self._free.append(connection)

    async def close(self) -> None:
        """Close all connections, and wait until their sockets are closed."""
        channels = [connection.channel for connection in self._connections if connection.channel is not None]
        for channel in channels:
            channel.abort()
        for channel in channels:
            await channel.closed()
        for _ in range(3):  # those that were never quite open: a socket is closed in the turns after its abort
            await asyncio.sleep(0)


class _Talk:
    """A batch on one connection."""

    def __init__(self, carrier: StreamCarrier, connection: _Connection, batch: list[Exchange]) -> None:
        self._carrier, self._connection, self._batch = carrier, connection, batch
        self._waiting = deque(batch)  # for the ends of their answers
        self._deadline = Deadline(carrier.plan.timeout_ns, carrier.now_ns)
        self._channel: Channel | None = None
        self._content: Content | None = None
        self._reply: RespReader | None = None  # of the first that waits
        self._free_at_ns = NEVER

    async def carry(self) -> int:
        try:
            async with self._deadline:
                self._channel = await self._open()
                if self._carrier.plan.wire is Wire.REDIS:
                    await self._talk_redis(self._channel)
                else:
                    await self._talk_postgresql(self._channel)
                self._channel.rest()
                return self._free_at_ns
        except (TimeoutError, MalformedError, TargetError, OSError) as reason:
            self._fail(self._blame(reason))
        except asyncio.CancelledError:
            self._abort()
            raise
        return self._carrier.now_ns()

    async def _open(self) -> Channel:
        channel = await self._connection.open()
        channel.listens = True
        for exchange in self._batch:
            exchange.passage.connection = self._connection.number
        self._deadline.begin(self._carrier.now_ns())
        return channel

    def _sent(self) -> None:
        at_ns = self._carrier.now_ns()
        for exchange in self._waiting:
            exchange.sent(at_ns)
        self._deadline.begin(at_ns)

    # --- Redis

    async def _talk_redis(self, channel: Channel) -> None:
        channel.send((piece for one in self._batch for piece in self._carrier.requests.whole(one)), self._sent)
        while self._waiting:
            text, at_ns = await channel.read()
            rest = memoryview(text)
            while rest and self._waiting:
                rest = rest[self._take_reply(self._waiting[0], rest, at_ns) :]
            if rest:  # bytes that answer nothing: what follows them could not be trusted
                channel.abort()

    def _take_reply(self, exchange: Exchange, text: memoryview, at_ns: int) -> int:
        """Bytes of one reply; return how many of them are."""
        if self._reply is None:
            self._content = content_for(exchange.spec)
            self._reply = RespReader(self._content or Content())
        exchange.sent(at_ns)  # of a large batch the first answers may come before all of it is sent
        n_used = self._reply.feed(text)
        exchange.passage.came(n_used, at_ns)
        if self._reply.is_done:
            self._end(exchange, judge_redis(exchange, self._reply, self._content), at_ns)
            self._reply = None
        return n_used

    # --- PostgreSQL

    async def _talk_postgresql(self, channel: Channel) -> None:
        """Step by step. After an error what is left is not sent, and a transaction that it left open is ended."""
        exchange = self._batch[0]
        content = content_for(exchange.spec)
        answer = PostgresqlReader(content or Content())
        at_ns = NEVER
        for step in self._carrier.requests.steps(exchange):
            channel.send(step, self._sent if at_ns == NEVER else nothing)
            at_ns = await self._until_ready(channel, answer, exchange)
            if answer.has_error:
                break
        if answer.is_fatal:
            return self._fail(judge_postgresql(exchange, answer, content))
        self._end(exchange, judge_postgresql(exchange, answer, content), at_ns)
        if answer.has_error and answer.transaction != "I":
            await self._roll_back(channel)
        elif answer.rest:
            channel.abort()

    async def _until_ready(self, channel: Channel, answer: PostgresqlReader, exchange: Exchange) -> int:
        """Read up to ReadyForQuery, or to the server's last word; return when that came."""
        answer.next_step()
        while True:
            text, at_ns = await channel.read()
            exchange.passage.came(len(text), at_ns)
            answer.feed(text)
            if answer.is_ready or answer.is_fatal:
                return at_ns

    async def _roll_back(self, channel: Channel) -> None:
        answer = PostgresqlReader()
        channel.send([ROLLBACK], nothing)
        while not answer.is_ready and not answer.is_fatal:
            text, self._free_at_ns = await channel.read()
            answer.feed(text)
        if answer.has_error:
            channel.abort()

    # --- the end

    def _end(self, exchange: Exchange, verdict: Verdict, at_ns: int) -> None:
        """The answer is whole."""
        exchange.done_at_ns = self._free_at_ns = at_ns
        exchange.end(verdict)
        self._waiting.popleft()

    def _fail(self, verdict: Verdict) -> None:
        """The connection is of no more use, and all that wait fail alike."""
        self._abort()
        for exchange in self._waiting:
            exchange.end(verdict)
        self._free_at_ns = self._carrier.now_ns()

    def _abort(self) -> None:
        if self._channel is not None:
            self._channel.abort()

    def _blame(self, reason: Exception) -> Verdict:
        if isinstance(reason, MalformedError):
            return Verdict(Outcome.PROTOCOL_ERROR, str(reason))
        if self._channel is None:
            said = NO_CONNECTION if isinstance(reason, TimeoutError) else words_of(reason)
            return Verdict(Outcome.CONNECT_FAILED, said or "closed before the login was over")
        if isinstance(reason, TimeoutError):
            return Verdict(Outcome.TIMEOUT)
        if isinstance(reason, OSError) and reason.errno not in (None, errno.EPIPE):
            return Verdict(Outcome.RESET, words_of(reason))
        first_byte_at_ns = self._waiting[0].passage.first_byte_at_ns if self._waiting else NEVER
        return Verdict(Outcome.RESET, closed(first_byte_at_ns))
