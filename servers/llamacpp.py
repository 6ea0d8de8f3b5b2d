"""llama.cpp's server from the package xllamacpp, with SmolLM2."""

from pathlib import Path

from servers import smollm2
from servers.install import CannotInstall, install_once, installed, make_venv, pip_install
from servers.process import Server, spinning_threads, start_process

NAME = "llamacpp"
VERSION = "xllamacpp==2026.10.11549"
MODEL = "smollm2"


def install() -> None:
    smollm2.install()
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    """The venv's Python, where it is installed with its model."""
    folder = installed(NAME, VERSION)
    return None if folder is None or smollm2.find() is None else folder / "bin" / "python"


def start(port: int, folder: Path) -> Server:
    python, weights = find(), smollm2.find()
    if python is None or weights is None:
        raise CannotInstall("not installed: python -m servers install llamacpp")
    command: list[str | Path] = [
        python,
        Path(__file__).with_name("llamacpp_main.py"),
        weights,
        str(port),
        MODEL,
        str(spinning_threads()),
    ]
    return start_process(NAME, command, port=port, folder=folder, ready_path="/health", model=MODEL)


def _build(folder: Path) -> None:
    pip_install(make_venv(folder), VERSION)
