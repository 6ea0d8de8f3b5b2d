"""Redis: the system's own, or Debian's package unpacked. Keeps nothing on the disk unless it is told to."""

import shutil
import socket
from collections.abc import Mapping, Sequence
from pathlib import Path

from servers.install import CannotInstall, install_once, installed, unpack_debian
from servers.process import Server, start_process

NAME = "redis"
VERSION = "debian"
Options = Mapping[str, str | Sequence[str]]
PACKAGES = ("redis-server", "redis-tools", "libatomic1", "libjemalloc2", "liblzf1")
"""The program, which lies among the tools, and what it needs that few systems have."""


def install() -> None:
    if _of_the_system() is None:
        install_once(NAME, VERSION, lambda folder: unpack_debian(folder, *PACKAGES))


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return _of_the_system() or (None if folder is None else folder / "usr" / "bin" / "redis-server")


def start(port: int, folder: Path, *, options: Options | None = None) -> Server:
    """options: of its configuration, such as {"maxmemory": "2mb", "rename-command": ("HELLO", "hidden")}."""
    program = find()
    if program is None:
        raise CannotInstall("not installed: python -m servers install redis")
    return start_with(NAME, program, port, folder, options or {})


def start_with(name: str, program: Path, port: int, folder: Path, options: Options) -> Server:
    """Any server that takes Redis's options and speaks its protocol."""
    usual = {"bind": "127.0.0.1", "port": str(port), "save": "", "appendonly": "no", "dir": str(folder)}
    command: list[str | Path] = [program]
    for option, value in (usual | dict(options)).items():
        command += [f"--{option}", *([value] if isinstance(value, str) else value)]
    url = f"redis://127.0.0.1:{port}"
    libraries = {"LD_LIBRARY_PATH": ":".join(str(path) for path in program.parent.parent.glob("lib/*-linux-gnu"))}
    return start_process(
        name, command, port=port, folder=folder, is_ready=lambda: _answers(port), url=url, environment=libraries
    )


def _answers(port: int) -> bool:
    """PONG, or the refusal of one who gave no password."""
    try:
        with socket.create_connection(("127.0.0.1", port), 5) as connection:
            connection.sendall(b"PING\r\n")
            return connection.recv(64).startswith((b"+PONG", b"-NOAUTH"))
    except OSError:
        return False


def _of_the_system() -> Path | None:
    found = shutil.which("redis-server") or shutil.which("redis-server", path="/usr/sbin:/usr/local/bin")
    return None if found is None else Path(found)
