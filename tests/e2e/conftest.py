"""The command line as a user types it: a process of its own in an empty folder."""

import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from command_line import LOADGEN, TIMEOUT_S, Run, Running, environment

SHORT_RUN = """\
service: {kind: simulator, ttft_ms: 5, itl_ms: 1}
workload: {output_tokens: 8, prompts: {input_tokens: 8}}
load: {concurrency: 2, requests: 20}
slo: [max_ttft < 10 s, success_ratio >= 50 %]
"""


@pytest.fixture
def run(tmp_path: Path) -> Run:
    """run("list", "--json") waits for the command and gives its exit code and output. Its folder is tmp_path."""

    def run_command(
        *args: str, env: dict[str, str] | None = None, **options: Any
    ) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [*LOADGEN, *args],
            cwd=tmp_path,
            env=environment(**(env or {})),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
            **options,
        )

    return run_command


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[..., Running]]:
    """start("run", "r.yaml") gives the running command; it does not outlive the test."""
    with ExitStack() as stack:

        def start_command(*args: str) -> Running:
            running = Running(args, tmp_path)
            stack.callback(running.close)
            return running

        yield start_command


@pytest.fixture
def short_recipe(tmp_path: Path) -> str:
    """A run of 20 requests on the simulator, well under a second."""
    (tmp_path / "short.yaml").write_text(SHORT_RUN)
    return "short.yaml"
