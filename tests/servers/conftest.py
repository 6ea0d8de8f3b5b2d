"""What the tests on real servers share."""

from collections.abc import Iterator

import pytest

from tests.servers.whole_runs import end_what_was_started


@pytest.fixture(autouse=True)
def no_run_goes_on() -> Iterator[None]:
    """A test that fails leaves no load behind for those after it."""
    yield
    end_what_was_started()
