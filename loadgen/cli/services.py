"""`loadgen services`: the kinds of service that a recipe may name, and the fields of one."""

import difflib

from loadgen.errors import RecipeError
from loadgen.recipe.kinds import KindError, find_kind, kind_names, package_of
from loadgen.recipe.tables import tables_of_kind

HEAD = ("KIND", "FROM", "ABOUT")


def list_services() -> int:
    """A line each; those that lack something say what."""
    rows = [HEAD, *((name, package_of(name), about) for name in kind_names() if (about := _about(name)))]
    widths = [max(len(row[column]) for row in rows) for column in range(2)]
    for name, package, about in rows:
        print(f"{name.ljust(widths[0])}  {package.ljust(widths[1])}  {about}")
    return 0


def _about(name: str) -> str:
    try:
        kind = find_kind(name)
    except KindError as error:
        return f"cannot be used: {error}"
    return "" if kind is None else kind.about or "-"


def describe_service(name: str) -> int:
    """Its fields, in Markdown. Raises RecipeError where there is none of that name."""
    try:
        kind = find_kind(name)
    except KindError as error:
        raise RecipeError(str(error)) from None
    if kind is None:
        near = difflib.get_close_matches(name, kind_names(), n=1)
        hint = f", did you mean {near[0]}?" if near else f"; there are {', '.join(kind_names())}"
        raise RecipeError(f"{name}: no such kind of service{hint}")
    blocks = ["\n".join([f"## {table.heading}", "", *table.lines]) for table in tables_of_kind(name)]
    print("\n\n".join(blocks))
    return 0
