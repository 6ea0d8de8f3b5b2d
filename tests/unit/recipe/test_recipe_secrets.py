"""Variables are read and never written; secrets are masked wherever they stand."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.errors import RecipeError
from loadgen.recipe import Recipe, recipe_from_dict
from loadgen.recipe.secrets import masked_url
from loadgen.recipe.variables import read_env

SECRET = "sk-very-secret"

TEXT = """\
service:
  kind: openai
  url: ${URL}
  model: m
  api_key: ${KEY}
load:
  concurrency: ${CLIENTS}
"""


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"URL": "http://user:hunter22@h:8000", "KEY": SECRET, "CLIENTS": "8"}.items():
        monkeypatch.setenv(name, value)


@pytest.mark.usefixtures("environment")
def test_variable_is_read_and_only_its_name_is_kept(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(TEXT)
    assert recipe.service.api_key.get_secret_value() == SECRET
    assert recipe.load.concurrency == 8
    kept = recipe.canonical()
    assert (kept["service"]["url"], kept["service"]["api_key"], kept["load"]["concurrency"]) == (
        "${URL}",
        "${KEY}",
        "${CLIENTS}",
    )
    assert SECRET not in json.dumps(kept)
    assert "hunter22" not in repr(kept)
    assert recipe_from_dict(kept).hash == recipe.hash


def test_env_file_lies_beside_the_recipe_and_the_environment_wins(
    recipe_of: Callable[..., Recipe], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / ".env").write_text(f'# keys\nexport KEY="{SECRET}"\nURL=http://from-file\nCLIENTS=3 # three\n')
    monkeypatch.setenv("URL", "http://from-environment")
    recipe = recipe_of(TEXT)
    assert recipe.service.url == "http://from-environment"
    assert recipe.service.api_key.get_secret_value() == SECRET
    assert recipe.load.concurrency == 3


def test_unset_variable_is_named_with_its_place(
    mistakes_of: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("URL", "http://h")
    assert mistakes_of(TEXT) == [
        "chat.yaml:5: service.api_key: the variable KEY is not set, neither in the environment nor in .env",
        "chat.yaml:7: load.concurrency: the variable CLIENTS is not set, neither in the environment nor in .env",
    ]


def test_what_a_variable_holds_is_not_in_a_message(
    mistakes_of: Callable[..., list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"URL": f"ftp://{SECRET}", "KEY": SECRET + " ", "CLIENTS": SECRET}.items():
        monkeypatch.setenv(name, value)
    lines = mistakes_of(TEXT)
    assert [line.split(": ")[1] for line in lines] == ["service.url", "service.api_key", "load.concurrency"]
    assert lines[-1] == "chat.yaml:7: load.concurrency: must be a whole number, got what ${CLIENTS} holds"
    assert SECRET not in "".join(lines)


def test_dollar_doubled_is_no_variable(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of("service: {kind: simulator}\ndescription: costs $${NAME} and $5")
    assert recipe.description == "costs ${NAME} and $5"
    assert recipe_from_dict(recipe.canonical()).description == recipe.description


def test_literal_secrets_are_masked_and_asked_for_again(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(
        f"""\
service:
  kind: openai
  url: http://user:{SECRET}@h
  model: m
  api_key: {SECRET}
  headers: {{Authorization: Basic {SECRET}, X-Team: a}}
  settings: {{hf_token: {SECRET}}}
workload: {{options: {{api-key: {SECRET}, max_tokens: 5}}}}
"""
    )
    kept = recipe.canonical()
    assert SECRET not in json.dumps(kept)
    assert SECRET not in repr(recipe.service.api_key)
    assert kept["service"]["headers"] == {"Authorization": "***", "X-Team": "a"}
    assert kept["workload"]["options"] == {"api-key": "***", "max_tokens": 5}
    with pytest.raises(RecipeError) as caught:
        recipe_from_dict(kept, origin="BM-1")
    lines = str(caught.value).split("\n")
    assert len(lines) == 3
    assert all("give it again with --set service." in line for line in lines)
    given = {
        "service.url": f"http://user:{SECRET}@h",
        "service.api_key": SECRET,
        "service.headers": f"{{Authorization: Basic {SECRET}, X-Team: a}}",
    }
    assert recipe_from_dict(kept, given).hash == recipe.hash


@pytest.mark.usefixtures("environment")
def test_redacted_text_holds_no_secret(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(TEXT)
    assert recipe.redacted(f"401 for {SECRET} at http://user:hunter22@h:8000, 8 times") == "401 for *** at ***, 8 times"
    assert SECRET in recipe.secrets()


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("http://h:80/v1", "http://h:80/v1"),
        ("http://user:pass@h", "http://***@h"),
        ("http://user:${PASS}@h", "http://user:${PASS}@h"),
        ("/a?token=abc&n=5&api_key=x", "/a?token=***&n=5&api_key=***"),
    ],
)
def test_addresses_are_masked_in_their_secret_parts_only(url: str, expected: str) -> None:
    assert masked_url(url) == expected


def test_env_file_understands_the_usual_forms() -> None:
    text = "A=1\nexport B = 'x y'\n#C=3\n\nD=\"#\"\nE=a#b # c\nF=\nnonsense\n"
    assert read_env(text) == {"A": "1", "B": "x y", "D": "#", "E": "a#b", "F": ""}
