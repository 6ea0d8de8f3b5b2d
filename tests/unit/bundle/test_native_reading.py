"""Of every line that the native reader reads it gives what orjson gives; what it does not read is left to that one."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from drawn_blocks import blocks
from hypothesis import given
from hypothesis import strategies as st
from made_runs import OPERATIONS, block_of

from loadgen.bundle import parse
from loadgen.bundle.jsonl import codes, format_lines, operation_json
from loadgen.bundle.layout import KeptOperation
from loadgen.bundle.parse import parse_lines
from loadgen.records import RECORD_DTYPE, Block, OperationLike

TAG = "BM-20260304-001"
AS_ORJSON_READS_IT = [
    ({"index": 10**17}, True),
    ({"planned_at_ns": 10**18}, False),  # 19 digits
    ({"read_lag_ns": -5}, True),
    ({"n_events": 2**31 - 1}, True),
    ({"error": b'a "quoted" \\ and a \x01\x1f'}, True),
    ({"error": "späte Antwort, 答え, 🙂".encode()}, True),
    ({"error": b"x" * 108}, True),
    ({"error_code": b"x" * 23}, True),
    ({"http_status": 65535}, True),
]


@pytest.fixture(autouse=True)
def _needs_the_native_reader() -> None:
    pytest.importorskip("loadgen.bundle._reader", reason="the native engine is not built")


def natively(lines: Sequence[bytes], operations: Sequence[OperationLike] = OPERATIONS) -> Block | None:
    return parse._parse_fast(lines, operations)


def by_orjson(lines: Sequence[bytes], operations: Sequence[OperationLike] = OPERATIONS) -> Any:
    numbers = {(one.service, one.name): number for number, one in enumerate(operations)}
    try:
        return parse._parse(lines, numbers)
    except parse._FAULTS as error:
        return error


def assert_same(native: Block, other: Any) -> None:
    assert isinstance(other, Block), f"the native reader took what orjson refuses: {other!r}"
    assert native.records.tobytes() == other.records.tobytes()
    assert native.gaps_ns.tolist() == other.gaps_ns.tolist()


@given(blocks())
def test_both_readers_give_the_same_records(block: Block) -> None:
    lines = format_lines(block, TAG, OPERATIONS).splitlines(keepends=True)
    native = natively(lines)
    assert native is not None
    assert_same(native, by_orjson(lines))


@pytest.mark.parametrize(("fields", "is_read"), AS_ORJSON_READS_IT)
def test_values_at_their_limits(fields: dict[str, Any], is_read: bool) -> None:
    block = block_of(2, 1)
    for name, value in fields.items():
        block.records[name] = value
    lines = format_lines(block, TAG, OPERATIONS).splitlines(keepends=True)
    native = natively(lines)
    assert (native is not None) == is_read
    assert_same(native or parse_lines(lines, OPERATIONS)[0], by_orjson(lines))


LINES = [
    *format_lines(block_of(0, 12), TAG, OPERATIONS).splitlines(keepends=True),
    *format_lines(Block(np.tile(block_of(6, 1).records, 1), np.zeros(0, np.int64)), TAG, OPERATIONS).splitlines(True),
]
BITS = [b"", b"-", b"0", b"1", b".", b",", b'"', b"\\", b"\\u0000", b"\\n", b"e5", b" ", b"\n", b"\r", b"null",
        b"[", b"]", b"{", b"}", b"\x00", b"\xff", "ü".encode(), b"\xed\xa0\x80", b"9" * 11, b"true"]  # fmt: skip


@st.composite
def touched(draw: st.DrawFn) -> bytes:
    """A line of which a few bytes are replaced."""
    line = draw(st.sampled_from(LINES))
    for _ in range(draw(st.integers(1, 2))):
        begin = draw(st.integers(0, len(line)))
        line = line[:begin] + draw(st.sampled_from(BITS)) + line[begin + draw(st.integers(0, 4)) :]
    return line


@given(touched())
def test_a_line_that_was_touched_is_read_as_orjson_reads_it_or_not_at_all(line: bytes) -> None:
    native = natively([line])
    if native is not None:
        assert_same(native, by_orjson([line]))


@pytest.mark.parametrize("line", LINES, ids=range(len(LINES)))
def test_a_line_cut_anywhere_is_read_only_where_its_end_alone_is_missing(line: bytes) -> None:
    for n_bytes in range(len(line)):
        native = natively([line[:n_bytes]])
        assert (native is not None) == (n_bytes == len(line) - 1), line[:n_bytes]


def test_every_key_that_an_older_version_lacks_leads_to_the_other_reader() -> None:
    line = LINES[1]
    without = line.replace(b'"payload":0,', b"")
    assert natively([line]) is not None
    assert natively([without]) is None
    assert (
        parse_lines([without], OPERATIONS)[0].records.tobytes() == parse_lines([line], OPERATIONS)[0].records.tobytes()
    )


def test_one_odd_line_among_many_keeps_all_in_their_order() -> None:
    lines = [*LINES[:5], LINES[5].replace(b'"index":5', b'"index" : 5'), *LINES[6:12]]
    block, faults = parse_lines(lines, OPERATIONS)
    assert not faults
    assert block.records.tobytes() == block_of(0, 12).records.tobytes()
    assert block.gaps_ns.tolist() == block_of(0, 12).gaps_ns.tolist()


def test_an_operation_is_told_from_one_whose_name_begins_alike_and_from_another_service() -> None:
    operations = (
        *(KeptOperation("get", False), KeptOperation("get", False, "cache"), KeptOperation("get", False, "cache2")),
        *(KeptOperation("gets", False), KeptOperation('a "quoted" one', False)),
    )
    records = np.tile(block_of(3, 1).records, len(operations))
    records["operation"] = range(len(operations))
    block = Block(records, np.zeros(0, np.int64))
    lines = format_lines(block, TAG, operations).splitlines(keepends=True)
    native = natively(lines, operations)
    assert native is not None
    assert native.records["operation"].tolist() == [0, 1, 2, 3, 4]
    assert natively(lines, operations[:4]) is None


def test_no_lines_are_no_records() -> None:
    native = natively([])
    assert native is not None
    assert (native.records.shape, native.records.dtype, native.gaps_ns.shape) == ((0,), RECORD_DTYPE, (0,))


def test_without_the_native_reader_all_is_read_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    fast, _ = parse_lines(LINES, OPERATIONS)
    monkeypatch.setattr(parse, "_reader", None)
    slow, faults = parse_lines(LINES, OPERATIONS)
    assert not faults
    assert_same(fast, slow)


def test_the_codes_are_those_that_the_writer_was_given() -> None:
    assert codes()["finish_reasons"][:2] == [b"null", b'"stop"']
    assert operation_json(KeptOperation("get", False, "a")) == b'"get","service":"a"'
