"""What a person types, as a command."""

import click
import pytest

from loadgen.cli.ending import code_and_line
from loadgen.cli.main import as_command, overrides_of
from loadgen.errors import EngineError, RecipeError, TargetError

COMMANDS = ["run", "rerun", "check", "report", "list", "verify", "simulate", "schema"]


@pytest.mark.parametrize(
    ("typed", "command"),
    [
        ("recipes/chat.yaml", "run recipes/chat.yaml"),
        ("--quiet chat.yaml", "run --quiet chat.yaml"),
        ("run chat.yaml", "run chat.yaml"),
        ("--rerun BM-1", "rerun BM-1"),
        ("--rerun=BM-1 --strict", "rerun BM-1 --strict"),
        ("--strict --rerun BM-1", "rerun --strict BM-1"),
        ("list --json", "list --json"),
        ("--help", "--help"),
        ("--version", "--version"),
    ],
)
def test_recipe_and_rerun_are_commands_too(typed: str, command: str) -> None:
    assert as_command(typed.split(), COMMANDS) == command.split()


def test_misspelt_command_is_not_taken_for_a_recipe() -> None:
    with pytest.raises(click.UsageError, match="did you mean verify"):
        as_command(["verfy"], COMMANDS)


def test_override_is_cut_at_its_first_equals_sign() -> None:
    parameter = click.Option(["--set"])
    given = overrides_of(click.Context(click.Command("run")), parameter, ("a.b=1", "slo=[p99 <= 1 s]", "c="))
    assert given == {"a.b": "1", "slo": "[p99 <= 1 s]", "c": ""}


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (RecipeError("a"), 2),
        (TargetError("a"), 3),
        (EngineError("a"), 4),
        (OSError(28, "No space left on device", "reports"), 4),
        (MemoryError(), 4),
        (ValueError("a\nb"), 4),
        (click.UsageError("a"), 2),
        (KeyboardInterrupt(), 130),
    ],
)
def test_every_error_has_its_exit_code_and_one_line(error: BaseException, code: int) -> None:
    got, line = code_and_line(error)
    assert got == code
    assert line
    assert "\n" not in line
