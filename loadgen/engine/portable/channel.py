"""One socket of a stream protocol: what comes is dated, and what the kernel has taken is known."""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable, Iterable
from typing import cast

from loadgen.engine.contract import Address, Login
from loadgen.engine.portable.requests import Piece
from loadgen.engine.portable.tls import tls_context
from loadgen.errors import TargetError

PIECE_BYTES = 256 << 10
"""So much is handed to the kernel at a time: what it does not take is copied."""


class Channel(asyncio.Protocol):
    """`send`, `read`, and in the end `abort`.

    listens: whether anything may come. What comes when nothing was asked answers nothing, and what follows it could not
    be trusted: the socket is closed then.
    """

    def __init__(self, now_ns: Callable[[], int]) -> None:
        self.listens = True
        self._now_ns = now_ns
        self._transport: asyncio.Transport | None = None
        self._arrived: deque[tuple[bytes, int]] = deque()
        self._reading: asyncio.Future[None] | None = None
        self._outgoing: deque[Piece] = deque()
        self._on_sent: Callable[[], None] = nothing
        self._is_full = False  # the kernel takes nothing at the moment
        self._end: BaseException | None = None
        self._is_closed = asyncio.Event()

    @property
    def is_usable(self) -> bool:
        return self._transport is not None and not self._transport.is_closing()

    # --- what the conversation does

    def send(self, pieces: Iterable[Piece], on_sent: Callable[[], None]) -> None:
        """Hand everything to the kernel, in time; on_sent is called when it has taken the last byte."""
        for piece in pieces:
            whole = memoryview(piece)
            self._outgoing += (whole[at : at + PIECE_BYTES] for at in range(0, len(whole), PIECE_BYTES))
        self._on_sent = on_sent
        self._push()

    async def read(self) -> tuple[bytes, int]:
        """What came next, and when. Raises OSError where nothing will come any more."""
        if not self._arrived and self._end is None:
            self._reading = asyncio.get_running_loop().create_future()
            try:
                await self._reading
            finally:
                self._reading = None
        if self._arrived:
            return self._arrived.popleft()
        assert self._end is not None
        raise self._end

    async def begin_tls(self, context: ssl.SSLContext, name: str) -> None:
        """From here on all is encrypted. Raises OSError."""
        assert self._transport is not None
        loop = asyncio.get_running_loop()
        transport = await loop.start_tls(self._transport, self, context, server_hostname=name)
        if transport is None:
            raise ConnectionResetError("")
        self.connection_made(transport)

    def rest(self) -> None:
        """Nothing is asked any more. What was not read by now, or not taken by the kernel, would not be in step."""
        self.listens = False
        if self._arrived or self._outgoing or self._is_full:
            self.abort()

    def abort(self) -> None:
        self._on_sent = nothing
        self._outgoing.clear()
        if self._transport is not None:
            self._transport.abort()

    async def closed(self) -> None:
        """Wait until the socket is given back."""
        if self._transport is not None:
            await self._is_closed.wait()

    # --- what the loop tells

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are of no class of asyncio's
        # So low that pause and resume tell what the kernel has taken; not 0, at which TLS transports never resume.
        self._transport.set_write_buffer_limits(high=1)

    def data_received(self, data: bytes) -> None:
        if not self.listens:
            self.abort()
            return
        self._arrived.append((data, self._now_ns()))
        self._wake()

    def eof_received(self) -> bool | None:
        return None

    def connection_lost(self, reason: Exception | None) -> None:
        self._end = reason if isinstance(reason, OSError) else ConnectionResetError("")
        self._is_closed.set()
        self._wake()

    def pause_writing(self) -> None:
        self._is_full = True

    def resume_writing(self) -> None:
        self._is_full = False
        self._push()

    def _push(self) -> None:
        transport = self._transport
        while self._outgoing and not self._is_full and transport is not None and not transport.is_closing():
            transport.write(self._outgoing.popleft())
        if not self._outgoing and not self._is_full and self.is_usable:
            on_sent, self._on_sent = self._on_sent, nothing
            on_sent()

    def _wake(self) -> None:
        if self._reading is not None and not self._reading.done():
            self._reading.set_result(None)


async def open_channel(address: Address, now_ns: Callable[[], int]) -> Channel:
    """Connect, with TLS where it is wanted, and log in. Raises OSError, TargetError; leaves nothing open then."""
    channel = await _connect(address, now_ns)
    try:
        if address.tls and address.tls_request:
            await _ask_for_tls(channel, address)
        if address.login is not None:
            await _log_in(channel, address.login)
        channel.rest()
        return channel
    except BaseException:
        channel.abort()
        raise


async def _connect(address: Address, now_ns: Callable[[], int]) -> Channel:
    loop = asyncio.get_running_loop()
    at_once = address.tls and not address.tls_request
    context = tls_context(address) if at_once else None
    name = address.server_name if at_once else None

    def make() -> Channel:
        return Channel(now_ns)

    if address.family == socket.AF_UNIX:
        return (await loop.create_unix_connection(make, address.host, ssl=context, server_hostname=name))[1]
    family = socket.AddressFamily(address.family)
    opening = loop.create_connection(make, address.host, address.port, family=family, ssl=context, server_hostname=name)
    return (await opening)[1]


async def _ask_for_tls(channel: Channel, address: Address) -> None:
    """What PostgreSQL wants first: a request in the clear, answered with one byte. More of them could be forged."""
    channel.send([address.tls_request], nothing)
    answer, _ = await channel.read()
    if answer != b"S":
        raise TargetError("the server has TLS switched off" if answer == b"N" else "this port does not speak TLS")
    await channel.begin_tls(tls_context(address), address.server_name)


async def _log_in(channel: Channel, login: Login) -> None:
    conversation = login()
    try:
        to_send = next(conversation)
        while True:
            if to_send:
                channel.send([to_send], nothing)
            to_send = conversation.send((await channel.read())[0])
    except StopIteration:
        return
    finally:
        conversation.close()


def nothing() -> None:
    """Nobody wants to know."""
