"""Keys drawn for requests: their distributions, against YCSB's own arithmetic, and their being pure functions."""

import numpy as np
import pytest

from loadgen.plan.keys import ZIPF_ETA, ZIPF_ITEMS, ZIPF_THETA, ZIPF_ZETA, KeyDistribution, key_values, zipf_ranks
from loadgen.plan.model import MAX_VALUES
from loadgen.plan.streams import BLOCK, Purpose, generator

N = 200_000


def ycsb_key(draw: float, n_keys: int) -> int:
    """ScrambledZipfianGenerator of YCSB, a line of Python for a line of Java."""
    alpha = 1 / (1 - ZIPF_THETA)
    zeta_2 = 1 + 0.5**ZIPF_THETA
    eta = (1 - (2 / ZIPF_ITEMS) ** (1 - ZIPF_THETA)) / (1 - zeta_2 / ZIPF_ZETA)
    scaled = draw * ZIPF_ZETA
    rank = 0 if scaled < 1 else 1 if scaled < zeta_2 else int(ZIPF_ITEMS * (eta * draw - eta + 1) ** alpha)
    hashed = 0xCBF29CE484222325
    for octet in rank.to_bytes(8, "little"):
        hashed = (hashed ^ octet) * 1099511628211 % 2**64
    return abs(hashed - 2**64 if hashed >= 2**63 else hashed) % n_keys


def shares_of(distribution: KeyDistribution, n_keys: int) -> np.ndarray:
    keys = key_values(1, n_keys, distribution)(0, N)[:, 0]
    assert keys.min() >= 0
    assert keys.max() < n_keys
    return np.bincount(keys, minlength=n_keys) / N


def test_sequential_keys_are_the_index_over_and_over() -> None:
    assert key_values(7, 3, "sequential")(4, 5)[:, 0].tolist() == [1, 2, 0, 1, 2]
    assert key_values(7, 10**6, "sequential")(BLOCK - 1, 3)[:, 0].tolist() == [BLOCK - 1, BLOCK, BLOCK + 1]


def test_uniform_keys_come_equally_often() -> None:
    shares = shares_of("uniform", 100)
    chi_square = N * np.sum((shares - 0.01) ** 2 / 0.01)
    assert chi_square < 148  # the 99.9th percentile with 99 degrees of freedom


def test_zipfian_keys_are_ycsbs() -> None:
    draws = generator(5, Purpose.KEY, 0).random((1, BLOCK))[0]
    n_keys = 1_000_003
    expected = [ycsb_key(draw, n_keys) for draw in draws.tolist()]
    keys = key_values(5, n_keys, "zipfian")(0, BLOCK)[:, 0].tolist()
    same = sum(a == b for a, b in zip(keys, expected, strict=True))
    assert same >= BLOCK - 2  # a rank of billions may differ by one where pow() rounds otherwise


def test_the_constant_of_the_zipfian_is_what_its_formula_gives() -> None:
    eta = (1 - (2 / ZIPF_ITEMS) ** (1 - ZIPF_THETA)) / (1 - (1 + 0.5**ZIPF_THETA) / ZIPF_ZETA)
    assert pytest.approx(eta, rel=1e-12) == ZIPF_ETA


def test_the_most_frequent_ranks_have_zipfs_shares() -> None:
    ranks = zipf_ranks(generator(3, Purpose.KEY, 0).random(N))
    for rank in range(2):
        assert np.mean(ranks == rank) == pytest.approx((rank + 1) ** -ZIPF_THETA / ZIPF_ZETA, rel=0.05)
    assert ranks.max() < ZIPF_ITEMS


def test_zipfian_keys_have_few_favourites_that_lie_anywhere() -> None:
    shares = shares_of("zipfian", 10_000)
    favourites = np.argsort(shares)[::-1][:10]
    assert shares[favourites[0]] == pytest.approx(1 / ZIPF_ZETA, rel=0.1)
    assert shares[favourites].sum() > 0.09
    assert np.abs(np.diff(favourites)).min() > 1


@pytest.mark.parametrize("distribution", ["uniform", "zipfian", "sequential"])
def test_keys_depend_on_nothing_but_seed_and_index(distribution: KeyDistribution) -> None:
    draw = key_values(9, 1000, distribution, [(0, 5)])
    whole = draw(0, 3 * BLOCK)
    assert whole.shape == (3 * BLOCK, MAX_VALUES)
    assert whole.dtype == np.int32
    again = key_values(9, 1000, distribution, [(0, 5)])
    for first, count in ((BLOCK - 3, 7), (2 * BLOCK, BLOCK), (5, 1), (0, 0)):
        assert np.array_equal(again(first, count), whole[first : first + count])
    if distribution != "sequential":
        assert not np.array_equal(key_values(10, 1000, distribution)(0, 100)[:, 0], whole[:100, 0])


def test_other_values_lie_within_their_bounds_and_change_no_key() -> None:
    values = key_values(2, 50, "uniform", [(0, 10), (-5000, 5001), (7, 8)])(0, N)
    assert (values[:, 1].min(), values[:, 1].max()) == (0, 9)
    assert (values[:, 2].min(), values[:, 2].max()) == (-5000, 5000)
    assert np.all(values[:, 3] == 7)
    assert np.array_equal(values[:, 0], key_values(2, 50)(0, N)[:, 0])
    assert abs(np.corrcoef(values[:, 0], values[:, 1])[0, 1]) < 0.01


def test_columns_that_nobody_asks_for_are_zero() -> None:
    assert not key_values(2, 50)(0, 100)[:, 1:].any()


def test_the_draws_stay_what_they_were() -> None:
    """Recorded runs have them: another value here makes every old digest wrong."""
    assert key_values(42, 1000)(0, 5)[:, 0].tolist() == [299, 538, 196, 221, 977]
    assert key_values(42, 1000, "zipfian")(0, 5)[:, 0].tolist() == [93, 242, 718, 670, 790]
