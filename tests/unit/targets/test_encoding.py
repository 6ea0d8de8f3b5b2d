"""Requests as bytes: read back by the standard library's server side, and slots where they belong."""

import json
from email.message import Message
from http.server import BaseHTTPRequestHandler
from io import BytesIO
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.errors import RecipeError
from loadgen.plan.model import SLOT_BYTES, Request
from loadgen.plan.payloads import Draft
from loadgen.plan.synthetic import NONCE
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Target, target_for
from loadgen.targets.encoding import SLOT, encode_get, encode_post, request_headers
from loadgen.targets.url import parse_url

URL = parse_url("http://127.0.0.1:8000")


class Parsed(BaseHTTPRequestHandler):
    """A request as a server reads it."""

    headers: "Message[str, str]"

    def __init__(self, raw: bytes) -> None:
        self.rfile = BytesIO(raw)
        self.raw_requestline = self.rfile.readline()
        assert self.parse_request()
        self.body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        assert self.rfile.read() == b""

    def send_error(self, *reason: Any) -> None:
        raise AssertionError(reason)

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def _target(service: dict[str, Any], **workload: Any) -> Target:
    return target_for(recipe_from_dict({"service": service, "workload": workload}))


def _openai(url: str = "http://127.0.0.1:8000", **service: Any) -> dict[str, Any]:
    return {"kind": "openai", "url": url, "model": "m", **service}


def _sent(service: dict[str, Any], draft: Draft | None = None, **workload: Any) -> Parsed:
    return Parsed(_target(service, **workload).encode(draft or Draft(0, "Hi", 7)).raw)


def _slots(request: Request) -> list[bytes]:
    return [request.raw[slot.at : slot.at + slot.width] for slot in request.slots]


def test_a_chat_asks_for_a_stream_with_usage() -> None:
    sent = _sent(_openai(), system="Be brief.")
    assert (sent.command, sent.path, sent.request_version) == ("POST", "/v1/chat/completions", "HTTP/1.1")
    assert sent.headers["Host"] == "127.0.0.1:8000"
    assert sent.headers["Content-Type"] == "application/json"
    assert sent.json == {
        "model": "m",
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hi"}],
        "stream": True,
        "max_tokens": 7,
        "stream_options": {"include_usage": True},
    }


def test_no_compression_is_asked_for() -> None:
    assert "Accept-Encoding" not in _sent(_openai()).headers


def test_what_is_not_streamed_asks_for_no_stream_options() -> None:
    assert _sent(_openai(), stream=False).json["stream"] is False
    assert "stream_options" not in _sent(_openai(), stream=False).json


def test_ignore_eos_is_sent_only_where_the_recipe_says_so() -> None:
    assert "ignore_eos" not in _sent(_openai()).json
    assert _sent(_openai(), ignore_eos=True).json["ignore_eos"] is True


def test_options_go_into_the_body_as_they_stand_and_win() -> None:
    sent = _sent(_openai(), options={"temperature": 0, "max_tokens": 3, "x": {"y": [1, None]}}).json
    assert (sent["temperature"], sent["max_tokens"], sent["x"]) == (0, 3, {"y": [1, None]})


def test_max_completion_tokens_replaces_max_tokens() -> None:
    assert "max_tokens" not in _sent(_openai(), options={"max_completion_tokens": 5}).json


def test_a_completion_has_a_prompt() -> None:
    sent = _sent(_openai(), operation="completion", system="S.")
    assert sent.path == "/v1/completions"
    assert sent.json["prompt"] == "S.\n\nHi"


def test_embeddings_have_an_input_and_nothing_of_a_stream() -> None:
    sent = _sent(_openai(), operation="embeddings")
    assert sent.path == "/v1/embeddings"
    assert sent.json == {"model": "m", "input": "Hi"}


@pytest.mark.parametrize(
    ("path", "base"),
    [
        ("", "/v1"),
        ("/", "/v1"),
        ("/v1", "/v1"),
        ("/v1/", "/v1"),
        ("/api", "/api/v1"),
        ("/api/v4", "/api/v4"),
        ("/v1beta/openai", "/v1beta/openai"),
        ("/v1/chat/completions", "/v1"),
        ("/vllm", "/vllm/v1"),
    ],
)
def test_a_base_address_may_name_its_version_or_not(path: str, base: str) -> None:
    assert _sent(_openai(f"http://127.0.0.1:8000{path}")).path == f"{base}/chat/completions"


MESSAGES: list[dict[str, Any]] = [{"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]


def test_messages_of_a_file_are_sent_as_they_are() -> None:
    assert _sent(_openai(), Draft(0, MESSAGES, 7)).json["messages"] == MESSAGES


def test_a_system_message_of_the_prompt_stands_over_the_workloads() -> None:
    own = [{"role": "system", "content": "own"}, *MESSAGES]
    assert _sent(_openai(), Draft(0, own, 7), system="other").json["messages"] == own


@pytest.mark.parametrize("operation", ["completion", "embeddings"])
@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_messages_are_for_chats_alone(kind: str, operation: str) -> None:
    with pytest.raises(RecipeError, match=r"these prompts are lists of messages, which [a-z]+ does not take"):
        _sent({**_openai(), "kind": kind}, Draft(0, MESSAGES, 7), operation=operation)


def test_ollamas_parameters_go_into_options_and_the_rest_beside_them() -> None:
    options = {"temperature": 0, "keep_alive": "5m", "think": False, "options": {"num_ctx": 512}}
    sent = _sent({"kind": "ollama", "model": "m"}, options=options)
    assert sent.path == "/api/chat"
    assert sent.json == {
        "model": "m",
        "messages": [{"role": "user", "content": "Hi"}],
        "stream": True,
        "keep_alive": "5m",
        "think": False,
        "options": {"num_predict": 7, "temperature": 0, "num_ctx": 512},
    }


def test_ollamas_generate_has_prompt_and_system() -> None:
    sent = _sent({"kind": "ollama", "model": "m"}, operation="generate", system="S.")
    assert sent.path == "/api/generate"
    assert (sent.json["prompt"], sent.json["system"]) == ("Hi", "S.")


def test_ollamas_embeddings_are_not_told_how_long_to_answer() -> None:
    sent = _sent({"kind": "ollama", "model": "m"}, operation="embeddings")
    assert sent.path == "/api/embed"
    assert sent.json == {"model": "m", "input": "Hi"}


def test_a_key_becomes_a_bearer_and_a_password_basic_credentials() -> None:
    assert _sent(_openai(api_key="k-1")).headers["Authorization"] == "Bearer k-1"
    assert _sent(_openai("http://a:b@127.0.0.1")).headers["Authorization"] == "Basic YTpi"
    assert "Authorization" not in _sent(_openai()).headers


def test_own_headers_replace_the_usual_ones_whatever_their_case() -> None:
    sent = _sent(_openai(headers={"user-agent": "x", "HOST": "h", "content-type": "text/json", "authorization": "T"}))
    for name, value in {"User-Agent": "x", "Host": "h", "Content-Type": "text/json", "Authorization": "T"}.items():
        assert sent.headers.get_all(name) == [value]


def test_a_header_in_another_script_is_sent_as_utf_8() -> None:
    assert b"\r\nX-City: K\xc3\xb6ln\r\n" in _target(_openai(headers={"X-City": "Köln"})).encode(Draft(0, "Hi")).raw


@pytest.mark.parametrize("name", ["Content-Length", "transfer-encoding", "Expect"])
def test_headers_that_frame_a_request_are_refused(name: str) -> None:
    with pytest.raises(RecipeError, match=f"service.headers: {name} is loadgen's to say"):
        request_headers(URL, None, {name: "1"})


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\0"])
def test_a_header_of_several_lines_is_refused(value: str) -> None:
    with pytest.raises(RecipeError, match="must be one line"):
        request_headers(URL, None, {"X-A": value})


def test_the_request_id_has_a_slot_of_zeros() -> None:
    request = _target(_openai()).encode(Draft(0, "Hi"))
    assert _slots(request) == [SLOT]
    assert request.raw[: request.slots[0].at].endswith(b"\r\nX-Request-Id: ")
    assert request.raw[request.slots[0].at + SLOT_BYTES :].startswith(b"\r\n")


def test_a_request_id_of_the_recipe_leaves_no_slot() -> None:
    request = _target(_openai(headers={"x-request-id": "mine"})).encode(Draft(0, "Hi"))
    assert request.slots == ()
    assert Parsed(request.raw).headers.get_all("X-Request-Id") == ["mine"]


@pytest.mark.parametrize("service", [_openai(), {"kind": "ollama", "model": "m"}])
@pytest.mark.parametrize("operation", ["chat", "completion", "embeddings"])
def test_the_nonce_has_a_slot_at_the_prompts_place(service: dict[str, Any], operation: str) -> None:
    target = _target(service, operation=operation, system=f"{'0' * 40} is no slot, nor is é")
    request = target.encode(Draft(0, f"shared é {NONCE} words", 7, has_nonce=True))
    assert _slots(request) == [SLOT, SLOT]
    nonce_at = request.slots[1].at
    marked = request.raw[:nonce_at] + b"N" * SLOT_BYTES + request.raw[nonce_at + SLOT_BYTES :]
    assert f"shared é {'N' * SLOT_BYTES} words" in json.dumps(Parsed(marked).json, ensure_ascii=False)
    assert NONCE.encode() not in request.raw


@given(
    st.text(), st.dictionaries(st.text(min_size=1), st.none() | st.booleans() | st.integers() | st.text(), max_size=3)
)
def test_any_text_comes_back_out_of_the_body(prompt: str, options: dict[str, Any]) -> None:
    request = encode_post("/x", request_headers(URL, None), {"prompt": prompt, "options": options})
    assert Parsed(request.raw).json == {"prompt": prompt, "options": options}


def test_half_a_surrogate_pair_is_replaced_and_not_a_crash() -> None:
    assert Parsed(encode_post("/x", request_headers(URL, None), {"a": "\ud83d"}).raw).json == {"a": "?"}


def test_a_get_has_no_body() -> None:
    sent = Parsed(encode_get("/a?b=c", request_headers(URL, None), 3).raw)
    assert (sent.command, sent.path, sent.body) == ("GET", "/a?b=c", b"")
    assert "Content-Length" not in sent.headers


def test_a_key_in_a_header_is_refused_where_no_keys_are_drawn() -> None:
    with pytest.raises(RecipeError, match=r"service\.headers: \{key\} stands for nothing"):
        _target(_openai(headers={"X-Shard": "{key}"}))
