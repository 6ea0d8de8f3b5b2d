"""What the reader of Redis's replies must say, worked out the slow way: whole bytes and recursion."""

import re
from dataclasses import dataclass, field
from typing import Any

from reference import Incomplete, Refused, excerpt

from loadgen.records import ERROR_CODE_BYTES

LINE_BYTES_MAX = 65536
STRING_BYTES_MAX = 512 << 20
ITEMS_MAX = (1 << 30) - 1
DEPTH = 32

BLANK = {"is_null": False, "is_error": False, "integer": 0, "n_items": -1, "error": b"", "error_code": b""}

Said = list[tuple[str, Any]]


@dataclass
class Replies:
    """A stream of replies. `said` is what the parser must say, the pieces of a string joined."""

    rest: bytes
    said: Said = field(default_factory=list)
    reply: dict[str, Any] = field(default_factory=dict)

    def byte(self) -> bytes:
        if not self.rest:
            raise Incomplete
        first, self.rest = self.rest[:1], self.rest[1:]
        return first

    def line(self, inside: bytes) -> bytes:
        """A line of such bytes, given as a regular expression."""
        match = re.match(inside, self.rest, re.DOTALL)
        assert match
        if match.end() > LINE_BYTES_MAX:
            raise Refused
        self.rest = self.rest[match.end() :]
        self.expect(b"\r\n")
        return match[0]

    def expect(self, ending: bytes) -> None:
        for expected in ending:
            if self.byte()[0] != expected:
                raise Refused


def resp(data: bytes) -> Said:
    """As _wire_probe.resp, without the reason of an error."""
    replies = Replies(data)
    try:
        while True:
            replies.reply = dict(BLANK)
            _value(replies, 0)
            replies.said.append(("done", replies.reply))
    except Refused:
        replies.said.append(("error", None))
    except Incomplete:
        pass
    return replies.said


def _value(replies: Replies, depth: int) -> None:
    """One value, and before it any number of attributes and, at the top, pushes."""
    kind = replies.byte()
    while kind == b"|" or (kind == b">" and depth == 0):
        _items(replies, _length(replies) * (1 + (kind == b"|")), depth)
        kind = replies.byte()
    facts = _FACTS.get(kind, _refuse)(replies, kind, depth)
    if depth == 0:
        replies.reply |= {"kind": kind.decode(), **facts}


def _items(replies: Replies, n_items: int, depth: int) -> None:
    if n_items and depth == DEPTH:
        raise Refused
    for _ in range(n_items):
        _value(replies, depth + 1)


def _refuse(replies: Replies, kind: bytes, depth: int) -> dict[str, Any]:
    raise Refused


def _length(replies: Replies, may_be_null: bool = False, largest: int = ITEMS_MAX) -> int:
    """-1: null."""
    digits = replies.line(rb"-?[0-9]*")
    length = int(digits) if digits.strip(b"-") else None
    if may_be_null and length == -1 and digits.startswith(b"-"):
        return -1
    if length is None or digits.startswith(b"-") or length > largest:
        raise Refused
    return length


def _integer(replies: Replies, kind: bytes, depth: int) -> dict[str, Any]:
    digits = replies.line(rb"[+-]?[0-9]*")
    if not digits.strip(b"+-") or not -(2**63) <= int(digits) < 2**63:
        raise Refused
    return {"integer": int(digits)}


def _plain(replies: Replies, kind: bytes, depth: int) -> dict[str, Any]:
    replies.line(rb"[^\r\n]*")
    return {}


def _error(replies: Replies, kind: bytes, depth: int) -> dict[str, Any]:
    return _error_facts(replies.line(rb"[^\r\n]*"))


def _error_facts(text: bytes) -> dict[str, Any]:
    return {"is_error": True, "error": excerpt(text), "error_code": excerpt(text.split(b" ")[0], ERROR_CODE_BYTES)}


def _word(replies: Replies, kind: bytes, depth: int) -> dict[str, Any]:
    word = replies.line(rb"[^\r\n]*")
    if word not in ([b"t", b"f"] if kind == b"#" else [b""]):
        raise Refused
    return {"integer": int(word == b"t")} if kind == b"#" else {"is_null": True}


def _string(replies: Replies, kind: bytes, depth: int) -> dict[str, Any]:
    n_bytes = _length(replies, kind == b"$", STRING_BYTES_MAX)
    if n_bytes < 0:
        return {"is_null": True}
    if kind == b"=" and n_bytes < 4:
        raise Refused
    text, replies.rest = replies.rest[:n_bytes], replies.rest[n_bytes:]
    shown = text[4:] if kind == b"=" else text
    if shown and depth == 0 and kind != b"!":
        replies.said.append(("body", shown))
    if len(text) < n_bytes:
        raise Incomplete
    replies.expect(b"\r\n")
    return _error_facts(text) if kind == b"!" else {}


def _aggregate(replies: Replies, kind: bytes, depth: int) -> dict[str, Any]:
    n_items = _length(replies, kind == b"*")
    if n_items < 0:
        return {"is_null": True}
    n_items *= 2 if kind == b"%" else 1
    _items(replies, n_items, depth)
    return {"n_items": n_items}


_FACTS = {
    **dict.fromkeys((b"+", b",", b"("), _plain),
    **dict.fromkeys((b"#", b"_"), _word),
    **dict.fromkeys((b"$", b"=", b"!"), _string),
    **dict.fromkeys((b"*", b"%", b"~", b">"), _aggregate),
    b"-": _error,
    b":": _integer,
}
