"""How busy the loops were in the window, from what the pump sees."""

import pytest

from loadgen.engine.native.busy import BusyShare, Look

MS = 1_000_000
IDLE_THROUGHOUT = Look(1000 * MS, 2000 * MS)


def share_of(looks: list[tuple[int, int]], from_ms: int | None, end_ms: int | None, whole: Look) -> float:
    """Two loops; looks: (at, waited by both together) in ms."""
    busy = BusyShare(2)
    for at_ms, waited_ms in looks:
        bounds = (None if bound is None else bound * MS for bound in (from_ms, end_ms))
        busy.look(Look(at_ms * MS, waited_ms * MS), *bounds)
    return busy.ratio(whole)


def test_idle_warm_up_and_drain_do_not_make_a_busy_window_look_idle() -> None:
    looks = [(0, 0), (400, 800), (450, 810), (600, 840), (650, 850), (1000, 1550)]
    assert share_of(looks, 400, 600, Look(1000 * MS, 1550 * MS)) == pytest.approx(1 - 40 / 400)


def test_a_window_by_count_ends_with_the_run() -> None:
    assert share_of([(0, 0), (500, 100), (1000, 200)], 0, None, IDLE_THROUGHOUT) == pytest.approx(0.9)


@pytest.mark.parametrize("looks", [[], [(500, 0)]])
def test_a_window_that_nobody_looked_into_twice_is_as_the_whole_run(looks: list[tuple[int, int]]) -> None:
    assert share_of(looks, 400, 600, Look(1000 * MS, 500 * MS)) == pytest.approx(0.75)


def test_a_window_that_never_began_is_as_the_whole_run() -> None:
    assert share_of([(0, 0), (900, 1800)], None, None, IDLE_THROUGHOUT) == 0.0


def test_a_wait_that_began_before_the_window_makes_no_share_below_nothing() -> None:
    assert share_of([(400, 0), (500, 400)], 400, 600, IDLE_THROUGHOUT) == 0.0
