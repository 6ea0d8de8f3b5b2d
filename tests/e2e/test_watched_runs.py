"""Whole runs, and what was watched beside them."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from command_line import Run

SECONDS = 2.5
LOAD = f"load: {{concurrency: 2, warmup_s: 0.5, duration_s: {SECONDS}}}\n"
SIMULATOR = "service: {kind: simulator, ttft_ms: 5, itl_ms: 1}\nworkload: {output_tokens: 8}\n"


def ran(run: Run, folder: Path, text: str, *args: str) -> Path:
    """The bundle of a recipe's run."""
    (folder / "watched.yaml").write_text(text)
    done = run("watched.yaml", "--quiet", *args)
    assert done.returncode == 0, done.stderr
    (bundle,) = (folder / "results").iterdir()
    verified = run("verify", bundle.name)
    assert verified.returncode == 0, verified.stdout
    return bundle


def looks_of(bundle: Path, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (bundle / "monitor" / f"{name}.jsonl").read_text().splitlines()]


def json_of(bundle: Path, name: str) -> Any:
    return json.loads((bundle / name).read_text())


@pytest.mark.parametrize("engine", ["native", "portable"])
def test_host_and_client_are_watched_on_the_runs_clock(run: Run, tmp_path: Path, engine: str) -> None:
    recipe = SIMULATOR + LOAD + "cost: {per_hour: 7.2, currency: EUR}\nmonitor: {gpu: false}\n"
    bundle = ran(run, tmp_path, recipe, "--set", f"load.engine={engine}")
    summary = json_of(bundle, "summary.json")
    window = summary["window"]
    for name in ("host", "client"):
        instants = [look["at_ns"] for look in looks_of(bundle, name)]
        assert instants[0] == 0  # before the load
        assert 0 < instants[1] < window["from_ns"]  # at its beginning
        assert instants[-1] >= window["to_ns"]  # after it
        assert instants == sorted(instants)
        assert len(instants) >= 4
    monitor = summary["monitor"]
    assert 0 < monitor["host"]["cpu_ratio"]["mean"] <= 1
    assert monitor["client"]["rss_bytes"]["max"] > 1_000_000
    assert 0 < monitor["client"]["n_in_flight"]["max"] <= 2
    last = looks_of(bundle, "client")[-1]
    assert last["n_finished"] == len((bundle / "requests.jsonl").read_text().splitlines())
    of_window = 7.2 * window["s"] / 3600
    assert summary["cost"]["of_window"] == pytest.approx(of_window, rel=1e-5)
    assert summary["cost"]["per_1000_requests"] == pytest.approx(
        1000 * of_window / summary["requests"]["succeeded"], rel=1e-5
    )
    assert json_of(bundle, "run.json")["service"]["on_this_host"] is True
    report = tmp_path / "reports" / bundle.name
    assert "## Beside the load" in (report / "report.md").read_text()
    assert (report / "plots" / "watched.png").is_file()


def test_put_off_nothing_is_watched(run: Run, tmp_path: Path) -> None:
    bundle = ran(run, tmp_path, SIMULATOR + "load: {requests: 10}\nmonitor: off\n")
    assert not (bundle / "monitor").exists()
    assert not {"monitor", "cost"} & json_of(bundle, "summary.json").keys()


def test_a_card_that_is_asked_for_and_not_there_is_a_note(run: Run, tmp_path: Path) -> None:
    bundle = ran(run, tmp_path, SIMULATOR + "load: {requests: 10}\nmonitor: {gpu: true}\n")
    notes = [note for note in json_of(bundle, "run.json")["notes"] if note.startswith("monitor.gpu: ")]
    assert bool(notes) != (bundle / "monitor" / "gpu.jsonl").exists()


class Page(BaseHTTPRequestHandler):
    """Counts how often it was asked; asks for a password."""

    n_asked = 0

    def do_GET(self) -> None:  # noqa: N802, RUF100
        type(self).n_asked += 1
        is_let_in = self.headers["Authorization"] == "Basic bWU6aGlkZGVuLXdvcmQ="  # me:hidden-word
        page = f'# TYPE n gauge\nvllm:num_requests_waiting{{a="hidden-word"}} 3\nasked {self.n_asked}\n'.encode()
        self.send_response(200 if is_let_in else 401)
        self.send_header("Content-Length", str(len(page)))
        self.end_headers()
        self.wfile.write(page)

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is said."""


@pytest.fixture
def page_port() -> Iterator[int]:
    Page.n_asked = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), Page)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_page_of_metrics_is_asked_and_its_password_is_in_no_file(run: Run, tmp_path: Path, page_port: int) -> None:
    url = f"http://me:hidden-word@127.0.0.1:{page_port}/metrics"
    bundle = ran(run, tmp_path, SIMULATOR + LOAD + f'monitor: {{server: "{url}", gpu: false}}\n')
    looks = looks_of(bundle, "server")
    assert [look["asked"] for look in looks] == list(range(1, Page.n_asked + 1))
    assert json_of(bundle, "summary.json")["monitor"]["server"]["waiting"] == {"mean": 3, "min": 3, "max": 3}
    files = [path for folder in (bundle, tmp_path / "reports") for path in folder.rglob("*") if path.is_file()]
    assert [path for path in files if b"hidden-word" in path.read_bytes()] == []


def test_a_page_that_is_not_there_is_a_note_and_the_run_goes_on(run: Run, tmp_path: Path, page_port: int) -> None:
    url = f"http://127.0.0.1:{page_port}/metrics"
    bundle = ran(run, tmp_path, SIMULATOR + f'load: {{requests: 10}}\nmonitor: {{server: "{url}"}}\n')
    notes = [note for note in json_of(bundle, "run.json")["notes"] if note.startswith("monitor.server: ")]
    assert notes == [
        f"monitor.server: nothing is watched: http://127.0.0.1:{page_port}/metrics: its metrics are answered with 401"
    ]
    assert not (bundle / "monitor" / "server.jsonl").exists()
