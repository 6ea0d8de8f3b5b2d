"""What all tests share: what to do about something that this machine lacks, and real servers."""

import os
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TypeVar

import pytest
from hypothesis import settings

from servers import SERVERS
from servers.process import Server, free_port

settings.register_profile("any host", deadline=None)  # a busy one is slow, and no test asserts a time
settings.load_profile("any host")

Thing = TypeVar("Thing")


@pytest.fixture(scope="session")
def need() -> Callable[[Thing | None, str], Thing]:
    """need(thing, reason) gives the thing back; where there is none the test is skipped with the reason.

    With LOADGEN_REQUIRE=all in the environment, as in CI, it fails instead: a skip there would hide what nobody tested.
    """

    def thing_or_skip(thing: Thing | None, reason: str) -> Thing:
        if thing:
            return thing
        if os.environ.get("LOADGEN_REQUIRE") == "all":
            pytest.fail(f"LOADGEN_REQUIRE=all, and {reason}")
        pytest.skip(reason)

    return thing_or_skip


@pytest.fixture(scope="session")
def start_server(
    need: Callable[[object, str], object], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Callable[[str], Server]]:
    """start_server(name) starts a real server of servers/ for the rest of the session, or gives the one that runs."""
    running: dict[str, Server] = {}
    with ExitStack() as stack:

        def start(name: str) -> Server:
            need(SERVERS[name].find(), f"{name} is not installed: python -m servers install {name}")
            if name not in running:
                folder: Path = tmp_path_factory.mktemp(name)
                running[name] = stack.enter_context(SERVERS[name].start(free_port(), folder))
            return running[name]

        yield start
