"""From a file, or a dict, to a Recipe: every mistake of it at once, each with its file, line and field."""

import os
import platform
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from loadgen.errors import RecipeError
from loadgen.recipe.model import Recipe
from loadgen.recipe.several import outward
from loadgen.recipe.source import FREE, Problem, Source, at, with_value
from loadgen.recipe.sweep import assemble_all
from loadgen.recipe.variables import Variables
from loadgen.recipe.yaml_tree import NotYaml, Place, Tree, read_scalar, read_yaml

MAX_BYTES = 10_000_000

_BESIDE = (
    *(("workload", "prompts", name) for name in ("path", "tokenizer")),
    *(("workload", "vectors", name) for name in ("path", "queries", "neighbours")),
    ("service", "tls", "ca_file"),
)
_CLIENT: Place = ("service", "client")
"""Paths in a recipe, and the module of a Python client: looked for beside it first, then from the current folder."""

_OVERRIDE = "--set "


def load_recipe(path: str | os.PathLike[str], overrides: Mapping[str, str] | None = None) -> Recipe:
    """Read a recipe from a YAML file. overrides: dotted field -> value, written as in YAML.

    Raises RecipeError: its text has one line for each mistake.
    """
    file = Path(path)
    tree = _read_file(file)
    prefix = str(path)
    origins: dict[Place, str] = {place: f"{prefix}:{line}: " for place, line in tree.lines.items()}
    origins[()] = f"{prefix}: "
    problems = [Problem(place, text) for place, text in tree.mistakes]
    return _build(tree.value, origins, problems, overrides or {}, file.parent, file.stem)


def recipe_from_dict(
    fields: Mapping[str, Any], overrides: Mapping[str, str] | None = None, origin: str | None = None
) -> Recipe:
    """The same from values in memory, such as the recipe that a bundle keeps. origin: what messages begin with."""
    origins: dict[Place, str] = {(): f"{origin}: " if origin else ""}
    written = dict(fields)
    kind = written["service"].get("kind") if isinstance(written.get("service"), Mapping) else None
    return _build(_plain(written), origins, [], overrides or {}, Path(), str(kind or "recipe"))


def _read_file(file: Path) -> Tree:
    try:
        if file.stat().st_size > MAX_BYTES:
            raise RecipeError(f"{file}: not a recipe: larger than {MAX_BYTES // 1_000_000} MB")
        text = file.read_text(encoding="utf-8-sig")
    except FileNotFoundError:
        raise RecipeError(f"{file}: no such file") from None
    except IsADirectoryError:
        raise RecipeError(f"{file}: is a folder, not a recipe") from None
    except UnicodeDecodeError:
        raise RecipeError(f"{file}: not YAML: not UTF-8 text") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise RecipeError(f"{file}: cannot be read: {reason}") from None
    try:
        tree = read_yaml(text)
    except NotYaml as error:
        raise RecipeError(f"{file}:{error.line}: {error.reason}") from None
    if tree.value is None:
        raise RecipeError(f"{file}: is empty; the smallest recipe is `service: {{kind: simulator}}`")
    return tree


def _build(
    written: Any,
    origins: dict[Place, str],
    problems: list[Problem],
    overrides: Mapping[str, str],
    folder: Path,
    default_name: str,
) -> Recipe:
    if not isinstance(written, dict):
        raise RecipeError(f"{origins[()]}must be a mapping of fields, such as `service: {{kind: simulator}}`")
    written, override_problems = _overridden(_without_nulls(written), overrides, origins)
    typed = {_place_of(name): text for name, text in overrides.items()}
    written = {"name": default_name, "target": platform.node() or "localhost", **written}
    source, unset = Source(_beside(written, folder), origins, Variables(folder), typed).resolved()
    early = [*problems, *override_problems, *unset]
    recipe, found = assemble_all(source)
    problems = _once([*early, *found])
    if problems or recipe is None:
        raise RecipeError("\n".join(source.line_of(problem) for problem in sorted(problems, key=_line_number(origins))))
    return recipe


def _once(problems: list[Problem]) -> list[Problem]:
    """The first mistake at each place: the later ones mostly follow from it."""
    first: dict[Place, Problem] = {}
    for problem in problems:
        first.setdefault(problem.place, problem)
    return list(first.values())


def _line_number(origins: Mapping[Place, str]) -> Any:
    order = {place: i for i, place in enumerate(origins)}

    def position(problem: Problem) -> int:
        places = (problem.place[:length] for length in range(len(problem.place), -1, -1))
        return next((order[place] for place in places if place in order), 0)

    return position


def _overridden(
    written: dict[str, Any], overrides: Mapping[str, str], origins: dict[Place, str]
) -> tuple[dict[str, Any], list[Problem]]:
    """A field that is set on the command line is no longer an axis of the sweep."""
    problems: list[Problem] = []
    for name, text in overrides.items():
        place = _place_of(name)
        for below in [known for known in origins if known[: len(place)] == place]:
            del origins[below]
        for length in range(1, len(place)):
            if at(written, place[:length]) is None:  # made on the way
                origins[place[:length]] = _OVERRIDE
        origins[place] = _OVERRIDE
        try:
            value = read_scalar(text)
            written = _without_nulls(with_value(written, place, value))
        except NotYaml as error:
            problems.append(Problem(place, error.reason))
        except (TypeError, ValueError, IndexError):
            problems.append(Problem(place, "there is no such place in this recipe"))
        written = _without_search(_without_axis(written, name), name)
    return written, problems


def _place_of(name: str) -> Place:
    """`sweep.load.concurrency` is the axis load.concurrency of sweep; a number is a position in a list."""
    if name.startswith("sweep."):
        return ("sweep", name.removeprefix("sweep."))
    return tuple(int(part) if part.isdecimal() else part for part in name.split("."))


def _without_axis(written: dict[str, Any], name: str) -> dict[str, Any]:
    sweep = written.get("sweep")
    if not isinstance(sweep, dict) or name not in sweep:
        return written
    left = {axis: values for axis, values in sweep.items() if axis != name}
    rest = {field: value for field, value in written.items() if field != "sweep"}
    return {**rest, "sweep": left} if left else rest


def _without_search(written: dict[str, Any], name: str) -> dict[str, Any]:
    """A load that is set is no longer searched."""
    is_searched = at(written, ("search", "field")) == name
    return {field: value for field, value in written.items() if not (is_searched and field == "search")}


def _without_nulls(tree: dict[str, Any], free: bool = False) -> dict[str, Any]:
    """`rate_per_s:` with nothing behind it is not given. What goes to the server as it stands keeps its nulls."""
    return {
        name: _without_nulls(value, free or name in FREE) if isinstance(value, dict) else value
        for name, value in tree.items()
        if value is not None or free
    }


def _beside(written: dict[str, Any], folder: Path) -> dict[str, Any]:
    """Files that lie beside the recipe, by their path from the current folder: so it also runs out of a bundle."""
    if folder == Path():
        return written
    services = written.get("services")
    names = list(services) if isinstance(services, dict) else []
    for inside in (*_BESIDE, _CLIENT):
        for place in [inside, *(outward(inside, name) for name in names)]:
            value = at(written, place)
            found = _found_beside(value, folder, inside == _CLIENT) if isinstance(value, str) else None
            if found is not None:
                written = with_value(written, place, found)
    return written


def _found_beside(value: str, folder: Path, is_client: bool) -> str | None:
    """The path from the current folder; None where nothing lies beside the recipe."""
    if os.path.isabs(value):
        return None
    if not is_client:
        return os.path.relpath(folder / value) if (folder / value).exists() else None
    module, colon, name = value.rpartition(":")
    below = folder.joinpath(*module.removesuffix(".py").split("."))
    lies_there = below.with_suffix(".py").is_file() or (below / "__init__.py").is_file()
    return f"{os.path.relpath(folder)}/{module}{colon}{name}" if module and lies_there else None


def _plain(value: Any) -> Any:
    """A copy of only dicts and lists, so that a recipe does not change with the caller's objects."""
    if isinstance(value, Mapping):
        return {name: _plain(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value
