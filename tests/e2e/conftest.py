"""The command line as a user types it: a process of its own in an empty folder."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]
LOADGEN = [sys.executable, "-m", "loadgen"]
TIMEOUT_S = 100

SHORT_RUN = """\
service: {kind: simulator, ttft_ms: 5, itl_ms: 1}
workload: {output_tokens: 8, prompts: {input_tokens: 8}}
load: {concurrency: 2, requests: 20}
slo: [max_ttft < 10 s, success_ratio >= 50 %]
"""


def environment(**more: str) -> dict[str, str]:
    """Like a user's, with loadgen found whether it is installed or not."""
    kept = {name: value for name, value in os.environ.items() if name != "LOADGEN_TRACEBACK"}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run("list", "--json") waits for the command and gives its exit code and output. Its folder is tmp_path."""

    def run_command(
        *args: str, env: dict[str, str] | None = None, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*LOADGEN, *args],
            cwd=tmp_path,
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            **options,
        )

    return run_command


class Running:
    """A command that goes on. lines: what it said on stderr so far."""

    def __init__(self, args: tuple[str, ...], cwd: Path) -> None:
        self.process = subprocess.Popen(
            [*LOADGEN, *args],
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.lines: list[str] = []
        self._news = threading.Condition()
        self._reader = threading.Thread(target=self._read)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            with self._news:
                self.lines.append(line.rstrip("\n"))
                self._news.notify_all()

    def wait_for(self, part: str) -> str:
        """The first line on stderr that holds the text."""
        with self._news:
            found = self._news.wait_for(lambda: [line for line in self.lines if part in line], TIMEOUT_S)
        assert found, self.lines
        return str(found[0])

    def interrupt(self) -> None:
        self.process.send_signal(signal.SIGINT)

    def end(self) -> tuple[int, str]:
        """Wait for it: its exit code, and what it said on stdout."""
        stdout = self.process.stdout.read() if self.process.stdout else ""
        code = self.process.wait(TIMEOUT_S)
        self._reader.join()
        return code, stdout

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.end()
        for pipe in (self.process.stdout, self.process.stderr):
            if pipe is not None:
                pipe.close()


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """start("run", "r.yaml") gives the running command; it does not outlive the test."""
    with ExitStack() as stack:

        def start_command(*args: str) -> Running:
            running = Running(args, tmp_path)
            stack.callback(running.close)
            return running

        yield start_command


@pytest.fixture
def short_recipe(tmp_path: Path) -> str:
    """A run of 20 requests on the simulator, well under a second."""
    (tmp_path / "short.yaml").write_text(SHORT_RUN)
    return "short.yaml"
