"""A connection of loadgen's own, beside the load: blocking, for a thread of its own."""

import html
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException, HTTPResponse
from types import TracebackType

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.targets.conversation import converse
from loadgen.targets.s3.endpoint import NOTHING, Endpoint
from loadgen.targets.s3.sigv4 import EMPTY_SHA256, UNSIGNED_PAYLOAD

TIMEOUT_S = 60.0

_ELEMENT = rb"<%b>([^<]*)</%b>"


@dataclass(frozen=True)
class Reply:
    """What the store said."""

    status: int
    body: bytes = field(repr=False)
    server: str | None = None

    @property
    def is_success(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """S3's own word for what is wrong; "" where there is none."""
        return self.element("Code")

    @property
    def reason(self) -> str:
        """Code and message, in one line."""
        said = ": ".join(filter(None, (self.code, self.element("Message"))))
        return said or f"status {self.status}"

    def element(self, name: str) -> str:
        return next(self.elements(name), "")

    def elements(self, name: str) -> Iterator[str]:
        """The texts of all elements of a name that hold nothing but text."""
        for text in re.findall(_ELEMENT % (name.encode(), name.encode()), self.body):
            yield html.unescape(text.decode("utf-8", "replace")).strip()


class Session:
    """Asks one thing after the other. Raises TargetError with one line where the store cannot be reached or read."""

    def __init__(self, endpoint: Endpoint, address: Address, timeout_s: float = TIMEOUT_S) -> None:
        self._endpoint, self._address, self._timeout_s = endpoint, address, timeout_s
        self._connection: HTTPConnection | None = None

    def __enter__(self) -> "Session":
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.close()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        self._connection = None

    def ask(
        self,
        method: str,
        key: str = "",
        parameters: Mapping[str, str] = NOTHING,
        body: bytes = b"",
        headers: Mapping[str, str] = NOTHING,
        payload_hash: str = "",
    ) -> Reply:
        """The whole answer. key: "": the bucket. payload_hash: "": bodies are not hashed."""
        with self.answer(method, key, parameters, body, headers, payload_hash) as response:
            return Reply(response.status, response.read(), response.getheader("Server"))

    def demand(self, method: str, key: str = "", parameters: Mapping[str, str] = NOTHING, body: bytes = b"") -> Reply:
        """The same, where a refusal is the end. Raises TargetError."""
        reply = self.ask(method, key, parameters, body)
        if not reply.is_success:
            raise TargetError(f"{self.name}: {method} {self._endpoint.path(key)} is refused: {reply.reason}")
        return reply

    @property
    def name(self) -> str:
        """The store as messages call it."""
        return self._endpoint.url.public

    @contextmanager
    def answer(
        self,
        method: str,
        key: str,
        parameters: Mapping[str, str] = NOTHING,
        body: bytes = b"",
        headers: Mapping[str, str] = NOTHING,
        payload_hash: str = "",
    ) -> Iterator[HTTPResponse]:
        """The answer's head; its body is read inside, all of it. A kept connection that was closed is opened again."""
        payload_hash = payload_hash or (UNSIGNED_PAYLOAD if body else EMPTY_SHA256)
        head = self._endpoint.head(self._endpoint.signer(), method, key, parameters, payload_hash)
        is_kept = self._connection is not None
        try:
            try:
                response = self._sent(head.method, head.target, {**head.headers, **headers}, body)
            except (HTTPException, ConnectionError):
                self.close()
                if not is_kept:
                    raise
                response = self._sent(head.method, head.target, {**head.headers, **headers}, body)
            yield response
        except TimeoutError:
            self.close()
            raise TargetError(f"{self.name}: no whole answer to {method} within {self._timeout_s:g} s") from None
        except (HTTPException, OSError) as error:
            self.close()
            said = str(error) or type(error).__name__
            raise TargetError(f"{self.name}: {method} was not answered ({said})") from None

    def _sent(self, method: str, target: str, headers: Mapping[str, str], body: bytes) -> HTTPResponse:
        if self._connection is None:
            self._connection = HTTPConnection(self._address.host, self._address.port)
            self._connection.sock = converse(self._address, timeout_s=self._timeout_s)
        connection = self._connection
        connection.putrequest(method, target, skip_host=True, skip_accept_encoding=True)
        for name, value in headers.items():
            connection.putheader(name, value)
        if body or method in ("PUT", "POST"):
            connection.putheader("Content-Length", str(len(body)))
        connection.endheaders(body or None)
        response = connection.getresponse()
        if response.will_close:
            self._connection = None
        return response
