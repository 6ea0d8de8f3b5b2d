"""Services that cannot be reached, and runs that are given up, on both engines."""

import asyncio
import resource
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import pytest
from harness import Engine, KeepingSink, until
from plans import LONG_NS, MS, closed, open_plan_of, plain_plan_of
from scripted import Asked, Peer, each, say, whole

from loadgen.engine.contract import Address, Ending, Live, Why
from loadgen.errors import EngineError
from loadgen.plan.model import Plan
from loadgen.records import NEVER, Outcome

OK = whole(b"hello", content_type="text/plain")


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _fire_at_nobody(engine: Engine, plan: Plan, live: Live | None = None) -> tuple[Ending, KeepingSink]:
    """Run against a port where nobody listens."""
    sink = KeepingSink(engine.folder / "lines")
    address = Address(socket.AF_INET, "127.0.0.1", _free_port(), "127.0.0.1")
    return engine.run(engine.fire_at(plan, address, sink, live)), sink


def test_a_refused_connection_is_a_record_each(engine: Engine) -> None:
    ending, sink = _fire_at_nobody(engine, plain_plan_of(4, connections=2))
    records = np.concatenate([block.records for block in sink.blocks])
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 4
    assert (records["sent_at_ns"] == NEVER).all()
    assert (records["done_at_ns"] == NEVER).all()
    assert all(b"refused" in error for error in records["error"])
    assert (ending.n_planned, ending.n_sent) == (4, 0)


def test_a_slot_that_cannot_connect_backs_off(engine: Engine) -> None:
    """10 ms, doubling."""
    _, sink = _fire_at_nobody(engine, plain_plan_of(5))
    planned_at_ns = np.concatenate([block.records for block in sink.blocks])["planned_at_ns"]
    assert (np.diff(planned_at_ns) >= [10 * MS, 20 * MS, 40 * MS, 80 * MS]).all()


def test_an_open_loop_keeps_its_schedule_where_nobody_listens(engine: Engine) -> None:
    when_ns = [number * 3 * MS for number in range(10)]
    ending, sink = _fire_at_nobody(engine, open_plan_of(when_ns))
    records = np.sort(np.concatenate([block.records for block in sink.blocks]), order="index")
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 10
    assert records["planned_at_ns"].tolist() == when_ns
    assert ending.why is Why.DONE


def test_a_run_without_any_success_is_given_up(engine: Engine) -> None:
    ending, sink = _fire_at_nobody(engine, plain_plan_of(None, connections=2, give_up_ns=200 * MS))
    assert ending.why is Why.GAVE_UP
    assert ending.n_planned == sum(len(block.records) for block in sink.blocks) > 0


def test_a_success_makes_the_engine_patient_again(engine: Engine) -> None:
    """Failures for longer than give_up_s in all, but never without a success between."""
    answers = [say(whole(b"", status="500 No")), say(whole(b"", status="500 No")), say(OK)]

    async def answer(peer: Peer, asked: Asked) -> None:
        await answers[(len(peer.server.asked) - 1) % 3](peer, asked)

    plan = plain_plan_of(30, give_up_ns=400 * MS, draw=closed([20 * MS]))
    carried = engine.carry(plan, each(answer))
    assert carried.ending.why is Why.DONE
    assert carried.outcomes == ["server_error", "server_error", "ok"] * 10


def test_failures_that_are_answers_are_given_up_too(engine: Engine) -> None:
    answer = say(whole(b"", status="500 No"))
    carried = engine.carry(plain_plan_of(None, give_up_ns=150 * MS, draw=closed([5 * MS])), each(answer))
    assert carried.ending.why is Why.GAVE_UP
    assert set(carried.outcomes) <= {"server_error", "cancelled"}


@contextmanager
def _full_backlog() -> Iterator[Address]:
    """Where the kernel answers nobody: the listener's queue is full, and nothing takes from it."""
    with socket.socket() as listener, ExitStack() as waiting:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for _ in range(4):
            one = waiting.enter_context(socket.socket())
            one.setblocking(False)
            one.connect_ex(listener.getsockname())
        host, port = listener.getsockname()
        yield Address(socket.AF_INET, host, port, host)


def test_a_connection_that_nobody_answers_fails_after_the_timeout(engine: Engine) -> None:
    sink = KeepingSink(engine.folder / "lines")
    with _full_backlog() as address:
        engine.run(engine.fire_at(plain_plan_of(4, connections=2, timeout_ns=200 * MS), address, sink))
    records = np.concatenate([block.records for block in sink.blocks])
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 4
    assert (records["sent_at_ns"] == NEVER).all()
    assert all(records["error"])


def test_a_stop_while_connections_are_opened_ends_the_run(engine: Engine) -> None:
    """The time-out is longer than the test may last."""

    async def main(address: Address) -> Ending:
        live = Live()
        sink = KeepingSink(engine.folder / "lines")
        task = asyncio.ensure_future(engine.fire_at(plain_plan_of(None, timeout_ns=10 * LONG_NS), address, sink, live))
        await asyncio.sleep(0)
        live.stop()
        return await task

    with _full_backlog() as address:
        ending = engine.run(main(address))
    assert ending.why is Why.STOPPED
    assert ending.n_sent == 0


def test_a_service_that_goes_away_is_connect_failed_from_then_on(engine: Engine) -> None:
    async def answer(peer: Peer, asked: Asked) -> None:
        await peer.server.stop_listening()
        await peer.send(OK)
        await peer.close()

    carried = engine.carry(plain_plan_of(3, draw=closed([0, 100 * MS])), each(answer))
    assert carried.outcomes == ["ok", "connect_failed", "connect_failed"]


def test_a_service_that_comes_later_is_reached(engine: Engine) -> None:
    async def main() -> KeepingSink:
        port = _free_port()
        sink = KeepingSink(engine.folder / "lines")
        address = Address(socket.AF_INET, "127.0.0.1", port, "127.0.0.1")
        live = Live()
        task = asyncio.ensure_future(engine.fire_at(plain_plan_of(None, duration_ns=LONG_NS), address, sink, live))
        await until(lambda: live.n_failed >= 2)
        listener = await asyncio.start_server(_answering, "127.0.0.1", port)
        await until(lambda: live.n_succeeded >= 2)
        live.stop()
        await task
        listener.close()
        return sink

    records = np.concatenate([block.records for block in engine.run(main()).blocks])
    outcomes = records["outcome"].tolist()
    assert outcomes[:2] == [Outcome.CONNECT_FAILED] * 2
    assert Outcome.OK in outcomes


async def _answering(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while True:
            await reader.readuntil(b"\r\n\r\n")
            writer.write(OK)
    except (EOFError, ConnectionError):
        writer.close()


def test_too_few_descriptors_are_said_before_anything_is_sent(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 300))
    with pytest.raises(EngineError, match="500 connections need 628 file descriptors, and this host allows 300"):
        _fire_at_nobody(engine, plain_plan_of(500, connections=500))
