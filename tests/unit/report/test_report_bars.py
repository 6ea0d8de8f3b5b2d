"""The small picture of a sweep on a terminal."""

from dataclasses import replace
from typing import Any

import pytest
from synthetic_runs import Shape, make_bundle, make_sweep

from loadgen.report.bars import LIMIT, PLAIN, bar_lines, is_plain_terminal
from loadgen.report.facts import facts_of
from loadgen.report.points import sweep_of
from loadgen.report.sweep_report import sweep_json

SHORT = Shape(duration_s=5.0, warmup_s=0.0, n_tokens=8, gap_ms=10.0)


def content_of(bundles: Any) -> dict[str, Any]:
    return sweep_json(sweep_of([facts_of(bundle) for bundle in bundles]), [])


def test_a_line_a_load_whose_bars_grow_with_the_throughput(tmp_path) -> None:
    lines = bar_lines(content_of(make_sweep(tmp_path, SHORT, "clients", [1, 4, 8])))
    head, *rows = lines
    assert head.split()[0] == "clients"
    assert "answers/s" in head
    assert "p99 ttft ms" in head
    assert [row.split()[0] for row in rows] == ["1", "4", "8"]
    lengths = [row.count("█") for row in rows]
    assert lengths == sorted(lengths)
    assert lengths[0] < lengths[-1]


def test_the_limit_is_drawn_where_it_lies(tmp_path) -> None:
    lines = bar_lines(content_of(make_sweep(tmp_path, SHORT, "clients", [1, 4])))
    assert "│ the limit, 400" in lines[0]
    assert len({line.rindex(LIMIT) for line in lines[1:]}) == 1


def test_a_terminal_without_blocks_gets_plain_letters(tmp_path) -> None:
    lines = bar_lines(content_of(make_sweep(tmp_path, SHORT, "clients", [1, 4])), is_plain=True)
    assert "\n".join(lines).isascii()
    assert PLAIN in lines[-1]
    assert is_plain_terminal("ascii")
    assert is_plain_terminal(None)
    assert is_plain_terminal("no-such-encoding")
    assert not is_plain_terminal("utf-8")


def test_kinds_single_loads_and_grids_have_none(tmp_path) -> None:
    assert bar_lines(content_of(make_sweep(tmp_path, SHORT, "model", ["a", "b"]))) == []
    assert bar_lines(content_of(make_sweep(tmp_path, SHORT, "clients", [4]))) == []
    grid = [make_bundle(tmp_path, replace(SHORT, clients=n, n_tokens=m)) for m in (8, 16) for n in (1, 4)]
    assert bar_lines(content_of(grid)) == []


@pytest.mark.parametrize("slos", [(), ("success_ratio >= 99 %",), ("p50_e2e < 1 us",), ("p99.9_ttft < 1 s",)])
def test_any_limits_give_a_picture(slos: tuple[str, ...], tmp_path) -> None:
    lines = bar_lines(content_of(make_sweep(tmp_path, replace(SHORT, slos=slos), "clients", [1, 4])))
    assert len(lines) == 3


def test_a_load_without_a_success_is_left_out(tmp_path) -> None:
    bundles = make_sweep(tmp_path, SHORT, "clients", [1, 4, 8], at={8: {"fail_share": 1.0}})
    assert [line.split()[0] for line in bar_lines(content_of(bundles))] == ["clients", "1", "4"]
