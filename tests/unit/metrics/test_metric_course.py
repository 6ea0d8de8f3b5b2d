"""How a metric went over time, against plain Python, whatever blocks its values come in."""

from collections import Counter, defaultdict
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import MS, Made, Op, S, block_of, streamed

from loadgen.metrics import Tally
from loadgen.metrics.course import FINEST_BITS, N_SLOTS, Course, Instants, Strip, bits_for
from loadgen.metrics.histogram import Histogram
from loadgen.records import Outcome, Phase

values = st.lists(st.tuples(st.integers(0, 40 * S), st.integers(0, 10 * S)), min_size=1, max_size=60)


def course_of(made: list[tuple[int, int]], *cuts: int) -> Course:
    """made: (planned, value) of each."""
    course, histogram = Course(), Histogram()
    for begin, end in pairwise([0, *sorted(cuts), len(made)]):
        at_ns, values_ns = np.array(made[begin:end], np.int64).reshape(-1, 2).T
        counted = histogram.add(np.ascontiguousarray(values_ns))
        if counted is not None:
            course.add(Instants.of(at_ns), counted)
    return course


@given(values, st.lists(st.integers(0, 60), max_size=3))
def test_each_slot_has_the_number_and_the_sum_of_its_values(made: list[tuple[int, int]], cuts: list[int]) -> None:
    course = course_of(made, *(min(cut, len(made)) for cut in cuts))
    n, sums = Counter[int](), defaultdict[int, int](int)
    for at, value in made:
        n[at >> course.bits] += 1
        sums[at >> course.bits] += value
    assert {slot: count for slot, count in enumerate(course.n.tolist()) if count} == n
    assert {slot: course.sums_ns[slot] for slot in n} == pytest.approx(sums)


@given(values)
def test_slots_are_as_narrow_as_the_last_instant_allows(made: list[tuple[int, int]]) -> None:
    last, course = max(at for at, _ in made), course_of(made)
    assert last >> course.bits < N_SLOTS
    assert course.bits == FINEST_BITS or last >> (course.bits - 1) >= N_SLOTS


@given(values)
def test_how_many_lie_below_an_edge_is_exact(made: list[tuple[int, int]]) -> None:
    batches = course_of(made).batches()
    below = batches.below.sum(axis=1).tolist()
    assert below == [sum(value < edge for _, value in made) for edge in batches.edges_ns.tolist()]
    assert batches.below[-1].tolist() == batches.n.tolist()


@given(values, values)
def test_several_courses_together_are_one_that_had_all(first: list[tuple[int, int]], second: list) -> None:
    merged, whole = Course.merged([course_of(first), course_of(second)]), course_of(first + second)
    assert merged.bits == whole.bits
    for one, other in zip(merged.heat(), whole.heat(), strict=True):
        assert one.tolist() == other.tolist()
    assert merged.sums_ns == pytest.approx(whole.sums_ns)


@given(values)
def test_the_heat_map_holds_every_value_between_its_edges(made: list[tuple[int, int]]) -> None:
    heat = course_of(made).heat()
    assert heat.counts.sum() == len(made)
    assert heat.counts.shape == (len(heat.low_ns) - 1, len(heat.from_ns) - 1)
    for at, value in made:
        slot, row = np.searchsorted(heat.from_ns, at, "right") - 1, np.searchsorted(heat.low_ns, value, "right") - 1
        assert heat.counts[row, slot] > 0


def test_nothing_is_a_heat_map_of_nothing() -> None:
    assert Course().heat().counts.size == 0
    assert len(Course().batches().n) == 0


def test_values_past_the_last_bin_are_counted_in_it_and_summed_exactly() -> None:
    course = course_of([(0, 2**50), (5 * MS, 2**50)])
    assert (course.n.sum(), course.sums_ns.sum()) == (2, 2.0**51)


def test_an_absurd_instant_takes_all_slots_into_one() -> None:
    course = course_of([(0, MS), (10**18, MS)])
    assert course.n.sum() == 2
    assert course.bits == bits_for(10**18)


def test_gaps_lie_in_the_slot_of_their_request() -> None:
    course, histogram = Course(), Histogram()
    counted = histogram.add(np.array([1, 2, 3], np.int64) * MS)
    assert counted is not None
    course.add(Instants.of(np.array([0, 9, 500], np.int64) * MS, np.array([1, 0, 2])), counted)
    assert course.sums_ns[[0, 500 * MS >> course.bits]].tolist() == [MS, 5 * MS]


def test_the_room_that_it_takes_follows_the_values_and_not_their_number() -> None:
    made = [(at * 7 * MS, MS + at) for at in range(500)]
    course, histogram = course_of(made), Histogram()
    n_rows = len(course.heat().low_ns)
    for begin in range(1, 200):
        counted = histogram.add(np.array([value for _, value in made], np.int64))
        assert counted is not None
        course.add(Instants.of(np.array([at + begin * 3 * S for at, _ in made], np.int64)), counted)
    assert len(course.heat().low_ns) == n_rows
    assert len(course.n) == N_SLOTS
    assert course.n.sum() == 200 * 500


def test_strips_are_added_up_slot_by_slot_whatever_their_widths() -> None:
    narrow, wide = Strip(), Strip()
    narrow.add(Instants.of(np.array([0, 3 * MS], np.int64)))
    wide.add(Instants.of(np.array([0, 60 * S], np.int64)), np.array([2.5, 1.0]))
    both = Strip.merged([narrow, wide])
    assert (both.bits, both.values[0], both.values.sum()) == (wide.bits, 4.5, 5.5)
    assert narrow.values.sum() == 2


def test_a_tally_keeps_the_window_and_the_rest_apart() -> None:
    tally = Tally([Op("chat", True), Op("get", False)], [])
    made = [streamed(0, phase=Phase.WARMUP), streamed(S), Made(planned=S, done=2 * S, operation=1)]
    tally.add(block_of([*made, streamed(2 * S, outcome=Outcome.TIMEOUT), streamed(3 * S, phase=Phase.DRAIN)]))
    n = {name: course.n.sum() for name in ("ttft", "itl", "tpot", "e2e") if (course := tally.course(name))}
    assert n == {"ttft": 1, "itl": 3, "tpot": 1, "e2e": 2}
    whole = tally.course("e2e", whole_run=True)
    assert whole is not None
    assert whole.n.sum() == 4
    assert tally.course("send_lag") is None
