"""What the answer to a probe means: fit for the load, fit with a note, or a service that cannot be measured."""

from collections.abc import Iterator, Sequence
from typing import Any

from loadgen.errors import TargetError
from loadgen.targets.probe import Answer

N_MODELS_SHOWN = 8

PASSING_FAILURES = frozenset({429, 500, 502, 503, 504, 529})


def check_accepted(answer: Answer, asked: str, has_key: bool) -> None:
    """Raises TargetError for an answer that is no success, or not the API's. asked: `http://host:port: POST /path`."""
    if answer.status in (401, 403):
        hint = "service.api_key is not accepted" if has_key else "set service.api_key"
        raise TargetError(f"{asked} is refused ({answer.status}): {hint}{_because(answer)}")
    if 300 <= answer.status < 400:
        raise TargetError(
            f"{asked} is answered with a redirect to {answer.location}: write that address in service.url"
        )
    if answer.status >= 400 or answer.status < 200:
        raise TargetError(f"{asked} is answered with {answer.status}{_because(answer)}")
    if answer.is_html:
        raise TargetError(f"{asked} is answered with an HTML page, not with JSON: is service.url right?")


def no_such_model(base: str, model: str, names: Sequence[str]) -> TargetError:
    """names: the models that there are."""
    return TargetError(f"{base}: has no model {model}; there are: {listed(names)}")


def listed(names: Sequence[str]) -> str:
    """The first few of them."""
    more = f" and {len(names) - N_MODELS_SHOWN} more" if len(names) > N_MODELS_SHOWN else ""
    return (", ".join(names[:N_MODELS_SHOWN]) or "none") + more


def events_of(answer: Answer) -> list[Any]:
    """The JSON values of a stream (SSE or NDJSON), or the one of a document. Lines that are no JSON are left out."""
    if answer.json is not None:
        return [answer.json]
    return list(_stream_values(answer.text))


def _stream_values(text: str) -> Iterator[Any]:
    import orjson

    for line in text.splitlines():
        try:
            yield orjson.loads(line.removeprefix("data:"))
        except orjson.JSONDecodeError:
            continue


def check_content(answer: Answer, asked: str) -> list[Any]:
    """The events of a success. Raises TargetError where there are none, or one of them is an error."""
    events = events_of(answer)
    if not events and answer.complete:
        kind = answer.content_type or "no content type"
        raise TargetError(
            f"{asked} is answered with neither JSON nor a stream of events ({kind}): {answer.reason[:80]}"
        )
    for event in events:
        if isinstance(event, dict) and event.get("error"):
            raise TargetError(f"{asked} is answered with an error: {_message(event['error'])}")
    return events


def _message(error: Any) -> str:
    return str(error.get("message", error)) if isinstance(error, dict) else str(error)


def is_one_document(answer: Answer) -> bool:
    """Whether the answer came whole, though a stream was asked for."""
    return answer.json is not None and "ndjson" not in answer.content_type and "event-stream" not in answer.content_type


def withholding(fields: Sequence[str], refusal: Answer) -> list[frozenset[str]]:
    """Which of the fields that a server may not know to leave out, one attempt after the other: those that it names,
    each alone, all.
    """
    named = frozenset(field for field in fields if field in refusal.text)
    attempts = dict.fromkeys([named, *(frozenset({field}) for field in fields), frozenset(fields)])
    return [attempt for attempt in attempts if attempt]


def _because(answer: Answer) -> str:
    return f": {answer.reason}" if answer.reason else ""
