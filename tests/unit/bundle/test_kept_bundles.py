"""A bundle of each schema version is kept: every one of them opens for ever."""

import json
from pathlib import Path
from typing import Any

import pytest

from loadgen.bundle import SCHEMA_VERSION, list_ids, open_bundle, verify
from loadgen.metrics.recalculate import recalculate

KEPT = Path(__file__).resolve().parents[2] / "golden" / "bundles"
VERSIONS = [f"v{version}" for version in range(1, SCHEMA_VERSION + 1)]


def test_there_is_one_of_every_version() -> None:
    assert sorted(path.name for path in KEPT.iterdir() if path.is_dir() and path.name.startswith("v")) == VERSIONS


def figures_of(summary: dict[str, Any]) -> dict[str, Any]:
    """What the requests alone give: without the client, and without what was looked at after the run."""
    figures = {**summary, "client": None, "findings": []}
    for key in ("checked", "wrong"):
        if key in figures:
            figures[key] -= sum(finding[key] for finding in summary.get("findings", ()))
    if "services" in figures:
        figures["services"] = {name: figures_of(service) for name, service in figures["services"].items()}
    return {key: value for key, value in figures.items() if key not in ("schema_version", "benchmark_id")}


ESTIMATES = {
    *("ci95", "mean_ci95", "n_effective", "certified", "needs_n", "n", "verdict"),
    *("steady_state", "coordinated_omission"),
}
"""How sure figures are: worked out better as time goes on, and not at all in the oldest bundles."""


def measured(summary: Any) -> Any:
    """What was seen, without what is estimated from it; floats to nine digits, since a processor adds as it likes."""
    if isinstance(summary, dict):
        estimates = ESTIMATES - ({"n"} if "std" in summary or "min" in summary else set())
        return {key: measured(value) for key, value in summary.items() if key not in estimates}
    if isinstance(summary, list):
        return [measured(one) for one in summary]
    return float(f"{summary:.9g}") if isinstance(summary, float) else summary


@pytest.mark.parametrize("version", VERSIONS)
def test_a_kept_bundle_opens_is_whole_and_gives_its_figures_again(version: str) -> None:
    for identity in list_ids(KEPT / version):
        bundle = open_bundle(identity, KEPT / version)
        assert f"v{bundle.run['schema_version']}" == version
        assert verify(bundle) == []
        assert bundle.summary is not None
        _, again = recalculate(bundle)
        assert measured(figures_of(json.loads(json.dumps(again)))) == measured(figures_of(bundle.summary))
    assert list_ids(KEPT / version)
