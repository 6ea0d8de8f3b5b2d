"""Redis and PostgreSQL over TLS, which only the portable engine carries."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest
from engines import ENGINES
from harness import Engine, KeepingSink
from plans import MS
from postgresql_script import ScriptedPostgresql, message, postgresql_plan_of, ready, request_of, rows
from redis_script import OK, ScriptedRedis, bulk, redis_plan_of
from scripted import Peer, Script, ScriptedServer

from loadgen.engine.contract import Address, Job, Live
from loadgen.plan.model import Plan
from loadgen.records import NEVER, Outcome

Certificate = tuple[Path, Path]
SSL_REQUEST = b"\0\0\0\x08\x04\xd2\x16\x2f"
SELECT = request_of("SELECT 1")


@pytest.fixture(params=["portable", "portable_on_uvloop"])
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    return ENGINES[request.param](tmp_path)


def server_context(certificate: Certificate) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*certificate)
    return context


def carry(engine: Engine, plan: Plan, script: Script, context: ssl.SSLContext | None, **address: Any) -> Any:
    """The records. context: TLS from the first byte."""

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        peer = Peer(reader, writer, ScriptedServer(script), 0)
        with contextlib.suppress(EOFError, OSError):
            await script(peer)
        with contextlib.suppress(OSError):
            await peer.close()

    async def main() -> None:
        listener = await asyncio.start_server(accept, "127.0.0.1", 0, ssl=context)
        port = listener.sockets[0].getsockname()[1]
        settings = {"server_name": "service.test", "tls": True, **address}
        where = Address(socket.AF_INET, "127.0.0.1", port, **settings)
        await engine.fire([Job(plan, where)], sink, Live())
        listener.close()
        await listener.wait_closed()

    sink = KeepingSink(engine.folder / "lines")
    engine.run(main())
    return sink.records


def login() -> Generator[bytes, bytes, None]:
    answer = yield b"*1\r\n$5\r\nHELLO\r\n"
    assert answer == OK


def test_redis_over_tls_is_carried(engine: Engine, certificate: Certificate) -> None:
    redis = ScriptedRedis(lambda command: OK if command[0] == b"HELLO" else bulk(bytes(300_000)))
    plan = redis_plan_of(24, connections=2, pipeline=3)
    records = carry(
        engine, plan, redis.script, server_context(certificate), tls_ca_file=str(certificate[0]), login=login
    )
    assert records["outcome"].tolist() == [Outcome.OK] * 24
    assert (records["first_byte_at_ns"] >= records["sent_at_ns"]).all()
    assert (records["response_bytes"] == len(bulk(bytes(300_000)))).all()
    assert [command[0] for command in redis.commands].count(b"HELLO") == 2


@pytest.mark.parametrize("wrong", [{"tls_ca_file": None}, {"server_name": "other.test"}])
def test_a_certificate_that_does_not_hold_is_a_failed_connection(
    engine: Engine, certificate: Certificate, wrong: dict[str, Any]
) -> None:
    settings = {"tls_ca_file": str(certificate[0]), **wrong}
    records = carry(engine, redis_plan_of(2), ScriptedRedis(OK).script, server_context(certificate), **settings)
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 2
    assert all(b"certificate" in error for error in records["error"])
    assert set(records["sent_at_ns"].tolist()) == {NEVER}


def secured(certificate: Certificate, answer: bytes = b"S") -> tuple[ScriptedPostgresql, Script]:
    """Answers the request for TLS, and goes on over it."""

    async def script(peer: Peer) -> None:
        assert await peer.reader.readexactly(8) == SSL_REQUEST
        await peer.send(answer)
        if answer != b"S":
            await peer.lost()
        await peer.writer.start_tls(server_context(certificate))
        assert await peer.reader.readexactly(8) == b"\0\0\0\x08\0\3\0\0"
        await peer.send(message(b"R", bytes(4)), ready())
        await postgresql.script(peer)

    postgresql = ScriptedPostgresql(rows(b"x" * 200_000))
    return postgresql, script


def startup() -> Generator[bytes, bytes, None]:
    said = yield b"\0\0\0\x08\0\3\0\0"
    while not said.endswith(ready()):
        said += yield b""


def test_postgresql_is_asked_for_tls_before_the_login(engine: Engine, certificate: Certificate) -> None:
    postgresql, script = secured(certificate)
    settings = {"tls_request": SSL_REQUEST, "login": startup, "tls_ca_file": str(certificate[0])}
    records = carry(engine, postgresql_plan_of(10, SELECT, connections=2), script, None, **settings)
    assert records["outcome"].tolist() == [Outcome.OK] * 10
    assert records["n_items"].tolist() == [1] * 10
    assert postgresql.queries == ["SELECT 1"] * 10


@pytest.mark.parametrize(
    ("answer", "said"),
    [(b"N", b"switched off"), (b"E", b"does not speak TLS"), (b"S" + message(b"R", bytes(4)), b"does not speak TLS")],
)
def test_a_server_without_tls_is_a_failed_connection(
    engine: Engine, certificate: Certificate, answer: bytes, said: bytes
) -> None:
    """So is one that says more than its one byte: whoever stands between could have put it there."""
    _, script = secured(certificate, answer)
    settings = {"tls_request": SSL_REQUEST, "login": startup, "tls_ca_file": str(certificate[0])}
    records = carry(engine, postgresql_plan_of(2, SELECT), script, None, **settings)
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 2
    assert all(said in error for error in records["error"])


def test_a_handshake_that_fails_is_a_failed_connection(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readexactly(8)
        await peer.send(b"S")
        await peer.reader.read(10)
        await peer.send(b"this is no TLS at all")

    settings = {"tls_request": SSL_REQUEST, "login": startup}
    records = carry(engine, postgresql_plan_of(2, SELECT), script, None, **settings)
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 2
    assert all(records["error"])


def test_a_handshake_that_is_never_answered_fails_after_the_timeout(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await peer.lost()

    records = carry(engine, redis_plan_of(1, timeout_ns=150 * MS), script, None)
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED]
