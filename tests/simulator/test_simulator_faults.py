"""Misbehaviour on demand, by header and by ratio."""

import collections

import pytest
from simulator_client import Client, ask, chat

from loadgen.simulator import FAULTS, SimulatorSettings

CHAT = "/v1/chat/completions"
STATUS_OF = {"400": 400, "401": 401, "404": 404, "429": 429, "500": 500, "503": 503, "context_length": 400}


@pytest.mark.parametrize(("fault", "status"), STATUS_OF.items())
def test_refusal_is_a_status_with_an_error_in_the_dialect(url, fault, status):
    openai = ask(url, "POST", CHAT, chat(), X_Simulate=fault)
    ollama = ask(url, "POST", "/api/chat", {"messages": []}, X_Simulate=fault)
    assert (openai.status, ollama.status) == (status, status)
    assert openai.json["error"]["message"]
    assert isinstance(ollama.json["error"], str)
    assert openai.headers.get("retry-after") == ("1" if status == 429 else None)


def test_context_length_has_its_code(url):
    assert (
        ask(url, "POST", CHAT, chat(), X_Simulate="context_length").json["error"]["code"] == "context_length_exceeded"
    )


def test_html_is_200_and_not_json(url):
    answer = ask(url, "POST", CHAT, chat(), X_Simulate="html")
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/html")


def test_connection_serves_on_after_a_refusal(url):
    with Client(url) as client:
        assert client.ask("POST", CHAT, chat(), X_Simulate="500").status == 500
        assert len(client.ask("POST", CHAT, chat(3)).tokens) == 3


def test_stall_sends_half_and_then_nothing(url):
    with Client(url) as client:
        client.socket.settimeout(0.3)
        with pytest.raises(TimeoutError):
            client.ask("POST", CHAT, chat(10), X_Simulate="stall")
        assert client._ahead == b""
    assert ask(url, "GET", "/health").status == 200


def test_reset_sends_half_and_resets(url):
    answer = ask(url, "POST", CHAT, chat(10), X_Simulate="reset")
    assert answer.ending == "reset"
    assert len(answer.tokens) == 5


def test_truncated_is_closed_within_a_chunk(url):
    with Client(url) as client:
        answer = client.ask("POST", CHAT, chat(10), X_Simulate="truncated")
        assert answer.ending == "closed"
        assert len(answer.tokens) == 5
        assert client._ahead.startswith(b"data: {")


def test_error_event_ends_the_stream(url):
    answer = ask(url, "POST", CHAT, chat(10), X_Simulate="error_event")
    assert len(answer.tokens) == 5
    assert answer.events[-2]["error"]["type"] == "server_error"
    assert answer.ending == "complete"


def test_ollama_error_event_is_a_line_with_an_error(url):
    body = {"messages": [], "options": {"num_predict": 4}}
    lines = ask(url, "POST", "/api/chat", body, X_Simulate="error_event").lines
    assert [sorted(line) for line in lines[-1:]] == [["error"]]
    assert len(lines) == 3


def test_not_json_is_one_event_in_the_middle_of_a_whole_stream(url):
    answer = ask(url, "POST", CHAT, chat(10), X_Simulate="not_json")
    assert "this is not JSON" in answer.events
    assert len(answer.tokens) == 10
    assert answer.events[-1] == "[DONE]"


def test_no_done_ends_without_the_last_message(url):
    answer = ask(url, "POST", CHAT, chat(3), X_Simulate="no_done")
    assert answer.ending == "complete"
    assert answer.events[-1]["choices"][0]["finish_reason"] == "length"


def test_role_only_has_no_content(url):
    answer = ask(url, "POST", CHAT, chat(3, stream_options={"include_usage": True}), X_Simulate="role_only")
    assert answer.tokens == []
    assert answer.events[-2]["usage"]["completion_tokens"] == 0


def test_close_closes_after_a_whole_answer(url):
    with Client(url) as client:
        answer = client.ask("POST", CHAT, chat(3), X_Simulate="close")
        assert answer.headers["connection"] == "close"
        assert len(answer.tokens) == 3
        assert client.is_at_end()


@pytest.mark.parametrize("fields", [{}, {"stream": False}])
def test_slow_head_comes_in_pieces_and_is_whole(url, fields):
    with Client(url) as client:
        for _ in range(2):
            answer = client.ask("POST", CHAT, chat(3, **fields), X_Simulate="slow_head")
            assert answer.status == 200
            assert b" tok3" in answer.body


@pytest.mark.parametrize("fault", ["reset", "truncated"])
@pytest.mark.parametrize("path", ["/plain", CHAT])
def test_whole_answers_are_cut_too(url, fault, path):
    body = None if path == "/plain" else chat(3, stream=False)
    answer = ask(url, "GET" if body is None else "POST", path, body, X_Simulate=fault)
    assert answer.ending == ("reset" if fault == "reset" else "closed")
    assert 0 < len(answer.body) < int(answer.headers["content-length"])


@pytest.mark.parametrize("fault", ["error_event", "not_json"])
def test_whole_answers_fail_in_their_body(url, fault):
    answer = ask(url, "POST", CHAT, chat(3, stream=False), X_Simulate=fault)
    assert answer.status == 200
    assert answer.body.startswith(b'{"error":') == (fault == "error_event")


def test_fixed_answers_can_be_refused(url):
    assert ask(url, "GET", "/plain", X_Simulate="500").status == 500
    assert ask(url, "GET", "/plain", X_Simulate="close").headers["connection"] == "close"


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("n_tokens", [1, 2])
def test_every_fault_leaves_the_server_serving(url, fault, n_tokens):
    for path in (CHAT, "/api/generate", "/v1/completions"):
        with Client(url) as client:
            client.socket.settimeout(0.1 if fault == "stall" else 10)
            try:
                client.ask("POST", path, chat(n_tokens), X_Simulate=fault)
            except TimeoutError:
                assert fault == "stall"
    assert len(ask(url, "POST", CHAT, chat(3)).tokens) == 3


def test_unknown_fault_is_said(url):
    answer = ask(url, "POST", CHAT, chat(), X_Simulate="stal")
    assert answer.status == 400
    assert "no such fault" in answer.json["error"]["message"]


def test_error_ratio_draws_the_same_requests_for_the_same_seed(start):
    def statuses(seed: int) -> list[int]:
        url = start(error_ratio=0.3, seed=seed, ttft_ms=0, itl_ms=0).url
        with Client(url) as client:
            return [client.ask("POST", CHAT, chat(1)).status for _ in range(200)]

    assert statuses(1) == statuses(1) != statuses(2)
    assert 30 <= statuses(1).count(500) <= 90


def test_faults_are_drawn_by_their_weights(start):
    url = start(error_ratio=1, faults={"429": 3, "503": 1}, ttft_ms=0).url
    with Client(url) as client:
        counts = collections.Counter(client.ask("POST", CHAT, chat(1)).status for _ in range(400))
    assert set(counts) == {429, 503}
    assert 240 <= counts[429] <= 360


@pytest.mark.parametrize("fault", sorted(set(FAULTS) - {"stall"}))
def test_fault_names_in_python_are_those_of_the_server(url, fault):
    assert b"no such fault" not in ask(url, "GET", "/health", X_Simulate=fault).body


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ({"faults": {"stal": 1}}, "no such fault: stal"),
        ({"faults": {"stall": 0}}, "must be > 0"),
        ({"error_ratio": 2}, "error_ratio"),
        ({"ttft_ms": -1}, "ttft_ms"),
        ({"itl_ms": {"dist": "gamma", "mean": 1, "std": 1}}, "must be lognormal"),
        ({"itl_ms": {"mean": 1}}, "itl_ms.std: is missing"),
        ({"itl_ms": {"mean": 1, "std": 1, "low": 0}}, "itl_ms.low: unknown"),
        ({"output_tokens": 0}, "output_tokens"),
        ({"output_tokens": {"mean": 5, "min": 9, "max": 3}}, "min <= max"),
        ({"slots": -1}, "slots"),
    ],
)
def test_settings_that_make_no_sense_are_refused_with_the_field(fields, complaint):
    with pytest.raises(ValueError, match=complaint):
        SimulatorSettings(**fields)
