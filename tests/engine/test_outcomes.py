"""How each kind of answer is judged, on both engines."""

import json

import pytest
from dialects import DONE, OLLAMA_END, chat_events, completion, delta, event, ollama_line, refusal
from harness import Engine
from plans import EMBEDDINGS, ollama_plan_of, plain_plan_of, plan_of
from scripted import Answer, chunk, chunked, chunked_head, each, say, say_and_close, say_and_reset, whole

from loadgen.records import ERROR_BYTES, NEVER, FinishReason, TokenSource


@pytest.mark.parametrize(
    ("status", "outcome"),
    [
        ("429 Too Many Requests", "rate_limited"),
        ("500 Internal Server Error", "server_error"),
        ("502 Bad Gateway", "server_error"),
        ("503 Service Unavailable", "server_error"),
        ("599 Odd", "server_error"),
        ("400 Bad Request", "client_error"),
        ("401 Unauthorized", "client_error"),
        ("404 Not Found", "client_error"),
        ("422 Unprocessable Entity", "client_error"),
    ],
)
def test_the_status_decides_and_the_servers_words_are_kept(engine: Engine, status: str, outcome: str) -> None:
    carried = engine.carry(plan_of(2), each(say(refusal(status, "no such luck")), say(completion())))
    assert carried.outcomes == [outcome, "ok"]
    failed = carried.by_index[0]
    assert failed["http_status"] == int(status[:3])
    assert failed["error"] == b"no such luck"
    assert failed["done_at_ns"] != NEVER
    assert carried.server.n_connections == 1, "an answer that came whole leaves its connection usable"


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"message": "the words", "code": 1}},
        {"error": {"code": "c", "type": "t", "message": "the words"}},
        {"error": "the words"},
        {"message": "the words", "object": "error", "code": 400},
        {"detail": "the words"},
        {"detail": [{"loc": ["body", "x"], "msg": "the words", "type": "extra_forbidden"}]},
    ],
)
def test_every_shape_of_error_gives_its_message(engine: Engine, body: dict[str, object]) -> None:
    answer = whole(json.dumps(body).encode(), status="400 Bad Request")
    assert engine.carry(plan_of(), each(say(answer))).only["error"] == b"the words"


def test_an_error_that_is_cut_over_many_reads_is_one_error(engine: Engine) -> None:
    answer = refusal("400 Bad Request", "the words é€𝄞 and more")
    record = engine.carry(plan_of(), each(say(*(answer[at : at + 1] for at in range(len(answer)))))).only
    assert record["error"].decode() == "the words é€𝄞 and more"


@pytest.mark.parametrize("letter", ["é", "€", "𝄞", "x"])
def test_a_long_error_is_cut_between_two_characters(engine: Engine, letter: str) -> None:
    said = "ab" + letter * 200
    kept = engine.carry(plan_of(), each(say(refusal("400 Bad Request", said)))).only["error"].decode()
    assert said.startswith(kept)
    assert ERROR_BYTES - 5 <= len(kept.encode()) <= ERROR_BYTES


@pytest.mark.parametrize(
    ("message", "more"),
    [
        ("This model's maximum context length is 2048 tokens", {}),
        ("too long", {"code": "context_length_exceeded"}),
        ("the request exceeds the available context size", {"type": "exceed_context_size_error"}),
        ("prompt exceeds the context window", {}),
    ],
)
def test_a_prompt_that_does_not_fit_has_an_outcome_of_its_own(
    engine: Engine, message: str, more: dict[str, object]
) -> None:
    carried = engine.carry(plan_of(), each(say(refusal("400 Bad Request", message, **more))))
    assert carried.outcomes == ["context_length_exceeded"]


def test_a_server_error_that_mentions_the_context_is_a_server_error(engine: Engine) -> None:
    answer = refusal("500 Internal Server Error", "maximum context length")
    assert engine.carry(plan_of(), each(say(answer))).outcomes == ["server_error"]


@pytest.mark.parametrize("status", ["301 Moved Permanently", "307 Temporary Redirect"])
def test_a_redirect_is_not_followed(engine: Engine, status: str) -> None:
    answer = whole(b"", status=status, more="Location: /elsewhere\r\n")
    carried = engine.carry(plain_plan_of(2), each(say(answer), say(whole(b"x"))))
    assert carried.outcomes == ["client_error", "ok"]
    assert b"redirect" in carried.by_index[0]["error"]
    assert len(carried.server.asked) == 2


@pytest.mark.parametrize("status", ["200 OK", "404 Not Found", "502 Bad Gateway"])
def test_an_html_page_is_no_answer(engine: Engine, status: str) -> None:
    page = whole(b"<!DOCTYPE html><html><body>nginx</body></html>", status=status, content_type="text/html")
    outcome = {"200": "protocol_error", "404": "client_error", "502": "server_error"}[status[:3]]
    assert engine.carry(plan_of(2), each(say(page), say(completion()))).outcomes == [outcome, "ok"]


def test_an_html_page_is_no_answer_for_an_operation_without_tokens_either(engine: Engine) -> None:
    page = whole(b"<html></html>", content_type="text/html; charset=utf-8")
    assert engine.carry(plan_of(operations=(EMBEDDINGS,)), each(say(page))).outcomes == ["protocol_error"]


@pytest.mark.parametrize(
    "answer",
    [
        whole(b"not json"),
        whole(b""),
        b"HTTP/1.1 204 No Content\r\n\r\n",
        whole(b'{"choices":['),
        whole(b'{"choices":[]} x'),
        whole(b"[1, 2"),
        chunked([b"data: {not json}\n\n"]),
        chunked([b"data: nothing\n\n"]),
        chunked([event(delta("x")), b'data: {"choices"\n\n', DONE]),
        chunked([b'data: {"a":01}\n\n']),
        chunked([b'data: {"a":"\t\x01"}\n\n']),
        chunked([b'data: {"a":"\\x"}\n\n']),
        chunked([b'data: {"a":1,}\n\n']),
        chunked([b'data: {"a":nul}\n\n']),
        chunked([b'data: {"a":NaN}\n\n']),
    ],
)
def test_what_is_not_json_is_a_protocol_error(engine: Engine, answer: bytes) -> None:
    carried = engine.carry(plan_of(2), each(say(answer), say(completion())))
    assert carried.outcomes == ["protocol_error", "ok"]
    assert carried.by_index[0]["error"]


@pytest.mark.parametrize(
    "lines",
    [[b"not json\n"], [ollama_line("a"), b'{"message"\n'], [ollama_line("a"), b'{"done": true']],
)
def test_an_ollama_line_that_is_not_json_is_a_protocol_error(engine: Engine, lines: list[bytes]) -> None:
    answer = chunked(lines, "application/x-ndjson")
    assert engine.carry(ollama_plan_of(), each(say(answer))).outcomes == ["protocol_error"]


@pytest.mark.parametrize(
    "events",
    [
        [event({"error": {"message": "out of memory", "code": 500}})],
        [event(delta("a")), event({"error": {"message": "out of memory"}}), DONE],
        [event(delta("a")), b"event: error\n" + event({"message": "out of memory"})],
        [event(delta("a")), event({"error": "out of memory"})],
        [event({"object": "error", "message": "out of memory", "code": 500})],
    ],
)
def test_an_error_event_in_a_stream_is_a_stream_error(engine: Engine, events: list[bytes]) -> None:
    carried = engine.carry(plan_of(2), each(say(chunked(events)), say(completion())))
    assert carried.outcomes == ["stream_error", "ok"]
    assert carried.by_index[0]["error"] == b"out of memory"
    assert carried.by_index[0]["n_events"] == sum(b"delta" in one for one in events)


@pytest.mark.parametrize("end", [say_and_close, say_and_reset])
def test_an_error_event_and_then_a_close_is_the_events_error(engine: Engine, end: object) -> None:
    answer: Answer = end(chunked_head() + chunk(event(delta("a"))) + chunk(event({"error": {"message": "died"}})))  # type: ignore[operator]
    carried = engine.carry(plan_of(2), each(answer, say(completion())))
    assert carried.outcomes == ["stream_error", "ok"]
    assert carried.by_index[0]["error"] == b"died"


def test_an_ollama_error_line_is_a_stream_error(engine: Engine) -> None:
    answer = chunked([ollama_line("a"), b'{"error":"model runner has stopped"}\n'], "application/x-ndjson")
    carried = engine.carry(ollama_plan_of(), each(say(answer)))
    assert carried.outcomes == ["stream_error"]
    assert carried.only["error"] == b"model runner has stopped"


def test_an_error_document_with_status_200_is_a_stream_error(engine: Engine) -> None:
    answer = whole(b'{"error":{"message":"quota"}}')
    assert engine.carry(plan_of(), each(say(answer))).outcomes == ["stream_error"]


@pytest.mark.parametrize(
    "answer",
    [
        chunked([DONE]),
        chunked([]),
        chunked([event(delta(role="assistant")), event(delta(finish="stop")), DONE]),
        chunked([b": only a comment\n\n"]),
        completion(""),
        whole(b'{"choices":[]}'),
    ],
)
def test_an_answer_without_content_is_empty(engine: Engine, answer: bytes) -> None:
    carried = engine.carry(plan_of(2), each(say(answer), say(completion())))
    assert carried.outcomes == ["empty_output", "ok"]
    assert (carried.by_index[0]["output_tokens"] == 0) or carried.by_index[0]["token_source"] == TokenSource.USAGE


def test_an_ollama_answer_without_content_is_empty(engine: Engine) -> None:
    answer = chunked([ollama_line("", **OLLAMA_END)], "application/x-ndjson")
    assert engine.carry(ollama_plan_of(), each(say(answer))).outcomes == ["empty_output"]


@pytest.mark.parametrize("fails", [True, False])
def test_length_is_a_failure_only_where_the_recipe_says_so(engine: Engine, fails: bool) -> None:
    answer = chunked([event(delta("a")), event(delta(finish="length")), DONE])
    carried = engine.carry(plan_of(fail_on_truncated=fails), each(say(answer)))
    assert carried.outcomes == ["truncated" if fails else "ok"]
    assert carried.only["finish_reason"] == FinishReason.LENGTH


@pytest.mark.parametrize(
    "events",
    [
        [event(delta(role="assistant")), event(delta(finish="content_filter")), DONE],
        [event(delta(refusal="I cannot")), event(delta(finish="stop")), DONE],
    ],
)
def test_a_filter_or_a_refusal_without_content_is_refused(engine: Engine, events: list[bytes]) -> None:
    assert engine.carry(plan_of(), each(say(chunked(events)))).outcomes == ["refused"]


def test_content_before_the_filter_is_an_answer(engine: Engine) -> None:
    answer = chunked([event(delta("a")), event(delta(finish="content_filter")), DONE])
    record = engine.carry(plan_of(), each(say(answer))).only
    assert (record["outcome"], record["finish_reason"]) == (0, FinishReason.CONTENT_FILTER)


@pytest.mark.parametrize(
    ("reason", "code"),
    [
        ("stop", FinishReason.STOP),
        ("length", FinishReason.LENGTH),
        ("tool_calls", FinishReason.TOOL_CALLS),
        ("function_call", FinishReason.TOOL_CALLS),
        ("content_filter", FinishReason.CONTENT_FILTER),
        ("abort", FinishReason.OTHER),
        (None, FinishReason.NONE),
    ],
)
def test_every_finish_reason_is_known(engine: Engine, reason: str | None, code: FinishReason) -> None:
    answer = chunked([event(delta("a", finish=reason)), DONE])
    assert engine.carry(plan_of(), each(say(answer))).only["finish_reason"] == code


def test_a_reset_in_mid_stream_keeps_what_came(engine: Engine) -> None:
    events = chat_events(5)[:4]
    record = engine.carry(plan_of(), each(say_and_close(chunked_head() + b"".join(map(chunk, events))))).only
    assert record["n_events"] == 3
    assert (record["output_tokens"], record["token_source"]) == (3, TokenSource.EVENTS)
    assert record["http_status"] == 200


def test_an_unknown_content_type_is_read_as_a_document(engine: Engine) -> None:
    body = completion().split(b"\r\n\r\n", 1)[1]
    answer = f"HTTP/1.1 200 OK\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    assert engine.carry(plan_of(), each(say(answer))).outcomes == ["ok"]
