"""What the simulator answers, in OpenAI's dialect and in Ollama's."""

import asyncio

import aiohttp
import pytest
from simulator_client import ask, chat


def test_chat_stream_begins_with_a_role_and_ends_with_a_reason_and_done(url):
    answer = ask(url, "POST", "/v1/chat/completions", chat(3))
    first, *tokens, finish, done = answer.events
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/event-stream")
    assert first["choices"][0]["delta"] == {"role": "assistant", "content": ""}
    assert [token["choices"][0]["delta"]["content"] for token in tokens] == [" tok1", " tok2", " tok3"]
    assert finish["choices"][0] == {"index": 0, "delta": {}, "logprobs": None, "finish_reason": "length"}
    assert done == "[DONE]"
    assert len({event["id"] for event in (first, *tokens, finish)}) == 1


def test_each_event_of_a_stream_is_a_chunk_of_its_own(url):
    answer = ask(url, "POST", "/v1/chat/completions", chat(12))
    assert all(piece.startswith(b"data: ") and piece.count(b"\n\n") == 1 for piece in answer.pieces)
    assert answer.tokens == [f" tok{i}" for i in range(1, 13)]


def test_usage_comes_only_where_it_is_asked_for(url):
    without = ask(url, "POST", "/v1/chat/completions", chat(2))
    asked = ask(url, "POST", "/v1/chat/completions", chat(2, stream_options={"include_usage": True}))
    assert not any("usage" in event for event in without.events[:-1])
    assert asked.events[-2]["choices"] == []
    assert asked.events[-2]["usage"] == {"prompt_tokens": 2, "completion_tokens": 2, "total_tokens": 4}


def test_chat_without_stream_is_one_json_answer(url):
    answer = ask(url, "POST", "/v1/chat/completions", chat(3, stream=False))
    assert answer.headers["content-type"] == "application/json"
    assert answer.json["choices"][0]["message"] == {"role": "assistant", "content": " tok1 tok2 tok3"}
    assert answer.json["choices"][0]["finish_reason"] == "length"
    assert answer.json["usage"]["completion_tokens"] == 3


def test_completion_stream_has_text_and_no_role(url):
    body = {"stream": True, "max_tokens": 2, "prompt": "a b c", "stream_options": {"include_usage": True}}
    events = ask(url, "POST", "/v1/completions", body).events
    assert [event["choices"][0]["text"] for event in events[:2]] == [" tok1", " tok2"]
    assert events[2]["choices"][0]["finish_reason"] == "length"
    assert events[3]["usage"]["prompt_tokens"] == 3


def test_completion_without_stream_is_one_json_answer(url):
    answer = ask(url, "POST", "/v1/completions", {"max_tokens": 2, "prompt": "a"})
    assert answer.json["object"] == "text_completion"
    assert answer.json["choices"][0]["text"] == " tok1 tok2"


@pytest.mark.parametrize("path", ["/api/chat", "/api/generate"])
def test_ollama_streams_lines_unless_told_not_to(url, path):
    answer = ask(url, "POST", path, {"model": "m", "prompt": "a b", "options": {"num_predict": 3}})
    *tokens, last = answer.lines
    texts = [line["message"]["content"] if path == "/api/chat" else line["response"] for line in tokens]
    assert answer.headers["content-type"] == "application/x-ndjson"
    assert texts == [" tok1", " tok2", " tok3"]
    assert not any(line["done"] for line in tokens)
    assert (last["done"], last["done_reason"], last["eval_count"], last["prompt_eval_count"]) == (True, "length", 3, 2)
    assert last["total_duration"] >= last["prompt_eval_duration"] + last["eval_duration"] > 0
    assert last["load_duration"] == 0


def test_ollama_without_stream_is_one_json_answer(url):
    body = {"stream": False, "options": {"num_predict": 2}, "messages": [{"role": "user", "content": "a"}]}
    answer = ask(url, "POST", "/api/chat", body)
    assert answer.json["message"]["content"] == " tok1 tok2"
    assert answer.json["done"] is True


def test_embeddings_has_a_vector_for_each_input(url):
    openai = ask(url, "POST", "/v1/embeddings", {"model": "m", "input": ["a b", "c"]}).json
    ollama = ask(url, "POST", "/api/embed", {"model": "m", "input": "a b c"}).json
    assert [entry["index"] for entry in openai["data"]] == [0, 1]
    assert openai["usage"] == {"prompt_tokens": 3, "total_tokens": 3}
    assert len(ollama["embeddings"]) == 1
    assert ollama["prompt_eval_count"] == 3


def test_what_a_client_asks_before_a_run_is_answered(url):
    assert ask(url, "GET", "/v1/models").json["data"][0]["id"] == "simulator"
    assert ask(url, "GET", "/api/tags").json["models"][0]["name"] == "simulator:latest"
    assert ask(url, "GET", "/api/ps").json["models"]
    assert "version" in ask(url, "GET", "/api/version").json
    assert "version" in ask(url, "GET", "/version").json
    assert "details" in ask(url, "POST", "/api/show", {"model": "m"}).json
    assert ask(url, "GET", "/health").status == 200
    assert ask(url, "GET", "/health?verbose=1").status == 200


def test_plain_is_twelve_bytes(url):
    answer = ask(url, "GET", "/plain")
    assert answer.headers["content-length"] == "12"
    assert len(answer.body) == 12


def test_unknown_path_is_404_with_an_error_in_json(url):
    answer = ask(url, "POST", "/v2/chat", {})
    assert answer.status == 404
    assert answer.json["error"]["type"] == "not_found_error"


def test_wrong_method_is_405(url):
    assert ask(url, "GET", "/v1/chat/completions").status == 405


def test_unknown_model_is_taken_unless_models_are_given(url, start):
    choosy = start(models=("one", "two")).url
    assert ask(url, "POST", "/v1/chat/completions", chat(1, model="whatever")).status == 200
    assert ask(choosy, "POST", "/v1/chat/completions", chat(1, model="two")).status == 200
    refused = ask(choosy, "POST", "/v1/chat/completions", chat(1, model="tw"))
    assert refused.status == 404
    assert refused.json["error"]["code"] == "model_not_found"
    assert [entry["id"] for entry in ask(choosy, "GET", "/v1/models").json["data"]] == ["one", "two"]


@pytest.mark.parametrize("body", [b"", b"hello", b"[1, 2]", b'{"stream": true', b'{"a": "b'])
def test_body_that_is_no_json_object_is_400(url, body):
    assert ask(url, "POST", "/v1/chat/completions", body).status == 400
    assert isinstance(ask(url, "POST", "/api/chat", body).json["error"], str)


def test_number_of_tokens_is_the_drawn_one_capped_by_the_request(start):
    url = start(output_tokens=5, itl_ms=0).url
    longer = ask(url, "POST", "/v1/chat/completions", chat(9, stream=False)).json
    shorter = ask(url, "POST", "/v1/chat/completions", chat(2, stream=False)).json
    unsaid = ask(url, "POST", "/v1/chat/completions", chat(None, stream=False)).json
    assert (longer["usage"]["completion_tokens"], longer["choices"][0]["finish_reason"]) == (5, "stop")
    assert (shorter["usage"]["completion_tokens"], shorter["choices"][0]["finish_reason"]) == (2, "length")
    assert (unsaid["usage"]["completion_tokens"], unsaid["choices"][0]["finish_reason"]) == (5, "stop")


def test_where_nobody_says_an_answer_has_64_tokens(start):
    answer = ask(start(itl_ms=0).url, "POST", "/v1/chat/completions", chat(None))
    assert len(answer.tokens) == 64
    assert answer.events[-2]["choices"][0]["finish_reason"] == "stop"


async def _ask_with_aiohttp(url: str) -> tuple[list[str], dict[str, object]]:
    async with aiohttp.ClientSession() as session:
        async with session.post(f"{url}/v1/chat/completions", json=chat(20)) as streamed:
            lines = [line.decode() async for line in streamed.content if line.startswith(b"data: {")]
        async with session.get(f"{url}/v1/models") as models:
            return lines, await models.json()


def test_aiohttp_reads_a_stream_and_uses_the_connection_again(url):
    lines, models = asyncio.run(_ask_with_aiohttp(url))
    assert sum('"content":" tok' in line for line in lines) == 20
    assert models["object"] == "list"
