"""Against printed tables, closed forms and sums."""

import math

import pytest

from loadgen.statistics import laws


@pytest.mark.parametrize(
    ("p", "df", "printed"),
    [
        (0.975, 1, 12.7062),
        (0.975, 2, 4.3027),
        (0.975, 5, 2.5706),
        (0.975, 10, 2.2281),
        (0.975, 30, 2.0423),
        (0.95, 4, 2.1318),
        (0.995, 8, 3.3554),
        (0.9995, 3, 12.9240),
        (0.975, math.inf, 1.9600),
        (0.025, 10, -2.2281),
        (0.5, 7, 0.0),
    ],
)
def test_quantiles_of_t_are_those_of_the_printed_table(p: float, df: float, printed: float) -> None:
    assert laws.t_quantile(p, df) == pytest.approx(printed, abs=5e-5)


@pytest.mark.parametrize("x", [-30.0, -1.0, 0.0, 0.3, 4.0])
def test_t_of_one_and_two_degrees_has_its_closed_form(x: float) -> None:
    assert laws.t_cdf(x, 1) == pytest.approx(0.5 + math.atan(x) / math.pi, rel=1e-10)
    assert laws.t_cdf(x, 2) == pytest.approx(0.5 + x / (2 * math.sqrt(2 + x * x)), rel=1e-10)


def test_t_of_many_degrees_is_the_normal() -> None:
    assert laws.t_cdf(1.5, 1e7) == pytest.approx(laws.normal_cdf(1.5), abs=1e-7)
    assert laws.t_quantile(0.9, 1e9) == pytest.approx(laws.normal_quantile(0.9), abs=1e-8)


def test_normal_is_that_of_the_printed_table() -> None:
    assert laws.normal_cdf(1.96) == pytest.approx(0.9750021, abs=1e-7)
    assert laws.normal_quantile(0.995) == pytest.approx(2.5758293, abs=1e-7)
    assert laws.normal_cdf(-10) == pytest.approx(7.62e-24, rel=1e-3)


@pytest.mark.parametrize(("n", "p"), [(1, 0.3), (11, 0.5), (64, 0.1), (662, 0.01), (5_000, 0.999), (20_000, 0.5)])
def test_binomial_is_the_sum_of_its_terms(n: int, p: float) -> None:
    logs = [math.lgamma(n + 1) - math.lgamma(k + 1) - math.lgamma(n - k + 1) for k in range(n + 1)]
    terms = [math.exp(log + k * math.log(p) + (n - k) * math.log1p(-p)) for k, log in enumerate(logs)]
    for k in {0, 1, n // 3, int(n * p), n - 1} - {n}:
        assert laws.binomial_cdf(k, n, p) == pytest.approx(math.fsum(terms[: k + 1]), rel=1e-7, abs=1e-12)


def test_binomial_of_fractions_lies_between_its_neighbours() -> None:
    low, middle, high = (laws.binomial_cdf(k, 40.5, 0.2) for k in (7, 7.5, 8))
    assert low < middle < high
    assert laws.binomial_cdf(-1, 5, 0.5) == 0
    assert laws.binomial_cdf(5, 5, 0.5) == 1


@pytest.mark.parametrize("p", [0.5, 0.01, 0.999])
def test_large_binomials_are_nearly_normal_where_that_takes_over(p: float) -> None:
    n = laws._LARGE_VARIANCE / (p * (1 - p))
    for score in (-2.5, 0.0, 2.5):
        k = n * p + score * math.sqrt(n * p * (1 - p))
        exact = laws.beta_cdf(1 - p, n - k, k + 1)
        # the exact one loses digits too: its logarithms are of the order of n
        assert laws._nearly_normal(*_score_and_skewness(k, n, p)) == pytest.approx(exact, abs=3e-6)


def _score_and_skewness(k: float, n: float, p: float) -> tuple[float, float]:
    deviation = math.sqrt(n * p * (1 - p))
    return (k + 0.5 - n * p) / deviation, (1 - 2 * p) / deviation


@pytest.mark.parametrize("probability", [1e-6, 0.025, 0.5, 0.975])
@pytest.mark.parametrize(("n", "p"), [(3.5, 0.5), (368, 0.99), (6_636, 0.999), (1e5, 0.9), (1e9, 0.99)])
def test_quantiles_give_back_their_probability(probability: float, n: float, p: float) -> None:
    k = laws.binomial_quantile(probability, n, p)
    assert laws.binomial_cdf(k, n, p) == pytest.approx(probability, abs=1e-8)
    share = laws.beta_quantile(probability, n * p, n * (1 - p) + 1) if n < 1e6 else None
    assert share is None or laws.beta_cdf(share, n * p, n * (1 - p) + 1) == pytest.approx(probability, abs=1e-8)


def test_beta_has_its_closed_forms_and_ends() -> None:
    assert laws.beta_cdf(0.3, 1, 1) == pytest.approx(0.3)
    assert laws.beta_cdf(0.3, 2, 3) == pytest.approx(0.3483)
    assert laws.beta_quantile(0.5, 3, 3) == pytest.approx(0.5)
    assert [laws.beta_cdf(x, 2, 3) for x in (-1, 0, 1, 2)] == [0, 0, 1, 1]
    assert [laws.beta_quantile(p, 2, 3) for p in (0, 1)] == [0, 1]
