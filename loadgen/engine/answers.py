"""The portable engine's reader of answers: plain Python, no socket, no clock.

A reader is fed the body as it comes, cut anywhere, and keeps what the answer says of itself in `facts`. On purpose it
shares no line with the native parsers: in the tests each is held against the other.
Sources: WHATWG HTML 9.2.6 (event streams), ndjson-spec, OpenAI's API reference, Ollama's docs/api.md.
"""

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, NoReturn

import orjson

from loadgen.plan.model import Operation, Wire
from loadgen.records import ERROR_BYTES, NEVER, FinishReason, Outcome

LIMIT_BYTES = 16 << 20
"""The longest line, event or document; what is longer is refused, so that no server can fill the memory."""

ERROR_BODY_BYTES = 64 << 10

_BLANKS = re.compile(r"[\x00-\x20\x7f]+")
_LINE_END = re.compile(rb"\r\n|\n|\r")
_CONTEXT_LENGTH = re.compile(r"context[ _](?:length|window|size)|maximum model length", re.IGNORECASE)
_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


class MalformedError(Exception):
    """The answer is not what its protocol says. The text is the record's error."""


@dataclass(slots=True)
class Facts:
    """What an answer has said so far. Counts and durations are NEVER where the server gave none."""

    n_events: int = 0
    finish_reason: FinishReason = FinishReason.NONE
    has_refused: bool = False
    prompt_tokens: int = NEVER
    output_tokens: int = NEVER
    total_ns: int = NEVER
    load_ns: int = NEVER
    prompt_eval_ns: int = NEVER
    eval_ns: int = NEVER
    error: str | None = None
    is_context_too_long: bool = False


def parse_json(text: bytes) -> dict[str, Any]:
    """The JSON object in the text. Raises MalformedError."""
    try:
        document = orjson.loads(text)
    except orjson.JSONDecodeError:
        document = _parse_lenient(text)
    if not isinstance(document, dict):
        raise MalformedError("not a JSON object")
    return document


def _parse_lenient(text: bytes) -> Any:
    """What orjson refuses and JSON does not: lone surrogates, of servers that cut a character between two tokens."""
    try:
        return json.loads(text, parse_constant=_refuse_constant)
    except (ValueError, RecursionError) as reason:
        raise MalformedError(f"not JSON: {_clip(text[:60].decode(errors='replace'))}") from reason


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def _count(value: Any, otherwise: int) -> int:
    """A figure of the server's; what is none leaves what was known."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        return otherwise
    return int(value)


def read_openai(facts: Facts, document: dict[str, Any]) -> None:
    """Take what an OpenAI chunk, completion or error says."""
    _take_error(facts, document)
    has_content = False
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else ():
        if isinstance(choice, dict):
            has_content |= _read_choice(facts, choice)
    facts.n_events += has_content
    usage = document.get("usage")
    if isinstance(usage, dict):
        facts.prompt_tokens = _count(usage.get("prompt_tokens"), facts.prompt_tokens)
        facts.output_tokens = _count(usage.get("completion_tokens"), facts.output_tokens)


def _read_choice(facts: Facts, choice: dict[str, Any]) -> bool:
    """True if the choice carries generated content."""
    _take_finish(facts, choice.get("finish_reason"))
    said = [part for part in (choice.get("delta"), choice.get("message")) if isinstance(part, dict)]
    facts.has_refused |= any(part.get("refusal") for part in said)
    return bool(choice.get("text")) or any(_has_content(part) for part in said)


def _has_content(part: dict[str, Any]) -> bool:
    return any(part.get(name) for name in ("content", "reasoning_content", "reasoning", "thinking", "tool_calls"))


def _take_finish(facts: Facts, reason: Any) -> None:
    if isinstance(reason, str) and reason:
        facts.finish_reason = _FINISH.get(reason, FinishReason.OTHER)
        facts.has_refused |= facts.finish_reason is FinishReason.CONTENT_FILTER


def read_ollama(facts: Facts, document: dict[str, Any]) -> None:
    """Take what a line of Ollama's says."""
    _take_error(facts, document)
    message = document.get("message")
    has_content = isinstance(message, dict) and _has_content(message)
    facts.n_events += has_content or bool(document.get("response")) or bool(document.get("thinking"))
    _take_finish(facts, document.get("done_reason"))
    facts.prompt_tokens = _count(document.get("prompt_eval_count"), facts.prompt_tokens)
    facts.output_tokens = _count(document.get("eval_count"), facts.output_tokens)
    facts.total_ns = _count(document.get("total_duration"), facts.total_ns)
    facts.load_ns = _count(document.get("load_duration"), facts.load_ns)
    facts.prompt_eval_ns = _count(document.get("prompt_eval_duration"), facts.prompt_eval_ns)
    facts.eval_ns = _count(document.get("eval_duration"), facts.eval_ns)


def _take_error(facts: Facts, document: dict[str, Any]) -> None:
    if document.get("error") or document.get("object") == "error":
        take_error(facts, document)


def take_error(facts: Facts, document: dict[str, Any]) -> None:
    """Take the document as the answer's error, if none came before."""
    if facts.error is None:
        texts = error_texts(document)
        facts.error = texts[0] if texts else ""
        facts.is_context_too_long = any(_CONTEXT_LENGTH.search(text) for text in texts)


def error_texts(document: dict[str, Any]) -> list[str]:
    """What a server's error object says, the message first: OpenAI's, Ollama's and FastAPI's shapes."""
    error = document.get("error")
    inner: dict[str, Any] = error if isinstance(error, dict) else {}
    detail = document.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = detail[0].get("msg")
    places = (
        *(inner.get("message"), error, inner.get("code"), inner.get("type")),
        *(document.get("message"), detail, document.get("code"), document.get("type")),
    )
    return [text for text in places if isinstance(text, str) and text]


def clip_error(text: str) -> bytes:
    """The text in one line, as UTF-8, cut between two characters so that it fits a record."""
    return _clip(text).encode(errors="replace")[:ERROR_BYTES].decode(errors="ignore").encode()


def _clip(text: str) -> str:
    return _BLANKS.sub(" ", text).strip(" ")


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


@dataclass
class Reader:
    """Reads nothing: the body of a plain HTTP answer, or of one whose bytes say nothing."""

    facts: Facts = field(default_factory=Facts)

    def feed(self, text: bytes) -> None:
        """Take the next bytes of the body. Raises MalformedError, and must not be fed again after that."""

    def end(self) -> None:
        """The body has ended, whole. Raises MalformedError."""


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
        if self.n_bytes > LIMIT_BYTES:
            raise MalformedError("JSON document longer than 16 MiB")
        self.parts.append(text)

    def end(self) -> None:
        self.read(self.facts, parse_json(b"".join(self.parts)))


@dataclass
class ErrorReader(Reader):
    """The body of an answer whose status is a failure: a JSON error, or anything."""

    body: bytes = b""

    def feed(self, text: bytes) -> None:
        if len(self.body) < ERROR_BODY_BYTES:
            self.body = (self.body + text)[:ERROR_BODY_BYTES]

    def end(self) -> None:
        try:
            take_error(self.facts, parse_json(self.body))
        except MalformedError:
            is_markup = self.body.lstrip().startswith(b"<")
            take_error(self.facts, {"message": "" if is_markup else self.body.decode(errors="replace")})


def reader_for(wire: Wire, status: int, content_type: str) -> Reader:
    """The reader for an answer, once its head is known."""
    media_type = content_type.partition(";")[0].strip().lower()
    if status >= 300:
        return ErrorReader()
    if wire is Wire.HTTP:
        return Reader()
    if media_type == "text/html":
        raise MalformedError("an HTML page in the place of JSON")
    if wire is Wire.OLLAMA:
        return LineReader()
    return EventReader() if media_type == "text/event-stream" else DocumentReader()


def redirect_error(status: int) -> str:
    """What is said of an answer whose status asks for another request."""
    return "redirect" if 300 <= status < 400 else ""


def status_outcome(status: int, facts: Facts) -> Outcome:
    """The outcome of an answer whose status is no success."""
    if status == 429:
        return Outcome.RATE_LIMITED
    if status >= 500:
        return Outcome.SERVER_ERROR
    return Outcome.CONTEXT_LENGTH_EXCEEDED if facts.is_context_too_long else Outcome.CLIENT_ERROR


def answer_outcome(facts: Facts, operation: Operation, fail_on_truncated: bool) -> Outcome:
    """The outcome of an answer that came whole, with a status of success."""
    if facts.error is not None:
        return Outcome.CONTEXT_LENGTH_EXCEEDED if facts.is_context_too_long else Outcome.STREAM_ERROR
    if operation.expects_tokens and facts.n_events == 0:
        return Outcome.REFUSED if facts.has_refused else Outcome.EMPTY_OUTPUT
    if fail_on_truncated and facts.finish_reason is FinishReason.LENGTH:
        return Outcome.TRUNCATED
    return Outcome.OK
