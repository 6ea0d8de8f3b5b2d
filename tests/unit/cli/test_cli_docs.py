"""docs/recipes.md against the commands that there are."""

from pathlib import Path

import pytest

from loadgen.cli.main import loadgen

DOCS = Path(__file__).resolve().parents[3] / "docs" / "recipes.md"


@pytest.mark.parametrize("name", loadgen.commands)
def test_docs_tell_every_command_and_option(name: str) -> None:
    _, found, told = DOCS.read_text(encoding="utf-8").partition("## The command line\n")
    assert found
    assert f"`loadgen {name}" in told
    for parameter in loadgen.commands[name].params:
        for option in parameter.opts:
            if option.startswith("--"):
                assert f"`{option}" in told, f"loadgen {name} {option}"
