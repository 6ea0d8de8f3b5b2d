"""`${NAME}` in a recipe: from the environment, or from a `.env` file beside the recipe."""

import os
import re
from collections.abc import Callable, Mapping
from functools import cached_property
from pathlib import Path

_REFERENCE = re.compile(r"\$(?P<escape>\$)?\{(?P<name>[A-Za-z_][A-Za-z0-9_]*)\}")
_ASSIGNMENT = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*")


class Variables:
    """The environment first, then `.env`, which is read only when it is needed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @cached_property
    def _from_file(self) -> Mapping[str, str]:
        try:
            text = (self._folder / ".env").read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            return {}
        return read_env(text)

    def get(self, name: str) -> str | None:
        return os.environ[name] if name in os.environ else self._from_file.get(name)


def read_env(text: str) -> dict[str, str]:
    """`NAME=value` lines; `export`, quotes around a value, and comments are understood, all else is passed over."""
    values: dict[str, str] = {}
    for line in text.splitlines():
        match = _ASSIGNMENT.fullmatch(line)
        if match and not line.lstrip().startswith("#"):
            values[match[1]] = _unquoted(match[2])
    return values


def _unquoted(value: str) -> str:
    if len(value) >= 2 and value[0] == value[-1] and value[0] in "'\"":
        return value[1:-1]
    return re.sub(r"\s+#.*", "", value)


def has_references(text: str) -> bool:
    return _REFERENCE.search(text) is not None


def substitute(text: str, value_of: Callable[[str], str]) -> str:
    """Put in what each variable holds; `$${NAME}` stands for the text `${NAME}`."""
    return _REFERENCE.sub(lambda found: found[0][1:] if found["escape"] else value_of(found["name"]), text)
