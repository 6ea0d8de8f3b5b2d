"""`monitor` and `cost`: what they may be, and what is said of what they may not be."""

from collections.abc import Callable
from typing import Any

import pytest

from loadgen.recipe import Recipe, recipe_from_dict
from loadgen.recipe.monitor import NOTHING, Cost, Monitor

SIMULATOR = "service: {kind: simulator}\n"


@pytest.mark.parametrize(
    ("written", "word", "watched"),
    [
        ("", "auto", Monitor()),
        ("monitor: auto", "auto", Monitor()),
        ("monitor: true", "auto", Monitor()),
        ("monitor: off", "off", NOTHING),
        ("monitor: false", "off", NOTHING),
    ],
)
def test_the_words_are_one_recipe_however_they_are_written(
    recipe_of: Callable[..., Recipe], written: str, word: str, watched: Monitor
) -> None:
    recipe = recipe_of(SIMULATOR + written)
    assert (recipe.canonical()["monitor"], recipe.watched) == (word, watched)
    assert recipe_from_dict(recipe.canonical()).hash == recipe.hash


def test_each_part_may_be_put_off_and_the_pace_chosen(recipe_of: Callable[..., Recipe]) -> None:
    watched = recipe_of(SIMULATOR + "monitor: {gpu: false, every_s: 0.5}").watched
    assert (watched.host, watched.gpu, watched.server, watched.client, watched.every_s) == (
        True,
        False,
        True,
        True,
        0.5,
    )


def test_a_page_of_metrics_is_named_and_its_password_is_nowhere(recipe_of: Callable[..., Recipe]) -> None:
    url = "http://me:hidden-word@10.0.0.5:9121/metrics?token=other-word&format=text"
    recipe = recipe_of(SIMULATOR + f'monitor: {{server: "{url}"}}')
    assert recipe.watched.server == url
    assert recipe.canonical()["monitor"]["server"] == "http://***@10.0.0.5:9121/metrics?token=***&format=text"
    assert recipe.redacted(f"GET {url}") == "GET http://***@10.0.0.5:9121/metrics?token=***&format=text"


def test_what_is_on_the_command_line_wins(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(SIMULATOR + "monitor: off", monitor="{host: false}", cost__per_hour="3")
    assert not recipe.watched.host
    assert recipe.watched.client
    assert recipe.cost == Cost(per_hour=3)


def test_several_services_share_them(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of("services: {a: {kind: simulator}, b: {kind: simulator}}\nmonitor: off\ncost: {per_hour: 1}")
    assert recipe.watched == NOTHING
    assert recipe.cost is not None


def test_a_cost_has_a_currency(recipe_of: Callable[..., Recipe]) -> None:
    canonical = recipe_of(SIMULATOR + "cost: {per_hour: 2.5}").canonical()
    assert canonical["cost"] == {"per_hour": 2.5, "currency": "USD"}
    assert "cost" not in recipe_of(SIMULATOR).canonical()


MISTAKES: dict[str, str] = {
    "monitor: on": "monitor: must be one of auto, off, got 'on'",
    "monitor: 5": "monitor: must be one of auto, off, got 5",
    "monitor: {gpus: true}": "monitor.gpus: unknown field, did you mean gpu?",
    "monitor: {host: 1}": "monitor.host: must be true or false, got 1",
    "monitor: {every_s: 0}": "monitor.every_s: must be >= 0.1, got 0",
    "monitor: {server: ftp://host/x}": "monitor.server: must begin with http:// or https://",
    'monitor: {server: "http://***@host/metrics"}': "monitor.server: was a secret and is not kept in bundles",
    "cost: 5": "cost: must be a mapping (name: value), got 5",
    "cost: {currency: EUR}": "cost.per_hour: is missing",
    "cost: {per_hour: 0}": "cost.per_hour: must be > 0, got 0",
    "cost: {per_hour: 1, currency: ''}": "cost.currency: must not be empty",
    "cost: {per_hours: 1, per_hour: 1}": "cost.per_hours: unknown field, did you mean per_hour?",
    "sweep: {cost.per_hour: [1, 2]}": "sweep",
}


@pytest.mark.parametrize(("text", "line"), MISTAKES.items(), ids=list(MISTAKES))
def test_a_mistake_is_named_with_its_line(mistakes_of: Callable[..., list[str]], text: str, line: str) -> None:
    (said,) = mistakes_of(SIMULATOR + text)
    assert said.startswith(f"chat.yaml:2: {line}"), said


def test_a_recipe_from_a_bundle_runs_again() -> None:
    written: dict[str, Any] = {"service": {"kind": "simulator"}, "monitor": {"gpu": False}, "cost": {"per_hour": 1}}
    recipe = recipe_from_dict(written)
    assert recipe_from_dict(recipe.canonical()).canonical() == recipe.canonical()
