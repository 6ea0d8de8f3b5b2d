"""What an answer says of itself, as far as it has come: counts, durations, and what went wrong."""

import json
import re
from dataclasses import dataclass
from html import unescape
from typing import Any, NoReturn

import orjson

from loadgen.records import ERROR_BYTES, ERROR_CODE_BYTES, NEVER, FinishReason

_BLANKS = re.compile(r"[\x00-\x20\x7f]+")
_CONTEXT_LENGTH = re.compile(r"context[ _](?:length|window|size)|maximum model length", re.IGNORECASE)
_XML_CODE = re.compile(rb"<Code>(.*?)</Code>", re.DOTALL)
_XML_MESSAGE = re.compile(rb"<Message>(.*?)</Message>", re.DOTALL)


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
    error_code: str = ""
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
        raise MalformedError(f"not JSON: {one_line(text[:60].decode(errors='replace'))}") from reason


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(name)


def take_error(facts: Facts, document: dict[str, Any]) -> None:
    """Take the document as the answer's error. Of several the first counts, and the first code that one of them has."""
    facts.error_code = facts.error_code or error_code(document)
    if facts.error is None:
        texts = error_texts(document)
        facts.error = texts[0] if texts else ""
        facts.is_context_too_long = any(_CONTEXT_LENGTH.search(text) for text in texts)


def take_error_page(facts: Facts, page: bytes) -> None:
    """The same for XML (S3), and for a text as it comes."""
    code, message = _inside(_XML_CODE, page), _inside(_XML_MESSAGE, page)
    take_error(facts, {"message": message or code or page.decode(errors="replace"), "code": code})


def _inside(element: re.Pattern[bytes], page: bytes) -> str:
    found = element.search(page)
    return unescape(found[1].decode(errors="replace")) if found else ""


def error_texts(document: dict[str, Any]) -> list[str]:
    """What a server's error object says, the message first: shapes of OpenAI, Ollama, FastAPI, Chroma and Qdrant."""
    error, message, status = (document.get(name) for name in ("error", "message", "status"))
    inner: dict[str, Any] = error if isinstance(error, dict) else {}
    detail = document.get("detail")
    if isinstance(detail, list) and detail and isinstance(detail[0], dict):
        detail = detail[0].get("msg")
    places = (
        inner.get("message"),
        *((message, error) if isinstance(error, str) else ()),  # Chroma's: the error is but its name
        *(inner.get("code"), inner.get("type"), message, detail),
        *(status.get("error") if isinstance(status, dict) else None, document.get("code"), document.get("type")),
    )
    return [text for text in places if isinstance(text, str) and text]


def error_code(document: dict[str, Any]) -> str:
    """The word that tells this error from others: a code, else a type, else Chroma's name of it; or ""."""
    error = document.get("error")
    inner: dict[str, Any] = error if isinstance(error, dict) else {}
    named = error if isinstance(document.get("message"), str) else None
    places = (inner.get("code"), document.get("code"), inner.get("type"), document.get("type"), named)
    return next((text for text in places if isinstance(text, str) and text), "")


def clip_error(text: str) -> bytes:
    """The text in one line, as UTF-8, cut between two characters so that it fits a record."""
    return _clip(text, ERROR_BYTES)


def clip_code(text: str) -> bytes:
    return _clip(text, ERROR_CODE_BYTES)


def _clip(text: str, n_bytes: int) -> bytes:
    return one_line(text).encode(errors="replace")[:n_bytes].decode(errors="ignore").encode()


def one_line(text: str) -> str:
    return _BLANKS.sub(" ", text).strip(" ")
