"""What OpenAI's and Ollama's servers say, as the tests need it."""

import json
from typing import Any

from scripted import chunked, whole

DONE = b"data: [DONE]\n\n"


def event(document: Any) -> bytes:
    """A server-sent event."""
    return b"data: " + json.dumps(document).encode() + b"\n\n"


def delta(content: str | None = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    """A chunk of a chat completion."""
    said = {**({} if content is None else {"content": content}), **more}
    choice = {"index": 0, "delta": said, "finish_reason": finish}
    return {"id": "c-1", "object": "chat.completion.chunk", "choices": [choice]}


def usage(prompt_tokens: int, completion_tokens: int) -> dict[str, Any]:
    figures = {"prompt_tokens": prompt_tokens, "completion_tokens": completion_tokens}
    return {"choices": [], "usage": {**figures, "total_tokens": prompt_tokens + completion_tokens}}


def chat_events(n_tokens: int, *, figures: bool = True, done: bool = True) -> list[bytes]:
    """A whole chat stream: the role, the tokens, the finish reason, the usage, [DONE]."""
    events = [event(delta(role="assistant"))]
    events += [event(delta(f"w{number} ")) for number in range(n_tokens)]
    events.append(event(delta(finish="stop")))
    if figures:
        events.append(event(usage(7, n_tokens)))
    return [*events, DONE] if done else events


def chat_stream(n_tokens: int, **choices: bool) -> bytes:
    return chunked(chat_events(n_tokens, **choices))


def completion(content: str = "hello", *, finish: str = "stop") -> bytes:
    """A chat completion that is not streamed."""
    message = {"role": "assistant", "content": content}
    document = {"choices": [{"index": 0, "message": message, "finish_reason": finish}], **usage(7, 3)}
    document["choices"] = [{"index": 0, "message": message, "finish_reason": finish}]
    return whole(json.dumps(document).encode())


def refusal(status: str, message: str, **more: Any) -> bytes:
    """An error as OpenAI's servers give it."""
    return whole(
        json.dumps({"error": {"message": message, "type": "invalid_request_error", **more}}).encode(), status=status
    )


def ollama_line(content: str, **more: Any) -> bytes:
    message = {"role": "assistant", "content": content}
    return json.dumps({"model": "m", "message": message, "done": False, **more}).encode() + b"\n"


OLLAMA_END = {
    "done": True,
    "done_reason": "stop",
    "total_duration": 9_000_000_001,
    "load_duration": 1_000_000_002,
    "prompt_eval_count": 11,
    "prompt_eval_duration": 2_000_000_003,
    "eval_count": 3,
    "eval_duration": 5_000_000_004,
}
