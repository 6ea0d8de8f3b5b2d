"""`loadgen services`: the kinds there are, and the fields of one."""

import pytest

from loadgen.cli.services import describe_service, list_services
from loadgen.errors import RecipeError
from loadgen.recipe import kinds
from loadgen.recipe.kinds import KindError, find_kind


def test_every_kind_has_a_line_with_its_package(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_services() == 0
    lines = [line.split(maxsplit=2) for line in capsys.readouterr().out.splitlines()]
    assert lines[0] == ["KIND", "FROM", "ABOUT"]
    assert [name for name, package, _ in lines[1:] if package == "loadgen"] == list(kinds.BUILT_IN)
    assert ["http", "loadgen", "any web server"] in lines


def test_the_fields_of_a_kind_are_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert describe_service("http") == 0
    told = capsys.readouterr().out
    assert told.startswith(
        "## `service` of http\n\n| field | type | default | meaning |\n|---|---|---|---|\n| `kind` |"
    )
    assert "## `workload.requests`, each\n" in told
    assert "## `workload.requests.expect`\n" in told


def test_a_kind_that_there_is_not_is_a_mistake() -> None:
    with pytest.raises(RecipeError, match=r"htpp: no such kind of service, did you mean http\?"):
        describe_service("htpp")


def test_a_kind_whose_package_is_missing_says_which(monkeypatch: pytest.MonkeyPatch) -> None:
    find_kind.cache_clear()
    monkeypatch.setitem(kinds.BUILT_IN, "http", "tests.unit.cli.needs_a_package")
    monkeypatch.setattr(kinds, "import_module", _without_its_package)
    try:
        with pytest.raises(KindError, match="http needs the Python package no_such_package, which is not installed"):
            find_kind("http")
        with pytest.raises(RecipeError, match="http needs the Python package no_such_package"):
            describe_service("http")
    finally:
        find_kind.cache_clear()


def _without_its_package(_name: str) -> None:
    raise ModuleNotFoundError("No module named 'no_such_package'", name="no_such_package")
