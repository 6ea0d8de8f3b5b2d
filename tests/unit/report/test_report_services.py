"""Reports of stores, and of several services in one run."""

import json
import re
from dataclasses import replace

import pytest
from synthetic_runs import make_bundle
from synthetic_services import CHAT, STORE, Stored, make_stored
from test_report_files import SHORT, assert_is_sound, written

from loadgen.bundle.monitor import SERVER_FILE, Sample, sample_line
from loadgen.bundle.read import Bundle
from loadgen.report import write_report, write_sweep_report
from loadgen.report.checks import TITLE
from loadgen.report.facts import facts_of
from loadgen.report.operations import columns_of, rows_of
from loadgen.report.points import sweep_of
from loadgen.report.server_words import MOST_ROWS, changes_of
from loadgen.report.sweep_report import sweep_json
from loadgen.report.text import run_lines, sweep_lines
from loadgen.report.verdict import verdict_of
from loadgen.report.words import axis_label, load_axis_of, load_phrase, one_line

SLOS = ("chat.p99_ttft < 400 ms", "store.p99_e2e < 40 ms", "success_ratio >= 98 %")
QUICK = replace(STORE, duration_s=4.0)
TALK = replace(CHAT, duration_s=4.0)
BOTH = Stored(store=QUICK, chat=TALK, slos=SLOS)
S = 1_000_000_000

SHAPES = {
    "a store": Stored(store=QUICK),
    "a store that lies": Stored(store=QUICK, is_wrong=True),
    "a killed store": Stored(store=QUICK, status=None),
    "an open loop": Stored(store=replace(QUICK, rate_per_s=50.0)),
    "two services": BOTH,
    "two services, one lies": replace(BOTH, is_wrong=True),
    "two killed services": replace(BOTH, status=None),
    "two services, one of them failing": replace(BOTH, chat=replace(TALK, fail_share=1.0)),
    "four services": replace(BOTH, others={"web": QUICK, "cache": QUICK}),
}


@pytest.mark.parametrize("kind", SHAPES)
def test_a_report_of_stores_and_of_several_services_is_sound(kind: str, tmp_path) -> None:
    bundle = make_stored(tmp_path / "results", SHAPES[kind])
    folder = write_report(bundle, tmp_path / "reports")
    page, report = written(folder)
    assert_is_sound(page, report, folder)
    assert run_lines(bundle)[-1] == f"{report['verdict']['value']}: {report['verdict']['sentence']}"


def test_wrong_answers_are_the_first_thing_said(tmp_path) -> None:
    bundle = make_stored(tmp_path / "results", Stored(store=QUICK, is_wrong=True))
    page, report = written(write_report(bundle, tmp_path / "reports"))
    n_wrong, n_checked = report["summary"]["wrong"], report["summary"]["checked"]
    assert report["verdict"]["sentence"].startswith(f"{n_wrong} wrong answers of {n_checked:,} that were checked")
    assert page.index(TITLE) < page.index("![How long requests took")
    assert "- **wrong:** 2 of 1,000 acknowledged writes were lost" in page
    assert "version 3, though 7 was acknowledged" in page
    assert "WRONG 2 of 1,000 acknowledged writes were lost" in run_lines(bundle)


def test_where_all_was_right_that_is_said_after_the_figures(tmp_path) -> None:
    page, _ = written(write_report(make_stored(tmp_path / "results", Stored(store=QUICK)), tmp_path / "reports"))
    assert page.index("## Limits") < page.index(TITLE)
    assert "that were checked were right." in page
    assert "all 1,000 acknowledged writes that were looked at are there" in page


def test_where_nothing_was_checked_nothing_is_said_of_it(tmp_path) -> None:
    bundle = make_bundle(tmp_path / "results", SHORT)
    page, _ = written(write_report(bundle, tmp_path / "reports"))
    assert TITLE not in page
    assert "wrong answer" not in verdict_of(facts_of(bundle)).sentence


def test_wrong_answers_outside_the_window_are_said_too(tmp_path) -> None:
    bundle = make_stored(tmp_path, Stored(store=QUICK, is_wrong=True))
    facts = facts_of(bundle)
    summary = {**facts.summary, "wrong": 0, "findings": [], "wrong_outside_window": 2}
    sentence = verdict_of(replace(facts, summary=summary)).sentence
    assert sentence.startswith("2 wrong answers in the warm-up or the drain; ")


def test_operations_stand_beside_each_other_without_columns_that_none_has(tmp_path) -> None:
    rows = rows_of(facts_of(make_stored(tmp_path, Stored(store=QUICK))))
    heads = [column.head for column in columns_of(rows)]
    assert [row.name for row in rows] == ["get", "set", "search"]
    assert not any("ttft" in head or "tokens" in head for head in heads)
    assert heads[-3:] == ["checked", "wrong", "recall"]
    assert rows_of(facts_of(make_bundle(tmp_path, SHORT))) == []


def test_services_and_their_operations_have_a_row_each(tmp_path) -> None:
    rows = rows_of(facts_of(make_stored(tmp_path, BOTH)))
    assert [row.name for row in rows] == ["chat", "store", "store: get", "store: set", "store: search"]
    assert "tokens/s" in [column.head for column in columns_of(rows)]


def test_errors_of_a_store_have_its_codes_and_no_http_status(tmp_path) -> None:
    page, _ = written(write_report(make_stored(tmp_path / "results", Stored(store=QUICK)), tmp_path / "reports"))
    assert "| server error (server_error) |" in page
    assert "| LOADING |" in page
    assert "5xx" not in page


def test_each_service_has_its_own_figures_load_and_place(tmp_path) -> None:
    page, report = written(write_report(make_stored(tmp_path / "results", BOTH), tmp_path / "reports"))
    assert "## Figures of chat" in page
    assert "## Times of store" in page
    assert "| Service store | redis 7.4.1 at redis://127.0.0.1:6379 |" in page
    assert "| Load chat | 4 clients, closed loop for 4 s, after 1 s of warm-up |" in page
    assert [limit["service"] for limit in report["slo"]] == ["chat", "chat", "store", "store"]


def test_an_unnamed_limit_is_said_with_the_service_that_it_was_held_against(tmp_path) -> None:
    lines = run_lines(make_stored(tmp_path, BOTH))
    assert any("store: success_ratio >= 98 %" in line for line in lines)
    assert any(re.match(r"(PASS|UNDECIDED) +chat.p99_ttft < 400 ms", line) for line in lines)


def test_more_services_than_fit_into_a_picture_have_further_ones(tmp_path) -> None:
    stored = replace(BOTH, others={"web": QUICK, "cache": QUICK})
    page, report = written(write_report(make_stored(tmp_path / "results", stored), tmp_path / "reports"))
    assert {"plots/latency.png", "plots/latency_2.png", "plots/itl.png"} <= set(report["plots"])
    assert "plots/itl_2.png" not in report["plots"]
    assert "(plots/over_time_2.png)" in page


def swept(folder, values) -> list[Bundle]:
    axis = "loads.store.concurrency"
    return [
        make_stored(folder, replace(BOTH, store=replace(QUICK, clients=n), sweep={"axes": {axis: n}})) for n in values
    ]


def test_a_sweep_of_several_services_has_a_row_for_each_and_their_own_pictures(tmp_path) -> None:
    folder = write_sweep_report(swept(tmp_path / "results", (2, 8)), tmp_path / "reports")
    page, report = written(folder)
    assert_is_sound(page, report, folder)
    assert {"plots/throughput_chat.png", "plots/e2e_store.png"} <= set(report["plots"])
    assert "plots/ttft_store.png" not in report["plots"]
    assert "by_operation" not in json.dumps(report)
    rows = [line.split("|")[2].strip() for line in page.splitlines() if line.startswith(("| 2 |", "| 8 |"))]
    assert rows == ["chat", "store", "chat", "store"]
    lines = sweep_lines(report)
    assert lines[0].split("  ")[0] == "store clients"
    assert len(lines) == 5


def test_whether_throughput_grows_is_asked_of_the_service_whose_load_rises(tmp_path) -> None:
    sweep = sweep_of([facts_of(bundle) for bundle in swept(tmp_path, (2, 8))])
    report = sweep_json(sweep, [])
    verdicts = [{entry["verdict"] for entry in point["slo"]} for point in report["points"]]
    assert sweep.load_service == "store"
    assert sweep.services == ("chat", "store")
    assert not report["saturated"]
    assert report["saturated_why"].startswith("from 2 to 8 clients of store (4 times the load) answers per second grew")
    assert [point["holds"] for point in report["points"]] == [None, None]
    assert all("UNDECIDED" in own for own in verdicts)  # four seconds of chat are too few samples for a p99


def test_a_loads_axis_names_its_service() -> None:
    assert load_axis_of("loads.store.rate_per_s") == ("store", "rate_per_s")
    assert load_axis_of("load.concurrency") == ("", "concurrency")
    assert load_axis_of("workload.concurrency") is None
    assert load_phrase({"loads.a.concurrency": 1, "loads.b.rate_per_s": 5}) == "1 client of a, 5 requests/s to b"
    assert axis_label("loads.a.concurrency") == "clients at once (loads.a.concurrency)"


def test_what_a_server_says_is_shown_where_it_changed(tmp_path) -> None:
    page, _ = written(write_report(make_stored(tmp_path / "results", Stored(store=QUICK)), tmp_path / "reports"))
    assert "| commands_processed | 1,000 | 7,600 | 6,600 | 600 |" in page
    assert "| used_memory_bytes | 41,943,040 | 44,040,192 | 2,097,152 | - |" in page
    assert "| hit_ratio | 0.500 | 0.940 | 0.440 | - |" in page
    assert "- state: loading, then ready" in page
    assert "2 figures did not change." in page


def test_of_very_many_figures_only_the_first_are_shown(tmp_path) -> None:
    bundle = make_stored(tmp_path / "results", Stored(store=QUICK))
    looks = [{f"figure_{number}": number * at for number in range(1, 101)} for at in range(2)]
    lines = [sample_line(at * S, look) for at, look in enumerate(looks)]
    (bundle.folder / "monitor" / SERVER_FILE).write_bytes(b"".join(lines))
    page, _ = written(write_report(Bundle(bundle.folder), tmp_path / "reports"))
    assert page.count("| figure_") == MOST_ROWS
    assert f"{100 - MOST_ROWS} more figures changed." in page


def test_a_single_look_has_nothing_to_compare() -> None:
    assert changes_of([Sample(0, {"commands": 5})]) == []
    assert changes_of([]) == []


def test_figures_that_a_server_stops_or_starts_to_give_are_left_out() -> None:
    first, last = Sample(0, {"gone": 1, "kept": 2, "text": "a"}), Sample(S, {"kept": 5, "new": 1, "text": "b"})
    assert [(change.key, change.per_s) for change in changes_of([first, last])] == [("kept", 3.0)]


def test_no_text_of_a_server_moves_the_cursor() -> None:
    assert one_line("a\x1b[2J\r\n  b") == "a [2J b"
