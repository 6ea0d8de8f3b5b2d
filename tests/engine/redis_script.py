"""A Redis that answers by a script, and requests and plans for it."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any

from plans import PLAIN, closed, over_pool, plan_of
from scripted import Peer
from stamped import START, crc32c

from loadgen.plan.model import Check, Plan, Request, Wire, pool_of
from loadgen.targets.slots import KEY, STAMP, Part, lay, width_of

Command = list[bytes]
FILLER = b"some filler "
OK = b"+OK\r\n"
NULL = b"$-1\r\n"


class ScriptedRedis:
    """`script` runs on every connection. answer: what is said to a command, as it goes over the wire; b"": nothing.

    commands: all that came, in their order, over all connections.
    """

    def __init__(self, answer: Callable[[Command], bytes] | bytes) -> None:
        self.answer = answer if callable(answer) else (lambda _: answer)
        self.commands: list[Command] = []
        self.on_command = asyncio.Event()

    async def script(self, peer: Peer) -> None:
        while True:
            await peer.send(self.answer(await self.command(peer)))

    async def command(self, peer: Peer) -> Command:
        """The next one. Raises EOFError where the client has closed."""
        command = await read_command(peer.reader)
        self.commands.append(command)
        self.on_command.set()
        return command

    async def wait_commands(self, n_commands: int) -> None:
        while len(self.commands) < n_commands:
            self.on_command.clear()
            await self.on_command.wait()


class Store:
    """Keeps what it is told to, like the real one."""

    def __init__(self) -> None:
        self.values: dict[bytes, bytes] = {}

    def __call__(self, command: Command) -> bytes:
        name, key, *rest = command
        if name == b"SET":
            self.values[key] = rest[0]
            return OK
        if name == b"DEL":
            return b":%d\r\n" % (self.values.pop(key, None) is not None)
        return bulk(self.values[key]) if key in self.values else NULL


async def read_command(reader: asyncio.StreamReader) -> Command:
    n_parts = int((await reader.readuntil(b"\r\n"))[1:])
    parts = []
    for _ in range(n_parts):
        n_bytes = int((await reader.readuntil(b"\r\n"))[1:])
        parts.append((await reader.readexactly(n_bytes + 2))[:-2])
    return parts


def in_turn(*answers: bytes) -> Callable[[Command], bytes]:
    """The nth command gets the nth answer; those after it the last one."""
    turn = iter(range(1 << 62))
    return lambda _: answers[min(next(turn), len(answers) - 1)]


def bulk(content: bytes) -> bytes:
    return b"$%d\r\n%s\r\n" % (len(content), content)


# --- requests


def command_of(*arguments: bytes | Sequence[Part], n_more_bytes: int = 0, **known: Any) -> Request:
    """A command; an argument may have slots in it. n_more_bytes: the last one goes on with so many of the bodies'."""
    parts: list[Part] = [b"*%d\r\n" % len(arguments)]
    for place, argument in enumerate(arguments):
        content = [argument] if isinstance(argument, bytes) else list(argument)
        n_more = n_more_bytes if place == len(arguments) - 1 else 0
        parts += [b"$%d\r\n" % (width_of(content) + n_more), *content]
        if n_more:
            known["body_at"] = width_of(parts)
        parts.append(b"\r\n")
    raw, slots = lay(parts)
    return Request(raw, slots, **known)


def get(key: int | None = None, **known: Any) -> Request:
    """Reads a key; None: the first drawn value."""
    name = [b"key:", KEY] if key is None else b"key:%012d" % key
    return command_of(b"GET", name, check=Check.READ, **({} if key is None else {"key": key}), **known)


def put(key: int | None = None, **known: Any) -> Request:
    """Writes a stamped value to a key."""
    name = [b"key:", KEY] if key is None else b"key:%012d" % key
    known = {"check": Check.WRITE, "crc": crc32c(START, FILLER), **known}
    return command_of(b"SET", name, [FILLER, STAMP], **({} if key is None else {"key": key}), **known)


def remove(key: int, **known: Any) -> Request:
    return command_of(b"DEL", b"key:%012d" % key, check=Check.DELETE, key=key, **known)


PING = command_of(b"PING")


def redis_plan_of(requests: int | None, *different: Request, **changes: Any) -> Plan:
    """A closed loop of one client that sends so many of these requests, one after the other, and again."""
    pool = changes.get("pool") or pool_of(different or (PING,))
    settings = {
        "wire": Wire.REDIS,
        "pool": pool,
        "operations": (PLAIN,),
        "draw": over_pool(closed(), len(pool)),
        **changes,
    }
    return plan_of(requests, **settings)
