"""What an open client would have seen: against HdrHistogram's loop, and against a client that was played."""

import numpy as np
import pytest

from loadgen.statistics.omission import MOST_ADDED, as_open, weighted_percentile

NONE = np.zeros(0)


def corrected_by_loop(values: list[float], interval: float) -> list[float]:
    """HdrHistogram's recordValueWithExpectedInterval."""
    every = []
    for value in values:
        every.append(value)
        missing = value - interval
        while missing >= interval:
            every.append(missing)
            missing -= interval
    return sorted(every)


@pytest.mark.parametrize("values", [[1.0], [10.0], [10.0, 25.0, 99.0, 1_000.0], [19.9, 20.0, 20.1]])
def test_a_stall_adds_what_hdr_histogram_adds(values: list[float]) -> None:
    found, counts = as_open(values, [1.0] * len(values), 10.0)
    assert found.tolist() == pytest.approx(corrected_by_loop(values, 10.0))
    assert set(counts.tolist()) == {1.0}


def test_counts_of_a_bin_are_those_of_what_it_adds() -> None:
    found, counts = as_open(np.array([35, 5]), np.array([3, 7]), 10.0)
    assert found.tolist() == [5, 15, 25, 35]
    assert counts.tolist() == [7, 3, 3, 3]


def test_a_very_long_stall_adds_as_many_in_fewer_places() -> None:
    found, counts = as_open([1e6], [1.0], 10.0)
    by_loop = corrected_by_loop([1e6], 10.0)
    assert len(found) == MOST_ADDED + 1
    assert counts.sum() == pytest.approx(len(by_loop))
    for q in (0.1, 0.5, 0.9, 0.99):
        assert weighted_percentile(found, counts, q) == pytest.approx(np.quantile(by_loop, q), rel=0.03)


def test_what_a_stalled_closed_client_missed_is_what_an_open_one_sees() -> None:
    """A service that answers in 1 ms stands still for a second; one connection is to send every 10 ms for 10 s."""
    planned = np.arange(0, 10_000, 10.0)
    stalled = (planned > 4_000) & (planned < 5_000)
    seen_open = np.where(stalled, 5_001 - planned, 1.0)
    seen_closed = np.concatenate([np.ones(int((~stalled).sum()) - 1), [1_001.0]])
    values, counts = as_open(seen_closed, np.ones(len(seen_closed)), 10.0)
    for q in (0.5, 0.95, 0.99, 0.999):
        expected = float(np.quantile(seen_open, q, method="inverted_cdf"))
        assert weighted_percentile(values, counts, q) == pytest.approx(expected, abs=22)
    assert weighted_percentile(np.sort(seen_closed), np.ones(len(seen_closed)), 0.99) == 1.0


@pytest.mark.parametrize("interval", [0.0, -1.0, 1e9])
def test_nothing_is_added_without_an_interval_or_a_stall(interval: float) -> None:
    found, counts = as_open([5.0, 3.0], [1.0, 2.0], interval)
    assert found.tolist() == [3, 5]
    assert counts.tolist() == [2, 1]


def test_of_nothing_there_is_nothing() -> None:
    found, counts = as_open(NONE, NONE, 10.0)
    assert len(found) == len(counts) == 0
    assert weighted_percentile(found, counts, 0.5) is None
    assert weighted_percentile(np.ones(1), np.zeros(1), 0.5) is None


def test_percentiles_of_counts_are_those_of_the_values_written_out() -> None:
    values, counts = np.array([1.0, 2.0, 7.0]), np.array([5.0, 3.0, 2.0])
    written = np.repeat(values, counts.astype(int))
    for q in (0.0, 0.5, 0.51, 0.8, 0.81, 1.0):
        assert weighted_percentile(values, counts, q) == np.quantile(written, q, method="inverted_cdf")
