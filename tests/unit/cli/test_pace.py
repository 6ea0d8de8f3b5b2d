"""Progress and rates out of an engine's counters."""

from typing import Any

import pytest

from loadgen.cli.pace import LAST_ANSWERS, WARM_UP, Meter
from loadgen.engine.contract import Live

S = 1_000_000_000


class Limits:
    """The limits of a plan, which is all that a Meter reads of one."""

    def __init__(self, duration_s: float | None = None, warmup_s: float = 0, requests: int | None = None) -> None:
        self.duration_ns = None if duration_s is None else round(duration_s * S)
        self.warmup_ns = round(warmup_s * S)
        self.warmup_requests: int | None = None
        self.n_requests = requests


def meter(live: Live, **limits: Any) -> Meter:
    return Meter([Limits(**limits)], live)  # type: ignore[list-item]


def meter_of_two(live: Live, first: Limits, second: Limits) -> Meter:
    return Meter([first, second], live)  # type: ignore[list-item]


def test_time_left_is_by_the_clock() -> None:
    pace = meter(Live(elapsed_ns=3 * S), duration_s=10, warmup_s=2).read()
    assert pace.done_ratio == 0.25
    assert pace.left_s == pytest.approx(9)


def test_time_left_is_by_the_count_where_that_is_further() -> None:
    pace = meter(Live(elapsed_ns=3 * S, n_finished=60), duration_s=30, requests=100).read()
    assert pace.done_ratio == 0.6
    assert pace.left_s == pytest.approx(2)


def test_nothing_is_known_before_the_first_answer_of_a_count() -> None:
    pace = meter(Live(elapsed_ns=S), requests=100).read()
    assert (pace.done_ratio, pace.left_s) == (0, None)


def test_stages_are_the_warm_up_the_window_and_the_last_answers() -> None:
    live = Live()
    watching = meter(live, duration_s=10, warmup_s=2)
    stages = []
    for elapsed_s in (1, 5, 13):
        live.elapsed_ns = elapsed_s * S
        stages.append(watching.read().stage)
    assert stages == [WARM_UP, "", LAST_ANSWERS]


def test_several_services_are_done_when_the_last_is() -> None:
    both = meter_of_two(Live(elapsed_ns=5 * S), Limits(duration_s=5), Limits(duration_s=18, warmup_s=2)).read()
    assert (both.done_ratio, both.stage) == (0.25, "")
    counted = meter_of_two(Live(elapsed_ns=5 * S, n_finished=60), Limits(requests=50), Limits(requests=150)).read()
    assert counted.done_ratio == 0.3
    mixed = meter_of_two(Live(elapsed_ns=5 * S, n_finished=60), Limits(duration_s=5), Limits(requests=150)).read()
    assert mixed.done_ratio is None


def test_rates_are_those_of_the_last_seconds() -> None:
    live = Live()
    watching = meter(live, duration_s=100)
    for second in range(1, 21):
        live.elapsed_ns = second * S
        live.n_succeeded += 10 if second <= 10 else 40
        live.n_tokens += 100
        live.n_failed += 1
        pace = watching.read()
    assert pace.requests_per_s == pytest.approx(40)
    assert pace.tokens_per_s == pytest.approx(100)
    assert pace.errors_per_s == pytest.approx(1)
