"""A connection for what is done before and after the load: blocking, for a thread of its own."""

import contextlib
import socket
import threading
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import NamedTuple

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.targets.conversation import converse, name_of, other_server, talk
from loadgen.targets.postgresql.login import BackendKey, Credentials
from loadgen.targets.postgresql.messages import (
    Inbox,
    ServerError,
    Talk,
    cancellation,
    columns_of,
    error_of,
    joined,
    message,
    query,
    receive,
)

_IS_SILENT = "no whole answer"
"""How a conversation ends that waits in vain."""

PATIENCE_S = 3600.0
"""Of one statement: an index over many rows takes its time."""

Row = list[str | None]


class Refusal(TargetError):
    """The server said no. code: the SQLSTATE."""

    def __init__(self, text: str, code: str) -> None:
        super().__init__(text)
        self.code = code


class Answered(NamedTuple):
    """What a query was answered with; with several statements in one: the rows of all."""

    rows: list[Row]
    tag: str
    error: ServerError | None


@dataclass
class Session:
    """One logged-in connection. cancel() may be called from any thread; everything else from one at a time."""

    address: Address
    credentials: Credentials
    _connection: socket.socket | None = None
    _key: BackendKey | None = None
    _is_cancelled: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> "Session":
        self.open()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def open(self) -> None:
        """Raises TargetError."""

        def login() -> Talk[None]:
            self._key = yield from self.credentials.logged_in()

        try:
            self._connection = converse(self.address, login)
        except TargetError as error:
            if _IS_SILENT in str(error) and _speaks_http(self.address):
                raise TargetError(f"{name_of(self.address)}: this is no PostgreSQL server: it speaks HTTP") from None
            raise

    def close(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):
                self._connection.sendall(message(b"X", b""))
            self._connection.close()
            self._connection = None

    def cancel(self) -> None:
        """End what is being done, here and on the server: the thread that waits for it gets a TargetError."""
        self._is_cancelled.set()
        if self._key is not None:
            with contextlib.suppress(TargetError, OSError), converse(self.address, _no_login) as aside:
                aside.sendall(cancellation(*self._key))

    def ask(self, sql: str, timeout_s: float = PATIENCE_S) -> list[Row]:
        """The rows. Raises Refusal, and TargetError where the connection breaks."""
        return self._accept(self._talk(_answer(joined(query([sql.encode()]))), timeout_s)).rows

    def ask_one(self, sql: str, timeout_s: float = PATIENCE_S) -> str | None:
        """The first column of the first row; None where it is NULL or there is none."""
        rows = self.ask(sql, timeout_s)
        return rows[0][0] if rows else None

    def copy_in(self, sql: str, chunks: Iterable[bytes]) -> None:
        """COPY … FROM STDIN: lines of text format, in any pieces. Raises Refusal and TargetError."""
        self._accept(self._talk(_answer(joined(query([sql.encode()])), b"G"), PATIENCE_S))
        try:
            for chunk in chunks:
                self._send(message(b"d", chunk))
        except BaseException:
            self.close()
            raise
        self._accept(self._talk(_answer(message(b"c", b"")), PATIENCE_S))

    def _send(self, data: bytes) -> None:
        if self._is_cancelled.is_set() or self._connection is None:
            raise TargetError(f"{name_of(self.address)}: stopped")
        try:
            self._connection.settimeout(PATIENCE_S)
            self._connection.sendall(data)
        except OSError as error:
            raise TargetError(f"{name_of(self.address)}: {error.strerror or error}") from None

    def _talk(self, conversation: Talk[Answered], timeout_s: float) -> Answered:
        if self._is_cancelled.is_set() or self._connection is None:
            raise TargetError(f"{name_of(self.address)}: stopped")
        return talk(self._connection, conversation, name_of(self.address), timeout_s)

    def _accept(self, answered: Answered) -> Answered:
        if answered.error is not None:
            raise Refusal(f"{name_of(self.address)}: {answered.error}", answered.error.code)
        return answered


def _speaks_http(address: Address) -> bool:
    """Web servers wait for the end of a line, and none is in what PostgreSQL's clients say first."""
    heard: list[bytes] = []

    def ask() -> Talk[None]:
        heard.append((yield b"GET / HTTP/1.0\r\n\r\n"))

    with contextlib.suppress(TargetError):
        converse(address, ask).close()
    return any(other_server(answer) == "HTTP" for answer in heard)


def _no_login() -> Talk[None]:
    """Nothing is said."""
    return
    yield b""


def _answer(asked: bytes, last: bytes = b"Z") -> Talk[Answered]:
    """All up to ReadyForQuery, or to a message of kind `last`."""
    inbox, rows = Inbox(), list[Row]()
    tag, error = "", None
    said = yield from receive(inbox, asked)
    while said.kind not in (last, b"Z"):
        if said.kind == b"D":
            rows.append(columns_of(said.content))
        elif said.kind == b"C":
            tag = said.content.rstrip(b"\0").decode("utf-8", "replace")
        elif said.kind == b"E":
            error = error_of(said.content)
            if error.severity in ("FATAL", "PANIC"):
                break
        said = yield from receive(inbox)
    return Answered(rows, tag, error)
