"""Carries HTTP, by way of aiohttp: one request at a time on each connection, over TLS and proxies too."""

import asyncio
import errno
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError
from yarl import URL

from loadgen.engine.contract import Address
from loadgen.engine.portable.answers import Reader, reader_for
from loadgen.engine.portable.contents import Content, content_for
from loadgen.engine.portable.deadline import Deadline
from loadgen.engine.portable.exchange import Exchange, Verdict
from loadgen.engine.portable.facts import MalformedError
from loadgen.engine.portable.http_session import PIECE_BYTES, Body, open_session, origin_of, proxy_of
from loadgen.engine.portable.judging import is_success, judge_http, judge_tokens
from loadgen.engine.portable.opening import open_all
from loadgen.engine.portable.requests import Parts, Requests
from loadgen.engine.portable.tap import CARRIED, Cut, Traffic
from loadgen.engine.portable.words import NO_CONNECTION, closed, words_of
from loadgen.plan.model import Plan
from loadgen.records import NEVER, Outcome

if TYPE_CHECKING:
    from aiohttp.connector import Connection

N_URLS_KEPT = 4096


class Encoded(NamedTuple):
    """A request as the plan has it, cut into what aiohttp wants. body: after the head."""

    method: str
    url: URL
    headers: list[tuple[str, str]]
    body: Parts


class HttpCarrier:
    """The connections of a job."""

    def __init__(self, plan: Plan, address: Address, requests: Requests, now_ns: Callable[[], int]) -> None:
        self.plan, self.requests, self.now_ns = plan, requests, now_ns
        self._origin = origin_of(address)
        self._urls: dict[str, URL] = {}
        self._proxy = proxy_of(address)
        self._session = open_session(plan, address)

    async def open(self) -> None:
        """Open all connections beforehand. One that cannot be opened is tried again by the request that needs it."""
        opened: list[Connection] = []
        try:
            openings = [partial(self._open_one, opened)] * self.plan.connections
            await open_all(openings, self.plan.timeout_ns, aiohttp.ClientError, OSError)
        finally:
            for connection in opened:
                connection.release()

    async def _open_one(self, opened: "list[Connection]") -> None:
        request = aiohttp.ClientRequest(
            "GET",
            self._url("/"),
            loop=asyncio.get_running_loop(),
            session=self._session,
            proxy=URL(self._proxy) if self._proxy else None,
        )
        connector = self._session.connector
        assert connector is not None
        opened.append(await connector.connect(request, traces=[], timeout=aiohttp.ClientTimeout(total=None)))

    async def carry(self, batch: list[Exchange]) -> int:
        """Send the request, and end the exchange. Return when it ended. Raises only CancelledError."""
        await _Talk(self, batch[0]).carry()
        return batch[0].freed_at_ns

    async def close(self) -> None:
        """Close all connections, and wait until their sockets are closed."""
        await self._session.close()
        for _ in range(3):  # a socket is closed in the turns of the loop that follow its transport's closing
            await asyncio.sleep(0)

    def encode(self, exchange: Exchange) -> Encoded:
        """The pool's request with its slots filled in."""
        before, body, after = self.requests.whole(exchange)
        if b"\r\n\r\n" not in before:  # what is sent out of the pool's bodies belongs to the head
            before, body, after = b"".join((before, body, after)), body[:0], b""
        head, _, first_of_body = before.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        method, target, _ = first.split(" ")
        headers = [(name, value.strip()) for name, _, value in (line.partition(":") for line in lines)]
        return Encoded(method, self._url(target), headers, Parts(first_of_body, body, after))

    def request(self, encoded: Encoded) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        """Send it, and wait for the answer's head."""
        first, body, _ = encoded.body
        is_small = not len(body) and len(first) <= PIECE_BYTES
        return self._session.request(
            encoded.method,
            encoded.url,
            headers=encoded.headers,
            data=(first or None) if is_small else Body(encoded.body),
            allow_redirects=False,
            proxy=self._proxy,
        )

    def _url(self, target: str) -> URL:
        if target not in self._urls:
            if len(self._urls) >= N_URLS_KEPT:
                self._urls.clear()
            self._urls[target] = URL(self._origin + target, encoded=True)
        return self._urls[target]


class _Talk:
    """One request and its answer."""

    def __init__(self, carrier: HttpCarrier, exchange: Exchange) -> None:
        self._carrier, self._exchange = carrier, exchange
        self._encoded = carrier.encode(exchange)
        self._deadline = Deadline(carrier.plan.timeout_ns, carrier.now_ns)
        self._content: Content | None = None
        self._traffic = self._new_traffic()

    def _new_traffic(self) -> Traffic:
        traffic = Traffic(now_ns=self._carrier.now_ns, n_to_write=self._exchange.spec.n_bytes, on_sent=self._sent)
        self._exchange.passage = traffic
        return traffic

    async def carry(self) -> None:
        exchange = self._exchange
        try:
            async with self._deadline:
                await self._talk()
        except TimeoutError:
            is_connected = exchange.passage.connection != NEVER
            exchange.end(Verdict(Outcome.TIMEOUT) if is_connected else Verdict(Outcome.CONNECT_FAILED, NO_CONNECTION))
        except MalformedError as reason:
            self._traffic.drop()
            exchange.end(self._failed(Outcome.PROTOCOL_ERROR, str(reason)))
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as reason:
            exchange.end(self._failed(*self._blame(reason)))
        finally:
            self._traffic.on_sent = _nothing  # a body that is still being written has no deadline any more

    def _sent(self, at_ns: int) -> None:
        if self._exchange.passage.sent_at_ns == NEVER:
            self._exchange.sent(at_ns)
            self._deadline.begin(at_ns)

    async def _talk(self) -> None:
        """Over a new connection once more, where a kept one was closed by the server while the request was on its way.

        No answer is lost then. The planned instant stays. Source: RFC 9112, 9.3.1 and 9.5.
        """
        while True:
            try:
                return await self._talk_once()
            except (aiohttp.ClientError, OSError):
                traffic = self._traffic
                if not traffic.is_reused or traffic.n_read or traffic.cut is Cut.BY_CLIENT:
                    raise
                traffic.on_sent = _nothing
                self._exchange.unsent()
                self._traffic = self._new_traffic()

    async def _talk_once(self) -> None:
        exchange = self._exchange
        CARRIED.set(self._traffic)
        async with self._carrier.request(self._encoded) as response:
            exchange.status = response.status
            self._check_head(response)
            succeeds = is_success(response.status, exchange.spec.expect_status)
            self._content = content_for(exchange.spec)
            content_type = response.headers.get("Content-Type", "")
            reader = reader_for(self._carrier.plan.wire, succeeds, content_type, self._content)
            exchange.facts = reader.facts
            while text := await response.content.readany():
                self._feed(reader, text)
        self._finish(reader)

    def _check_head(self, response: aiohttp.ClientResponse) -> None:
        """Refuse what aiohttp takes, and the native engine does not."""
        headers = response.headers
        if self._traffic.is_folded:
            raise MalformedError("header line is folded")
        if response.version is None or response.version.major != 1:
            raise MalformedError("not HTTP/1")
        if response.status < 200:
            raise MalformedError("server switched to another protocol")
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise MalformedError("body is compressed though that was not asked for")
        if [coding.lower() for coding in headers.getall("Transfer-Encoding", ())] not in ([], ["chunked"]):
            raise MalformedError("Transfer-Encoding is not chunked")

    def _feed(self, reader: Reader, text: bytes) -> None:
        n_before = reader.facts.n_events
        try:
            reader.feed(text)
        finally:  # events before a malformed one count
            self._exchange.date_events(reader.facts.n_events - n_before, self._traffic.last_read_at_ns)

    def _finish(self, reader: Reader) -> None:
        """The body is whole."""
        exchange, at_ns = self._exchange, self._traffic.last_read_at_ns
        n_before = reader.facts.n_events
        reader.end()
        exchange.date_events(reader.facts.n_events - n_before, at_ns)
        exchange.done_at_ns = at_ns
        exchange.end(judge_http(exchange, self._content))

    def _blame(self, reason: Exception) -> tuple[Outcome, str]:
        """What an exception of aiohttp's means."""
        said = _words_of(reason)
        if self._traffic.connection == NEVER:
            return Outcome.CONNECT_FAILED, said
        if self._traffic.cut is Cut.BY_CLIENT or isinstance(reason, HttpProcessingError | aiohttp.ClientResponseError):
            return Outcome.PROTOCOL_ERROR, said
        if not isinstance(reason, OSError) or reason.errno in (None, errno.EPIPE):
            said = closed(self._traffic.first_byte_at_ns)
        return Outcome.RESET, said

    def _failed(self, outcome: Outcome, said: str) -> Verdict:
        """The answer cannot be used, but what it said before counts: after an error event a close is that error."""
        exchange = self._exchange
        if exchange.facts.error is not None and exchange.status < 300:
            return judge_tokens(exchange.facts, exchange.operation, fail_on_truncated=False)
        return Verdict(outcome, said)


def _words_of(reason: Exception) -> str:
    """What the kernel or OpenSSL said, without what aiohttp puts around it."""
    inner: BaseException = reason
    if isinstance(reason, aiohttp.ClientConnectorCertificateError):
        inner = reason.certificate_error
    elif isinstance(reason, aiohttp.ClientConnectorError):
        inner = reason.os_error
    if isinstance(inner, aiohttp.ClientResponseError | HttpProcessingError):
        return inner.message.partition("\n")[0].rstrip(":")
    return words_of(inner)


def _nothing(_: int) -> None:
    """Nobody wants to know."""
