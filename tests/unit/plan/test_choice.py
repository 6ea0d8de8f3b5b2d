"""Which request of the pool each index sends."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.plan.choice import choices

KINDS = {
    "one request": choices(3, [1], [1.0]),
    "small pool": choices(3, [7], [1.0]),
    "pool larger than a block": choices(3, [5000], [1.0]),
    "three kinds": choices(3, [10, 1, 300], [70.0, 20.0, 10.0]),
}


@pytest.mark.parametrize("name", KINDS)
@given(first=st.integers(0, 12_000), count=st.integers(0, 9_000))
def test_a_choice_is_the_same_whatever_the_size_and_place_of_the_draw(name: str, first: int, count: int) -> None:
    drawn = KINDS[name](first, count)
    assert drawn.dtype == np.uint32
    assert np.array_equal(drawn, KINDS[name](0, 22_000)[first : first + count])


@pytest.mark.parametrize("size", [2, 7, 1024, 5000])
def test_no_request_comes_twice_before_all_have_come_once(size: int) -> None:
    passes = choices(11, [size], [1.0])(0, 3 * size).reshape(3, size)
    assert all(np.array_equal(np.sort(order), np.arange(size)) for order in passes)


def test_each_pass_has_its_own_order() -> None:
    first, second = choices(11, [100], [1.0])(0, 200).reshape(2, 100)
    assert not np.array_equal(first, second)


def test_kinds_come_by_weight_and_their_requests_evenly() -> None:
    counts = np.bincount(choices(5, [2, 4], [80.0, 20.0])(0, 100_000), minlength=6) / 100_000
    assert counts == pytest.approx([0.4, 0.4, 0.05, 0.05, 0.05, 0.05], rel=0.05)


def test_a_kind_of_weight_0_never_comes() -> None:
    assert np.all(choices(5, [3, 4], [1.0, 0.0])(0, 10_000) < 3)
