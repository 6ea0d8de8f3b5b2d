"""Recall against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from loadgen.metrics.recall import Recall
from loadgen.records import NEVER

hits = st.lists(st.integers(NEVER, 10), min_size=1, max_size=60)


def recall_of(n_hits: list[int], top_k: int = 10) -> Recall:
    recall = Recall()
    recall.add(np.array(n_hits, np.int32), top_k)
    return recall


@given(hits, st.sampled_from([1.0, 5.0, 50.0, 99.0, 100.0]))
def test_recall_is_hits_of_those_asked_for(n_hits: list[int], q: float) -> None:
    values = sorted(n / 10 for n in n_hits if n != NEVER)
    recall = recall_of(n_hits)
    assert recall.n == len(values)
    if not values:
        assert (recall.mean, recall.min, recall.max, recall.percentile(q)) == (None, None, None, None)
        return
    assert recall.mean == pytest.approx(sum(values) / len(values))
    assert (recall.min, recall.max) == (values[0], values[-1])
    assert recall.percentile(q) == values[max(int(q * len(values) / 100 + 0.5), 1) - 1]


@given(hits, hits)
def test_operations_that_ask_for_different_numbers_are_put_together(few: list[int], many: list[int]) -> None:
    both = Recall.merged([recall_of(few, 10), recall_of(many, 20)])
    values = sorted([n / 10 for n in few if n != NEVER] + [n / 20 for n in many if n != NEVER])
    assert both.n == len(values)
    assert both.percentile(50.0) == (values[max(int(len(values) / 2 + 0.5), 1) - 1] if values else None)


def test_more_hits_than_there_are_neighbours_are_all_of_them() -> None:
    assert recall_of([12]).mean == 1.0
