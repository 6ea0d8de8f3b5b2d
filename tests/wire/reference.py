"""What the wire parsers must say, worked out the slow way: whole bytes, str methods and the json module."""

import json
import re
from dataclasses import dataclass, field
from typing import Any

from loadgen.records import ERROR_BYTES, ERROR_CODE_BYTES, FinishReason

UNKNOWN = -1
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
STATUS_LINE = re.compile(rb"HTTP/1\.(\d) ([1-9]\d\d)(?: [\t\x20-\x7e\x80-\xff]*)?")
CHUNK_LINE = re.compile(rb'([0-9A-Fa-f]+)[ \t]*(;(?:[^"]|"(?:[^"\\]|\\.)*")*)?', re.DOTALL)
CONTENT_LENGTH = re.compile(rb"[ \t]*\d+[ \t]*")
NDJSON_TYPES = {
    f"application/{name}" for name in ("ndjson", "x-ndjson", "jsonl", "x-jsonl", "jsonlines", "x-jsonlines")
}


class Refused(Exception):
    """The response is not what the protocol says."""


class Incomplete(Exception):
    """More bytes are wanted."""


@dataclass
class Response:
    """One HTTP/1 response, whole or in part. `said` is what the parser must say, bodies joined."""

    rest: bytes
    is_head_request: bool
    at_eof: bool
    said: list[tuple[Any, ...]] = field(default_factory=list)
    body: bytes = b""
    keep_alive: bool = False
    has_bare_feed: bool = False

    def line(self) -> bytes:
        line, feed, rest = self.rest.partition(b"\n")
        if not feed:
            raise Incomplete
        self.rest = rest
        self.has_bare_feed = not line.endswith(b"\r")
        return line.removesuffix(b"\r")

    def take(self, n_bytes: int) -> None:
        piece, self.rest = self.rest[:n_bytes], self.rest[n_bytes:]
        self.body += piece
        if len(piece) < n_bytes:
            raise Incomplete


def http1(data: bytes, head: bool = False, eof: bool = False) -> list[tuple[Any, ...]]:
    """As _wire_probe.http1, with the body in one piece and without the reason of an error."""
    response = Response(data, head, eof)
    end: list[tuple[Any, ...]] = []
    try:
        _read_response(response)
        end = [("done", response.keep_alive, response.rest)]
    except Refused:
        end = [("error",)]
    except Incomplete:
        end = [("error",)] if eof else []
    return [*response.said, *([("body", response.body)] if response.body else []), *end]


def _read_response(response: Response) -> None:
    status = 100
    while status < 200:
        line = response.line()
        match = STATUS_LINE.fullmatch(line)
        if not match:
            raise Refused
        status = int(match[2])
        fields = _read_fields(response)
        if status == 101:
            raise Refused
    _read_final(response, int(match[1]), status, fields)


def _read_fields(response: Response) -> dict[str, list[bytes]]:
    fields: dict[str, list[bytes]] = {}
    while line := response.line():
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.fullmatch(name) or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise Refused
        fields.setdefault(name.decode().lower(), []).append(value)
    return fields


def _words(fields: dict[str, list[bytes]], name: str) -> list[str]:
    text = b",".join(fields.get(name, [])).decode("latin-1")
    return [word for part in text.split(",") if (word := part.strip(" \t").lower())]


def _content_length(fields: dict[str, list[bytes]]) -> int | None:
    if "content-length" not in fields:
        return None
    parts = b",".join(fields["content-length"]).split(b",")
    if not all(CONTENT_LENGTH.fullmatch(part) for part in parts) or len({int(part) for part in parts}) != 1:
        raise Refused
    if int(parts[0]) >= 2**63:
        raise Refused
    return int(parts[0])


def _content_kind(fields: dict[str, list[bytes]]) -> str:
    content_type = fields.get("content-type", [b""])[-1].decode("latin-1").lower()
    name = re.split(r"[; \t]", content_type.lstrip(" \t"))[0]
    if name == "text/event-stream":
        return "sse"
    if name in NDJSON_TYPES:
        return "ndjson"
    if name == "application/json" or (name.endswith("+json") and len(name) <= 32):
        return "json"
    return "html" if name == "text/html" else "other"


def _retry_after_s(fields: dict[str, list[bytes]]) -> int:
    value = fields.get("retry-after", [b""])[-1].strip(b" \t")
    return min(int(value), 2**31 - 1) if value.isdigit() and len(value) <= 32 else UNKNOWN


def _read_final(response: Response, minor_version: int, status: int, fields: dict[str, list[bytes]]) -> None:
    connection = _words(fields, "connection")
    response.keep_alive = "close" not in connection and (minor_version > 0 or "keep-alive" in connection)
    length = _content_length(fields)
    is_compressed = any(word != "identity" for word in _words(fields, "content-encoding"))
    has_no_body = response.is_head_request or status in (204, 304)
    is_chunked = not has_no_body and "transfer-encoding" in fields
    if is_chunked:
        if _words(fields, "transfer-encoding") != ["chunked"]:
            raise Refused
        if length is not None or minor_version == 0:
            response.keep_alive = False
    elif has_no_body:
        length = 0
    elif length is None:
        response.keep_alive = False
    if is_compressed and (is_chunked or length != 0):
        raise Refused
    response.said.append(("head", status, _content_kind(fields), response.keep_alive, _retry_after_s(fields)))
    if is_chunked:
        _read_chunks(response)
    elif length is not None:
        response.take(length)
    else:
        response.body, response.rest = response.rest, b""
        if not response.at_eof:
            raise Incomplete


def _read_chunks(response: Response) -> None:
    while True:
        match = CHUNK_LINE.fullmatch(response.line())
        if not match or re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", match[0]) or int(match[1], 16) >= 2**63:
            raise Refused
        n_bytes, has_bare_feed = int(match[1], 16), response.has_bare_feed
        if n_bytes == 0:
            break
        response.take(n_bytes)
        if response.line() or (response.has_bare_feed and not has_bare_feed):
            raise Refused
    _read_fields(response)


def sse(data: bytes) -> tuple[list[tuple[bytes, bool]], bool]:
    """The events that are complete, as (data, whether the type is error), and whether more data is pending."""
    events: list[tuple[bytes, bool]] = []
    pending: list[bytes] = []
    event_type = b""
    *lines, unfinished = re.split(rb"\r\n|\n|\r", data.removeprefix(b"\xef\xbb\xbf"))
    for line in lines:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if pending:
                events.append((b"\n".join(pending), event_type == b"error"))
            pending, event_type = [], b""
        elif name == b"data":
            pending.append(value)
        elif name == b"event":
            event_type = value
    return events, bool(pending) or unfinished.startswith(b"data:")


@dataclass
class Facts:
    """As _wire_probe.json_facts gives them. `error` is what the server said, whole."""

    has_content: bool = False
    is_refusal: bool = False
    is_done: bool = False
    has_error: bool = False
    finish_reason: int = FinishReason.NONE
    prompt_tokens: int = UNKNOWN
    output_tokens: int = UNKNOWN
    total_ns: int = UNKNOWN
    load_ns: int = UNKNOWN
    prompt_eval_ns: int = UNKNOWN
    eval_ns: int = UNKNOWN
    error: str = ""
    error_code: str = ""


FINISH_REASONS = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


def is_json_object(text: bytes) -> bool:
    """As RFC 8259 has it: the json module also takes NaN, Infinity, and byte order marks."""

    def refuse(name: str) -> None:
        raise ValueError(name)

    try:
        return isinstance(json.loads(text.decode("latin-1"), parse_constant=refuse), dict)
    except ValueError:
        return False


def facts_of(document: dict[str, Any]) -> Facts:
    """What a document says, in the dialect of OpenAI or of Ollama."""
    facts = Facts()
    choices = document.get("choices")
    for choice in choices if isinstance(choices, list) else []:
        if isinstance(choice, dict):
            _read_choice(facts, choice)
    _read_ollama(facts, document)
    usage = document.get("usage")
    if isinstance(usage, dict):
        facts.prompt_tokens = _count(usage.get("prompt_tokens"), facts.prompt_tokens, 2**31 - 1)
        facts.output_tokens = _count(usage.get("completion_tokens"), facts.output_tokens, 2**31 - 1)
    facts.has_error = document.get("error") not in (None, False, "") or document.get("object") == "error"
    facts.error = _error_text(document)
    facts.error_code = _error_code(document)
    return facts


def _read_choice(facts: Facts, choice: dict[str, Any]) -> None:
    for part in (choice.get("delta"), choice.get("message")):
        if isinstance(part, dict):
            _read_delta(facts, part)
    _take_text(facts, choice.get("text"))
    _take_finish(facts, choice.get("finish_reason"))


def _read_delta(facts: Facts, delta: dict[str, Any]) -> None:
    for name in ("content", "reasoning_content", "reasoning", "thinking"):
        _take_text(facts, delta.get(name))
    facts.has_content |= isinstance(delta.get("tool_calls"), list | dict) and bool(delta["tool_calls"])
    facts.is_refusal |= isinstance(delta.get("refusal"), str) and bool(delta["refusal"])


def _take_text(facts: Facts, value: Any) -> None:
    """A text, or parts of one, of which some may refuse."""
    if isinstance(value, list):
        for part in value:
            if isinstance(part, dict):
                _take_text(facts, part.get("text"))
                facts.is_refusal |= isinstance(part.get("refusal"), str) and bool(part["refusal"])
    facts.has_content |= isinstance(value, str) and bool(value)


def _take_finish(facts: Facts, reason: Any) -> None:
    if isinstance(reason, str) and reason:
        facts.finish_reason = FINISH_REASONS.get(reason, FinishReason.OTHER)


def _read_ollama(facts: Facts, document: dict[str, Any]) -> None:
    message = document.get("message")
    if isinstance(message, dict):
        _read_delta(facts, message)
    _take_text(facts, document.get("response"))
    _take_text(facts, document.get("thinking"))
    _take_finish(facts, document.get("done_reason"))
    facts.is_done = document.get("done") is True
    facts.prompt_tokens = _count(document.get("prompt_eval_count"), facts.prompt_tokens, 2**31 - 1)
    facts.output_tokens = _count(document.get("eval_count"), facts.output_tokens, 2**31 - 1)
    for name in ("total", "load", "prompt_eval", "eval"):
        setattr(facts, f"{name}_ns", _count(document.get(f"{name}_duration"), UNKNOWN, 2**63 - 1))


def _count(value: Any, otherwise: int, largest: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | float) or value <= -1:
        return otherwise
    return largest if value >= largest else int(value)


def _member(document: dict[str, Any], name: str) -> dict[str, Any]:
    member = document.get(name)
    return member if isinstance(member, dict) else {}


def _first_text(*places: Any) -> str:
    return next((place for place in places if isinstance(place, str) and place), "")


def _error_text(document: dict[str, Any]) -> str:
    """The best of what a document says went wrong: the places come from the most to the least telling."""
    inner = _member(document, "error")
    detail = document.get("detail")
    if isinstance(detail, list):
        detail = next((item.get("msg") for item in detail if isinstance(item, dict)), None)
    return _first_text(
        *(inner.get("message"), inner.get("code"), inner.get("type"), document.get("message"), document.get("error")),
        *(detail, _member(document, "status").get("error"), document.get("code"), document.get("type")),
    )


def _error_code(document: dict[str, Any]) -> str:
    inner = _member(document, "error")
    name = document.get("error") if isinstance(document.get("message"), str) else None
    return _first_text(inner.get("code"), document.get("code"), inner.get("type"), document.get("type"), name)


def excerpt(text: bytes, n_bytes: int = ERROR_BYTES) -> bytes:
    """A text in one line that fits a record, for text that is good UTF-8."""
    line = re.sub(r"[\x00-\x20\x7f]+", " ", text.decode()).strip(" ").encode()
    return line[:n_bytes].decode(errors="ignore").rstrip(" ").encode()


def known_facts(facts: Facts) -> dict[str, Any]:
    """Facts with the error as the probe gives it."""
    error, code = (text.encode(errors="replace") for text in (facts.error, facts.error_code))
    return {**vars(facts), "error": excerpt(error), "error_code": excerpt(code, ERROR_CODE_BYTES)}
