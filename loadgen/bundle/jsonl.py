"""Records to lines of requests.jsonl, and back. The native engine writes the same bytes."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import orjson

from loadgen.bundle.layout import (
    CONTENT_KEYS,
    FINISH_REASONS,
    OUTCOMES,
    PHASES,
    SERVER_KEYS,
    STAMPS,
    TOKEN_KEYS,
    TOKEN_SOURCES,
    OperationLike,
    request_id,
)
from loadgen.records import NEVER, RECORD_DTYPE, Block
from loadgen.units import NS_PER_S

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
_ESCAPES = {**{code: f"\\u{code:04x}" for code in range(0x20)}, ord('"'): '\\"', ord("\\"): "\\\\"}
_NUMBERS = tuple(name for name in _NAMES[: _NAMES.index("http_status") + 1] if name != "n_gaps")
_CHOICES: dict[str, dict[str | None, int]] = {
    key: {name: number for number, name in enumerate(names)}
    for key, names in (
        *(("outcome", OUTCOMES), ("phase", PHASES), ("stamp", STAMPS)),
        *(("finish_reason", FINISH_REASONS), ("token_source", TOKEN_SOURCES)),
    )
}


def format_lines(block: Block, run_tag: str, operations: Sequence[OperationLike]) -> bytes:
    """One line a request, with the keys of LINE_KEYS that apply; UTF-8, no spaces, LF ends.

    run_tag: the benchmark id. operations: those of the plan, in its order.
    """
    columns = [block.records[name].tolist() for name in _NAMES]
    gaps_ns = block.gaps_ns.tolist()
    lines = []
    n_used = 0
    for values in zip(*columns, strict=True):
        record = dict(zip(_NAMES, values, strict=True))
        itl_ns = gaps_ns[n_used : n_used + record["n_gaps"]]
        n_used += record["n_gaps"]
        lines.append(_line(record, itl_ns, run_tag, operations[record["operation"]]))
    return b"".join(lines)


def _line(record: dict[str, Any], itl_ns: list[int], run_tag: str, operation: OperationLike) -> bytes:
    line = {
        "request_id": request_id(run_tag, record["index"]),
        "index": record["index"],
        "phase": PHASES[record["phase"]],
        "operation": operation.name,
        **({"service": operation.service} if operation.service else {}),
        "planned_at_ns": record["planned_at_ns"],
        "sent_at_ns": _known(record["sent_at_ns"]),
        "first_byte_at_ns": _known(record["first_byte_at_ns"]),
        "first_token_at_ns": _known(record["first_token_at_ns"]),
        "last_token_at_ns": _known(record["last_token_at_ns"]),
        "done_at_ns": _known(record["done_at_ns"]),
        "stamp": STAMPS[record["stamp"]],
        "read_lag_ns": record["read_lag_ns"],
        "outcome": OUTCOMES[record["outcome"]],
        "success": record["outcome"] == 0,
        "http_status": record["http_status"] or None,
        "error": _text(record["error"]) if record["error"] else None,
        **({"error_code": _text(record["error_code"])} if record["error_code"] else {}),
        "finish_reason": FINISH_REASONS[record["finish_reason"]],
        "prompt_tokens": _known(record["prompt_tokens"]),
        "output_tokens": _known(record["output_tokens"]),
        "token_source": TOKEN_SOURCES[record["token_source"]],
        "n_events": record["n_events"],
        "n_shared_stamps": record["n_shared_stamps"],
        "itl_ns": itl_ns,
        **{key: record[key] for key in (*SERVER_KEYS, *CONTENT_KEYS) if record[key] != NEVER},
        **({"checked": True} if record["checked"] else {}),
        "request_bytes": record["request_bytes"],
        "response_bytes": record["response_bytes"],
        "connection": _known(record["connection"]),
        "payload": record["payload"],
    }
    has_tokens = operation.expects_tokens or _has_token_data(record)
    if not has_tokens:
        for key in TOKEN_KEYS[:-1]:
            del line[key]
    return orjson.dumps(line)[:-1] + _durations(record, has_tokens) + b"}\n"


def _durations(record: Mapping[str, Any], has_tokens: bool) -> bytes:
    """Decimals are written here: orjson would turn a microsecond into 1e-6."""
    latency = b',"latency_s":' + _seconds(record["planned_at_ns"], record["done_at_ns"])
    if not has_tokens:
        return latency
    return latency + b',"ttft_s":' + _seconds(record["planned_at_ns"], record["first_token_at_ns"])


def _has_token_data(record: Mapping[str, Any]) -> bool:
    return bool(record["n_events"]) or max(record["prompt_tokens"], record["output_tokens"]) >= 0


def _text(said: bytes) -> orjson.Fragment:
    """Control characters by their number, as the native formatter writes them."""
    return orjson.Fragment(f'"{said.decode("utf-8", "ignore").translate(_ESCAPES)}"')


def _known(value: int) -> int | None:
    return None if value == NEVER else value


def _seconds(begin_ns: int, end_ns: int) -> bytes:
    """The exact decimal, without exponent, at least one digit after the point; null where it never ended."""
    if end_ns == NEVER:
        return b"null"
    whole, rest = divmod(max(end_ns - begin_ns, 0), NS_PER_S)
    return f"{whole}.{f'{rest:09d}'.rstrip('0') or '0'}".encode()


def parse_lines(lines: Sequence[bytes], operations: Sequence[OperationLike]) -> tuple[Block, dict[int, str]]:
    """Lines of requests.jsonl as a Block, in their order.

    operations: those of the plan, in its order. Lines that cannot be read are left out; the second result says why, by
    their place among the lines.
    """
    operation_numbers = {(one.service, one.name): number for number, one in enumerate(operations)}
    try:
        return _parse(lines, operation_numbers), {}
    except _FAULTS:
        return _parse_one_by_one(lines, operation_numbers)


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
