"""The command line as a user types it: what the tests start and wait for."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOADGEN = [sys.executable, "-m", "loadgen"]
TIMEOUT_S = 100

Run = Callable[..., "subprocess.CompletedProcess[str]"]


def environment(**more: str) -> dict[str, str]:
    """Like a user's, with loadgen found whether it is installed or not."""
    kept = {name: value for name, value in os.environ.items() if name != "LOADGEN_TRACEBACK"}
    return {**kept, "PYTHONPATH": str(ROOT), **more}


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
