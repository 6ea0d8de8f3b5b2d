"""Streams of generated tokens, as LLM servers send them, on both engines."""

import asyncio
import json

import pytest
from dialects import DONE, OLLAMA_END, chat_events, chat_stream, completion, delta, event, ollama_line, usage
from harness import Engine, until
from plans import EMBEDDINGS, ollama_plan_of, plan_of
from scripted import (
    LAST_CHUNK,
    Asked,
    Peer,
    ScriptedServer,
    chunk,
    chunked,
    chunked_head,
    each,
    say,
    say_and_close,
    whole,
)

from loadgen.engine.contract import Live
from loadgen.records import NEVER, FinishReason, TokenSource


def test_a_chat_stream_gives_its_tokens_its_usage_and_its_finish_reason(engine: Engine) -> None:
    record = engine.carry(plan_of(), each(say(chat_stream(5)))).only
    assert record["outcome"] == 0
    assert (record["n_events"], record["output_tokens"], record["prompt_tokens"]) == (5, 5, 7)
    assert record["token_source"] == TokenSource.USAGE
    assert record["finish_reason"] == FinishReason.STOP
    assert record["http_status"] == 200


def test_without_usage_the_content_events_are_counted(engine: Engine) -> None:
    record = engine.carry(plan_of(), each(say(chat_stream(5, figures=False)))).only
    assert (record["output_tokens"], record["prompt_tokens"]) == (5, NEVER)
    assert record["token_source"] == TokenSource.EVENTS


def test_usage_that_differs_from_the_events_is_believed(engine: Engine) -> None:
    stream = chunked([event(delta("a b")), event(delta("c", finish="length")), event(usage(3, 64)), DONE])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["n_events"], record["output_tokens"]) == (2, 64)
    assert record["finish_reason"] == FinishReason.LENGTH


def test_usage_before_the_content_counts(engine: Engine) -> None:
    stream = chunked([event(usage(3, 9)), event(delta("a")), event(delta(finish="stop")), DONE])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["n_events"], record["output_tokens"], record["prompt_tokens"]) == (1, 9, 3)


def test_usage_in_every_event_counts_as_it_stands_last(engine: Engine) -> None:
    stream = chunked([event({**delta("a"), "usage": usage(3, number)["usage"]}) for number in range(1, 5)])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["n_events"], record["output_tokens"]) == (4, 4)


def test_a_null_usage_and_a_null_error_are_nothing(engine: Engine) -> None:
    stream = chunked([event({**delta("a"), "usage": None, "error": None}), DONE])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["outcome"], record["n_events"], record["output_tokens"]) == (0, 1, 1)


@pytest.mark.parametrize(
    "said",
    [
        {"content": "x"},
        {"reasoning_content": "x"},
        {"reasoning": "x"},
        {"tool_calls": [{"index": 0, "function": {"name": "f", "arguments": ""}}]},
        {"content": None, "reasoning_content": "x"},
    ],
)
def test_text_reasoning_and_tool_calls_are_content(engine: Engine, said: dict[str, object]) -> None:
    stream = chunked([event(delta(role="assistant", content="")), event(delta(**said)), DONE])
    assert engine.carry(plan_of(), each(say(stream))).only["n_events"] == 1


def test_a_role_an_empty_delta_and_a_null_content_are_not_content(engine: Engine) -> None:
    empties = [delta(role="assistant"), delta(""), {"choices": []}, delta(tool_calls=[]), delta(finish="stop")]
    null = {"choices": [{"index": 0, "delta": {"role": "assistant", "content": None}}]}
    stream = chunked([*map(event, [*empties, null]), event(delta("x")), DONE])
    assert engine.carry(plan_of(), each(say(stream))).only["n_events"] == 1


def test_a_completions_stream_has_its_text_in_the_choice(engine: Engine) -> None:
    stream = chunked(
        [event({"choices": [{"index": 0, "text": word, "finish_reason": None}]}) for word in ("a", "b", "")]
    )
    assert engine.carry(plan_of(), each(say(stream))).only["n_events"] == 2


def test_several_choices_in_one_event_are_one_event(engine: Engine) -> None:
    both = {"choices": [{"index": 0, "delta": {"content": "a"}}, {"index": 1, "delta": {"content": "b"}}]}
    assert engine.carry(plan_of(), each(say(chunked([event(both), DONE])))).only["n_events"] == 1


@pytest.mark.parametrize("line_end", [b"\n", b"\r", b"\r\n"])
def test_every_line_end_ends_a_line(engine: Engine, line_end: bytes) -> None:
    body = b"".join(chat_events(3)).replace(b"\n", line_end)
    record = engine.carry(plan_of(), each(say(chunked([body])))).only
    assert (record["outcome"], record["n_events"]) == (0, 3)


def test_a_mark_comments_and_unknown_fields_are_passed_over(engine: Engine) -> None:
    lines = b"\xef\xbb\xbf: ping\n\nid: 4\nretry: 10\nnonsense\ndata:" + json.dumps(delta("x")).encode() + b"\n\n:\n\n"
    assert engine.carry(plan_of(), each(say(chunked([lines, DONE])))).only["n_events"] == 1


def test_an_event_of_several_data_lines_is_one_document(engine: Engine) -> None:
    first, second = json.dumps(delta("x")).encode().split(b" ", 1)
    stream = chunked([b"data: " + first + b"\ndata: " + second + b"\n\n", DONE])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["outcome"], record["n_events"]) == (0, 1)


@pytest.mark.parametrize("n_tokens", [1, 3])
def test_a_stream_without_a_done_mark_is_whole_when_its_body_is(engine: Engine, n_tokens: int) -> None:
    record = engine.carry(plan_of(), each(say(chat_stream(n_tokens, done=False)))).only
    assert (record["outcome"], record["n_events"]) == (0, n_tokens)


def test_a_stream_that_only_the_close_ends_is_whole(engine: Engine) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
    carried = engine.carry(plan_of(2), each(say_and_close(head, *chat_events(2))))
    assert carried.outcomes == ["ok", "ok"]
    assert carried.server.n_connections >= 2


def test_what_follows_the_done_mark_is_passed_over(engine: Engine) -> None:
    stream = chunked([*chat_events(2), event(delta("late")), b"data: not json\n\n"])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["outcome"], record["n_events"]) == (0, 2)


def test_ollama_s_word_for_the_end_ends_no_stream_of_openai_s(engine: Engine) -> None:
    stream = chunked([event(delta("a")), event({"done": True}), event(delta("b")), event(usage(1, 2))])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["outcome"], record["n_events"], record["output_tokens"]) == (0, 2, 2)


def test_events_that_come_in_one_read_share_a_stamp(engine: Engine) -> None:
    carried = engine.carry(plan_of(), each(say(chat_stream(6))))
    record = carried.only
    assert record["first_token_at_ns"] == record["last_token_at_ns"]
    assert record["n_shared_stamps"] == 5
    assert not carried.gaps_ns.any()


def test_tokens_that_come_apart_have_instants_of_their_own(engine: Engine) -> None:
    n_wanted = 0
    wanted = asyncio.Event()

    async def answer(peer: Peer, asked: Asked) -> None:
        nonlocal n_wanted
        await peer.send(chunked_head())
        for _ in range(4):
            await peer.send(chunk(event(delta("w"))))
            n_wanted += 1
            wanted.clear()
            await wanted.wait()
        await peer.send(chunk(DONE), LAST_CHUNK)

    async def watch(server: ScriptedServer, live: Live) -> None:
        """The next token leaves the server once the client has counted the one before it."""
        for number in range(1, 5):
            await until(lambda number=number: live.n_tokens >= number and n_wanted >= number)
            wanted.set()

    carried = engine.carry(plan_of(), each(answer), during=watch)
    assert carried.only["n_shared_stamps"] == 0
    assert (carried.gaps_ns > 0).all()


def test_every_cut_of_a_stream_gives_the_same_record(engine: Engine) -> None:
    stream = chunked(text.replace(b"\n", b"\r\n") for text in chat_events(2))
    answers = [say(stream[:cut], stream[cut:]) for cut in range(1, len(stream), 7)]
    carried = engine.carry(plan_of(len(answers)), each(*answers))
    assert set(carried.outcomes) == {"ok"}
    for name, value in (("n_events", 2), ("output_tokens", 2), ("prompt_tokens", 7), ("response_bytes", len(stream))):
        assert set(carried.records[name].tolist()) == {value}


def test_a_stream_byte_by_byte_is_the_stream(engine: Engine) -> None:
    stream = chat_stream(3)
    record = engine.carry(plan_of(), each(say(*(stream[at : at + 1] for at in range(len(stream)))))).only
    assert (record["outcome"], record["n_events"], record["response_bytes"]) == (0, 3, len(stream))


def test_a_whole_completion_is_one_content_event_at_its_last_byte(engine: Engine) -> None:
    record = engine.carry(plan_of(), each(say(completion()))).only
    assert (record["outcome"], record["n_events"], record["output_tokens"]) == (0, 1, 3)
    assert record["first_token_at_ns"] == record["last_token_at_ns"] == record["done_at_ns"]


def test_embeddings_have_no_tokens_and_need_none(engine: Engine) -> None:
    document = {"data": [{"embedding": [0.25, -1e-3]}], "usage": {"prompt_tokens": 4, "total_tokens": 4}}
    answer = whole(json.dumps(document).encode())
    record = engine.carry(plan_of(operations=(EMBEDDINGS,)), each(say(answer))).only
    assert (record["outcome"], record["n_events"], record["output_tokens"], record["prompt_tokens"]) == (0, 0, NEVER, 4)
    assert record["token_source"] == TokenSource.NONE


def test_an_ollama_stream_gives_its_tokens_and_its_durations(engine: Engine) -> None:
    lines = [ollama_line(word) for word in ("a", "b", "c")] + [ollama_line("", **OLLAMA_END)]
    record = engine.carry(ollama_plan_of(), each(say(chunked(lines, "application/x-ndjson")))).only
    assert (record["outcome"], record["n_events"], record["output_tokens"], record["prompt_tokens"]) == (0, 3, 3, 11)
    assert record["server_total_ns"] == 9_000_000_001
    assert record["server_load_ns"] == 1_000_000_002
    assert record["server_prompt_eval_ns"] == 2_000_000_003
    assert record["server_eval_ns"] == 5_000_000_004
    assert record["finish_reason"] == FinishReason.STOP


def test_an_ollama_generate_stream_has_its_text_in_response_and_thinking(engine: Engine) -> None:
    said = [{"thinking": "hm", "response": ""}, {"response": "a"}, {"response": ""}]
    lines = [json.dumps({"done": False, **one}).encode() + b"\n" for one in said]
    end = json.dumps({"response": "", **OLLAMA_END}).encode()  # no line end: the body's end is the line's
    record = engine.carry(ollama_plan_of(), each(say(chunked([*lines, end], "application/x-ndjson")))).only
    assert (record["outcome"], record["n_events"], record["output_tokens"]) == (0, 2, 3)


def test_an_ollama_answer_that_is_not_streamed_is_one_event(engine: Engine) -> None:
    answer = whole(ollama_line("abc", **OLLAMA_END).rstrip(), content_type="application/json; charset=utf-8")
    record = engine.carry(ollama_plan_of(), each(say(answer))).only
    assert (record["outcome"], record["n_events"], record["output_tokens"]) == (0, 1, 3)


def test_a_lone_surrogate_is_text_like_any_other(engine: Engine) -> None:
    stream = chunked([b'data: {"choices":[{"delta":{"content":"\\ud83d"}}]}\n\n', DONE])
    record = engine.carry(plan_of(), each(say(stream))).only
    assert (record["outcome"], record["n_events"]) == (0, 1)


def test_numbers_of_any_form_are_counts(engine: Engine) -> None:
    figures = b'data: {"choices":[],"usage":{"completion_tokens":1.2e1,"prompt_tokens":3.0}}\n\n'
    record = engine.carry(plan_of(), each(say(chunked([event(delta("a")), figures, DONE])))).only
    assert (record["output_tokens"], record["prompt_tokens"]) == (12, 3)
