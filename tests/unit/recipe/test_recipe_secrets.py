"""Variables are read and never written; secrets are masked wherever they stand."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated

import pytest
from pydantic import SecretStr, TypeAdapter

from loadgen.errors import RecipeError
from loadgen.recipe import Recipe, recipe_from_dict
from loadgen.recipe.secrets import masked_url, secrets_in
from loadgen.recipe.service import ServiceSection, url_type
from loadgen.recipe.variables import read_env

SECRET = "sk-very-secret"

URLS = TypeAdapter(Annotated[str, url_type("redis", "rediss", "unix", plain="redis")])

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
    assert len(lines) == 4
    assert all("was a secret and is not kept in bundles: give it again with --set " in line for line in lines)
    given = {
        "workload.options.api-key": SECRET,
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
        ("https://token@h", "https://***@h"),
        ("postgresql://postgres@h/db", "postgresql://postgres@h/db"),
        ("postgresql://u:p@h/db?sslmode=require", "postgresql://u:***@h/db?sslmode=require"),
        ("postgresql://u@h/db?password=p", "postgresql://u@h/db?password=***"),
        ("redis://:p%40ss@h:6379/5", "redis://:***@h:6379/5"),
        ("redis://u:${PASS}@h", "redis://u:${PASS}@h"),
    ],
)
def test_addresses_are_masked_in_their_secret_parts_only(url: str, expected: str) -> None:
    assert masked_url(url) == expected


def test_env_file_understands_the_usual_forms() -> None:
    text = "A=1\nexport B = 'x y'\n#C=3\n\nD=\"#\"\nE=a#b # c\nF=\nnonsense\n"
    assert read_env(text) == {"A": "1", "B": "x y", "D": "#", "E": "a#b", "F": ""}


def test_a_password_that_is_part_of_a_word_leaves_the_word_alone(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of("service: {kind: http, url: 'http://admin:http@h'}")
    assert recipe.redacted("https://h says: http is wrong") == "https://h says: http is wrong"  # it is the kind, too
    recipe = recipe_of("service: {kind: http, url: 'http://admin:page@h'}")
    assert recipe.redacted("pages: the password page is wrong") == "pages: the password *** is wrong"


def test_a_password_is_hidden_as_it_is_written_and_as_it_is_sent(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of("service: {kind: http, url: 'http://admin:p%40ssw0rd@h'}")
    assert recipe.redacted("p%40ssw0rd is p@ssw0rd") == "*** is ***"


@pytest.mark.parametrize("text", ["redis://u:p1234567@h/3", "h:6379", "rediss://h", "unix:///run/r.sock"])
def test_addresses_of_other_schemes_are_checked_and_masked(text: str) -> None:
    checked = URLS.validate_python(text)
    assert checked == (f"redis://{text}" if text == "h:6379" else text)
    assert URLS.dump_python(checked) == checked.replace("p1234567", "***")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("http://h", "must begin with redis://, rediss:// or unix://"),
        ("redis:///5", "must name a host"),
        ("unix://run/r.sock", "must name a socket by its whole path"),
        ("unix://", "must name a socket by its whole path"),
        ("h:99999", "must have a port between 0 and 65535"),
        ("redis://h?a=b", "must have no query"),
        ("redis://h o", "must be an address without blanks"),
    ],
)
def test_what_is_no_address_of_the_scheme_is_refused(text: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        URLS.validate_python(text)


def test_a_query_is_allowed_where_the_type_says_so() -> None:
    urls = TypeAdapter(Annotated[str, url_type("postgresql", has_query=True)])
    text = "postgresql://u@h/db?sslmode=require&password=p"
    assert urls.dump_python(urls.validate_python(text)) == "postgresql://u@h/db?sslmode=require&password=***"


class Odd(ServiceSection):
    """A service with every way of holding a secret."""

    kind: str = "odd"
    password: SecretStr = SecretStr("secret-1")
    access_key: str = "secret-2"
    url: str = "redis://u:secret-3@h"
    options: dict[str, object] = {"token": "secret-4", "deep": [{"api_key": "secret-5"}]}  # noqa: RUF012

    def secrets(self) -> list[str]:
        return ["secret-6"]


def test_secrets_are_found_wherever_a_section_holds_them() -> None:
    assert set(secrets_in(Odd())) == {f"secret-{n}" for n in range(1, 7)}
