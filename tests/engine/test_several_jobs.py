"""Several services' loads side by side, on one clock, on both engines."""

import asyncio
import json

import pytest
from dialects import chat_stream, completion
from harness import Carried, Engine, Service, until
from plans import LONG_NS, MS, closed, every, get_request, open_plan_of, plain_plan_of, plan_of
from postgresql_script import ScriptedPostgresql, postgresql_plan_of, request_of, rows
from redis_script import ScriptedRedis, Store, get, put, redis_plan_of
from scripted import Asked, Peer, ScriptedServer, each, say, stall, whole

from loadgen.engine.contract import Live, Why
from loadgen.plan.model import Operation, pool_of
from loadgen.records import Phase

OK = whole(b"hello", content_type="text/plain")
TEXTS = (Operation("get", service="pages"), Operation("post", service="pages"))


def of_job(carried: Carried, job: int):  # type: ignore[no-untyped-def]
    """Its records, by index."""
    records = carried.by_index
    return records[records["index"] % len(carried.plans) == job]


def test_each_job_has_its_own_indexes_operations_and_connections(engine: Engine) -> None:
    pages = [get_request()._replace(operation=1), get_request("/b")]
    carried = engine.carry_all(
        Service(plan_of(5), each(say(chat_stream(2)))),
        Service(plain_plan_of(7, pool=pool_of(pages), operations=TEXTS, connections=3), each(say(OK))),
        Service(redis_plan_of(9, pipeline=2), ScriptedRedis(b"+PONG\r\n").script),
    )
    assert set(carried.outcomes) == {"ok"}
    for job, (n, operations) in enumerate([(5, {0}), (7, {2}), (9, {3})]):
        records = of_job(carried, job)
        assert records["index"].tolist() == [3 * place + job for place in range(n)]
        assert set(records["operation"].tolist()) == operations
        assert 0 in records["connection"]
        assert records["connection"].max() < carried.plans[job].connections
    assert len(carried.servers[1].asked) == 7
    assert [asked.id[-12:] for asked in carried.servers[0].asked] == [f"{3 * place:012d}" for place in range(5)]
    lines = [json.loads(line) for line in carried.text.splitlines()]
    assert {line["operation"] for line in lines} == {"chat", "post", "get"}


def test_each_job_has_its_own_window(engine: Engine) -> None:
    carried = engine.carry_all(
        Service(plain_plan_of(None, warmup_ns=20 * MS, duration_ns=60 * MS), each(say(OK))),
        Service(plain_plan_of(6, warmup_requests=3), each(say(OK))),
        Service(open_plan_of([], draw=every(5 * MS), warmup_ns=10 * MS, duration_ns=100 * MS), each(say(completion()))),
    )
    assert carried.ending.why is Why.DONE
    by_count = of_job(carried, 1)
    assert carried.ending.windows == (
        (20 * MS, 80 * MS),
        (by_count["planned_at_ns"][3], by_count["done_at_ns"].max()),
        (10 * MS, 110 * MS),
    )
    assert carried.sink.windows_from_ns == [20 * MS, by_count["planned_at_ns"][3], 10 * MS]
    assert (by_count["phase"] == Phase.MEASURE).tolist() == [False] * 3 + [True] * 6
    assert of_job(carried, 0)["planned_at_ns"].max() < 80 * MS
    assert of_job(carried, 2)["planned_at_ns"].max() < 110 * MS


def test_one_job_may_end_long_before_another(engine: Engine) -> None:
    """The second one's answer leaves only when the first one has been over for a while."""

    async def answer(peer: Peer, asked: Asked) -> None:
        await over.wait()
        await peer.send(OK)

    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_finished == 5)
        elapsed_ns = live.elapsed_ns
        await until(lambda: live.elapsed_ns > elapsed_ns + 60 * MS)
        over.set()

    over = asyncio.Event()
    carried = engine.carry_all(
        Service(plain_plan_of(5), each(say(OK))), Service(plain_plan_of(1), each(answer)), during=watch
    )
    assert carried.outcomes == ["ok"] * 6
    (_, first_to_ns), (_, second_to_ns) = carried.ending.windows
    assert second_to_ns > first_to_ns + 60 * MS


def test_the_drain_of_one_job_cuts_no_other_short(engine: Engine) -> None:
    stalled = plain_plan_of(None, duration_ns=20 * MS, drain_ns=10 * MS)
    carried = engine.carry_all(
        Service(stalled, each(stall())), Service(plain_plan_of(None, duration_ns=150 * MS), each(say(OK)))
    )
    first, second = (of_job(carried, job) for job in range(2))
    assert carried.ending.why is Why.DONE
    assert len(first) == 1
    assert (second["outcome"] == 0).all()
    assert second["planned_at_ns"].max() > 100 * MS


def test_a_stop_does_not_lengthen_the_window_of_a_job_that_was_over(engine: Engine) -> None:
    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_finished == 5)
        elapsed_ns = live.elapsed_ns
        await until(lambda: live.elapsed_ns > elapsed_ns + 60 * MS)
        live.stop()

    carried = engine.carry_all(
        Service(plain_plan_of(5), each(say(OK))), Service(plain_plan_of(1), each(stall())), during=watch
    )
    assert carried.ending.windows[0] == (0, of_job(carried, 0)["done_at_ns"].max())


def test_a_stop_ends_all_jobs(engine: Engine) -> None:
    async def watch(server: ScriptedServer, live: Live) -> None:
        await until(lambda: live.n_in_flight == 3 and live.n_sent == 3)
        live.stop()

    carried = engine.carry_all(
        Service(plain_plan_of(None, connections=2), each(stall())),
        Service(plain_plan_of(None), each(stall())),
        during=watch,
    )
    assert carried.ending.why is Why.STOPPED
    assert sorted(carried.outcomes) == ["cancelled"] * 3


def test_a_job_without_any_success_ends_the_run(engine: Engine) -> None:
    carried = engine.carry_all(
        Service(plain_plan_of(None, give_up_ns=LONG_NS), each(say(OK))),
        Service(plain_plan_of(None, give_up_ns=150 * MS), each(say(whole(b"", status="500 No")))),
    )
    assert carried.ending.why is Why.GAVE_UP
    assert "ok" in carried.outcomes


def test_a_job_that_is_over_is_not_given_up(engine: Engine) -> None:
    """Its last request has failed, and another job goes on for longer than anyone would wait for a success."""
    carried = engine.carry_all(
        Service(plain_plan_of(1, give_up_ns=100 * MS), each(say(whole(b"", status="500 No")))),
        Service(plain_plan_of(None, duration_ns=400 * MS, draw=closed([5 * MS])), each(say(OK))),
    )
    assert carried.ending.why is Why.DONE


def test_keys_are_those_of_their_job(engine: Engine) -> None:
    versions = {"n_keys": 4, "value_tag": b"1f2e3d4c"}
    postgresql = ScriptedPostgresql(rows(b"1"))
    carried = engine.carry_all(
        Service(redis_plan_of(6, put(1), get(1), **versions), ScriptedRedis(Store()).script),
        Service(postgresql_plan_of(3, request_of("SELECT 1")), postgresql.script),
        Service(redis_plan_of(8, put(2), get(2), **versions), ScriptedRedis(Store()).script),
    )
    assert set(carried.outcomes) == {"ok"}
    first, second, third = carried.ending.keys
    assert second is None
    assert first is not None
    assert third is not None
    assert first["floor"].tolist() == [0, 4, 0, 0]
    assert third["floor"].tolist() == [0, 0, 5, 0]


@pytest.mark.parametrize("n_threads", [1, 3])
def test_indexes_of_several_threads_and_jobs_do_not_collide(engine: Engine, n_threads: int) -> None:
    plan = plain_plan_of(40, connections=4, threads=n_threads, warmup_requests=5)
    carried = engine.carry_all(Service(plan, each(say(OK))), Service(plan, each(say(OK))))
    assert carried.outcomes == ["ok"] * 90
    assert carried.by_index["index"].tolist() == list(range(90))
