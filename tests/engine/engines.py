"""The engines under test, and what to do where one is missing."""

import asyncio
import os
from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path

import pytest
from harness import Engine

from loadgen.engine import portable


def _native(tmp_path: Path) -> Engine:
    if find_spec("loadgen.engine._native") is None:
        if os.environ.get("LOADGEN_REQUIRE") or os.environ.get("CI"):
            pytest.fail("the native engine is not built, and here it is required")
        pytest.skip("the native engine is not built")
    from loadgen.engine import native

    return Engine("native", native.fire, tmp_path, asyncio.new_event_loop)


def _portable(tmp_path: Path) -> Engine:
    return Engine("portable", portable.fire, tmp_path, asyncio.new_event_loop)


def _portable_on_uvloop(tmp_path: Path) -> Engine:
    uvloop = pytest.importorskip("uvloop", reason="uvloop is not made for this system")
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.get_loop()  # libuv keeps a pipe from its first loop on, which no run is to blame for
    return Engine("portable", portable.fire, tmp_path, uvloop.new_event_loop)


ENGINES: dict[str, Callable[[Path], Engine]] = {
    "portable": _portable,
    "portable_on_uvloop": _portable_on_uvloop,
    "native": _native,
}
