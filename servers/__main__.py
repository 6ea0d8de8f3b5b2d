"""python -m servers install NAME…            install into .servers/
python -m servers run NAME -- COMMAND…     start it, run COMMAND with {url} and {model} filled in, stop it
python -m servers list                     which are installed
"""

import subprocess
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

from servers import SERVERS
from servers.install import CannotInstall
from servers.process import CannotStart, free_port


def install(names: Sequence[str]) -> int:
    """Install all that can be; one line for each that cannot, and exit code 1."""
    failures = 0
    for name in names:
        try:
            SERVERS[name].install()
        except CannotInstall as reason:
            print(f"{name}: cannot be installed: {reason}", file=sys.stderr)
            failures += 1
    return 1 if failures else 0


def run(name: str, command: Sequence[str]) -> int:
    """The command's own exit code; 3 where the server cannot be started."""
    with tempfile.TemporaryDirectory(prefix=f"{name}-", ignore_cleanup_errors=True) as folder:
        try:
            server = SERVERS[name].start(free_port(), Path(folder))
        except (CannotInstall, CannotStart) as reason:
            print(f"{name}: {reason}", file=sys.stderr)
            return 3
        with server:
            print(f"{name} listens on {server.url}", file=sys.stderr, flush=True)
            filled = [word.replace("{url}", server.url).replace("{model}", server.model) for word in command]
            return _run_to_its_end(filled)


def list_installed() -> int:
    for name, server in SERVERS.items():
        print(f"{name:14} {server.find() or 'not installed'}")
    return 0


def _run_to_its_end(command: Sequence[str]) -> int:
    """Ctrl-C reaches the command by itself; it closes what it has open, and the server waits for that."""
    process = subprocess.Popen(command)
    while True:
        try:
            return process.wait()
        except KeyboardInterrupt:
            continue


def main(words: Sequence[str]) -> int:
    match words:
        case ["list"]:
            return list_installed()
        case ["install", *names] if names and set(names) <= SERVERS.keys():
            return install(names)
        case ["run", name, "--", *command] if name in SERVERS and command:
            return run(name, command)
    print(f"{__doc__}\nNAME is one of {', '.join(SERVERS)}", file=sys.stderr)
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
