"""Figures as people read them."""

import math

import numpy as np
import pytest

from loadgen.report.numbers import change, count, figure, is_known, is_supported, ms, percent, plain, shown_percentile


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0"),
        (1, "1.00"),
        (12.345, "12.3"),
        (99.96, "100"),
        (9.996, "10.0"),
        (999.6, "1,000"),
        (1234.5, "1,230"),
        (1_234_567, "1,230,000"),
        (0.012345, "0.0123"),
        (0.0009999, "0.00100"),
        (-12.345, "-12.3"),
        (3e-9, "3.00e-09"),
        (None, "-"),
        (math.nan, "-"),
        (math.inf, "-"),
        (True, "-"),
        ("12", "-"),
    ],
)
def test_a_figure_has_three_significant_digits_and_separators(value: object, text: str) -> None:
    assert figure(value) == text


def test_what_a_person_chose_has_no_empty_decimals() -> None:
    assert [plain(value) for value in (500.0, 1.5, 0.25, 10_000)] == ["500", "1.5", "0.25", "10,000"]


@pytest.mark.parametrize(
    ("ratio", "text"),
    [(1.0, "100 %"), (0.99996, "99.996 %"), (0.9871, "98.7 %"), (0.0, "0 %"), (0.00004, "0.004 %"), (None, "-")],
)
def test_only_all_is_a_hundred_percent_and_only_nothing_is_zero(ratio: float | None, text: str) -> None:
    assert percent(ratio) == text


def test_a_change_has_its_sign_and_cannot_be_said_from_zero() -> None:
    assert [change(10.0, 12.5), change(10.0, 10.0), change(10.0, 5.0), change(0.0, 5.0), change(None, 1.0)] == [
        "+25.0 %",
        "0 %",
        "-50.0 %",
        "-",
        "-",
    ]


def test_numpy_numbers_are_numbers() -> None:
    assert is_known(np.int64(3))
    assert is_known(np.float64(3.0))
    assert not is_known(np.float64("nan"))
    assert figure(np.int64(0)) == "0"


def test_units_stand_behind_the_figure_and_unknown_has_none() -> None:
    assert [ms(213.4), ms(None), count(1234), count(None)] == ["213 ms", "-", "1,234", "-"]


def test_a_percentile_with_too_few_samples_stands_in_brackets() -> None:
    metric = {"n": 661, "percentiles": {"p50": {"value": 100.0}, "p99": {"value": 213.0}, "p99.9": {"value": None}}}
    assert shown_percentile(metric, "p50") == "100"
    assert shown_percentile(metric, "p99") == "[213]"
    assert shown_percentile(metric, "p99.9") == "-"
    assert shown_percentile({**metric, "n": 662}, "p99") == "213"
    assert is_supported(130, "p95")
    assert not is_supported(129, "p95")
