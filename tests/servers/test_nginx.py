"""Plain HTTP against nginx: its access log is the second opinion."""

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import loadgen
from servers import nginx
from servers.process import free_port

N_REQUESTS = 3000


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_every_request_is_in_the_servers_log_once(
    engine: str, need: Callable[[object, str], object], tmp_path: Path
) -> None:
    need(nginx.find(), "nginx is not installed: python -m servers install nginx")
    log = tmp_path / "access.log"
    recipe = {
        "service": {"kind": "http"},
        "workload": {"requests": [{"name": "hello", "method": "GET", "path": "/"}]},
        "load": {"concurrency": 8, "requests": N_REQUESTS, "warmup_s": 0, "engine": engine},
    }
    with nginx.start(free_port(), tmp_path / "nginx", log) as server:
        recipe["service"]["url"] = server.url
        bundle = loadgen.run(recipe, results=tmp_path / "results", reports=tmp_path / "reports").bundle
    lines = [json.loads(line) for line in (bundle.folder / "requests.jsonl").read_text().splitlines()]
    assert [(line["outcome"], line["http_status"]) for line in lines] == [("ok", 200)] * N_REQUESTS
    logged = Counter(line.split()[0] for line in log.read_text().splitlines())
    assert {line["request_id"]: 1 for line in lines}.items() <= logged.items()
