"""Every behaviour is held against every engine."""

from pathlib import Path

import pytest
from engines import ENGINES
from harness import Engine


@pytest.fixture(params=ENGINES)
def engine(request: pytest.FixtureRequest, tmp_path: Path) -> Engine:
    """Each engine in turn."""
    return ENGINES[request.param](tmp_path)
