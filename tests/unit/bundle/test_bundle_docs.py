"""docs/bundle.md and docs/measuring.md name everything that a bundle holds."""

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from made_runs import finished, finished_data, finished_services

from loadgen.bundle import SCHEMA_VERSION, Bundle
from loadgen.bundle.layout import LINE_KEYS, OUTCOMES, STATUSES
from loadgen.metrics.figures import PLAIN_METRICS, TOKEN_METRICS
from loadgen.metrics.latency import SERVER_SPANS

DOCS = Path(__file__).resolve().parents[3] / "docs"
BUNDLE_PAGE = (DOCS / "bundle.md").read_text()
IN_BUNDLE_PAGE = set(re.findall(r"`([^`\s]+)`", BUNDLE_PAGE))
IN_MEASURING_PAGE = set(re.findall(r"`([^`\s]+)`", (DOCS / "measuring.md").read_text()))
FREE_KEYS = {
    "recipe",
    "service",
    "clients",
    "environment",
    "packages",
    "files",
    "by_outcome",
    "by_error_code",
    "services",
    "by_operation",
    "metrics",
}
"""Below these the keys are not the bundle's own, or stand elsewhere on the page."""


def keys_of(value: Any) -> set[str]:
    if isinstance(value, list):
        return set().union(*map(keys_of, value))
    if not isinstance(value, dict):
        return set()
    return set(value).union(*(keys_of(inner) for key, inner in value.items() if key not in FREE_KEYS))


@pytest.mark.parametrize("make", [finished, finished_data, finished_services])
def test_every_key_of_run_json_and_summary_json_is_explained(tmp_path: Path, make: Callable[[Path], Bundle]) -> None:
    bundle = make(tmp_path)
    assert bundle.summary is not None
    assert keys_of(bundle.run) <= IN_BUNDLE_PAGE
    assert keys_of(bundle.summary) <= IN_BUNDLE_PAGE
    for part in bundle.summary.get("services", {"": bundle.summary}).values():
        assert keys_of(part) | keys_of(part["metrics"]["e2e"]) <= IN_BUNDLE_PAGE


@pytest.mark.parametrize("names", [LINE_KEYS, STATUSES, PLAIN_METRICS, TOKEN_METRICS])
def test_every_key_of_a_line_every_status_and_metric_is_explained(names: tuple[str, ...]) -> None:
    assert set(names) <= IN_BUNDLE_PAGE


def test_every_metric_and_outcome_is_defined() -> None:
    assert {*PLAIN_METRICS, *TOKEN_METRICS, *SERVER_SPANS, *OUTCOMES} <= IN_MEASURING_PAGE


def test_the_page_names_the_present_schema_version() -> None:
    assert f"`schema_version`, at present {SCHEMA_VERSION}." in BUNDLE_PAGE
