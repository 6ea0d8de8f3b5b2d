"""What the pictures of a run are drawn from."""

import numpy as np
import pytest
from synthetic_runs import Shape, block_of, make_bundle

from loadgen.metrics.recalculate import recalculate
from loadgen.report.canvas import log_ticks
from loadgen.report.curves import coarser, curve_places, curves_of, gaps_of, step_for


def test_a_curve_ends_at_its_last_sample_and_never_past_p999() -> None:
    assert curve_places(1).tolist() == [1.0]
    assert curve_places(40)[-1] == pytest.approx(40)
    assert curve_places(10**6)[-1] == pytest.approx(1_000)


def test_a_curve_is_solid_only_as_far_as_the_samples_support_it(tmp_path) -> None:
    tallies, _ = recalculate(make_bundle(tmp_path, Shape()))
    curve = curves_of(tallies.by_service[""], None).latencies["ttft"]
    assert curve.n == 280
    assert curve.n_effective is not None
    assert curve.supported_to == pytest.approx(curve.n_effective / 6.64)
    assert 15 < curve.supported_to < 43  # 280 samples, some of which may depend on others
    assert curve.value_ms[0] <= curve.value_at(0.5) <= curve.value_at(0.99) <= curve.value_ms[-1]


def test_a_curve_s_median_is_that_of_the_records(tmp_path) -> None:
    shape = Shape()
    records = block_of(shape).records
    measured = records[records["phase"] == 1]
    exact_ms = np.median(measured["first_token_at_ns"] - measured["planned_at_ns"]) / 1e6
    tallies, _ = recalculate(make_bundle(tmp_path, shape))
    assert curves_of(tallies.by_service[""], None).latencies["ttft"].value_at(0.5) == pytest.approx(exact_ms, rel=0.01)


def test_bars_and_what_lies_beyond_them_are_all_the_gaps() -> None:
    middles, n = np.array([10.0, 20.0, 21.0, 900.0]), np.array([5.0, 80.0, 14.0, 1.0])
    gaps = gaps_of(middles, n, p50_ms=20.0, p99_ms=21.0, max_ms=900.0)
    assert gaps is not None
    assert gaps.n_beyond == 1
    assert gaps.n_all == 100


def test_no_gaps_have_no_bars() -> None:
    assert gaps_of(np.zeros(0), np.zeros(0), 0.0, 0.0, 0.0) is None


def test_gaps_of_no_length_still_have_bars() -> None:
    gaps = gaps_of(np.array([0.0]), np.array([7.0]), p50_ms=0.0, p99_ms=0.0, max_ms=0.0)
    assert gaps is not None
    assert gaps.n_all == 7


def test_steps_grow_with_the_run_and_shrink_with_its_answers() -> None:
    assert step_for(20.0, 100_000) == 0.2
    assert step_for(20.0, 40) == 1
    assert step_for(3600.0, 10**6) == 30
    assert step_for(0.1, 0) == 0.1


def test_coarser_steps_keep_the_sum_and_the_mean_of_a_shorter_last_one() -> None:
    values = np.array([1.0, 2.0, 3.0, 4.0, 5.0])
    assert coarser(values, 2).tolist() == [3.0, 7.0, 5.0]
    assert coarser(values, 2, mean=True).tolist() == [1.5, 3.5, 5.0]
    assert coarser(np.zeros(0), 3).tolist() == []


def test_the_timeline_counts_every_request_once(tmp_path) -> None:
    shape = Shape(fail_share=0.1)
    records = block_of(shape).records
    tallies, _ = recalculate(make_bundle(tmp_path, shape))
    timeline = curves_of(tallies.by_service[""], (2.0, 22.0)).timeline
    assert timeline is not None
    assert timeline.ok_per_s.sum() * timeline.step_s == pytest.approx((records["outcome"] == 0).sum())
    assert timeline.failed_per_s.sum() * timeline.step_s == pytest.approx((records["outcome"] != 0).sum())
    assert timeline.in_flight.max() <= shape.clients


def test_log_ticks_lie_within_the_axis_and_stay_few() -> None:
    assert log_ticks(70.0, 2_500.0) == [100, 200, 500, 1_000, 2_000]
    assert all(0.01 <= tick <= 1e6 for tick in log_ticks(0.01, 1e6))
    assert len(log_ticks(0.01, 1e6)) <= 9
