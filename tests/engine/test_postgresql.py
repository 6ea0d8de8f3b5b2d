"""PostgreSQL as servers speak it, well and badly, on both engines."""

import asyncio
from collections.abc import Generator

import numpy as np
import pytest
from harness import Engine, until
from plans import MS, closed, with_values
from postgresql_script import (
    NOTHING,
    ScriptedPostgresql,
    by_query,
    done,
    failed,
    in_turn,
    message,
    postgresql_plan_of,
    ready,
    request_of,
    row,
    rows,
)
from scripted import Peer, ScriptedServer
from stamped import stamped

from loadgen.engine.contract import Live
from loadgen.errors import TargetError
from loadgen.plan.model import Check
from loadgen.records import NEVER, Checked
from loadgen.targets.slots import KEY

SELECT = request_of("SELECT 1")
TRANSFER = request_of("BEGIN", "UPDATE a", "COMMIT")


@pytest.mark.parametrize(
    ("answer", "n_items"),
    [
        (rows(b"1"), 1),
        (rows(b"1", None, b"3"), 3),
        (NOTHING, 0),
        (done(b"UPDATE 7") + ready(), 7),
        (done(b"INSERT 0 3") + ready(), 3),
        (done(b"DELETE 1") + ready(), 1),
        (done(b"BEGIN") + ready(b"T"), 0),
        (done(b"CREATE TABLE") + ready(), 0),
        (message(b"I") + ready(), 0),
        (done(b"UPDATE 7") + done(b"UPDATE 5") + ready(), 12),
        (done(b"UPDATE 7") + rows(b"1", b"2"), 2),
        (message(b"1") + message(b"2") + message(b"n") + done(b"UPDATE 7") + ready(), 7),
        (message(b"t", b"\0\0") + row(b"x", b"y", None) + message(b"s") + ready(), 1),
        (message(b"N", b"SWARNING\0\0") + message(b"S", b"a\0b\0") + message(b"A", bytes(6)) + rows(b"1"), 1),
    ],
)
def test_rows_are_counted_or_else_what_was_affected(engine: Engine, answer: bytes, n_items: int) -> None:
    carried = engine.carry(postgresql_plan_of(2, SELECT), ScriptedPostgresql(in_turn(answer, NOTHING)).script)
    assert carried.outcomes == ["ok", "ok"]
    first = carried.by_index[0]
    assert (first["n_items"], first["response_bytes"]) == (n_items, len(answer))
    assert (first["http_status"], first["request_bytes"]) == (0, len(SELECT.raw))
    assert carried.server.n_connections == 1


def test_an_answer_cut_at_every_byte_is_the_same_answer(engine: Engine) -> None:
    answer = message(b"N", b"x\0\0") + rows(b"12", None) + b""

    async def script(peer: Peer) -> None:
        for cut in range(1, len(answer)):
            await postgresql.query(peer)
            await peer.send(answer[:cut], answer[cut:])
        await peer.lost()

    postgresql = ScriptedPostgresql(b"")
    carried = engine.carry(postgresql_plan_of(len(answer) - 1, SELECT), script)
    assert set(carried.outcomes) == {"ok"}
    assert set(carried.records["n_items"].tolist()) == {2}


def test_large_rows_are_read_and_not_kept(engine: Engine) -> None:
    answer = rows(bytes(8_000_000), bytes(8_000_000))
    record = engine.carry(postgresql_plan_of(1, SELECT), ScriptedPostgresql(answer).script).only
    assert (record["outcome"], record["n_items"], record["response_bytes"]) == (0, 2, len(answer))


@pytest.mark.parametrize(
    ("code", "outcome"),
    [
        ("23505", "client_error"),
        ("42P01", "client_error"),
        ("22P02", "client_error"),
        ("25P02", "client_error"),
        ("25P03", "server_error"),
        ("08006", "server_error"),
        ("40001", "server_error"),
        ("40P01", "server_error"),
        ("53300", "server_error"),
        ("55P03", "server_error"),
        ("57014", "server_error"),
        ("58030", "server_error"),
        ("XX000", "server_error"),
        ("54000", "client_error"),
    ],
)
def test_an_error_has_its_sqlstate_as_its_code(engine: Engine, code: str, outcome: str) -> None:
    answer = failed(code.encode(), b"no such\nluck")
    postgresql = ScriptedPostgresql(in_turn(answer, NOTHING))
    carried = engine.carry(postgresql_plan_of(2, SELECT), postgresql.script)
    assert carried.outcomes == [outcome, "ok"]
    assert (carried.codes, carried.errors) == ([code, ""], ["no such luck", ""])
    assert carried.by_index[0]["done_at_ns"] != NEVER
    assert carried.by_index[0]["response_bytes"] == len(answer)
    assert carried.server.n_connections == 1
    assert postgresql.queries == ["SELECT 1"] * 2, "there was no transaction to roll back"


def test_a_fatal_error_ends_the_connection(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await postgresql.query(peer)
        if peer.number == 0:
            await peer.send(failed(b"57P01", b"terminating connection", severity=b"FATAL"))
        else:
            await peer.send(NOTHING)
            await peer.lost()

    postgresql = ScriptedPostgresql(b"")
    carried = engine.carry(postgresql_plan_of(2, SELECT), script)
    assert carried.outcomes == ["server_error", "ok"]
    assert (carried.codes[0], carried.errors[0]) == ("57P01", "terminating connection")
    assert carried.server.n_connections == 2


@pytest.mark.parametrize(
    "said",
    [
        b"HTTP/1.1 400 Bad Request\r\n\r\n",
        b"+OK\r\n",
        message(b"G", bytes(3)),
        message(b"H", bytes(3)),
        b"Z\0\0\0\2",
        b"D\x7f\xff\xff\xff",
    ],
)
def test_what_is_no_answer_is_a_protocol_error_and_the_next_request_is_not_hurt(engine: Engine, said: bytes) -> None:
    async def script(peer: Peer) -> None:
        await postgresql.query(peer)
        await peer.send(said if peer.number == 0 else NOTHING)
        await peer.lost()

    postgresql = ScriptedPostgresql(b"")
    carried = engine.carry(postgresql_plan_of(2, SELECT), script)
    assert carried.outcomes == ["protocol_error", "ok"]
    assert carried.errors[0]
    assert carried.server.n_connections == 2


# --- steps


def test_each_step_waits_for_the_one_before(engine: Engine) -> None:
    """Nothing else has come when a step is answered."""

    async def script(peer: Peer) -> None:
        for transaction in (b"T", b"T", b"I", b"T", b"T", b"I"):
            await postgresql.query(peer)
            assert not peer.reader._buffer  # type: ignore[attr-defined]
            await peer.send(done(b"UPDATE 1") + ready(transaction))
        await peer.lost()

    postgresql = ScriptedPostgresql(b"")
    carried = engine.carry(postgresql_plan_of(2, TRANSFER), script)
    assert carried.outcomes == ["ok", "ok"]
    assert postgresql.queries == ["BEGIN", "UPDATE a", "COMMIT"] * 2
    assert carried.records["n_items"].tolist() == [3, 3]
    assert set(carried.records["request_bytes"].tolist()) == {len(TRANSFER.raw)}
    n_bytes = len(done(b"UPDATE 1") + ready())
    assert carried.records["response_bytes"].tolist() == [3 * n_bytes, 3 * n_bytes]


def test_the_instants_are_those_of_the_first_step_and_the_last_answer(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        for _ in range(3):
            await postgresql.query(peer)
            seen.append(live.n_sent)
            await peer.send(ready(b"T"))
            elapsed_ns = live.elapsed_ns
            await until(lambda elapsed_ns=elapsed_ns: live.elapsed_ns > elapsed_ns)  # type: ignore[misc]
        await peer.lost()

    async def watch(server: ScriptedServer, counters: Live) -> None:
        nonlocal live
        live = counters

    live, seen = Live(), list[int]()
    postgresql = ScriptedPostgresql(b"")
    record = engine.carry(postgresql_plan_of(1, TRANSFER), script, during=watch).only
    assert record["sent_at_ns"] <= record["first_byte_at_ns"] < record["done_at_ns"]
    assert seen[1:] == [1, 1]


def test_an_error_in_a_step_ends_the_request_and_its_transaction(engine: Engine) -> None:
    answers = {
        "BEGIN": done(b"BEGIN") + ready(b"T"),
        "UPDATE a": failed(b"40001", b"could not serialize", b"E"),
        "ROLLBACK": done(b"ROLLBACK") + ready(b"I"),
        "SELECT 1": rows(b"1"),
    }
    postgresql = ScriptedPostgresql(by_query(answers))
    carried = engine.carry(postgresql_plan_of(4, TRANSFER, SELECT), postgresql.script)
    assert carried.outcomes == ["server_error", "ok"] * 2
    assert carried.codes[0] == "40001"
    assert postgresql.queries == ["BEGIN", "UPDATE a", "ROLLBACK", "SELECT 1"] * 2
    first = carried.by_index[0]
    assert first["response_bytes"] == len(answers["BEGIN"] + answers["UPDATE a"]), "a rollback belongs to no request"
    assert first["done_at_ns"] <= carried.by_index["planned_at_ns"][1]
    assert carried.server.n_connections == 1


def test_an_error_after_which_no_transaction_is_open_needs_no_rollback(engine: Engine) -> None:
    answers = {"BEGIN": failed(b"42601", b"syntax error"), "SELECT 1": rows(b"1")}
    postgresql = ScriptedPostgresql(by_query(answers))
    carried = engine.carry(postgresql_plan_of(2, TRANSFER, SELECT), postgresql.script)
    assert carried.outcomes == ["client_error", "ok"]
    assert postgresql.queries == ["BEGIN", "SELECT 1"]


def test_a_rollback_that_breaks_leaves_the_record_as_it_is(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        if peer.number:
            await postgresql.query(peer)
            await peer.send(rows(b"1"))
            await peer.lost()
        for answer in (ready(b"T"), failed(b"23505", b"duplicate", b"E")):
            await postgresql.query(peer)
            await peer.send(answer)
        await postgresql.query(peer)

    postgresql = ScriptedPostgresql(b"")
    carried = engine.carry(postgresql_plan_of(2, TRANSFER, SELECT), script)
    assert carried.outcomes == ["client_error", "ok"]
    assert carried.errors == ["duplicate", ""]
    assert postgresql.queries == ["BEGIN", "UPDATE a", "ROLLBACK", "SELECT 1"]


def test_a_rollback_that_is_not_answered_ends_with_the_timeout(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        if peer.number:
            await postgresql.script(peer)
        for answer in (ready(b"T"), failed(b"23505", b"duplicate", b"E")):
            await postgresql.query(peer)
            await peer.send(answer)
        await peer.lost()

    postgresql = ScriptedPostgresql(rows(b"1"))
    carried = engine.carry(postgresql_plan_of(2, TRANSFER, SELECT, timeout_ns=250 * MS), script)
    assert carried.outcomes == ["client_error", "ok"]
    assert carried.server.n_connections == 2


@pytest.mark.parametrize("n_answered", [0, 1, 2])
def test_a_connection_that_ends_in_any_step_is_a_reset(engine: Engine, n_answered: int) -> None:
    async def script(peer: Peer) -> None:
        if peer.number:
            await postgresql.script(peer)
        for _ in range(n_answered):
            await postgresql.query(peer)
            await peer.send(ready(b"T"))
        await postgresql.query(peer)

    postgresql = ScriptedPostgresql(ready())
    carried = engine.carry(postgresql_plan_of(2, TRANSFER, SELECT), script)
    assert carried.outcomes == ["reset", "ok"]
    assert carried.by_index[0]["done_at_ns"] == NEVER


def test_slots_are_filled_in_every_step(engine: Engine) -> None:
    postgresql = ScriptedPostgresql(ready())
    request = request_of([b"A ", KEY], [b"B ", KEY])
    plan = postgresql_plan_of(2, request, draw=with_values(closed(), lambda index: [index + 5]))
    carried = engine.carry(plan, postgresql.script)
    assert carried.outcomes == ["ok", "ok"]
    assert postgresql.queries == [f"{letter} {number:012d}" for number in (5, 6) for letter in "AB"]


# --- checks


def test_the_first_column_of_the_first_row_is_the_value_that_was_read(engine: Engine) -> None:
    reading = request_of("SELECT v", check=Check.READ, key=3)
    writing = request_of("UPDATE v", check=Check.WRITE, key=3)
    tag = b"1f2e3d4c"
    right, torn = stamped(3, 2, tag=tag), stamped(3, 2, tag=tag)[:-1] + b"x"
    exchanges = [
        (writing, done(b"UPDATE 1") + ready(), "ok"),
        (reading, rows(right, b"other"), "ok"),
        (reading, row(right, b"other") + done(b"SELECT 1") + ready(), "ok"),
        (reading, rows(torn, right), "wrong_answer"),
        (reading, rows(stamped(4, 2, tag=tag)), "wrong_answer"),
        (reading, rows(stamped(3, 1, tag=tag)), "wrong_answer"),
        (reading, NOTHING, "wrong_answer"),
        (reading, rows(None), "wrong_answer"),
        (writing, failed(b"40001", b"no"), "server_error"),
        (reading, rows(right), "ok"),
    ]
    requests, answers, outcomes = zip(*exchanges, strict=True)
    plan = postgresql_plan_of(len(requests), *requests, n_keys=5, value_tag=tag)
    carried = engine.carry(plan, ScriptedPostgresql(in_turn(*answers)).script)
    assert carried.outcomes == list(outcomes)
    expected = [Checked.YES if request.check is Check.READ else Checked.NO for request in requests]
    assert carried.by_index["checked"].tolist() == expected


@pytest.mark.parametrize("answer", [NOTHING, rows(None)])
def test_no_row_and_null_are_right_where_nothing_was_written(engine: Engine, answer: bytes) -> None:
    reading = request_of("SELECT v", check=Check.READ, key=3)
    plan = postgresql_plan_of(1, reading, n_keys=5)
    assert engine.carry(plan, ScriptedPostgresql(answer).script).outcomes == ["ok"]


def test_rows_are_ids_where_ids_are_looked_for(engine: Engine) -> None:
    asked = request_of("SELECT id", check=Check.IDS, neighbours=(1, 2, 30, 4))
    answer = rows(b"30", b"7", b"1", b"", None, b"x")
    record = engine.carry(postgresql_plan_of(1, asked), ScriptedPostgresql(answer).script).only
    assert (record["outcome"], record["n_items"], record["n_hits"]) == (0, 3, 2)


# --- logins


def startup() -> Generator[bytes, bytes, None]:
    said = yield b"\0\0\0\x08\0\3\0\0"
    while not said.endswith(ready()):
        said += yield b""
    if said[:1] == b"E":
        raise TargetError("password authentication failed")


def test_a_connection_is_begun_with_its_login(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        assert await peer.reader.readexactly(8) == b"\0\0\0\x08\0\3\0\0"
        await peer.send(message(b"R", bytes(4)), message(b"S", b"a\0b\0"), ready())
        await postgresql.query(peer)
        await peer.send(rows(b"1"))

    postgresql = ScriptedPostgresql(b"")
    plan = postgresql_plan_of(4, SELECT, draw=closed([0, 50 * MS]))
    carried = engine.carry(plan, script, login=startup)
    assert carried.outcomes == ["ok"] * 4
    assert carried.server.n_connections == 4


def test_a_login_that_is_refused_is_a_failed_connection(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await peer.reader.readexactly(8)
        await peer.send(failed(b"28P01", b"password authentication failed"))

    carried = engine.carry(postgresql_plan_of(2, SELECT), script, login=startup)
    assert carried.outcomes == ["connect_failed"] * 2
    assert all("password" in error for error in carried.errors)


def test_many_connections_share_the_count(engine: Engine) -> None:
    postgresql = ScriptedPostgresql(rows(b"1"))
    carried = engine.carry(postgresql_plan_of(300, SELECT, connections=6), postgresql.script)
    assert carried.outcomes == ["ok"] * 300
    assert carried.server.n_connections == 6
    assert np.isin(carried.records["connection"], range(6)).all()


def test_a_stop_cancels_a_transaction_with_its_record(engine: Engine) -> None:
    async def script(peer: Peer) -> None:
        await postgresql.query(peer)
        await peer.send(ready(b"T"))
        await postgresql.query(peer)
        asked.set()
        await peer.lost()

    async def watch(server: ScriptedServer, live: Live) -> None:
        await asked.wait()
        live.stop()

    asked = asyncio.Event()
    postgresql = ScriptedPostgresql(b"")
    carried = engine.carry(postgresql_plan_of(None, TRANSFER), script, during=watch)
    assert carried.outcomes == ["cancelled"]
