"""MinIO, built from its Go module."""

import os
from pathlib import Path

from servers.install import N_TRIES, CannotInstall, find_go, install_once, installed, run
from servers.process import Server, free_port, start_process
from servers.s3 import ACCESS_KEY, SECRET_KEY

NAME = "minio"
VERSION = "v0.0.0-20260212201848-7aac2a2c5b7c"
GO_AT_LEAST = (1, 24)


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return None if folder is None else folder / "bin" / "minio"


def start(port: int, folder: Path, *, environment: dict[str, str] | None = None) -> Server:
    """environment: settings of its own, such as {"MINIO_DOMAIN": "localhost"}."""
    program = find()
    if program is None:
        raise CannotInstall("not installed: python -m servers install minio")
    command: list[str | Path] = [
        *(program, "server", folder / "data", "--address", f"127.0.0.1:{port}"),
        *("--console-address", f"127.0.0.1:{free_port()}", "--certs-dir", folder / "certs"),
    ]
    settings = {
        "MINIO_ROOT_USER": ACCESS_KEY,
        "MINIO_ROOT_PASSWORD": SECRET_KEY,
        "MINIO_PROMETHEUS_AUTH_TYPE": "public",
        "MINIO_BROWSER": "off",
        "HOME": str(folder),
        **(environment or {}),
    }
    return start_process(
        NAME, command, port=port, folder=folder, ready_path="/minio/health/ready", environment=settings
    )


def _build(folder: Path) -> None:
    environment = {**os.environ, "GOBIN": str(folder / "bin")}
    run(
        [find_go("MinIO", GO_AT_LEAST), "install", f"github.com/minio/minio@{VERSION}"],
        n_tries=N_TRIES,
        env=environment,
    )
