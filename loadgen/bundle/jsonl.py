"""Records to lines of requests.jsonl. The native engine writes the same bytes; loadgen/bundle/parse.py reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

import orjson

from loadgen.bundle.layout import (
    CONTENT_KEYS,
    FINISH_REASONS,
    OUTCOMES,
    PHASES,
    SERVER_KEYS,
    STAMPS,
    TOKEN_SOURCES,
    request_id,
)
from loadgen.records import NEVER, RECORD_DTYPE, Block, OperationLike, Outcome
from loadgen.units import NS_PER_S

_NAMES = RECORD_DTYPE.names or ()
_ESCAPES = {**{code: f"\\u{code:04x}" for code in range(0x20)}, ord('"'): '\\"', ord("\\"): "\\\\"}


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
    has_tokens = operation.expects_tokens or _has_token_data(record)
    line = {
        "request_id": request_id(run_tag, record["index"]),
        "index": record["index"],
        "phase": PHASES[record["phase"]],
        "operation": operation.name,
        **({"service": operation.service} if operation.service else {}),
        **_instants(record, has_tokens),
        **_ending(record),
        **(_tokens(record, itl_ns) if has_tokens else {}),
        **{key: record[key] for key in (*SERVER_KEYS, *CONTENT_KEYS) if record[key] != NEVER},
        **({"checked": True} if record["checked"] else {}),
        "request_bytes": record["request_bytes"],
        "response_bytes": record["response_bytes"],
        "connection": _known(record["connection"]),
        "payload": record["payload"],
    }
    return orjson.dumps(line)[:-1] + _durations(record, has_tokens) + b"}\n"


def _instants(record: Mapping[str, Any], has_tokens: bool) -> dict[str, int | None]:
    tokens = ("first_token_at_ns", "last_token_at_ns") if has_tokens else ()
    names = ("sent_at_ns", "first_byte_at_ns", *tokens, "done_at_ns")
    return {"planned_at_ns": record["planned_at_ns"], **{name: _known(record[name]) for name in names}}


def _ending(record: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "stamp": STAMPS[record["stamp"]],
        "read_lag_ns": record["read_lag_ns"],
        "outcome": OUTCOMES[record["outcome"]],
        "success": record["outcome"] == Outcome.OK,
        "http_status": record["http_status"] or None,
        "error": _text(record["error"]) if record["error"] else None,
        **({"error_code": _text(record["error_code"])} if record["error_code"] else {}),
    }


def _tokens(record: Mapping[str, Any], itl_ns: list[int]) -> dict[str, Any]:
    return {
        "finish_reason": FINISH_REASONS[record["finish_reason"]],
        "prompt_tokens": _known(record["prompt_tokens"]),
        "output_tokens": _known(record["output_tokens"]),
        "token_source": TOKEN_SOURCES[record["token_source"]],
        "n_events": record["n_events"],
        "n_shared_stamps": record["n_shared_stamps"],
        "itl_ns": itl_ns,
    }


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


def operation_json(operation: OperationLike) -> bytes:
    """What a line says of the operation: its name, and its service where there are several."""
    name = orjson.dumps(operation.name)
    return name + b',"service":' + orjson.dumps(operation.service) if operation.service else name


def codes() -> dict[str, list[bytes]]:
    """The JSON text of every code of a record."""
    return {
        "outcomes": _json_texts(OUTCOMES),
        "phases": _json_texts(PHASES),
        "stamps": _json_texts(STAMPS),
        "finish_reasons": _json_texts(FINISH_REASONS),
        "token_sources": _json_texts(TOKEN_SOURCES),
    }


def _json_texts(names: Sequence[str | None]) -> list[bytes]:
    return [orjson.dumps(name) for name in names]
