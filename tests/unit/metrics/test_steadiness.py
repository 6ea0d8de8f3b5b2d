"""Whether the measured window lay in the run's steady state."""

from typing import Any

import numpy as np
import pytest
from made_records import MS, Op, S, answers
from numpy.typing import NDArray

from loadgen.metrics import KnownFacts, Tally
from loadgen.records import Phase

GET = Op("get", False)
Floats = NDArray[np.float64]


def steady_of(mean_ms: Floats, warmup_s: float, length_s: float, seed: int = 1) -> dict[str, Any]:
    """Answers at even distances, whose lengths are random around mean_ms, shape (n,)."""
    n = len(mean_ms)
    planned = (np.arange(n) * length_s * S / n).astype(np.int64)
    lengths = mean_ms * MS * np.random.default_rng(seed).gamma(20, 1 / 20, n)
    block = answers(planned, lengths.astype(np.int64))
    begins = round(warmup_s * S)
    block.records["phase"] = np.where(block.records["planned_at_ns"] < begins, Phase.WARMUP, Phase.MEASURE)
    tally = Tally([GET], [])
    tally.window_from_ns = begins
    tally.add(block)
    found: dict[str, Any] = tally.summary(KnownFacts([(begins, round(length_s * S))]))["steady_state"]
    return found


def slow_start(n: int, share: float, factor: float = 4.0) -> Floats:
    return np.where(np.arange(n) < share * n, 20.0 * factor, 20.0)


def test_a_run_that_is_the_same_throughout_had_settled_in_nearly_every_case() -> None:
    quiet = [steady_of(np.full(3000, 20.0), 2, 20, seed) for seed in range(40)]
    assert sum(found["is_before_window"] for found in quiet) >= 38
    assert sum(not found["is_steady"] for found in quiet) <= 6  # 1 in 20 has a trend by chance


def test_a_slow_start_that_ends_in_the_warm_up_is_none_of_the_window_s() -> None:
    found = steady_of(slow_start(3000, 0.08), 2, 20)
    assert found["is_before_window"]
    assert found["settled_at_ns"] <= 2 * S
    assert found["says"][0] == "The run had settled before its window began."


def test_a_slow_start_that_lasts_into_the_window_is_said_with_the_warm_up_that_would_do() -> None:
    found = steady_of(slow_start(3000, 0.25), 2, 20)
    assert not found["is_before_window"]
    assert found["settled_at_ns"] == pytest.approx(5 * S, abs=S)
    assert found["says"][0].startswith("The run settled only ")
    assert "a warm-up of " in found["says"][0]


def test_a_run_that_slows_down_to_its_end_never_settles_and_its_trend_is_said() -> None:
    found = steady_of(np.linspace(20, 200, 3000), 2, 20)
    assert not found["is_before_window"]
    latency = found["trends"]["latency"]
    assert (latency["metric"], latency["is_real"]) == ("e2e", True)
    assert latency["slope_pct_per_min"] == pytest.approx(100 * 180 / 120 * 3, rel=0.15)  # of its mean, a minute
    assert any(says.startswith("Over the window the time to the answer rose by ") for says in found["says"])


def test_a_short_run_says_that_it_is_too_short() -> None:
    found = steady_of(np.full(20, 20.0), 0, 1)
    assert (found["settled_at_ns"], found["is_before_window"]) == (None, False)
    assert found["says"][0].startswith("The run was too short to tell")


def test_without_any_answer_nothing_is_said_of_trends() -> None:
    tally = Tally([GET], [])
    found = tally.summary(KnownFacts([(0, 10 * S)]))["steady_state"]
    assert (found["settled_at_ns"], found["trends"]) == (None, {})
    assert found["method"] == "MSER-5"
