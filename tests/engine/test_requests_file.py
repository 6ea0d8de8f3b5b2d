"""requests.jsonl while the run goes and when the disk is full, on both engines."""

import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from harness import Engine, KeepingSink, until
from plans import S, plain_plan_of
from scripted import Asked, Peer, ScriptedServer, each, say, whole

from loadgen.bundle.jsonl import format_lines
from loadgen.engine.contract import Address, Ending, Why
from loadgen.records import Block

OK = whole(b"hello", content_type="text/plain")


@contextmanager
def _file_limit(n_bytes: int) -> Iterator[None]:
    """Files may not grow beyond so many bytes: a disk that is full, without one."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (n_bytes, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def test_a_full_disk_ends_the_run_and_leaves_whole_lines(engine: Engine) -> None:
    async def main() -> tuple[Ending, KeepingSink]:
        server = ScriptedServer(each(say(OK)))
        host, port = await server.start()
        sink = KeepingSink(engine.folder / "lines")
        address = Address(socket.AF_INET, host, port, host)
        with _file_limit(100_000):
            ending = await engine.fire_at(plain_plan_of(None, connections=2), address, sink)
        await server.stop()
        return ending, sink

    ending, sink = engine.run(main())
    text = sink.path.read_bytes()
    assert ending.why is Why.DISK_FULL
    assert ending.error
    assert text.endswith(b"\n")
    plan = plain_plan_of()
    assert text == b"".join(format_lines(block, sink.run_tag, plan.operations) for block in sink.blocks)
    n_kept = sum(len(block.records) for block in sink.blocks)
    assert ending.n_lost_records == ending.n_planned - n_kept > 0


def test_lines_are_appended_to_what_is_there(engine: Engine) -> None:
    async def main() -> KeepingSink:
        server = ScriptedServer(each(say(OK)))
        host, port = await server.start()
        sink = KeepingSink(engine.folder / "lines")
        sink.path.write_bytes(b"{}\n")
        await engine.fire_at(plain_plan_of(3), Address(socket.AF_INET, host, port, host), sink)
        await server.stop()
        return sink

    lines = engine.run(main()).path.read_bytes().splitlines()
    assert (len(lines), lines[0]) == (4, b"{}")


def test_records_are_on_the_disk_while_the_run_goes(engine: Engine) -> None:
    """The last answer leaves only once the lines of the others are in the file."""

    async def answer(peer: Peer, asked: Asked) -> None:
        if len(peer.server.asked) == 5:
            await until(lambda: path.exists() and path.read_bytes().count(b"\n") == 4)
        await peer.send(OK)

    path = engine.folder / "requests.jsonl"
    assert engine.carry(plain_plan_of(5), each(answer)).outcomes == ["ok"] * 5


def test_a_sinks_mistake_is_not_swallowed(engine: Engine) -> None:
    class FailingSink(KeepingSink):
        def take(self, block: Block) -> None:
            raise ArithmeticError("the sink's")

    async def main() -> None:
        server = ScriptedServer(each(say(OK)))
        host, port = await server.start()
        sink = FailingSink(engine.folder / "lines")
        try:
            await engine.fire_at(
                plain_plan_of(None, duration_ns=2 * S), Address(socket.AF_INET, host, port, host), sink
            )
        finally:
            await server.stop()

    with pytest.raises(ArithmeticError, match="the sink's"):
        engine.run(main())
