"""PostgreSQL's protocol 3.0, the server's side of it, as its messages come.

Source: PostgreSQL's documentation, "Frontend/Backend Protocol", message formats.
"""

import re
from dataclasses import dataclass, field

from loadgen.engine.portable.contents import Content, Ids
from loadgen.engine.portable.facts import MalformedError

MAX_MESSAGE_BYTES = 1 << 30
ROLLBACK = b"Q\0\0\0\x0dROLLBACK\0"

_KEPT_BYTES = 64 << 10  # of messages that are read as a whole
_ID_BYTES = 20  # no integer that is an id has more digits
_HEAD_BYTES = 5
_ROW_HEAD_BYTES = 6  # number of columns, length of the first
_NULL = 2**32 - 1

_READ_WHOLE = b"CEZ"
_PASSED_OVER = b"123AIKNRSTVnstv"
_COPIES = b"GHWdc"
_COUNT = re.compile(rb"[A-Z ]*?(?: [0-9]+)? ([0-9]+)")


@dataclass
class PostgresqlReader:
    """The answer to one request, whose steps each end with ReadyForQuery.

    content: is fed the first column of the first row. has_null: there is none, or it is NULL. n_affected: of all
    commands. transaction: I (none), T (open) or E (failed). error_code: the SQLSTATE. rest: bytes that came after
    ReadyForQuery.
    """

    content: Content = field(default_factory=Content)
    is_ready: bool = False
    n_rows: int = 0
    n_affected: int = 0
    has_null: bool = False
    has_error: bool = False
    is_fatal: bool = False
    error: str = ""
    error_code: str = ""
    transaction: str = "I"
    rest: bytes = b""
    _head: bytes = b""  # of the message that is being read
    _kind: int = 0
    _n_left: int = 0  # bytes to come of the message
    _body: bytes = b""
    _n_column_left: int = 0  # of a row's first column
    _id: bytes = b""

    def feed(self, text: bytes) -> None:
        """Eat up to ReadyForQuery; what follows it is kept for the next step. Raises MalformedError."""
        view = memoryview(self.rest + text)
        while view and not self.is_ready and not self.is_fatal:
            view = view[self._feed_head(view) if self._kind == 0 else self._feed_body(view) :]
        self.rest = bytes(view)

    def next_step(self) -> None:
        """Something more is asked."""
        self.is_ready = False

    def _feed_head(self, text: memoryview) -> int:
        piece = bytes(text[: _HEAD_BYTES - len(self._head)])
        self._head += piece
        if len(self._head) == _HEAD_BYTES:
            self._begin(self._head[0], int.from_bytes(self._head[1:]) - 4)
            self._head = b""
        return len(piece)

    def _begin(self, kind: int, n_bytes: int) -> None:
        if kind in _COPIES:
            raise MalformedError("COPY, which cannot be measured")
        if kind not in _READ_WHOLE and kind not in _PASSED_OVER and kind != ord("D"):
            raise MalformedError("not a message of PostgreSQL")
        if not 0 <= n_bytes <= MAX_MESSAGE_BYTES:
            raise MalformedError("message of an impossible length")
        if kind == ord("D") and n_bytes < 2:
            raise MalformedError("row without a number of columns")
        self._kind, self._n_left, self._body, self._n_column_left, self._id = kind, n_bytes, b"", 0, b""
        if n_bytes == 0:
            self._end()

    def _feed_body(self, text: memoryview) -> int:
        if self._kind == ord("D"):
            n_used = self._feed_row(text)
        else:
            n_used = min(self._n_left, len(text))
            if self._kind in _READ_WHOLE:
                self._body = (self._body + text[:n_used])[:_KEPT_BYTES]
        self._n_left -= n_used
        if self._n_left == 0:
            self._end()
        return n_used

    def _feed_row(self, text: memoryview) -> int:
        """The head of a row, then its first column, then the others."""
        if len(self._body) < _ROW_HEAD_BYTES:
            piece = bytes(text[: min(_ROW_HEAD_BYTES - len(self._body), self._n_left)])
            self._body += piece
            if len(self._body) == _ROW_HEAD_BYTES:
                self._begin_column(int.from_bytes(self._body[2:]), self._n_left - len(piece))
            return len(piece)
        if self._n_column_left == 0:
            return min(self._n_left, len(text))
        column = text[: self._n_column_left]
        self._n_column_left -= len(column)
        self._id = (self._id + column)[: _ID_BYTES + 1]
        if self.n_rows == 0:
            self.content.feed(column)
        return len(column)

    def _begin_column(self, n_bytes: int, n_left: int) -> None:
        if n_bytes == _NULL:
            self.has_null |= self.n_rows == 0
        elif n_bytes > n_left:
            raise MalformedError("column longer than its row")
        else:
            self._n_column_left = n_bytes

    def _end(self) -> None:
        """The message is complete."""
        kind, body, self._kind = self._kind, self._body, 0
        if kind == ord("D"):
            self._end_row()
        elif kind == ord("C"):
            found = _COUNT.fullmatch(body.rstrip(b"\0"))
            self.n_affected += int(found[1]) if found else 0
        elif kind == ord("E"):
            self._take_error(body)
        elif kind == ord("Z"):
            self.transaction = body.decode("ascii", "replace")
            self.is_ready = True

    def _end_row(self) -> None:
        self.has_null |= self.n_rows == 0 and len(self._body) < _ROW_HEAD_BYTES  # it has no columns
        if isinstance(self.content, Ids) and self._id.isdigit() and len(self._id) <= _ID_BYTES:
            self.content.rows.append(int(self._id))
        self.n_rows += 1

    def _take_error(self, body: bytes) -> None:
        """The first one counts. Its fields: a letter, a text, a zero byte."""
        fields = {part[:1]: part[1:].decode(errors="replace") for part in body.split(b"\0") if part}
        self.is_fatal = fields.get(b"V", fields.get(b"S", "")) in ("FATAL", "PANIC")
        if not self.has_error:
            self.has_error = True
            self.error_code, self.error = fields.get(b"C", ""), fields.get(b"M", "")
