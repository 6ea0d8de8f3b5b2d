"""What the simulator says, in each dialect: templates for the native server, made once.

NUL and a letter stand for a field that is filled in for each message; ext/sim/message.pxd lists the letters.

Sources: OpenAI's API reference (chat, completions, embeddings, models), with vLLM's habits where the two differ;
Ollama's docs/api.md.
"""

import json
from typing import Any

MODEL = "simulator"
OLLAMA_MODEL = "simulator:latest"
STREAM_ERROR = {"message": "the simulator was asked to fail here", "type": "server_error", "code": 500}

# The order of ext/sim/state.pxd's Operation.
CHAT, COMPLETION, OLLAMA_CHAT, OLLAMA_GENERATE, EMBEDDINGS, OLLAMA_EMBED, METRICS, READY = range(8)

_FIELDS = {"@id": "I", "@token": "N", "@time": "T", "@reason": "R", "@text": "X"}
_NUMBERS = {
    "@created": "C", "@prompt_tokens": "P", "@output_tokens": "O", "@all_tokens": "S", "@total_ns": "D",
    "@prompt_ns": "E", "@eval_ns": "G", "@vectors": "V", "@bare_vectors": "W",
}  # fmt: skip
_USAGE = {"prompt_tokens": "@prompt_tokens", "completion_tokens": "@output_tokens", "total_tokens": "@all_tokens"}


def _template(message: dict[str, Any]) -> bytes:
    """Compact JSON, its @names turned into fields: first those that stand for a number, quotes and all."""
    text = json.dumps(message, separators=(",", ":"))
    for name, letter in _NUMBERS.items():
        text = text.replace(f'"{name}"', f"\0{letter}")
    for name, letter in _FIELDS.items():
        text = text.replace(name, f"\0{letter}")
    return text.encode()


def _event(message: dict[str, Any]) -> bytes:
    return b"data: " + _template(message) + b"\n\n"


def _line(message: dict[str, Any]) -> bytes:
    return _template(message) + b"\n"


def _stream_head(content_type: str) -> bytes:
    return (
        f"HTTP/1.1 200 OK\r\nContent-Type: {content_type}\r\nCache-Control: no-cache\r\n"
        "Transfer-Encoding: chunked\r\n\0K\r\n"
    ).encode()


def _sse(kind: str, prefix: str, choice: dict[str, Any], extra: dict[str, bytes]) -> dict[str, bytes]:
    """The parts that OpenAI's two streams share. choice: the only choice of the finishing chunk."""
    return {
        "stream_head": _stream_head("text/event-stream; charset=utf-8"),
        "finish": _event(_chunk(kind, prefix, [choice])),
        "usage": _event({**_chunk(kind, prefix, []), "usage": _USAGE}),
        "done": b"data: [DONE]\n\n",
        "error_event": _event({"error": STREAM_ERROR}),
        "not_json": b"data: this is not JSON\n\n",
        "error_body": _template({"error": STREAM_ERROR}),
        **extra,
    }


def _chunk(kind: str, prefix: str, choices: list[dict[str, Any]]) -> dict[str, Any]:
    return {"id": f"{prefix}-@id", "object": kind, "created": "@created", "model": MODEL, "choices": choices}


def _delta(delta: dict[str, str], finish_reason: str | None = None) -> dict[str, Any]:
    return {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}


def chat() -> dict[str, bytes]:
    def event(choice: dict[str, Any]) -> bytes:
        return _event(_chunk("chat.completion.chunk", "chatcmpl", [choice]))

    message = {"role": "assistant", "content": "@text"}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "@reason"}
    extra = {
        "opening": event(_delta({"role": "assistant", "content": ""})),
        "token": event(_delta({"content": " tok@token"})),
        "whole": _template({**_chunk("chat.completion", "chatcmpl", [choice]), "usage": _USAGE}),
    }
    return _sse("chat.completion.chunk", "chatcmpl", _delta({}, "@reason"), extra)


def completion() -> dict[str, bytes]:
    def choice(text: str, reason: str | None) -> dict[str, Any]:
        return {"index": 0, "text": text, "logprobs": None, "finish_reason": reason}

    def body(text: str, reason: str | None) -> dict[str, Any]:
        return _chunk("text_completion", "cmpl", [choice(text, reason)])

    extra = {
        "token": _event(body(" tok@token", None)),
        "whole": _template({**body("@text", "@reason"), "usage": _USAGE}),
    }
    return _sse("text_completion", "cmpl", choice("", "@reason"), extra)


def _ollama(content: dict[str, Any], token: dict[str, Any], text: dict[str, Any]) -> dict[str, bytes]:
    begin = {"model": OLLAMA_MODEL, "created_at": "@time"}
    end = {
        "done_reason": "@reason",
        "done": True,
        "total_duration": "@total_ns",
        "load_duration": 0,
        "prompt_eval_count": "@prompt_tokens",
        "prompt_eval_duration": "@prompt_ns",
        "eval_count": "@output_tokens",
        "eval_duration": "@eval_ns",
    }
    return {
        "stream_head": _stream_head("application/x-ndjson"),
        "token": _line({**begin, **token, "done": False}),
        "finish": _line({**begin, **content, **end}),
        "error_event": _line({"error": STREAM_ERROR["message"]}),
        "not_json": b"this is not JSON\n",
        "whole": _template({**begin, **text, **end}),
        "error_body": _template({"error": STREAM_ERROR["message"]}),
    }


def _message(content: str) -> dict[str, Any]:
    return {"message": {"role": "assistant", "content": content}}


def ollama_chat() -> dict[str, bytes]:
    return _ollama(_message(""), _message(" tok@token"), _message("@text"))


def ollama_generate() -> dict[str, bytes]:
    return _ollama({"response": ""}, {"response": " tok@token"}, {"response": "@text"})


def embeddings() -> dict[str, bytes]:
    usage = {"prompt_tokens": "@prompt_tokens", "total_tokens": "@prompt_tokens"}
    return {
        "whole": _template({"object": "list", "data": ["@vectors"], "model": MODEL, "usage": usage}),
        "error_body": _template({"error": STREAM_ERROR}),
    }


def ollama_embed() -> dict[str, bytes]:
    body = {
        "model": OLLAMA_MODEL,
        "embeddings": ["@bare_vectors"],
        "total_duration": "@total_ns",
        "load_duration": 0,
        "prompt_eval_count": "@prompt_tokens",
    }
    return {"whole": _template(body), "error_body": _template({"error": STREAM_ERROR["message"]})}


def all_dialects() -> dict[int, dict[str, bytes]]:
    """Template parts by operation."""
    return {
        CHAT: chat(),
        COMPLETION: completion(),
        OLLAMA_CHAT: ollama_chat(),
        OLLAMA_GENERATE: ollama_generate(),
        EMBEDDINGS: embeddings(),
        OLLAMA_EMBED: ollama_embed(),
    }
