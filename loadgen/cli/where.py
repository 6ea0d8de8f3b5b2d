"""`--where "service=ollama and load.concurrency>=4"`: conditions on runs."""

import operator
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from loadgen.errors import RecipeError

_OPERATORS: dict[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
    "~": lambda value, part: str(part) in str(value),
}
_CONDITION = re.compile(
    r"\s*(?P<name>[\w.]+)\s*(?P<op><=|>=|!=|==|=|<|>|~)\s*(?P<value>\"[^\"]*\"|'[^']*'|[^\s'\"]\S*)\s*"
)
_AND = re.compile(r"\s+and\s+", re.IGNORECASE)
_OR = re.compile(r"\s+or\s+", re.IGNORECASE)

Lookup = Callable[[str], Any]
"""name -> the run's value; None where it has none."""


@dataclass(frozen=True)
class Condition:
    name: str
    op: str
    value: Any

    def holds(self, lookup: Lookup) -> bool:
        """Numbers compare as numbers, all else as text whatever its case. Without a value only != holds."""
        actual = lookup(self.name)
        if actual is None:
            return self.op == "!="
        given = self.value
        if not (_is_number(actual) and _is_number(given)):
            actual, given = _text(actual), _text(given)
        return _OPERATORS[self.op](actual, given)


def parse_where(text: str) -> Callable[[Lookup], bool]:
    """`and` binds closer than `or`. Raises RecipeError for what cannot be read."""
    alternatives = [[_condition(part) for part in _AND.split(group)] for group in _OR.split(text)]
    return lambda lookup: any(all(condition.holds(lookup) for condition in group) for group in alternatives)


def _condition(text: str) -> Condition:
    match = _CONDITION.fullmatch(text)
    if match is None or match["value"][0] in "=<>":
        raise RecipeError(f"--where: must read FIELD OP VALUE, such as load.concurrency>=4, got {text.strip()!r}")
    value = match["value"]
    is_quoted = value[0] in "'\"" and value[-1] == value[0] and len(value) >= 2
    return Condition(
        match["name"], match["op"].replace("==", "="), value[1:-1] if is_quoted else _number_or_text(value)
    )


def _number_or_text(text: str) -> Any:
    try:
        return float(text)
    except ValueError:
        return text


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)


def _text(value: Any) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return str(value).lower()


def dotted_value(tree: Any, name: str) -> Any:
    """The value at a dotted name; None where there is none, or where it is a mapping or a list."""
    for part in name.split("."):
        if not isinstance(tree, Mapping) or part not in tree:
            return None
        tree = tree[part]
    return None if isinstance(tree, (Mapping, list)) else tree
