"""What tests of exports and of damaged bundles have in common."""

import contextlib
import io
import json
from typing import Any

from loadgen.cli.ending import ended
from loadgen.cli.main import loadgen as commands


def said_by(*args: str) -> tuple[int, str, str]:
    """A command in this process: its exit code and what it said."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        code = ended(lambda words: commands.main(words, prog_name="loadgen", standalone_mode=False), list(args))
    return code, out.getvalue(), err.getvalue()


def strict_json(text: str) -> Any:
    """Raises where a number is none: NaN and Infinity are no JSON."""

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is no number")

    return json.loads(text, parse_constant=refuse)
