"""One request of the portable engine, from its planned instant to its record."""

import asyncio
import errno
import os
import ssl
from collections.abc import Callable

import aiohttp
from aiohttp.http_exceptions import HttpProcessingError

from loadgen.engine.answers import (
    Facts,
    MalformedError,
    Reader,
    answer_outcome,
    clip_error,
    reader_for,
    redirect_error,
    status_outcome,
)
from loadgen.engine.contract import Live
from loadgen.engine.course import Due
from loadgen.engine.http_client import Encoded, HttpClient
from loadgen.engine.line_writer import Row
from loadgen.engine.tap import CARRIED, Cut, Traffic
from loadgen.plan.model import Plan
from loadgen.records import NEVER, Outcome, Stamp, TokenSource
from loadgen.units import NS_PER_MS, s_from_ns

MAX_TOKENS = 2**31 - 1
EARLY_NS = NS_PER_MS
"""So much too early may a loop's timer go off."""


class Exchange:
    """Sends one request, reads its answer and judges it. `carry` never raises but for cancellation."""

    def __init__(self, plan: Plan, due: Due, encoded: Encoded, now_ns: Callable[[], int], live: Live) -> None:
        self.due = due
        self.outcome = Outcome.CANCELLED
        self.status = 0
        self.error = b""
        self.first_token_at_ns = self.last_token_at_ns = self.done_at_ns = NEVER
        self.n_shared_stamps = 0
        self.gaps_ns: list[int] = []
        self.facts = Facts()
        self._plan = plan
        self._live = live
        self._operation_number = int(plan.pool.operation[due.payload])
        self._operation = plan.operations[self._operation_number]
        self._encoded = encoded
        self._now_ns = now_ns
        self._deadline = asyncio.timeout(None)
        self.traffic = self._new_traffic()

    def _new_traffic(self) -> Traffic:
        return Traffic(self._now_ns, self._encoded.n_bytes, self._sent)

    async def carry(self, client: HttpClient) -> None:
        """Send, read, judge. Raises only CancelledError; the outcome is then CANCELLED."""
        try:
            async with self._deadline:
                self._deadline_from(self._now_ns())
                await self._talk(client)
        except TimeoutError:
            if self.traffic.connection == NEVER:
                self._fail(Outcome.CONNECT_FAILED, "no connection within the time-out")
            else:
                self.outcome = Outcome.TIMEOUT
        except MalformedError as reason:
            self._fail(Outcome.PROTOCOL_ERROR, str(reason))
            self.traffic.drop()
        except (aiohttp.ClientError, HttpProcessingError, OSError, ValueError) as reason:
            self._fail(*self._blame(reason))
        finally:
            self.traffic.on_sent = _nothing  # a body that is still being written has no deadline any more

    def _deadline_from(self, at_ns: int) -> None:
        left_ns = at_ns + self._plan.timeout_ns - self._now_ns() + EARLY_NS
        self._deadline.reschedule(asyncio.get_running_loop().time() + s_from_ns(left_ns))

    def _sent(self) -> None:
        self._live.n_sent += 1
        self._deadline_from(self.traffic.sent_at_ns)

    async def _talk(self, client: HttpClient) -> None:
        """Over a new connection once more, where a kept one was closed by the server while the request was on its way.

        No answer is lost then. The planned instant stays. Source: RFC 9112, 9.3.1 and 9.5.
        """
        while True:
            try:
                return await self._talk_once(client)
            except (aiohttp.ClientError, OSError):
                traffic = self.traffic
                if not traffic.is_reused or traffic.n_read or traffic.cut is Cut.BY_CLIENT:
                    raise
                traffic.on_sent = _nothing
                self._live.n_sent -= traffic.sent_at_ns != NEVER
                self.traffic = self._new_traffic()

    async def _talk_once(self, client: HttpClient) -> None:
        CARRIED.set(self.traffic)
        async with client.request(self._encoded) as response:
            self.status = response.status
            self._check_head(response)
            reader = reader_for(self._plan.wire, self.status, response.headers.get("Content-Type", ""))
            self.facts = reader.facts
            while text := await response.content.readany():
                self._feed(reader, text)
        self._finish(reader)

    def _check_head(self, response: aiohttp.ClientResponse) -> None:
        """Refuse what aiohttp takes, and the native engine does not."""
        headers = response.headers
        if self.traffic.is_folded:
            raise MalformedError("header line is folded")
        if response.version is None or response.version.major != 1:
            raise MalformedError("not HTTP/1")
        if self.status < 200:
            raise MalformedError("server switched to another protocol")
        if headers.get("Content-Encoding", "identity").lower() != "identity":
            raise MalformedError("body is compressed though that was not asked for")
        if [coding.lower() for coding in headers.getall("Transfer-Encoding", ())] not in ([], ["chunked"]):
            raise MalformedError("Transfer-Encoding is not chunked")

    def _feed(self, reader: Reader, text: bytes) -> None:
        n_before = self.facts.n_events
        try:
            reader.feed(text)
        finally:
            self._date_events(n_before)  # those before a malformed one count

    def _finish(self, reader: Reader) -> None:
        n_before = self.facts.n_events
        reader.end()
        self._date_events(n_before)
        self.done_at_ns = self.traffic.last_read_at_ns
        if self.status >= 300:
            self.outcome = status_outcome(self.status, self.facts)
        else:
            self.outcome = answer_outcome(self.facts, self._operation, self._plan.fail_on_truncated)
        self.error = clip_error(self.facts.error or redirect_error(self.status))

    def _date_events(self, n_before: int) -> None:
        """Events of one read share its instant."""
        n_new = self.facts.n_events - n_before
        if n_new == 0:
            return
        self._live.n_tokens += n_new
        at_ns = self.traffic.last_read_at_ns
        if self.first_token_at_ns == NEVER:
            self.first_token_at_ns = at_ns
        else:
            self.gaps_ns.append(at_ns - self.last_token_at_ns)
        self.gaps_ns.extend([0] * (n_new - 1))
        self.last_token_at_ns = at_ns
        self.n_shared_stamps += n_new - 1

    def _blame(self, reason: Exception) -> tuple[Outcome, str]:
        """What an exception of aiohttp's means."""
        said = _words_of(reason)
        if self.traffic.connection == NEVER:
            return Outcome.CONNECT_FAILED, said
        if self.traffic.cut is Cut.BY_CLIENT or isinstance(reason, HttpProcessingError | aiohttp.ClientResponseError):
            return Outcome.PROTOCOL_ERROR, said
        if not isinstance(reason, OSError) or reason.errno in (None, errno.EPIPE):
            said = "closed in the middle of the answer" if self.traffic.n_read else "closed before an answer came"
        return Outcome.RESET, said

    def _fail(self, outcome: Outcome, said: str) -> None:
        """The answer cannot be used, but what it said before counts: after an error event a close is that error."""
        if self.facts.error is not None and self.status < 300:
            outcome, said = answer_outcome(self.facts, self._operation, False), self.facts.error
        self.outcome, self.error = outcome, clip_error(said)

    @property
    def freed_at_ns(self) -> int:
        """The instant at which the slot became free: the arrival of the last byte, or now."""
        return self._now_ns() if self.done_at_ns == NEVER else self.done_at_ns

    def _tokens(self) -> tuple[int, TokenSource]:
        if not self._operation.expects_tokens or self.traffic.connection == NEVER:
            return NEVER, TokenSource.NONE
        if self.facts.output_tokens != NEVER:
            return self.facts.output_tokens, TokenSource.USAGE
        return self.facts.n_events, TokenSource.EVENTS

    def row(self) -> Row:
        """The record, field by field as in RECORD_DTYPE, and the gaps."""
        due, traffic, facts = self.due, self.traffic, self.facts
        output_tokens, token_source = self._tokens()
        instants = (
            *(due.planned_at_ns, traffic.sent_at_ns, traffic.first_byte_at_ns),
            *(self.first_token_at_ns, self.last_token_at_ns, self.done_at_ns),
        )
        volumes = (0, self._encoded.n_bytes, traffic.n_read)  # read_lag_ns first: a read stamp has none
        server = (facts.total_ns, facts.load_ns, facts.prompt_eval_ns, facts.eval_ns)
        tokens = (min(facts.prompt_tokens, MAX_TOKENS), min(output_tokens, MAX_TOKENS))
        counts = (facts.n_events, len(self.gaps_ns), self.n_shared_stamps)
        places = (traffic.connection, due.payload, self.status)
        codes = (
            *(self.outcome, due.phase, self._operation_number),
            *(Stamp.READ, facts.finish_reason, token_source, self.error),
        )
        return Row((due.index, *instants, *volumes, *server, *counts, *tokens, *places, *codes), self.gaps_ns)


def _words_of(reason: Exception) -> str:
    """What the kernel or OpenSSL said, without what Python and aiohttp put around it."""
    inner: BaseException = reason
    if isinstance(reason, aiohttp.ClientConnectorCertificateError):
        inner = reason.certificate_error
    elif isinstance(reason, aiohttp.ClientConnectorError):
        inner = reason.os_error
    if isinstance(inner, aiohttp.ClientResponseError | HttpProcessingError):
        return inner.message.partition("\n")[0].rstrip(":")
    if isinstance(inner, ssl.SSLCertVerificationError):
        return f"certificate: {inner.verify_message}"
    if isinstance(inner, ssl.SSLError):
        return f"TLS: {inner.reason}"
    return os.strerror(inner.errno) if isinstance(inner, OSError) and inner.errno else str(reason)


def _nothing() -> None:
    pass
