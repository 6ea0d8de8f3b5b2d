"""What a report says and draws of what was watched beside the load."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import Shape, make_bundle

from loadgen.bundle.monitor import sample_line
from loadgen.bundle.read import Bundle
from loadgen.monitor.summary import watched_figures
from loadgen.report import write_report
from loadgen.report.facts import facts_of
from loadgen.report.monitor_words import monitor_section, size
from loadgen.units import NS_PER_S

SHAPE = Shape(duration_s=5.0, warmup_s=1.0, n_tokens=8, gap_ms=10.0)
KILLED = replace(SHAPE, status=None)

LOOKS: dict[str, list[dict[str, Any]]] = {
    "host": [{"cpu_ratio": 0.25, "steal_ratio": 0.0, "memory_used_bytes": 3 << 30, "memory_total_bytes": 8 << 30}],
    "gpu": [
        {
            "gpu": number,
            "name": "H100",
            "power_w": 300.0 + number,
            "utilisation_ratio": 0.9,
            "throttled_by": "power cap",
        }
        for number in (0, 1)
    ],
    "server": [{"vllm:num_requests_waiting": 7, "vllm:num_requests_running": 8}],
    "client": [{"cpu_ratio": 0.5, "rss_bytes": 80 << 20}],
}


def watched(results: Path, shape: Shape = SHAPE, **more: list[dict[str, Any]]) -> Bundle:
    """A run with a look of each source every second; its summary says what they come to, if it has one."""
    bundle = make_bundle(results, replace(shape, extra_recipe={"cost": {"per_hour": 36.0, "currency": "EUR"}}))
    (bundle.folder / "monitor").mkdir(exist_ok=True)
    for name, looks in {**LOOKS, **more}.items():
        lines = [sample_line(at_s * NS_PER_S, look) for at_s in range(8) for look in looks]
        (bundle.folder / "monitor" / f"{name}.jsonl").write_bytes(b"".join(lines))
    if bundle.summary is not None:
        added = watched_figures(bundle.summary, bundle.run, bundle.samples)
        (bundle.folder / "summary.json").write_text(json.dumps({**bundle.summary, **added}))
    return Bundle(bundle.folder)


def test_the_page_has_a_table_of_each_source_and_of_what_it_cost(tmp_path: Path) -> None:
    section = "\n".join(monitor_section(facts_of(watched(tmp_path))))
    for row in (
        "| CPU of this host in use | 25 % | 25 % |",
        "| memory in use | 3 GiB | 3 GiB |",
        "| GPU 0, H100: power | 300 W | 300 W |",
        "| GPU 1, H100: busy | 90 % | 90 % |",
        "| requests that wait in the server's queue | 7 | 7 |",
        "| CPU of the load generator, of one core | 50 % | 50 % |",
        "| energy of the window | 3,000 J |",
        "| at 36 EUR an hour, the window | 0.0500 EUR |",
    ):
        assert row in section
    assert "- GPU 0, H100: held back by its power cap in 100 % of the time." in section
    assert "other guests" not in section  # nothing was taken
    assert "energy of an output token" not in section  # nobody knows where that service runs


def test_a_run_that_was_killed_has_the_same_figures(tmp_path: Path) -> None:
    facts = facts_of(watched(tmp_path, KILLED))
    assert facts.recounted
    assert facts.summary["monitor"]["host"]["cpu_ratio"]["mean"] == 0.25
    assert facts.summary["cost"]["currency"] == "EUR"
    assert monitor_section(facts)[0] == "## Beside the load"


def test_without_samples_and_cost_there_is_no_section(tmp_path: Path) -> None:
    assert monitor_section(facts_of(make_bundle(tmp_path, SHAPE))) == []


@pytest.mark.parametrize("shape", [SHAPE, KILLED])
def test_there_is_a_picture_of_it_on_the_page(tmp_path: Path, shape: Shape) -> None:
    folder = write_report(watched(tmp_path / "results", shape), tmp_path / "reports")
    assert "(plots/watched.png)" in (folder / "report.md").read_text("utf-8")
    assert (folder / "plots" / "watched.png").stat().st_size > 10_000
    assert "plots/watched.png" in json.loads((folder / "report.json").read_text("utf-8"))["plots"]


def test_without_samples_there_is_no_picture(tmp_path: Path) -> None:
    folder = write_report(make_bundle(tmp_path / "results", SHAPE), tmp_path / "reports")
    assert not (folder / "plots" / "watched.png").exists()
    assert "watched" not in (folder / "report.md").read_text("utf-8")


def test_preemptions_and_cache_hits_are_said(tmp_path: Path) -> None:
    grown = [
        {"vllm:num_preemptions_total": 2 * at, "vllm:prefix_cache_queries_total": 8 * at,
         "vllm:prefix_cache_hits_total": 2 * at} for at in range(8)
    ]  # fmt: skip
    bundle = watched(tmp_path)
    path = bundle.folder / "monitor" / "server.jsonl"
    path.write_bytes(b"".join(sample_line(at_s * NS_PER_S, look) for at_s, look in enumerate(grown)))
    (bundle.folder / "summary.json").write_text(
        json.dumps({**bundle.summary, **watched_figures(bundle.summary or {}, bundle.run, bundle.samples)})
    )
    section = "\n".join(monitor_section(facts_of(Bundle(bundle.folder))))
    assert "- The server ran out of cache and put requests back 10 times." in section
    assert "- 25 % of the prompts' tokens were in its prefix cache." in section


@pytest.mark.parametrize(
    ("n_bytes", "words"),
    [(0, "0 B"), (1023, "1,020 B"), (1536, "1.5 KiB"), (80 << 30, "80 GiB"), (None, "-"), (2**70, "1,050,000 PiB")],
)
def test_sizes_have_units(n_bytes: int | None, words: str) -> None:
    assert size(n_bytes) == words
