"""YAML as people mean it: a tree of plain values, the line of each, and no surprises.

The scalars are those of YAML 1.2's core schema, so `on`, `no` and `12:30` are text and `1e3` is a number. A key that is
given twice, a tag, or an alias that grows without bound is a mistake.
"""

import re
from dataclasses import dataclass, field
from typing import Any

import yaml

Place = tuple[str | int, ...]
"""Where a value stands in the tree: names of fields, and positions in lists."""

MAX_NODES = 100_000

_CORE = {
    "null": re.compile(r"(?:~|null|Null|NULL|)$"),
    "bool": re.compile(r"(?:true|True|TRUE|false|False|FALSE)$"),
    "int": re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)$"),
    "float": re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$"
    ),
}
_TAG = "tag:yaml.org,2002:"


class _CoreLoader(yaml.SafeLoader):
    """Composes nodes whose tags follow YAML 1.2."""

    yaml_implicit_resolvers = {None: [(_TAG + name, pattern) for name, pattern in _CORE.items()]}  # noqa: RUF012


class NotYaml(Exception):
    """line: from 1."""

    def __init__(self, line: int, reason: str) -> None:
        super().__init__(reason)
        self.line = line
        self.reason = reason


@dataclass
class Tree:
    """value: the document. lines: of every field and list item, from 1. mistakes: (place, text)."""

    value: Any = None
    lines: dict[Place, int] = field(default_factory=dict)
    mistakes: list[tuple[Place, str]] = field(default_factory=list)
    n_nodes: int = 0


def read_yaml(text: str) -> Tree:
    """Raises NotYaml where there is nothing that can be read."""
    try:
        node = yaml.compose(text, Loader=_CoreLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise NotYaml(mark.line + 1 if mark else 1, _plain(error, text, mark)) from None
    except yaml.reader.ReaderError as error:
        raise NotYaml(
            text.count("\n", 0, error.position) + 1, f"not YAML: the character {error.character:#04x}"
        ) from None
    tree = Tree()
    if node is not None:
        tree.value = _build(node, (), tree, ())
    return tree


def read_scalar(text: str) -> Any:
    """A value as it would be read in a recipe: `8` a number, `[1, 2]` a list, `fast` text. Raises NotYaml."""
    tree = read_yaml(text)
    if tree.mistakes:
        raise NotYaml(1, tree.mistakes[0][1])
    return tree.value


def _plain(error: yaml.MarkedYAMLError, text: str, mark: yaml.Mark | None) -> str:
    reason = " ".join(part for part in (error.context, error.problem) if part)
    line = text.splitlines()[mark.line] if mark and mark.line < len(text.splitlines()) else ""
    hint = '; between { } a variable needs quotes: "${NAME}"' if "${" in line else ""
    return f"not YAML: {reason}{hint}"


def _build(node: yaml.Node, place: Place, tree: Tree, above: tuple[int, ...]) -> Any:
    tree.n_nodes += 1
    if tree.n_nodes > MAX_NODES or id(node) in above:
        raise NotYaml(node.start_mark.line + 1, "not a recipe: aliases that grow without bound")
    tree.lines.setdefault(place, node.start_mark.line + 1)
    if isinstance(node, yaml.MappingNode):
        return _build_mapping(node, place, tree, (*above, id(node)))
    if isinstance(node, yaml.SequenceNode):
        return [_build(item, (*place, i), tree, (*above, id(node))) for i, item in enumerate(node.value)]
    return _scalar(node, place, tree)


def _build_mapping(node: yaml.MappingNode, place: Place, tree: Tree, above: tuple[int, ...]) -> dict[str, Any]:
    mapping: dict[str, Any] = {}
    for key, item in node.value:
        if not isinstance(key, yaml.ScalarNode):
            tree.mistakes.append((place, "a field's name must be plain text"))
            continue
        name = key.value
        here = (*place, name)
        if name in mapping:
            first = tree.lines.pop(here)
            tree.lines[here] = key.start_mark.line + 1
            tree.mistakes.append((here, f"is given twice, first in line {first}"))
            continue
        tree.lines[here] = key.start_mark.line + 1
        mapping[name] = _build(item, here, tree, above)
    return mapping


def _scalar(node: yaml.Node, place: Place, tree: Tree) -> Any:
    text = str(node.value)
    kind = node.tag.removeprefix(_TAG)
    if kind == "null":
        return None
    if kind == "bool":
        return text.lower() == "true"
    try:
        if kind == "int":
            return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
        if kind == "float":
            return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
    except ValueError:
        kind = node.tag
    if kind != "str":
        tree.mistakes.append((place, f"tags such as {node.tag.replace(_TAG, '!!')} are not understood"))
    return text
