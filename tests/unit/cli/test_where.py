"""Conditions of `loadgen list --where`."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.cli.where import dotted_value, parse_where
from loadgen.errors import RecipeError

RUN: dict[str, Any] = {"service": "ollama", "load.concurrency": 4, "rate": 2.5, "verdict": "PASS", "stream": True}


@pytest.mark.parametrize(
    ("where", "holds"),
    [
        ("service=ollama", True),
        ("service = OLLAMA", True),
        ("service==vllm", False),
        ("service!=vllm", True),
        ("load.concurrency>=4", True),
        ("load.concurrency>4", False),
        ("load.concurrency<10", True),
        ("load.concurrency=4.0", True),
        ("rate<=2.5", True),
        ("stream=true", True),
        ("service~lla", True),
        ("service='ollama'", True),
        ('service="ollama" and rate>2', True),
        ("service=vllm and rate>2 or verdict=PASS", True),
        ("service=vllm and rate>2 or verdict=FAIL", False),
        ("missing=1", False),
        ("missing!=1", True),
        ("missing<1", False),
    ],
)
def test_condition_holds_or_does_not(where: str, holds: bool) -> None:
    assert parse_where(where)(RUN.get) is holds


@pytest.mark.parametrize("where", ["", "service", "service=", "=4", "a=1 and", "a<<1 or b"])
def test_what_is_no_condition_is_refused(where: str) -> None:
    with pytest.raises(RecipeError, match=r"--where: must read FIELD OP VALUE"):
        parse_where(where)


def test_dotted_name_finds_single_values_only() -> None:
    tree = {"a": {"b": 1, "c": [1]}, "d": None}
    assert [dotted_value(tree, name) for name in ("a.b", "a", "a.c", "a.b.c", "d", "e")] == [
        1,
        None,
        None,
        None,
        None,
        None,
    ]


@given(st.text(max_size=30))
def test_any_text_is_a_condition_or_refused(text: str) -> None:
    try:
        chosen = parse_where(text)
    except RecipeError:
        return
    assert chosen(RUN.get) in (True, False)
