"""The probe before the load: what each odd answer leads to, in one line for a person."""

import asyncio
import socket
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from loadgen.errors import TargetError
from loadgen.plan.model import Draft
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Readiness, Target, probe, target_for
from tests.targets.scripted_http import Asked, Script, answer, behind_tls, events, lines, scripted

CHAT = "POST /v1/chat/completions"
CONTENT = {"choices": [{"delta": {"content": "Hi"}}]}
USAGE = {"choices": [], "usage": {"prompt_tokens": 1, "completion_tokens": 1}}
GOOD = events(CONTENT, USAGE)


def _target(url: str, kind: str = "openai", service: dict[str, Any] | None = None, **workload: Any) -> Target:
    described = {"kind": kind, "url": url, "model": "m", **(service or {})}
    return target_for(recipe_from_dict({"service": described, "workload": workload}))


def _script(answers: dict[str, bytes | None]) -> Script:
    return lambda asked: answers.get(asked.call, answer({"error": "no such page"}, 404))


def _prepared(script: Script, kind: str = "openai", **options: Any) -> tuple[Readiness, Target, list[Asked]]:
    async def prepare() -> tuple[Readiness, Target, list[Asked]]:
        async with scripted(script) as server:
            target = _target(server.url, kind, **options)
            return await target.prepare(), target, server.asked

    return asyncio.run(prepare())


def _complaint(script: Script, kind: str = "openai", **options: Any) -> str:
    with pytest.raises(TargetError) as caught:
        _prepared(script, kind, **options)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_good_server_is_ready_without_a_note() -> None:
    ready, _, asked = _prepared(
        _script({CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "m", "root": "/x", "created": 7}]})})
    )
    assert ready.notes == ()
    assert [one.call for one in asked if one.method == "POST"] == [CHAT]
    assert ready.service["model_details"] == {"id": "m", "root": "/x"}
    assert (ready.service["kind"], ready.service["version"], ready.service["model"]) == ("openai", None, "m")
    assert ready.service["port"] == ready.address.port


def test_the_probe_has_a_few_tokens_and_the_same_shape_as_the_load() -> None:
    _, target, asked = _prepared(_script({CHAT: GOOD}), options={"temperature": 0})
    body = asked[0].body
    assert body["max_tokens"] <= 8
    assert b'"temperature":0' in target.encode(Draft(0, "x")).raw
    assert set(body) == {"model", "messages", "stream", "max_tokens", "stream_options", "temperature"}


def test_a_refused_connection_is_said() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(TargetError, match=rf"^http://127.0.0.1:{port}: connection refused"):
        asyncio.run(_target(f"http://127.0.0.1:{port}").prepare())


def test_a_name_that_does_not_resolve_is_said() -> None:
    with pytest.raises(TargetError, match=r"the name no-such-host\.invalid does not resolve"):
        asyncio.run(_target("http://no-such-host.invalid:8000").prepare())


@pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
def test_a_name_of_both_families_is_reached_at_the_one_that_listens(
    family: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(host: str, port: int, **_: Any) -> list[tuple[int, int, int, str, Any]]:
        stream = (socket.SOCK_STREAM, 0, "")
        return [(socket.AF_INET6, *stream, ("::1", port, 0, 0)), (socket.AF_INET, *stream, ("127.0.0.1", port))]

    async def prepare() -> Readiness:
        async with scripted(_script({CHAT: GOOD}), family) as server:
            target = _target(f"http://both.example:{server.url.rpartition(':')[2]}")
            monkeypatch.setattr(probe, "_resolve", lambda url: both(url.host, url.port))
            return await target.prepare()

    address = asyncio.run(prepare()).address
    assert (address.family, address.server_name) == (family, "both.example")
    assert address.host == ("127.0.0.1" if family == socket.AF_INET else "::1")


def test_an_ipv6_address_is_reached() -> None:
    async def prepare() -> tuple[Readiness, list[Asked]]:
        async with scripted(_script({CHAT: GOOD}), socket.AF_INET6) as server:
            return await _target(server.url).prepare(), server.asked

    ready, asked = asyncio.run(prepare())
    assert ready.address.host == "::1"
    assert asked[0].headers["host"] == f"[::1]:{ready.address.port}"


@pytest.mark.parametrize("status", [401, 403])
def test_a_refusal_says_whether_a_key_is_missing_or_wrong(status: int) -> None:
    script = _script({CHAT: answer({"error": {"message": "who are you?"}}, status)})
    assert f"is refused ({status}): set service.api_key: who are you?" in _complaint(script)
    with_key = _complaint(script, service={"api_key": "k-123456"})
    assert "service.api_key is not accepted: who are you?" in with_key


def test_a_key_that_the_server_repeats_is_not_shown() -> None:
    script = _script({CHAT: answer({"error": {"message": "bad key k-123456"}}, 401)})
    complaint = _complaint(script, service={"api_key": "k-123456"})
    assert "k-123456" not in complaint
    assert "***" in complaint


def test_a_model_that_is_not_there_is_said_with_those_that_are() -> None:
    models = answer({"data": [{"id": f"model-{i}"} for i in range(10)]})
    missing = answer({"error": {"message": "The model `m` does not exist."}}, 404)
    complaint = _complaint(_script({CHAT: missing, "GET /v1/models": models}))
    assert "has no model m; there are: model-0, model-1" in complaint
    assert complaint.endswith("and 2 more")


def test_an_address_without_the_api_is_said() -> None:
    assert "no openai API here: /v1/chat/completions is answered with 404 (no such page)" in _complaint(_script({}))


def test_another_404_gives_the_servers_reason() -> None:
    models = answer({"data": [{"id": "m"}]})
    complaint = _complaint(_script({CHAT: answer({"detail": "not for you"}, 404), "GET /v1/models": models}))
    assert complaint.endswith("POST /v1/chat/completions is answered with 404: not for you")


def test_an_html_page_is_said() -> None:
    page = answer("<!DOCTYPE html><html><body>Welcome</body></html>", kind="text/html")
    assert "is answered with an HTML page, not with JSON: is service.url right?" in _complaint(_script({CHAT: page}))


def test_an_html_page_without_its_content_type_is_noticed_too() -> None:
    page = answer("\n<html>Welcome</html>", kind="text/plain")
    assert "an HTML page" in _complaint(_script({CHAT: page}))


def test_text_that_is_neither_json_nor_events_is_said() -> None:
    assert "neither JSON nor a stream of events (text/plain): hello" in _complaint(
        _script({CHAT: answer("hello", kind="text/plain")})
    )


def test_a_redirect_is_said() -> None:
    moved = answer("", 308, headers={"Location": "https://elsewhere.example/v1"})
    assert "redirect to https://elsewhere.example/v1: write that address" in _complaint(_script({CHAT: moved}))


def test_an_error_event_in_the_stream_is_said() -> None:
    script = _script({CHAT: events({"error": {"message": "out of memory"}})})
    assert _complaint(script).endswith("is answered with an error: out of memory")


@pytest.mark.parametrize("status", [429, 500, 503])
def test_a_failure_that_stays_is_said(status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.PAUSE_S", 0)
    complaint = _complaint(_script({CHAT: answer({"error": "Loading model"}, status)}))
    assert f"is answered with {status}: Loading model" in complaint


def test_a_failure_that_passes_is_no_matter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.PAUSE_S", 0)
    answers = iter([answer({"error": "Loading model"}, 503), GOOD])
    ready, _, _ = _prepared(lambda asked: next(answers) if asked.call == CHAT else answer({}, 404))
    assert ready.notes == ()


def test_a_server_that_does_not_stream_is_noted() -> None:
    whole = answer({"choices": [{"message": {"content": "Hi"}}], "usage": {"completion_tokens": 1}})
    ready, _, _ = _prepared(_script({CHAT: whole}))
    assert ready.notes == ("the server does not stream: the answer comes whole, and ttft is the time to all of it",)


def test_one_document_is_no_oddity_where_no_stream_is_asked_for() -> None:
    whole = answer({"choices": [{"message": {"content": "Hi"}}], "usage": {"completion_tokens": 1}})
    ready, _, _ = _prepared(_script({CHAT: whole}), stream=False)
    assert ready.notes == ()


def test_a_server_without_usage_is_noted() -> None:
    ready, _, _ = _prepared(_script({CHAT: events(CONTENT, done=False)}))
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

    ready, target, _ = _prepared(_refusing(*refused, text=text, status=status), ignore_eos=True)
    encoded = target.encode(Draft(0, "x")).raw
    for field in ("stream_options", "ignore_eos"):
        assert (field.encode() in encoded) == (field not in refused)
    assert ready.notes[0].startswith(f"the server refuses {' and '.join(sorted(refused))}: left out (")


def test_a_bad_request_for_another_reason_is_said_as_it_was() -> None:
    script = _refusing("model", text=lambda _: {"error": {"message": "temperature out of range"}}, status=400)
    assert _complaint(script).endswith("is answered with 400: temperature out of range")


def test_fields_that_were_not_sent_are_not_left_out() -> None:
    script = _refusing("model", text=lambda _: {"error": "no"}, status=400)

    async def n_asked() -> int:
        async with scripted(script) as server:
            with pytest.raises(TargetError):
                await _target(server.url, stream=False).prepare()
            return sum(one.call == CHAT for one in server.asked)

    assert asyncio.run(n_asked()) == 1


def test_a_server_that_says_nothing_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.SHORTEST_PATIENCE_S", 0.1)

    async def prepare() -> None:
        async with scripted(_script({CHAT: None})) as server:
            service = {"kind": "openai", "url": server.url, "model": "m"}
            await target_for(recipe_from_dict({"service": service, "load": {"timeout_s": 0.2}})).prepare()

    with pytest.raises(TargetError, match=r"no whole answer within 0\.2 s"):
        asyncio.run(prepare())


def test_an_answer_that_goes_on_and_on_is_cut_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "MAX_ANSWER_BYTES", 1000)
    endless = events(*[CONTENT] * 1000, done=False)
    ready, _, _ = _prepared(_script({CHAT: endless}))
    assert ready.notes == ()  # whether a usage figure would have come is not known


def test_a_stream_that_does_not_end_is_left_when_enough_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "ENOUGH_S", 0.0)
    monkeypatch.setattr(probe, "ENOUGH_PARTS", 3)
    head, _, rest = events(CONTENT, done=False).partition(b"\r\n\r\n")
    one_chunk = rest.removesuffix(b"0\r\n\r\n")

    async def prepare() -> Readiness:
        async with scripted(_script({CHAT: head + b"\r\n\r\n" + one_chunk * 10}), hangs_up=False) as server:
            return await _target(server.url).prepare()

    assert asyncio.run(prepare()).notes == ()


def test_what_is_no_http_is_said() -> None:
    assert "does not answer in HTTP (" in _complaint(lambda _: b"SSH-2.0-OpenSSH_9.2\r\n")


def test_a_connection_that_is_closed_without_an_answer_is_said() -> None:
    assert "the connection was closed before a whole answer had come (" in _complaint(lambda _: b"")


def test_an_answer_that_breaks_off_is_said() -> None:
    assert "the connection was closed before a whole answer had come (" in _complaint(_script({CHAT: GOOD[:-20]}))


def test_a_stream_that_falls_silent_in_the_middle_times_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.SHORTEST_PATIENCE_S", 0.1)
    silent = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: 999\r\n\r\ndata: {}\n\n"

    async def prepare() -> None:
        async with scripted(_script({CHAT: silent}), hangs_up=False) as server:
            service = {"kind": "openai", "url": server.url, "model": "m"}
            await target_for(recipe_from_dict({"service": service, "load": {"timeout_s": 0.2}})).prepare()

    with pytest.raises(TargetError, match=r"no whole answer within 0\.2 s"):
        asyncio.run(prepare())


def test_a_server_without_the_page_and_without_models_gives_its_reason() -> None:
    complaint = _complaint(_script({"GET /v1/models": answer({"data": []})}))
    assert complaint.endswith("POST /v1/chat/completions is answered with 404: no such page")


def test_a_server_that_has_no_models_at_all_says_so() -> None:
    pages = {"POST /api/chat": answer({"error": "model 'm' not found"}, 404), "GET /api/tags": answer({"models": []})}
    assert _complaint(_script(pages), "ollama").endswith("has no model m; there are: none")


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory, need: Callable[[Any, str], Any]) -> Path:
    """A certificate for 127.0.0.1, signed by itself, with its key."""
    import shutil
    import subprocess

    openssl = need(shutil.which("openssl"), "openssl is not installed")
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    subject = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    made = [openssl, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", *subject]
    subprocess.run([*made, "-keyout", f"{path}.key", "-out", str(path)], check=True, capture_output=True)
    return path


def _tls(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, f"{certificate}.key")
    return context


def _prepared_with_tls(certificate: Path, tls: dict[str, Any], scheme: str = "https") -> Readiness:
    with behind_tls(_tls(certificate), GOOD) as url:
        return asyncio.run(_target(url.replace("https", scheme, 1), service={"tls": tls}).prepare())


def test_a_certificate_of_a_named_authority_is_accepted(certificate: Path) -> None:
    ready = _prepared_with_tls(certificate, {"ca_file": str(certificate)})
    assert (ready.address.tls, ready.address.tls_ca_file) == (True, str(certificate))


def test_verification_can_be_switched_off(certificate: Path) -> None:
    assert _prepared_with_tls(certificate, {"verify": False}).address.tls_verify is False


def test_a_certificate_of_nobody_known_is_said(certificate: Path) -> None:
    with pytest.raises(TargetError, match=r"its certificate is not accepted .*service\.tls\.ca_file"):
        _prepared_with_tls(certificate, {})


def test_plain_http_to_a_tls_port_is_said(certificate: Path) -> None:
    with pytest.raises(TargetError, match="this port speaks TLS: write https://"):
        _prepared_with_tls(certificate, {}, "http")


def test_plain_http_to_a_tls_port_that_says_so_is_said() -> None:
    refusal = answer("Client sent an HTTP request to an HTTPS server.\n", 400, "text/plain")
    assert "this port speaks TLS: write https:// in service.url" in _complaint(_script({CHAT: refusal}))


def test_tls_to_a_plain_port_is_said() -> None:
    async def prepare() -> None:
        async with scripted(lambda _: answer("", 400)) as server:
            server_url = server.url.replace("http", "https", 1)
            await _target(server_url).prepare()

    with pytest.raises(TargetError, match="this port does not speak TLS: write http://"):
        asyncio.run(prepare())


def test_a_port_that_never_answers_a_handshake_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CONNECT_TIMEOUT_S", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        target = _target(f"https://127.0.0.1:{silent.getsockname()[1]}")
        with pytest.raises(TargetError, match=r"no TLS handshake within 0\.2 s"):
            asyncio.run(target.prepare())


def test_tls_to_a_plain_port_that_keeps_silent_at_a_handshake_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "CONNECT_TIMEOUT_S", 0.2)

    async def prepare() -> None:
        async with scripted(lambda _: answer("", 404), silent_to_tls=True) as server:
            await _target(server.url.replace("http", "https", 1)).prepare()

    with pytest.raises(TargetError, match="this port does not speak TLS: write http://"):
        asyncio.run(prepare())


def test_a_server_that_answers_to_any_model_name_is_noted() -> None:
    ready, _, _ = _prepared(_script({CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "other"}]})}))
    assert ready.notes == ("the server answers to m, but does not list it; there are: other",)


def test_a_model_that_is_listed_with_a_tag_is_the_same() -> None:
    ready, _, _ = _prepared(_script({CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "m:latest"}]})}))
    assert ready.notes == ()


def test_an_authorities_file_that_is_not_there_is_said(tmp_path: Path) -> None:
    async def prepare() -> None:
        async with scripted(_script({})) as server:
            tls = {"ca_file": str(tmp_path / "none.pem")}
            await _target(server.url.replace("http", "https", 1), service={"tls": tls}).prepare()

    with pytest.raises(TargetError, match=r"service\.tls\.ca_file: .*none\.pem: No such file"):
        asyncio.run(prepare())


def test_vllm_gives_its_version_and_where_its_metrics_are() -> None:
    metrics = answer("vllm:num_requests_running 0\n", kind="text/plain")
    pages = {CHAT: GOOD, "GET /version": answer({"version": "0.32.0"}), "GET /metrics": metrics}
    ready, _, _ = _prepared(_script(pages), "vllm")
    assert ready.service["version"] == "0.32.0"
    assert ready.service["metrics_url"] == f"{ready.service['url']}/metrics"


def test_vllm_without_version_and_metrics_is_ready_all_the_same() -> None:
    ready, _, _ = _prepared(_script({CHAT: GOOD}), "vllm")
    assert (ready.service["version"], ready.service["metrics_url"]) == (None, None)


OLLAMA_LINES = (
    {"message": {"content": "Hi"}, "done": False},
    {"message": {"content": ""}, "done": True, "eval_count": 1, "load_duration": 2_500_000_000},
)
OLLAMA = {
    "POST /api/chat": lines(*OLLAMA_LINES),
    "GET /api/version": answer({"version": "0.17.4"}),
    "GET /api/tags": answer({"models": [{"name": "m:latest", "digest": "abc", "details": {"family": "llama"}}]}),
    "POST /api/show": answer({"details": {"family": "llama", "quantization_level": "Q4_1"}, "parameters": "stop x"}),
    "GET /api/ps": answer({"models": []}),
}


def test_ollama_describes_itself_and_its_model() -> None:
    service = _prepared(_script({**OLLAMA, "GET /api/ps": answer({"models": [{"name": "m:latest"}]})}), "ollama")[0]
    assert service.notes == ()
    assert service.service["version"] == "0.17.4"
    assert service.service["model_digest"] == "abc"
    assert service.service["model_details"] == {"family": "llama", "quantization_level": "Q4_1"}
    assert service.service["model_parameters"] == "stop x"


def test_a_model_that_ollama_had_to_load_is_noted() -> None:
    ready, _, _ = _prepared(_script(OLLAMA), "ollama")
    assert ready.notes == ("the model had to be loaded first: 2.5 s, before the measurement",)


def test_ollama_is_not_asked_to_ignore_eos_and_that_is_noted() -> None:
    ready, target, _ = _prepared(_script(OLLAMA), "ollama", ignore_eos=True)
    assert "Ollama knows no ignore_eos: answers may be shorter than output_tokens" in ready.notes
    assert b"ignore_eos" not in target.encode(Draft(0, "x")).raw


def test_a_model_that_ollama_does_not_have_is_said_with_those_it_has() -> None:
    pages = {**OLLAMA, "POST /api/chat": answer({"error": "model 'x' not found"}, 404)}
    complaint = _complaint(_script(pages), "ollama", service={"model": "x"})
    assert complaint.endswith("has no model x; there are: m:latest")


def test_ollama_that_does_not_stream_is_noted() -> None:
    pages = {**OLLAMA, "POST /api/chat": answer({**OLLAMA_LINES[1], "message": {"content": "Hi"}})}
    ready, _, _ = _prepared(_script(pages), "ollama")
    assert any(note.startswith("the server does not stream") for note in ready.notes)


def test_an_ollama_error_line_is_said() -> None:
    pages = {**OLLAMA, "POST /api/chat": lines({"error": "llama runner process has terminated"})}
    assert _complaint(_script(pages), "ollama").endswith("an error: llama runner process has terminated")


def test_each_operation_is_probed() -> None:
    pages = {CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "m"}]})}
    complaint = _complaint(_script(pages), operations={"chat": 1, "embeddings": 1})
    assert complaint.endswith("POST /v1/embeddings is answered with 404: no such page")


def test_embeddings_need_no_stream_and_no_usage() -> None:
    pages = {"POST /v1/embeddings": answer({"data": [{"embedding": [0.1]}]})}
    assert _prepared(_script(pages), operation="embeddings")[0].notes == ()


def _web(script: Script, **request: Any) -> Readiness:
    async def prepare() -> Readiness:
        async with scripted(script) as server:
            service = {"kind": "http", "url": server.url, "headers": {"X-A": "1"}}
            return await target_for(
                recipe_from_dict({"service": service, "workload": {"requests": [request]}})
            ).prepare()

    return asyncio.run(prepare())


def test_any_web_page_is_ready() -> None:
    ready = _web(_script({"GET /x": answer("<html></html>", kind="text/html")}), path="/x")
    assert ready.notes == ()
    assert (ready.service["kind"], ready.service["model"]) == ("http", None)


def test_a_page_that_is_not_there_is_noted() -> None:
    assert _web(_script({}), path="/x").notes == ("GET /x is answered with 404",)
