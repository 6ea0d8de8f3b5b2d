"""The portable engine's reader by itself: the same answer, however it is cut."""

import json

import pytest
from dialects import DONE, OLLAMA_END, chat_events, delta, event, ollama_line, usage

from loadgen.engine.portable import answers, cutters
from loadgen.engine.portable.answers import (
    ContentReader,
    DocumentReader,
    ErrorReader,
    EventReader,
    LineReader,
    Reader,
    reader_for,
)
from loadgen.engine.portable.contents import Content
from loadgen.engine.portable.cutters import EventCutter
from loadgen.engine.portable.facts import Facts, MalformedError, clip_error
from loadgen.plan.model import Wire
from loadgen.records import ERROR_BYTES, FinishReason

STREAM = b"".join([*chat_events(3, done=False), b": comment\n\n", event(usage(1, 2)), DONE])


def read(reader: Reader, *pieces: bytes) -> Facts:
    for piece in pieces:
        reader.feed(piece)
    reader.end()
    return reader.facts


def cut(*pieces: bytes) -> list[tuple[bytes, bytes]]:
    cutter = EventCutter()
    return [one for piece in pieces for one in cutter.feed(piece)]


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_an_event_stream_cut_anywhere_is_the_same_stream(line_end: bytes) -> None:
    text = STREAM.replace(b"\n", line_end)
    whole = read(EventReader(), text)
    assert (whole.n_events, whole.output_tokens, whole.finish_reason) == (3, 2, FinishReason.STOP)
    for at in range(len(text) + 1):
        assert read(EventReader(), text[:at], text[at:]) == whole
    assert read(EventReader(), *(text[at : at + 1] for at in range(len(text)))) == whole
    assert read(EventReader(), *(piece for at in range(len(text)) for piece in (b"", text[at : at + 1]))) == whole


def test_an_event_is_complete_at_the_cr_of_its_blank_line() -> None:
    assert cut(b"data: a\r\n\r") == [(b"", b"a")]
    assert cut(b"data: a\r\n\r", b"\ndata: b\r\r") == [(b"", b"a"), (b"", b"b")]


@pytest.mark.parametrize(
    ("text", "events"),
    [
        (b"data: a\n\n", [(b"", b"a")]),
        (b"data:a\n\n", [(b"", b"a")]),
        (b"data:  a\n\n", [(b"", b" a")]),
        (b"data\n\n", [(b"", b"")]),
        (b"data: a\ndata: b\n\n", [(b"", b"a\nb")]),
        (b"event: error\ndata: a\n\n", [(b"error", b"a")]),
        (b"event: error\n\ndata: a\n\n", [(b"", b"a")]),
        (b"\xef\xbb\xbfdata: a\n\n", [(b"", b"a")]),
        (b"\n\xef\xbb\xbfdata: a\n\n", []),
        (b"data: a\n", []),
        (b"data: a", []),
        (b"Data: a\n\n", []),
        (b" data: a\n\n", []),
        (b":data: a\n\n", []),
        (b"data: a: b\n\n", [(b"", b"a: b")]),
    ],
)
def test_the_fields_of_an_event_are_those_of_the_standard(text: bytes, events: list[tuple[bytes, bytes]]) -> None:
    assert cut(text) == events
    assert cut(*(text[at : at + 1] for at in range(len(text)))) == events


def test_lines_cut_anywhere_are_the_same_lines() -> None:
    text = b"\n".join([ollama_line("a"), b"  ", ollama_line("é"), json.dumps(OLLAMA_END).encode()])
    whole = read(LineReader(), text)
    assert (whole.n_events, whole.output_tokens, whole.eval_ns) == (2, 3, 5_000_000_004)
    for at in range(len(text) + 1):
        assert read(LineReader(), text[:at], text[at:]) == whole


def test_a_document_cut_anywhere_is_the_same_document() -> None:
    text = json.dumps({"choices": [{"message": {"content": "é"}}], "usage": usage(4, 5)["usage"]}).encode()
    for at in range(len(text) + 1):
        facts = read(DocumentReader(), text[:at], text[at:])
        assert (facts.n_events, facts.prompt_tokens, facts.output_tokens) == (1, 4, 5)


@pytest.mark.parametrize("reader", [EventReader(), LineReader(), DocumentReader()])
def test_what_has_no_end_is_refused_and_not_kept(reader: Reader, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutters, "LIMIT_BYTES", 1000)
    for _ in range(8):
        reader.feed(b"data: " + b"x" * 100)
    with pytest.raises(MalformedError, match="longer than"):
        reader.feed(b"x" * 1000)


def test_many_data_lines_without_an_end_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutters, "LIMIT_BYTES", 1000)
    with pytest.raises(MalformedError, match="longer than"):
        cut(*[b"data: xxxxxxxxxxxxxxxxxxxxx\n"] * 100)


def test_comments_without_an_end_cost_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cutters, "LIMIT_BYTES", 1000)
    assert cut(*[b": xxxxxxxxxxxxxxxxxxxxx\nid: 3\n"] * 1000, b"data: a\n\n") == [(b"", b"a")]


def test_an_endless_error_page_is_not_kept() -> None:
    reader = ErrorReader()
    for _ in range(1000):
        reader.feed(b"x" * 1000)
    reader.end()
    assert len(reader.body) == answers.ERROR_BODY_BYTES


def test_an_error_text_is_one_line_of_whole_characters() -> None:
    assert clip_error(" a\n\tb\x00c ") == b"a b c"
    assert clip_error("€" * 100).decode() == "€" * (ERROR_BYTES // 3)
    assert clip_error("\ud83d") == b"?"


@pytest.mark.parametrize(
    ("wire", "succeeds", "content_type", "kind"),
    [
        (Wire.OPENAI, True, "text/event-stream", EventReader),
        (Wire.OPENAI, True, "Text/Event-Stream; charset=utf-8", EventReader),
        (Wire.OPENAI, True, "application/json", DocumentReader),
        (Wire.OPENAI, True, "", DocumentReader),
        (Wire.OPENAI, False, "text/event-stream", ErrorReader),
        (Wire.OLLAMA, True, "application/x-ndjson", LineReader),
        (Wire.OLLAMA, True, "application/json", LineReader),
        (Wire.HTTP, True, "text/event-stream", Reader),
    ],
)
def test_the_head_says_how_the_body_is_read(wire: Wire, succeeds: bool, content_type: str, kind: type[Reader]) -> None:
    assert type(reader_for(wire, succeeds, content_type, None)) is kind


def test_what_a_request_looks_for_is_looked_for_in_a_success_alone() -> None:
    assert type(reader_for(Wire.HTTP, True, "text/html", Content())) is ContentReader
    assert type(reader_for(Wire.HTTP, False, "text/html", Content())) is ErrorReader


def test_a_number_that_is_none_leaves_what_was_known() -> None:
    events = [
        event(usage(3, 4)),
        b'data: {"usage":{"prompt_tokens":-1,"completion_tokens":"9"}}\n\n',
        event(delta("x")),
    ]
    facts = read(EventReader(), b"".join(events))
    assert (facts.prompt_tokens, facts.output_tokens) == (3, 4)
