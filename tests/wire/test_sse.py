"""Event streams, cut in every way. Cases marked WHATWG are those of the standard's own examples."""

from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import sse as expected_sse

STREAMS = {
    "one event": (b"data: hello\n\n", [b"hello"]),
    "no blank after the colon": (b"data:hello\n\n", [b"hello"]),
    "only one blank is taken off": (b"data:  hello \n\n", [b" hello "]),
    "WHATWG: several lines of data": (b"data: YHOO\ndata: +2\ndata: 10\n\n", [b"YHOO\n+2\n10"]),
    "WHATWG: a comment, and an event without data": (
        b": test stream\n\ndata: first event\nid: 1\n\ndata:second event\nid\n\ndata:  third event\n",
        [b"first event", b"second event"],
    ),
    "WHATWG: data without a value": (b"data\n\ndata\ndata\n\ndata:", [b"", b"\n"]),
    "WHATWG: one blank or none": (b"data:test\n\ndata: test\n\n", [b"test", b"test"]),
    "carriage returns": (b"data: a\rdata: b\r\rdata: c\r\r", [b"a\nb", b"c"]),
    "carriage returns and line feeds": (b"data: a\r\ndata: b\r\n\r\ndata: c\r\n\r\n", [b"a\nb", b"c"]),
    "all three line ends": (b"data: a\rdata: b\ndata: c\r\n\ndata: d\n\r", [b"a\nb\nc", b"d"]),
    "byte order mark": (b"\xef\xbb\xbfdata: a\n\n", [b"a"]),
    "byte order mark in the middle": (b"data: a\n\n\xef\xbb\xbfdata: b\n\n", [b"a"]),
    "two byte order marks": (b"\xef\xbb\xbf\xef\xbb\xbfdata: a\n\n", []),
    "part of a byte order mark": (b"\xef\xbbdata: a\ndata: b\n\n", [b"b"]),
    "part of a byte order mark as a line": (b"\xef\ndata: b\n\n", [b"b"]),
    "a byte order mark alone": (b"\xef\xbb\xbf\n\ndata: b\n\n", [b"b"]),
    "comments between lines": (b": ping\n\n:\n\ndata: a\n: ping\ndata: b\n\n", [b"a\nb"]),
    "unknown fields": (b"id: 1\nretry: 3\nfoo\nfoo: bar\ndata: a\n\n", [b"a"]),
    "names that are almost data": (b"dat: a\ndataa: b\nDATA: c\n data: d\ndata : e\ndata: f\n\n", [b"f"]),
    "data that looks like a field": (b"data: data: x\n\n", [b"data: x"]),
    "an empty value among others": (b"data: a\ndata:\ndata: b\n\n", [b"a\n\nb"]),
    "blank lines": (b"\n\n\r\n\rdata: a\n\n\n\n", [b"a"]),
    "an event that no blank line ends": (b"data: a\n\ndata: b\n", [b"a"]),
    "a line that no line end ends": (b"data: a\n\ndata: b", [b"a"]),
    "NUL and bytes that are no UTF-8": (b"data: \0\xff\xfe\n\n", [b"\0\xff\xfe"]),
    "nothing": (b"", []),
}


@pytest.mark.parametrize(("stream", "events"), STREAMS.values(), ids=STREAMS)
def test_a_stream_gives_the_same_events_wherever_it_is_cut(probe: Any, stream: bytes, events: list[bytes]) -> None:
    expected, pending = expected_sse(stream)
    assert [data for data, _ in expected] == events
    for reads in every_cut(stream):
        assert probe.sse(reads) == (expected, pending, None), reads


TYPES = {
    "error": (b"event: error\ndata: a\n\n", [True]),
    "error after the data": (b"data: a\nevent: error\n\n", [True]),
    "error without a blank": (b"event:error\r\ndata: a\r\n\r\n", [True]),
    "the last type counts": (
        b"event: error\nevent: delta\ndata: a\n\nevent: delta\nevent: error\ndata: b\n\n",
        [False, True],
    ),
    "a type without a value": (b"event: error\nevent\ndata: a\n\nevent: error\nevent:\ndata: b\n\n", [False, False]),
    "words that are almost error": (
        b"event: erro\ndata: a\n\nevent: errors\ndata: b\n\nevent:  error\ndata: c\n\nevent: errror\ndata: d\n\n",
        [False] * 4,
    ),
    "a type holds for one event": (b"event: error\ndata: a\n\ndata: b\n\n", [True, False]),
    "a type without data is forgotten": (b"event: error\n\ndata: b\n\n", [False]),
}


@pytest.mark.parametrize(("stream", "are_errors"), TYPES.values(), ids=TYPES)
def test_an_error_event_is_known_wherever_it_is_cut(probe: Any, stream: bytes, are_errors: list[bool]) -> None:
    for reads in every_cut(stream):
        events, _, _ = probe.sse(reads)
        assert [is_error for _, is_error in events] == are_errors
    assert probe.sse([stream])[0] == expected_sse(stream)[0]


def test_many_short_lines_before_a_far_line_feed_are_read(probe: Any) -> None:
    stream = b"data: a\r\r" * 5000 + b"data: " + b"b" * 5000 + b"\n\n"
    events, _, _ = probe.sse([stream])
    assert events == [(b"a", False)] * 5000 + [(b"b" * 5000, False)]


def test_a_line_of_16_mib_is_read_and_a_longer_one_refused(probe: Any) -> None:
    longest = 1 << 24
    assert probe.sse([b"data: ", b"x" * (longest - 6), b"\n\n"])[2] is None
    assert "line longer" in probe.sse([b"data: ", b"x" * (longest - 5)])[2]
    assert "line longer" in probe.sse([b": ", b"x" * longest])[2]
    assert "event longer" in probe.sse([b"data: " + b"x" * 65536 + b"\n"] * 257)[2]
    assert probe.sse([b"data: " + b"x" * 65536 + b"\n\n"] * 257)[2] is None


PIECES = st.lists(
    st.sampled_from(
        [
            b"data",
            b"event",
            b"error",
            b":",
            b": ",
            b" ",
            b"\n",
            b"\r",
            b"\r\n",
            b"\n\n",
            b"x",
            b"\xef\xbb\xbf",
            b"\xef",
            b"id",
        ]
    ),
    max_size=30,
)


@given(pieces=PIECES, places=st.lists(st.integers(0, 200), max_size=8))
@settings(max_examples=1000, deadline=None)
def test_generated_streams_read_as_the_reference_says(probe: Any, pieces: list[bytes], places: list[int]) -> None:
    stream = b"".join(pieces)
    events, pending, reason = probe.sse(cut_at(stream, places))
    expected, expected_pending = expected_sse(stream)
    assert (events, pending, reason) == (expected, expected_pending, None)


@given(
    lines=st.lists(st.binary(max_size=12).filter(lambda line: b"\n" not in line)), places=st.lists(st.integers(0, 99))
)
@settings(deadline=None)
def test_lines_of_ndjson_are_those_between_line_feeds(probe: Any, lines: list[bytes], places: list[int]) -> None:
    whole = b"\n".join(lines)
    assert probe.ndjson(cut_at(whole, places)) == (whole.split(b"\n")[:-1], whole.split(b"\n")[-1], False)


def test_a_line_of_ndjson_longer_than_16_mib_is_refused(probe: Any) -> None:
    assert probe.ndjson([b"x" * (1 << 24), b"\n"])[2] is False
    assert probe.ndjson([b"x" * (1 << 24), b"x\n"])[2] is True
