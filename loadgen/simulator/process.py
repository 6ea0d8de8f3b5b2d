"""The simulator in a process of its own."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from types import TracebackType

from loadgen.errors import EngineError
from loadgen.simulator.settings import SimulatorSettings

STOP_TIMEOUT_S = 10


class SimulatorProcess:
    """A running simulator. Ends with `stop`, with the `with` block, or with this process, however that ends."""

    def __init__(self, process: "subprocess.Popen[str]", url: str) -> None:
        self._process = process
        self.url = url

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def exit_code(self) -> int | None:
        """None while it runs."""
        return self._process.poll()

    def stop(self) -> None:
        """Stop it and wait until its log is whole. A second call does nothing. Raises EngineError if it had failed."""
        if self._process.stdin is None or self._process.stdin.closed:
            return
        self._process.terminate()
        try:
            _, complaint = self._process.communicate(timeout=STOP_TIMEOUT_S)
        except subprocess.TimeoutExpired:
            self._process.kill()
            _, complaint = self._process.communicate()
        if self._process.returncode != 0:
            raise EngineError(_last_line(complaint) or f"the simulator ended with {self._process.returncode}")

    def __enter__(self) -> "SimulatorProcess":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def start_simulator(settings: SimulatorSettings, log: Path | None = None, port: int = 0) -> SimulatorProcess:
    """Start it and wait until it listens. port 0: one that is free. log: JSONL, a line a request, made anew.

    Raises EngineError where it cannot run, with its own line.
    """
    if importlib.util.find_spec("loadgen.simulator._native") is None:
        from loadgen.simulator.server import native_class

        native_class()
    command = [sys.executable, "-m", "loadgen.simulator", "--port", str(port), "--stop-with-stdin"]
    command += ["--settings", json.dumps(settings.as_dict())]
    if log is not None:
        command += ["--log", str(log)]
    # A pipe that closes when this process ends, even by SIGKILL. PR_SET_PDEATHSIG would do it when the *thread* that
    # started the simulator ends.
    process = subprocess.Popen(
        command,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=_environment(),
        start_new_session=True,
    )
    assert process.stdout is not None
    url = process.stdout.readline().strip()
    if not url:
        _, complaint = process.communicate()
        raise EngineError(_last_line(complaint) or f"the simulator ended with {process.returncode}")
    return SimulatorProcess(process, url)


def _environment() -> dict[str, str]:
    """Ours, such that the child finds this very package, wherever it was imported from."""
    here = str(Path(__file__).resolve().parents[2])
    return {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, [here, os.environ.get("PYTHONPATH")]))}


def _last_line(text: str) -> str:
    lines = text.strip().splitlines()
    return lines[-1].removeprefix("loadgen: ") if lines else ""
