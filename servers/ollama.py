"""Ollama, built from its Go module, with SmolLM2 as its model."""

import os
import tarfile
from pathlib import Path

from servers import smollm2
from servers.install import (
    N_TRIES,
    CannotInstall,
    find_go,
    install_once,
    installed,
    pip_download,
    run,
    unpack_debian,
)
from servers.process import Server, spinning_threads, start_process

NAME = "ollama"
VERSION = "0.17.4"
MINIAUDIO = "miniaudio==1.71"
GO_AT_LEAST = (1, 24)
MODEL = "smollm2"


def install() -> None:
    smollm2.install()
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    """The program, where it is installed with its model."""
    folder = installed(NAME, VERSION)
    return None if folder is None or smollm2.find() is None else folder / "bin" / "ollama"


def start(port: int, folder: Path) -> Server:
    program, weights = find(), smollm2.find()
    if program is None or weights is None:
        raise CannotInstall("not installed: python -m servers install ollama")
    settings = {"OLLAMA_HOST": f"127.0.0.1:{port}", "OLLAMA_MODELS": str(folder / "models"), "HOME": str(folder)}
    server = start_process(
        NAME, [program, "serve"], port=port, folder=folder, ready_path="/api/version", model=MODEL, environment=settings
    )
    modelfile = folder / "Modelfile"
    modelfile.write_text(f"FROM {weights}\nPARAMETER num_thread {spinning_threads()}\n")
    try:
        run([program, "create", MODEL, "-f", modelfile], env={**os.environ, **settings})
    except BaseException:
        server.stop()
        raise
    return server


def _build(folder: Path) -> None:
    go = find_go("Ollama", GO_AT_LEAST)
    _fetch_headers(folder)
    environment = {
        **os.environ,
        "GOBIN": str(folder / "bin"),
        "CGO_ENABLED": "1",
        "CGO_CPPFLAGS": f"-I{folder / 'include'} -I{folder / 'usr' / 'include'}",
    }
    run([go, "install", f"github.com/ollama/ollama@v{VERSION}"], n_tries=N_TRIES, env=environment)


def _fetch_headers(folder: Path) -> None:
    """The three headers that the module's archive leaves out."""
    unpack_debian(folder, "nlohmann-json3-dev", "libstb-dev")
    pip_download(folder, "--no-binary", ":all:", MINIAUDIO)
    (source,) = folder.glob("miniaudio-*.tar.gz")
    include = folder / "include" / "miniaudio"
    include.mkdir(parents=True)
    with tarfile.open(source) as archive:
        member = next(name for name in archive.getnames() if name.endswith("/miniaudio/miniaudio.h"))
        header = archive.extractfile(member)
        assert header is not None
        (include / "miniaudio.h").write_bytes(header.read())
    source.unlink()
