"""Every mistake is one line with file, line and field, and all of a recipe come at once."""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from loadgen.errors import RecipeError
from loadgen.recipe import Recipe, load_recipe, recipe_from_dict

SIMULATOR = "service: {kind: simulator}\n"

SEARCHED = SIMULATOR + "slo: [p99 < 1 s]\n"

MISTAKES = {
    "{service: {kind: simulator}, load: {concurrency: 0}}": "load.concurrency: must be >= 1, got 0",
    SIMULATOR + "load: {concurrency: two}": "load.concurrency: must be a whole number, got 'two'",
    SIMULATOR + "load: {concurrency: 1.5}": "load.concurrency: must be a whole number, got 1.5",
    SIMULATOR + "load: {concurrency: true}": "load.concurrency: must be a whole number, got true",
    SIMULATOR + "load: {concurrency: '4'}": "load.concurrency: must be a whole number, got '4'",
    SIMULATOR + "load: {timeout_s: .inf}": "load.timeout_s: must be a finite number, got",
    SIMULATOR + "load: 5": "load: must be a mapping (name: value), got 5",
    SIMULATOR + "load: {mode: opened}": "load.mode: must be one of closed, open, got 'opened', did you mean open?",
    SIMULATOR + "load: {rate_per_s: 5, concurrency: 2}": "load.rate_per_s: both rate_per_s and concurrency are given",
    SIMULATOR + "load: {rate_per_s: 5}": "load.rate_per_s: applies to mode: open only",
    SIMULATOR
    + "load: {mode: open, rate_per_s: 5, concurrency: 2}": "load.concurrency: both rate_per_s and concurrency",
    SIMULATOR + "load: {mode: open, rate_per_s: 1, think_time_s: 2}": "load.think_time_s: applies to mode: closed only",
    SIMULATOR + "load: {mode: open}": "load.rate_per_s: is missing: an open load needs its requests a second",
    SIMULATOR + "load: {mode: open, arrival: ramp}": "load.stages: is missing: arrival ramp needs stages",
    SIMULATOR + "load: {mode: open, rate_per_s: 1, burstiness: 2}": "load.burstiness: applies to arrival: gamma only",
    SIMULATOR + "load: {mode: open, rate_per_s: 1, arrival: gamma}": "load.burstiness: is missing",
    SIMULATOR + "load: {warmup_s: 1, warmup_requests: 1}": "load.warmup_requests: give either this or warmup_s",
    SIMULATOR + "load: {mode: open, arrival: steps, warmup_s: 9, stages: [{rate_per_s: 1, duration_s: 5}]}": (
        "load.warmup_s: must be shorter than the stages together, got 9"
    ),
    SIMULATOR + "load: {mode: open, arrival: steps, stages: []}": "load.stages: must not be empty",
    SIMULATOR + "load: {mode: open, arrival: steps, stages: [{rate_per_s: -1, duration_s: 5}]}": (
        "load.stages[0].rate_per_s: must be >= 0, got -1"
    ),
    SIMULATOR + "workload: {promts: 1}": "workload.promts: unknown field, did you mean prompts?",
    SIMULATOR + "workload: {prompts: {input_token: 1}}": "workload.prompts.input_token: unknown field, did you mean",
    SIMULATOR + "workload: {prompts: {kind: files}}": "workload.prompts.kind: must be one of synthetic, file, inline",
    SIMULATOR + "workload: {prompts: {kind: file}}": "workload.prompts.path: is missing",
    SIMULATOR
    + "workload: {prompts: {input_tokens: 5, prefix_tokens: 9}}": "workload.prompts.prefix_tokens: must be <=",
    SIMULATOR
    + "workload: {output_tokens: {mean: 5, min: 9, max: 8}}": "workload.output_tokens.max: must be >= min (9)",
    SIMULATOR + "workload: {output_tokens: {std: 5}}": "workload.output_tokens.mean: is missing",
    SIMULATOR + "workload: {stream: on}": "workload.stream: must be true or false, got 'on'",
    SIMULATOR
    + "workload: {operation: chat, operations: {chat: 1}}": "workload.operations: give either this or operation",
    SIMULATOR + "workload: {operations: {chatt: 1}}": "workload.operations.chatt: must be one of chat, completion",
    SIMULATOR + "workload: {operation: generate}": "workload.operation: generate is Ollama's",
    SIMULATOR + "workload: {operation: embeddings}": "workload.operation: the simulator has no embeddings",
    SIMULATOR + "slo: [p99_ttft < 5]": "slo[0]: a time needs a unit",
    SIMULATOR + "slo: [5]": "slo[0]: must be text such as p99_ttft < 500 ms, got 5",
    SIMULATOR + "slo: p99 < 1 s": "slo: must be a list",
    SIMULATOR + "slo: [recall > 0.9]": "slo[0]: recall is not measured with a service of kind simulator",
    "service: {kind: http, url: 'http://h'}\nslo: [p99_ttft < 1 s]": "slo[0]: ttft is not measured with a service",
    SIMULATOR
    + "sweep: {load.concurency: [1]}": "sweep.load.concurency: is not a field that can be swept, did you mean",
    SIMULATOR + "sweep: {concurrency: [1]}": "sweep.concurrency: is not a field that can be swept, did you mean",
    SIMULATOR + "sweep: {name: [a, b]}": "sweep.name: is not a field that can be swept",
    SIMULATOR + "sweep: {load.concurrency: 4}": "sweep.load.concurrency: must be a list of values",
    SIMULATOR
    + "sweep: {load: {concurrency: [4]}}": "sweep.load: must be a list of values, such as [1, 2, 4]; a field is",
    SIMULATOR + "sweep: {load.concurrency: []}": "sweep.load.concurrency: must be a list of values",
    SIMULATOR + "sweep: {load.concurrency: [1, 1]}": "sweep.load.concurrency: each value must be given once",
    SIMULATOR + "sweep: {load.concurrency: [1, 0]}": "sweep.load.concurrency[1]: must be >= 1, got 0",
    SIMULATOR + "sweep: {load.rate_per_s: [1]}": "sweep.load.rate_per_s[0]: applies to mode: open only",
    SIMULATOR + "sweep: {load.mode: [closed, open]}": "sweep: at load.mode = open: load.rate_per_s: is missing",
    SIMULATOR + "sweep: [1]": "sweep: must name a field and its values",
    f"{SIMULATOR}sweep: {{seed: {[*range(40)]}, load.concurrency: {[*range(1, 41)]}}}": "sweep: must have at most 1000",
    "load: {}": "service: is missing; the smallest is `service: {kind: simulator}`",
    "service: ollama": "service: must be a mapping such as {kind: simulator}, got 'ollama'",
    "service: {model: m}": "service.kind: is missing: one of simulator, ollama",
    "service: {kind: olama, model: m}": "service.kind: unknown service 'olama', did you mean ollama?",
    "service: {kind: oracle}": "service.kind: unknown service 'oracle'; known are simulator, ollama",
    "service: {kind: [ollama]}": "service.kind: unknown service a list",
    "service: {kind: ollama}": "service.model: is missing",
    "service: {kind: openai, model: m}": "service.url: is missing",
    "service: {kind: vllm, model: m, url: 127.0.0.1:80}": "service.url: must begin with http:// or https://",
    "service: {kind: vllm, model: m, url: 'http://'}": "service.url: must name a host",
    "service: {kind: vllm, model: m, url: 'http://h:99999'}": "service.url: must have a port between 0 and 65535",
    "service: {kind: vllm, model: m, url: 'http://h/?a=b'}": "service.url: must have no query",
    "service: {kind: vllm, model: m, headers: {'a b': c}}": "service.headers: 'a b' is not a header's name",
    'service: {kind: vllm, model: m, headers: {a: "b\\r\\nc: d"}}': "service.headers: the value of a must be one line",
    "service: {kind: simulator, error_ratio: 2}": "service.error_ratio: must be <= 1, got 2",
    "service: {kind: simulator, ttft_ms: {mean: 5, dist: normal}}": "service.ttft_ms.dist: must be lognormal, got",
    "service: {kind: simulator, url: 'http://h'}": "service.url: unknown field; known here: kind, settings, model",
    "service: {kind: http, url: 'redis://h'}": "service.url: must begin with http:// or https://",
    SIMULATOR + "output_tokens: 5": "output_tokens: unknown field, did you mean service.output_tokens?",
    SIMULATOR + "stream: true": "stream: unknown field, did you mean workload.stream?",
    SIMULATOR + "repeat: 3": "repeat: applies to the points of a sweep only",
    SIMULATOR + "order: random": "order: applies to the points of a sweep only",
    SIMULATOR
    + "sweep: {load.concurrency: [1]}\norder: shuffled": "order: must be one of ascending, interleaved, random",
    SEARCHED + "search: {field: load.concurency, from: 1, to: 9}": (
        "search.field: is not a load that can be searched, did you mean load.concurrency?"
    ),
    SEARCHED + "search: {field: service.slots, from: 1, to: 9}": (
        "search.field: is not a load that can be searched; there are load.concurrency, load.rate_per_s"
    ),
    SEARCHED + "search: {from: 1, to: 9}": "search.field: is missing",
    SEARCHED + "search: {field: load.concurrency, to: 9}": "search.from: is missing",
    SEARCHED + "search: {field: load.concurrency, from: 1}": "search.to: is missing",
    SEARCHED + "search: {field: load.concurrency, from: 0, to: 9}": "search.from: must be > 0, got 0",
    SEARCHED + "search: {field: load.concurrency, from: 1.5, to: 9}": "search.from: must be a whole number, got 1.5",
    SEARCHED + "search: {field: load.concurrency, from: 9, to: 9}": "search.to: must be > from (9), got 9",
    SEARCHED + "search: {field: load.rate_per_s, from: 1, to: 9}": "search.from: applies to mode: open only",
    SEARCHED
    + "search: {field: load.concurrency, from: 1, to: 9, precision: 5}": "search.precision: must be < 1, got 5",
    SEARCHED + "search: {field: load.concurrency, from: 1, to: 9, precision: fine}": (
        "search.precision: must be a number, got 'fine'"
    ),
    SEARCHED + "search: {field: load.concurrency, from: 1, to: 9, step: 2}": "search.step: unknown field",
    SEARCHED
    + "search: load.concurrency": "search: must be a mapping such as {field: load.concurrency, from: 1, to: 64}",
    SEARCHED + "sweep: {load.concurrency: [1]}\nsearch: {field: load.concurrency, from: 1, to: 9}": (
        "search: goes in the place of sweep"
    ),
    SIMULATOR + "search: {field: load.concurrency, from: 1, to: 9}": "search: needs promises to hold: give slo",
    SIMULATOR + "sed: 5": "sed: unknown field, did you mean seed?",
    SIMULATOR + "concurrency: 5": "concurrency: unknown field, did you mean load.concurrency?",
    SIMULATOR + "seed: -1": "seed: must be >= 0, got -1",
    SIMULATOR + "name: 5": "name: must be text, got 5",
    SIMULATOR + "name: ''": "name: must not be empty",
}


@pytest.mark.parametrize(("text", "line"), MISTAKES.items(), ids=[line[:50] for line in MISTAKES.values()])
def test_mistake_is_named(mistakes_of: Callable[..., list[str]], text: str, line: str) -> None:
    lines = mistakes_of(text)
    assert len(lines) == 1, lines
    number = text[: text.rstrip().rfind("\n") + 1].count("\n") + 1
    assert lines[0].startswith((f"chat.yaml:{number}: {line}", f"chat.yaml: {line}")), lines


NOT_YET = {
    SIMULATOR + "record: {sample: 0.1}": "record",
    SIMULATOR + "load: {mode: open, arrival: trace, trace: {path: x}, rate_per_s: 1}": "load.arrival",
}


@pytest.mark.parametrize(("text", "field"), NOT_YET.items(), ids=NOT_YET.values())
def test_documented_field_that_is_not_there_yet_is_refused(
    mistakes_of: Callable[..., list[str]], text: str, field: str
) -> None:
    lines = mistakes_of(text)
    assert f": {field}: " in lines[0]
    assert "is not supported yet by this version" in lines[0]


def test_all_mistakes_come_at_once_in_the_order_of_their_lines(mistakes_of: Callable[..., list[str]]) -> None:
    text = """\
service:
  kind: ollama
  modle: smollm2
workload:
  promts: 3
  output_tokens: 0
load:
  concurrency: 4
  rate_per_s: -3
sweep:
  load.concurrency: [1, 0]
slo:
  - p99_ttft < 500
  - p99 < 1 s
  - nonsense
serch: 5
"""
    lines = [line.split(": ", 2) for line in mistakes_of(text)]
    assert [(place, field) for place, field, _ in lines] == [
        ("chat.yaml:1", "service.model"),
        ("chat.yaml:3", "service.modle"),
        ("chat.yaml:5", "workload.promts"),
        ("chat.yaml:6", "workload.output_tokens"),
        ("chat.yaml:9", "load.rate_per_s"),
        ("chat.yaml:11", "sweep.load.concurrency[1]"),
        ("chat.yaml:13", "slo[0]"),
        ("chat.yaml:15", "slo[2]"),
        ("chat.yaml:16", "serch"),
    ]


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("service: {kind: simulator\n", "chat.yaml:2: not YAML: "),
        ("a: b: c\n", "chat.yaml:1: not YAML: "),
        ("service:\n\tkind: x\n", "chat.yaml:2: not YAML: "),
        ("service: {kind: simulator}\n---\nservice: {}\n", "chat.yaml:2: not YAML: "),
        ("service: {kind: ollama, model: ${MODEL}}\n", "chat.yaml:1: not YAML: "),
        ("service: \x00\n", "chat.yaml:1: not YAML: "),
        ("", "chat.yaml: is empty"),
        ("# only a comment\n", "chat.yaml: is empty"),
        ("- a\n- b\n", "chat.yaml: must be a mapping"),
        ("just text\n", "chat.yaml: must be a mapping"),
        ("service: &a {kind: simulator, settings: *a}\n", "chat.yaml:1: not a recipe: aliases that grow"),
        (
            "service: {kind: simulator, settings: {a: !!python/name:os.system x}}",
            "chat.yaml:1: service.settings.a: tags such",
        ),
        (
            "service: {kind: simulator}\nload: {concurrency: 1}\nload: {concurrency: 2}",
            "chat.yaml:3: load: is given twice, first in line 2",
        ),
    ],
)
def test_file_that_is_no_recipe_is_one_line(mistakes_of: Callable[..., list[str]], text: str, line: str) -> None:
    lines = mistakes_of(text)
    assert len(lines) == 1
    assert lines[0].startswith(line), lines


def test_variable_between_braces_gets_a_hint(mistakes_of: Callable[..., list[str]]) -> None:
    assert 'needs quotes: "${NAME}"' in mistakes_of("service: {kind: ollama, model: ${MODEL}}\n")[0]


def test_aliases_that_multiply_are_refused(mistakes_of: Callable[..., list[str]]) -> None:
    lists = "\n".join(f"l{i}: &l{i} [{', '.join([f'*l{i - 1}'] * 9)}]" for i in range(1, 9))
    assert "aliases that grow" in mistakes_of(f"l0: &l0 [a, b]\n{lists}\n")[0]


def test_file_that_cannot_be_read_is_said(tmp_path: Path) -> None:
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    for path, reason in (("none.yaml", "no such file"), ("", "is a folder"), ("latin.yaml", "not UTF-8")):
        with pytest.raises(RecipeError, match=reason):
            load_recipe(tmp_path / path)


def test_override_is_named_by_its_option(mistakes_of: Callable[..., list[str]]) -> None:
    assert mistakes_of(SIMULATOR, load__concurrency="0") == ["--set load.concurrency: must be >= 1, got 0"]
    assert mistakes_of(SIMULATOR, load__concurency="1")[0].startswith(
        "--set load.concurency: unknown field, did you mean"
    )
    assert mistakes_of(SIMULATOR, load__concurrency="[")[0].startswith("--set load.concurrency: not YAML")
    assert mistakes_of(SIMULATOR, load__concurrency__x="1")[0].startswith("--set load.concurrency")
    assert mistakes_of(SIMULATOR, service__kind__x="1") == [
        "--set service.kind.x: there is no such place in this recipe"
    ]


def test_dict_from_python_is_named_without_a_file() -> None:
    with pytest.raises(RecipeError, match=r"^load\.concurrency: must be >= 1, got 0$"):
        recipe_from_dict({"service": {"kind": "simulator"}, "load": {"concurrency": 0}})
    with pytest.raises(RecipeError, match=r"^BM-1: sed: unknown field"):
        recipe_from_dict({"service": {"kind": "simulator"}, "sed": 0}, origin="BM-1")


VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "kind",
    "mode",
    "prompts",
    "output_tokens",
    "stages",
    "headers",
    "options",
    "load.concurrency",
    "seed",
    "list",
    "url",
    "requests",
    "operations",
    "client",
]
KINDS = st.sampled_from(["simulator", "http", "python", "redis"])
SECTIONS = (
    st.dictionaries(st.sampled_from(FIELDS) | st.text(max_size=5), VALUES, max_size=4)
    | VALUES
    | st.fixed_dictionaries({"kind": KINDS}, optional=dict.fromkeys(FIELDS[1:], VALUES))
)

SEARCHES = VALUES | st.fixed_dictionaries(
    {"field": st.sampled_from(["load.concurrency", "load.rate_per_s", "loads.a.concurrency"]) | VALUES},
    optional=dict.fromkeys(("from", "to", "precision"), VALUES),
)

NAMED = st.dictionaries(st.sampled_from(["a", "b"]) | st.text(max_size=3), SECTIONS, max_size=2) | VALUES


@given(
    st.fixed_dictionaries(
        dict.fromkeys(("service", "workload", "load", "sweep", "slo", "record", "repeat"), SECTIONS),
        optional={**dict.fromkeys(("services", "workloads", "loads"), NAMED), "search": SEARCHES},
    )
)
@settings(suppress_health_check=[HealthCheck.too_slow])
def test_any_tree_is_a_recipe_or_a_list_of_lines(tree: dict[str, object]) -> None:
    with contextlib.suppress(RecipeError):
        assert recipe_from_dict(tree).hash


@given(st.text(max_size=60))
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_text_is_a_recipe_or_a_list_of_lines(recipe_of: Callable[..., Recipe], text: str) -> None:
    for whole in (text, SIMULATOR + text, f"service: {{kind: {text}}}"):
        with contextlib.suppress(RecipeError):
            assert recipe_of(whole.encode("utf-8", "replace").decode()).hash
