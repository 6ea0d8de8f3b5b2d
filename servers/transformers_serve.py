"""`transformers serve`, from vLLM's venv and with its tiny Llama."""

from pathlib import Path

from servers import vllm
from servers.process import Server, start_process

NAME = "transformers"


def install() -> None:
    vllm.install()


def find() -> Path | None:
    return vllm.find()


def start(port: int, folder: Path) -> Server:
    here = vllm.find_or_say()
    command: list[str | Path] = [
        *(here / "bin" / "transformers", "serve", "--host", "127.0.0.1", "--port", str(port)),
        "--continuous-batching",  # without it one request is served at a time
        *("--cb-max-memory-percent", "0.05"),  # its cache would take nine tenths of all memory that is free
    ]
    hub = folder / "hub"
    hub.mkdir(parents=True)  # it lists the models that were downloaded before, and there must be a folder to list
    settings = {**vllm.OFFLINE, "HOME": str(folder), "HF_HUB_CACHE": str(hub)}
    return start_process(
        NAME, command, port=port, folder=folder, ready_path="/v1/models", model=str(here / "tiny"), environment=settings
    )
