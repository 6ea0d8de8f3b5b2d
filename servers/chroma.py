"""Chroma, from its Python package, in an environment of its own. It sends nothing to anyone."""

from pathlib import Path

from servers.install import CannotInstall, install_once, installed, make_venv, pip_install
from servers.process import Server, start_process

NAME = "chroma"
VERSION = "chromadb==1.5.9"
QUIET = {"ANONYMIZED_TELEMETRY": "False", "DO_NOT_TRACK": "1"}


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return None if folder is None else folder / "bin" / "chroma"


def start(port: int, folder: Path) -> Server:
    program = find()
    if program is None:
        raise CannotInstall("not installed: python -m servers install chroma")
    command: list[str | Path] = [
        *(program, "run", "--path", folder / "data"),
        *("--host", "127.0.0.1", "--port", str(port)),
    ]
    settings = {**QUIET, "HOME": str(folder)}
    return start_process(NAME, command, port=port, folder=folder, ready_path="/api/v2/heartbeat", environment=settings)


def _build(folder: Path) -> None:
    pip_install(make_venv(folder), VERSION)
