"""The answers that are the same every time: models, versions, health, refusals.

Each is (head without its empty line, body).
"""

import json
from typing import Any

from loadgen.simulator import dialects

Page = tuple[bytes, bytes]

OPENAI, OLLAMA = 0, 1
GET, HEAD, POST = 1, 2, 4  # bits
VERSION = "0.0.0-simulator"
STARTED = "2026-01-01T00:00:00Z"

_DETAILS = {
    "parent_model": "",
    "format": "gguf",
    "family": "simulator",
    "families": ["simulator"],
    "parameter_size": "0M",
    "quantization_level": "none",
}
# (fault number in ext/sim/faults.pxd, status line, text, OpenAI's type, OpenAI's code)
_REFUSALS = (
    (1, "400 Bad Request", "the simulator was asked to refuse this", "invalid_request_error", None),
    (2, "401 Unauthorized", "the simulator was asked to refuse this key", "authentication_error", "invalid_api_key"),
    (3, "404 Not Found", "the model does not exist", "not_found_error", "model_not_found"),
    (
        4,
        "429 Too Many Requests",
        "the simulator was asked to limit the rate",
        "rate_limit_error",
        "rate_limit_exceeded",
    ),
    (5, "500 Internal Server Error", "the simulator was asked to fail", "server_error", None),
    (6, "503 Service Unavailable", "the simulator was asked to be overloaded", "server_error", None),
    (
        7,
        "400 Bad Request",
        "this model's maximum context length is 0 tokens",
        "invalid_request_error",
        "context_length_exceeded",
    ),
    (9, "400 Bad Request", "the body is not a JSON object", "invalid_request_error", None),
)
_HTML_FAULT = 8
# The order of ext/sim/state.pxd's OwnPage.
_OWN_PAGES = (
    ("404 Not Found", "no such path", "not_found_error"),
    ("405 Method Not Allowed", "this path takes another method", "invalid_request_error"),
    ("400 Bad Request", "this is not HTTP/1.1", "invalid_request_error"),
    ("431 Request Header Fields Too Large", "the head is longer than 64 KiB", "invalid_request_error"),
    ("400 Bad Request", "X-Simulate: no such fault", "invalid_request_error"),
)


def _page(body: bytes, content_type: str, status: str = "200 OK", extra: str = "") -> Page:
    head = f"HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {len(body)}\r\n{extra}"
    return head.encode(), body


def _json_page(body: dict[str, Any], status: str = "200 OK", extra: str = "") -> Page:
    return _page(json.dumps(body, separators=(",", ":")).encode(), "application/json", status, extra)


def _error_page(family: int, status: str, text: str, kind: str, code: str | None) -> Page:
    extra = "Retry-After: 1\r\n" if status.startswith("429") else ""
    if family == OLLAMA:
        return _json_page({"error": text}, status, extra)
    return _json_page({"error": {"message": text, "type": kind, "param": None, "code": code}}, status, extra)


def refusals() -> list[tuple[int, int, Page]]:
    """(family, fault number, page) of every fault that is answered at once."""
    pages = [
        (family, number, _error_page(family, status, text, kind, code))
        for family in (OPENAI, OLLAMA)
        for number, status, text, kind, code in _REFUSALS
    ]
    html = _page(b"<!DOCTYPE html><title>Sign in</title><p>Not the page you wanted.\n", "text/html; charset=utf-8")
    return [*pages, (OPENAI, _HTML_FAULT, html), (OLLAMA, _HTML_FAULT, html)]


def own_pages() -> list[Page]:
    return [_error_page(OPENAI, status, text, kind, None) for status, text, kind in _OWN_PAGES]


def _models(names: tuple[str, ...]) -> Page:
    entries = [
        {"id": name, "object": "model", "created": 1767225600, "owned_by": "loadgen", "max_model_len": 1_000_000}
        for name in names
    ]
    return _json_page({"object": "list", "data": entries})


def _tags(names: tuple[str, ...]) -> Page:
    entries = [
        {"name": name, "model": name, "modified_at": STARTED, "size": 0, "digest": "0" * 64, "details": _DETAILS}
        for name in names
    ]
    return _json_page({"models": entries})


def _show() -> Page:
    return _json_page(
        {
            "modelfile": "FROM simulator",
            "parameters": "",
            "template": "{{ .Prompt }}",
            "details": _DETAILS,
            "model_info": {"general.architecture": "simulator", "general.parameter_count": 0},
            "capabilities": ["completion"],
        }
    )


def routes(models: tuple[str, ...] | None) -> list[tuple[bytes, int, int, int, Page]]:
    """(path, operation, family, methods, page) of every path; the page is empty where an operation makes it."""
    made: Page = (b"", b"")
    openai_models = models or (dialects.MODEL,)
    ollama_models = models or (dialects.OLLAMA_MODEL,)
    ready = [
        (b"/v1/models", OPENAI, GET | HEAD, _models(openai_models)),
        (b"/version", OPENAI, GET | HEAD, _json_page({"version": VERSION})),
        (b"/health", OPENAI, GET | HEAD, _json_page({"status": "ok"})),
        (b"/plain", OPENAI, GET | HEAD, _page(b"hello world\n", "text/plain")),
        (b"/", OLLAMA, GET | HEAD, _page(b"Loadgen's simulator is running", "text/plain; charset=utf-8")),
        (b"/api/version", OLLAMA, GET | HEAD, _json_page({"version": VERSION})),
        (b"/api/tags", OLLAMA, GET | HEAD, _tags(ollama_models)),
        (b"/api/ps", OLLAMA, GET | HEAD, _tags(ollama_models)),
        (b"/api/show", OLLAMA, POST, _show()),
    ]
    return [
        (b"/v1/chat/completions", dialects.CHAT, OPENAI, POST, made),
        (b"/v1/completions", dialects.COMPLETION, OPENAI, POST, made),
        (b"/v1/embeddings", dialects.EMBEDDINGS, OPENAI, POST, made),
        (b"/api/chat", dialects.OLLAMA_CHAT, OLLAMA, POST, made),
        (b"/api/generate", dialects.OLLAMA_GENERATE, OLLAMA, POST, made),
        (b"/api/embed", dialects.OLLAMA_EMBED, OLLAMA, POST, made),
        (b"/metrics", dialects.METRICS, OPENAI, GET, made),
        *((path, dialects.READY, family, methods, page) for path, family, methods, page in ready),
    ]
