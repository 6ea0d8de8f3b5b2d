"""Verdicts: how often they are wrong at a true border, how often they are given, and what would decide them."""

import math

import numpy as np
import pytest
from made_series import N_SLOTS, Runs, autoregressive, percentile_of_lognormal

from loadgen.statistics.effective import effective_n, effective_n_of_share, variance_of_ratio
from loadgen.statistics.intervals import mean_interval, rate_spread
from loadgen.statistics.verdicts import FAIL, MOST_N, NOTHING, PASS, UNDECIDED, Evidence, decide, of_mean, of_share

SURE = Evidence(0.0, 1.0, None)


def verdict(evidence: Evidence) -> str:
    return decide([evidence])[0]


@pytest.mark.parametrize("asked", [0.5, 0.9, 0.99, 0.999])
def test_a_share_at_its_border_is_decided_wrongly_in_at_most_5_of_100_runs(asked: float) -> None:
    """Exactly, over every number that may be met."""
    n = 1_000
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n + 1)]
    chances = [math.exp(log + k * math.log(asked) + (n - k) * math.log1p(-asked)) for k, log in enumerate(logs)]
    likely = [k for k, chance in enumerate(chances) if chance > 1e-9]
    verdicts = {k: verdict(of_share(k / n, n, asked)) for k in likely}
    passed, failed = (sum(chances[k] for k in likely if verdicts[k] == said) for said in (PASS, FAIL))
    assert 0.005 < failed <= 0.025
    assert passed <= 0.025
    assert asked == 0.999 or passed > 0.01


def test_a_percentile_of_correlated_latencies_at_its_border_is_decided_wrongly_in_at_most_7_of_100_runs() -> None:
    """As intervals of correlated values cover 93 of 100."""
    runs = Runs(np.exp(autoregressive(41, 600, 4_500, 0.9)))
    n_wrong = 0
    for run in range(len(runs)):
        below = runs.below(run, percentile_of_lognormal(0.9))
        n_effective = effective_n_of_share(below, runs.counts)
        n_wrong += verdict(of_share(below.sum() / runs.n, n_effective, 0.9, n=runs.n)) != UNDECIDED
    assert 0.01 < n_wrong / len(runs) <= 0.07


def test_means_and_rates_at_their_border_are_decided_wrongly_in_at_most_5_of_100_runs() -> None:
    rng = np.random.default_rng(42)
    values, counts = rng.standard_normal((1_500, 200)) + 7, rng.poisson(20, (1_500, N_SLOTS)).astype(np.float64)
    n_wrong = {"mean": 0, "rate": 0}
    for row, batches in zip(values, counts, strict=True):
        variance = variance_of_ratio(row, np.ones(200)) or 0
        df = effective_n(200, float(row.var()), variance) - 1
        n_wrong["mean"] += verdict(of_mean(row.mean(), math.sqrt(variance), df, 7.0, is_upper=True)) != UNDECIDED
        rate, error, df = rate_spread(batches, 0.1) or (0, 0, 0)
        n_wrong["rate"] += verdict(of_mean(rate, error, df, 200.0, is_upper=False)) != UNDECIDED
    assert all(0.01 < n / 1_500 <= 0.05 + 0.006 for n in n_wrong.values())  # 0.006: one standard error of the count


def test_a_figure_well_within_its_bound_passes_and_one_well_beyond_fails() -> None:
    assert verdict(of_share(0.995, 5_000, 0.99)) == PASS
    assert verdict(of_share(0.98, 5_000, 0.99)) == FAIL
    assert verdict(of_share(0.995, 200, 0.99)) == UNDECIDED
    assert verdict(of_mean(5, 1, 100, 10, is_upper=True)) == PASS
    assert verdict(of_mean(5, 1, 100, 10, is_upper=False)) == FAIL
    assert verdict(of_mean(11, 1, 100, 10, is_upper=True)) == UNDECIDED


def test_a_verdict_agrees_with_the_interval_beside_it() -> None:
    for value in np.linspace(6, 14, 81):
        low, high = mean_interval(value, 1.0, 31) or (0, 0)
        said = verdict(of_mean(value, 1.0, 30, 10, is_upper=True))
        assert said == (PASS if high < 10 else FAIL if low > 10 else UNDECIDED)


@pytest.mark.parametrize(("share", "asked"), [(1.0, 0.99), (0.995, 0.99), (0.97, 0.99), (0.91, 0.9), (0.4, 0.5)])
@pytest.mark.parametrize("family", [1, 5])
def test_as_many_values_as_are_said_to_be_needed_decide_a_share(share: float, asked: float, family: int) -> None:
    evidence = of_share(share, 20.5, asked, n=82, family=family)
    assert evidence.needs_n is not None
    assert evidence.needs_n > 82
    sizes = {times: evidence.needs_n / 4 * times for times in (0.99, 1.0)}
    doubt = {times: 2 * min(of_share(share, size, asked)[:2]) for times, size in sizes.items()}
    assert doubt[1.0] <= 0.05 / family < doubt[0.99]


def test_no_slow_value_at_all_needs_as_many_as_the_percentile_is_rare() -> None:
    """ln 0.025 / ln 0.99 = 367.04"""
    assert of_share(1.0, 100, 0.99).needs_n == 368
    assert verdict(of_share(1.0, 368, 0.99)) == PASS


@pytest.mark.parametrize("df", [4.0, 30.0, math.inf])
def test_as_many_values_as_are_said_to_be_needed_decide_a_mean(df: float) -> None:
    evidence = of_mean(9, 1.0, df, 10, is_upper=True, n=100)
    assert evidence.needs_n is not None
    for times, is_decided in ((0.97, False), (1.0, True)):
        grown = evidence.needs_n / 100 * times
        decided = of_mean(9, 1 / math.sqrt(grown), df * grown, 10, is_upper=True)
        assert (verdict(decided) == PASS) is is_decided


def test_nothing_is_needed_where_it_is_decided_or_no_number_would_do() -> None:
    assert of_share(0.999, 10_000, 0.99).needs_n is None
    assert of_share(0.99, 1_000, 0.99).needs_n is None
    assert of_share(0.9 + 1e-9, 1_000, 0.9).needs_n is None
    assert of_mean(10, 1, 50, 10, is_upper=True, n=50).needs_n is None
    assert of_mean(10 - 1e-9, 1, 50, 10, is_upper=True, n=50).needs_n is None
    assert of_mean(9, 1, 50, 10, is_upper=True).needs_n is None
    assert (of_share(0.9001, 1_000, 0.9).needs_n or 0) < MOST_N


def test_what_was_not_measured_is_undecided() -> None:
    assert of_share(None, 0, 0.9) == NOTHING
    assert of_share(0.5, 0, 0.9) == NOTHING
    assert of_mean(None, None, 5, 1.0, is_upper=True) == NOTHING
    assert of_mean(3.0, None, 5, 1.0, is_upper=True) == NOTHING
    assert of_mean(3.0, 1.0, 0, 1.0, is_upper=True) == NOTHING
    assert verdict(NOTHING) == UNDECIDED
    assert decide([]) == []


def test_one_value_and_a_share_of_all_or_none_are_answered() -> None:
    assert verdict(of_share(1.0, 1, 0.5)) == UNDECIDED
    assert verdict(of_share(0.0, 1, 0.99)) == FAIL
    assert verdict(of_share(1.0, 1_000, 1.0)) == UNDECIDED
    assert verdict(of_share(0.999, 1_000, 1.0)) == FAIL
    assert verdict(of_share(0.001, 1_000, 0.0)) == PASS


def test_values_without_scatter_are_known() -> None:
    assert verdict(of_mean(9, 0.0, 5, 10, is_upper=True)) == PASS
    assert verdict(of_mean(9, 0.0, 5, 10, is_upper=False)) == FAIL
    assert verdict(of_mean(10, 0.0, 5, 10, is_upper=True)) == UNDECIDED


def test_holm_takes_the_surest_first_and_stops_at_the_first_doubt() -> None:
    """Two-sided p-values 0.010, 0.024, 0.040, 0.900 beside 0.05 / 4, / 3, / 2, / 1."""
    halves = [(0.020, True), (0.005, True), (0.012, False), (0.450, True)]
    evidences = [Evidence(p, 1 - p, None) if holds else Evidence(1 - p, p, None) for p, holds in halves]
    assert decide(evidences) == [UNDECIDED, PASS, UNDECIDED, UNDECIDED]
    assert decide(evidences[:3]) == [PASS, PASS, FAIL]
    assert decide(evidences, alpha=0.2) == [PASS, PASS, FAIL, UNDECIDED]


def test_a_family_at_its_borders_is_decided_wrongly_in_at_most_5_of_100_runs() -> None:
    rng = np.random.default_rng(43)
    scores = rng.standard_normal((4_000, 6))
    families = [[of_mean(score, 1.0, math.inf, 0.0, is_upper=True) for score in row] for row in scores]
    wrong = np.mean([set(decide(family)) != {UNDECIDED} for family in families])
    each = np.mean([verdict(evidence) != UNDECIDED for family in families[:500] for evidence in family])
    assert 0.03 < wrong <= 0.05 + 0.004  # one standard error of the count
    assert each == pytest.approx(0.05, abs=0.012)


def test_promises_that_hold_surely_leave_the_others_their_chance() -> None:
    """Holm, not Bonferroni: beside five sure ones, one of p = 0.04 passes."""
    assert decide([SURE] * 5 + [Evidence(0.02, 0.98, None)]) == [PASS] * 6
