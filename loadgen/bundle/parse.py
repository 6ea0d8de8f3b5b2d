"""Lines of requests.jsonl back to records: by the native reader, or by orjson.

Both give the same. The native one is many times faster, but may not be built, and reads only lines to the letter as
loadgen writes them; orjson reads any JSON: lines of older versions, lines that somebody edited.
"""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from loadgen.bundle.jsonl import codes, operation_json
from loadgen.bundle.layout import (
    CONTENT_KEYS,
    FINISH_REASONS,
    OUTCOMES,
    PHASES,
    SERVER_KEYS,
    STAMPS,
    TOKEN_SOURCES,
)
from loadgen.records import NEVER, RECORD_DTYPE, Block, OperationLike

try:
    from loadgen.bundle import _reader
except ImportError:  # no compiler where it was installed
    _reader = None  # type: ignore[assignment]

_MOST_OPERATIONS = 256
_Numbers = Mapping[tuple[str, str], int]  # an operation's, by its service and its name
_FAULTS = (AttributeError, KeyError, OverflowError, TypeError, ValueError)
_NAMES = RECORD_DTYPE.names or ()
_UNKNOWN_WHERE_ABSENT = frozenset(
    (
        *("sent_at_ns", "first_byte_at_ns", "first_token_at_ns", "last_token_at_ns", "done_at_ns"),
        *SERVER_KEYS,
        *CONTENT_KEYS,
        *("prompt_tokens", "output_tokens", "connection"),
    )
)
_NUMBERS = tuple(name for name in _NAMES[: _NAMES.index("http_status") + 1] if name != "n_gaps")
_CHOICES: dict[str, dict[str | None, int]] = {
    key: {name: number for number, name in enumerate(names)}
    for key, names in (
        *(("outcome", OUTCOMES), ("phase", PHASES), ("stamp", STAMPS)),
        *(("finish_reason", FINISH_REASONS), ("token_source", TOKEN_SOURCES)),
    )
}


def parse_lines(lines: Sequence[bytes], operations: Sequence[OperationLike]) -> tuple[Block, dict[int, str]]:
    """Lines of requests.jsonl as a Block, in their order.

    operations: those of the plan, in its order. Lines that cannot be read are left out; the second result says why, by
    their place among the lines.
    """
    block = _parse_fast(lines, operations)
    if block is not None:
        return block, {}
    operation_numbers = {(one.service, one.name): number for number, one in enumerate(operations)}
    try:
        return _parse(lines, operation_numbers), {}
    except _FAULTS:
        return _parse_one_by_one(lines, operation_numbers)


def _parse_fast(lines: Sequence[bytes], operations: Sequence[OperationLike]) -> Block | None:
    """None where the native reader is not there, or a line is not to the letter as loadgen writes it."""
    if _reader is None or len(operations) > _MOST_OPERATIONS:
        return None
    records = np.zeros(len(lines), RECORD_DTYPE)
    reader = _reader.Reader([operation_json(one) for one in operations], codes())
    n_read, gaps_ns = reader.read(list(lines), records.view(np.uint8))
    return Block(records, np.array(np.frombuffer(gaps_ns, np.int64))) if n_read == len(lines) else None


def _parse_one_by_one(lines: Sequence[bytes], operation_numbers: _Numbers) -> tuple[Block, dict[int, str]]:
    blocks, faults = [_parse((), operation_numbers)], {}
    for place, raw in enumerate(lines):
        try:
            blocks.append(_parse([raw], operation_numbers))
        except orjson.JSONDecodeError:
            faults[place] = "not JSON"
        except _FAULTS as error:
            faults[place] = f"not a request: {type(error).__name__}: {error}"
    records, gaps_ns = zip(*blocks, strict=True)
    return Block(np.concatenate(records), np.concatenate(gaps_ns)), faults


def _parse(lines: Sequence[bytes], operation_numbers: _Numbers) -> Block:
    """Raises one of _FAULTS where a line is not a request."""
    rows, gaps_ns = [], []
    for raw in lines:
        row, itl_ns = _row_of(orjson.loads(raw), operation_numbers)
        rows.append(row)
        gaps_ns += itl_ns
    return Block(np.array(rows, RECORD_DTYPE), np.array(gaps_ns, np.int64))


def _row_of(line: dict[str, Any], operation_numbers: _Numbers) -> tuple[tuple[Any, ...], list[int]]:
    itl_ns = line.get("itl_ns") or []
    known = {
        **{name: _number(line, name) for name in _NUMBERS},
        **{key: numbers[line.get(key)] for key, numbers in _CHOICES.items()},
        "n_gaps": len(itl_ns),
        "operation": operation_numbers[line.get("service", ""), line["operation"]],
        "checked": bool(line.get("checked")),
        "error": (line["error"] or "").encode(),
        "error_code": (line.get("error_code") or "").encode(),
    }
    return tuple(known[name] for name in _NAMES), itl_ns


def _number(line: Mapping[str, Any], name: str) -> int:
    value = line.get(name)
    if value is not None:
        return int(value)
    if name in ("index", "planned_at_ns"):
        raise KeyError(name)
    return NEVER if name in _UNKNOWN_WHERE_ABSENT else 0
