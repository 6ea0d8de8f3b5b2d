"""Byte streams cut into what they carry: server-sent events, and lines.

Sources: WHATWG HTML 9.2.6 (event streams), ndjson-spec.
"""

import re
from collections.abc import Iterator

from loadgen.engine.portable.facts import MalformedError

LIMIT_BYTES = 16 << 20
"""The longest line, event or document; what is longer is refused, so that no server can fill the memory."""

_LINE_END = re.compile(rb"\r\n|\n|\r")


class EventCutter:
    """Cuts a byte stream into the data of its server-sent events.

    LF, CR and CRLF end a line, also where a CRLF is cut between two reads; an event that no blank line ends is dropped.
    """

    def __init__(self) -> None:
        self._parts: list[bytes] = []  # of the unfinished line
        self._data: list[bytes] = []  # of the unfinished event
        self._type = b""
        self._n_bytes = 0  # held in both
        self._is_after_cr = False
        self._is_first_line = True

    def feed(self, text: bytes) -> Iterator[tuple[bytes, bytes]]:
        """Yield (type, data) of each event that the text completes."""
        for line in self._lines(text):
            if line:
                self._take_field(line)
                continue
            event_type, data, self._type, self._data = self._type, self._data, b"", []
            if data:
                yield event_type, b"\n".join(data)
            self._n_bytes = 0

    def _lines(self, text: bytes) -> Iterator[bytes]:
        if not text:
            return
        skips = self._is_after_cr and text.startswith(b"\n")
        self._is_after_cr = text.endswith(b"\r")
        first, *others = _LINE_END.split(text[1:] if skips else text)
        self._hold(first)
        for following in others:
            line = b"".join(self._parts)
            self._parts.clear()
            yield self._without_bom(line)
            self._hold(following)

    def _hold(self, part: bytes) -> None:
        if part:
            self._parts.append(part)
            self._n_bytes += len(part)
        if self._n_bytes > LIMIT_BYTES:
            raise MalformedError("event longer than 16 MiB")

    def _without_bom(self, line: bytes) -> bytes:
        if self._is_first_line:
            self._is_first_line = False
            return line.removeprefix(b"\xef\xbb\xbf")
        return line

    def _take_field(self, line: bytes) -> None:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self._data.append(value)
        elif name == b"event":
            self._type = value
        else:
            self._n_bytes -= len(line)  # comments keep nothing, however many come


class LineCutter:
    """Cuts a byte stream into lines; blank ones are left out."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._n_bytes = 0

    def feed(self, text: bytes) -> Iterator[bytes]:
        first, *others = text.split(b"\n")
        self._hold(first)
        for following in others:
            yield from self.rest()
            self._hold(following)

    def rest(self) -> Iterator[bytes]:
        """The line at hand, as if it had ended."""
        line = b"".join(self._parts)
        self._parts.clear()
        self._n_bytes = 0
        if line.strip():
            yield line

    def _hold(self, part: bytes) -> None:
        self._parts.append(part)
        self._n_bytes += len(part)
        if self._n_bytes > LIMIT_BYTES:
            raise MalformedError("line longer than 16 MiB")
