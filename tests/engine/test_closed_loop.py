"""The closed loop: clients that send their next request when their last answer has come, on both engines."""

import asyncio

import numpy as np
import pytest
from dialects import chat_stream, completion
from harness import Carried, Engine, until
from plans import LONG_NS, MS, S, chat_request, closed, over_pool, plain_plan_of, plan_of
from scripted import Answer, Asked, Peer, ScriptedServer, each, say, say_and_close, say_and_reset, stall, whole

from loadgen.engine.contract import Live, Why
from loadgen.plan.model import pool_of
from loadgen.records import NEVER, Outcome, Phase

OK = whole(b"hello", content_type="text/plain")


def phases(carried: Carried) -> list[str]:
    """By index."""
    return [Phase(number).name.lower() for number in carried.by_index["phase"]]


@pytest.mark.parametrize(("n_requests", "n_clients"), [(1, 1), (1, 4), (7, 3), (100, 8), (2500, 4)])
def test_a_count_is_kept_exactly(engine: Engine, n_requests: int, n_clients: int) -> None:
    carried = engine.carry(plain_plan_of(n_requests, connections=n_clients), each(say(OK)))
    assert carried.outcomes == ["ok"] * n_requests
    assert carried.by_index["index"].tolist() == list(range(n_requests))
    assert (carried.ending.why, carried.ending.n_planned) == (Why.DONE, n_requests)
    assert len(carried.server.asked) == n_requests


@pytest.mark.parametrize("n_clients", [1, 5])
def test_no_more_requests_are_in_flight_than_clients(engine: Engine, n_clients: int) -> None:
    n_now = n_most = 0

    async def answer(peer: Peer, asked: Asked) -> None:
        nonlocal n_now, n_most
        n_now += 1
        n_most = max(n_most, n_now)
        await asyncio.sleep(0)
        n_now -= 1
        await peer.send(OK)

    carried = engine.carry(plain_plan_of(40, connections=n_clients), each(answer))
    assert n_most <= n_clients
    assert carried.server.n_connections == n_clients
    assert set(carried.records["connection"].tolist()) <= set(range(n_clients))


def test_all_clients_begin_at_once(engine: Engine) -> None:
    """No answer comes before every client has asked."""

    async def script(peer: Peer) -> None:
        await peer.request()
        await until(lambda: len(peer.server.asked) == 6)
        await peer.send(OK)
        await peer.lost()

    carried = engine.carry(plain_plan_of(6, connections=6), script)
    assert carried.outcomes == ["ok"] * 6
    assert set(carried.records["planned_at_ns"].tolist()) == {0}


def test_a_request_is_planned_at_the_arrival_of_the_last_answers_last_byte(engine: Engine) -> None:
    records = engine.carry(plain_plan_of(20), each(say(OK))).by_index
    assert records["planned_at_ns"][0] == 0
    assert records["planned_at_ns"][1:].tolist() == records["done_at_ns"][:-1].tolist()


def test_a_pause_is_kept_between_an_answer_and_the_next_request(engine: Engine) -> None:
    pauses_ns = [3 * MS, 5 * MS, 0, 11 * MS, 7 * MS]
    records = engine.carry(plain_plan_of(5, draw=closed(pauses_ns)), each(say(OK))).by_index
    free_at_ns = np.concatenate(([0], records["done_at_ns"][:-1]))
    assert (records["planned_at_ns"] - free_at_ns).tolist() == pauses_ns
    assert (records["sent_at_ns"] >= records["planned_at_ns"]).all()


def test_after_a_failure_the_next_request_is_planned_at_its_end(engine: Engine) -> None:
    script = each(say(OK), say_and_reset(), say_and_reset(), say(OK))
    records = engine.carry(plain_plan_of(3), script, resent=1).by_index
    assert records["outcome"].tolist() == [Outcome.OK, Outcome.RESET, Outcome.OK]
    assert records["planned_at_ns"][2] >= records["sent_at_ns"][1]


def test_each_index_has_its_payload_and_its_id(engine: Engine) -> None:
    pool = pool_of(iter([chat_request(f"prompt {number}") for number in range(3)]))
    plan = plan_of(8, pool=pool, draw=over_pool(closed(), 3), connections=2)
    carried = engine.carry(plan, each(say(completion())))
    assert carried.by_index["payload"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
    assert sorted(asked.id[-12:] for asked in carried.server.asked) == [f"{index:012d}" for index in range(8)]
    for asked in carried.server.asked:
        assert asked.id.encode() in asked.body
        assert f"prompt {int(asked.id[-12:]) % 3}".encode() in asked.body


def test_a_warm_up_by_count_comes_before_the_count(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(10, warmup_requests=4, connections=2), each(say(OK)))
    assert phases(carried) == ["warmup"] * 4 + ["measure"] * 10
    records = carried.by_index
    assert carried.ending.window_from_ns == records["planned_at_ns"][4]
    assert carried.ending.window_to_ns >= records["done_at_ns"].max()
    assert carried.sink.windows_from_ns == [carried.ending.window_from_ns]


def test_a_warm_up_by_time_comes_before_the_count(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(5, warmup_ns=30 * MS, draw=closed([MS])), each(say(OK)))
    records = carried.by_index
    is_measured = records["phase"] == Phase.MEASURE
    assert (is_measured == (records["planned_at_ns"] >= 30 * MS)).all()
    assert is_measured.sum() == 5
    assert carried.ending.window_from_ns == 30 * MS


def test_the_window_is_known_before_any_answer_from_it_is_shown(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(10, warmup_requests=3), each(say(OK)))
    for block, known in zip(carried.sink.blocks, carried.sink.windows_known, strict=True):
        assert known[0] is not None or (block.records["phase"] == Phase.WARMUP).all()


def test_without_a_warm_up_the_window_begins_at_once_and_ends_with_the_last_answer(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(10), each(say(OK)))
    assert carried.ending.window_from_ns == 0
    assert carried.ending.window_to_ns == carried.records["done_at_ns"].max()


def test_a_duration_plans_nothing_at_or_after_its_end(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(None, duration_ns=100 * MS, warmup_ns=20 * MS, connections=3), each(say(OK)))
    records = carried.records
    assert carried.ending.why is Why.DONE
    assert set(carried.outcomes) == {"ok"}
    assert records["planned_at_ns"].max() < 120 * MS
    assert (carried.ending.window_from_ns, carried.ending.window_to_ns) == (20 * MS, 120 * MS)
    assert ((records["phase"] == Phase.MEASURE) == (records["planned_at_ns"] >= 20 * MS)).all()
    assert carried.by_index["index"].tolist() == list(range(len(records)))


def test_a_duration_after_a_warm_up_by_count_runs_from_the_first_request_of_the_window(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(None, duration_ns=60 * MS, warmup_requests=5), each(say(OK)))
    from_ns = int(carried.by_index["planned_at_ns"][5])
    assert (carried.ending.window_from_ns, carried.ending.window_to_ns) == (from_ns, from_ns + 60 * MS)
    assert phases(carried)[:6] == ["warmup"] * 5 + ["measure"]
    assert carried.records["planned_at_ns"].max() < from_ns + 60 * MS


def test_a_pause_beyond_the_window_plans_nothing(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(None, duration_ns=80 * MS, draw=closed([0, 0, LONG_NS])), each(say(OK)))
    assert carried.outcomes == ["ok", "ok"]
    assert carried.ending.window_to_ns == 80 * MS


def test_of_count_and_duration_the_count_may_come_first(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(5, duration_ns=LONG_NS), each(say(OK)))
    assert len(carried.records) == 5
    assert carried.ending.window_to_ns == carried.records["done_at_ns"].max()


def test_of_count_and_duration_the_duration_may_come_first(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(10**9, duration_ns=50 * MS), each(say(OK)))
    assert 0 < len(carried.records) < 10**9
    assert carried.ending.window_to_ns == 50 * MS


def test_answers_may_come_during_the_drain(engine: Engine) -> None:
    """The answer leaves only once the window is over."""

    async def answer(peer: Peer, asked: Asked) -> None:
        await over.wait()
        await peer.send(OK)

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.elapsed_ns > 60 * MS)
        over.set()

    over = asyncio.Event()
    carried = engine.carry(plain_plan_of(None, duration_ns=40 * MS, connections=2), each(answer), during=watch)
    assert carried.outcomes == ["ok", "ok"]
    assert carried.ending.window_to_ns == 40 * MS
    assert carried.records["done_at_ns"].min() > 40 * MS
    assert carried.ending.why is Why.DONE


def test_what_is_in_flight_when_the_drain_ends_is_cancelled(engine: Engine) -> None:
    plan = plain_plan_of(None, duration_ns=40 * MS, drain_ns=30 * MS, connections=3)
    carried = engine.carry(plan, each(say(OK), say(OK), stall()))
    assert sorted(carried.outcomes) == ["cancelled"] * 3 + ["ok"] * 2
    cancelled = carried.records[carried.records["outcome"] == Outcome.CANCELLED]
    assert (cancelled["done_at_ns"] == NEVER).all()
    assert (cancelled["sent_at_ns"] != NEVER).all()
    assert carried.ending.why is Why.DONE
    assert carried.ending.window_to_ns == 40 * MS


def test_a_cancelled_stream_keeps_its_tokens(engine: Engine) -> None:
    plan = plan_of(None, duration_ns=100 * MS, drain_ns=0)
    carried = engine.carry(plan, each(stall(chat_stream(9)[:-400])))
    assert carried.outcomes == ["cancelled"]
    assert carried.only["n_events"] > 0


def test_records_come_in_the_order_in_which_requests_end(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(200, connections=5), each(say(OK)))
    done_at_ns = carried.records["done_at_ns"]
    late_ns = np.maximum.accumulate(done_at_ns) - done_at_ns
    assert (late_ns < S).all()
    for connection in set(carried.records["connection"].tolist()):
        own = done_at_ns[carried.records["connection"] == connection]
        assert (np.diff(own) >= 0).all()


@pytest.mark.parametrize("ends", [say_and_close, say_and_reset])
def test_a_server_that_ends_every_connection_in_mid_answer_is_met_with_new_ones(engine: Engine, ends: object) -> None:
    answer: Answer = ends(OK[:-1])  # type: ignore[operator]
    carried = engine.carry(plain_plan_of(12, connections=3), each(answer))
    assert carried.outcomes == ["reset"] * 12
    assert carried.server.n_connections >= 12


def test_several_threads_share_the_count(engine: Engine) -> None:
    carried = engine.carry(plain_plan_of(50, connections=4, threads=3, warmup_requests=7), each(say(OK)))
    assert carried.outcomes == ["ok"] * 57
    assert carried.by_index["index"].tolist() == list(range(57))
    assert phases(carried) == ["warmup"] * 7 + ["measure"] * 50
