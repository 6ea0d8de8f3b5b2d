"""Recipes of several named services: each seen as a recipe of its own, and mistakes named where they stand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.recipe import Recipe, load_recipe, recipe_from_dict
from loadgen.targets import target_for

TEXT = """\
seed: 7
services:
  chat: {kind: ollama, model: m, settings: {why: a test}}
  pages: {kind: http, url: 'http://u:pass1234@h:80'}
workloads:
  chat: {operation: completion, output_tokens: 8}
loads:
  chat: {concurrency: 2}
  pages: {mode: open, rate_per_s: 5}
slo:
  - chat.p99_ttft < 1 s
  - p99 < 2 s
  - pages.success_ratio >= 99 %
"""


def test_each_service_is_a_recipe_of_its_own(recipe_of: Callable[..., Recipe]) -> None:
    (first, chat), (second, pages) = recipe_of(TEXT).parts()
    assert (first, second) == ("chat", "pages")
    assert (chat.service.kind, chat.workload.weights, chat.load.concurrency) == ("ollama", {"generate": 1.0}, 2)
    assert (pages.service.kind, pages.workload.weights, pages.load.rate_per_s) == ("http", {"get": 1.0}, 5)
    assert {part.seed for part in (chat, pages)} == {7}
    assert {part.name for part in (chat, pages)} == {"chat"}  # the file's
    assert chat.canonical()["service"]["settings"] == {"why": "a test"}
    assert [target_for(part).operations[0].name for part in (chat, pages)] == ["generate", "get"]


def test_a_service_without_workload_and_load_has_the_usual_ones(recipe_of: Callable[..., Recipe]) -> None:
    (_, part), _ = recipe_of("services: {a: {kind: simulator}, b: {kind: simulator}}").parts()
    assert (part.workload.weights, part.load.concurrency, part.load.duration_s) == ({"chat": 1.0}, 1, 10)


def test_one_service_is_one_part_without_a_name(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of("service: {kind: simulator}")
    assert recipe.parts() == [("", recipe)]


def test_promises_go_to_the_service_they_name_and_to_all_that_have_the_figure(
    recipe_of: Callable[..., Recipe],
) -> None:
    recipe = recipe_of(TEXT + "  - mean_itl < 1 s\n")
    parts = dict(recipe.parts())
    assert [slo.expression for slo in parts["chat"].slo] == ["chat.p99_ttft < 1 s", "p99 < 2 s", "mean_itl < 1 s"]
    assert [slo.expression for slo in parts["pages"].slo] == ["p99 < 2 s", "pages.success_ratio >= 99 %"]
    assert [(slo.service, slo.metric) for slo in recipe.slo] == [
        *(("chat", "ttft"), ("", "e2e"), ("pages", "success_ratio"), ("", "itl"))
    ]


def test_the_kept_recipe_is_plural_and_gives_the_same_again(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(TEXT)
    kept = json.loads(json.dumps(recipe.canonical()))
    assert not {"service", "workload", "load"} & kept.keys()
    assert kept["services"]["pages"]["url"] == "http://***@h:80"
    assert kept["workloads"]["chat"]["operation"] == "generate"
    assert recipe.redacted("not pass1234") == "not ***"
    assert dict(recipe.parts())["chat"].redacted("not pass1234") == "not ***"
    given = {"services.pages.url": "http://u:pass1234@h:80"}
    assert recipe_from_dict(kept, given).hash == recipe.hash


def test_a_variable_is_kept_by_its_name(recipe_of: Callable[..., Recipe], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PAGES", "http://secret-host")
    recipe = recipe_of(TEXT.replace("'http://u:pass1234@h:80'", '"${PAGES}"'))
    assert recipe.canonical()["services"]["pages"]["url"] == "${PAGES}"
    part = dict(recipe.parts())["pages"]
    assert part.service.url == "http://secret-host"
    assert part.canonical()["service"]["url"] == "${PAGES}"
    assert part.redacted("http://secret-host") == "***"


def test_fields_of_one_service_can_be_swept(recipe_of: Callable[..., Recipe]) -> None:
    text = TEXT + "sweep: {loads.chat.concurrency: [1, 4], services.chat.settings.why: [a, b], seed: [1]}"
    points = recipe_of(text).points()
    assert [point.parts()[0][1].load.concurrency for _, point in points] == [1, 1, 4, 4]
    assert [point.parts()[0][1].service.settings["why"] for _, point in points] == ["a", "b", "a", "b"]
    assert points[0][0] == {"loads.chat.concurrency": 1, "services.chat.settings.why": "a", "seed": 1}
    assert points[0][1].seed == points[0][1].parts()[1][1].seed == 1


def test_a_field_can_be_set_on_the_command_line(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(TEXT, loads__chat__concurrency="9", services__chat__model="1.50")
    chat = dict(recipe.parts())["chat"]
    assert (chat.load.concurrency, chat.service.model) == (9, "1.50")


def test_files_beside_the_recipe_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "asked.txt").write_text("hello\n")
    (tmp_path / "recipes" / "r.yaml").write_text(
        "services: {a: {kind: simulator}}\nworkloads: {a: {prompts: {kind: file, path: asked.txt}}}"
    )
    part = load_recipe("recipes/r.yaml").parts()[0][1]
    assert part.workload.prompts.path == "recipes/asked.txt"


TWO = "services: {a: {kind: simulator}, b: {kind: http, url: 'http://h'}}\n"

MISTAKES = {
    "services: {}": "services: must name each service, such as {llm: {kind: …}}, got nothing",
    "services: 5": "services: must name each service, such as {llm: {kind: …}}, got 5",
    "services: {1st: {kind: simulator}}": "services.1st: a name has letters, digits, _ and -, and a letter first",
    "services: {a: 5}": "services.a: must be a mapping such as {kind: simulator}, got 5",
    "services: {a: {}}": "services.a.kind: is missing: one of simulator",
    "services: {a: {kind: olama}}": "services.a.kind: unknown service 'olama', did you mean ollama?",
    "services: {a: {kind: http}}": "services.a.url: is missing",
    TWO + "service: {kind: simulator}": "service: with services it is services: {NAME: …}, one for each",
    TWO + "load: {concurrency: 5}": "load: with services it is loads: {NAME: …}, one for each",
    TWO + "loads: {c: {}}": "loads.c: there is no such service; there are a, b",
    TWO + "workloads: 5": "workloads: must be a mapping of services' names, got 5",
    TWO + "loads: {a: 5}": "loads.a: must be a mapping (name: value), got 5",
    TWO + "loads: {a: {concurency: 5}}": "loads.a.concurency: unknown field, did you mean concurrency?",
    TWO + "loads: {b: {mode: open}}": "loads.b.rate_per_s: is missing",
    TWO + "workloads: {b: {requests: [{path: x}]}}": "workloads.b.requests[0].path: must begin with /",
    TWO + "workloads: {a: {operation: generate}}": "workloads.a.operation: generate is Ollama's",
    TWO + "slo: [c.p99 < 1 s]": "slo[0]: unknown service 'c'; there are a, b",
    TWO + "slo: [b.p99_ttft < 1 s]": "slo[0]: ttft is not measured with a service of kind http",
    TWO + "slo: [recall > 0.9]": "slo[0]: recall is not measured with a service of kind simulator or http",
    TWO + "sweep: {load.concurrency: [1]}": "sweep.load.concurrency: is not a field that can be swept",
    TWO + "sweep: {loads.a.concurency: [1]}": "sweep.loads.a.concurency: is not a field that can be swept, did you",
    TWO + "sweep: {loads.c.concurrency: [1]}": "sweep.loads.c.concurrency: is not a field that can be swept",
    TWO + "sweep: {loads.a.concurrency: [1, 0]}": "sweep.loads.a.concurrency[1]: must be >= 1, got 0",
    TWO + "sweep: {loads.a: [{concurrency: 1}]}": "sweep.loads.a: is not a field that can be swept",
    "service: {kind: simulator}\nslo: [a.p99 < 1 s]": "slo[0]: there is one service here, and it has no name",
    "service: {kind: simulator}\nloads: {a: {}}": "loads: goes with services, several of them by name",
}


@pytest.mark.parametrize(("text", "line"), MISTAKES.items(), ids=[line[:50] for line in MISTAKES.values()])
def test_mistake_is_named(mistakes_of: Callable[..., list[str]], text: str, line: str) -> None:
    lines = mistakes_of(text)
    assert len(lines) == 1, lines
    number = text[: text.rstrip().rfind("\n") + 1].count("\n") + 1
    assert lines[0].startswith((f"chat.yaml:{number}: {line}", f"chat.yaml: {line}")), lines


def test_all_mistakes_come_at_once_with_their_lines(mistakes_of: Callable[..., list[str]]) -> None:
    text = """\
services:
  chat:
    kind: ollama
    modle: m
  pages: {kind: http, url: http://h}
loads:
  chat:
    concurrency: 0
  pages: {rate_per_s: 5}
slo:
  - chat.p99_ttft < 5
"""
    lines = [line.split(": ", 2)[:2] for line in mistakes_of(text)]
    assert lines == [
        ["chat.yaml:2", "services.chat.model"],
        ["chat.yaml:4", "services.chat.modle"],
        ["chat.yaml:8", "loads.chat.concurrency"],
        ["chat.yaml:9", "loads.pages.rate_per_s"],
        ["chat.yaml:11", "slo[0]"],
    ]
