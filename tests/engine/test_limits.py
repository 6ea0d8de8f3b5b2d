"""What ends a request or a run early: timeouts, stops, services that cannot be reached, full disks. On both engines."""

import asyncio
import socket

import pytest
from dialects import chat_stream, completion, delta, event
from harness import Engine, KeepingSink, until
from plans import LONG_NS, MS, S, chat_request, closed, every, open_plan_of, plain_plan_of, plan_of
from scripted import Asked, Peer, ScriptedServer, chunk, chunked_head, each, say, stall, whole

from loadgen.engine.contract import Address, Ending, Live, Why
from loadgen.plan.model import pool_of
from loadgen.records import NEVER, TokenSource

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
        ending = await engine.fire_at(plain_plan_of(None), address, KeepingSink(engine.folder / "lines"), live)
        await server.stop()
        return ending, server

    ending, _ = engine.run(main())
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
        task = asyncio.ensure_future(engine.fire_at(plain_plan_of(None, connections=4), address, sink))
        await server.wait_asked(4)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await server.stop()
        return sum(len(block.records) for block in sink.blocks)

    n_kept = engine.run(main())
    assert n_kept in (0, 4)
