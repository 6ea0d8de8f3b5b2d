"""A recipe as it was written: the tree, where each part of it stands, and what its variables hold."""

import copy
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from loadgen.recipe.secrets import MASK, masked_url
from loadgen.recipe.variables import Variables, has_references, substitute
from loadgen.recipe.yaml_tree import Place

FREE = ("options", "settings", "filter", "body", "index")
"""Fields that hold whatever a service understands: below them every name is right, and null is a value."""

SHORT_VALUE = 12
"""Shorter ones may be part of an ordinary word."""

SHORTEST_VALUE = 4
"""What a variable holds is looked for in messages from this length on: shorter ones would make holes everywhere."""


@dataclass(frozen=True)
class Problem:
    """One mistake. place: the field that a person would change."""

    place: Place
    text: str


@dataclass(frozen=True)
class Source:
    """written: the tree with its `${NAME}`. tree: the same with their values. references: place -> text as written.

    origins: what a message begins with, by place: `recipes/chat.yaml:14: ` or `--set `.
    typed: place -> what stood behind --set.
    """

    written: dict[str, Any]
    origins: Mapping[Place, str]
    variables: Variables
    typed: Mapping[Place, str] = field(default_factory=dict)
    tree: dict[str, Any] = field(default_factory=dict)
    references: Mapping[Place, str] = field(default_factory=dict)
    values: frozenset[str] = frozenset()
    secrets: frozenset[str] = frozenset()

    def resolved(self) -> tuple["Source", list[Problem]]:
        """The same with the variables' values put in, and those that are not set."""
        references: dict[Place, str] = {}
        values: set[str] = set()
        problems: list[Problem] = []

        def resolve(text: str, place: Place) -> str:
            if not has_references(text):
                return text

            def value_of(name: str) -> str:
                value = self.variables.get(name)
                if value is None:
                    problems.append(
                        Problem(place, f"the variable {name} is not set, neither in the environment nor in .env")
                    )
                    return ""
                values.add(value)
                return value

            references[place] = text
            return substitute(text, value_of)

        tree = _with_texts(self.written, (), resolve)
        return replace(self, tree=tree, references=references, values=frozenset(values)), problems

    def with_values(self, changes: Mapping[tuple[str, ...], Any], without: tuple[str, ...] = ()) -> "Source":
        """A copy of what was written, with other values at some places and without some sections. Not resolved yet."""
        written = {name: value for name, value in self.written.items() if name not in without}
        for place, value in changes.items():
            with suppress(TypeError, IndexError):  # the section is not a mapping, which is a mistake of its own
                written = with_value(written, place, value)
        return replace(self, written=written)

    def as_written(self, dumped: dict[str, Any]) -> dict[str, Any]:
        """A dump of the model with the references put back, and whole numbers as integers."""
        for place, text in self.references.items():
            dumped = _put_back(dumped, place, masked_url(text))
        whole: dict[str, Any] = _whole_numbers(dumped)
        return whole

    def hidden(self) -> tuple[str, ...]:
        """The longest first, so that a secret within another leaves no trace of the other."""
        values = {value for value in self.values if len(value) >= SHORTEST_VALUE} | self.secrets
        return tuple(sorted(values - {""}, key=len, reverse=True))

    def redacted(self, text: str) -> str:
        for value in self.hidden():
            text = _words_like(value).sub(MASK, text)
        return text

    def stands_in(self, value: str, text: str) -> bool:
        """Whether redacted() would find a value in a text."""
        return value != "" and _words_like(value).search(text) is not None

    def line_of(self, problem: Problem) -> str:
        """The mistake as a person reads it."""
        for length in range(len(problem.place), -1, -1):
            origin = self.origins.get(problem.place[:length])
            if origin is not None:
                break
        name = dotted(problem.place)
        return f"{origin or ''}{name}: {problem.text}" if name else f"{origin or ''}{problem.text}"


@lru_cache
def _words_like(value: str) -> re.Pattern[str]:
    """Short values as whole words only: the password `postgres` must leave `postgresql` as it is."""
    is_short = len(value) < SHORT_VALUE
    before = r"(?<![A-Za-z0-9])" if is_short and value[0].isalnum() else ""
    after = r"(?![A-Za-z0-9])" if is_short and value[-1].isalnum() else ""
    return re.compile(f"{before}{re.escape(value)}{after}")


def dotted(place: Place) -> str:
    """`load.stages[0].rate_per_s`"""
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in place).removeprefix(".")


def at(tree: Any, place: Place) -> Any:
    """The value at a place; None where there is none."""
    for part in place:
        try:
            tree = tree[part]
        except (KeyError, IndexError, TypeError):
            return None
    return tree


def with_value(tree: dict[str, Any], place: Place, value: Any) -> dict[str, Any]:
    """A copy of the tree with a value at a place; missing mappings are made. TypeError: the way is barred."""
    tree = copy.deepcopy(tree)
    inner: Any = tree
    for part in place[:-1]:
        if isinstance(inner, dict) and inner.get(str(part)) is None:
            inner[part] = {}
        inner = inner[part]
    inner[place[-1]] = value
    return tree


def leaves(tree: Any, place: Place = ()) -> Iterator[tuple[Place, Any]]:
    """Every value that is neither a mapping nor a list, with its place."""
    items = tree.items() if isinstance(tree, dict) else enumerate(tree) if isinstance(tree, list) else None
    if items is None:
        yield place, tree
        return
    for part, value in items:
        yield from leaves(value, (*place, part))


def _with_texts(tree: Any, place: Place, change: Callable[[str, Place], str]) -> Any:
    if isinstance(tree, dict):
        return {name: _with_texts(value, (*place, name), change) for name, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [_with_texts(value, (*place, i), change) for i, value in enumerate(tree)]
    return change(tree, place) if isinstance(tree, str) else tree


def _put_back(dumped: dict[str, Any], place: Place, text: str) -> dict[str, Any]:
    return with_value(dumped, place, text) if at(dumped, place) is not None else dumped


def _whole_numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _whole_numbers(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_whole_numbers(item) for item in value]
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    return value
