"""The open loop: requests that leave on a schedule, whatever the answers do, on both engines."""

import asyncio

import numpy as np
from dialects import completion
from harness import Engine, until
from plans import LONG_NS, MS, S, every, open_plan_of, opened
from scripted import Asked, Peer, ScriptedServer, each, say, say_and_close, stall

from loadgen.engine.contract import Live, Why
from loadgen.records import NEVER, Phase


def test_requests_leave_on_their_schedule(engine: Engine) -> None:
    when_ns = [0, 5 * MS, 5 * MS, 30 * MS, 31 * MS]
    carried = engine.carry(open_plan_of(when_ns), each(say(completion())))
    assert carried.outcomes == ["ok"] * 5
    assert carried.by_index["planned_at_ns"].tolist() == when_ns
    assert (carried.by_index["sent_at_ns"] >= when_ns).all()
    assert carried.ending.why is Why.DONE


def test_the_schedule_does_not_wait_for_answers(engine: Engine) -> None:
    """No answer comes before all have been asked."""

    async def answer(peer: Peer, asked: Asked) -> None:
        await all_asked.wait()
        await peer.send(completion())

    async def watch(server: ScriptedServer, live: Live) -> None:
        await server.wait_asked(6)
        all_asked.set()

    all_asked = asyncio.Event()
    carried = engine.carry(open_plan_of([number * MS for number in range(6)]), each(answer), during=watch)
    assert carried.outcomes == ["ok"] * 6


def test_an_arrival_without_a_free_connection_waits_and_keeps_its_planned_instant(engine: Engine) -> None:
    """Two connections are held until the last of ten arrivals is long due."""

    async def answer(peer: Peer, asked: Asked) -> None:
        await due.wait()
        await peer.send(completion())

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_waiting == 8)
        due.set()

    due = asyncio.Event()
    when_ns = [number * MS for number in range(10)]
    carried = engine.carry(open_plan_of(when_ns, connections=2), each(answer), during=watch)
    records = carried.by_index
    assert carried.outcomes == ["ok"] * 10
    assert records["planned_at_ns"].tolist() == when_ns
    assert carried.server.n_connections == 2
    assert (np.diff(records["sent_at_ns"]) >= 0).all(), "those that wait are sent in their order"
    assert records["sent_at_ns"][2] >= records["done_at_ns"][:2].min()


def test_one_that_waits_longer_than_its_timeout_is_never_sent(engine: Engine) -> None:
    plan = open_plan_of([0, MS, 2 * MS], connections=1, timeout_ns=150 * MS)
    carried = engine.carry(plan, each(stall()))
    assert carried.outcomes == ["timeout"] * 3
    records = carried.by_index
    assert records["sent_at_ns"][0] != NEVER
    # the connection is free again when the first has timed out, which the others have too, or nearly so
    assert (records["done_at_ns"] == NEVER).all()
    assert carried.ending.n_sent == (records["sent_at_ns"] != NEVER).sum() < 3


def test_a_schedule_that_lags_is_caught_up(engine: Engine) -> None:
    """A thousand arrivals at one instant."""
    carried = engine.carry(open_plan_of([0] * 1000, connections=16), each(say(completion())))
    assert carried.outcomes == ["ok"] * 1000
    assert set(carried.records["planned_at_ns"].tolist()) == {0}
    assert carried.server.n_connections <= 16


def test_at_the_windows_end_no_more_arrive(engine: Engine) -> None:
    plan = open_plan_of([], draw=every(2 * MS), duration_ns=50 * MS, warmup_ns=10 * MS)
    carried = engine.carry(plan, each(say(completion())))
    assert carried.by_index["planned_at_ns"].tolist() == [2 * MS * (number + 1) for number in range(29)]
    assert (carried.by_index["phase"] == Phase.WARMUP).sum() == 4
    assert (carried.ending.window_from_ns, carried.ending.window_to_ns) == (10 * MS, 60 * MS)


def test_those_that_wait_at_the_windows_end_are_sent_during_the_drain(engine: Engine) -> None:
    async def answer(peer: Peer, asked: Asked) -> None:
        await over.wait()
        await peer.send(completion())

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.elapsed_ns > 60 * MS)
        over.set()

    over = asyncio.Event()
    plan = open_plan_of([], draw=every(5 * MS), duration_ns=42 * MS, connections=1)
    carried = engine.carry(plan, each(answer), during=watch)
    assert carried.outcomes == ["ok"] * 8
    assert carried.by_index["sent_at_ns"][1:].min() > 42 * MS


def test_those_that_still_wait_when_the_drain_ends_are_cancelled(engine: Engine) -> None:
    plan = open_plan_of([], draw=every(5 * MS), duration_ns=42 * MS, connections=2, drain_ns=30 * MS)
    carried = engine.carry(plan, each(stall()))
    assert carried.outcomes == ["cancelled"] * 8
    records = carried.by_index
    assert (records["sent_at_ns"][:2] != NEVER).all()
    assert (records["sent_at_ns"][2:] == NEVER).all()
    assert (records["connection"][2:] == NEVER).all()
    assert carried.ending.why is Why.DONE
    assert carried.ending.window_to_ns == 42 * MS


def test_a_count_ends_an_endless_schedule(engine: Engine) -> None:
    plan = open_plan_of([], draw=every(MS), requests=12, warmup_requests=3)
    carried = engine.carry(plan, each(say(completion())))
    assert carried.by_index["index"].tolist() == list(range(15))
    assert (carried.records["phase"] == Phase.WARMUP).sum() == 3
    assert carried.ending.window_from_ns == 4 * MS
    assert carried.ending.window_to_ns == carried.records["done_at_ns"].max()


def test_a_schedule_that_ends_before_the_window_ends_the_run(engine: Engine) -> None:
    carried = engine.carry(open_plan_of([0, MS], duration_ns=LONG_NS), each(say(completion())))
    assert carried.outcomes == ["ok", "ok"]
    assert carried.ending.why is Why.DONE


def test_an_empty_schedule_ends_at_once(engine: Engine) -> None:
    carried = engine.carry(open_plan_of([]), each(say(completion())))
    assert carried.ending.n_planned == 0


def test_a_failed_connection_in_an_open_loop_is_replaced(engine: Engine) -> None:
    when_ns = [number * 30 * MS for number in range(6)]
    carried = engine.carry(open_plan_of(when_ns, connections=1), each(say_and_close()))
    assert carried.outcomes == ["reset"] * 6


def test_several_threads_share_the_schedule(engine: Engine) -> None:
    when_ns = [number * MS for number in range(30)]
    plan = open_plan_of(when_ns, draw=opened(when_ns), threads=3, connections=6, warmup_requests=10)
    carried = engine.carry(plan, each(say(completion())))
    assert carried.outcomes == ["ok"] * 30
    assert carried.by_index["planned_at_ns"].tolist() == when_ns
    assert carried.by_index["index"].tolist() == list(range(30))
    assert carried.ending.window_from_ns == 10 * MS


def test_a_far_arrival_is_waited_for(engine: Engine) -> None:
    carried = engine.carry(open_plan_of([0, S]), each(say(completion())))
    assert carried.by_index["sent_at_ns"][1] >= S
