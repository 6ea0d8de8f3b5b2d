"""The probe of each kind of service: what it says of itself, and what only that kind does."""

import asyncio
from typing import Any

from loadgen.plan.payloads import Draft
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Readiness, target_for
from tests.targets.probing import CHAT, GOOD, complaint_of, prepared, script_of
from tests.targets.scripted_http import Script, answer, lines, scripted


def test_vllm_gives_its_version_and_where_its_metrics_are() -> None:
    metrics = answer("vllm:num_requests_running 0\n", kind="text/plain")
    pages = {CHAT: GOOD, "GET /version": answer({"version": "0.32.0"}), "GET /metrics": metrics}
    ready, _, _ = prepared(script_of(pages), "vllm")
    assert ready.service["version"] == "0.32.0"
    assert ready.service["metrics_url"] == f"{ready.service['url']}/metrics"


def test_vllm_without_version_and_metrics_is_ready_all_the_same() -> None:
    ready, _, _ = prepared(script_of({CHAT: GOOD}), "vllm")
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
    service = prepared(script_of({**OLLAMA, "GET /api/ps": answer({"models": [{"name": "m:latest"}]})}), "ollama")[0]
    assert service.notes == ()
    assert service.service["version"] == "0.17.4"
    assert service.service["model_digest"] == "abc"
    assert service.service["model_details"] == {"family": "llama", "quantization_level": "Q4_1"}
    assert service.service["model_parameters"] == "stop x"


def test_a_model_that_ollama_had_to_load_is_noted() -> None:
    ready, _, _ = prepared(script_of(OLLAMA), "ollama")
    assert ready.notes == ("the model had to be loaded first: 2.5 s, before the measurement",)


def test_ollama_is_not_asked_to_ignore_eos_and_that_is_noted() -> None:
    ready, target, _ = prepared(script_of(OLLAMA), "ollama", ignore_eos=True)
    assert "Ollama knows no ignore_eos: answers may be shorter than output_tokens" in ready.notes
    assert b"ignore_eos" not in target.encode(Draft(0, "x")).raw


def test_a_model_that_ollama_does_not_have_is_said_with_those_it_has() -> None:
    pages = {**OLLAMA, "POST /api/chat": answer({"error": "model 'x' not found"}, 404)}
    complaint = complaint_of(script_of(pages), "ollama", service={"model": "x"})
    assert complaint.endswith("has no model x; there are: m:latest")


def test_ollama_that_does_not_stream_is_noted() -> None:
    pages = {**OLLAMA, "POST /api/chat": answer({**OLLAMA_LINES[1], "message": {"content": "Hi"}})}
    ready, _, _ = prepared(script_of(pages), "ollama")
    assert any(note.startswith("the server does not stream") for note in ready.notes)


def test_an_ollama_error_line_is_said() -> None:
    pages = {**OLLAMA, "POST /api/chat": lines({"error": "llama runner process has terminated"})}
    assert complaint_of(script_of(pages), "ollama").endswith("an error: llama runner process has terminated")


def test_each_operation_is_probed() -> None:
    pages = {CHAT: GOOD, "GET /v1/models": answer({"data": [{"id": "m"}]})}
    complaint = complaint_of(script_of(pages), operations={"chat": 1, "embeddings": 1})
    assert complaint.endswith("POST /v1/embeddings is answered with 404: no such page")


def test_embeddings_need_no_stream_and_no_usage() -> None:
    pages = {"POST /v1/embeddings": answer({"data": [{"embedding": [0.1]}]})}
    assert prepared(script_of(pages), operation="embeddings")[0].notes == ()


def _web(script: Script, **request: Any) -> Readiness:
    async def prepare() -> Readiness:
        async with scripted(script) as server:
            service = {"kind": "http", "url": server.url, "headers": {"X-A": "1"}}
            return await target_for(
                recipe_from_dict({"service": service, "workload": {"requests": [request]}})
            ).prepare()

    return asyncio.run(prepare())


def test_any_web_page_is_ready() -> None:
    ready = _web(script_of({"GET /x": answer("<html></html>", kind="text/html")}), path="/x")
    assert ready.notes == ()
    assert (ready.service["kind"], ready.service["model"]) == ("http", None)


def test_a_page_that_is_not_there_is_noted() -> None:
    assert _web(script_of({}), path="/x").notes == ("GET /x is answered with 404",)


def test_what_a_web_server_calls_itself_is_its_version() -> None:
    page = answer("", kind="text/plain", headers={"Server": "nginx/1.22.1"})
    assert _web(script_of({"GET /x": page}), path="/x").service["version"] == "nginx/1.22.1"
