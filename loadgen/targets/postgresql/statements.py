"""Statements as requests: prepared beforehand, or as SQL in full; each with its own values every time it is sent."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from loadgen.plan.model import Request
from loadgen.targets.postgresql.messages import executed, query
from loadgen.targets.slots import Mark, Part, lay, parts_of, width_of

SLOT_NAMES = ("{key}", "{index}", "{uuid}")

_SQL = re.compile(
    r"""
      '(?:[^']|'')*' | "(?:[^"]|"")*"        # texts and names
    | --[^\n]* | /\*.*?\*/                   # comments
    | (?P<tag>\$(?:[A-Za-z_]\w*)?\$).*?(?P=tag)  # texts in dollars
    | \$(?P<number>\d+)
    """,
    re.VERBOSE | re.DOTALL,
)


class Value(NamedTuple):
    """What a parameter is. is_number: it is digits, and may stand in SQL as it is."""

    parts: tuple[Part, ...]
    is_number: bool = False


class Call(NamedTuple):
    """One round trip. values: of $1, $2, …; None is NULL."""

    sql: str
    values: tuple[Value | None, ...] = ()


def number(mark: Mark) -> Value:
    return Value((mark,), is_number=True)


def value_of(given: str | int | float | bool | None) -> Value | None:
    """A parameter as a person wrote it."""
    if given is None:
        return None
    return Value(tuple(parts_of(given)) if isinstance(given, str) else (str(given).lower().encode(),))


def n_parameters(sql: str) -> int:
    """The highest n of $n."""
    return max((int(found["number"]) for found in _SQL.finditer(sql) if found["number"]), default=0)


def n_slots(sql: str, values: Sequence[Value | None]) -> int:
    """How many places differ from send to send, where SQL is sent in full; prepared there are no more."""
    marks = [sum(isinstance(part, Mark) for part in value.parts) if value else 0 for value in values]
    return sum(marks[int(found["number"]) - 1] for found in _SQL.finditer(sql) if found["number"])


def prepared_request(calls: Sequence[Call], numbers: Mapping[str, int], **known: Any) -> Request:
    """numbers: which of the connection's prepared statements each SQL is: s0, s1, … known: other fields of Request."""
    return _request(
        [executed(f"s{numbers[call.sql]}", [_given(value) for value in call.values]) for call in calls], known
    )


def simple_request(calls: Sequence[Call], **known: Any) -> Request:
    """The same as SQL in full."""
    return _request([query(list(in_full(call))) for call in calls], known)


def _given(value: Value | None) -> Sequence[Part] | None:
    return None if value is None else value.parts


def _request(rounds: Sequence[Sequence[Part]], known: Mapping[str, Any]) -> Request:
    raw, slots = lay(part for parts in rounds for part in parts)
    return Request(raw=raw, slots=slots, steps=tuple(_ends(rounds))[:-1], **known)


def _ends(rounds: Iterable[Sequence[Part]]) -> Iterator[int]:
    at = 0
    for parts in rounds:
        at += width_of(parts)
        yield at


def in_full(call: Call) -> Iterator[Part]:
    """SQL with its values in the place of $1, $2, …"""
    at = 0
    for found in _SQL.finditer(call.sql):
        if found["number"]:
            yield call.sql[at : found.start()].encode()
            yield from _literal(call.values[int(found["number"]) - 1])
            at = found.end()
    yield call.sql[at:].encode()


def _literal(value: Value | None) -> Iterator[Part]:
    if value is None:
        yield b"NULL"
    elif value.is_number:
        yield from value.parts
    else:
        yield b"'"
        yield from (part if isinstance(part, Mark) else part.replace(b"'", b"''") for part in value.parts)
        yield b"'"
