"""The histogram against the HdrHistogram package and against plain Python."""

import math
import statistics

import numpy as np
import pytest
from hdrh.histogram import HdrHistogram
from hypothesis import given
from hypothesis import strategies as st

from loadgen.metrics.histogram import HIGHEST_NS, Histogram

LONGEST = 3_600_000_000_000
durations = st.one_of(st.integers(0, 5000), st.integers(0, 10**9), st.integers(0, LONGEST))
samples = st.lists(durations, min_size=1, max_size=300)
shares = st.one_of(st.sampled_from([0.001, 50.0, 90.0, 95.0, 99.0, 99.9, 100.0]), st.floats(0.001, 100.0))


def histogram_of(values: list[int]) -> Histogram:
    histogram = Histogram()
    histogram.add(np.array(values, np.int64))
    return histogram


@given(samples, st.lists(shares, min_size=1, max_size=8))
def test_percentiles_are_those_of_hdrhistogram_capped_at_the_maximum(values: list[int], asked: list[float]) -> None:
    reference = HdrHistogram(1, HIGHEST_NS, 3)
    for value in values:
        reference.record_value(value)
    expected = [min(reference.get_value_at_percentile(q), max(values)) for q in asked]
    assert histogram_of(values).percentile(asked).tolist() == expected
    assert [histogram_of(values).percentile(q) for q in asked] == expected


@given(samples, shares)
def test_a_percentile_is_within_a_thousandth_of_the_value_of_its_rank(values: list[int], q: float) -> None:
    exact = sorted(values)[max(int(q * len(values) / 100 + 0.5), 1) - 1]
    found = histogram_of(values).percentile(q)
    assert found is not None
    assert exact <= found <= exact * 1.001


@given(samples)
def test_mean_deviation_minimum_and_maximum_are_exact(values: list[int]) -> None:
    histogram = histogram_of(values)
    assert (histogram.n, histogram.min, histogram.max) == (len(values), min(values), max(values))
    assert histogram.mean == pytest.approx(statistics.fmean(values), rel=1e-12)
    assert histogram.std == pytest.approx(statistics.pstdev(values), rel=1e-6, abs=1e-3 + 1e-9 * max(values))


def test_equal_values_deviate_by_nothing() -> None:
    assert histogram_of([123_456_789_012] * 1000).std == 0.0


@given(samples, st.integers(0, 300))
def test_adding_in_two_parts_is_adding_at_once(values: list[int], cut: int) -> None:
    parts = Histogram()
    parts.add(np.array(values[:cut], np.int64))
    parts.add(np.array(values[cut:], np.int64))
    whole = histogram_of(values)
    assert [column.tolist() for column in parts.bins()] == [column.tolist() for column in whole.bins()]
    assert (parts.n, parts.mean, parts.min, parts.max) == (whole.n, whole.mean, whole.min, whole.max)


@given(samples)
def test_bins_hold_each_value_once_and_are_no_wider_than_a_thousandth(values: list[int]) -> None:
    low, high, counts = histogram_of(values).bins()
    expected = [sum(a <= value < b for value in values) for a, b in zip(low, high, strict=True)]
    assert counts.tolist() == expected
    assert counts.sum() == len(values)
    assert ((high - low == 1) | ((high - low) * 1000 < low)).all()
    assert (low[1:] >= high[:-1]).all()


def test_what_is_longer_than_the_last_bin_is_counted_in_it() -> None:
    histogram = histogram_of([1, HIGHEST_NS * 3])
    assert histogram.n == 2
    assert histogram.max == HIGHEST_NS * 3
    assert histogram.percentile(100.0) == HIGHEST_NS


def test_a_negative_duration_counts_as_zero() -> None:
    histogram = histogram_of([-5, 10])
    assert (histogram.min, histogram.max, histogram.mean) == (0, 10, 5.0)
    assert histogram.bins().low_ns.tolist() == [0, 10]


def test_without_values_there_is_no_figure() -> None:
    histogram = Histogram()
    histogram.add(np.zeros(0, np.int64))
    assert (histogram.n, histogram.mean, histogram.std, histogram.min, histogram.max) == (0, None, None, None, None)
    assert histogram.percentile(50.0) is None
    assert all(math.isnan(value) for value in histogram.percentile([50.0, 99.0]))
    assert [len(column) for column in histogram.bins()] == [0, 0, 0]


def test_the_values_given_are_not_changed() -> None:
    values = np.array([-3, 7, HIGHEST_NS + 1], np.int64)
    Histogram().add(values)
    assert values.tolist() == [-3, 7, HIGHEST_NS + 1]


@given(st.lists(st.lists(durations, max_size=40), min_size=1, max_size=4))
def test_merged_histograms_are_one_that_was_given_everything(parts: list[list[int]]) -> None:
    merged = Histogram.merged(map(histogram_of, parts))
    whole = histogram_of([value for part in parts for value in part])
    assert [column.tolist() for column in merged.bins()] == [column.tolist() for column in whole.bins()]
    assert (merged.n, merged.mean, merged.min, merged.max) == (whole.n, whole.mean, whole.min, whole.max)
    assert (merged.std or 0) == pytest.approx(whole.std or 0, rel=1e-9, abs=1e-3 + 1e-9 * (whole.max or 0))


def test_a_merged_histogram_leaves_its_parts_as_they_were() -> None:
    first, second = histogram_of([1, 2]), histogram_of([3])
    Histogram.merged([first, second])
    assert (first.n, second.n) == (2, 1)
