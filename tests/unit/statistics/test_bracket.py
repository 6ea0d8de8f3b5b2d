"""The search's way through the loads, against services that are a function: 16 requests at once, and then a queue."""

import math

import numpy as np
import pytest

from loadgen.statistics.bracket import MOST_TRIALS, Span, Trial, bracket_of, next_load
from loadgen.statistics.verdicts import UNDECIDED, decide, of_share

SPAN = Span(1, 1000, 0.05)


def searched(answer, span: Span = SPAN) -> list[Trial]:
    """answer(load) -> Trial, or whether it holds."""
    trials: list[Trial] = []
    while (load := next_load(trials, span)) is not None:
        assert len(trials) < 80, "the search does not end"
        one = answer(load)
        trials.append(one if isinstance(one, Trial) else Trial(load, one))
    return trials


@pytest.mark.parametrize("limit", [1.01, 3, 7.7, 64, 100, 512.5, 999])
def test_the_limit_of_a_service_without_noise_is_found_to_the_precision(limit: float) -> None:
    found = bracket_of(searched(lambda load: load <= limit))
    assert found.low is not None
    assert found.high is not None
    assert found.low <= limit < found.high <= found.low * 1.05


@pytest.mark.parametrize("limit", range(1, 64))
def test_whole_loads_stay_whole_and_end_next_to_each_other(limit: int) -> None:
    trials = searched(lambda load: load <= limit, Span(1, 64, 0.01, is_whole=True))
    found = bracket_of(trials)
    assert (found.low, found.high) == (limit, limit + 1)
    assert all(trial.load == int(trial.load) for trial in trials)


def test_the_way_is_short_and_never_beyond_twice_what_held_but_once() -> None:
    trials = searched(lambda load: load <= 100)
    assert [trial.load for trial in trials[:8]] == [1, 2, 4, 8, 16, 32, 64, 128]
    n_equal_grid = math.log(1000) / math.log(1.05)
    assert len(trials) < n_equal_grid / 5
    held = 1.0
    for trial in trials:
        assert trial.load <= 2.56 * held
        held = max(held, trial.load) if trial.held else held


def test_where_the_lowest_breaks_nothing_else_is_tried() -> None:
    trials = searched(lambda _: False)
    assert trials == [Trial(1, False)]
    assert bracket_of(trials).low is None


def test_where_all_hold_the_highest_is_the_last() -> None:
    trials = searched(lambda _: True, Span(1, 100, 0.05))
    assert [trial.load for trial in trials] == [1, 2, 4, 8, 16, 32, 64, 100]
    assert bracket_of(trials) == (100, None, True, False, ())


def test_a_service_that_recovers_is_noticed() -> None:
    found = bracket_of(searched(lambda load: load < 15.9 or load > 18, Span(1, 64, 0.05)))
    assert found.low is not None
    assert found.low < 16 <= found.high
    assert found.recovers_at


def test_a_load_that_decides_nothing_is_tried_again_where_the_answer_hangs_on_it() -> None:
    trials = searched(lambda load: Trial(load, load <= 100, is_certain=False))
    found = bracket_of(trials)
    loads = [trial.load for trial in trials]
    assert (found.low_is_certain, found.high_is_certain) == (False, False)
    assert loads.count(found.low) == loads.count(found.high) == 2
    assert len(loads) == len(set(loads)) + 2


def test_a_load_that_broke_once_though_more_load_held_is_tried_again() -> None:
    """The host was busy with something else when 32 was tried: that looked certain, but 64 holds."""
    wrong = iter([True])
    trials = searched(lambda load: load <= 100 and not (load == 32 and next(wrong, False)))
    found = bracket_of(trials)
    assert [trial.load for trial in trials].count(32) == MOST_TRIALS
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 100 < found.high


def test_a_trial_that_was_wrong_is_put_right_by_two_others() -> None:
    """90.51 breaks by chance when it is first tried: the search ends below it, looks again, and goes on above."""
    wrong = iter([True])
    trials = searched(lambda load: Trial(load, load <= 100 and not (load == 90.51 and next(wrong, False)), False))
    found = bracket_of(trials)
    assert [trial.load for trial in trials].count(90.51) == MOST_TRIALS
    assert found.low is not None
    assert found.high is not None
    assert found.low <= 100 < found.high


def test_a_certain_trial_outweighs_figures_and_figures_count_by_their_number() -> None:
    assert bracket_of([Trial(4, True, False), Trial(4, True, False), Trial(4, False)]).low is None
    assert bracket_of([Trial(4, True, False), Trial(4, False, False), Trial(4, True, False)]).low == 4
    assert bracket_of([Trial(4, True, False), Trial(4, False, False)]).low is None


def e2e_ms(load: float, n: int, rng: np.random.Generator, slots: int = 16) -> np.ndarray:
    """Clients on a service of 16 places and 50 ms: each waits its turn; answers scatter by a tenth."""
    return 50.0 * max(load / slots, 1.0) * (1 + 0.1 * rng.standard_normal(n))


def probed(load: float, rng: np.random.Generator, bound_ms: float = 66.0) -> tuple[Trial, float]:
    """p95 < bound by what was seen, looked at every half second; and how long it took, of 10 s."""
    rate = min(load, 16) / 0.05
    n = int(10 * rate)
    values = e2e_ms(load, n, rng)
    for look, until in enumerate(np.arange(2.0, 10.0, 0.5), start=1):
        seen = values[: int(until * rate)]
        evidence = of_share(float((seen < bound_ms).mean()), len(seen), 0.95)
        spent = 0.001 / (look * (look + 1))
        if evidence.p_broken <= spent:
            return Trial(load, False), until
        if until >= 5 and evidence.p_holds <= spent:
            return Trial(load, True), until
    share = float((values < bound_ms).mean())
    is_certain = decide([of_share(share, n, 0.95)])[0] != UNDECIDED
    return Trial(load, share > 0.95, is_certain), 10.0


def test_the_limit_of_a_noisy_service_is_found_in_19_of_20_seeds_in_under_half_the_time_of_the_equal_grid() -> None:
    """The true limit: 95 of 100 answers come within the bound of 66 ms; 1.645 is the normal law's 95th percentile."""
    true = 16 * 66.0 / (50.0 * (1 + 0.1 * 1.6449))
    span, n_found = Span(1, 200, 0.05), 0
    grid_s = 10.0 * math.ceil(math.log(200) / math.log(1.05))
    for seed in range(40):
        rng, lasted_s, trials = np.random.default_rng(seed), 0.0, []
        while (load := next_load(trials, span)) is not None:
            trial, took_s = probed(load, rng)
            trials.append(trial)
            lasted_s += took_s
        found = bracket_of(trials)
        n_found += found.low is not None and abs(found.low / true - 1) <= 0.05
        assert lasted_s < grid_s / 2
    assert n_found >= 38
