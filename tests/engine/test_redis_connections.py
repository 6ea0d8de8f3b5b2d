"""Connections of stream protocols, opened, logged in, lost and opened again, on both engines; Redis stands for all."""

import socket
from collections.abc import Generator

import numpy as np
import pytest
from harness import Engine, until
from plans import LONG_NS, MS, closed
from redis_script import OK, Command, ScriptedRedis, bulk, command_of, redis_plan_of
from scripted import Peer, ScriptedServer

from loadgen.engine.contract import Live, Login
from loadgen.errors import TargetError
from loadgen.plan.model import Dues, pool_of
from loadgen.records import NEVER


def test_a_connection_that_is_closed_while_idle_is_replaced(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)
        await peer.send(OK)

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(3, draw=closed([0, 200 * MS])), script)
    assert carried.outcomes == ["ok"] * 3
    assert carried.server.n_connections == 3


@pytest.mark.parametrize("said", [b"", b"$5\r\nhe"])
@pytest.mark.parametrize("is_abrupt", [False, True])
def test_a_connection_that_ends_upon_a_request_is_a_reset_and_the_next_one_reconnects(
    engine: Engine, said: bytes, is_abrupt: bool
) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)
        await peer.send(OK)
        await redis.command(peer)
        await peer.send(said)
        if is_abrupt:
            peer.reset()

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(3), script)
    assert carried.outcomes == ["ok", "reset", "ok"]
    assert carried.errors[1]
    assert len(redis.commands) == 3, "a command is never sent twice"


def test_bytes_beyond_a_reply_never_reach_the_next_request(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        while True:
            await redis.command(peer)
            await peer.send(OK if peer.number else OK + b"-ERR forged\r\n")

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(3, draw=closed([0, 100 * MS])), script)
    assert carried.outcomes == ["ok"] * 3
    assert carried.server.n_connections == 2


def test_a_stop_cancels_a_pipeline_with_records(engine: Engine) -> None:
    async def watch(server: ScriptedServer, live: Live) -> None:
        await redis.wait_commands(6)
        live.stop()

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(None, pipeline=3, connections=2), redis.script, during=watch)
    assert carried.outcomes == ["cancelled"] * 6
    assert carried.ending.n_sent == 6


def test_a_socket_of_this_hosts_is_served(engine: Engine) -> None:
    redis = ScriptedRedis(OK)
    carried = engine.carry(redis_plan_of(20, connections=3, pipeline=2), redis.script, family=socket.AF_UNIX)
    assert carried.outcomes == ["ok"] * 20


def test_what_fills_its_socket_delays_no_other_connection(engine: Engine) -> None:
    """The server reads nothing of the large value before it has answered a hundred small requests."""

    async def script(peer: Peer) -> None:
        first = await peer.reader.readexactly(100)
        if b"large" in first:
            await until(lambda: len(redis.commands) >= 100)
            await peer.reader.readexactly(len(large.raw) + n_bytes - len(first))
            await peer.send(OK)
        else:
            peer.reader._buffer[:0] = first  # type: ignore[attr-defined]
            await redis.script(peer)

    redis = ScriptedRedis(OK)
    n_bytes = 40_000_000
    large = command_of(b"SET", b"large" * 20, b"", n_more_bytes=n_bytes, body=(7, n_bytes))
    small = command_of(b"SET", b"small" * 20, b"x")
    bodies = np.zeros(n_bytes + 7, np.uint8)

    def draw(first: int, count: int) -> Dues:
        payload = (np.arange(first, first + count) > 0).astype(np.uint32)
        return Dues(payload, np.zeros(count, np.int64))

    plan = redis_plan_of(101, pool=pool_of([large, small], bodies), draw=draw, connections=2, timeout_ns=LONG_NS)
    carried = engine.carry(plan, script)
    assert carried.outcomes == ["ok"] * 101
    assert carried.by_index[0]["done_at_ns"] > carried.by_index["done_at_ns"][1:95].max()
    assert carried.by_index[0]["request_bytes"] == len(large.raw) + n_bytes


# --- logins


def hello(password: bytes = b"secret") -> Login:
    """Says the password, and hears OK."""

    def login() -> Generator[bytes, bytes, None]:
        answer = yield b"*2\r\n$4\r\nAUTH\r\n" + bulk(password)
        while not answer.endswith(b"\r\n"):
            answer += yield b""
        if answer != OK:
            raise TargetError(answer[1:-2].decode())

    return login


def guarded(command: Command) -> bytes:
    if command[0] == b"AUTH":
        return OK if command[1] == b"secret" else b"-WRONGPASS invalid username-password pair\r\n"
    return b"+PONG\r\n"


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_UNIX])
def test_every_connection_logs_in_before_its_first_request(engine: Engine, family: int) -> None:
    redis = ScriptedRedis(guarded)
    carried = engine.carry(redis_plan_of(20, connections=4), redis.script, login=hello(), family=family)
    assert carried.outcomes == ["ok"] * 20
    assert sum(command[0] == b"AUTH" for command in redis.commands) == carried.server.n_connections == 4
    assert carried.records["response_bytes"].max() == len(b"+PONG\r\n"), "a login belongs to no request"


def test_a_login_that_is_answered_byte_by_byte_is_a_login(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)
        await peer.send(*(OK[at : at + 1] for at in range(len(OK))))
        await redis.script(peer)

    redis = ScriptedRedis(OK)
    assert engine.carry(redis_plan_of(2), script, login=hello()).outcomes == ["ok", "ok"]


def test_a_new_connection_logs_in_anew(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        assert (await redis.command(peer))[0] == b"AUTH"
        await peer.send(OK)
        for _ in range(2):
            await redis.command(peer)
            await peer.send(OK)
        await redis.command(peer)
        await peer.send(b"$10\r\nhalf")

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(6), script, login=hello())
    assert carried.outcomes == ["ok", "ok", "reset"] * 2
    assert [command[0] for command in redis.commands] == [b"AUTH", b"PING", b"PING", b"PING"] * 2


def test_a_login_that_is_refused_is_a_failed_connection(engine: Engine) -> None:
    redis = ScriptedRedis(guarded)
    carried = engine.carry(redis_plan_of(3), redis.script, login=hello(b"wrong"))
    assert carried.outcomes == ["connect_failed"] * 3
    assert all("WRONGPASS" in error for error in carried.errors)
    assert set(carried.records["sent_at_ns"].tolist()) == {NEVER}
    assert all(command[0] == b"AUTH" for command in redis.commands)


def test_a_server_that_closes_during_the_login_is_a_failed_connection(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(2), script, login=hello())
    assert carried.outcomes == ["connect_failed"] * 2
    assert all(carried.errors)


def test_a_login_that_is_not_answered_is_a_failed_connection(engine: Engine) -> None:
    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(1, timeout_ns=200 * MS), redis.script, login=hello())
    assert carried.outcomes == ["connect_failed"]
    assert carried.errors[0]


def test_nobody_listening_is_a_failed_connection_each(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)
        await peer.server.stop_listening()
        await peer.send(OK)

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(3, draw=closed([0, 100 * MS]), pipeline=1), script)
    assert carried.outcomes == ["ok", "connect_failed", "connect_failed"]
    assert "refused" in carried.errors[1]
