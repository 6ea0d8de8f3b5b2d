"""How every command ends: an exit code, and where something went wrong one line on stderr."""

import os
import sys
from collections.abc import Callable
from typing import Any

import click

from loadgen.errors import LoadgenError

INTERRUPTED = 130
OWN_FAULT = 4
WRONG_USE = 2

TRACEBACK_OPTION = "--traceback"
TRACEBACK_VARIABLE = "LOADGEN_TRACEBACK"


def ended(command: Callable[[list[str]], Any], args: list[str]) -> int:
    """Run a command and return its exit code, whatever happens in it."""
    shows_traceback = TRACEBACK_OPTION in args or os.environ.get(TRACEBACK_VARIABLE, "") not in ("", "0")
    try:
        code = command([arg for arg in args if arg != TRACEBACK_OPTION])
        sys.stdout.flush()
        return code if isinstance(code, int) else 0
    except BrokenPipeError:
        # Whoever read has seen enough. What is left in the buffer must not fail again at exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        return 0
    except (Exception, KeyboardInterrupt) as error:
        if shows_traceback:
            import traceback

            traceback.print_exc()
        code, text = code_and_line(error)
        if text:
            print(text, file=sys.stderr)
        return code


def code_and_line(error: BaseException) -> tuple[int, str]:
    """Whose fault it was, and what to say. Several mistakes of a recipe are one line each."""
    if isinstance(error, LoadgenError):
        return error.exit_code, str(error)
    if isinstance(error, click.exceptions.Exit):
        return error.exit_code, ""
    if isinstance(error, click.ClickException):
        return WRONG_USE, f"loadgen: {_one_line(error.format_message())}{_hint(error)}"
    if isinstance(error, (KeyboardInterrupt, click.Abort)):
        return INTERRUPTED, "loadgen: interrupted"
    if isinstance(error, OSError) and error.strerror:
        return OWN_FAULT, f"{error.filename or 'loadgen'}: {error.strerror}"
    if isinstance(error, MemoryError):
        return OWN_FAULT, "loadgen: out of memory"
    what = _one_line(f"{type(error).__name__}: {error}").rstrip(": ")
    return OWN_FAULT, f"loadgen: a fault of its own: {what} ({TRACEBACK_OPTION} shows where)"


def _hint(error: click.ClickException) -> str:
    context = getattr(error, "ctx", None)
    return f"; see {context.command_path} --help" if isinstance(error, click.UsageError) and context else ""


def _one_line(text: str) -> str:
    return " ".join(text.split())
