"""A line of requests.jsonl: its keys, its numbers, and the way back to a record."""

import json
from decimal import Decimal

import numpy as np
import orjson
import pytest
from drawn_blocks import blocks
from hypothesis import given
from hypothesis import strategies as st
from made_runs import MS, OPERATIONS, block_of

from loadgen.bundle.jsonl import format_lines
from loadgen.bundle.layout import (
    LEFT_OUT,
    LINE_KEYS,
    REQUEST_ID_CHARS,
    TOKEN_KEYS,
    KeptOperation,
    request_id,
)
from loadgen.bundle.parse import parse_lines
from loadgen.plan.model import SLOT_BYTES
from loadgen.records import (
    NEVER,
    RECORD_DTYPE,
    Block,
    Checked,
    empty_record,
)

TAG = "BM-20260304-001"


def line_of(block: Block) -> dict[str, object]:
    lines = format_lines(block, TAG, OPERATIONS).splitlines()
    assert len(lines) == 1
    line: dict[str, object] = orjson.loads(lines[0])
    return line


@given(blocks())
def test_records_come_back_from_their_lines_unchanged(block: Block) -> None:
    lines = format_lines(block, TAG, OPERATIONS).splitlines(keepends=True)
    again, faults = parse_lines(lines, OPERATIONS)
    assert not faults
    assert again.records.tobytes() == block.records.tobytes()
    assert again.gaps_ns.tolist() == block.gaps_ns.tolist()


@given(blocks())
def test_lines_are_json_with_their_keys_in_order(block: Block) -> None:
    text = format_lines(block, TAG, OPERATIONS)
    assert text.endswith(b"}\n")
    for raw in text.splitlines():
        line = json.loads(raw)
        assert list(line) == [key for key in LINE_KEYS if key in line]
        assert set(LINE_KEYS) - line.keys() <= set(LEFT_OUT)


def test_lines_have_no_spaces_and_end_in_a_line_feed() -> None:
    text = format_lines(block_of(0, 5), TAG, OPERATIONS)
    assert b" " not in text
    assert text.count(b"\n") == 5
    assert b"\r" not in text


@given(st.integers(0, 2**50), st.integers(0, 2**50))
def test_seconds_are_the_exact_decimal_of_the_nanoseconds(planned: int, length: int) -> None:
    block = block_of(1, 1)
    block.records["planned_at_ns"], block.records["done_at_ns"] = planned, planned + length
    raw = format_lines(block, TAG, OPERATIONS)
    shown = json.loads(raw, parse_float=Decimal)["latency_s"]
    assert shown == Decimal(length) / 10**9
    assert b"e-" not in raw


@pytest.mark.parametrize(
    ("ns", "text"), [(0, b"0.0"), (1, b"0.000000001"), (250 * MS, b"0.25"), (12_000 * MS, b"12.0")]
)
def test_seconds_have_no_exponent_and_no_needless_zeros(ns: int, text: bytes) -> None:
    block = block_of(1, 1)
    block.records["done_at_ns"] = block.records["planned_at_ns"] + ns
    assert b',"latency_s":' + text + b',"ttft_s":' in format_lines(block, TAG, OPERATIONS)


def test_what_never_happened_is_null() -> None:
    block = block_of(5, 1)
    block.records["sent_at_ns"], block.records["connection"] = NEVER, NEVER
    line = line_of(block)
    for key in ("sent_at_ns", "first_byte_at_ns", "first_token_at_ns", "last_token_at_ns", "done_at_ns"):
        assert line[key] is None
    for key in ("http_status", "finish_reason", "prompt_tokens", "output_tokens", "token_source", "connection"):
        assert line[key] is None
    assert (line["latency_s"], line["ttft_s"], line["itl_ns"]) == (None, None, [])
    assert (line["outcome"], line["success"]) == ("reset", False)


def test_a_line_of_an_operation_without_tokens_leaves_their_keys_out() -> None:
    assert not line_of(block_of(3, 1)).keys() & set(TOKEN_KEYS)


def test_token_data_is_shown_even_where_none_was_expected() -> None:
    block = block_of(3, 1)
    block.records["prompt_tokens"] = 9
    assert line_of(block).keys() >= set(TOKEN_KEYS)


def test_the_servers_own_durations_are_shown_only_where_it_reports_them() -> None:
    block = block_of(1, 1)
    block.records["server_total_ns"], block.records["server_load_ns"] = 55, 0
    line = line_of(block)
    assert (line["server_total_ns"], line["server_load_ns"]) == (55, 0)
    assert "server_eval_ns" not in line


def test_what_an_answer_held_and_whether_it_was_right_is_shown_only_where_it_is_known() -> None:
    block = block_of(3, 1)
    assert not line_of(block).keys() & {"n_items", "n_hits", "checked", "error_code", "service"}
    block.records["n_items"], block.records["n_hits"], block.records["checked"] = 10, 0, Checked.YES
    block.records["error_code"] = b"LOADING"
    line = line_of(block)
    assert (line["n_items"], line["n_hits"], line["checked"], line["error_code"]) == (10, 0, True, "LOADING")


def test_operations_of_one_name_are_told_apart_by_their_service() -> None:
    operations = (KeptOperation("get", False, "cache"), KeptOperation("get", False, "web"))
    block = Block(np.concatenate([empty_record()] * 2), np.zeros(0, np.int64))
    block.records["operation"] = [1, 0]
    lines = format_lines(block, TAG, operations).splitlines()
    assert [(orjson.loads(line)["service"], orjson.loads(line)["operation"]) for line in lines] == [
        ("web", "get"),
        ("cache", "get"),
    ]
    again, faults = parse_lines(lines, operations)
    assert (again.records["operation"].tolist(), faults) == ([1, 0], {})


def test_an_error_text_survives_quotes_control_characters_and_a_cut_character() -> None:
    block = block_of(5, 1)
    block.records["error"] = b'say "\\\x01\n\xe2\x82\xac\xe2\x82'
    raw = format_lines(block, TAG, OPERATIONS)
    assert orjson.loads(raw)["error"] == 'say "\\\x01\n\u20ac'
    assert rb'"say \"\\\u0001\u000a' in raw


@pytest.mark.parametrize("index", [0, 123, 10**10])
@pytest.mark.parametrize("tag", ["BM-20260304-001", "BM-20260304-1000"])
def test_request_ids_are_as_wide_as_the_slot_that_they_are_sent_in(tag: str, index: int) -> None:
    assert len(request_id(tag, index)) == REQUEST_ID_CHARS == SLOT_BYTES


@pytest.mark.parametrize(
    "raw",
    [b"", b"\n", b"{", b"[]\n", b"null\n", b"{}\n", b'{"index":1}\n', b"\0\0\0\n", b"\xff\xfe\n"],
)
def test_a_line_that_is_no_request_is_left_out_and_named(raw: bytes) -> None:
    good = format_lines(block_of(0, 2), TAG, OPERATIONS).splitlines(keepends=True)
    block, faults = parse_lines([good[0], raw, good[1]], OPERATIONS)
    assert block.records["index"].tolist() == [0, 1]
    assert list(faults) == [1]


@pytest.mark.parametrize(
    "change",
    [
        {"outcome": "weird"},
        {"phase": None},
        {"operation": "del"},
        {"index": None},
        {"index": 2**70},
        {"done_at_ns": "soon"},
        {"n_events": 2**40},
        {"itl_ns": [1, "x"]},
        {"itl_ns": 5},
        {"error": 5},
        {"error_code": 5},
        {"service": "elsewhere"},
        {"service": ["llm"]},
        {"n_items": 2**40},
    ],
)
def test_a_line_with_a_value_that_no_record_can_hold_is_left_out(change: dict[str, object]) -> None:
    line = orjson.loads(format_lines(block_of(1, 1), TAG, OPERATIONS))
    raw = json.dumps({**line, **change}).encode()
    block, faults = parse_lines([raw], OPERATIONS)
    assert len(block.records) == len(block.gaps_ns) == 0
    assert list(faults) == [0]


def test_no_lines_are_an_empty_block() -> None:
    block, faults = parse_lines([], OPERATIONS)
    assert block.records.dtype == RECORD_DTYPE
    assert (len(block.records), len(block.gaps_ns), faults) == (0, 0, {})
