"""What is sent to PostgreSQL: messages and their lengths, where slots lie, and SQL written out in full."""

import itertools
import struct
from collections.abc import Iterator, Mapping, Sequence

import pytest

from loadgen.plan.model import STAMP_BYTES, Request, SlotKind
from loadgen.targets.postgresql import tpcb
from loadgen.targets.postgresql.messages import columns_of, message
from loadgen.targets.postgresql.statements import (
    Call,
    Value,
    in_full,
    n_parameters,
    number,
    prepared_request,
    simple_request,
    value_of,
)
from loadgen.targets.slots import KEY, STAMP

PLAIN = Value((b"plain",))


def messages_of(raw: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of each, lengths held against what is there."""
    while raw:
        n_bytes = struct.unpack("!I", raw[1:5])[0]
        assert n_bytes >= 4
        assert len(raw) > n_bytes
        yield raw[:1], raw[5 : n_bytes + 1]
        raw = raw[n_bytes + 1 :]


def bound(content: bytes) -> tuple[bytes, list[bytes | None]]:
    """The statement of a Bind, and its parameters."""
    portal, name, rest = content.split(b"\0", 2)
    n_formats, n = struct.unpack("!HH", rest[:4])
    assert (portal, n_formats) == (b"", 0)
    values: list[bytes | None] = []
    rest = rest[4:]
    for _ in range(n):
        (n_bytes,) = struct.unpack("!i", rest[:4])
        values.append(None if n_bytes < 0 else rest[4 : 4 + n_bytes])
        rest = rest[4 + max(n_bytes, 0) :]
    assert rest == b"\0\0"
    return name, values


def filled(request: Request, drawn: Sequence[int], others: Mapping[SlotKind, bytes] = {}) -> bytes:
    """As an engine fills it: drawn values as digits, other slots as they are given."""
    raw = bytearray(request.raw)
    for slot in request.slots:
        width = slot.width
        text = b"%0*d" % (width, drawn[slot.value]) if slot.kind is SlotKind.VALUE else others[slot.kind]
        assert len(text) == width
        assert raw[slot.at : slot.at + width] == b"0" * width
        raw[slot.at : slot.at + width] = text
    return bytes(raw)


def steps_of(request: Request, raw: bytes) -> list[bytes]:
    edges = [0, *request.steps, len(raw)]
    return [raw[start:end] for start, end in itertools.pairwise(edges)]


def text_of(call: Call) -> str:
    return b"".join(part if isinstance(part, bytes) else b"<%d>" % part.kind for part in in_full(call)).decode()


def test_a_prepared_statement_is_bind_execute_and_sync() -> None:
    call = Call("UPDATE t SET value = $1 WHERE id = $2", (Value((b"filler", STAMP)), number(KEY)))
    request = prepared_request([call], {call.sql: 3}, operation=1)
    raw = filled(request, [42], {SlotKind.STAMP: b"s" * STAMP_BYTES})
    (bind, content), (execute, portal), (sync, nothing) = messages_of(raw)
    assert (bind, execute, sync) == (b"B", b"E", b"S")
    assert bound(content) == (b"s3", [b"filler" + b"s" * STAMP_BYTES, b"000000000042"])
    assert portal == b"\0" + bytes(4)
    assert nothing == b""
    assert request.operation == 1
    assert request.steps == ()


def test_null_has_no_bytes() -> None:
    call = Call("SELECT $1, $2", (None, PLAIN))
    (_, content), *_ = messages_of(prepared_request([call], {call.sql: 0}).raw)
    assert bound(content) == (b"s0", [None, b"plain"])


def test_the_simple_protocol_sends_sql_in_full() -> None:
    call = Call("SELECT value FROM t WHERE id = $1", (number(KEY),))
    raw = filled(simple_request([call]), [7])
    assert list(messages_of(raw)) == [(b"Q", b"SELECT value FROM t WHERE id = 000000000007\0")]


@pytest.mark.parametrize(
    ("sql", "values", "text"),
    [
        ("SELECT $1", (PLAIN,), "SELECT 'plain'"),
        ("SELECT $2, $1, $2", (PLAIN, None), "SELECT NULL, 'plain', NULL"),
        ("SELECT $1", (Value((b"it's ''",)),), "SELECT 'it''s '''''"),
        ("SELECT $1", (value_of("a{key}'b"),), "SELECT 'a<3>''b'"),
        ("SELECT $1", (value_of(-5),), "SELECT '-5'"),
        ("SELECT $1", (value_of(True),), "SELECT 'true'"),
        ("SELECT 5 -$1", (number(KEY),), "SELECT 5 -<3>"),
        ("SELECT '$1', $1 -- $1\n", (PLAIN,), "SELECT '$1', 'plain' -- $1\n"),
        ('SELECT "$1", /* $1 */ $1', (PLAIN,), "SELECT \"$1\", /* $1 */ 'plain'"),
        ("SELECT $$ $1 $$, $x$ $1 $$ $x$, $1", (PLAIN,), "SELECT $$ $1 $$, $x$ $1 $$ $x$, 'plain'"),
        ("SELECT 'it''s $1', $1", (PLAIN,), "SELECT 'it''s $1', 'plain'"),
        ("SELECT 1; SELECT $1", (PLAIN,), "SELECT 1; SELECT 'plain'"),
    ],
)
def test_values_stand_in_sql_where_parameters_were(sql: str, values: tuple[Value | None, ...], text: str) -> None:
    assert text_of(Call(sql, values)) == text
    assert n_parameters(sql) == len(values)


def test_numbers_that_a_person_writes_are_texts_of_them() -> None:
    assert [value_of(given) for given in (5, 2.5, False, None)] == [
        Value((b"5",)),
        Value((b"2.5",)),
        Value((b"false",)),
        None,
    ]


def test_pgbenchs_transaction_is_seven_round_trips_with_the_same_four_values() -> None:
    calls = tpcb.transaction(3)
    numbers = {call.sql: place for place, call in enumerate(calls)}
    request = prepared_request(calls, numbers)
    aid, bid, tid, delta = 299_999, 2, 17, -4321
    rounds = [list(messages_of(step)) for step in steps_of(request, filled(request, [aid, bid, tid, delta]))]
    assert [[kind for kind, _ in sent] for sent in rounds] == [[b"B", b"E", b"S"]] * 7
    values = [[int(value or b"") for value in bound(sent[0][1])[1]] for sent in rounds]
    assert values == [[], [delta, aid], [aid], [delta, tid], [delta, bid], [tid, bid, aid, delta], []]
    assert [bound(sent[0][1])[0] for sent in rounds] == [b"s%d" % place for place in range(7)]


def test_pgbenchs_transaction_without_preparing_is_seven_queries() -> None:
    request = simple_request(tpcb.transaction(1))
    raw = filled(request, [5, 1, 10, -5000])
    texts = [content.rstrip(b"\0").decode() for step in steps_of(request, raw) for _, content in messages_of(step)]
    assert texts == [
        "BEGIN",
        "UPDATE pgbench_accounts SET abalance = abalance + -5000 WHERE aid = 000005",
        "SELECT abalance FROM pgbench_accounts WHERE aid = 000005",
        "UPDATE pgbench_tellers SET tbalance = tbalance + -5000 WHERE tid = 10",
        "UPDATE pgbench_branches SET bbalance = bbalance + -5000 WHERE bid = 1",
        "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES (10, 1, 000005, -5000, CURRENT_TIMESTAMP)",
        "END",
    ]


def test_pgbenchs_draws_cover_their_ranges_and_no_more() -> None:
    drawn = tpcb.values(1, 2)(0, 100_000)
    assert (drawn[:, 0].min() >= 1, drawn[:, 0].max() <= 200_000) == (True, True)
    assert sorted(set(drawn[:, 1].tolist())) == [1, 2]
    assert sorted(set(drawn[:, 2].tolist())) == list(range(1, 21))
    assert (drawn[:, 3].min(), drawn[:, 3].max()) == (-5000, 5000)


def test_a_rows_columns_are_read_with_their_nulls() -> None:
    row = struct.pack("!H", 3) + struct.pack("!i", 2) + b"ab" + struct.pack("!i", -1) + struct.pack("!i", 0)
    assert columns_of(row) == ["ab", None, ""]


def test_a_message_counts_its_length_word_and_not_its_kind() -> None:
    assert message(b"Q", b"ab\0") == b"Q\0\0\0\x07ab\0"
