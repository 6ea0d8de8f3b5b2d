"""What the reader of PostgreSQL's answers must say, worked out the slow way: message by message."""

import struct
from dataclasses import dataclass, field
from typing import Any

from reference import Incomplete, Refused, excerpt
from reference_resp import Said

from loadgen.records import ERROR_CODE_BYTES

MESSAGE_BYTES_MAX = 1 << 30
NUMBER_MAX = 2**63 - 1
PASSED_OVER = b"T123ntSNAsI"


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + struct.pack(">i", len(body) + 4) + body


def row(*columns: bytes | None) -> bytes:
    parts = [struct.pack(">i", -1) if text is None else struct.pack(">i", len(text)) + text for text in columns]
    return message(b"D", struct.pack(">h", len(columns)) + b"".join(parts))


def failure(**fields: str) -> bytes:
    """An ErrorResponse: V="ERROR", C="42P01", M="…"."""
    return message(b"E", b"".join(f"{name}{text}".encode() + b"\0" for name, text in fields.items()) + b"\0")


@dataclass
class Answer:
    """The answer to one request. `said` is what the parser must say, the pieces of a column joined."""

    said: Said = field(default_factory=list)
    n_rows: int = 0
    n_affected: int = 0
    has_error: bool = False
    is_fatal: bool = False
    has_null: bool = False
    error: bytes = b""
    error_code: bytes = b""


def pg(data: bytes) -> tuple[Said, dict[str, Any]]:
    """As _wire_probe.pg, without the reason of an error."""
    answer = Answer()
    try:
        while data:
            data = _message(answer, data)
    except Refused:
        answer.said.append(("error", None))
    except Incomplete:
        pass
    facts = dict(vars(answer))
    return facts.pop("said"), facts


def _message(answer: Answer, data: bytes) -> bytes:
    """Read the first message; return what follows it."""
    if len(data) < 5:
        raise Incomplete
    kind, n_bytes = data[:1], int.from_bytes(data[1:5])
    is_possible = 4 <= n_bytes <= MESSAGE_BYTES_MAX and (kind != b"Z" or n_bytes == 5)
    if kind not in PASSED_OVER + b"DCEZ" or not is_possible:
        raise Refused
    body = data[5 : n_bytes + 1]
    is_whole = len(body) == n_bytes - 4
    if kind == b"D":
        _row(answer, body, n_bytes - 4)
    if not is_whole:
        raise Incomplete
    if kind == b"C":
        answer.n_affected += min(_count(body), NUMBER_MAX - answer.n_affected)
    elif kind == b"E":
        _error(answer, body)
    elif kind == b"Z":
        if body not in (b"I", b"T", b"E"):
            raise Refused
        answer.said.append(("done", body.decode()))
    return data[n_bytes + 1 :]


def _row(answer: Answer, body: bytes, n_bytes: int) -> None:
    """A row, of which perhaps not all has come."""
    row_id = -1
    if n_bytes < 2 or (body[:2] > b"\0\0" and n_bytes < 6):
        if len(body) == n_bytes:
            raise Refused
    elif body[:2] == b"\0\0" or (body[2:6] == b"\xff" * 4):
        answer.has_null |= answer.n_rows == 0
    elif len(body) >= 6:
        n_column = int.from_bytes(body[2:6])
        if n_column > n_bytes - 6:
            raise Refused
        column = body[6 : 6 + n_column]
        if column and answer.n_rows == 0:
            answer.said.append(("body", column))
        row_id = int(column) if column.isdigit() and len(column) <= 19 and int(column) <= NUMBER_MAX else -1
    if len(body) == n_bytes:
        answer.n_rows += 1
        answer.said.append(("row", row_id))


def _count(body: bytes) -> int:
    """The last word of a command's tag, if it is a number behind others."""
    *others, last = body.partition(b"\0")[0].split(b" ")
    return min(int(last), NUMBER_MAX) if others and last.isdigit() else 0


def _error(answer: Answer, body: bytes) -> None:
    fields: dict[bytes, bytes] = {}
    while body and body[0]:
        text, end, rest = body[1:].partition(b"\0")
        if end or body[:1] in b"MC":  # a severity that is cut off is none
            fields[body[:1]] = text
        body = rest
    answer.is_fatal |= fields.get(b"V", fields.get(b"S")) in (b"FATAL", b"PANIC")
    if not answer.has_error:
        answer.has_error = True
        answer.error = excerpt(fields.get(b"M", b""))
        answer.error_code = excerpt(fields.get(b"C", b""), ERROR_CODE_BYTES)
