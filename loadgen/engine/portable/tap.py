"""Taps on aiohttp's connections: they count and date what passes, and change nothing of it."""

import asyncio
import re
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from dataclasses import dataclass
from enum import Enum
from functools import partial
from itertools import count
from typing import TYPE_CHECKING, Any

import aiohttp

from loadgen.engine.portable.exchange import Passage
from loadgen.records import NEVER

if TYPE_CHECKING:
    from aiohttp.client_proto import ResponseHandler
    from aiohttp.connector import Connection
    from aiohttp.tracing import Trace

_HEAD_END = re.compile(rb"\n\r?\n")
_FOLD = re.compile(rb"\n[ \t]")


class Cut(Enum):
    """Who ended the connection while it carried a request."""

    BY_NOBODY = 0
    BY_SERVER = 1
    BY_CLIENT = 2  # the parser could make no sense of what came


@dataclass(slots=True, eq=False, kw_only=True)
class Traffic(Passage):
    """What one request saw of the connection that carried it. Instants are those of now_ns."""

    now_ns: Callable[[], int]
    n_to_write: int
    on_sent: Callable[[int], None]
    tap: "Tap | None" = None  # that of the connection
    is_reused: bool = False  # the connection has carried another request before
    n_written: int = 0
    cut: Cut = Cut.BY_NOBODY
    head: bytes | None = b""  # of the answer, as far as it has come; None: it has come
    is_folded: bool = False  # a header line goes on in the next: aiohttp takes that, RFC 9112 5.2 lets nobody send it

    def written(self) -> None:
        """The kernel has everything that was written so far."""
        if self.n_written >= self.n_to_write:
            self.on_sent(self.now_ns())

    def read(self, text: bytes) -> None:
        self.came(len(text), self.now_ns())
        if self.head is not None:
            self._read_head(self.head + text)

    def drop(self) -> None:
        """Close the connection, unless another request has it by now."""
        if self.tap is not None:
            self.tap.close_for(self)

    def _read_head(self, head: bytes) -> None:
        end = _HEAD_END.search(head)
        self.is_folded = _FOLD.search(head, 0, end.end() if end else len(head)) is not None
        self.head = None if end or self.is_folded else head


CARRIED: ContextVar[Traffic | None] = ContextVar("CARRIED", default=None)
"""The request that the running task sends: aiohttp's connect() is called in that task and knows nothing of it."""


class Tap(asyncio.Protocol):
    """Sits between a transport and aiohttp's protocol for it."""

    def __init__(self, inner: "ResponseHandler", transport: asyncio.Transport, number: int) -> None:
        self.number = number
        self.traffic: Traffic | None = None
        self._n_carried = 0
        self._inner = inner
        self._transport = transport
        self._is_full = False  # the kernel takes nothing at the moment
        # So low that pause and resume tell what the kernel has taken; not 0, at which TLS transports never resume.
        transport.set_write_buffer_limits(high=1)
        transport.set_protocol(self)
        inner.connection_made(TapTransport(self, transport))

    def carry(self, traffic: Traffic) -> None:
        self.traffic = traffic
        traffic.connection, traffic.tap = self.number, self
        traffic.is_reused = self._n_carried > 0
        self._n_carried += 1

    def leave(self, traffic: Traffic) -> None:
        if self.traffic is traffic:
            self.traffic = None

    def close_for(self, traffic: Traffic) -> None:
        if self.traffic in (None, traffic):
            self._transport.close()

    def wrote(self, n_bytes: int) -> None:
        if self.traffic is not None:
            self.traffic.n_written += n_bytes
            if not self._is_full and not self._transport.is_closing():
                self.traffic.written()

    def closing(self) -> None:
        if self.traffic is not None and self.traffic.cut is Cut.BY_NOBODY:
            self.traffic.cut = Cut.BY_CLIENT

    def connection_lost(self, exc: Exception | None) -> None:
        if self.traffic is not None and self.traffic.cut is Cut.BY_NOBODY:
            self.traffic.cut = Cut.BY_SERVER
        self._inner.connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self.traffic is None:
            self._transport.close()  # bytes that answer nothing: what follows them could not be trusted
            return
        self.traffic.read(data)
        self._inner.data_received(data)
        if self.traffic is None and self._inner.should_close:
            self._transport.close()  # the answer is whole, and something followed it

    def eof_received(self) -> bool | None:
        self._inner.eof_received()
        return None

    def pause_writing(self) -> None:
        self._is_full = True
        self._inner.pause_writing()

    def resume_writing(self) -> None:
        self._is_full = False
        if self.traffic is not None:
            self.traffic.written()
        self._inner.resume_writing()


class TapTransport(asyncio.Transport):
    """What aiohttp writes to: the transport itself, but for a word to the tap."""

    def __init__(self, tap: Tap, inner: asyncio.Transport) -> None:
        super().__init__()
        self.tap = tap
        self._inner = inner

    def write(self, data: Any) -> None:
        self._inner.write(data)
        self.tap.wrote(len(data))

    def writelines(self, list_of_data: Iterable[Any]) -> None:
        self.write(b"".join(list_of_data))

    def close(self) -> None:
        self.tap.closing()
        self._inner.close()

    def abort(self) -> None:
        self.tap.closing()
        self._inner.abort()

    def is_closing(self) -> bool:
        return self._inner.is_closing()

    def is_reading(self) -> bool:
        return self._inner.is_reading()

    def pause_reading(self) -> None:
        self._inner.pause_reading()

    def resume_reading(self) -> None:
        self._inner.resume_reading()

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return self._inner.get_extra_info(name, default)

    def get_write_buffer_size(self) -> int:
        return self._inner.get_write_buffer_size()


class _Tapping(aiohttp.BaseConnector):
    """Opens connections with a tap on each, numbered from 0, and ties each to the request that it carries."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._numbers: count[int] = count()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: "list[Trace]", timeout: aiohttp.ClientTimeout
    ) -> "Connection":
        traffic = CARRIED.get()
        if traffic is not None and traffic.connection != NEVER:
            # aiohttp sends a GET again where the kept connection was closed under it. HttpTalk does, for any method
            raise aiohttp.ServerDisconnectedError
        connection = await super().connect(req, traces, timeout)
        tap = self._tap(connection)
        if traffic is not None:
            tap.carry(traffic)
            connection.add_callback(partial(tap.leave, traffic))
        return connection

    def _tap(self, connection: "Connection") -> Tap:
        transport, protocol = connection.transport, connection.protocol
        if transport is None or protocol is None:
            raise aiohttp.ServerDisconnectedError
        if isinstance(transport, TapTransport):
            return transport.tap
        return Tap(protocol, transport, next(self._numbers))


class TappedConnector(_Tapping, aiohttp.TCPConnector):
    """To a host."""


class TappedUnixConnector(_Tapping, aiohttp.UnixConnector):
    """To a socket of this host's."""
