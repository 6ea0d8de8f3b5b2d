"""Redis's protocol, as far as it is needed beside the load: commands as bytes, and replies as Python values.

Generators without a socket (see conversation.talk). The load's own answers are read by the engines.
Source: the RESP2 and RESP3 specifications.
"""

from collections.abc import Generator, Sequence
from typing import TypeAlias, TypeVar

from loadgen.errors import TargetError
from loadgen.targets.conversation import other_server
from loadgen.targets.slots import Part, width_of

CRLF = b"\r\n"
MAX_LINE_BYTES = 65536
MAX_DEPTH = 32

Result = TypeVar("Result")
Talk: TypeAlias = Generator[bytes, bytes, Result]
Words: TypeAlias = Sequence[str | bytes | int]
Reply: TypeAlias = "bytes | int | list[Reply] | dict[Reply, Reply] | Refusal | None"
"""Doubles, booleans and big numbers stay as they are written: bytes."""


class Refusal(Exception):
    """An error reply. A value, too: inside a pipeline others follow it."""

    @property
    def code(self) -> str:
        """Its first word: WRONGPASS, MOVED, ERR."""
        return str(self).partition(" ")[0]


def encode_command(arguments: Sequence[Sequence[Part]]) -> list[Part]:
    """One command, its arguments put together of bytes and slots."""
    parts: list[Part] = [b"*%d\r\n" % len(arguments)]
    for argument in arguments:
        parts += [b"$%d\r\n" % width_of(argument), *argument, CRLF]
    return parts


def encode_words(words: Words) -> bytes:
    """One command without slots."""
    texts = [word if isinstance(word, bytes) else str(word).encode() for word in words]
    return b"*%d\r\n" % len(texts) + b"".join(b"$%d\r\n%b\r\n" % (len(text), text) for text in texts)


class Replies:
    """What was read and not yet understood, on one connection."""

    def __init__(self) -> None:
        self._unread = bytearray()

    def ask(self, *words: str | bytes | int) -> Talk[Reply]:
        """The reply to one command."""
        (reply,) = yield from self.ask_all([words])
        return reply

    def ask_all(self, commands: Sequence[Words]) -> Talk[list[Reply]]:
        """The replies to some commands, which are sent together."""
        if not commands:
            return []
        self._unread += yield b"".join(map(encode_words, commands))
        replies = []
        for _ in commands:
            replies.append((yield from self._reply()))
        return replies

    def _reply(self, depth: int = 0) -> Talk[Reply]:
        """Raises TargetError where this is not RESP."""
        line = yield from self._line()
        kind, rest = line[:1], line[1:]
        if depth > MAX_DEPTH or kind not in _READERS:
            raise TargetError(_not_redis(line))
        if kind in b">|":  # a push, or attributes of what follows: neither is the reply
            yield from self._aggregate(kind, rest, depth)
            return (yield from self._reply(depth))
        return (yield from _READERS[kind](self, kind, rest, depth))

    def _line(self) -> Talk[bytes]:
        while (end := self._unread.find(CRLF)) < 0:
            if len(self._unread) > MAX_LINE_BYTES or (self._unread and bytes(self._unread[:1]) not in _READERS):
                raise TargetError(_not_redis(bytes(self._unread)))
            self._unread += yield b""
        return self._take(end, len(CRLF))

    def _take(self, n_bytes: int, n_after: int) -> bytes:
        taken = bytes(self._unread[:n_bytes])
        del self._unread[: n_bytes + n_after]
        return taken

    def _word(self, kind: bytes, rest: bytes, depth: int) -> Talk[Reply]:
        yield from ()
        if kind == b"-":
            return Refusal(rest.decode("utf-8", "replace"))
        if kind == b":":
            return _number(rest)
        return None if kind == b"_" else rest

    def _bulk(self, kind: bytes, rest: bytes, depth: int) -> Talk[Reply]:
        n_bytes = _number(rest)
        if n_bytes < 0:
            return None
        while len(self._unread) < n_bytes + len(CRLF):
            self._unread += yield b""
        text = self._take(n_bytes, len(CRLF))
        if kind == b"!":
            return Refusal(text.decode("utf-8", "replace"))
        return text[4:] if kind == b"=" else text  # a verbatim text begins with its kind, such as txt:

    def _aggregate(self, kind: bytes, rest: bytes, depth: int) -> Talk[Reply]:
        n_items = _number(rest) * (2 if kind in b"%|" else 1)
        if n_items < 0:
            return None
        items: list[Reply] = []
        for _ in range(n_items):
            items.append((yield from self._reply(depth + 1)))
        return _as_map(items) if kind == b"%" else items


_READERS = {
    **dict.fromkeys((b"+", b"-", b":", b"_", b",", b"#", b"("), Replies._word),
    **dict.fromkeys((b"$", b"=", b"!"), Replies._bulk),
    **dict.fromkeys((b"*", b"~", b"%", b">", b"|"), Replies._aggregate),
}


def _number(text: bytes) -> int:
    try:
        return int(text)
    except ValueError:
        raise TargetError(_not_redis(text)) from None


def _as_map(items: list[Reply]) -> dict[Reply, Reply]:
    """Keys that cannot be keys of a dict are left out; nothing that is asked for here has any."""
    return {key: value for key, value in zip(items[::2], items[1::2], strict=True) if isinstance(key, (bytes, int))}


def _not_redis(said: bytes) -> str:
    other = other_server(said)
    if other == "TLS":
        return "this port speaks TLS: write rediss:// in service.url"
    return f"this looks like {other}, not Redis" if other else f"this is not Redis: it says {said[:40]!r}"
