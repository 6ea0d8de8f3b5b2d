"""What a client says and a server answers, as bytes: the frontend/backend protocol 3.0.

Source: PostgreSQL 16's documentation, chapter 55.

Nothing here knows a socket.
"""

import struct
from collections.abc import Generator, Iterable, Iterator, Mapping, Sequence
from typing import NamedTuple, TypeVar

from loadgen.errors import TargetError
from loadgen.targets.conversation import other_server
from loadgen.targets.slots import Part, width_of

PROTOCOL = 3 << 16
TLS_REQUEST = struct.pack("!II", 8, 80877103)

MAX_LOGIN_MESSAGE_BYTES = 1 << 20
"""Before anyone has logged in nothing longer can be meant."""

EXECUTE = b"E" + struct.pack("!I", 9) + b"\0" + bytes(4)
SYNC = b"S" + struct.pack("!I", 4)

_NULL = struct.pack("!i", -1)

Result = TypeVar("Result")
Talk = Generator[bytes, bytes, Result]
"""A conversation: see Login in engine/contract.py."""


class Message(NamedTuple):
    """What a server said. kind: its first byte."""

    kind: bytes
    content: bytes


class ServerError(NamedTuple):
    """An ErrorResponse. code: the SQLSTATE. severity: ERROR, FATAL or PANIC, whatever the server's language."""

    code: str
    text: str
    detail: str
    severity: str

    def __str__(self) -> str:
        detail = f" ({self.detail})" if self.detail else ""
        return f"{self.text}{detail} [{self.code}]"


def startup(parameters: Mapping[str, str]) -> bytes:
    words = b"".join(f"{name}\0{value}\0".encode() for name, value in parameters.items())
    return struct.pack("!II", len(words) + 9, PROTOCOL) + words + b"\0"


def message(kind: bytes, content: bytes) -> bytes:
    return kind + struct.pack("!I", len(content) + 4) + content


def framed(kind: bytes, content: Sequence[Part]) -> list[Part]:
    """A message in which something is written each time it is sent."""
    return [kind + struct.pack("!I", width_of(content) + 4), *content]


def query(sql: Sequence[Part]) -> list[Part]:
    """The simple protocol: text as it stands."""
    return framed(b"Q", [*sql, b"\0"])


def parse(name: str, sql: str) -> bytes:
    """A prepared statement; the server finds out the types of its parameters."""
    return message(b"P", f"{name}\0{sql}\0".encode() + bytes(2))


def bind(name: str, parameters: Sequence[Sequence[Part] | None]) -> list[Part]:
    """Parameters for a prepared statement, as text; None is NULL. Results come as text, too."""
    content: list[Part] = [b"\0" + name.encode() + b"\0" + struct.pack("!HH", 0, len(parameters))]
    for parameter in parameters:
        if parameter is None:
            content.append(_NULL)
        else:
            content += [struct.pack("!i", width_of(parameter)), *parameter]
    return framed(b"B", [*content, bytes(2)])


def executed(name: str, parameters: Sequence[Sequence[Part] | None]) -> list[Part]:
    """A prepared statement carried out: one round trip."""
    return [*bind(name, parameters), EXECUTE + SYNC]


def cancellation(process: int, secret: int) -> bytes:
    """What makes the server end what another connection is doing, on a connection of its own."""
    return struct.pack("!IIII", 16, 80877102, process, secret)


class Inbox:
    """Messages out of what was read, in any pieces."""

    def __init__(self, longest_bytes: int = 1 << 30) -> None:
        self._longest_bytes = longest_bytes
        self._bytes = bytearray()

    def take(self, data: bytes) -> None:
        self._bytes += data

    def next(self) -> Message | None:
        """The next whole message. Raises TargetError for what PostgreSQL does not say."""
        if len(self._bytes) < 5:
            return None
        n_bytes = int.from_bytes(self._bytes[1:5], "big")
        if not self._bytes[:1].isalnum() or not 4 <= n_bytes <= self._longest_bytes:
            raise no_postgresql(bytes(self._bytes))
        if len(self._bytes) <= n_bytes:
            return None
        taken = Message(bytes(self._bytes[:1]), bytes(self._bytes[5 : n_bytes + 1]))
        del self._bytes[: n_bytes + 1]
        return taken


def no_postgresql(data: bytes) -> TargetError:
    """data: what came in the place of a message."""
    known = other_server(data)
    return TargetError(f"this is no PostgreSQL server: it {f'speaks {known}' if known else f'answers {data[:16]!r}'}")


def receive(inbox: Inbox, to_send: bytes = b"") -> Talk[Message]:
    """Send something, and wait for the next message. Notices and parameter values are passed over."""
    while True:
        taken = inbox.next()
        if taken is None:
            inbox.take((yield to_send))
            to_send = b""
        elif taken.kind not in (b"N", b"S", b"A"):
            return taken


def error_of(content: bytes) -> ServerError:
    """The fields of an ErrorResponse that matter here; of a server so old that it gives none, its text."""
    fields = {field[:1]: field[1:].decode("utf-8", "replace") for field in content.split(b"\0") if field}
    text = " ".join(fields.get(b"M", "no reason given").split())
    severity = fields.get(b"V") or fields.get(b"S") or "ERROR"
    return ServerError(fields.get(b"C", ""), text, " ".join(fields.get(b"D", "").split()), severity)


def columns_of(content: bytes) -> list[str | None]:
    """A DataRow's values."""
    return list(_columns(content))


def _columns(content: bytes) -> Iterator[str | None]:
    at = 2
    for _ in range(int.from_bytes(content[:2], "big")):
        n_bytes = int.from_bytes(content[at : at + 4], "big", signed=True)
        at += 4
        if n_bytes < 0:
            yield None
            continue
        yield content[at : at + n_bytes].decode("utf-8", "replace")
        at += n_bytes


def joined(parts: Iterable[Part]) -> bytes:
    """Parts without a slot, as bytes."""
    assert all(isinstance(part, bytes) for part in parts)
    return b"".join(part for part in parts if isinstance(part, bytes))
