"""Prompts out of a file: .txt, .jsonl, ShareGPT .json, .csv."""

import hashlib
import io
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

from loadgen.errors import RecipeError

MAX_FILE_BYTES = 1 << 30

Prompt = str | list[dict[str, Any]]
"""A text, or a chat's messages."""


class FileContent(NamedTuple):
    prompts: list[Prompt]
    sha256: str


def load_prompts(path: Path, field: str | None) -> FileContent:
    """All prompts of the file, in its order. Raises RecipeError that names the file and the line."""
    read = _READERS.get(path.suffix.lower())
    if read is None:
        raise _error(path, f"ends with none of {', '.join(_READERS)}")
    content = _content(path)
    try:
        prompts = list(read(_Source(path, content.decode("utf-8-sig"), field)))
    except UnicodeDecodeError as error:
        raise _error(path, f"not UTF-8 at byte {error.start}") from None
    if not prompts:
        raise _error(path, "holds no prompt")
    return FileContent(prompts, hashlib.sha256(content).hexdigest())


class _Source(NamedTuple):
    path: Path
    text: str
    field: str | None


def _content(path: Path) -> bytes:
    try:
        n_bytes = path.stat().st_size
        if n_bytes > MAX_FILE_BYTES:
            raise _error(path, f"{n_bytes:,} bytes are more than the {MAX_FILE_BYTES:,} that are held in memory")
        return path.read_bytes()
    except OSError as error:
        raise _error(path, error.strerror or str(error)) from None


def _error(path: Path, reason: str, line: int | None = None) -> RecipeError:
    place = f"{path}:{line}" if line else f"{path}"
    return RecipeError(f"workload.prompts.path: {place}: {reason}")


def _read_txt(source: _Source) -> Iterator[Prompt]:
    """One prompt a line; blank lines are none."""
    return (line.rstrip("\r") for line in source.text.split("\n") if line.strip())


def _read_jsonl(source: _Source) -> Iterator[Prompt]:
    """One object a line, with `prompt` or `messages`; or the field that is named."""
    for number, line in enumerate(source.text.split("\n"), 1):
        if line.strip():
            yield _prompt_of(_parsed(source.path, line, number), source, number)


def _read_json(source: _Source) -> Iterator[Prompt]:
    """A list of ShareGPT conversations (the first human turn of each), or of what a .jsonl line may hold."""
    entries = _parsed(source.path, source.text, None)
    if not isinstance(entries, list):
        raise _error(source.path, "must hold a list")
    for number, entry in enumerate(entries, 1):
        if isinstance(entry, dict) and isinstance(entry.get("conversations"), list) and source.field is None:
            opening = _first_human_turn(entry["conversations"])
            if opening:
                yield opening
        else:
            yield _prompt_of(entry, source, number, "entry")


def _read_csv(source: _Source) -> Iterator[Prompt]:
    """The column `prompt`, or the one that is named."""
    import csv

    rows = csv.DictReader(io.StringIO(source.text, newline=""))
    column = source.field or "prompt"
    if column not in (rows.fieldnames or ()):
        raise _error(source.path, f"has no column {column}; there are: {', '.join(rows.fieldnames or ())}", 1)
    for row in rows:
        if row[column] and row[column].strip():
            yield row[column]


_READERS: dict[str, Callable[[_Source], Iterator[Prompt]]] = {
    ".txt": _read_txt,
    ".jsonl": _read_jsonl,
    ".json": _read_json,
    ".csv": _read_csv,
}


def _parsed(path: Path, text: str, line: int | None) -> Any:
    import orjson

    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        raise _error(path, f"not JSON: {error.msg} (column {error.colno})", line or error.lineno) from None


def _prompt_of(entry: Any, source: _Source, number: int, unit: str = "line") -> Prompt:
    """The prompt of one JSON value. Raises RecipeError."""
    if isinstance(entry, str):
        entry = {"prompt": entry}
    names = (source.field,) if source.field else ("prompt", "messages")
    name = next((name for name in names if isinstance(entry, dict) and name in entry), None)
    if name is None:
        raise _error(source.path, f"{unit} {number} has no {' or '.join(names)}", number if unit == "line" else None)
    value = entry[name]
    if not (_is_text(value) or _is_messages(value)):
        reason = f"{unit} {number}: {name} must be a text, or a list of messages {{role, content}}"
        raise _error(source.path, reason, number if unit == "line" else None)
    prompt: Prompt = value
    return prompt


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip())


def _is_messages(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, dict) and "role" in item for item in value)


def _first_human_turn(turns: list[Any]) -> str | None:
    """ShareGPT: {from: human, value}; some copies say user."""
    said = (turn.get("value") for turn in turns if isinstance(turn, dict) and turn.get("from") in ("human", "user"))
    return next((text for text in said if _is_text(text)), None)
