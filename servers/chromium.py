"""Chromium, driven by chromedriver, which is a server: the system's own, or Debian's packages unpacked."""

import re
import shutil
import subprocess
from pathlib import Path

from servers.install import CannotInstall, install_once, installed, unpack_debian, update_package_lists
from servers.process import Server, start_process

NAME = "chromium"
VERSION = "debian"
PACKAGES = ("chromium", "chromium-driver", "fonts-dejavu-core")
ARGUMENTS = ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--hide-scrollbars")
"""For tests: a root user, as in many containers, cannot have the sandbox."""


def install() -> None:
    if _of_the_system() is None:
        install_once(NAME, VERSION, _unpack)


def _unpack(folder: Path) -> None:
    unpack_debian(folder, *_missing())
    shutil.rmtree(folder / "debian")  # the archives are as large as half of what came out of them


def find() -> Path | None:
    """chromedriver; browser() says where Chromium itself is."""
    folder = installed(NAME, VERSION)
    return _of_the_system() or (None if folder is None else folder / "usr" / "bin" / "chromedriver")


def browser() -> Path:
    """The program, or of the system's the script that starts it."""
    folder = installed(NAME, VERSION)
    found = shutil.which("chromium")
    if _of_the_system() is not None and found is not None:
        return Path(found)
    if folder is None:
        raise CannotInstall("not installed: python -m servers install chromium")
    return folder / "usr" / "lib" / "chromium" / "chromium"


def start(port: int, folder: Path) -> Server:
    """A WebDriver on the port, for one browser at a time or several."""
    driver = find()
    if driver is None:
        raise CannotInstall("not installed: python -m servers install chromium")
    command: list[str | Path] = [driver, f"--port={port}"]
    environment = {"HOME": str(folder), **_environment()}
    return start_process(NAME, command, port=port, folder=folder, ready_path="/status", environment=environment)


def _environment() -> dict[str, str]:
    """Where the libraries and the fonts of the unpacked packages are; nothing for the system's own."""
    root = installed(NAME, VERSION)
    if root is None or _of_the_system() is not None:
        return {}
    libraries = [folder for pattern in ("lib/*-linux-gnu", "usr/lib/*-linux-gnu") for folder in root.glob(pattern)]
    below = [path for folder in libraries for path in folder.iterdir() if path.is_dir() and any(path.glob("*.so*"))]
    fonts = root / "fonts.conf"
    fonts.write_text(f"<fontconfig><dir>{root}/usr/share/fonts</dir><cachedir>{root}/cache</cachedir></fontconfig>")
    return {"LD_LIBRARY_PATH": ":".join(map(str, (*libraries, *below))), "FONTCONFIG_FILE": str(fonts)}


def _missing() -> list[str]:
    """The packages, and all that they need and this system has not, as apt-get would install them."""
    if shutil.which("apt-get") is None:
        return list(PACKAGES)  # unpack_debian() says what is missing
    command = ["apt-get", "install", "--simulate", "--no-install-recommends", *PACKAGES]
    for tried in (1, 2):
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True)
        if done.returncode == 0:
            return re.findall(r"^Inst (\S+)", done.stdout, re.MULTILINE)
        if tried == 1:
            update_package_lists()
    raise CannotInstall(f"apt-get knows no {' or '.join(PACKAGES)}: {done.stderr.strip().splitlines()[-1:]}")


def _of_the_system() -> Path | None:
    found = shutil.which("chromedriver")
    return Path(found) if found is not None and shutil.which("chromium") is not None else None
