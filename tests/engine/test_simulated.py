"""Both engines against the simulator: a real server process, its paces and all its faults."""

import asyncio
import json
import os
import socket
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import pytest
from harness import Engine, KeepingSink
from plans import MS, SLOT, closed, ollama_plan_of, open_plan_of, over_pool, plan_of

from loadgen.engine.contract import Address, Ending, Live, Why
from loadgen.plan.model import Plan, Request, Slot, pool_of
from loadgen.records import NEVER, Outcome, TokenSource
from loadgen.simulator import FAULTS, SimulatorSettings, start_simulator

OUTCOMES = {
    "400": "client_error",
    "401": "client_error",
    "404": "client_error",
    "429": "rate_limited",
    "500": "server_error",
    "503": "server_error",
    "context_length": "context_length_exceeded",
    "html": "protocol_error",
    "stall": "timeout",
    "reset": "reset",
    "truncated": "reset",
    "error_event": "stream_error",
    "not_json": "protocol_error",
    "no_done": "ok",
    "role_only": "empty_output",
    "slow_head": "ok",
    "close": "ok",
}


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    """A fast simulator."""
    if find_spec("loadgen.simulator._native") is None:
        if os.environ.get("LOADGEN_REQUIRE") or os.environ.get("CI"):
            pytest.fail("the simulator is not built, and here it is required")
        pytest.skip("the simulator is not built")
    with start_simulator(SimulatorSettings(ttft_ms=2, itl_ms=1)) as simulator:
        yield simulator.url


def chat(n_tokens: int, *headers: str, path: str = "/v1/chat/completions", **fields: Any) -> Request:
    message = {"role": "user", "content": "hello"}
    document = {"model": "m", "messages": [message], "max_tokens": n_tokens, "stream": True, **fields}
    body = json.dumps(document)
    lines = [f"POST {path} HTTP/1.1", "Host: simulator", f"X-Request-Id: {SLOT.decode()}", *headers]
    raw = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", body]).encode()
    return Request(raw, (Slot(raw.index(SLOT)),))


def fire(engine: Engine, plan: Plan, url: str) -> tuple[Ending, np.ndarray, Path]:  # type: ignore[type-arg]
    """Records by index, and the lines' file."""
    where = urlsplit(url)
    sink = KeepingSink(engine.folder / "requests.jsonl")
    address = Address(socket.AF_INET, str(where.hostname), int(where.port or 0), str(where.hostname))
    with asyncio.Runner(loop_factory=engine.new_loop) as runner:
        ending = runner.run(engine.fire_at(plan, address, sink, Live()))
    return ending, np.sort(np.concatenate([block.records for block in sink.blocks]), order="index"), sink.path


def outcomes(records: np.ndarray) -> list[str]:  # type: ignore[type-arg]
    return [Outcome(number).name.lower() for number in records["outcome"]]


def test_every_token_is_counted(engine: Engine, url: str) -> None:
    pool = pool_of(iter([chat(number, stream_options={"include_usage": True}) for number in range(1, 21)]))
    plan = plan_of(200, pool=pool, draw=over_pool(closed(), 20), connections=16)
    ending, records, path = fire(engine, plan, url)
    assert set(outcomes(records)) == {"ok"}
    assert records["n_events"].tolist() == [index % 20 + 1 for index in range(200)]
    assert (records["output_tokens"] == records["n_events"]).all()
    assert set(records["token_source"].tolist()) == {TokenSource.USAGE}
    assert (records["first_token_at_ns"] - records["planned_at_ns"] >= 2 * MS).all(), "a token before the TTFT"
    assert len(path.read_bytes().splitlines()) == 200
    assert (ending.why, ending.n_sent) == (Why.DONE, 200)


def test_every_token_of_an_ollama_stream_is_counted(engine: Engine, url: str) -> None:
    requests = [chat(7, path="/api/chat", options={"num_predict": number}) for number in range(1, 9)]
    plan = ollama_plan_of(40, pool=pool_of(iter(requests)), draw=over_pool(closed(), 8), connections=4)
    _, records, _ = fire(engine, plan, url)
    assert set(outcomes(records)) == {"ok"}
    assert records["n_events"].tolist() == [index % 8 + 1 for index in range(40)]
    assert (records["output_tokens"] == records["n_events"]).all()
    assert (records["server_total_ns"] > records["server_eval_ns"]).all()
    assert (records["server_eval_ns"] > NEVER).all()


@pytest.mark.parametrize("fault", FAULTS)
def test_every_fault_has_its_outcome_and_hurts_no_other_request(engine: Engine, url: str, fault: str) -> None:
    pool = pool_of(iter([chat(6), chat(6, f"X-Simulate: {fault}")]))
    plan = plan_of(8, pool=pool, draw=over_pool(closed(), 2), timeout_ns=400 * MS, connections=2)
    _, records, _ = fire(engine, plan, url)
    assert outcomes(records) == ["ok", OUTCOMES[fault]] * 4


def test_whole_answers_are_read_too(engine: Engine, url: str) -> None:
    pool = pool_of(iter([chat(5, stream=False)]))
    _, records, _ = fire(engine, plan_of(10, pool=pool, connections=2), url)
    assert set(outcomes(records)) == {"ok"}
    assert set(records["n_events"].tolist()) == {1}
    assert set(records["output_tokens"].tolist()) == {5}


def test_an_open_loop_is_carried(engine: Engine, url: str) -> None:
    when_ns = [index * MS for index in range(300)]
    plan = open_plan_of(when_ns, pool=pool_of(iter([chat(5)])), connections=64)
    _, records, _ = fire(engine, plan, url)
    assert set(outcomes(records)) == {"ok"}
    assert records["planned_at_ns"].tolist() == when_ns
    assert (records["n_events"] == 5).all()
