"""Real servers: recipe in, bundle out, and every count held against the server's own figures and the raw bytes."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import loadgen
from raw_stream import Reading, Recorder, read_answer, recording
from servers.process import Server

N_REQUESTS = 6
PROMPTS = [
    "Once upon a time there was a",
    'Say "héllo ✓" and a backslash \\ to 世界.',
    "One, two, three, four,",
]


class Dialect(NamedTuple):
    server: str  # as in servers/
    kind: str  # the recipe's service.kind
    operation: str
    path: str = ""  # what the recipe's URL has after the port


DIALECTS = [
    Dialect("llamacpp", "openai", "chat"),
    Dialect("llamacpp", "openai", "completion", "/v1"),
    Dialect("ollama", "ollama", "chat"),
    Dialect("ollama", "ollama", "completion"),
    Dialect("ollama", "openai", "chat", "/v1"),
    Dialect("vllm", "vllm", "chat"),
    Dialect("vllm", "vllm", "completion"),
    Dialect("transformers", "openai", "chat"),
]
LIGHT = {"llamacpp"}


def cases() -> list[Any]:
    return [
        pytest.param(
            dialect,
            engine,
            marks=[] if dialect.server in LIGHT else [pytest.mark.heavy],
            id=f"{dialect.server}-{dialect.kind}-{dialect.operation}-{engine}",
        )
        for dialect in DIALECTS
        for engine in ("native", "portable")
    ]


def recipe_for(dialect: Dialect, url: str, model: str, engine: str) -> dict[str, Any]:
    return {
        "name": f"{dialect.server}_{dialect.operation}",
        "service": {"kind": dialect.kind, "url": url + dialect.path, "model": model},
        "workload": {
            "operation": dialect.operation,
            "prompts": {"kind": "inline", "list": PROMPTS},
            "output_tokens": 16,
            "options": {"temperature": 0},
        },
        "load": {
            "concurrency": 3,
            "requests": N_REQUESTS,
            "warmup_s": 0,
            "engine": engine,
            "timeout_s": 240,  # a busy machine is slow, and that is not what is tested here
            "give_up_s": 240,
        },
    }


class Run(NamedTuple):
    lines: list[dict[str, Any]]  # of requests.jsonl
    summary: dict[str, Any]
    readings: dict[str, Reading]  # by X-Request-Id
    recorder: Recorder


def run_through_proxy(dialect: Dialect, server: Server, engine: str, folder: Path) -> Run:
    with recording(server.url) as recorder:
        recipe = recipe_for(dialect, recorder.url, server.model, engine)
        bundle = loadgen.run(recipe, results=folder / "results", reports=folder / "reports").bundle
    lines = [json.loads(line) for line in (bundle.folder / "requests.jsonl").read_text().splitlines()]
    readings = {line["request_id"]: read_answer(recorder.only(line["request_id"]).answered) for line in lines}
    assert bundle.summary is not None
    return Run(lines, bundle.summary, readings, recorder)


@pytest.mark.timeout(600)
@pytest.mark.parametrize(("dialect", "engine"), cases())
def test_every_count_agrees_with_the_raw_stream(
    dialect: Dialect, engine: str, start_server: Callable[[str], Server], tmp_path: Path
) -> None:
    run = run_through_proxy(dialect, start_server(dialect.server), engine, tmp_path)
    assert len(run.lines) == N_REQUESTS
    for line in run.lines:
        assert_line_agrees(line, run.readings[line["request_id"]])
        exchange = run.recorder.only(line["request_id"])
        assert line["response_bytes"] == len(exchange.answered)
        assert line["request_bytes"] == len(exchange.asked)
    assert_totals_agree(run)


def assert_line_agrees(line: dict[str, Any], reading: Reading) -> None:
    assert line["outcome"] == "ok"
    assert line["http_status"] == reading.status == 200
    assert line["n_events"] == reading.n_content_events > 0
    assert len(line["itl_ns"]) == reading.n_content_events - 1
    assert line["finish_reason"] == reading.finish_reason
    if reading.output_tokens is None:
        assert line["token_source"] == "events"
        assert line["output_tokens"] == reading.n_content_events
    else:
        assert line["token_source"] == "usage"
        assert (line["prompt_tokens"], line["output_tokens"]) == (reading.prompt_tokens, reading.output_tokens)
    assert_durations_agree(line, reading.documents[-1])


def assert_durations_agree(line: dict[str, Any], last: dict[str, Any]) -> None:
    """Ollama's own durations, which only its own dialect has."""
    names = {"server_total_ns": "total_duration", "server_load_ns": "load_duration", "server_eval_ns": "eval_duration"}
    for ours, theirs in names.items():
        assert line.get(ours) == last.get(theirs)


def assert_totals_agree(run: Run) -> None:
    summary, readings = run.summary, run.readings.values()
    assert summary["requests"]["succeeded"] == len(readings)
    assert summary["requests"]["failed"] == 0
    assert summary["total_output_tokens"] == sum(line["output_tokens"] for line in run.lines)
    if all(reading.prompt_tokens is not None for reading in readings):
        assert summary["total_output_tokens"] == sum(reading.output_tokens or 0 for reading in readings)
        assert summary["total_prompt_tokens"] == sum(reading.prompt_tokens or 0 for reading in readings)
