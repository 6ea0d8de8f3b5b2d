"""Qdrant's REST API over what its Python client has of it in memory: no package carries the server itself.

What answers is tests/servers/qdrant_local.py. Its search is exact, without an index.
"""

from pathlib import Path

from servers.install import CannotInstall, install_once, installed, make_venv, pip_install
from servers.process import Server, start_process

NAME = "qdrant"
VERSION = "qdrant-client==1.20.0"
PROGRAM = Path(__file__).resolve().parent.parent / "tests" / "servers" / "qdrant_local.py"


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    """The Python that has the client."""
    folder = installed(NAME, VERSION)
    return None if folder is None or not PROGRAM.exists() else folder / "bin" / "python"


def start(port: int, folder: Path, *, api_key: str = "") -> Server:
    python = find()
    if python is None:
        raise CannotInstall("not installed: python -m servers install qdrant")
    command: list[str | Path] = [python, PROGRAM, str(port)]
    return start_process(
        NAME, command, port=port, folder=folder, ready_path="/readyz", environment={"QDRANT_API_KEY": api_key}
    )


def _build(folder: Path) -> None:
    pip_install(make_venv(folder), VERSION)
