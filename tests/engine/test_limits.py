"""What ends a request or a run early: timeouts, stops, services that cannot be reached, full disks. On both engines."""

import asyncio
import resource
import socket
from collections.abc import Coroutine, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any, TypeVar

import numpy as np
import pytest
from dialects import chat_stream, completion, delta, event
from harness import Engine, KeepingSink, until
from plans import LONG_NS, MS, S, chat_request, closed, every, open_plan_of, plain_plan_of, plan_of
from scripted import Asked, Peer, ScriptedServer, chunk, chunked_head, each, say, stall, whole

from loadgen.bundle.jsonl import format_lines
from loadgen.engine.contract import Address, Ending, Live, Why
from loadgen.errors import EngineError
from loadgen.plan.model import Plan, pool_of
from loadgen.records import NEVER, Block, Outcome, TokenSource

T = TypeVar("T")
OK = whole(b"hello", content_type="text/plain")


@pytest.mark.parametrize(
    "said",
    [
        b"",
        b"HTTP/1.1 200 OK\r\n",
        chunked_head(),
        chunked_head() + chunk(event(delta("a"))),
        chat_stream(3, figures=False)[:-5],
    ],
)
def test_an_answer_that_stalls_is_a_timeout_and_the_next_request_reconnects(engine: Engine, said: bytes) -> None:
    carried = engine.carry(plan_of(2, timeout_ns=250 * MS), each(stall(said), say(completion())))
    assert carried.outcomes == ["timeout", "ok"]
    late = carried.by_index[0]
    assert late["done_at_ns"] == NEVER
    assert late["n_events"] == late["output_tokens"] == said.count(b'"content"')
    assert late["token_source"] == TokenSource.EVENTS
    assert carried.by_index[1]["planned_at_ns"] >= late["sent_at_ns"] + 250 * MS
    assert carried.server.n_connections == 2


def test_a_timeout_counts_from_the_send_and_not_from_the_plan(engine: Engine) -> None:
    """The second waits for a connection for most of its time, and still has all of it once it is sent."""

    async def answer(peer: Peer, asked: Asked) -> None:
        await released.acquire()
        await peer.send(completion())

    async def watch(server: ScriptedServer, live: Live) -> None:
        for instant_ns in (700 * MS, 1300 * MS):
            await until(lambda instant_ns=instant_ns: live.elapsed_ns >= instant_ns)  # type: ignore[misc]
            released.release()

    released = asyncio.Semaphore(0)
    plan = open_plan_of([0, 0], connections=1, timeout_ns=S)
    assert engine.carry(plan, each(answer), during=watch).outcomes == ["ok", "ok"]


def test_a_request_that_the_server_does_not_read_is_a_timeout(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        peer.writer.transport.pause_reading()  # type: ignore[attr-defined]
        await ended.wait()
        peer.writer.transport.resume_reading()  # type: ignore[attr-defined]
        await peer.lost()

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_finished == 1)
        ended.set()

    ended = asyncio.Event()
    pool = pool_of(iter([chat_request("x" * 30_000_000)]))
    carried = engine.carry(plan_of(pool=pool, timeout_ns=300 * MS), script, during=watch)
    assert carried.outcomes == ["timeout"]
    assert carried.only["sent_at_ns"] == NEVER


def test_a_stop_cancels_what_is_in_flight_with_records(engine: Engine) -> None:
    async def watch(server: ScriptedServer, live: Live) -> None:
        await server.wait_asked(5)
        live.stop()

    carried = engine.carry(plain_plan_of(None, connections=3), each(say(OK), say(OK), stall()), during=watch)
    assert carried.ending.why is Why.STOPPED
    assert sorted(carried.outcomes) == ["cancelled"] * 3 + ["ok"] * 2


def test_a_stop_cancels_what_waits_for_a_connection(engine: Engine) -> None:
    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_waiting >= 4)
        live.stop()

    plan = open_plan_of([], draw=every(2 * MS), connections=1)
    carried = engine.carry(plan, each(stall()), during=watch)
    assert carried.ending.why is Why.STOPPED
    assert set(carried.outcomes) == {"cancelled"}
    assert len(carried.records) >= 5
    assert carried.ending.n_sent == 1


def test_a_stop_under_load_keeps_every_record(engine: Engine) -> None:
    """The harness counts them."""

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_finished >= 300)
        live.stop()

    carried = engine.carry(plain_plan_of(None, connections=32, threads=2), each(say(OK)), during=watch)
    assert carried.ending.why is Why.STOPPED
    assert set(carried.outcomes) <= {"ok", "cancelled"}
    assert carried.outcomes.count("cancelled") <= 32


def test_an_overload_keeps_every_record(engine: Engine) -> None:
    """Twenty arrivals a millisecond, and a server that soon answers nobody: those that still wait are cancelled."""
    plan = open_plan_of([], draw=every(MS // 20), duration_ns=200 * MS, connections=2, drain_ns=20 * MS)
    carried = engine.carry(plan, each(*[say(completion())] * 100, stall()))
    assert carried.by_index["index"].tolist() == list(range(3999))
    assert (carried.outcomes.count("ok"), carried.outcomes.count("cancelled")) == (100, 3899)
    assert carried.ending.n_sent == 102


def test_a_stop_during_a_pause_ends_at_once_and_plans_nothing_more(engine: Engine) -> None:
    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_finished == 1)
        live.stop()

    carried = engine.carry(plain_plan_of(None, draw=closed([0, LONG_NS])), each(say(OK)), during=watch)
    assert carried.ending.why is Why.STOPPED
    assert carried.outcomes == ["ok"]


def test_a_stop_that_was_asked_for_beforehand_ends_at_once(engine: Engine) -> None:
    async def main() -> tuple[Ending, ScriptedServer]:
        server = ScriptedServer(each(stall()))
        host, port = await server.start()
        live = Live(stop_asked=True)
        address = Address(socket.AF_INET, host, port, host)
        ending = await engine.fire(plain_plan_of(None), address, KeepingSink(engine.folder / "lines"), live)
        await server.stop()
        return ending, server

    ending, _ = _run(engine, main())
    assert ending.why is Why.STOPPED
    assert ending.n_planned <= 1


def test_the_counters_move_while_the_run_goes(engine: Engine) -> None:
    seen: list[tuple[int, ...]] = []

    async def answer(peer: Peer, asked: Asked) -> None:
        number = len(peer.server.asked)
        await peer.send(chunked_head(), chunk(event(delta("a"))))
        await until(lambda: seen_live.n_tokens >= number and seen_live.n_in_flight == 1)
        seen.append((seen_live.n_sent, seen_live.n_finished, seen_live.n_tokens))
        await peer.send(b"0\r\n\r\n")

    async def watch(server: ScriptedServer, live: Live) -> None:
        nonlocal seen_live
        seen_live = live

    seen_live = Live()
    engine.carry(plan_of(3), each(answer), during=watch)
    assert [(n_sent, n_tokens) for n_sent, _, n_tokens in seen] == [(1, 1), (2, 2), (3, 3)]


def test_cancelling_the_task_ends_the_run_and_closes_everything(engine: Engine) -> None:
    async def main() -> int:
        server = ScriptedServer(each(stall()))
        host, port = await server.start()
        sink = KeepingSink(engine.folder / "lines")
        address = Address(socket.AF_INET, host, port, host)
        task = asyncio.ensure_future(engine.fire(plain_plan_of(None, connections=4), address, sink, Live()))
        await server.wait_asked(4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.stop()
        return sum(len(block.records) for block in sink.blocks)

    n_kept = _run(engine, main())
    assert n_kept in (0, 4)


# --- services that cannot be reached


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _fire_at_nobody(engine: Engine, plan: Plan, live: Live | None = None) -> tuple[Ending, KeepingSink]:
    """Run against a port where nobody listens."""
    sink = KeepingSink(engine.folder / "lines")
    address = Address(socket.AF_INET, "127.0.0.1", _free_port(), "127.0.0.1")
    return _run(engine, engine.fire_at(plan, address, sink, live)), sink


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
        _run(engine, engine.fire_at(plain_plan_of(4, connections=2, timeout_ns=200 * MS), address, sink))
    records = np.concatenate([block.records for block in sink.blocks])
    assert records["outcome"].tolist() == [Outcome.CONNECT_FAILED] * 4
    assert (records["sent_at_ns"] == NEVER).all()
    assert all(records["error"])


def test_a_stop_while_connections_are_opened_ends_the_run(engine: Engine) -> None:
    """The time-out is longer than the test may last."""

    async def main(address: Address) -> Ending:
        live = Live()
        sink = KeepingSink(engine.folder / "lines")
        task = asyncio.ensure_future(engine.fire(plain_plan_of(None, timeout_ns=10 * LONG_NS), address, sink, live))
        await asyncio.sleep(0)
        live.stop()
        return await task

    with _full_backlog() as address:
        ending = _run(engine, main(address))
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
        task = asyncio.ensure_future(engine.fire(plain_plan_of(None, duration_ns=LONG_NS), address, sink, live))
        await until(lambda: live.n_failed >= 2)
        listener = await asyncio.start_server(_answering, "127.0.0.1", port)
        await until(lambda: live.n_succeeded >= 2)
        live.stop()
        await task
        listener.close()
        return sink

    records = np.concatenate([block.records for block in _run(engine, main()).blocks])
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


# --- the disk


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
            ending = await engine.fire(plain_plan_of(None, connections=2), address, sink, Live())
        await server.stop()
        return ending, sink

    ending, sink = _run(engine, main())
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
        await engine.fire(plain_plan_of(3), Address(socket.AF_INET, host, port, host), sink, Live())
        await server.stop()
        return sink

    lines = _run(engine, main()).path.read_bytes().splitlines()
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
            await engine.fire(
                plain_plan_of(None, duration_ns=2 * S), Address(socket.AF_INET, host, port, host), sink, Live()
            )
        finally:
            await server.stop()

    with pytest.raises(ArithmeticError, match="the sink's"):
        _run(engine, main())


def test_too_few_descriptors_are_said_before_anything_is_sent(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _: (256, 300))
    with pytest.raises(EngineError, match="500 connections need 628 file descriptors, and this host allows 300"):
        _fire_at_nobody(engine, plain_plan_of(500, connections=500))


def _run(engine: Engine, main: Coroutine[Any, Any, T]) -> T:
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        return runner.run(main)
