"""Redis's protocol, RESP2 and RESP3, as the replies come. Source: "Redis serialization protocol specification"."""

import re
from dataclasses import dataclass, field

from loadgen.engine.portable.contents import Content
from loadgen.engine.portable.facts import MalformedError
from loadgen.records import NEVER

MAX_LINE_BYTES = 64 << 10
MAX_BULK_BYTES = 512 << 20
MAX_DEPTH = 32

_INTEGER = re.compile(rb"[+-]?[0-9]+")
_LINES = b"+-:_,#("
_BULKS = b"$!="
_AGGREGATES = b"*~%>|"
_VERBATIM_PREFIX_BYTES = 4  # txt:
_ERROR_BYTES_KEPT = 4096


@dataclass(slots=True)
class _Aggregate:
    """An open array, set or map. n_left: elements to come. is_aside: a push or an attribute, which is no element."""

    n_left: int
    is_aside: bool


@dataclass(slots=True)
class _Bulk:
    """An open bulk string. n_left: bytes to come, without the line end. n_to_skip: of those, what is no content."""

    n_left: int
    is_error: bool
    is_content: bool
    n_to_skip: int


@dataclass
class RespReader:
    """One reply. content: is fed what a bulk or verbatim string holds that is the whole reply.

    n_items: elements of an aggregate reply (a map's keys and values), else NEVER. error: a line; error_code: its first
    word.
    """

    content: Content = field(default_factory=Content)
    is_done: bool = False
    is_null: bool = False
    is_error: bool = False
    n_items: int = NEVER
    error: str = ""
    error_code: str = ""
    _open: list[_Aggregate] = field(default_factory=list)
    _bulk: _Bulk | None = None
    _line: bytes = b""  # what has come of a line
    _said: bytes = b""  # of an error that is a bulk string

    def feed(self, text: memoryview) -> int:
        """Eat up to the end of the reply; return how many bytes that were. Raises MalformedError."""
        at = 0
        while at < len(text) and not self.is_done:
            at += self._feed_line(text[at:]) if self._bulk is None else self._feed_bulk(self._bulk, text[at:])
        return at

    def _feed_line(self, text: memoryview) -> int:
        held = self._line + bytes(text[: MAX_LINE_BYTES + 2])
        end = held.find(b"\n", max(len(self._line) - 1, 0))
        if end < 0:
            if len(held) > MAX_LINE_BYTES:
                raise MalformedError("line longer than 64 KiB")
            self._line = held
            return len(text)
        n_used = end + 1 - len(self._line)
        self._line = b""
        if end > MAX_LINE_BYTES:
            raise MalformedError("line longer than 64 KiB")
        if held[:end][-1:] != b"\r":
            raise MalformedError("line does not end with CR LF")
        self._take(held[0], held[1 : end - 1])
        return n_used

    def _take(self, kind: int, said: bytes) -> None:
        """A line: an element, or the head of one."""
        if kind in _BULKS:
            self._begin_bulk(kind, said)
        elif kind in _AGGREGATES:
            self._begin_aggregate(kind, said)
        elif kind in _LINES:
            self._take_line(kind, said)
        else:
            raise MalformedError("not a reply of Redis")

    def _take_line(self, kind: int, said: bytes) -> None:
        if kind == ord(":") and not _INTEGER.fullmatch(said):
            raise MalformedError("not an integer")
        if not self._open:
            self.is_null = kind == ord("_")
            if kind == ord("-"):
                self._fail(said)
        self._complete()

    def _begin_bulk(self, kind: int, said: bytes) -> None:
        n_bytes = _length(said)
        if n_bytes > MAX_BULK_BYTES:
            raise MalformedError("string longer than 512 MiB")
        if n_bytes == NEVER:
            return self._take_line(ord("_"), b"")
        is_whole_reply = not self._open
        n_to_skip = _VERBATIM_PREFIX_BYTES if kind == ord("=") else 0
        is_error = kind == ord("!") and is_whole_reply
        self._bulk = _Bulk(n_bytes, is_error, is_whole_reply and not is_error, n_to_skip)

    def _feed_bulk(self, bulk: _Bulk, text: memoryview) -> int:
        if bulk.n_left == 0:
            return self._end_bulk(bulk, text)
        piece = text[: bulk.n_left]
        bulk.n_left -= len(piece)
        n_skipped = min(bulk.n_to_skip, len(piece))
        bulk.n_to_skip -= n_skipped
        if bulk.is_error:
            self._said = (self._said + piece)[:_ERROR_BYTES_KEPT]
        elif bulk.is_content:
            self.content.feed(piece[n_skipped:])
        return len(piece)

    def _end_bulk(self, bulk: _Bulk, text: memoryview) -> int:
        held = self._line + bytes(text[: 2 - len(self._line)])
        n_used = len(held) - len(self._line)
        self._line = held
        if not b"\r\n".startswith(held):
            raise MalformedError("string does not end with CR LF")
        if held == b"\r\n":
            self._line, self._bulk = b"", None
            if bulk.is_error:
                self._fail(self._said)
            self._complete()
        return n_used

    def _begin_aggregate(self, kind: int, said: bytes) -> None:
        n_items = _length(said)
        if n_items == NEVER:
            return self._take_line(ord("_"), b"")
        if kind in b"%|":
            n_items *= 2
        is_aside = kind == ord("|") or (kind == ord(">") and not self._open)
        if not self._open and not is_aside:
            self.n_items = n_items
        if n_items:
            if len(self._open) == MAX_DEPTH:
                raise MalformedError("nested too deep")
            self._open.append(_Aggregate(n_items, is_aside))
        elif not is_aside:
            self._complete()

    def _complete(self) -> None:
        """An element is complete, and with it whatever it was the last of."""
        while self._open:
            self._open[-1].n_left -= 1
            if self._open[-1].n_left or self._open.pop().is_aside:
                return
        self.is_done = True

    def _fail(self, said: bytes) -> None:
        self.is_error = True
        self.error = said.decode(errors="replace")
        self.error_code = self.error.partition(" ")[0]


def _length(said: bytes) -> int:
    """NEVER: null, as RESP2 has it."""
    if said == b"-1":
        return NEVER
    if not said.isdigit() or len(said) > 10:
        raise MalformedError("not a length")
    return int(said)
