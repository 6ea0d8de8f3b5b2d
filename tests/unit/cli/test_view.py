"""What is said of a run on stderr where that is no terminal."""

import pytest

from loadgen.cli.view import View, fill_line


def test_bringing_data_in_is_said_when_it_begins_and_when_all_is_there(capsys: pytest.CaptureFixture[str]) -> None:
    view = View()
    for n_done in (0, 10, 500, 1000):
        view.filling("putting 1,000 documents", n_done, 1000)
    view.filling("indexing", 0, 0)
    assert capsys.readouterr().err.splitlines() == [
        "putting 1,000 documents: 0 of 1,000",
        "putting 1,000 documents: 1,000 of 1,000",
        "indexing",
    ]


def test_a_quiet_view_says_nothing_of_it(capsys: pytest.CaptureFixture[str]) -> None:
    View(quiet=True).filling("putting 1,000 documents", 0, 1000)
    assert capsys.readouterr().err == ""


def test_an_unknown_number_is_not_shown() -> None:
    assert fill_line("indexing", 5, 0) == "indexing"
