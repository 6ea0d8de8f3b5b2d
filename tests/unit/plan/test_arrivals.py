"""Schedules, without a clock."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.plan.arrivals import (
    NOT_BEFORE_THE_END_OF_TIME_NS,
    Instants,
    RateProfile,
    pauses,
    ramp,
    scheduled,
    steady,
    steps,
    until,
)
from loadgen.plan.streams import BLOCK
from loadgen.units import NS_PER_S

SCHEDULES: dict[str, Instants] = {
    "constant": scheduled(steady(250.0), 1, None),
    "poisson": scheduled(steady(250.0), 1, 1.0),
    "gamma": scheduled(steady(250.0), 1, 0.25),
    "ramp": scheduled(ramp([(100.0, 20.0), (10.0, 20.0)]), 1, None),
    "steps": scheduled(steps([(100.0, 20.0), (0.0, 5.0), (10.0, 20.0)]), 1, None),
    "pauses": pauses(0.5, 7),
}


@pytest.mark.parametrize("name", SCHEDULES)
@given(first=st.integers(0, 3 * BLOCK), count=st.integers(0, 2 * BLOCK))
def test_a_draw_is_the_same_whatever_its_size_and_place(name: str, first: int, count: int) -> None:
    whole = SCHEDULES[name](0, 5 * BLOCK)
    assert np.array_equal(SCHEDULES[name](first, count), whole[first : first + count])


@pytest.mark.parametrize("burstiness", [1.0, 0.5])
def test_a_late_block_drawn_first_equals_one_drawn_in_order(burstiness: float) -> None:
    in_order = scheduled(steady(10.0), 5, burstiness)
    in_order(0, 4 * BLOCK)
    assert np.array_equal(scheduled(steady(10.0), 5, burstiness)(9 * BLOCK, 10), in_order(9 * BLOCK, 10))


@pytest.mark.parametrize("name", [name for name in SCHEDULES if name != "pauses"])
def test_instants_never_fall(name: str) -> None:
    assert np.all(np.diff(SCHEDULES[name](0, 5 * BLOCK)) >= 0)


def test_another_seed_gives_other_instants() -> None:
    assert not np.array_equal(scheduled(steady(10.0), 1, 1.0)(0, 10), scheduled(steady(10.0), 2, 1.0)(0, 10))


def test_poisson_draws_of_seed_42_stay_what_they_were() -> None:
    assert scheduled(steady(1000.0), 42, 1.0)(0, 4).tolist() == [834107, 1784596, 2235404, 2794529]


def test_constant_arrivals_are_evenly_spaced_from_0() -> None:
    assert scheduled(steady(4.0), 0, None)(0, 4).tolist() == [0, 250_000_000, 500_000_000, 750_000_000]


@pytest.mark.parametrize("burstiness", [0.25, 1.0, 4.0])
def test_gamma_gaps_have_the_rate_and_the_variation_that_burstiness_says(burstiness: float) -> None:
    gaps_s = np.diff(scheduled(steady(50.0), 3, burstiness)(0, 100_000)) / NS_PER_S
    assert gaps_s.mean() == pytest.approx(1 / 50, rel=0.02)
    assert gaps_s.std() / gaps_s.mean() == pytest.approx(1 / np.sqrt(burstiness), rel=0.03)


def test_poisson_counts_a_second_have_variance_equal_to_their_mean() -> None:
    instants_s = scheduled(steady(100.0), 8, 1.0)(0, 100_000) / NS_PER_S
    counts = np.histogram(instants_s, bins=np.arange(0, 900))[0]
    assert counts.mean() == pytest.approx(100, rel=0.02)
    assert counts.var() == pytest.approx(100, rel=0.15)


def _n_until(profile: RateProfile, second: float) -> int:
    return len(until(scheduled(profile, 0, None), round(second * NS_PER_S), None)(0, 100_000))


def test_steps_send_each_stages_rate_times_its_duration() -> None:
    profile = steps([(10.0, 3.0), (50.0, 2.0), (5.0, 4.0)])
    assert [_n_until(profile, second) for second in (3, 5, 9)] == [30, 130, 150]


def test_a_stage_of_rate_0_sends_nothing() -> None:
    instants_s = scheduled(steps([(10.0, 1.0), (0.0, 5.0), (10.0, 1.0)]), 0, None)(0, 20) / NS_PER_S
    assert instants_s[9] == pytest.approx(0.9)
    assert instants_s[10] == pytest.approx(6.0)


def test_the_last_rate_goes_on_after_the_stages() -> None:
    assert _n_until(steps([(10.0, 1.0), (20.0, 1.0)]), 4.0) == 10 + 60
    assert _n_until(ramp([(10.0, 2.0)]), 4.0) == 10 + 20


def test_a_last_rate_of_0_ends_the_arrivals() -> None:
    assert scheduled(steps([(10.0, 1.0), (0.0, 1.0)]), 0, None)(10, 2).tolist() == [NOT_BEFORE_THE_END_OF_TIME_NS] * 2
    assert _n_until(ramp([(10.0, 1.0), (0.0, 1.0)]), 1e6) == 10


def test_a_ramp_sends_the_integral_of_its_rate() -> None:
    profile = ramp([(100.0, 10.0), (20.0, 10.0)])
    assert [_n_until(profile, second) for second in (5, 10, 20)] == [125, 500, 1100]


@given(
    st.lists(st.tuples(st.floats(0.5, 500), st.floats(0.5, 30)), min_size=1, max_size=5),
    st.floats(0, 1),
)
def test_the_instant_of_an_arrival_undoes_the_cumulated_rate(stages: list[tuple[float, float]], share: float) -> None:
    rates = np.array([0.0, *(rate for rate, _ in stages)])
    times = np.cumsum([0.0, *(duration for _, duration in stages)])
    instant = share * times[-1]
    inside = times[times < instant]
    knots = np.append(inside, instant)
    heights = np.interp(knots, times, rates)
    due = float(np.sum(np.diff(knots) * (heights[1:] + heights[:-1]) / 2))
    assert ramp(stages).instants_s(np.array([due]))[0] == pytest.approx(instant, rel=1e-6, abs=1e-4)


def test_random_spacing_follows_a_ramp() -> None:
    instants_s = scheduled(ramp([(100.0, 100.0)]), 4, 1.0)(0, 5000) / NS_PER_S
    assert np.searchsorted(instants_s, 50.0) == pytest.approx(1250, rel=0.1)
    assert np.searchsorted(instants_s, 100.0) == pytest.approx(5000, rel=0.05)


def test_a_schedule_ends_before_its_end_instant_and_at_its_count() -> None:
    every_100_ms = scheduled(steady(10.0), 0, None)
    assert len(until(every_100_ms, NS_PER_S, None)(0, 100)) == 10
    assert len(until(every_100_ms, NS_PER_S, 4)(0, 100)) == 4
    assert len(until(every_100_ms, NS_PER_S, 4)(3, 100)) == 1
    assert len(until(every_100_ms, NS_PER_S, 4)(9, 100)) == 0
    assert len(until(every_100_ms, None, None)(0, 100)) == 100


def test_think_time_lies_before_all_but_each_clients_first_request() -> None:
    assert pauses(0.25, 2)(0, 4).tolist() == [0, 0, NS_PER_S // 4, NS_PER_S // 4]
    assert pauses(0.25, 2)(1, 2).tolist() == [0, NS_PER_S // 4]


def test_without_think_time_there_are_no_pauses() -> None:
    assert pauses(0.0, 1)(10, 3).tolist() == [0, 0, 0]
