"""Still pictures and what they are drawn from: places on axes, ticks, gaps along the answer, courses over time."""

import re
from xml.etree import ElementTree

import numpy as np
import pytest

from loadgen.metrics.course import Course, Instants
from loadgen.metrics.histogram import Histogram
from loadgen.records import RECORD_DTYPE, Block, Outcome, Phase
from loadgen.report.html.figures import (
    Axis,
    Band,
    Bars,
    Figure,
    Heat,
    Line,
    Panel,
    Points,
    Rule,
    Zone,
    as_json,
    from_zero,
    listed,
    log_or_zero,
    round_step,
    ticks_of,
)
from loadgen.report.html.over_time import coarse_rows, over_time, percentile_of, shares
from loadgen.report.html.page import for_script
from loadgen.report.html.positions import gaps_by_position
from loadgen.report.html.still import still

X, Y = Axis("seconds", 0.0, 10.0), Axis("ms", 1.0, 1000.0, is_log=True)


def drawn(*marks: object, y: Axis = Y) -> ElementTree.Element:
    return ElementTree.fromstring(still(Figure("key", "A title", "What it is", X, [Panel(y, marks, 200)])))  # type: ignore[arg-type]


def paths(picture: ElementTree.Element, kind: str) -> list[str]:
    return [one.get("d", "") for one in picture.iter("path") if kind in one.get("class", "").split()]


def test_a_value_lies_where_its_axis_says() -> None:
    (path,) = paths(drawn(Line([0.0, 5.0, 10.0], [1.0, 31.6227766, 1000.0])), "line")
    places = [tuple(map(float, place.split())) for place in path[1:].split("L")]
    (x0, y0), (x1, y1), (x2, y2) = places
    assert (x0 + x2) / 2 == pytest.approx(x1, abs=0.1)
    assert (y0 + y2) / 2 == pytest.approx(y1, abs=0.1), "halfway on a logarithmic axis"
    assert y0 - y2 == pytest.approx(200, abs=0.2)


def test_a_line_is_broken_where_nothing_was_measured() -> None:
    assert len(paths(drawn(Line([0.0, 1.0, 2.0, 3.0, 4.0], [5.0, 6.0, None, 7.0, 8.0])), "line")) == 2


def test_what_lies_beyond_the_axis_stays_at_its_edge() -> None:
    (path,) = paths(drawn(Line([-5.0, 50.0], [0.0001, 1e9])), "line")
    places = [tuple(map(float, place.split())) for place in path[1:].split("L")]
    assert places[1][1] >= 24
    assert places[0][0] < places[1][0] <= 560


def test_every_kind_of_mark_is_drawn_and_is_in_the_json() -> None:
    marks = [
        Line([0, 1], [2, 3], "line", is_step=True, is_filled=True),
        Band([0, 1], [2, 3], [4, 5]),
        Points([0, 1], [2, 3], "points", low=[1, None], high=[4, None], hollow=[True, False], labels=["a", ""]),
        Bars([0, 1], [1, 2], [5, 0]),
        Heat([0, 5, 10], [1, 10, 100], [[0.5, None], [None, 1.0]]),
        Rule(50.0, "limit"),
        Rule(5.0, "knee", is_upright=True, is_low=True),
        Zone(0, 2, "z"),
    ]
    picture = drawn(*marks)
    for kind in ("line", "fill", "band", "whisker", "bar", "heat", "limit"):
        assert paths(picture, kind), kind
    assert [one.get("class") for one in picture.iter("circle")] == ["point hollow c0", "point c0"]
    assert len(paths(picture, "heat")) == 2, "a path for each shade"
    content = as_json(Figure("key", "t", "s", X, [Panel(Y, marks)]))
    assert [mark["kind"] for mark in content["panels"][0]["marks"]] == [mark.kind for mark in marks]


def test_words_in_a_picture_are_escaped() -> None:
    picture = drawn(Rule(5.0, "<b>&amp;</b>", is_upright=True))
    assert "<b>&amp;</b>" in [one.text for one in picture.iter("text")]


def test_numbers_cannot_end_the_script_they_stand_in() -> None:
    assert "<" not in for_script({"name": "</script><!--"})


@pytest.mark.parametrize(
    ("least", "step"), [(0.9, 1), (1.0, 1), (1.1, 2), (3, 5), (6, 10), (0.03, 0.05), (70, 100), (0, 1)]
)
def test_steps_are_round(least: float, step: float) -> None:
    assert round_step(least) == pytest.approx(step)


def test_ticks_lie_on_the_axis_and_not_too_many() -> None:
    for top in np.geomspace(0.001, 1e7, 60):
        ticks = ticks_of(from_zero("x", [top]))
        assert 3 <= len(ticks) <= 8
        assert all(0 <= value <= top * 1.12 * (1 + 1e-9) for value, _ in ticks)


def test_an_axis_is_logarithmic_only_where_that_shows_more() -> None:
    assert log_or_zero("ms", [10.0, 90.0]).is_log
    assert not log_or_zero("ms", [10.0, 20.0]).is_log
    assert not log_or_zero("ms", [0.0, 1000.0]).is_log, "zero has no place on a logarithmic axis"
    assert not log_or_zero("ms", [None]).is_log


def test_what_is_not_finite_is_nothing() -> None:
    assert listed([1.23456789, np.nan, np.inf]) == [1.2346, None, None]


def a_block(n: int, gaps_ns: list[int], outcome: int = Outcome.OK, phase: int = Phase.MEASURE) -> Block:
    records = np.zeros(n, RECORD_DTYPE)
    records["n_gaps"], records["outcome"], records["phase"] = len(gaps_ns), outcome, phase
    return Block(records, np.tile(np.array(gaps_ns, np.int64), n))


def test_gaps_are_told_apart_by_their_position() -> None:
    blocks = [a_block(40, [1_000_000 * (place + 1) for place in range(8)]) for _ in range(3)]
    found = gaps_by_position(blocks)
    assert found is not None
    assert found.at[:3].tolist() == [1, 2, 3]
    assert found.p50_ms[:3] == pytest.approx([1, 2, 3], rel=0.002)
    assert found.n_gaps == 3 * 40 * 8
    assert found.is_whole


def test_gaps_of_failures_and_of_the_warm_up_do_not_count() -> None:
    right = a_block(40, [1_000_000] * 3)
    others = [a_block(40, [9_000_000] * 3, Outcome.TIMEOUT), a_block(40, [9_000_000] * 3, phase=Phase.WARMUP)]
    found = gaps_by_position([*others, right])
    assert found is not None
    assert found.p99_ms.max() == pytest.approx(1, rel=0.002)
    assert gaps_by_position(others) is None


def a_course(at_s: np.ndarray, values_ms: np.ndarray) -> Course:
    course = Course()
    at_ns = (at_s * 1e9).astype(np.int64)
    counted = Histogram().add((values_ms * 1e6).astype(np.int64))
    assert counted is not None
    course.add(Instants.of(at_ns), counted)
    return course


def test_percentiles_over_time_follow_a_step() -> None:
    at_s = np.linspace(0.01, 60.0, 12_000)
    values = np.where(at_s < 30.0, 20.0, 80.0)
    found = over_time(a_course(at_s, values))
    assert found is not None
    p50 = percentile_of(found, 50)
    early, late = found.at_s[1:] < 29.0, (found.at_s[:-1] > 31.0) & (found.at_s[1:] < 59.0)
    assert p50[early] == pytest.approx(np.full(early.sum(), 20.0), rel=0.03)
    assert p50[late] == pytest.approx(np.full(late.sum(), 80.0), rel=0.03)
    assert int(found.counts.sum()) == 12_000


def test_a_heat_map_has_rows_that_can_be_seen_and_loses_nothing() -> None:
    rng = np.random.default_rng(1)
    found = over_time(a_course(rng.uniform(0.01, 20, 5000), rng.lognormal(3, 1, 5000)))
    assert found is not None
    rows = coarse_rows(found)
    assert len(rows.counts) <= 44
    assert rows.counts.sum() == 5000
    assert (np.diff(rows.low_ms) > 0).all()
    filled = [share for row in shares(rows) for share in row if share is not None]
    assert max(filled) == 1.0
    assert min(filled) > 0


def test_too_little_is_not_drawn_over_time() -> None:
    assert over_time(a_course(np.array([1.0, 2.0]), np.array([5.0, 6.0]))) is None


def test_a_still_picture_names_itself() -> None:
    picture = drawn(Line([0, 1], [2, 3]))
    assert picture.get("role") == "img"
    assert re.match("A title", picture.get("aria-label", ""))
