"""Targets against real servers: the probe, and requests that they take as they are encoded."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest

from loadgen.errors import TargetError
from loadgen.plan.model import Request
from loadgen.plan.payloads import Draft
from loadgen.recipe import recipe_from_dict
from loadgen.targets import Readiness, Target, target_for
from loadgen.targets.judge import events_of
from loadgen.targets.probe import Answer, ask
from loadgen.targets.url import parse_url
from servers.process import Server

HEAVY = pytest.mark.heavy
NAMES = [
    "llamacpp",
    pytest.param("ollama", marks=HEAVY),
    pytest.param("vllm", marks=HEAVY),
    pytest.param("transformers", marks=HEAVY),
]
KIND = {"ollama": "ollama", "vllm": "vllm"}


@pytest.fixture(params=NAMES)
def server(request: pytest.FixtureRequest, start_server: Callable[[str], Server]) -> Server:
    return start_server(request.param)


def _target(server: Server, model: str = "", kind: str = "", **workload: Any) -> Target:
    described = {"kind": kind or KIND.get(server.name, "openai"), "url": server.url, "model": model or server.model}
    return target_for(recipe_from_dict({"service": described, "workload": workload}))


def _prepared(server: Server, **options: Any) -> Readiness:
    return asyncio.run(_target(server, **options).prepare())


def _answered(ready: Readiness, request: Request) -> Answer:
    return ask(parse_url(ready.service["url"]), ready.address, request.raw, 60.0)


@pytest.mark.parametrize("stream", [True, False])
def test_a_chat_is_answered_as_it_is_encoded(server: Server, stream: bool) -> None:
    target = _target(server, stream=stream, ignore_eos=server.name != "ollama")
    ready = asyncio.run(target.prepare())
    answer = _answered(ready, target.encode(Draft(0, "Say é.", 5)))
    assert (answer.status, answer.complete) == (200, True)
    assert (len(events_of(answer)) > 1) == stream


def test_the_server_is_described(server: Server) -> None:
    service = _prepared(server).service
    assert service["url"] == server.url
    assert service["model"] == server.model
    if server.name in ("vllm", "ollama"):
        assert service["version"]
    if server.name == "vllm":
        assert service["metrics_url"] == f"{server.url}/metrics"
    if server.name == "ollama":
        assert len(service["model_digest"]) == 64
        assert service["model_details"]["format"] == "gguf"


def test_a_server_that_does_not_know_ignore_eos_goes_on_without(server: Server) -> None:
    notes = _prepared(server, ignore_eos=True).notes
    refused = any(note.startswith("the server refuses ignore_eos: left out (") for note in notes)
    assert refused == (server.name == "transformers")


def test_a_path_without_the_api_is_said(server: Server) -> None:
    elsewhere = Server(server.name, f"{server.url}/elsewhere", server.model, server.folder, server.process)
    with pytest.raises(TargetError, match=r"no [a-z]+ API here: .* is answered with 404"):
        _prepared(elsewhere)


def test_tls_to_the_servers_plain_port_is_said(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.probe.CONNECT_TIMEOUT_S", 1.0)
    behind = Server(server.name, server.url.replace("http", "https", 1), server.model, server.folder, server.process)
    with pytest.raises(TargetError, match="this port does not speak TLS: write http://"):
        _prepared(behind)


@pytest.mark.parametrize("name", [pytest.param("ollama", marks=HEAVY), pytest.param("vllm", marks=HEAVY)])
def test_a_model_that_is_not_there_is_said_with_those_that_are(
    name: str, start_server: Callable[[str], Server]
) -> None:
    server = start_server(name)
    with pytest.raises(TargetError, match=f"has no model nope; there are: {server.model}"):
        _prepared(server, model="nope")


@HEAVY
def test_ollama_speaks_openais_dialect_too(start_server: Callable[[str], Server]) -> None:
    assert _prepared(start_server("ollama"), kind="openai").notes == ()
