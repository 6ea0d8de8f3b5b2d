"""Which answers to a read are right: values, their versions, and none; on both engines, against Redis by a script."""

import pytest
from harness import Carried, Engine
from plans import MS, closed, over_pool, with_values
from redis_script import (
    FILLER,
    NULL,
    OK,
    PING,
    ScriptedRedis,
    Store,
    bulk,
    get,
    in_turn,
    put,
    redis_plan_of,
    remove,
)
from scripted import Peer
from stamped import stamped
from versions import TAG, plan_for, state_of, value

from loadgen.plan.model import FIRST_VERSION, Request
from loadgen.records import Checked

ERROR = b"-ERR no\r\n"


def carry(engine: Engine, *exchanges: tuple[Request, bytes], **changes: object) -> Carried:
    """Each request gets its answer."""
    requests, answers = zip(*exchanges, strict=True)
    return engine.carry(plan_for(*requests, **changes), ScriptedRedis(in_turn(*answers)).script)


# --- what is written


def test_what_is_written_ends_in_a_stamp(engine: Engine) -> None:
    redis = ScriptedRedis(OK)
    carried = engine.carry(plan_for(put(3), put(7), put(3)), redis.script)
    assert carried.outcomes == ["ok"] * 3
    said = [(command[1], command[2]) for command in redis.commands]
    assert said == [
        (b"key:%012d" % key, stamped(key, version, tag=TAG, filler=FILLER)) for key, version in ((3, 2), (7, 3), (3, 4))
    ]
    assert set(carried.records["checked"].tolist()) == {Checked.NO}, "a write has nothing to be held against"


def test_the_key_may_be_a_drawn_value(engine: Engine) -> None:
    redis = ScriptedRedis(Store())
    draw = with_values(over_pool(closed(), 2), lambda index: [index // 2])
    plan = redis_plan_of(20, put(), get(), n_keys=10, value_tag=TAG, draw=draw)
    carried = engine.carry(plan, redis.script)
    assert carried.outcomes == ["ok"] * 20
    assert carried.by_index["checked"].tolist() == [Checked.NO, Checked.YES] * 10
    assert redis.commands[19][1] == b"key:%012d" % 9


def test_a_fill_writes_first_versions(engine: Engine) -> None:
    redis = ScriptedRedis(OK)
    engine.carry(plan_for(put(3), put(7), put(3), is_fill=True), redis.script)
    assert [int(command[2][-18:-8]) for command in redis.commands] == [FIRST_VERSION] * 3


def test_what_a_fill_wrote_is_right_in_the_run_after_it(engine: Engine) -> None:
    store = Store()
    filled = engine.carry(plan_for(put(0), put(1), is_fill=True), ScriptedRedis(store).script)
    assert state_of(filled, 0)["floor"] == FIRST_VERSION
    carried = engine.carry(plan_for(get(0), get(1), get(2), n_existing=2), ScriptedRedis(store).script)
    assert carried.outcomes == ["ok", "ok", "ok"]


# --- right and wrong values


def test_a_right_value_is_right(engine: Engine) -> None:
    carried = carry(engine, (put(3), OK), (get(3), value(3, 2)))
    assert carried.outcomes == ["ok", "ok"]
    assert carried.by_index["checked"].tolist() == [Checked.NO, Checked.YES]


def test_a_newer_value_than_any_that_is_known_is_right(engine: Engine) -> None:
    assert carry(engine, (put(3), OK), (get(3), value(3, 900))).outcomes == ["ok", "ok"]


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        stamped(3, 2, tag=TAG)[:-1],
        stamped(3, 2, tag=TAG)[1:],
        b"x" + stamped(3, 2, tag=TAG),
        stamped(3, 2, tag=TAG).replace(b"some", b"sone"),
        stamped(3, 2, tag=TAG)[:-8] + stamped(3, 2, tag=TAG)[-8:].upper() + b"\n",
        stamped(3, 2, tag=TAG)[20:],
        stamped(3, 2, tag=TAG) + stamped(3, 2, tag=TAG)[:30],
    ],
)
def test_a_torn_value_is_wrong(engine: Engine, content: bytes) -> None:
    carried = carry(engine, (get(3), bulk(content)), (PING, OK))
    assert carried.outcomes == ["wrong_answer", "ok"]
    assert "torn" in carried.errors[0]
    assert carried.by_index["checked"].tolist() == [Checked.YES, Checked.NO]


def test_a_value_is_whole_however_it_is_cut(engine: Engine) -> None:
    answer = value(3, 2)

    async def script(peer: Peer) -> None:
        for cut in range(1, len(answer)):
            await redis.command(peer)
            await peer.send(answer[:cut], answer[cut:])
        await peer.lost()

    redis = ScriptedRedis(b"")
    carried = engine.carry(plan_for(*[get(3)] * (len(answer) - 1)), script)
    assert set(carried.outcomes) == {"ok"}


@pytest.mark.parametrize("n_bytes", [0, 1, 4096, 4097, 300_000])
def test_a_value_of_any_length_is_held_against_its_sum(engine: Engine, n_bytes: int) -> None:
    filler = bytes(range(256)) * (n_bytes // 256) + b"x" * (n_bytes % 256)
    whole = stamped(3, 2, tag=TAG, filler=filler)
    wrong = bytearray(whole)
    wrong[len(whole) // 2] ^= 1
    carried = carry(engine, (get(3), bulk(whole)), (get(3), bulk(bytes(wrong))))
    assert carried.outcomes == ["ok", "wrong_answer"]


def test_the_value_of_another_key_is_wrong(engine: Engine) -> None:
    carried = carry(engine, (get(3), value(4, 2)), (get(3), value(3, 2)))
    assert carried.outcomes == ["wrong_answer", "ok"]
    assert "4" in carried.errors[0]


def test_an_older_value_than_one_that_was_acknowledged_is_wrong(engine: Engine) -> None:
    carried = carry(engine, (put(3), OK), (put(3), OK), (get(3), value(3, 2)), (get(3), value(3, 3)))
    assert carried.outcomes == ["ok", "ok", "wrong_answer", "ok"]
    assert "version 2" in carried.errors[2]
    assert "3 was acknowledged" in carried.errors[2]


def test_the_value_of_another_run_is_older_than_any_of_this_one(engine: Engine) -> None:
    foreign = value(3, 77, tag=b"00000000")
    carried = carry(engine, (get(3), foreign), (put(3), OK), (get(3), foreign))
    assert carried.outcomes == ["ok", "ok", "wrong_answer"]


def test_keys_are_told_apart(engine: Engine) -> None:
    carried = carry(engine, (put(3), OK), (put(4), OK), (get(3), value(3, 2)), (get(4), value(4, 2)))
    assert carried.outcomes == ["ok", "ok", "ok", "wrong_answer"]


def test_a_key_beyond_those_that_are_known_has_no_floor(engine: Engine) -> None:
    carried = carry(engine, (put(50), OK), (get(50), value(50, 1)), (get(50), NULL), (get(50), value(51, 1)))
    assert carried.outcomes == ["ok", "ok", "ok", "wrong_answer"]


def test_without_keys_values_are_still_held_against_their_sum(engine: Engine) -> None:
    carried = carry(engine, (get(3), value(3, 1)), (get(3), bulk(b"torn" * 20)), (get(3), NULL), n_keys=0)
    assert carried.outcomes == ["ok", "wrong_answer", "ok"]
    assert carried.ending.keys == (None,)


# --- values that are missing


@pytest.mark.parametrize("null", [NULL, b"_\r\n", b"*-1\r\n"])
def test_a_missing_value_is_right_where_nothing_was_written_and_wrong_where_something_was(
    engine: Engine, null: bytes
) -> None:
    carried = carry(engine, (get(3), null), (put(3), OK), (get(3), null))
    assert carried.outcomes == ["ok", "ok", "wrong_answer"]
    assert carried.by_index["checked"].tolist() == [Checked.YES, Checked.NO, Checked.YES]
    assert "no value" in carried.errors[2]
    assert carried.errors[:2] == ["", ""]


def test_what_was_there_before_the_run_may_not_be_missing(engine: Engine) -> None:
    carried = carry(engine, (get(3), NULL), (get(4), NULL), (get(3), value(3, 1)), n_existing=4)
    assert carried.outcomes == ["wrong_answer", "ok", "ok"]


def test_after_a_delete_a_value_is_missing_and_older_ones_are_wrong(engine: Engine) -> None:
    carried = carry(
        engine,
        (put(3), OK),
        (remove(3), b":1\r\n"),
        (get(3), NULL),
        (get(3), value(3, 2)),
        (put(3), OK),
        (get(3), NULL),
    )
    assert carried.outcomes == ["ok", "ok", "ok", "wrong_answer", "ok", "wrong_answer"]


def test_a_delete_of_unknown_fate_may_be_seen_and_may_not(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        for answer in ([OK], [NULL, value(3, 2), NULL])[min(peer.number, 1)]:
            await redis.command(peer)
            await peer.send(answer)
        if peer.number == 0:
            await redis.command(peer)

    redis = ScriptedRedis(b"")
    carried = engine.carry(plan_for(put(3), remove(3), get(3), get(3), get(3)), script)
    assert carried.outcomes == ["ok", "reset", "ok", "ok", "ok"]


# --- writes that fail


def test_a_write_that_is_refused_leaves_the_earlier_one_right(engine: Engine) -> None:
    carried = carry(engine, (put(3), OK), (put(3), ERROR), (get(3), value(3, 2)), (put(3), OK), (get(3), value(3, 3)))
    assert carried.outcomes == ["ok", "client_error", "ok", "ok", "wrong_answer"]
    assert state_of(carried, 3) == {"floor": 4, "first_in_flight": 4, "n_in_flight": 0, "latest_delete": 0}


@pytest.mark.parametrize("answer", [b"", b"$5\r\nhe", b"nonsense\r\n"])
def test_after_a_write_of_unknown_fate_the_old_and_the_new_value_are_right(engine: Engine, answer: bytes) -> None:
    """And any later one proves no more than the first whose fate is unknown."""

    async def script(peer: Peer) -> None:
        await redis.command(peer)
        if peer.number == 0:
            await peer.send(OK)
            await redis.command(peer)
            await peer.send(answer)
            return
        await peer.send(value(3, 2))
        for later in (value(3, 3), OK, value(3, 3), value(3, 2), value(3, 4)):
            await redis.command(peer)
            await peer.send(later)
        await peer.lost()

    redis = ScriptedRedis(b"")
    requests = [put(3), put(3), get(3), get(3), put(3), get(3), get(3), get(3)]
    carried = engine.carry(plan_for(*requests), script)
    assert carried.outcomes[0] == "ok"
    assert carried.outcomes[1] in ("reset", "protocol_error")
    assert carried.outcomes[2:] == ["ok", "ok", "ok", "ok", "wrong_answer", "ok"]
    assert state_of(carried, 3) == {"floor": 3, "first_in_flight": 3, "n_in_flight": 1, "latest_delete": 0}


def test_a_write_that_times_out_is_of_unknown_fate(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)
        if peer.number == 0:
            await peer.lost()
        for answer in (NULL, value(3, 2)):
            await peer.send(answer)
            await redis.command(peer)

    redis = ScriptedRedis(b"")
    carried = engine.carry(plan_for(put(3), get(3), get(3), timeout_ns=200 * MS), script)
    assert carried.outcomes == ["timeout", "ok", "ok"]
    assert state_of(carried, 3)["n_in_flight"] == 1


def test_a_write_that_found_no_connection_was_never_made(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)
        await peer.server.stop_listening()
        await peer.send(OK)

    redis = ScriptedRedis(b"")
    carried = engine.carry(plan_for(put(3), put(3), draw=over_pool(closed([0, 100 * MS]), 2)), script)
    assert carried.outcomes == ["ok", "connect_failed"]
    assert state_of(carried, 3) == {"floor": 2, "first_in_flight": 3, "n_in_flight": 0, "latest_delete": 0}
