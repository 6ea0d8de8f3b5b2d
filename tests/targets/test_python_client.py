"""A user's own class as a target: found beside the recipe, made, tried, and its mistakes told in one line."""

import asyncio
import re
import socket
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from loadgen.errors import RecipeError, TargetError
from loadgen.plan.model import Wire
from loadgen.plan.plan import build_plan
from loadgen.recipe import load_recipe, recipe_from_dict
from loadgen.targets import Target, target_for
from loadgen.targets.python import NOWHERE, PythonTarget

RECIPE = "service: {kind: python, client: 'my_client:Client', settings: {port: 5, password: pass1234}}\n"

CLIENT = """
class Client:
    def __init__(self, settings, options):
        self.said = [settings["port"], options]
    async def open(self):
        self.said.append("open")
    async def request(self, operation, index, values):
        return b"answer"
    async def close(self):
        self.said.append("close")
"""


@pytest.fixture
def at_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with recipes/, to which the current one is set; imports leave nothing behind."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [*sys.path])
    (tmp_path / "recipes").mkdir()
    before = set(sys.modules)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.startswith(("loadgen_client_", "my_client", "my_package")):
            del sys.modules[name]


@pytest.fixture
def target_of(at_home: Path) -> Callable[..., Target]:
    """target_of(client, recipe) writes recipes/my_client.py and recipes/r.yaml."""

    def make(client: str, recipe: str = RECIPE) -> Target:
        (at_home / "recipes" / "my_client.py").write_text(client)
        (at_home / "recipes" / "r.yaml").write_text(recipe)
        return target_for(load_recipe("recipes/r.yaml"))

    return make


def client_of(target: Target) -> object:
    assert isinstance(target, PythonTarget)
    return target.client_factory()()


def test_a_class_beside_the_recipe_gets_settings_and_options(target_of: Callable[..., Target]) -> None:
    client = client_of(target_of(CLIENT, RECIPE + "workload: {options: {depth: 2}}"))
    assert client.said == [5, {"depth": 2}]  # type: ignore[attr-defined]


def test_each_connection_has_an_object_of_its_own(target_of: Callable[..., Target]) -> None:
    target = target_of(CLIENT)
    assert client_of(target) is not client_of(target)


def test_a_class_that_takes_nothing_gets_nothing(target_of: Callable[..., Target]) -> None:
    target = target_of("class Client:\n    async def request(self, operation, index, values): ...")
    assert type(client_of(target)).__name__ == "Client"


def test_the_recipe_runs_again_out_of_its_bundle(target_of: Callable[..., Target], at_home: Path) -> None:
    target_of(CLIENT)
    kept = load_recipe("recipes/r.yaml").canonical()
    assert kept["service"]["client"] == "recipes/my_client:Client"
    del kept["service"]["settings"]["password"]
    assert client_of(target_for(recipe_from_dict(kept)))


def test_a_module_of_a_package_beside_the_recipe_is_found(at_home: Path) -> None:
    package = at_home / "recipes" / "my_package"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "other.py").write_text("PORT = 5")
    (package / "inner.py").write_text("from .other import PORT\n" + CLIENT)
    (at_home / "recipes" / "r.yaml").write_text(RECIPE.replace("my_client", "my_package.inner"))
    assert client_of(target_for(load_recipe("recipes/r.yaml")))


def test_what_lies_beside_the_class_can_be_imported_by_it(target_of: Callable[..., Target], at_home: Path) -> None:
    (at_home / "recipes" / "my_client_words.py").write_text("WORD = b'answer'")
    assert client_of(target_of("from my_client_words import WORD\n" + CLIENT))


def test_the_plan_draws_operations_and_keys(target_of: Callable[..., Target], at_home: Path) -> None:
    workload = "workload: {operations: {read: 3, write: 1}, keys: 50}\nload: {duration_s: 1}"
    target = target_of(CLIENT, RECIPE + workload)
    plan = build_plan(load_recipe("recipes/r.yaml"), target)
    assert plan.wire is Wire.CALL
    assert [(one.name, one.expects_tokens) for one in plan.operations] == [("read", False), ("write", False)]
    dues = plan.draw(0, 10_000)
    assert np.mean(dues.payload == 0) == pytest.approx(0.75, abs=0.02)
    assert dues.values is not None
    assert set(dues.values[:, 0].tolist()) == set(range(50))


def test_a_generator_is_a_stream_of_tokens(target_of: Callable[..., Target]) -> None:
    target = target_of("class Client:\n    async def request(self, operation, index, values):\n        yield b'a'")
    assert target.operations[0].expects_tokens


COUNTED = """
    made = []
    def __new__(cls, *given):
        cls.made.append(object.__new__(cls))
        return cls.made[-1]
"""


def test_one_object_is_opened_and_closed_before_the_load(target_of: Callable[..., Target]) -> None:
    target = target_of(CLIENT + COUNTED)
    ready = asyncio.run(target.prepare())
    assert [one.said[2:] for one in type(client_of(target)).made[:-1]] == [["open", "close"]]  # type: ignore[attr-defined]
    assert ready.address == NOWHERE
    assert (ready.address.host, ready.address.family) == ("", socket.AF_UNSPEC)
    described = {name: ready.service[name] for name in ("kind", "name", "url", "port")}
    assert described == {"kind": "python", "name": "recipes/my_client:Client", "url": None, "port": None}


def test_a_service_that_is_not_there_is_said_with_the_line(target_of: Callable[..., Target]) -> None:
    target = target_of(CLIENT.replace('self.said.append("open")', "raise ConnectionRefusedError('not pass1234')"))
    with pytest.raises(TargetError) as caught:
        asyncio.run(target.prepare())
    assert str(caught.value) == "service.client: my_client.py:6: ConnectionRefusedError: not ***"


MISTAKES = {
    "class Client:\n    async def request(self: ...": r"my_client\.py:2: SyntaxError: ",
    "import os\nos.no_such_thing\n" + CLIENT: r"my_client\.py:2: AttributeError: module 'os' has no attribute",
    "import no_such_package\n" + CLIENT: r"my_client\.py:1: ModuleNotFoundError: No module named 'no_such_package'",
    "class Klient: ...": r"recipes/my_client has no class Client, did you mean Klient\?",
    "class Other: ...": r"recipes/my_client has no class Client; it has Other",
    "Client = 5": r"recipes/my_client:Client is no class",
    "class Client: ...": r"Client has no request: `async def request\(self, operation, index, values\)`",
    "class Client:\n    def request(self, operation, index, values): ...": r"Client needs an asynchronous request: ",
    CLIENT.replace("settings, options", "settings"): r"recipes/my_client:Client must take settings and opt",
}


@pytest.mark.parametrize(("client", "line"), MISTAKES.items(), ids=[line[:40] for line in MISTAKES.values()])
def test_a_mistake_in_the_class_is_one_line(target_of: Callable[..., Target], client: str, line: str) -> None:
    with pytest.raises(RecipeError) as caught:
        target_of(client)
    assert re.match(rf"service\.client: {line}", str(caught.value))
    assert "\n" not in str(caught.value)


def test_a_module_that_is_nowhere_is_said(at_home: Path) -> None:
    with pytest.raises(RecipeError, match="there is no module no_such_module, neither beside the recipe nor installed"):
        target_for(recipe_from_dict({"service": {"kind": "python", "client": "no_such_module:Client"}}))


def test_what_names_no_class_is_a_mistake_of_the_recipe() -> None:
    for client in ("my_client", "my_client:", ":Client", "a b:1"):
        with pytest.raises(RecipeError, match="must read MODULE:CLASS"):
            recipe_from_dict({"service": {"kind": "python", "client": client}})
