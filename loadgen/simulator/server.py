"""Serves in this process: the listening socket, the signals and the log file; the loop itself is native."""

import errno
import os
import resource
import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

from loadgen.errors import EngineError
from loadgen.simulator import dialects, pages
from loadgen.simulator.settings import SimulatorSettings

if TYPE_CHECKING:
    from loadgen.simulator._native import Simulator

BACKLOG = 4096
MOST_CONNECTIONS = 32768
DEFAULT_OUTPUT_TOKENS = 64


def serve(
    settings: SimulatorSettings,
    port: int = 0,
    log: Path | None = None,
    *,
    announce: Callable[[str], None] = print,
    stops_with_fd: int | None = None,
) -> None:
    """Serve on 127.0.0.1 until SIGINT or SIGTERM; call it in the main thread.

    announce: is told the URL once it listens. stops_with_fd: when this can be read, or hangs up, it stops too.
    Raises EngineError if the native module is missing, the port is taken or the log cannot be written.
    """
    native = native_class()
    _raise_descriptor_limit()
    simulator = _configured(native, settings)
    with _listener(port) as listening, _stop_signals() as stop_fd, _log_writer(simulator, log):
        announce(f"http://127.0.0.1:{listening.getsockname()[1]}")
        stop_fds = [stop_fd] if stops_with_fd is None else [stop_fd, stops_with_fd]
        simulator.run(listening.fileno(), stop_fds)


def native_class() -> "type[Simulator]":
    """Raises EngineError with what to do where it was not built."""
    try:
        from loadgen.simulator._native import Simulator
    except ImportError as error:
        raise EngineError(
            "the simulator needs its native module, which is not built here: it takes Linux, gcc and `pip install .`"
            f" ({error})"
        ) from None
    return Simulator


def _configured(native: "type[Simulator]", settings: SimulatorSettings) -> "Simulator":
    simulator = native(min(resource.getrlimit(resource.RLIMIT_NOFILE)[0], MOST_CONNECTIONS))
    simulator.set_draws(
        settings.ttft_ns_shape(), settings.itl_ns_shape(), settings.output_tokens_shape(), DEFAULT_OUTPUT_TOKENS
    )
    simulator.set_limits(settings.slots or 0, settings.seed % 2**64, settings.models)
    simulator.set_faults(settings.error_ratio, dict(settings.faults or {"500": 1.0}))
    for operation, parts in dialects.all_dialects().items():
        simulator.set_dialect(operation, parts)
    for route in pages.routes(settings.models):
        simulator.add_route(*route)
    for refusal in pages.refusals():
        simulator.set_refusal(*refusal)
    for which, page in enumerate(pages.own_pages()):
        simulator.set_page(which, page)
    return simulator


def _raise_descriptor_limit() -> None:
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _listener(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    try:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        # What is accepted inherits it.
        listening.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        listening.bind(("127.0.0.1", port))
        listening.listen(BACKLOG)
    except OSError as error:
        listening.close()
        why = "it is taken" if error.errno == errno.EADDRINUSE else error.strerror
        raise EngineError(f"the simulator cannot listen on 127.0.0.1:{port}: {why}") from None
    return listening


@contextmanager
def _stop_signals() -> Iterator[int]:
    """A descriptor that can be read once SIGINT or SIGTERM has come: the native loop runs no Python, so a handler would
    never be called there, but the interpreter's C handler writes to this descriptor."""

    def nothing(number: int, frame: FrameType | None) -> None:
        """What is to be done is done by the loop."""

    receiving, sending = socket.socketpair()
    sending.setblocking(False)
    before_fd = signal.set_wakeup_fd(sending.fileno())
    before = {number: signal.signal(number, nothing) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield receiving.fileno()
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
        signal.set_wakeup_fd(before_fd)
        receiving.close()
        sending.close()


@contextmanager
def _log_writer(simulator: "Simulator", path: Path | None) -> Iterator[None]:
    if path is None:
        yield
        return
    try:
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o644)
    except OSError as error:
        raise EngineError(f"the simulator cannot write its log {path}: {error.strerror}") from None
    wake_fd = os.eventfd(0, os.EFD_CLOEXEC)
    simulator.set_log(fd, wake_fd)
    writer = threading.Thread(target=simulator.write_log, name="simulator log")
    writer.start()
    try:
        yield
    finally:
        simulator.end_log()
        writer.join()
        os.close(wake_fd)
        os.close(fd)
    if simulator.log_error:
        raise EngineError(f"the simulator's log {path} is not whole: {os.strerror(simulator.log_error)}")


def announce_on_stdout(url: str) -> None:
    sys.stdout.write(f"{url}\n")
    sys.stdout.flush()
