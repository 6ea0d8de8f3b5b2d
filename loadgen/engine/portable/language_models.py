"""What language models' servers say, document by document. Sources: OpenAI's API reference, Ollama's docs/api.md."""

from typing import Any

from loadgen.engine.portable.facts import Facts, take_error
from loadgen.records import FinishReason

_FINISH = {
    "stop": FinishReason.STOP,
    "length": FinishReason.LENGTH,
    "tool_calls": FinishReason.TOOL_CALLS,
    "function_call": FinishReason.TOOL_CALLS,
    "content_filter": FinishReason.CONTENT_FILTER,
}


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


def _has_content(part: dict[str, Any]) -> bool:
    return any(part.get(name) for name in ("content", "reasoning_content", "reasoning", "thinking", "tool_calls"))


def _take_finish(facts: Facts, reason: Any) -> None:
    if isinstance(reason, str) and reason:
        facts.finish_reason = _FINISH.get(reason, FinishReason.OTHER)
        facts.has_refused |= facts.finish_reason is FinishReason.CONTENT_FILTER


def _take_error(facts: Facts, document: dict[str, Any]) -> None:
    if document.get("error") or document.get("object") == "error":
        take_error(facts, document)


def _count(value: Any, otherwise: int) -> int:
    """A figure of the server's; what is none leaves what was known."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < 2**63:
        return otherwise
    return int(value)
