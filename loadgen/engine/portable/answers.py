"""Readers of HTTP answers: plain Python, no socket, no clock.

A reader is fed the body as it comes, cut anywhere, and keeps what the answer says of itself in `facts`. On purpose it
shares no line with the native parsers: in the tests each is held against the other.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from loadgen.engine.portable import cutters
from loadgen.engine.portable.contents import Content
from loadgen.engine.portable.cutters import EventCutter, LineCutter
from loadgen.engine.portable.facts import Facts, MalformedError, parse_json, take_error, take_error_page
from loadgen.engine.portable.language_models import read_ollama, read_openai
from loadgen.plan.model import Wire

ERROR_BODY_BYTES = 64 << 10


@dataclass
class Reader:
    """Reads nothing: the body of an answer whose bytes say nothing."""

    facts: Facts = field(default_factory=Facts)

    def feed(self, text: bytes) -> None:
        """Take the next bytes of the body. Raises MalformedError, and must not be fed again after that."""

    def end(self) -> None:
        """The body has ended, whole. Raises MalformedError."""


@dataclass
class ContentReader(Reader):
    """Looks for what the request's Check asks for."""

    content: Content = field(default_factory=Content)

    def feed(self, text: bytes) -> None:
        self.content.feed(text)


@dataclass
class EventReader(Reader):
    """OpenAI's stream: server-sent events, `data: [DONE]` at the end or not."""

    cutter: EventCutter = field(default_factory=EventCutter)
    is_done: bool = False

    def feed(self, text: bytes) -> None:
        for event_type, data in self.cutter.feed(text):
            stripped = data.strip()
            if stripped == b"[DONE]":
                self.is_done = True
            if stripped and not self.is_done:
                self._take(event_type, stripped)

    def _take(self, event_type: bytes, data: bytes) -> None:
        document = parse_json(data)
        read_openai(self.facts, document)
        if event_type == b"error":
            take_error(self.facts, document)


@dataclass
class LineReader(Reader):
    """Ollama's stream, a JSON object a line, or its one object."""

    cutter: LineCutter = field(default_factory=LineCutter)
    is_done: bool = False

    def feed(self, text: bytes) -> None:
        for line in self.cutter.feed(text):
            self._take(line)

    def end(self) -> None:
        for line in self.cutter.rest():
            self._take(line)

    def _take(self, line: bytes) -> None:
        if not self.is_done:
            document = parse_json(line)
            read_ollama(self.facts, document)
            self.is_done = document.get("done") is True


@dataclass
class DocumentReader(Reader):
    """One JSON document."""

    read: Callable[[Facts, dict[str, Any]], None] = read_openai
    parts: list[bytes] = field(default_factory=list)
    n_bytes: int = 0

    def feed(self, text: bytes) -> None:
        self.n_bytes += len(text)
        if self.n_bytes > cutters.LIMIT_BYTES:
            raise MalformedError("JSON document longer than 16 MiB")
        self.parts.append(text)

    def end(self) -> None:
        self.read(self.facts, parse_json(b"".join(self.parts)))


@dataclass
class ErrorReader(Reader):
    """The body of an answer whose status is a failure: a JSON error, an XML one, or anything."""

    body: bytes = b""

    def feed(self, text: bytes) -> None:
        if len(self.body) < ERROR_BODY_BYTES:
            self.body = (self.body + text)[:ERROR_BODY_BYTES]

    def end(self) -> None:
        try:
            take_error(self.facts, parse_json(self.body))
        except MalformedError:
            take_error_page(self.facts, self.body)


def reader_for(wire: Wire, is_success: bool, content_type: str, content: Content | None) -> Reader:
    """The reader for an answer, once its head is known. content: what is looked for in a success; None: nothing."""
    media_type = content_type.partition(";")[0].strip().lower()
    if not is_success:
        return ErrorReader()
    if wire is not Wire.HTTP and media_type == "text/html":
        raise MalformedError("an HTML page in the place of JSON")
    if content is not None:
        return ContentReader(content=content)
    if wire is Wire.HTTP:
        return Reader()
    if wire is Wire.OLLAMA:
        return LineReader()
    return EventReader() if media_type == "text/event-stream" else DocumentReader()
