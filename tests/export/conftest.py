"""Short real runs against the simulator, made once, and their lines as plain Python reads them."""

import asyncio
import json
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from loadgen.bundle import Bundle, open_bundle
from loadgen.recipe import recipe_from_dict
from loadgen.run import Place, Watch, run_once

ROOT = Path(__file__).resolve().parents[2]
CHAT = {"output_tokens": 8, "prompts": {"input_tokens": 8}}
QUICK = {"kind": "simulator", "ttft_ms": 3, "itl_ms": 1}
RECIPES: dict[str, dict[str, Any]] = {
    "open": {
        "service": {**QUICK, "error_ratio": 0.15},
        "workload": CHAT,
        "load": {"mode": "open", "rate_per_s": 150, "duration_s": 1.5, "warmup_s": 0.3},
    },
    "closed": {
        "service": QUICK,
        "workload": CHAT,
        "load": {"concurrency": 4, "requests": 60, "warmup_requests": 5},
        "slo": ["p99_ttft < 10 s"],
    },
    "all failed": {"service": {**QUICK, "error_ratio": 1.0}, "workload": CHAT, "load": {"requests": 12}},
    "one request": {"service": QUICK, "workload": CHAT, "load": {"requests": 1}},
    "web": {  # as a store: answers without tokens
        "service": {"kind": "http"},
        "workload": {"requests": [{"name": "models", "path": "/v1/models"}, {"name": "none", "path": "/none"}]},
        "load": {"concurrency": 2, "requests": 40, "warmup_requests": 4},
    },
}


@pytest.fixture(scope="session")
def web_server() -> Iterator[str]:
    """The simulator as any web server: its address."""
    with subprocess.Popen([sys.executable, "-m", "loadgen", "simulate"], stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            yield process.stdout.readline().split()[-1]
        finally:
            process.send_signal(signal.SIGTERM)


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory, web_server: str) -> Callable[[str], Bundle]:
    """run_of(name) is the run of one of RECIPES."""
    results = tmp_path_factory.mktemp("results")
    made: dict[str, Bundle] = {}

    def run(name: str) -> Bundle:
        if name not in made:
            recipe = {"name": name, **RECIPES[name]}
            if name == "web":
                recipe["service"] = {**recipe["service"], "url": web_server}
            measured = asyncio.run(run_once(recipe_from_dict(recipe, {}), Place(results, ROOT, None), Watch()))
            made[name] = open_bundle(measured.bundle.folder, results)
        return made[name]

    return run


@pytest.fixture
def lines_of() -> Callable[[Bundle], list[dict[str, Any]]]:
    """The lines of a run's requests.jsonl, in the order of the plan."""

    def lines(bundle: Bundle) -> list[dict[str, Any]]:
        text = bundle.requests_path.read_text("utf-8")
        return sorted(map(json.loads, text.splitlines()), key=lambda line: line["index"])

    return lines


@pytest.fixture
def exported(tmp_path: Path) -> Callable[..., Path]:
    """exported(bundle, format, …) is the file that was written, or the folder of several."""
    from loadgen.export import export

    def write(bundle: Bundle, format: str, **options: Any) -> Path:
        out = tmp_path / f"exported.{format}"
        export(bundle.folder, format, out, **options)
        return out

    return write
