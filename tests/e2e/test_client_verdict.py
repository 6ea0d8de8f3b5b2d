"""The load generator's verdict on itself, on real runs: with too little CPU, and with a server that is slow."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from command_line import environment

from loadgen.calibrate.drive import Effort
from loadgen.cli import calibrating
from loadgen.cli.main import main
from loadgen.simulator import SimulatorSettings, start_simulator

ENGINES = ["native", "portable"]
TIMEOUT_S = 100
SHARE = 0.2
PERIOD_US = 100_000

RUN = """
import asyncio, json, os, sys
from pathlib import Path
from loadgen.recipe import recipe_from_dict
from loadgen.run import Place, Watch, run_once

class Moved(Watch):
    def running(self, *_):
        if sys.argv[2]:
            Path(sys.argv[2]).write_text(str(os.getpid()))  # from here on, with all its threads

recipe = recipe_from_dict(json.loads(sys.argv[1]))
measured = asyncio.run(run_once(recipe, Place(Path("results")), Moved()))
print(json.dumps(measured.bundle.summary["client"]))
"""


def client_of(recipe: dict[str, Any], folder: Path, cgroup: Path | None = None) -> dict[str, Any]:
    """`client` of a run in a process of its own. cgroup: where that process goes when the load begins."""
    procs = str(cgroup / "cgroup.procs") if cgroup else ""
    done = subprocess.run(
        [sys.executable, "-c", RUN, json.dumps(recipe), procs],
        cwd=folder,
        env=environment(XDG_CACHE_HOME=str(folder)),
        capture_output=True,
        text=True,
        timeout=TIMEOUT_S,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.splitlines()[-1])
    assert isinstance(found, dict)
    return found


@contextmanager
def fifth_of_a_core() -> Iterator[tuple[Path | None, int | None]]:
    """(a cgroup with that quota, None), or (None, a CPU on which others take the rest) where no cgroup can be made."""
    name = f"loadgen-test-{os.getpid()}"
    quota_us = int(SHARE * PERIOD_US)
    v1, v2 = Path("/sys/fs/cgroup/cpu") / name, Path("/sys/fs/cgroup") / name
    for folder, files in (
        (v1, {"cpu.cfs_period_us": f"{PERIOD_US}", "cpu.cfs_quota_us": f"{quota_us}"}),
        (v2, {"cpu.max": f"{quota_us} {PERIOD_US}"}),
    ):
        if _make(folder, files):
            try:
                yield folder, None
            finally:
                folder.rmdir()
            return
    cpu = min(os.sched_getaffinity(0))
    spinner = f"import os\nos.sched_setaffinity(0, {{{cpu}}})\nwhile True: pass"
    others = [subprocess.Popen([sys.executable, "-c", spinner]) for _ in range(4)]
    try:
        yield None, cpu
    finally:
        for other in others:
            other.kill()
            other.wait()


def _make(folder: Path, files: dict[str, str]) -> bool:
    """A cgroup; False where that cannot be: no rights, or another version of cgroups."""
    try:
        folder.mkdir()
    except OSError:
        return False
    try:
        for name, text in files.items():
            (folder / name).write_text(text)
        return (folder / "cgroup.procs").exists()
    except OSError:
        folder.rmdir()
        return False


@pytest.mark.parametrize("engine", ENGINES)
def test_a_load_generator_with_a_fifth_of_a_core_says_that_it_was_the_limit(engine: str, tmp_path: Path) -> None:
    with start_simulator(SimulatorSettings(ttft_ms=1, itl_ms=0)) as simulator, fifth_of_a_core() as (cgroup, cpu):
        recipe = {
            "service": {"kind": "openai", "url": simulator.url, "model": "simulated"},
            "workload": {"prompts": {"input_tokens": 8}, "output_tokens": 64},
            "load": {"engine": engine, "concurrency": 32, "duration_s": 2, "drain_s": 5},
        }
        if cpu is not None:
            with pinned_to(cpu):
                client = client_of(recipe, tmp_path)
        else:
            client = client_of(recipe, tmp_path, cgroup)
    assert client["verdict"] == "bound", client
    if cgroup is not None:
        assert client["cpu_limit"] == pytest.approx(SHARE)
        said = ("of the 0.2 CPUs that it may use", "was ready to run and had no CPU")  # the quota's end, or before it
        assert any(words in reason for reason in client["reasons"] for words in said), client


@contextmanager
def pinned_to(cpu: int) -> Iterator[None]:
    """What is started in it runs on this CPU."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {cpu})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def trusted_client_of(recipe: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`client` of a run that is trusted. A host that is busy for a moment is a good reason not to be, which no test can
    help; what is the service's slowness would be blamed on the client each time."""
    tried = []
    for _ in range(N_TRIES):
        client = client_of(recipe, folder)
        if client["verdict"] != "bound" and all("hypervisor" in reason for reason in client["reasons"]):
            return client
        tried.append(client)
    pytest.fail(f"never trusted: {tried}")


N_TRIES = 4
SLOW = {"kind": "simulator", "ttft_ms": 150, "itl_ms": 150}
SHORT = {"prompts": {"input_tokens": 8}, "output_tokens": 3}


@pytest.mark.parametrize("engine", ENGINES)
def test_a_server_that_serves_one_at_a_time_is_not_the_clients_slowness(engine: str, tmp_path: Path) -> None:
    load = {"engine": engine, "concurrency": 8, "duration_s": 3, "drain_s": 0.1}
    trusted_client_of({"service": {**SLOW, "slots": 1}, "workload": SHORT, "load": load}, tmp_path)


@pytest.mark.parametrize("engine", ENGINES)
def test_requests_that_wait_for_a_connection_are_not_the_clients_slowness(engine: str, tmp_path: Path) -> None:
    load = {"mode": "open", "rate_per_s": 20, "connections": 2, "duration_s": 3, "drain_s": 0.1, "engine": engine}
    client = trusted_client_of({"service": SLOW, "workload": SHORT, "load": load}, tmp_path)
    assert client["connection_wait_ratio"] > 0.5
    assert client["p99_own_send_lag_ms"] < client["p99_send_lag_ms"] / 2


def test_a_quick_calibration_is_what_later_runs_are_held_against(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(calibrating, "QUICK", Effort((16,), 0.2, 10_000))
    with pytest.raises(SystemExit) as ended:
        main(["calibrate", "--quick", "--json"])
    shown = capsys.readouterr()
    assert ended.value.code == 0, shown.err
    content = json.loads(shown.out)
    (file,) = (tmp_path / "loadgen").iterdir()
    assert json.loads(file.read_text()) == content
    assert content["is_quick"]
    assert {(row["engine"], row["threads"]) for row in content["ceilings"]} >= {("native", 1), ("portable", 1)}
    assert "these are ceilings of the two together" in shown.err
    recipe = {"service": {"kind": "simulator", "ttft_ms": 1, "itl_ms": 1}, "workload": SHORT, "load": {"requests": 20}}
    ceiling = client_of(recipe, tmp_path)["ceiling"]
    native = content["ceilings"][0]
    assert ceiling == {**{name: native[name] for name in ("events_per_s", "requests_per_s")}, "at": content["at"]}
    assert ceiling["events_per_s"] > 0
    assert ceiling["requests_per_s"] > 0
