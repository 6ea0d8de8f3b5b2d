"""Documents and numbers by the hundred, written in every way there is, against the json module."""

import json
import random
from decimal import Decimal
from typing import Any

import pytest
from cuts import cut_at
from hypothesis import given, settings
from hypothesis import strategies as st
from reference import facts_of, is_json_object, known_facts


def read(probe: Any, reads: list[bytes]) -> tuple[dict[str, Any], str | None]:
    facts = probe.json_facts(reads)
    facts.pop("names_context_length")
    return facts, facts.pop("reason")


KEYS = [
    *("choices", "delta", "message", "content", "reasoning_content", "reasoning", "tool_calls", "refusal", "text"),
    *(
        "finish_reason",
        "usage",
        "prompt_tokens",
        "completion_tokens",
        "error",
        "code",
        "type",
        "object",
        "detail",
        "msg",
    ),
    *("response", "thinking", "done", "done_reason", "prompt_eval_count", "eval_count", "total_duration"),
    *("status", "load_duration", "prompt_eval_duration", "eval_duration", "", "x", 'q"\\', "é😀", "choice", "choicess"),
]
NUMBERS = st.one_of(
    st.integers(-5, 300),
    st.integers(-(10**25), 10**25),
    st.floats(allow_nan=False, allow_infinity=False),
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    NUMBERS,
    st.sampled_from(["", "stop", "length", "error", "Hi", *KEYS]),
    st.text(max_size=12),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(KEYS), inner, max_size=6),
    max_leaves=25,
)
CALLS = st.none() | st.lists(st.just({"id": "1"}), max_size=2)
DELTAS = st.fixed_dictionaries(
    {},
    optional={name: st.none() | st.text(max_size=3) | VALUES for name in ("content", "refusal", "x")}
    | {"tool_calls": CALLS},
)
CHOICES = st.lists(
    st.fixed_dictionaries({}, optional={"delta": DELTAS, "finish_reason": LEAVES, "text": LEAVES, "index": NUMBERS}),
    max_size=3,
)
DOCUMENTS = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=8) | st.fixed_dictionaries(
    {"choices": CHOICES},
    optional={
        "usage": st.none() | st.fixed_dictionaries({"prompt_tokens": NUMBERS, "completion_tokens": NUMBERS}),
        "id": LEAVES,
    },
)


class Scribe:
    """Writes a document as JSON in one of the many ways there are."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)

    def blank(self) -> str:
        return self.random.choice(["", "", "", " ", "\n", "\t\r"])

    def text(self, text: str) -> str:
        units = text.encode("utf-16-be", "surrogatepass")
        if self.random.random() < 0.7:
            return json.dumps(text, ensure_ascii=self.random.random() < 0.5)
        return '"' + "".join(f"\\u{units[at : at + 2].hex()}" for at in range(0, len(units), 2)) + '"'

    def number(self, number: float) -> str:
        if isinstance(number, int) and number and self.random.random() < 0.3:
            return self.random.choice([f"{number}.0", f"{number}e0", f"{number}.000E+00", f"{number}00e-2"])
        return repr(number)

    def write(self, value: Any) -> str:
        if isinstance(value, dict):
            members = [f"{self.text(key)}{self.blank()}:{self.write(inner)}" for key, inner in value.items()]
            written = "{" + f"{self.blank()},{self.blank()}".join(members) + self.blank() + "}"
        elif isinstance(value, list):
            written = "[" + ",".join(map(self.write, value)) + self.blank() + "]"
        elif isinstance(value, str):
            written = self.text(value)
        elif isinstance(value, bool) or value is None:
            written = json.dumps(value)
        else:
            written = self.number(value)
        return self.blank() + written + self.blank()


def settled(document: dict[str, Any]) -> dict[str, Any]:
    """Without what two readers may see in two ways: the last of several members that say the same thing."""
    kept = dict(document)
    for rival, name in (
        ("prompt_eval_count", "usage"),
        ("eval_count", "usage"),
        ("done_reason", "choices"),
    ):
        if name in kept:
            kept.pop(rival, None)
    if isinstance(kept.get("detail"), list):
        del kept["detail"]
    return kept


@given(document=DOCUMENTS, seed=st.integers(0, 2**32), places=st.lists(st.integers(0, 2000), max_size=8))
@settings(max_examples=300, deadline=None)
def test_generated_documents_say_what_the_reference_says(
    probe: Any, document: dict[str, Any], seed: int, places: list[int]
) -> None:
    document = settled(document)
    written = Scribe(seed).write(document).encode("utf-8", "surrogatepass")
    expected = known_facts(facts_of(json.loads(written.decode("utf-8", "surrogatepass"))))
    assert read(probe, cut_at(written, places)) == (expected, None)


@given(
    document=DOCUMENTS,
    seed=st.integers(0, 2**32),
    at=st.integers(0, 2000),
    junk=st.sampled_from([bytes([byte]) for byte in b'"\\{}[],:0-e.\n\0x '] + [b""]),
    n_cut=st.integers(0, 2),
    places=st.lists(st.integers(0, 2000), max_size=8),
)
@settings(max_examples=500, deadline=None)
def test_damaged_documents_are_refused_when_the_json_module_refuses_them(
    probe: Any, document: dict[str, Any], seed: int, at: int, junk: bytes, n_cut: int, places: list[int]
) -> None:
    written = Scribe(seed).write(document).encode("utf-8", "surrogatepass")
    at %= len(written) + 1
    damaged = written[:at] + junk + written[at + n_cut :]
    assert (read(probe, cut_at(damaged, places))[1] is None) == is_json_object(damaged)
    assert read(probe, cut_at(damaged, places)) == read(probe, [damaged])


DIGITS = st.text("0123456789", min_size=1, max_size=25)


@given(
    sign=st.sampled_from(["", "-"]),
    whole=DIGITS.map(lambda text: text.lstrip("0") or "0"),
    fraction=st.just("") | DIGITS.map(lambda text: f".{text}"),
    exponent=st.just("") | st.builds("{}{}".format, st.sampled_from(["e", "E", "e+", "e-"]), st.integers(0, 40)),
)
@settings(max_examples=500, deadline=None)
def test_a_number_of_any_form_is_a_whole_one_of_18_digits_towards_zero(
    probe: Any, sign: str, whole: str, fraction: str, exponent: str
) -> None:
    n_digits = 0
    kept = ""
    for digit in whole + fraction:
        n_digits += digit.isdigit() and (n_digits > 0 or digit != "0")
        kept += "0" if digit.isdigit() and n_digits > 18 else digit
    exact = Decimal(sign + kept + exponent)
    limited = max(min(exact, Decimal(2**63 - 1)), Decimal(-(2**63 - 1)))
    assert probe.json_number((sign + whole + fraction + exponent).encode()) == int(limited)


@pytest.mark.parametrize("text", [b"1e999999999999", b"9" * 400, b"1" + b"0" * 3000000, b"0.1e1000001"])
def test_a_number_beyond_all_bounds_is_the_largest(probe: Any, text: bytes) -> None:
    assert probe.json_number(text) == 2**63 - 1


@pytest.mark.parametrize("text", [b"0e999999999999", b"0." + b"0" * 3000000 + b"1", b"1e-999999999999", b"-0"])
def test_a_number_too_small_to_count_is_zero(probe: Any, text: bytes) -> None:
    assert probe.json_number(text) == 0
