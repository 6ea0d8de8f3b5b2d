"""Line by line through requests.jsonl: keys, types, instants in order, gaps that add up."""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
import orjson
from numpy.typing import NDArray

from loadgen.bundle.layout import (
    FINISH_REASONS,
    LEFT_OUT,
    LINE_KEYS,
    OUTCOMES,
    PHASES,
    REQUESTS_FILE,
    STAMPS,
    TOKEN_KEYS,
    TOKEN_SOURCES,
    request_id,
)
from loadgen.bundle.read import Bundle, line_batches
from loadgen.units import NS_PER_S

_LINES_AT_ONCE = 4096
_MOST_NAMED = 20
_HIGHEST = 2**63 - 1
_DOUBLE_ROUNDING = 2**-50

_Shape = tuple[str, Callable[[Any], bool]]  # what is expected, in words, and whether a value is that

_ARRIVALS = ("first_byte_at_ns", "first_token_at_ns", "last_token_at_ns", "done_at_ns")
"""In this order. The send is not among them: a server may answer before it has read the whole request."""


@dataclass
class Counted:
    """What the lines say that the summary must say too. Requests of the measured window, but warmup and drain."""

    requests: Counter[str] = field(default_factory=Counter)
    by_outcome: Counter[str] = field(default_factory=Counter)
    by_error_code: Counter[str] = field(default_factory=Counter)
    totals: Counter[str] = field(default_factory=Counter)
    n_checked: int = 0

    def __post_init__(self) -> None:
        self.totals.update(total_prompt_tokens=0, total_output_tokens=0)

    @property
    def n_requests(self) -> int:
        """In the window and outside of it."""
        return sum(self.requests[name] for name in ("planned", "warmup", "drain"))

    @property
    def n_wrong(self) -> int:
        return self.by_outcome["wrong_answer"]

    def add(self, line: Mapping[str, Any]) -> None:
        if line["phase"] != "measure":
            self.requests[line["phase"]] += 1
            return
        outcome = line["outcome"]
        self.by_outcome[outcome] += 1
        self.requests["planned"] += 1
        self.requests["sent"] += line["sent_at_ns"] is not None
        self.requests["finished"] += outcome != "cancelled"
        self.requests["succeeded" if outcome == "ok" else "cancelled" if outcome == "cancelled" else "failed"] += 1
        self.n_checked += line.get("checked", False)
        if outcome == "ok":
            self.totals["total_prompt_tokens"] += line.get("prompt_tokens") or 0
            self.totals["total_output_tokens"] += line.get("output_tokens") or 0
        elif outcome != "cancelled" and line.get("error_code"):
            self.by_error_code[line["error_code"]] += 1

    @classmethod
    def together(cls, parts: "Iterable[Counted]") -> "Counted":
        whole = cls()
        for part in parts:
            for name in ("requests", "by_outcome", "by_error_code", "totals"):
                getattr(whole, name).update(getattr(part, name))
            whole.n_checked += part.n_checked
        return whole


class Checked(NamedTuple):
    """What the lines say. counted: by service. faults: what is wrong, a line each. indexes: of all requests, rising."""

    counted: dict[str, Counted]
    faults: list[str]
    indexes: NDArray[np.int64]


def check_lines(bundle: Bundle) -> Checked:
    """Count the lines that are requests, by their service, and say what is wrong, the first faults one by one."""
    counted = {operation.service: Counted() for operation in bundle.operations} or {"": Counted()}
    faults, places = Faults(), [np.zeros((0, 2), np.int64)]
    n_read = 0
    for lines in line_batches(bundle.requests_path, _LINES_AT_ONCE):
        requests = list(_requests_among(lines, n_read, bundle, faults))
        for _, request in requests:
            counted[request.get("service", "")].add(request)
        numbered = [(request["index"], number) for number, request in requests]
        places.append(np.array(numbered, np.int64).reshape(-1, 2))
        n_read += len(lines)
    index_and_line = np.concatenate(places)
    for fault in _twice(index_and_line):
        faults.add(fault)
    return Checked(counted, faults.said(), np.unique(index_and_line[:, 0]))


class Faults:
    """What is wrong, of which only the first are kept."""

    def __init__(self) -> None:
        self._n = 0
        self._first: list[str] = []

    def add(self, fault: str) -> None:
        self._n += 1
        if self._n <= _MOST_NAMED:
            self._first.append(fault)

    def said(self) -> list[str]:
        left = self._n - len(self._first)
        return [*self._first, f"{REQUESTS_FILE}: and {left} more faults"] if left else self._first


def _requests_among(
    lines: list[bytes], n_before: int, bundle: Bundle, faults: Faults
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Those of the right shape, with the numbers of their lines."""
    operations = {(one.service, one.name): one.expects_tokens for one in bundle.operations}
    for number, raw in enumerate(lines, n_before + 1):
        where = f"{REQUESTS_FILE}:{number}"
        try:
            line = orjson.loads(raw)
        except orjson.JSONDecodeError:
            whole = raw.endswith(b"\n")
            faults.add(f"{where}: not JSON" if whole else f"{where}: the last line is cut: the run was killed")
            continue
        wrong = list(_wrong_shape(line, operations))
        for fault in wrong or _contradictions(line, bundle.id):
            faults.add(f"{where}: {fault}")
        if not wrong:
            yield number, line


def _twice(index_and_line: NDArray[np.int64]) -> Iterator[str]:
    """Each line whose index an earlier one has. index_and_line: shape (n, 2), in the order of the lines."""
    ordered = index_and_line[np.argsort(index_and_line[:, 0], kind="stable")]
    again = np.flatnonzero(ordered[1:, 0] == ordered[:-1, 0]) + 1
    for place in again.tolist():
        (index, number), (_, before) = ordered[place].tolist(), ordered[place - 1].tolist()
        yield f"{REQUESTS_FILE}:{number}: index {index} stands in line {before} already"


def _wrong_shape(line: Any, operations: Mapping[tuple[str, str], bool]) -> Iterator[str]:
    """Keys and types."""
    if not isinstance(line, dict):
        yield "not a JSON object"
        return
    yield from (f"{key}: unknown key" for key in line if key not in _SHAPES)
    operation, service = line.get("operation"), line.get("service", "")
    named = (service, operation) if isinstance(operation, str) and isinstance(service, str) else None
    has_tokens = "n_events" in line or (named is not None and operations.get(named, False))
    for key, (expected, fits) in _SHAPES.items():
        if key in line:
            if not fits(line[key]):
                yield f"{key}: must be {expected}, got {line[key]!r}"
        elif key not in LEFT_OUT and (has_tokens or key not in TOKEN_KEYS):
            yield f"{key}: missing"
    if named is not None and named not in operations:
        yield f"operation: {service + ' ' if service else ''}{operation} is none of the run's"


def _contradictions(line: Mapping[str, Any], identity: str) -> Iterator[str]:
    """What cannot be true together, in a line of the right shape."""
    if line["request_id"] != request_id(identity, line["index"]):
        yield f"request_id: {line['request_id']} does not belong to index {line['index']} of {identity}"
    if line["success"] != (line["outcome"] == "ok"):
        yield f"success: {line['success']}, but the outcome is {line['outcome']}"
    if line.get("n_hits", 0) > line.get("n_items", _HIGHEST):
        yield f"n_hits: {line['n_hits']} of {line['n_items']} items"
    yield from _disorder(line)
    if "itl_ns" in line:
        yield from _wrong_gaps(line)
    yield from _wrong_seconds(line, "latency_s", "done_at_ns")
    if "ttft_s" in line:
        yield from _wrong_seconds(line, "ttft_s", "first_token_at_ns")


def _disorder(line: Mapping[str, Any]) -> Iterator[str]:
    arrivals = [(key, line[key]) for key in _ARRIVALS if line.get(key) is not None]
    begin = ("planned_at_ns", line["planned_at_ns"])
    if line["sent_at_ns"] is not None and line["sent_at_ns"] < begin[1]:
        yield "sent_at_ns: before planned_at_ns"
    for (earlier, earlier_ns), (later, later_ns) in pairwise([begin, *arrivals]):
        if later_ns < earlier_ns:
            yield f"{later}: before {earlier}"


def _wrong_gaps(line: Mapping[str, Any]) -> Iterator[str]:
    n_gaps, n_expected = len(line["itl_ns"]), max(line["n_events"] - 1, 0)
    if n_gaps != n_expected:
        yield f"itl_ns: {n_gaps} gaps for {line['n_events']} events, must be {n_expected}"
        return
    first, last = line["first_token_at_ns"], line["last_token_at_ns"]
    if (line["n_events"] > 0) != (first is not None) or (first is None) != (last is None):
        yield f"n_events: {line['n_events']}, but first_token_at_ns is {first} and last_token_at_ns is {last}"
    elif first is not None and sum(line["itl_ns"]) != last - first:
        yield "itl_ns: does not add up to last_token_at_ns - first_token_at_ns"


def _wrong_seconds(line: Mapping[str, Any], key: str, end: str) -> Iterator[str]:
    expected_ns = None if line[end] is None else max(line[end] - line["planned_at_ns"], 0)
    shown = line[key]
    if (shown is None) != (expected_ns is None):
        yield f"{key}: {shown}, but {end} is {line[end]}"
    elif expected_ns is not None and abs(shown * NS_PER_S - expected_ns) > max(1.0, expected_ns * _DOUBLE_ROUNDING):
        yield f"{key}: {shown}, but {end} - planned_at_ns is {expected_ns} ns"


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= _HIGHEST


def _is_count_or_null(value: Any) -> bool:
    return value is None or _is_count(value)


def _are_counts(value: Any) -> bool:
    return isinstance(value, list) and all(map(_is_count, value))


def _is_seconds(value: Any) -> bool:
    return value is None or (isinstance(value, float) and value >= 0) or _is_count(value)


def _is_text_or_null(value: Any) -> bool:
    return value is None or isinstance(value, str)


def _is_name(value: Any) -> bool:
    return isinstance(value, str)


def _is_yes_or_no(value: Any) -> bool:
    return isinstance(value, bool)


def _one_of(names: tuple[str | None, ...]) -> _Shape:
    shown = ", ".join("null" if name is None else name for name in names)
    return f"one of {shown}", lambda value: value in names if isinstance(value, str | None) else False


_COUNT: _Shape = ("an integer >= 0", _is_count)
_COUNT_OR_NULL: _Shape = ("an integer >= 0 or null", _is_count_or_null)
_SHAPES: dict[str, _Shape] = {
    **dict.fromkeys(LINE_KEYS, _COUNT),
    **dict.fromkeys(("sent_at_ns", *_ARRIVALS, "prompt_tokens", "output_tokens", "connection"), _COUNT_OR_NULL),
    **dict.fromkeys(("latency_s", "ttft_s"), ("a number >= 0 or null", _is_seconds)),
    **dict.fromkeys(("request_id", "operation", "service", "error_code"), ("a string", _is_name)),
    "http_status": _COUNT_OR_NULL,
    "error": ("a string or null", _is_text_or_null),
    "itl_ns": ("a list of integers >= 0", _are_counts),
    "success": ("true or false", _is_yes_or_no),
    "checked": ("true, or left out", lambda value: value is True),
    "phase": _one_of(PHASES),
    "stamp": _one_of(STAMPS),
    "outcome": _one_of(OUTCOMES),
    "finish_reason": _one_of(FINISH_REASONS),
    "token_source": _one_of(TOKEN_SOURCES),
}
