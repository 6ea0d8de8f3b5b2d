"""Live.enough(): the window ends before its time, what is in flight drains, and the run is done."""

import asyncio
from collections.abc import Awaitable, Callable

import numpy as np
from harness import Engine, until
from plans import LONG_NS, closed, every, plain_plan_of
from scripted import ScriptedServer, each, say

from loadgen.engine.contract import Live, Why
from loadgen.records import Outcome, Phase
from loadgen.units import NS_PER_MS as MS

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


def enough_after(n_finished: int) -> Callable[[ScriptedServer, Live], Awaitable[None]]:
    async def during(_: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_finished >= n_finished)
        live.enough()

    return during


def check_ended_early(carried) -> None:
    records, ending = carried.records, carried.ending
    assert ending.why is Why.DONE
    assert ending.window_to_ns == carried.sink.ended_at_ns[0] < LONG_NS
    assert (records["planned_at_ns"] < ending.window_to_ns).all()
    assert (records["outcome"] == Outcome.OK).all()


def test_a_closed_loop_that_has_enough_sends_no_more_and_waits_for_what_is_under_way(engine: Engine) -> None:
    plan = plain_plan_of(None, duration_ns=LONG_NS, connections=3, draw=closed([MS]))
    check_ended_early(engine.carry(plan, each(say(OK)), during=enough_after(20)))


def test_an_open_loop_that_has_enough_does_too(engine: Engine) -> None:
    plan = plain_plan_of(None, duration_ns=LONG_NS, connections=3, open_loop=True, draw=every(MS))
    carried = engine.carry(plan, each(say(OK)), during=enough_after(20))
    check_ended_early(carried)
    assert len(carried.records) >= carried.ending.window_to_ns // MS - 1  # all that was due was sent


def test_a_load_by_count_has_enough_before_it_is_counted_out(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(10**6, draw=closed([MS])), each(say(OK)), during=enough_after(20))
    check_ended_early(carried)
    assert len(carried.records) < 10**6


def test_enough_in_the_warm_up_ends_the_window_once_it_has_begun(engine: Engine) -> None:
    plan = plain_plan_of(None, duration_ns=LONG_NS, warmup_ns=80 * MS, draw=closed([MS]))
    carried = engine.carry(plan, each(say(OK)), during=enough_after(1))
    check_ended_early(carried)
    assert carried.ending.window_from_ns == 80 * MS
    is_measured = carried.records["phase"] == Phase.MEASURE
    assert np.array_equal(is_measured, carried.records["planned_at_ns"] >= 80 * MS)


def test_enough_that_comes_when_the_window_is_over_changes_nothing(engine: Engine) -> None:
    async def during(_: ScriptedServer, live: Live) -> None:
        await asyncio.sleep(0.08)
        live.enough()

    carried = engine.carry(plain_plan_of(None, duration_ns=60 * MS), each(say(OK)), during=during)
    assert carried.ending.window_to_ns == 60 * MS
    assert not carried.sink.ended_at_ns
