"""Runs of several services in `loadgen list`, and what is said of them."""

from pathlib import Path

import pytest

from loadgen.cli.listing import list_bundles
from loadgen.cli.view import described, loads_of
from loadgen.recipe import Recipe, recipe_from_dict

KEPT = Path(__file__).resolve().parents[2] / "golden" / "bundles" / "v1"
SEVERAL = "BM-20260304-003"


def recipe() -> Recipe:
    services = {"llm": {"kind": "ollama", "model": "m"}, "pages": {"kind": "http", "url": "http://h"}}
    loads = {"llm": {"concurrency": 8}, "pages": {"mode": "open", "rate_per_s": 200}}
    return recipe_from_dict({"services": services, "loads": loads})


def test_services_and_loads_are_told_by_name() -> None:
    assert described(recipe()) == "llm (ollama, m), pages (http)"
    assert loads_of(recipe()) == "llm 8 clients, pages 200 requests/s (poisson)"
    assert loads_of(recipe().parts()[0][1]) == "8 clients"


def test_each_service_of_a_run_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert list_bundles(f"id={SEVERAL}", False, KEPT, KEPT) == 0
    lines = capsys.readouterr().out.splitlines()[1:]
    assert [line.split()[0] for line in lines] == [SEVERAL, SEVERAL]
    assert "  llm: " in lines[0]
    assert "  store: " in lines[1]
    assert list_bundles(f"id={SEVERAL} and service=redis", False, KEPT, KEPT) == 0
    assert [line for line in capsys.readouterr().out.splitlines() if SEVERAL in line] == [lines[1]]
