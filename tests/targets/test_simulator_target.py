"""Targets against the simulator: started, probed, and stopped."""

import asyncio
import importlib.util
import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from loadgen.errors import RecipeError, TargetError
from loadgen.plan import build_plan
from loadgen.recipe import recipe_from_dict
from loadgen.simulator import SimulatorProcess, SimulatorSettings, start_simulator
from loadgen.targets import Readiness, target_for
from loadgen.targets.simulator import SimulatorTarget, simulator_settings

QUICK = {"kind": "simulator", "ttft_ms": 0, "itl_ms": 0}


@pytest.fixture(autouse=True)
def _native(need: Callable[[object, str], object]) -> None:
    need(importlib.util.find_spec("loadgen.simulator._native"), "the simulator is not built")


def _prepared(service: dict[str, Any], **workload: Any) -> tuple[Readiness, SimulatorTarget, str, str]:
    """Readiness, the target (closed), and the plan's digest before and after the probe."""
    recipe = recipe_from_dict({"service": {**QUICK, **service}, "workload": workload})

    async def prepare() -> tuple[Readiness, SimulatorTarget, str, str]:
        target = target_for(recipe)
        assert isinstance(target, SimulatorTarget)
        before = build_plan(recipe, target).digest
        try:
            ready = await target.prepare()
            return ready, target, before, build_plan(recipe, target).digest
        finally:
            await target.close()

    return asyncio.run(prepare())


@pytest.mark.parametrize(
    ("dialect", "operation"),
    [("openai", "chat"), ("openai", "completion"), ("ollama", "chat"), ("ollama", "generate")],
)
@pytest.mark.parametrize("stream", [True, False])
def test_the_simulator_is_ready_without_a_note(dialect: str, operation: str, stream: bool) -> None:
    ready, _, before, after = _prepared({"dialect": dialect}, operation=operation, stream=stream)
    assert ready.notes == ()
    assert (ready.address.host, ready.address.tls) == ("127.0.0.1", False)
    assert before == after  # its port is another one each time


def test_the_simulator_is_described_with_what_it_was_started_with() -> None:
    service = _prepared({"settings": {"why": "a test"}, "slots": 3})[0].service
    assert (service["kind"], service["name"], service["model"]) == ("simulator", "simulator", "simulator")
    assert service["settings"] == {
        "dialect": "openai",
        "ttft_ms": 0,
        "itl_ms": 0,
        "output_tokens": None,
        "slots": 3,
        "error_ratio": 0,
        "why": "a test",
    }


def test_the_simulator_stops_with_the_target() -> None:
    ready, _, _, _ = _prepared({})

    async def connects() -> bool:
        try:
            _, writer = await asyncio.open_connection(ready.address.host, ready.address.port)
        except ConnectionRefusedError:
            return False
        writer.close()
        return True

    assert not asyncio.run(connects())


def test_a_target_that_was_never_prepared_closes() -> None:
    asyncio.run(target_for(recipe_from_dict({"service": QUICK})).close())


def test_a_simulator_that_is_to_fail_always_is_ready_with_a_note(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("loadgen.targets.llm.PAUSE_S", 0)
    assert _prepared({"error_ratio": 1.0})[0].notes == ("the probe was answered with 500",)


def test_a_model_of_another_name_is_known_to_the_simulator() -> None:
    assert _prepared({"model": "tiny"})[0].service["model_details"]["id"] == "tiny"


def test_settings_go_to_the_simulator_as_the_recipe_has_them() -> None:
    service = {**QUICK, "itl_ms": {"dist": "lognormal", "mean": 5, "std": 1}, "output_tokens": {"mean": 9}, "slots": 2}
    recipe = recipe_from_dict({"service": service, "seed": 7})
    assert not isinstance(recipe.service, dict)
    settings = simulator_settings(recipe.service, recipe.seed)  # type: ignore[arg-type]
    assert (settings.slots, settings.seed, settings.ttft_ms) == (2, 7, 0)
    assert settings.itl_ms == {"dist": "lognormal", "mean": 5, "std": 1}


def test_settings_that_the_simulator_refuses_are_the_recipes_fault() -> None:
    recipe = recipe_from_dict({"service": {**QUICK, "ttft_ms": 1e12}})
    with pytest.raises(RecipeError, match=r"^service\.ttft_ms: must be"):
        simulator_settings(recipe.service, 0)  # type: ignore[arg-type]


@pytest.fixture
def faulty() -> Iterator[Callable[[str], SimulatorProcess]]:
    """faulty(fault) starts a simulator that answers everything so."""
    started: list[SimulatorProcess] = []

    def start(fault: str) -> SimulatorProcess:
        settings = SimulatorSettings(ttft_ms=0, itl_ms=0, error_ratio=1.0, faults={fault: 1.0}, models=("a", "b"))
        started.append(start_simulator(settings))
        return started[-1]

    yield start
    for process in started:
        process.stop()


def _complaint(url: str, kind: str, model: str = "a") -> str:
    service = {"kind": kind, "url": url, "model": model}
    target = target_for(recipe_from_dict({"service": service}))
    with pytest.raises(TargetError) as caught:
        asyncio.run(target.prepare())
    return str(caught.value)


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ("400", "is answered with 400"),
        ("401", "is refused (401): set service.api_key"),
        ("429", "is answered with 429"),
        ("500", "is answered with 500"),
        ("html", "an HTML page"),
        ("reset", "the connection was closed before a whole answer had come"),
        ("error_event", "is answered with an error: "),
    ],
)
@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_each_fault_is_one_line(
    faulty: Callable[[str], SimulatorProcess], fault: str, said: str, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("loadgen.targets.llm.PAUSE_S", 0)
    complaint = _complaint(faulty(fault).url, kind)
    assert said in complaint
    assert "\n" not in complaint


@pytest.mark.parametrize("kind", ["openai", "ollama"])
def test_a_model_that_is_not_there_is_said_with_those_that_are(kind: str) -> None:
    with start_simulator(SimulatorSettings(models=("a", "b"))) as simulator:
        assert "has no model c; there are: a" in _complaint(simulator.url, kind, "c")


def test_no_descriptor_stays_open() -> None:
    before = set(os.listdir("/proc/self/fd"))
    _prepared({})
    assert set(os.listdir("/proc/self/fd")) == before
