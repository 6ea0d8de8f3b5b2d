"""What the installers share: a folder with a stamp each, commands tried again, venvs, files of Debian packages."""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

HOME = Path(os.environ.get("LOADGEN_SERVERS") or Path(__file__).resolve().parent.parent / ".servers").absolute()
"""Everything that is installed lies here; a folder that is kept between clones may be named in LOADGEN_SERVERS."""

N_TRIES = 3
PAUSE_BETWEEN_TRIES_S = 5.0


class CannotInstall(Exception):
    """One line for a person: what is missing, and what would help."""


def installed(name: str, version: str) -> Path | None:
    """The folder of a finished installation of exactly this version."""
    folder = HOME / name
    stamp = folder / "installed"
    return folder if stamp.is_file() and stamp.read_text() == version else None


def install_once(name: str, version: str, build: Callable[[Path], None]) -> Path:
    """The folder that `build` fills, unless it was filled before. A half-done folder is begun anew."""
    done = installed(name, version)
    if done is not None:
        return done
    folder = HOME / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    print(f"installing {name} {version} into {folder}", file=sys.stderr, flush=True)
    build(folder)
    (folder / "installed").write_text(version)
    return folder


def run(
    command: Sequence[str | Path], *, n_tries: int = 1, cwd: Path | None = None, env: Mapping[str, str] | None = None
) -> None:
    """Run a command quietly; its last lines are the reason when it fails. What downloads is worth several tries."""
    for n_left in reversed(range(n_tries)):
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            cwd=cwd,
            env=env,
        )
        if done.returncode == 0:
            return
        if n_left:
            print(f"trying again: {_line(command)}: {_tail(done.stdout, 1)}", file=sys.stderr, flush=True)
            time.sleep(PAUSE_BETWEEN_TRIES_S)
    raise CannotInstall(f"{_line(command)}: exit {done.returncode}: {_tail(done.stdout, 8)}")


def make_venv(folder: Path) -> Path:
    """A virtual environment without pip (ours installs into it), so that Debian's missing ensurepip does not matter."""
    run([sys.executable, "-m", "venv", "--without-pip", folder])
    return folder / "bin" / "python"


def pip_install(python: Path, *arguments: str | Path) -> None:
    run([sys.executable, "-m", "pip", "--python", python, "install", "--quiet", *arguments], n_tries=N_TRIES)


def pip_download(folder: Path, *arguments: str) -> None:
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    run([*pip, "--dest", folder, *arguments], n_tries=N_TRIES)


def find_go(what: str, at_least: tuple[int, int]) -> str:
    """Go's own program, new enough to build something from its source."""
    go = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin:/usr/lib/go/bin")
    wanted = ".".join(map(str, at_least))
    if go is None:
        raise CannotInstall(f"{what} is built from source here: it needs Go {wanted} or newer on the PATH")
    words = subprocess.run([go, "version"], capture_output=True, text=True, check=True).stdout.split()
    version = tuple(int(part) for part in words[2].removeprefix("go").split(".")[:2])
    if version < at_least:
        raise CannotInstall(f"{what} needs Go {wanted} or newer to build, and {go} is {words[2]}")
    return go


def unpack_debian(folder: Path, *packages: str) -> None:
    """The files of Debian packages, without installing them: no root, and no service that starts by itself."""
    if shutil.which("apt-get") is None or shutil.which("dpkg") is None:
        raise CannotInstall(f"needs the files of {', '.join(packages)}, and there is no apt-get to fetch them with")
    archives = folder / "debian"
    archives.mkdir(exist_ok=True)
    download = ["apt-get", "download", "--quiet", *packages]
    try:
        run(download, cwd=archives)
    except CannotInstall:
        update_package_lists()
        run(download, cwd=archives, n_tries=N_TRIES)
    for archive in sorted(archives.glob("*.deb")):
        run(["dpkg", "-x", archive, folder])


def update_package_lists() -> None:
    as_root: list[str] = [] if os.geteuid() == 0 else ["sudo", "-n"]
    if as_root and shutil.which("sudo") is None:
        raise CannotInstall("apt-get knows no packages yet: run apt-get update as root once")
    run([*as_root, "apt-get", "update", "--quiet"], n_tries=N_TRIES)


def _line(command: Sequence[str | Path]) -> str:
    text = " ".join(str(word) for word in command)
    return text if len(text) < 160 else text[:157] + "..."


def _tail(output: str, n_lines: int) -> str:
    return " | ".join(line.strip() for line in output.strip().splitlines()[-n_lines:])
