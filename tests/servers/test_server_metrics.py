"""What real servers say of themselves beside a load: found by itself, understood, and on the run's clock."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from servers.process import Server
from whole_runs import Ran, run_recipe

LOAD = {"concurrency": 2, "duration_s": 3, "timeout_s": 60}
WORKLOAD = {"prompts": {"kind": "inline", "list": ["Count to ten."]}, "output_tokens": 16}


def looks_of(ran: Ran, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (ran.bundle / "monitor" / f"{name}.jsonl").read_text().splitlines()]


def test_llama_cpps_page_is_found_and_its_tokens_are_those_that_came(
    start_server: Callable[[str], Server], tmp_path: Path
) -> None:
    server = start_server("llamacpp")
    service = {"kind": "openai", "url": server.url, "model": server.model}
    ran = run_recipe(tmp_path, {"service": service, "workload": WORKLOAD, "load": LOAD})
    assert ran.exit_code == 0, ran.stderr
    assert ran.run["service"]["metrics_url"] == f"{server.url}/metrics"
    looks = looks_of(ran, "server")
    assert looks[0]["at_ns"] == 0
    answered = sum(line["output_tokens"] or 0 for line in ran.lines if line["outcome"] == "ok")
    predicted = looks[-1]["llamacpp:tokens_predicted_total"] - looks[0]["llamacpp:tokens_predicted_total"]
    assert predicted >= answered > 0
    told = ran.summary["monitor"]["server"]
    assert 0 < told["running"]["max"] <= 4
    assert told["waiting"]["mean"] == 0
    assert 0 <= told["prefix_cache_hit_ratio"] <= 1


def test_a_page_may_be_named_for_any_service(start_server: Callable[[str], Server], tmp_path: Path) -> None:
    page = start_server("llamacpp").url + "/metrics"
    simulator = {"kind": "simulator", "ttft_ms": 5, "itl_ms": 1}
    ran = run_recipe(tmp_path, {"service": simulator, "load": {"requests": 10}, "monitor": {"server": page}})
    assert ran.exit_code == 0, ran.stderr
    assert "llamacpp:requests_processing" in looks_of(ran, "server")[0]
    assert ran.summary["monitor"]["server"]["running"] == {"mean": 0, "min": 0, "max": 0}
