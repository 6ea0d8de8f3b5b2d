"""A server as a process of its own: started, waited for, and stopped by its process group."""

import os
import signal
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

READY_WITHIN_S = 180.0
STOP_WITHIN_S = 15.0
BETWEEN_PROBES_S = 0.1


class CannotStart(Exception):
    """One line for a person, with the server's own last words."""


@dataclass(frozen=True)
class Server:
    """A running server. url: its root, without a path. model: what a request must name, "" where there is none.

    stop_signal: what it ends on, in order.
    """

    name: str
    url: str
    model: str
    folder: Path
    process: subprocess.Popen[bytes]
    stop_signal: signal.Signals = signal.SIGTERM

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    def stop(self) -> None:
        """End the whole process group, gently first. Harmless when it has already ended."""
        for number in (self.stop_signal, signal.SIGKILL):
            try:
                os.killpg(self.pid, number)
            except ProcessLookupError:
                break
            try:
                self.process.wait(STOP_WITHIN_S)
            except subprocess.TimeoutExpired:
                continue
        self.process.wait()

    def __enter__(self) -> "Server":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody has just now."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
    return port


def spinning_threads() -> int:
    """How many threads llama.cpp gets: they spin while they wait, so with one a core its client would starve it."""
    return max(1, (os.cpu_count() or 1) - 1)


def start_process(
    name: str,
    command: Sequence[str | Path],
    *,
    port: int,
    folder: Path,
    ready_path: str = "/",
    is_ready: Callable[[], bool] | None = None,
    url: str = "",
    model: str = "",
    environment: Mapping[str, str] | None = None,
    stop_signal: signal.Signals = signal.SIGTERM,
) -> Server:
    """Start and wait until is_ready() says so, or without it until GET ready_path answers 200.

    The server's output goes to folder/NAME.log. url: "": http on the port.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.log").open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            env={**os.environ, **(environment or {})},
            cwd=folder,
            start_new_session=True,
        )
    server = Server(name, url or f"http://127.0.0.1:{port}", model, folder, process, stop_signal)
    try:
        _wait_until_ready(server, is_ready or (lambda: _answers(server.url + ready_path)))
    except BaseException:
        server.stop()
        raise
    return server


def _wait_until_ready(server: Server, is_ready: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + READY_WITHIN_S
    while not is_ready():
        if server.process.poll() is not None:
            raise CannotStart(f"{server.name} ended with {server.process.returncode}: {_last_words(server.log)}")
        if time.monotonic() > give_up_at:
            raise CannotStart(f"{server.name} was not ready after {READY_WITHIN_S:g} s: {_last_words(server.log)}")
        time.sleep(BETWEEN_PROBES_S)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError, TimeoutError):
        return False


def _last_words(log: Path) -> str:
    lines = log.read_text(errors="replace").strip().splitlines()
    return " | ".join(line.strip() for line in lines[-5:])
