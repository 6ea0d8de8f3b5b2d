"""Redis as servers speak it, well and badly, on both engines."""

import numpy as np
import pytest
from harness import Engine, until
from plans import MS, closed, every, opened, over_pool, with_values
from redis_script import NULL, OK, PING, ScriptedRedis, bulk, command_of, get, in_turn, redis_plan_of
from scripted import Peer, ScriptedServer

from loadgen.engine.contract import Live, Why
from loadgen.plan.model import Check
from loadgen.records import NEVER, Checked


@pytest.mark.parametrize(
    ("reply", "n_items"),
    [
        (b"+PONG\r\n", NEVER),
        (b":42\r\n", NEVER),
        (b":-1\r\n", NEVER),
        (bulk(b"hello"), NEVER),
        (bulk(b""), NEVER),
        (bulk(b"\r\n$5\r\n"), NEVER),
        (NULL, NEVER),
        (b"*-1\r\n", NEVER),
        (b"*0\r\n", 0),
        (b"*2\r\n$1\r\na\r\n:5\r\n", 2),
        (b"*2\r\n*2\r\n+a\r\n+b\r\n*0\r\n", 2),
        (b"*1\r\n-ERR inside\r\n", 1),
        (b"_\r\n", NEVER),
        (b"#t\r\n", NEVER),
        (b",3.25\r\n", NEVER),
        (b",inf\r\n", NEVER),
        (b"(3492890328409238509324850943850943825024385\r\n", NEVER),
        (b"=7\r\ntxt:abc\r\n", NEVER),
        (b"%2\r\n+a\r\n:1\r\n+b\r\n:2\r\n", 4),
        (b"~3\r\n:1\r\n:2\r\n:3\r\n", 3),
        (b">2\r\n+message\r\n+hi\r\n+PONG\r\n", NEVER),
        (b"|1\r\n+ttl\r\n:3600\r\n*1\r\n+a\r\n", 1),
        (b"*2\r\n|1\r\n+ttl\r\n:1\r\n+a\r\n+b\r\n", 2),
    ],
)
def test_every_kind_of_reply_is_one_answer(engine: Engine, reply: bytes, n_items: int) -> None:
    redis = ScriptedRedis(in_turn(reply, OK))
    carried = engine.carry(redis_plan_of(2), redis.script)
    assert carried.outcomes == ["ok", "ok"]
    first, second = carried.by_index
    assert (first["n_items"], first["response_bytes"]) == (n_items, len(reply))
    assert (second["n_items"], second["response_bytes"]) == (NEVER, len(OK))
    assert (first["http_status"], first["checked"], first["request_bytes"]) == (0, Checked.NO, len(PING.raw))
    assert carried.server.n_connections == 1


def test_replies_cut_at_every_byte_are_the_same_replies(engine: Engine) -> None:
    reply = b">1\r\n+x\r\n|1\r\n+a\r\n+b\r\n%1\r\n$3\r\na\r\n\r\n*2\r\n:1\r\n$-1\r\n"

    async def script(peer: Peer) -> None:
        for cut in range(1, len(reply)):
            await redis.command(peer)
            await peer.send(reply[:cut], reply[cut:])
        await peer.lost()

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(len(reply) - 1), script)
    assert set(carried.outcomes) == {"ok"}
    assert set(carried.records["n_items"].tolist()) == {2}
    assert set(carried.records["response_bytes"].tolist()) == {len(reply)}


def test_a_large_value_is_read_and_not_kept(engine: Engine) -> None:
    reply = bulk(bytes(20_000_000))
    record = engine.carry(redis_plan_of(1), ScriptedRedis(reply).script).only
    assert (record["outcome"], record["response_bytes"]) == (0, len(reply))


@pytest.mark.parametrize(
    ("said", "outcome"),
    [
        ("ERR unknown command 'X'", "client_error"),
        ("WRONGTYPE Operation against a key", "client_error"),
        ("NOAUTH Authentication required.", "client_error"),
        ("LOADING Redis is loading the dataset in memory", "server_error"),
        ("OOM command not allowed when used memory > 'maxmemory'.", "server_error"),
        ("BUSY Redis is busy running a script.", "server_error"),
        ("BUSYGROUP Consumer Group name already exists", "client_error"),
        ("MASTERDOWN Link with MASTER is down", "server_error"),
        ("MISCONF Redis is configured to save RDB snapshots", "server_error"),
        ("CLUSTERDOWN The cluster is down", "server_error"),
        ("TRYAGAIN Multiple keys request during rehashing of slot", "server_error"),
        ("NOREPLICAS Not enough good replicas to write.", "server_error"),
        ("READONLY You can't write against a read only replica.", "server_error"),
        ("MOVED 3999 127.0.0.1:6381", "server_error"),
        ("ASK 3999 127.0.0.1:6381", "server_error"),
        ("UNBLOCKED client unblocked via CLIENT UNBLOCK", "server_error"),
        ("ERR", "client_error"),
    ],
)
def test_an_error_reply_has_its_first_word_as_its_code(engine: Engine, said: str, outcome: str) -> None:
    redis = ScriptedRedis(in_turn(b"-" + said.encode() + b"\r\n", OK))
    carried = engine.carry(redis_plan_of(2), redis.script)
    assert carried.outcomes == [outcome, "ok"]
    assert carried.errors == [said, ""]
    assert carried.codes == [said.split()[0], ""]
    assert carried.by_index[0]["done_at_ns"] != NEVER
    assert carried.server.n_connections == 1, "an error leaves its connection usable"


def test_an_error_that_is_a_bulk_string_is_an_error(engine: Engine) -> None:
    carried = engine.carry(redis_plan_of(1), ScriptedRedis(b"!21\r\nSYNTAX invalid syntax\r\n").script)
    assert (carried.outcomes, carried.codes, carried.errors) == (
        ["client_error"],
        ["SYNTAX"],
        ["SYNTAX invalid syntax"],
    )


def test_a_long_code_is_cut(engine: Engine) -> None:
    carried = engine.carry(redis_plan_of(1), ScriptedRedis(b"-" + b"X" * 200 + b" y\r\n").script)
    assert carried.codes == ["X" * 23]


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"\x15\x03\x01\x00\x02\x02\x16\r\n",
        b"$abc\r\n",
        b"$-2\r\n",
        b"$5\r\nhelloXX+OK\r\n",
        b"*99999999999999999999\r\n",
        b":4x\r\n",
        b"+OK\n",
        b"$600000000\r\n",
        b"*1\r\n" * 40,
        b"+" + b"x" * 70_000,
    ],
)
def test_what_is_no_reply_is_a_protocol_error_and_the_next_request_is_not_hurt(engine: Engine, said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await redis.command(peer)
        await peer.send(said if peer.number == 0 else OK)
        await peer.lost()

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(2), script)
    assert carried.outcomes == ["protocol_error", "ok"]
    assert carried.errors[0]
    assert carried.server.n_connections == 2


# --- pipelines


def test_a_pipeline_is_sent_at_once_and_answered_in_its_order(engine: Engine) -> None:
    """No answer leaves before all four have come; then each leaves by itself."""

    async def script(peer: Peer) -> None:
        while True:
            asked = [await redis.command(peer) for _ in range(4)]
            for number, _ in enumerate(asked):
                answered = len(redis.commands) - 4 + number
                await until(lambda answered=answered: live.n_finished == answered)  # type: ignore[misc]
                await peer.send(b"*%d\r\n" % number + b":1\r\n" * number)

    async def watch(server: ScriptedServer, counters: Live) -> None:
        nonlocal live
        live = counters

    live = Live()
    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(8, pipeline=4), script, during=watch)
    records = carried.by_index
    assert carried.outcomes == ["ok"] * 8
    assert records["n_items"].tolist() == [0, 1, 2, 3] * 2
    assert records["response_bytes"].tolist() == [4, 8, 12, 16] * 2
    for batch in (records[:4], records[4:]):
        assert len(set(batch["planned_at_ns"].tolist())) == len(set(batch["sent_at_ns"].tolist())) == 1
        assert (np.diff(batch["first_byte_at_ns"]) > 0).all()
        assert (np.diff(batch["done_at_ns"]) > 0).all()
    assert set(records["planned_at_ns"][4:].tolist()) == {records["done_at_ns"][3]}


@pytest.mark.parametrize(("n_requests", "n_clients", "pipeline"), [(10, 1, 4), (3, 1, 8), (1000, 4, 16), (101, 3, 2)])
def test_a_count_is_kept_exactly_with_pipelines(engine: Engine, n_requests: int, n_clients: int, pipeline: int) -> None:
    redis = ScriptedRedis(OK)
    carried = engine.carry(redis_plan_of(n_requests, connections=n_clients, pipeline=pipeline), redis.script)
    assert carried.outcomes == ["ok"] * n_requests
    assert carried.by_index["index"].tolist() == list(range(n_requests))
    assert len(redis.commands) == n_requests
    assert carried.server.n_connections == n_clients


def test_answers_of_a_pipeline_that_come_in_one_read_are_told_apart(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        while True:
            for _ in range(3):
                await redis.command(peer)
            await peer.send(b"+OK\r\n-ERR no\r\n$2\r\nhi\r\n")

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(6, pipeline=3), script)
    assert carried.outcomes == ["ok", "client_error", "ok"] * 2
    assert carried.by_index["response_bytes"].tolist() == [5, 9, 8] * 2


def test_a_pipeline_cut_at_every_byte_is_the_same_pipeline(engine: Engine) -> None:
    answers = b"*1\r\n$3\r\nabc\r\n" + NULL + b"-ERR x\r\n"

    async def script(peer: Peer) -> None:
        for cut in range(1, len(answers)):
            for _ in range(3):
                await redis.command(peer)
            await peer.send(answers[:cut], answers[cut:])
        await peer.lost()

    redis = ScriptedRedis(b"")
    n_batches = len(answers) - 1
    carried = engine.carry(redis_plan_of(3 * n_batches, pipeline=3), script)
    assert carried.outcomes == ["ok", "ok", "client_error"] * n_batches
    assert carried.by_index["response_bytes"].tolist() == [13, 5, 8] * n_batches


def test_what_a_broken_pipeline_leaves_unanswered_fails_alike(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(4):
            await redis.command(peer)
        if peer.number == 0:
            await peer.send(OK, OK, b"$5\r\nhe")
        else:
            await peer.send(OK * 4)
            await peer.lost()

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(8, pipeline=4), script)
    assert carried.outcomes == ["ok", "ok", "reset", "reset"] + ["ok"] * 4
    assert carried.errors[2] == carried.errors[3] != ""
    records = carried.by_index
    assert (records["sent_at_ns"][:4] != NEVER).all()
    assert (records["done_at_ns"][2:4] == NEVER).all()
    assert records["first_byte_at_ns"][3] == NEVER
    assert carried.server.n_connections == 2


def test_a_pipeline_that_stalls_times_out_as_far_as_it_is_unanswered(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(2 if peer.number else 3):
            await redis.command(peer)
        await peer.send(OK * 2)
        await peer.lost()

    redis = ScriptedRedis(b"")
    carried = engine.carry(redis_plan_of(5, pipeline=3, timeout_ns=250 * MS), script)
    assert carried.outcomes == ["ok", "ok", "timeout", "ok", "ok"]


def test_in_an_open_loop_a_pipeline_takes_what_is_due_by_then(engine: Engine) -> None:
    """The first goes alone; while its answer is held back ten more become due, of which at most four go at once."""

    async def script(peer: Peer) -> None:
        await redis.command(peer)
        await until(lambda: live.n_waiting == 10)
        await peer.send(OK)
        for n_at_once in (4, 4, 2):
            for _ in range(n_at_once):
                await redis.command(peer)
            assert not peer.reader._buffer  # type: ignore[attr-defined]
            await peer.send(OK * n_at_once)
        await peer.lost()

    async def watch(server: ScriptedServer, counters: Live) -> None:
        nonlocal live
        live = counters

    live = Live()
    redis = ScriptedRedis(b"")
    when_ns = [0, *(20 * MS + number * MS for number in range(10))]
    plan = redis_plan_of(None, open_loop=True, draw=opened(when_ns), pipeline=4)
    carried = engine.carry(plan, script, during=watch)
    assert carried.outcomes == ["ok"] * 11
    assert carried.by_index["planned_at_ns"].tolist() == when_ns


def test_an_overload_of_pipelines_keeps_every_record(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(100):
            await redis.command(peer)
            await peer.send(OK)
        await peer.lost()

    redis = ScriptedRedis(b"")
    plan = redis_plan_of(
        None, open_loop=True, draw=every(MS // 20), duration_ns=100 * MS, drain_ns=20 * MS, pipeline=8, connections=1
    )
    carried = engine.carry(plan, script)
    assert carried.by_index["index"].tolist() == list(range(1999))
    assert carried.outcomes[:100] == ["ok"] * 100
    assert set(carried.outcomes[100:]) == {"cancelled"}
    assert carried.ending.why is Why.DONE


def test_a_pipeline_of_large_values_is_answered_while_it_is_sent(engine: Engine) -> None:
    """The server reads no further before its answers are read: who sends everything first waits for ever."""

    async def script(peer: Peer) -> None:
        for _ in range(8):
            await redis.command(peer)
            await peer.send(bulk(bytes(4_000_000)))
        await peer.lost()

    redis = ScriptedRedis(b"")
    large = command_of(b"ECHO", b"x" * 4_000_000)
    carried = engine.carry(redis_plan_of(8, large, pipeline=8, timeout_ns=20_000 * MS), script)
    assert carried.outcomes == ["ok"] * 8


# --- what is counted


def test_what_a_value_names_and_contains_is_counted(engine: Engine) -> None:
    replies = [bulk(b"xxabxxababx"), bulk(b"no"), bulk(b"yes ab")]
    requests = [
        command_of(b"GET", b"a", check=Check.COUNT, needle=b"ab"),
        command_of(b"GET", b"b", check=Check.CONTAINS, needle=b"ab"),
        command_of(b"GET", b"c", check=Check.CONTAINS, needle=b"ab"),
    ]
    carried = engine.carry(redis_plan_of(3, *requests), ScriptedRedis(in_turn(*replies)).script)
    assert carried.outcomes == ["ok", "wrong_answer", "ok"]
    assert carried.by_index["n_items"].tolist()[0] == 3
    assert carried.by_index["checked"].tolist() == [Checked.NO, Checked.YES, Checked.YES]
    assert "ab" in carried.errors[1]


def test_drawn_values_go_into_commands(engine: Engine) -> None:
    redis = ScriptedRedis(NULL)
    request = get()._replace(check=Check.NONE)
    plan = redis_plan_of(5, request, draw=with_values(closed(), lambda index: [index * 7]), pipeline=2)
    engine.carry(plan, redis.script)
    assert [command[1] for command in redis.commands] == [b"key:%012d" % (index * 7) for index in range(5)]


def test_payloads_of_a_pipeline_are_those_of_their_indexes(engine: Engine) -> None:
    redis = ScriptedRedis(OK)
    requests = [command_of(b"GET", b"%d" % number) for number in range(3)]
    plan = redis_plan_of(8, *requests, draw=over_pool(closed(), 3), pipeline=4)
    carried = engine.carry(plan, redis.script)
    assert [int(command[1]) for command in redis.commands] == [0, 1, 2, 0, 1, 2, 0, 1]
    assert carried.by_index["payload"].tolist() == [0, 1, 2, 0, 1, 2, 0, 1]
