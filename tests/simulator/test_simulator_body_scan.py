"""The scan of a request's body, against Python's own JSON parser."""

# Invariant: however a body is cut and whatever its strings hold, the scan finds what json.loads finds at its own place.

import itertools
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.simulator._native import scan_body

NASTY = '"stream": true, \\"max_tokens\\": 9 {[}] , "include_usage": true \n\t é 😀 \\'


def found_by_python(body: dict[str, Any]) -> dict[str, Any]:
    options, stream_options = body.get("options", {}), body.get("stream_options", {})
    return {
        "stream": body.get("stream"),
        "max_tokens": body.get("max_tokens", options.get("num_predict")),
        "include_usage": stream_options.get("include_usage", False),
        "model": body.get("model", "").encode()[:64],
    }


def check(body: dict[str, Any], pieces: list[bytes]) -> None:
    found = scan_body(pieces)
    assert found["is_object"]
    assert {name: found[name] for name in found_by_python(body)} == found_by_python(body)


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
DECOYS = st.dictionaries(st.sampled_from(["x", "stream", "max_tokens", "include_usage", "num_predict", "model"]), JSON)
BODIES = st.fixed_dictionaries(
    {},
    optional={
        "stream": st.booleans(),
        "max_tokens": st.integers(0, 10**9),
        "model": st.text(alphabet="abc/-:é", max_size=30),
        "stream_options": st.fixed_dictionaries({"z": JSON}, optional={"include_usage": st.booleans()}),
        "messages": st.lists(st.fixed_dictionaries({"role": st.text(), "content": st.text()} | {"d": DECOYS})),
        "prompt": st.text(),
        "metadata": DECOYS,
    },
)


@given(body=BODIES, cuts=st.lists(st.integers(0, 10_000), max_size=5), indent=st.sampled_from([None, 2]))
def test_scan_finds_what_a_parser_finds_wherever_the_body_is_cut(body, cuts, indent):
    text = json.dumps(body, indent=indent, ensure_ascii=len(cuts) % 2 == 0 and not body.get("model")).encode()
    edges = [0, *sorted(cut % (len(text) + 1) for cut in cuts), len(text)]
    check(body, [text[begin:end] for begin, end in itertools.pairwise(edges)])


def test_every_split_point_and_byte_by_byte_give_the_same():
    body = {
        "messages": [{"role": "user", "content": NASTY}, {"content": [{"type": "text", "text": "a b"}]}],
        "metadata": {"stream": False, "options": {"num_predict": 3}, "deep": [[{"max_tokens": 1}]]},
        "options": {"temperature": 0.5, "num_predict": 77, "stop": ["x"]},
        "stream": True,
        "stream_options": {"include_usage": True},
        "model": "a/b:c",
    }
    text = json.dumps(body).encode()
    whole = scan_body([text])
    check(body, [text])
    assert scan_body([bytes([byte]) for byte in text]) == whole
    assert all(scan_body([text[:cut], text[cut:]]) == whole for cut in range(len(text)))


@pytest.mark.parametrize(
    ("body", "n_words"),
    [
        ({"prompt": "  one two\nthree\t four "}, 4),
        ({"prompt": ["one", "two three"]}, 3),
        ({"prompt": [17, 4, 9]}, 3),
        ({"messages": [{"role": "system", "content": "be brief"}, {"role": "user", "content": "hi"}]}, 3),
        ({"messages": [{"role": "user", "content": [{"type": "text", "text": "a b"}]}]}, 2),
        ({"system": "a b", "prompt": "c"}, 3),
        ({"model": "not a prompt", "user": "nor this", "prompt": ""}, 0),
    ],
)
def test_prompt_tokens_are_the_words_of_the_prompt(body, n_words):
    assert scan_body([json.dumps(body).encode()])["n_words"] == n_words


def test_limits_that_say_nothing_are_as_if_they_were_not_there():
    assert scan_body([b'{"max_tokens": null, "options": {"num_predict": -1}}'])["max_tokens"] is None
    assert scan_body([b'{"max_completion_tokens": 12}'])["max_tokens"] == 12


@pytest.mark.parametrize("text", [b"", b"[]", b"3", b'"a"', b"{", b'{"a": [', b"{}}", b"[" * 100 + b"]" * 100, b'{"a'])
def test_what_is_no_whole_object_is_said(text):
    assert not scan_body([text])["is_object"]
