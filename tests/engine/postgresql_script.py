"""A PostgreSQL that answers by a script, and requests and plans for it."""

import asyncio
from collections.abc import Callable
from typing import Any

from plans import PLAIN, closed, over_pool, plan_of
from scripted import Peer

from loadgen.plan.model import Plan, Request, Wire, pool_of
from loadgen.targets.slots import Part, lay, width_of


class ScriptedPostgresql:
    """`script` runs on every connection. answer: what is said to a query, as it goes over the wire.

    queries: all that came, in their order, over all connections.
    """

    def __init__(self, answer: Callable[[str], bytes] | bytes) -> None:
        self.answer = answer if callable(answer) else (lambda _: answer)
        self.queries: list[str] = []
        self.on_query = asyncio.Event()

    async def script(self, peer: Peer) -> None:
        while True:
            await peer.send(self.answer(await self.query(peer)))

    async def query(self, peer: Peer) -> str:
        """The next one. Raises EOFError where the client has closed."""
        kind, length = (await peer.reader.readexactly(1)), await peer.reader.readexactly(4)
        assert kind == b"Q"
        body = await peer.reader.readexactly(int.from_bytes(length) - 4)
        self.queries.append(body.rstrip(b"\0").decode())
        self.on_query.set()
        return self.queries[-1]


def by_query(answers: dict[str, bytes]) -> Callable[[str], bytes]:
    return lambda query: answers[query]


def in_turn(*answers: bytes) -> Callable[[str], bytes]:
    """The nth query gets the nth answer; those after it the last one."""
    turn = iter(range(1 << 62))
    return lambda _: answers[min(next(turn), len(answers) - 1)]


# --- what is said


def message(kind: bytes, body: bytes = b"") -> bytes:
    return kind + (len(body) + 4).to_bytes(4) + body


def ready(transaction: bytes = b"I") -> bytes:
    return message(b"Z", transaction)


def done(tag: bytes) -> bytes:
    return message(b"C", tag + b"\0")


def row(*columns: bytes | None) -> bytes:
    said = b"".join(b"\xff\xff\xff\xff" if one is None else len(one).to_bytes(4) + one for one in columns)
    return message(b"D", len(columns).to_bytes(2) + said)


def rows(*values: bytes | None) -> bytes:
    """A whole answer with rows of one column."""
    column = b"\0\x01value\0" + bytes(18)
    return message(b"T", column) + b"".join(map(row, values)) + done(b"SELECT %d" % len(values)) + ready()


def failed(code: bytes, text: bytes, transaction: bytes = b"I", severity: bytes = b"ERROR") -> bytes:
    """A whole answer that is an error; without an end where the session ends with it."""
    fields = b"S" + severity + b"\0V" + severity + b"\0C" + code + b"\0M" + text + b"\0\0"
    return message(b"E", fields) + (b"" if severity == b"FATAL" else ready(transaction))


NOTHING = done(b"SELECT 0") + ready()


# --- requests


def query_of(*parts: Part) -> list[Part]:
    return [b"Q", (width_of(parts) + 5).to_bytes(4), *parts, b"\0"]


def request_of(*steps: str | list[Part], **known: Any) -> Request:
    """One simple query a step."""
    parts: list[Part] = []
    ends = []
    for step in steps:
        parts += query_of(*([step.encode()] if isinstance(step, str) else step))
        ends.append(width_of(parts))
    raw, slots = lay(parts)
    return Request(raw, slots, steps=tuple(ends[:-1]), **known)


def postgresql_plan_of(requests: int | None, *different: Request, **changes: Any) -> Plan:
    """A closed loop of one client that sends so many of these requests, one after the other, and again."""
    pool = pool_of(different)
    draw = over_pool(closed(), len(pool))
    settings = {"wire": Wire.POSTGRESQL, "pool": pool, "operations": (PLAIN,), "draw": draw, **changes}
    return plan_of(requests, **settings)
