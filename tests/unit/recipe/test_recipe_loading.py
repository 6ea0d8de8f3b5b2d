"""What a right recipe becomes: defaults, canonical form, hash, points."""

import json
import platform
from collections.abc import Callable
from pathlib import Path

import pytest

from loadgen.recipe import Recipe, load_recipe, recipe_from_dict
from loadgen.recipe.workload import FilePrompts, LlmWorkload
from loadgen.targets.http import HttpWorkload

SIMULATOR = "service: {kind: simulator}\n"
OLLAMA = "service: {kind: ollama, model: smollm2}\n"


def test_smallest_recipe_has_every_default(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(SIMULATOR)
    assert (recipe.name, recipe.target, recipe.seed) == ("chat", platform.node(), 0)
    assert (recipe.load.mode, recipe.load.concurrency, recipe.load.duration_s) == ("closed", 1, 10.0)
    assert isinstance(recipe.workload, LlmWorkload)
    assert recipe.workload.weights == {"chat": 1.0}
    assert recipe.points() == [({}, recipe)]


@pytest.mark.parametrize(("kind", "url"), [("ollama", "http://127.0.0.1:11434"), ("vllm", "http://127.0.0.1:8000")])
def test_servers_with_a_usual_port_need_no_url(recipe_of: Callable[..., Recipe], kind: str, url: str) -> None:
    assert recipe_of(f"service: {{kind: {kind}, model: m}}").service.url == url


def test_open_load_draws_poisson_arrivals_over_512_connections(recipe_of: Callable[..., Recipe]) -> None:
    load = recipe_of(SIMULATOR + "load: {mode: open, rate_per_s: 10}").load
    assert (load.arrival, load.connections, load.concurrency, load.n_connections) == ("poisson", 512, None, 512)


def test_stages_say_how_long_the_window_is(recipe_of: Callable[..., Recipe]) -> None:
    stages = "[{rate_per_s: 1, duration_s: 20}, {rate_per_s: 5, duration_s: 10}]"
    load = recipe_of(f"{SIMULATOR}load: {{mode: open, arrival: ramp, stages: {stages}, warmup_s: 5}}").load
    assert load.duration_s == 25


def test_a_count_alone_has_no_duration(recipe_of: Callable[..., Recipe]) -> None:
    assert recipe_of(SIMULATOR + "load: {requests: 5}").load.duration_s is None


def test_null_is_the_same_as_not_given(recipe_of: Callable[..., Recipe]) -> None:
    assert recipe_of(SIMULATOR + "load:\nseed:\n").hash == recipe_of(SIMULATOR).hash


def test_options_keep_their_nulls(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(OLLAMA + "workload: {options: {stop: null}}")
    assert recipe.workload.options == {"stop": None}
    assert recipe_from_dict(recipe.canonical()).hash == recipe.hash


@pytest.mark.parametrize(
    "rest",
    [
        "",
        "load: {mode: open, rate_per_s: 1.5, duration_s: 60.0}",
        "load: {mode: open, arrival: steps, stages: [{rate_per_s: 1, duration_s: 2}]}",
        "workload: {output_tokens: {mean: 5, std: 1.5}, options: {temperature: 0.0, top_p: 1e-3}}",
        "workload: {prompts: {kind: inline, list: [a, b]}, operations: {chat: 80, completion: 20}}",
        "sweep: {load.concurrency: [1, 2], workload.output_tokens: [8, {mean: 4}]}\nslo: [p99<1s]",
        "sweep: {load.rate_per_s: [1, 2]}\nload: {mode: open}",
    ],
)
@pytest.mark.parametrize("service", [SIMULATOR, OLLAMA])
def test_canonical_form_gives_the_same_recipe_again(recipe_of: Callable[..., Recipe], service: str, rest: str) -> None:
    recipe = recipe_of(service + rest)
    kept = json.loads(json.dumps(recipe.canonical()))
    again = recipe_from_dict(kept)
    assert again.canonical() == recipe.canonical()
    assert again.hash == recipe.hash
    assert recipe_of(json.dumps(kept)).hash == recipe.hash  # `jq .recipe run.json > chat.yaml`
    assert [axes for axes, _ in again.points()] == [axes for axes, _ in recipe.points()]


def test_hash_does_not_depend_on_how_it_is_written(recipe_of: Callable[..., Recipe]) -> None:
    terse = recipe_of("{service: {kind: simulator}, load: {duration_s: 60, concurrency: 2}}")
    wordy = recipe_of(
        "# why\nload:\n  concurrency: 2\n  duration_s: 60.0\n  mode: closed\nservice:\n  kind: simulator\n"
    )
    assert terse.hash == wordy.hash
    assert terse.hash != recipe_of("{service: {kind: simulator}, load: {duration_s: 61, concurrency: 2}}").hash


def test_sweep_is_a_grid_in_the_order_written(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(SIMULATOR + "sweep: {load.concurrency: [4, 1], seed: [1, 2]}")
    points = recipe.points()
    assert [tuple(axes.values()) for axes, _ in points] == [(4, 1), (4, 2), (1, 1), (1, 2)]
    assert [(point.load.concurrency, point.seed, point.sweep) for _, point in points][1] == (4, 2, None)
    assert recipe.sweep == {"load.concurrency": [4, 1], "seed": [1, 2]}
    assert len({point.hash for _, point in points}) == 4


def test_repeat_runs_each_point_so_many_times(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(SIMULATOR + "sweep: {load.concurrency: [1, 2]}\nrepeat: 2\npause_s: 0.5")
    assert [axes["load.concurrency"] for axes, _ in recipe.points()] == [1, 1, 2, 2]
    assert [(point.repeat, point.pause_s) for _, point in recipe.points()] == [(1, 0)] * 4
    assert recipe_from_dict(recipe.canonical()).hash == recipe.hash


def test_a_swept_field_need_not_be_given_elsewhere(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(SIMULATOR + "load: {mode: open}\nsweep: {load.rate_per_s: [5, 10]}")
    assert [point.load.rate_per_s for _, point in recipe.points()] == [5, 10]


def test_options_can_be_swept(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(OLLAMA + "sweep: {workload.options.temperature: [0, 1]}")
    assert [point.workload.options for _, point in recipe.points()] == [{"temperature": 0}, {"temperature": 1}]


def test_override_wins_and_ends_its_axis(recipe_of: Callable[..., Recipe]) -> None:
    text = SIMULATOR + "load: {concurrency: 2}\nsweep: {load.concurrency: [1, 2]}"
    recipe = recipe_of(text, load__concurrency="8", name="other", slo="[p99 < 1 s]")
    assert (recipe.load.concurrency, recipe.sweep, recipe.name) == (8, None, "other")
    assert len(recipe.slo) == 1
    assert recipe_of(text, sweep__load__concurrency="[5]").points()[0][1].load.concurrency == 5


def test_override_of_a_text_is_taken_as_it_is_typed(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(OLLAMA, service__model="1.50", service__api_key="0123", name="true")
    assert (recipe.service.model, recipe.service.api_key.get_secret_value(), recipe.name) == ("1.50", "0123", "true")


def test_completion_is_ollamas_generate(recipe_of: Callable[..., Recipe]) -> None:
    assert recipe_of(OLLAMA + "workload: {operation: completion}").workload.weights == {"generate": 1.0}
    assert (
        recipe_of("service: {kind: vllm, model: m}\nworkload: {operation: completion}").workload.operation
        == "completion"
    )


def test_http_has_requests_of_its_own(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of("service: {kind: http, url: 'http://h'}\nworkload: {requests: [{name: a, path: /a, weight: 3}]}")
    assert isinstance(recipe.workload, HttpWorkload)
    assert recipe.workload.weights == {"a": 3.0}
    bare = recipe_of("service: {kind: http, url: 'http://h'}")
    assert isinstance(bare.workload, HttpWorkload)
    assert bare.workload.requests[0].path == "/"


def test_files_beside_the_recipe_are_found_and_recorded_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").mkdir()
    (tmp_path / "recipes" / "asked.txt").write_text("hello\n")
    (tmp_path / "recipes" / "r.yaml").write_text(SIMULATOR + "workload: {prompts: {kind: file, path: asked.txt}}")
    recipe = load_recipe("recipes/r.yaml")
    assert isinstance(recipe.workload, LlmWorkload)
    assert isinstance(recipe.workload.prompts, FilePrompts)
    assert recipe.workload.prompts.path == "recipes/asked.txt"
    assert recipe_from_dict(recipe.canonical()).hash == recipe.hash


def test_recipe_from_a_dict_takes_lists_and_tuples_alike() -> None:
    listed = recipe_from_dict({"service": {"kind": "simulator"}, "slo": ["p99 < 1 s"]})
    assert listed.hash == recipe_from_dict({"service": {"kind": "simulator"}, "slo": ("p99 < 1 s",)}).hash
    assert listed.name == "simulator"


def test_recipe_cannot_be_changed(recipe_of: Callable[..., Recipe]) -> None:
    recipe = recipe_of(SIMULATOR)
    with pytest.raises(ValueError, match="frozen"):
        recipe.seed = 5  # type: ignore[misc]
