"""Which engine carries a run."""

import socket
import sys
from typing import Any

import pytest

from loadgen.engine import choose_engine
from loadgen.engine.contract import Address, Job
from loadgen.errors import EngineError
from loadgen.plan.model import Wire

PLAIN = Address(socket.AF_INET, "127.0.0.1", 1, "127.0.0.1")
SECURED = Address(socket.AF_INET, "127.0.0.1", 1, "127.0.0.1", tls=True)


class SomePlan:
    """All that the choice asks of a plan."""

    def __init__(self, wire: Wire) -> None:
        self.wire = wire


def job(wire: Wire = Wire.HTTP, address: Address = PLAIN) -> Job:
    plan: Any = SomePlan(wire)
    return Job(plan, address)


@pytest.fixture
def _built() -> None:
    pytest.importorskip("loadgen.engine._native", reason="the native engine is not built")


@pytest.mark.usefixtures("_built")
@pytest.mark.parametrize("wire", [wire for wire in Wire if wire is not Wire.CALL])
def test_the_native_engine_is_taken_wherever_it_can_carry_the_load(wire: Wire) -> None:
    engine = choose_engine("auto", [job(wire), job()])
    assert (engine.name, engine.reason) == ("native", "it can carry this load")


def test_the_portable_engine_is_taken_where_the_recipe_says_so() -> None:
    engine = choose_engine("portable", [job()])
    assert (engine.name, engine.reason) == ("portable", "the recipe asks for it")


@pytest.mark.parametrize(("other", "word"), [(job(address=SECURED), "TLS"), (job(Wire.CALL), "client")])
def test_one_job_that_the_native_engine_cannot_carry_makes_it_the_portable_ones_run(other: Job, word: str) -> None:
    engine = choose_engine("auto", [job(), other])
    assert engine.name == "portable"
    assert word in engine.reason
    with pytest.raises(EngineError, match=f"load.engine: native cannot run here: .*{word}"):
        choose_engine("native", [job(), other])


def test_where_it_is_not_built_the_portable_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "loadgen.engine._native", None)
    monkeypatch.delattr("loadgen.engine._native", raising=False)
    engine = choose_engine("auto", [job()])
    assert engine.name == "portable"
    assert "not built" in engine.reason


def test_where_linux_is_not_the_portable_one_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "platform", "darwin")
    assert choose_engine("auto", [job()]).name == "portable"
