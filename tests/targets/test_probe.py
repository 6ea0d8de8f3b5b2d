"""The probe before the load: what each odd answer leads to, in one line for a person."""

import asyncio
import socket
from collections.abc import Callable
from typing import Any

import pytest

from loadgen.errors import TargetError
from loadgen.plan.payloads import Draft
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Readiness, probe, target_for
from tests.targets.probing import CHAT, CONTENT, GOOD, complaint_of, prepared, script_of, target_at
from tests.targets.scripted_http import Asked, Script, answer, events, scripted


def test_a_good_server_is_ready_without_a_note() -> None:
    ready, _, asked = prepared(
        script_of({CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "m", "root": "/x", "created": 7}]})})
    )
    assert ready.notes == ()
    assert [one.call for one in asked if one.method == "POST"] == [CHAT]
    assert ready.service["model_details"] == {"id": "m", "root": "/x"}
    assert (ready.service["kind"], ready.service["version"], ready.service["model"]) == ("openai", None, "m")
    assert ready.service["port"] == ready.address.port


def test_the_probe_has_a_few_tokens_and_the_same_shape_as_the_load() -> None:
    _, target, asked = prepared(script_of({CHAT: GOOD}), options={"temperature": 0})
    body = asked[0].body
    assert body["max_tokens"] <= 8
    assert b'"temperature":0' in target.encode(Draft(0, "x")).raw
    assert set(body) == {"model", "messages", "stream", "max_tokens", "stream_options", "temperature"}


def test_a_refused_connection_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TargetError, match=rf"^http://127.0.0.1:{port}: connection refused"):
        asyncio.run(target_at(f"http://127.0.0.1:{port}").prepare())


def test_a_name_that_does_not_resolve_is_said() -> None:
    with pytest.raises(TargetError, match=r"the name no-such-host\.invalid does not resolve"):
        asyncio.run(target_at("http://no-such-host.invalid:8000").prepare())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_name_of_both_families_is_reached_at_the_one_that_listens(
    family: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(host: str, port: int, **_: Any) -> list[tuple[int, int, int, str, Any]]:
        stream = (socket.SOCK_STREAM, 0, "")
        return [(socket.AF_INET6, *stream, ("::1", port, 0, 0)), (socket.AF_INET, *stream, ("127.0.0.1", port))]

    async def prepare() -> Readiness:
        async with scripted(script_of({CHAT: GOOD}), family) as server:
            target = target_at(f"http://both.example:{server.url.rpartition(':')[2]}")
            monkeypatch.setattr(probe, "_resolve", lambda url: both(url.host, url.port))
            return await target.prepare()

    address = asyncio.run(prepare()).address
    assert (address.family, address.server_name) == (family, "both.example")
    assert address.host == ("127.0.0.1" if family == socket.AF_INET else "::1")


def test_an_ipv6_address_is_reached() -> None:
    async def prepare() -> tuple[Readiness, list[Asked]]:
        async with scripted(script_of({CHAT: GOOD}), socket.AF_INET6) as server:
            return await target_at(server.url).prepare(), server.asked

    ready, asked = asyncio.run(prepare())
    assert ready.address.host == "::1"
    assert asked[0].headers["host"] == f"[::1]:{ready.address.port}"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_whether_a_key_is_missing_or_wrong(status: int) -> None:
    script = script_of({CHAT: answer({"error": {"message": "who are you?"}}, status)})
    assert f"is refused ({status}): set service.api_key: who are you?" in complaint_of(script)
    with_key = complaint_of(script, service={"api_key": "k-123456"})
    assert "service.api_key is not accepted: who are you?" in with_key


def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    script = script_of({CHAT: answer({"error": {"message": "bad key k-123456"}}, 401)})
    complaint = complaint_of(script, service={"api_key": "k-123456"})
    assert "k-123456" not in complaint
    assert "***" in complaint


def test_a_model_that_is_not_there_is_said_with_those_that_are() -> None:
    models = answer({"data": [{"id": f"model-{i}"} for i in range(10)]})
    missing = answer({"error": {"message": "The model `m` does not exist."}}, 404)
    complaint = complaint_of(script_of({CHAT: missing, "GET /v1/models": models}))
    assert "has no model m; there are: model-0, model-1" in complaint
    assert complaint.endswith("and 2 more")


def test_an_address_without_the_api_is_said() -> None:
    assert "no openai API here: /v1/chat/completions is answered with 404 (no such page)" in complaint_of(script_of({}))


def test_another_404_gives_the_servers_reason() -> None:
    models = answer({"data": [{"id": "m"}]})
    complaint = complaint_of(script_of({CHAT: answer({"detail": "not for you"}, 404), "GET /v1/models": models}))
    assert complaint.endswith("POST /v1/chat/completions is answered with 404: not for you")


def test_an_html_page_is_said() -> None:
    page = answer("<!DOCTYPE html><html><body>Welcome</body></html>", kind="text/html")
    assert "is answered with an HTML page, not with JSON: is service.url right?" in complaint_of(
        script_of({CHAT: page})
    )


def test_an_html_page_without_its_content_type_is_noticed_too() -> None:
    page = answer("\n<html>Welcome</html>", kind="text/plain")
    assert "an HTML page" in complaint_of(script_of({CHAT: page}))


def test_text_that_is_neither_json_nor_events_is_said() -> None:
    assert "neither JSON nor a stream of events (text/plain): hello" in complaint_of(
        script_of({CHAT: answer("hello", kind="text/plain")})
    )


def test_a_redirect_is_said() -> None:
    moved = answer("", 308, headers={"Location": "https://elsewhere.example/v1"})
    assert "redirect to https://elsewhere.example/v1: write that address" in complaint_of(script_of({CHAT: moved}))


def test_an_error_event_in_the_stream_is_said() -> None:
    script = script_of({CHAT: events({"error": {"message": "out of memory"}})})
    assert complaint_of(script).endswith("is answered with an error: out of memory")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_stays_is_said(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.PAUSE_S", 0)
    complaint = complaint_of(script_of({CHAT: answer({"error": "Loading model"}, status)}))
    assert f"is answered with {status}: Loading model" in complaint


def test_a_failure_that_passes_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.PAUSE_S", 0)
    answers = iter([answer({"error": "Loading model"}, 503), GOOD])
    ready, _, _ = prepared(lambda asked: next(answers) if asked.call == CHAT else answer({}, 404))
    assert ready.notes == ()


def test_a_server_that_does_not_stream_is_noted() -> None:
    whole = answer({"choices": [{"message": {"content": "Hi"}}], "usage": {"completion_tokens": 1}})
    ready, _, _ = prepared(script_of({CHAT: whole}))
    assert ready.notes == ("the server does not stream: the answer comes whole, and ttft is the time to all of it",)


def test_one_document_is_no_oddity_where_no_stream_is_asked_for() -> None:
    whole = answer({"choices": [{"message": {"content": "Hi"}}], "usage": {"completion_tokens": 1}})
    ready, _, _ = prepared(script_of({CHAT: whole}), stream=False)
    assert ready.notes == ()


def test_a_server_without_usage_is_noted() -> None:
    ready, _, _ = prepared(script_of({CHAT: events(CONTENT, done=False)}))
    assert ready.notes == ("the server gives no usage figures: output tokens are counted by content events",)


def _refusing(*fields: str, text: Callable[[str], Any], status: int) -> Script:
    """A server that refuses bodies with any of the fields."""

    def script(asked: Asked) -> bytes:
        if asked.call != CHAT:
            return answer({}, 404)
        found = next((field for field in fields if field in asked.body), None)
        return GOOD if found is None else answer(text(found), status)

    return script


@pytest.mark.parametrize("status", [400, 422])
@pytest.mark.parametrize("refused", [("stream_options",), ("ignore_eos",), ("ignore_eos", "stream_options")])
@pytest.mark.parametrize("says_which", [True, False])
def test_fields_that_a_server_does_not_know_are_left_out_and_noted(
    status: int, refused: tuple[str, ...], says_which: bool
) -> None:
    def text(field: str) -> Any:
        return {"detail": [{"loc": ["body", field], "msg": "unknown"}]} if says_which else {"error": "bad request"}

    ready, target, _ = prepared(_refusing(*refused, text=text, status=status), ignore_eos=True)
    encoded = target.encode(Draft(0, "x")).raw
    for field in ("stream_options", "ignore_eos"):
        assert (field.encode() in encoded) == (field not in refused)
    assert ready.notes[0].startswith(f"the server refuses {' and '.join(sorted(refused))}: left out (")


def test_a_bad_request_for_another_reason_is_said_as_it_was() -> None:
    script = _refusing("model", text=lambda _: {"error": {"message": "temperature out of range"}}, status=400)
    assert complaint_of(script).endswith("is answered with 400: temperature out of range")


def test_fields_that_were_not_sent_are_not_left_out() -> None:
    script = _refusing("model", text=lambda _: {"error": "no"}, status=400)

    async def n_asked() -> int:
        async with scripted(script) as server:
            with pytest.raises(TargetError):
                await target_at(server.url, stream=False).prepare()
            return sum(one.call == CHAT for one in server.asked)

    assert asyncio.run(n_asked()) == 1


def test_a_server_that_says_nothing_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.SHORTEST_PATIENCE_S", 0.1)

    async def prepare() -> None:
        async with scripted(script_of({CHAT: None})) as server:
            service = {"kind": "openai", "url": server.url, "model": "m"}
            await target_for(recipe_from_dict({"service": service, "load": {"timeout_s": 0.2}})).prepare()

    with pytest.raises(TargetError, match=r"no whole answer within 0\.2 s"):
        asyncio.run(prepare())


def test_an_answer_that_goes_on_and_on_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_ANSWER_BYTES", 1000)
    endless = events(*[CONTENT] * 1000, done=False)
    ready, _, _ = prepared(script_of({CHAT: endless}))
    assert ready.notes == ()  # whether a usage figure would have come is not known


def test_a_stream_that_does_not_end_is_left_when_enough_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ENOUGH_S", 0.0)
    monkeypatch.setattr(probe, "ENOUGH_PARTS", 3)
    head, _, rest = events(CONTENT, done=False).partition(b"\r\n\r\n")
    one_chunk = rest.removesuffix(b"0\r\n\r\n")

    async def prepare() -> Readiness:
        async with scripted(script_of({CHAT: head + b"\r\n\r\n" + one_chunk * 10}), hangs_up=False) as server:
            return await target_at(server.url).prepare()

    assert asyncio.run(prepare()).notes == ()


def test_what_is_no_http_is_said() -> None:
    assert "does not answer in HTTP (" in complaint_of(lambda _: b"220 mail.example ESMTP\r\n")


def test_a_connection_that_is_closed_without_an_answer_is_said() -> None:
    assert "the connection was closed before a whole answer had come (" in complaint_of(lambda _: b"")


def test_an_answer_that_breaks_off_is_said() -> None:
    assert "the connection was closed before a whole answer had come (" in complaint_of(script_of({CHAT: GOOD[:-20]}))


def test_a_stream_that_falls_silent_in_the_middle_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.SHORTEST_PATIENCE_S", 0.1)
    silent = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\ndata: {}\n\n"

    async def prepare() -> None:
        async with scripted(script_of({CHAT: silent}), hangs_up=False) as server:
            service = {"kind": "openai", "url": server.url, "model": "m"}
            await target_for(recipe_from_dict({"service": service, "load": {"timeout_s": 0.2}})).prepare()

    with pytest.raises(TargetError, match=r"no whole answer within 0\.2 s"):
        asyncio.run(prepare())


def test_a_server_without_the_page_and_without_models_gives_its_reason() -> None:
    complaint = complaint_of(script_of({"GET /v1/models": answer({"data": []})}))
    assert complaint.endswith("POST /v1/chat/completions is answered with 404: no such page")


def test_a_server_that_has_no_models_at_all_says_so() -> None:
    pages = {"POST /api/chat": answer({"error": "model 'm' not found"}, 404), "GET /api/tags": answer({"models": []})}
    assert complaint_of(script_of(pages), "ollama").endswith("has no model m; there are: none")


def test_a_server_that_answers_to_any_model_name_is_noted() -> None:
    ready, _, _ = prepared(script_of({CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "other"}]})}))
    assert ready.notes == ("the server answers to m, but does not list it; there are: other",)


def test_a_model_that_is_listed_with_a_tag_is_the_same() -> None:
    ready, _, _ = prepared(script_of({CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "m:latest"}]})}))
    assert ready.notes == ()
