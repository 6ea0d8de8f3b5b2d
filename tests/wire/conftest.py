"""The wire parsers, compiled: without a compiler there is no native engine, and nothing of it to test here."""

import importlib
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="session")
def probe(need: Any) -> ModuleType:
    try:
        return importlib.import_module("loadgen.engine._wire_probe")
    except ImportError:
        need(None, "loadgen.engine._wire_probe is not built: make build")
        raise
