"""Which answers to a read are right while others are under way, on both engines, against Redis by a script."""

import numpy as np
from harness import Engine, until
from plans import MS, closed, opened, over_pool, with_values
from redis_script import FILLER, NULL, OK, Command, ScriptedRedis, Store, command_of, get, put, redis_plan_of, remove
from scripted import Peer, ScriptedServer
from stamped import START, crc32c, stamped
from versions import TAG, plan_for, state_of, value

from loadgen.engine.contract import Live
from loadgen.plan.model import Check, Request, pool_of
from loadgen.targets.slots import STAMP, lay, width_of


def test_of_writes_under_way_at_once_each_may_be_the_last(engine: Engine) -> None:
    """Both are sent before one is answered; the later one's acknowledgement does not make the earlier one wrong."""

    async def script(peer: Peer) -> None:
        command = await redis.command(peer)
        if command[0] == b"SET" and command[2].endswith(stamped(3, 2, tag=TAG, filler=FILLER)[-18:]):
            await until(lambda: live.n_finished >= 1)
        elif command[0] == b"SET":
            await until(lambda: len(redis.commands) >= 2)
        await peer.send(OK)
        while True:
            await redis.command(peer)
            await peer.send(value(3, 2))

    async def watch(server: ScriptedServer, counters: Live) -> None:
        nonlocal live
        live = counters

    live = Live()
    redis = ScriptedRedis(b"")
    plan = plan_for(put(3), put(3), get(3), get(3), connections=2)
    carried = engine.carry(plan, script, during=watch)
    assert carried.outcomes == ["ok"] * 4
    assert state_of(carried, 3) == {"floor": 2, "first_in_flight": 2, "n_in_flight": 0, "latest_delete": 0}


def test_in_a_pipeline_a_read_is_held_against_what_was_acknowledged_when_it_was_sent(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        for answers in ((OK, NULL), (value(3, 1), OK), (NULL, value(3, 2))):
            for _ in answers:
                await redis.command(peer)
            await peer.send(*answers)
        await peer.lost()

    redis = ScriptedRedis(b"")
    carried = engine.carry(plan_for(put(3), get(3), get(3), put(4), get(3), get(3), pipeline=2), script)
    assert carried.outcomes == ["ok", "ok", "wrong_answer", "ok", "wrong_answer", "ok"]


def test_several_threads_keep_no_versions_but_sums(engine: Engine) -> None:
    """Where the engine has several at all: the portable one has one, and may say more."""
    exchanges = Store()

    def answer(command: Command) -> bytes:
        return exchanges(command)

    draw = with_values(over_pool(closed(), 2), lambda index: [index % 7])
    plan = redis_plan_of(200, put(), get(), n_keys=7, value_tag=TAG, draw=draw, threads=2, connections=4)
    carried = engine.carry(plan, ScriptedRedis(answer).script)
    assert set(carried.outcomes) == {"ok"}
    assert carried.by_index["checked"].sum() == 100


def test_a_faithful_store_under_load_is_never_accused(engine: Engine) -> None:
    """# Invariant: a store that keeps what it is told never gives a wrong answer, whatever overlaps."""
    requests = [put(), get(), put(), get(), *(remove(key) for key in range(3))]
    draws = np.random.default_rng(7).integers(0, 2**31, 4000)

    def values(index: int) -> list[int]:
        return [int(draws[index]) % 3]

    def draw(first: int, count: int):  # type: ignore[no-untyped-def]
        dues = with_values(closed(), values)(first, count)
        return dues._replace(payload=(draws[first : first + count] // 3 % len(requests)).astype(np.uint32))

    plan = redis_plan_of(1500, *requests, n_keys=3, value_tag=TAG, draw=draw, connections=8, pipeline=4)
    carried = engine.carry(plan, ScriptedRedis(Store()).script)
    assert set(carried.outcomes) == {"ok"}
    keys = carried.ending.keys[0]
    assert keys is not None
    assert (keys["n_in_flight"] == 0).all()


def test_a_forgetful_store_under_load_is_found_out(engine: Engine) -> None:
    class Forgetful(Store):
        def __call__(self, command: Command) -> bytes:
            if command[0] == b"SET" and int(command[2][-18:-8]) % 50 == 0:
                return OK  # said, and not done
            return super().__call__(command)

    draw = with_values(over_pool(closed(), 2), lambda index: [index // 2 % 5])
    plan = redis_plan_of(1000, put(), get(), n_keys=5, value_tag=TAG, draw=draw)
    carried = engine.carry(plan, ScriptedRedis(Forgetful()).script)
    assert carried.outcomes.count("wrong_answer") == 10
    assert all("acknowledged" in carried.errors[index] for index in np.flatnonzero(carried.by_index["outcome"]))


def test_versions_rise_in_an_open_loop_too(engine: Engine) -> None:
    draw = over_pool(opened([number * MS for number in range(40)]), 2)
    plan = redis_plan_of(None, put(1), get(1), open_loop=True, draw=draw, n_keys=2, value_tag=TAG)
    carried = engine.carry(plan, ScriptedRedis(Store()).script)
    assert carried.outcomes == ["ok"] * 40
    assert state_of(carried, 1)["floor"] == 21


def test_the_sum_is_begun_where_the_request_says(engine: Engine) -> None:
    """A large value lies among the pool's bodies; only its stamp is reckoned when it is sent."""
    body = bytes(range(256)) * 400
    head = [b"*3\r\n$3\r\nSET\r\n$3\r\nbig\r\n$%d\r\n" % (len(body) + STAMP.width)]
    raw, slots = lay([*head, STAMP, b"\r\n"])
    request = Request(
        raw, slots, check=Check.WRITE, key=1, crc=crc32c(START, body), body=(0, len(body)), body_at=width_of(head)
    )
    store = Store()
    reading = command_of(b"GET", b"big", check=Check.READ, key=1)
    pool = pool_of([request, reading], np.frombuffer(body, np.uint8))
    plan = redis_plan_of(4, pool=pool, n_keys=2, value_tag=TAG)
    carried = engine.carry(plan, ScriptedRedis(store).script)
    assert carried.outcomes == ["ok"] * 4
    assert store.values[b"big"] == stamped(1, 3, tag=TAG, filler=body)
