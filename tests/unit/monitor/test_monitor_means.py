"""Figures of a window out of looks, by hand."""

from typing import Any

import pytest

from loadgen.monitor.means import Growth, Held, Level, Mean, Rate, Span, number, rounded
from loadgen.units import NS_PER_S

WINDOW = Span(1 * NS_PER_S, 5 * NS_PER_S)


def fed(mean: Mean, *looks: tuple[float, float | None]) -> Mean:
    for at_s, value in looks:
        mean.see(round(at_s * NS_PER_S), value)
    return mean


def test_a_level_is_a_straight_line_from_look_to_look() -> None:
    level = fed(Level(WINDOW), (0, 0), (2, 20), (4, 20), (6, 0))
    # 1-2: 10 to 20, 2-4: 20, 4-5: 20 to 10
    assert level.value == pytest.approx((15 + 40 + 15) / 4)
    assert level.figure == {"mean": 17.5, "min": 20, "max": 20}  # looks outside the window are no extremes


def test_a_window_between_two_looks_has_the_lines_ends_as_extremes() -> None:
    assert fed(Level(WINDOW), (0, 0), (10, 100)).figure == {"mean": 30, "min": 10, "max": 50}


def test_a_rate_holds_for_the_time_since_the_look_before() -> None:
    rate = fed(Rate(WINDOW), (0, None), (0.1, None), (2, 0.5), (4, 1.0), (6, 0.0))
    assert rate.value == pytest.approx((1 * 0.5 + 2 * 1.0 + 1 * 0.0) / 4)
    assert rate.figure == {"mean": 0.625, "min": 0, "max": 1}


def test_a_rate_after_a_look_without_one_is_of_the_time_since_the_last_that_had_one() -> None:
    rate = fed(Rate(WINDOW), (1, None), (3, 1.0), (3.1, None), (5, 0.5))
    assert rate.value == pytest.approx((2 * 1.0 + 2 * 0.5) / 4)


def test_a_state_holds_until_the_next_look() -> None:
    assert fed(Held(WINDOW), (0, 1), (2, 0), (4.5, 1), (9, 1)).value == pytest.approx(1.5 / 4)


def test_growth_is_even_from_look_to_look_and_a_counter_that_falls_began_anew() -> None:
    growth = fed(Growth(WINDOW), (0, 100), (2, 120), (3, 5), (5, 45))
    assert growth.seconds == pytest.approx(3)  # 1-2 and 3-5
    assert growth.in_all == pytest.approx(10 + 40)
    assert growth.value == pytest.approx(50 / 3)


@pytest.mark.parametrize("make", [Level, Rate, Held, Growth])
@pytest.mark.parametrize(
    "looks",
    [
        (),
        ((0, 1.0),),
        ((0, None), (3, None), (9, None)),
        ((6, 1.0), (7, 2.0)),
        ((0, 1.0), (0, 2.0)),
    ],
)
def test_without_a_look_that_reaches_the_window_nothing_is_known(
    make: type[Mean], looks: tuple[tuple[float, float | None], ...]
) -> None:
    kept = looks if make is not Rate else tuple((at_s, None if at_s >= 6 else value) for at_s, value in looks)
    mean = fed(make(WINDOW), *kept)
    assert mean.value is None
    assert mean.figure is None


@pytest.mark.parametrize("make", [Level, Held, Growth])
def test_a_gap_in_what_is_known_counts_for_nothing(make: type[Mean]) -> None:
    mean = fed(make(WINDOW), (1, 1.0), (2, 1.0), (3, None), (4, 1.0), (5, 1.0))
    assert mean.seconds == pytest.approx(2)


@pytest.mark.parametrize(
    ("value", "known"),
    [(1, 1), (0.5, 0.5), (True, None), ("1", None), (None, None), (float("nan"), None), (float("inf"), None)],
)
def test_only_finite_numbers_are_numbers(value: Any, known: float | None) -> None:
    assert number(value) == known


def test_whole_numbers_stay_and_others_have_six_digits() -> None:
    assert (rounded(1_526_816_768), rounded(1 / 3), rounded(1234567.891)) == (1_526_816_768, 0.333333, 1_234_570.0)
    assert isinstance(rounded(5.0), int)
