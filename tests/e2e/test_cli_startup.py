"""--help is there at once: at most twice the time of `python -c "import asyncio"`."""

import subprocess
import sys
import time
from pathlib import Path

from command_line import LOADGEN, environment

N_ROUNDS = 7


def seconds_of(command: list[str], folder: Path) -> float:
    began_at = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment(), stdout=subprocess.DEVNULL, check=True)
    return time.perf_counter() - began_at


def test_help_takes_at_most_twice_the_time_of_importing_asyncio(tmp_path: Path) -> None:
    yardstick = [sys.executable, "-c", "import asyncio"]
    rounds = [(seconds_of([*LOADGEN, "--help"], tmp_path), seconds_of(yardstick, tmp_path)) for _ in range(N_ROUNDS)]
    assert min(ours for ours, _ in rounds) <= 2 * min(theirs for _, theirs in rounds)


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    program = "import sys\nimport loadgen.cli.main\nprint(*sorted(sys.modules))"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True)
    heavy = {"numpy", "pydantic", "yaml", "rich", "aiohttp", "matplotlib", "orjson", "asyncio"}
    assert not heavy & set(done.stdout.split())
