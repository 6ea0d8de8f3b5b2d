"""Answers as a whole: events in each framing, what they say, and what goes wrong in them."""

import json
from typing import Any

import pytest
from cuts import cut_at, every_cut
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import facts_of, is_json_object
from reference import sse as expected_sse

from loadgen.records import FinishReason


def chunk(text: str | None, finish_reason: str | None = None, **more: Any) -> bytes:
    delta = {"role": "assistant", "content": text}
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
    return json.dumps({"id": "cmpl-1", "object": "chat.completion.chunk", "choices": [choice], **more}).encode()


def events(*datas: bytes) -> bytes:
    return b"".join(b"data: " + data + b"\n\n" for data in datas)


def lines(*documents: dict[str, Any]) -> bytes:
    return b"".join(json.dumps(document).encode() + b"\n" for document in documents)


USAGE = (
    b'{"choices":[],"usage":{"prompt_tokens":5,"total_tokens":7,"completion_tokens":2},"timings":{"predicted_ms":1.5}}'
)
STREAM = events(chunk(None), chunk("Hel"), chunk("lo", "stop"), USAGE, b"[DONE]")
OLLAMA = lines(
    {"model": "m", "message": {"role": "assistant", "content": "Hel"}, "done": False},
    {"model": "m", "message": {"role": "assistant", "content": "lo"}, "done": False},
    {"model": "m", "message": {"role": "assistant", "content": ""}, "done": True, "done_reason": "stop"}
    | {"total_duration": 9, "load_duration": 1, "prompt_eval_count": 5, "prompt_eval_duration": 2}
    | {"eval_count": 2, "eval_duration": 6},
)


def test_a_stream_of_openai_is_read_the_same_wherever_it_is_cut(probe: Any) -> None:
    for reads in every_cut(STREAM):
        seen, last, reason = probe.answer(reads, "sse")
        assert reason is None
        assert [event["has_content"] for event in seen] == [False, True, True, False, False]
        assert [event["finish_reason"] for event in seen] == [0, 0, *[FinishReason.STOP] * 3]
        assert [event["output_tokens"] for event in seen] == [-1, -1, -1, 2, 2]
        assert [event["is_done"] for event in seen] == [False] * 4 + [True]
        assert (last["prompt_tokens"], last["has_error"], last["error"], last["server_total_ns"]) == (5, False, b"", -1)


def test_a_stream_of_ollama_is_read_the_same_wherever_it_is_cut(probe: Any) -> None:
    for reads in every_cut(OLLAMA):
        seen, last, reason = probe.answer(reads, "ndjson")
        assert reason is None
        assert [event["has_content"] for event in seen] == [True, True, False]
        assert [event["is_done"] for event in seen] == [False, False, True]
        assert (last["prompt_tokens"], last["output_tokens"], last["finish_reason"]) == (5, 2, FinishReason.STOP)
        durations = [last[f"server_{name}_ns"] for name in ("total", "load", "prompt_eval", "eval")]
        assert durations == [9, 1, 2, 6]


@pytest.mark.parametrize("end", [b"", b"\n", b"\r\n", b"\n\n \n"])
def test_the_last_line_of_ndjson_needs_no_line_end(probe: Any, end: bytes) -> None:
    for reads in every_cut(b'\n\r\n{"response":"a"}\r\n\n{"response":"b","done":true}' + end):
        seen, last, reason = probe.answer(reads, "ndjson")
        assert reason is None
        assert [event["has_content"] for event in seen] == [True, True]
        assert last["is_done"]


def test_lines_after_the_last_of_ollama_count_for_nothing(probe: Any) -> None:
    for reads in every_cut(b'{"response":"a","done":true}\n{"response":"b"}\njunk\n{"error":"x"'):
        seen, last, reason = probe.answer(reads, "ndjson")
        assert ([event["has_content"] for event in seen], last["has_error"], reason) == ([True], False, None)


def test_one_document_is_one_event_at_its_end(probe: Any) -> None:
    whole = b' {"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"usage":{"completion_tokens":1}}\n'
    for reads in every_cut(whole):
        seen, last, reason = probe.answer(reads, "document")
        assert reason is None
        assert [(event["has_content"], event["output_tokens"]) for event in seen] == [(True, 1)]
        assert last["finish_reason"] == FinishReason.STOP


SENTINELS = [
    b"data: [DONE]\n\n",
    b"data:[DONE]\n\n",
    b"data:  [DONE] \n\n",
    b"data: [DONE]\r\n\r\n",
    b"data:\ndata: [DONE]\n\n",
]


@pytest.mark.parametrize("sentinel", SENTINELS)
def test_done_is_known_however_it_is_written_and_nothing_after_it_counts(probe: Any, sentinel: bytes) -> None:
    stream = events(chunk("a")) + sentinel + events(chunk("b"), b"junk", b"[DONE]")
    for reads in every_cut(stream):
        seen, last, reason = probe.answer(reads, "sse")
        assert reason is None
        assert [(event["has_content"], event["is_done"]) for event in seen] == [(True, False), (False, True)]
        assert last["is_done"]


@pytest.mark.parametrize(
    "data",
    [b"[DONE", b"[DON]", b"[DONE]]", b"[DONE] x", b"[]", b"[", b"[DONE]\ndata: {}", b"done", b"1", b'"a"', b"{}{}"],
)
def test_an_event_that_is_neither_json_nor_done_is_an_error(probe: Any, data: bytes) -> None:
    for reads in every_cut(events(chunk("a"), data, chunk("b"))):
        seen, _, reason = probe.answer(reads, "sse")
        assert len(seen) == 1
        assert reason is not None


def test_an_event_of_several_lines_is_one_document(probe: Any) -> None:
    for reads in every_cut(b'data: {"choices":\ndata:[{"delta":{"content"\rdata:: "x"}}]}\r\n\n'):
        seen, _, reason = probe.answer(reads, "sse")
        assert ([event["has_content"] for event in seen], reason) == ([True], None)
    _, _, reason = probe.answer([b'data: {"choices":[{"delta":{"content":"a\ndata: b"}}]}\n\n'], "sse")
    assert "control character" in reason


def test_events_without_data_and_with_blank_data_are_passed_over(probe: Any) -> None:
    for reads in every_cut(b": ping\n\nevent: ping\n\ndata:\n\ndata: \ndata:\n\nid: 1\n\n" + events(chunk("a"))):
        seen, _, reason = probe.answer(reads, "sse")
        assert ([event["has_content"] for event in seen], reason) == ([True], None)


def test_an_unfinished_event_counts_for_nothing_at_the_end(probe: Any) -> None:
    for reads in every_cut(events(chunk("a")) + b"data: " + chunk("b") + b"\n"):
        seen, last, reason = probe.answer(reads, "sse")
        assert ([event["has_content"] for event in seen], reason, last["is_done"]) == ([True], None, False)


CUT = {
    "a document": (b'{"choices":[{"message":{"content":"Hi"}', "document"),
    "an empty document": (b"", "document"),
    "a blank document": (b" \n", "document"),
    "a line": (b'{"response":"a"}\n{"response":"b"', "ndjson"),
    "a line that ends too early": (b'{"response":"a"\n}\n', "ndjson"),
    "an event that ends too early": (b'data: {"choices":[\n\n', "sse"),
}


@pytest.mark.parametrize(("body", "framing"), CUT.values(), ids=CUT)
def test_json_that_is_cut_off_is_an_error(probe: Any, body: bytes, framing: str) -> None:
    for reads in every_cut(body):
        assert probe.answer(reads, framing)[2] == "JSON document is cut off"


ERRORS = {
    "OpenAI's": (
        events(chunk("a"), b'{"error":{"message":"out of memory","type":"server_error"}}'),
        "sse",
        b"out of memory",
    ),
    "vLLM's older one": (events(b'{"object":"error","message":"out of memory","code":500}'), "sse", b"out of memory"),
    "Ollama's": (lines({"response": "a"}, {"error": "out of memory"}), "ndjson", b"out of memory"),
    "an error event": (b'event: error\ndata: {"message":"out of memory"}\n\n', "sse", b"out of memory"),
    "an error event of text": (b"event: error\ndata: out of\ndata: memory\n\n", "sse", b"out of memory"),
    "an error event of other JSON": (b'event: error\ndata: {"why": "memory"}\n\n', "sse", b'{"why": "memory"}'),
    "an error event named after its data": (
        b"data: x\nevent: error\n\n",
        "sse",
        b"the server reported an error without a text",
    ),
    "an error event without data": (b"event: error\ndata\n\n", "sse", b"the server reported an error without a text"),
    "an empty error": (events(b'{"error":{}}'), "sse", b"the server reported an error without a text"),
    "an error in a document": (b'{"error":{"code":"oom"}}', "document", b"oom"),
}


@pytest.mark.parametrize(("body", "framing", "text"), ERRORS.values(), ids=ERRORS)
def test_an_error_that_the_server_reports_is_kept(probe: Any, body: bytes, framing: str, text: bytes) -> None:
    for reads in every_cut(body):
        seen, last, reason = probe.answer(reads, framing)
        assert reason is None
        assert (last["has_error"], last["error"], last["context_length_exceeded"]) == (True, text, False)
        assert seen[-1]["has_error"]


def test_what_the_raw_body_says_of_the_context_is_forgotten_once_a_better_text_is_known(probe: Any) -> None:
    body = b'event: error\ndata: {"error":{"message":"oops" context length\n\n'
    for reads in every_cut(body):
        _, last, _ = probe.answer(reads, "sse")
        assert (last["error"], last["context_length_exceeded"]) == (b"oops", False)


def test_an_error_stays_known_when_more_events_follow(probe: Any) -> None:
    _, last, _ = probe.answer([events(b'{"error":"oops"}', chunk("a"), b"[DONE]")], "sse")
    assert (last["has_error"], last["error"], last["is_done"]) == (True, b"oops", True)


CONTEXT = [
    '{"error":{"message":"no","type":"invalid_request_error","code":"context_length_exceeded"}}',
    '{"error":{"code":400,"message":"the request exceeds the available context size","type":"invalid_request"}}',
    '{"error":{"code":400,"message":"try increasing it","type":"exceed_context_size_error"}}',
    '{"object":"error","message":"This model\'s maximum context length is 2048 tokens.","code":400}',
    '{"error":"the input length exceeds the context length"}',
    '{"error":{"message":"' + "x" * 500 + ' Context\\u0020Window is too small"}}',
    '{"error":{"message":"The decoder prompt is longer than the maximum model length of 2048."}}',
]


@pytest.mark.parametrize("document", CONTEXT)
@pytest.mark.parametrize("framing", ["document", "error", "ndjson"])
def test_an_error_about_the_context_is_known_as_such(probe: Any, document: str, framing: str) -> None:
    for reads in every_cut(document.encode()):
        assert probe.answer(reads, framing)[1]["context_length_exceeded"]


@pytest.mark.parametrize(
    "text", ["context", "length of the context", "contextlength", "con text length", "xcontext-lengt"]
)
def test_an_error_about_something_else_is_not_taken_for_one_about_the_context(probe: Any, text: str) -> None:
    _, last, _ = probe.answer([json.dumps({"error": text}).encode()], "document")
    assert (last["has_error"], last["context_length_exceeded"]) == (True, False)


BODIES = {
    "JSON": (b'{"error":{"message":"no such model","code":404}}', True, b"no such model"),
    "FastAPI's": (b'{"detail":"Not Found"}', False, b"Not Found"),
    "a gateway's": (b'{"message":"no Route matched"}', False, b"no Route matched"),
    "JSON of another shape": (b'{"why": [1,\n2]}', False, b'{"why": [1, 2]}'),
    "a page": (b"<html>\n<h1>502 Bad\tGateway</h1>\n", False, b"<html> <h1>502 Bad Gateway</h1>"),
    "text": (b"upstream\r\n  is away\0\n", False, b"upstream is away"),
    "text that begins like JSON": (b'{"error" is not JSON}', False, b'{"error" is not JSON}'),
    "an error, then junk": (b'{"error":"so it is"} junk', True, b"so it is"),
    "bytes": (b"\xff\xfe\x80ok", False, b"???ok"),
    "nothing": (b"", False, b""),
}


@pytest.mark.parametrize(("body", "has_error", "text"), BODIES.values(), ids=BODIES)
def test_the_body_of_a_failed_request_says_why(probe: Any, body: bytes, has_error: bool, text: bytes) -> None:
    for reads in every_cut(body):
        seen, last, reason = probe.answer(reads, "error")
        assert (seen, reason, last["has_error"], last["error"]) == ([], None, has_error, text)


def test_an_opaque_body_is_not_read_but_its_start_is_kept(probe: Any) -> None:
    body = b'{"error":"x", "y":"' + "é".encode() * 100
    for reads in every_cut(body):
        seen, last, reason = probe.answer(reads, "opaque")
        assert (seen, reason, last["has_error"], last["error"]) == ([], None, False, body[:107])


PIECES = st.sampled_from(
    [
        *(chunk("a"), chunk(""), chunk(None, "length"), USAGE, b"[DONE]", b"{}", b"[1]", b"oops", b""),
        *(b'{"error":"e"}', b'{"choices":[{"delta":', b'{"content":"x"}}]}'),
    ]
)
NAMES = st.sampled_from([b"data: ", b"data:", b"event: ", b"event: error", b": "])
LINES = st.lists(st.tuples(NAMES, PIECES, st.sampled_from([b"\n", b"\r", b"\r\n", b"\n\n", b"\r\n\r\n"])), max_size=6)


@given(stream_lines=LINES, places=st.lists(st.integers(0, 900), max_size=8))
@settings(max_examples=300, deadline=None)
def test_generated_streams_say_what_their_events_say(
    probe: Any, stream_lines: list[tuple[bytes, ...]], places: list[int]
) -> None:
    stream = b"".join(b"".join(line) for line in stream_lines)
    seen, last, reason = probe.answer(cut_at(stream, places), "sse")
    assert (seen, last, reason) == probe.answer([stream], "sse")
    expected: list[bool] = []
    is_bad = False
    for data, is_error in expected_sse(stream)[0]:
        if data.strip(b" \n\t\r") == b"[DONE]":
            expected.append(False)
            break
        if is_json_object(data):
            expected.append(facts_of(json.loads(data)).has_content)
        elif is_error:
            expected.append(False)
        elif data.strip(b" \n\t"):
            is_bad = True
            break
    assert ([event["has_content"] for event in seen], reason is not None) == (expected, is_bad)


def test_what_was_known_before_a_null_stays_known(probe: Any) -> None:
    first = b'data: {"choices":[],"usage":{"prompt_tokens":3,"completion_tokens":1}}\n\n'
    _, last, reason = probe.answer([first, b'data: {"choices":[],"usage":null}\n\n'], "sse")
    assert reason is None
    assert (last["prompt_tokens"], last["output_tokens"]) == (3, 1)
