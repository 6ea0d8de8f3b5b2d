"""Two runs or two sweeps beside each other: what differs, what may not be compared, and what is said in the end."""

import json
import math
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from synthetic_runs import Shape, make_bundle, make_sweep
from synthetic_services import CHAT, STORE, Stored, make_stored

from loadgen.bundle import Bundle, open_bundle
from loadgen.compare.comparison import ONE_RUN, Comparison, compare
from loadgen.compare.differing import differences_between
from loadgen.compare.figures import Difference, Figure, Word
from loadgen.compare.files import comparison_json, write_comparison
from loadgen.compare.words import lines_above, sentence, table_lines

SHAPE = Shape(clients=8, duration_s=24.0, warmup_s=1.0)


def found(comparison: Comparison) -> dict[str, Difference]:
    return {one.figure.name: one for _, one in comparison.told}


def word(comparison: Comparison, name: str) -> Word:
    return found(comparison)[name].word(comparison.threshold)


def text(comparison: Comparison) -> str:
    return "\n".join([*lines_above(comparison), *(line for line, _ in table_lines(comparison)), sentence(comparison)])


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("results")


@pytest.fixture(scope="module")
def made(results: Path) -> Callable[..., Bundle]:
    """made(field=value, …) writes a run that differs from SHAPE by these."""
    return lambda **changes: make_bundle(results, replace(SHAPE, **changes))


@pytest.fixture(scope="module")
def base(made: Callable[..., Bundle]) -> Bundle:
    return made()


def test_slower_first_tokens_are_found_with_an_interval_that_holds_the_truth(
    made: Callable[..., Bundle], base: Bundle
) -> None:
    comparison = compare([base], [made(ttft_ms=113.0)])
    p50 = found(comparison)["p50_ttft"]
    assert p50.word(0.03) is Word.WORSE
    assert p50.low is not None
    assert p50.high is not None
    assert p50.low < 0.13 < p50.high
    assert word(comparison, "p50_itl") is Word.SAME
    assert sentence(comparison).startswith("B is slower: p95 TTFT 13 % higher (")
    assert ", real. So are " in sentence(comparison)
    assert "real" in sentence(comparison)
    assert comparison.regressions


def test_same_run_against_itself_does_not_differ(base: Bundle) -> None:
    comparison = compare([base], [base])
    assert all(one.change == 0 for one in found(comparison).values())
    assert not any(one.is_real for one in found(comparison).values())
    assert sentence(comparison).startswith("No real difference")
    assert "differs: nothing" in text(comparison)


def test_faster_is_said_of_the_other_way_round(made: Callable[..., Bundle], base: Bundle) -> None:
    comparison = compare([made(ttft_ms=113.0)], [base])
    assert sentence(comparison).startswith("B is faster: ")
    assert " lower (" in sentence(comparison)
    assert not comparison.regressions


def test_threshold_makes_a_real_difference_small(made: Callable[..., Bundle], base: Bundle) -> None:
    comparison = compare([base], [made(ttft_ms=113.0)], threshold=0.5)
    assert word(comparison, "p50_ttft") is Word.SMALL
    assert sentence(comparison).startswith("B and A differ by less than 50 %")
    within = re.search(r"Throughput the same within (\d+) %", sentence(comparison))
    assert within is None or int(within[1]) <= 5
    assert not comparison.regressions


def test_more_failures_are_a_difference_in_points(made: Callable[..., Bundle], base: Bundle) -> None:
    comparison = compare([base], [made(fail_share=0.2)])
    share = found(comparison)["success_ratio"]
    assert share.change == pytest.approx(-0.2, abs=0.05)
    assert share.word(0.03) is Word.WORSE
    assert "B is failing more: succeeded 2" in sentence(comparison)
    assert " points lower" in sentence(comparison)


def test_what_differs_comes_first_a_line_a_field(made: Callable[..., Bundle], base: Bundle) -> None:
    other = made(model="qwen3", clients=9, service={"settings": {"quantization": "Q8_0"}})
    lines = list(lines_above(compare([base], [other])))
    assert "differs: model: A smollm2, B qwen3" in lines
    assert "differs: load.concurrency: A 8, B 9" in lines
    assert "differs: settings.quantization: A unknown, B Q8_0" in lines
    assert [line.split(":")[0] for line in lines] == sorted(
        (line.split(":")[0] for line in lines), key=["A", "B", "differs", "not compared", "note"].index
    )
    assert "sk-never" not in "\n".join(lines)


def test_one_run_of_each_side_is_told_not_to_see_what_changes_between_runs(base: Bundle) -> None:
    assert ONE_RUN in compare([base], [base]).notes


def test_closed_and_open_loop_are_compared_only_by_what_means_the_same(
    made: Callable[..., Bundle], base: Bundle
) -> None:
    comparison = compare([base], [made(rate_per_s=13.0)])
    assert {name.rpartition("_")[2] for name in found(comparison)} == {"itl", "tpot", "ratio"}
    assert any("one loop is closed and the other open" in line for line in comparison.left_out)


def test_different_kinds_of_service_are_not_compared(made: Callable[..., Bundle], base: Bundle) -> None:
    comparison = compare([base], [made(n_tokens=0)])
    assert not comparison.told
    assert sentence(comparison) == (
        "Nothing could be compared: different kinds of service: A is language models, B is http."
    )


def test_client_that_was_the_limit_is_not_compared(made: Callable[..., Bundle], base: Bundle) -> None:
    bound = edited(made(), summary={"client": {"verdict": "bound", "reasons": ["its loop was busy 98 % of the time"]}})
    comparison = compare([base], [bound])
    assert not comparison.told
    assert "the client was the limit" in sentence(comparison)
    assert "98 %" in sentence(comparison)


BOUND = {"client": {"verdict": "bound", "reasons": ["late"]}}


def test_of_repeats_only_a_run_whose_client_was_the_limit_is_left_out(
    made: Callable[..., Bundle], base: Bundle
) -> None:
    a, b = [base, made(), edited(made(), summary=BOUND)], [made(), made()]
    (point,) = compare(a, b).points
    assert [run.id for run in point.a] == [bundle.id for bundle in a[:2]]
    assert len(point.b) == 2
    assert f"note: left out: {a[2].id}: the client was the limit" in text(compare(a, b))
    assert not compare([a[2], a[2]], b).told


def test_of_a_duet_the_pair_of_such_a_run_is_left_out(made: Callable[..., Bundle], base: Bundle) -> None:
    a, b = [base, made(), made()], [made(), edited(made(), summary=BOUND), made()]
    comparison = compare(a, b, paired=True)
    (point,) = comparison.points
    assert [run.id for run in point.a] == [a[0].id, a[2].id]
    assert [run.id for run in point.b] == [b[0].id, b[2].id]
    assert f"left out with its pair: {b[1].id}: the client was the limit" in text(comparison)
    assert "with 2 slots of each" in text(comparison)


def test_client_that_is_suspect_is_said(made: Callable[..., Bundle], base: Bundle) -> None:
    suspect = edited(made(), summary={"client": {"verdict": "suspect", "reasons": ["late"]}})
    comparison = compare([base], [suspect])
    assert comparison.told
    assert f"B, {suspect.id}: the client is suspect (late)" in comparison.notes


def test_runs_that_were_cut_off_are_compared_and_said(made: Callable[..., Bundle], base: Bundle) -> None:
    comparison = compare([made(status="interrupted")], [made(status=None)])
    assert found(comparison)["p50_ttft"].p_value is not None
    assert any("stopped by hand" in note for note in comparison.notes)
    assert any("killed or still running" in note for note in comparison.notes)


def test_run_without_a_success_has_its_share_compared(made: Callable[..., Bundle], base: Bundle) -> None:
    comparison = compare([base], [made(fail_share=1.0, status="failed")])
    assert set(found(comparison)) <= {"success_ratio", "request_throughput", "output_throughput", "goodput"}
    assert word(comparison, "success_ratio") is Word.WORSE
    assert any("no request succeeded" in note for note in comparison.notes)
    assert "nan" not in json.dumps(comparison_json(comparison)).lower()


def test_too_few_samples_are_said_and_nothing_is_tested(made: Callable[..., Bundle], base: Bundle) -> None:
    comparison = compare([base], [made(duration_s=2.0)])
    p99 = found(comparison)["p99_ttft"]
    assert p99.word(0.03) is Word.UNTESTED
    assert "it needs 500 a side" in p99.why
    tiny = compare([made(duration_s=0.4, clients=1)], [made(duration_s=0.4, clients=1)])
    assert "Nothing could be compared" in sentence(tiny)


def test_all_values_the_same_are_no_trouble(results: Path) -> None:
    flat = flat_bundle(results, 100)
    slow = flat_bundle(results, 110)
    same, other = compare([flat], [flat]), compare([flat], [slow])
    assert not any(one.is_real for one in found(same).values())
    assert word(other, "p50_ttft") is Word.WORSE
    assert "nan" not in text(other).lower()


def flat_bundle(results: Path, ttft_ms: int) -> Bundle:
    """A run in which every request took the same."""
    bundle = make_bundle(results, replace(SHAPE, status=None))
    lines = [json.loads(line) for line in bundle.requests_path.read_text().splitlines()]
    for line in lines:
        first = line["planned_at_ns"] + ttft_ms * 1_000_000
        gaps = [20_000_000] * len(line["itl_ns"])
        line.update(first_token_at_ns=first, first_byte_at_ns=first, itl_ns=gaps)
        line.update(last_token_at_ns=first + sum(gaps), done_at_ns=first + sum(gaps))
    bundle.requests_path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    return Bundle(bundle.folder)


def edited(bundle: Bundle, **files: dict[str, Any]) -> Bundle:
    for name, changes in files.items():
        path = bundle.folder / f"{name}.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))
    return Bundle(bundle.folder)


def swept(bundles: Sequence[Bundle]) -> list[Bundle]:
    """With what a sweep writes into run.json."""
    return [
        edited(one, run={"sweep": {"axes": {"load.concurrency": one.run["recipe"]["load"]["concurrency"]}}})
        for one in bundles
    ]


def test_sweeps_are_compared_point_by_point(results: Path) -> None:
    first = swept(make_sweep(results, SHAPE, "clients", [1, 4, 8]))
    second = swept(make_sweep(results, replace(SHAPE, ttft_ms=120.0), "clients", [4, 8, 16]))
    comparison = compare(first, second)
    assert [point.axes for point in comparison.points] == [{"load.concurrency": 4}, {"load.concurrency": 8}]
    assert comparison.unmatched == ["only A has 1 client", "only B has 16 clients"]
    assert {point.where for point, _ in comparison.regressions} == {"4 clients", "8 clients"}
    assert " at 4 clients, real." in sentence(comparison) or " at 8 clients, real." in sentence(comparison)
    assert ("4 clients", None) in table_lines(comparison)
    assert not any("load.concurrency" in one.field for one in comparison.differs)


def test_sweep_and_run_meet_at_the_same_load(results: Path) -> None:
    sweep = swept(make_sweep(results, SHAPE, "clients", [4, 8]))
    comparison = compare(sweep, [make_bundle(results, SHAPE)])
    assert [point.axes for point in comparison.points] == [{"load.concurrency": 8}]
    nothing = compare(sweep, [make_bundle(results, replace(SHAPE, clients=5))])
    assert sentence(nothing) == "Nothing could be compared: only A has 4 clients; 8 clients."


def test_repeats_are_judged_by_how_the_runs_differ(made: Callable[..., Bundle]) -> None:
    a = [made(ttft_ms=ms) for ms in (99.0, 100.0, 101.0, 100.5, 99.5)]
    b = [made(ttft_ms=ms) for ms in (120.0, 121.0, 119.0, 120.5, 119.5)]
    comparison = compare(a, b)
    p50 = found(comparison)["p50_ttft"]
    assert p50.change == pytest.approx(0.2, abs=0.01)
    assert p50.word(0.03) is Word.WORSE
    assert ONE_RUN not in comparison.notes
    noisy = [made(ttft_ms=ms) for ms in (70.0, 140.0, 90.0, 120.0, 100.0)]
    assert not found(compare(noisy, b))["p50_ttft"].is_real


def test_pairs_of_a_duet_are_judged_pair_by_pair(made: Callable[..., Bundle]) -> None:
    """The host's drift is far larger than the difference, and both sides have it."""
    drift = [100.0 + 12 * number for number in range(10)]
    a, b = [made(ttft_ms=ms) for ms in drift], [made(ttft_ms=1.05 * ms) for ms in drift]
    assert found(compare(a, b, paired=True))["p50_ttft"].word(0.03) is Word.WORSE
    assert not found(compare(a, b))["p50_ttft"].is_real
    few = compare(a[:4], b[:4], paired=True)
    assert sentence(few).startswith("No difference can be called real yet: with 4 slots of each")


def test_several_services_are_compared_one_by_one(tmp_path: Path) -> None:
    both = Stored(chat=CHAT, slos=())
    slower = replace(both, store=replace(STORE, duration_s=STORE.duration_s))
    a, b = make_stored(tmp_path, both), make_stored(tmp_path, slower)
    comparison = compare([a], [b])
    wheres = {one.figure.where for _, one in comparison.told}
    assert {"chat", "store", "store: get", "store: set", "store: search"} == wheres
    assert "store: get: p50 E2E" in text(comparison)


def test_operations_of_one_side_only_leave_the_whole_out(tmp_path: Path) -> None:
    a, b = make_stored(tmp_path, Stored()), make_stored(tmp_path, Stored())
    path = b.folder / "requests.jsonl"
    kept = [line for line in path.read_text().splitlines() if '"operation":"search"' not in line]
    path.write_text("\n".join(kept) + "\n")
    plan = b.run["plan"]
    without = edited(
        b, run={"plan": {**plan, "operations": [one for one in plan["operations"] if one["name"] != "search"]}}
    )
    comparison = compare([a], [without])
    assert {one.figure.operation for _, one in comparison.told} == {"get", "set"}
    assert any(note.startswith("only A has search") for note in comparison.notes)


def test_files_are_written_and_hold_no_nan(made: Callable[..., Bundle], base: Bundle, tmp_path: Path) -> None:
    slower = made(ttft_ms=113.0)
    comparison = compare([base], [slower])
    folder = write_comparison(comparison, tmp_path)
    assert folder.name == f"compare_{base.id}_{slower.id}"
    content = json.loads((folder / "compare.json").read_text())
    assert content["sentence"] == sentence(comparison)
    assert content["n_regressions"] == len(comparison.regressions)
    (point,) = content["points"]
    by_name = {one["figure"]: one for one in point["figures"]}
    assert by_name["p50_ttft"]["is_real"] is True
    assert by_name["p50_ttft"]["verdict"] == "worse"
    assert by_name["p50_ttft"]["ci95"][0] < 13 < by_name["p50_ttft"]["ci95"][1]
    assert all(math.isfinite(number) for number in numbers_in(content))
    page = (folder / "compare.md").read_text()
    assert page.splitlines()[2] == f"**{sentence(comparison)}**"
    assert "| p50 TTFT |" in page


def numbers_in(value: Any) -> Iterator[float]:
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for inner in value:
            yield from numbers_in(inner)
    elif isinstance(value, int | float):
        yield float(value)


def test_id_of_an_edited_run_does_not_lead_out_of_the_reports(base: Bundle, tmp_path: Path) -> None:
    copied = tmp_path / "copied"
    shutil.copytree(base.folder, copied)
    path = copied / "run.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "benchmark_id": "../../out"}))
    strange = open_bundle(copied, tmp_path)
    folder = write_comparison(compare([base], [strange]), tmp_path / "reports")
    assert folder.parent == tmp_path / "reports"


@pytest.mark.parametrize("name", ["summary.json", "requests.jsonl"])
def test_bundle_without_one_of_its_files_is_no_traceback(base: Bundle, tmp_path: Path, name: str) -> None:
    copied = tmp_path / base.id
    shutil.copytree(base.folder, copied)
    (copied / name).unlink()
    assert sentence(compare([base], [open_bundle(copied, tmp_path)]))


def test_a_rerun_says_what_is_now_and_what_was() -> None:
    def run_with(version: str) -> dict[str, Any]:
        services = {"llm": {"version": version, "model": "m"}, "store": {"version": "7.0"}}
        return {"service": {"kind": "several", "services": services}}

    assert list(differences_between(run_with("1"), run_with("2"))) == ["llm: service version: 2, was 1"]
    one, other = ({"service": {"version": version}} for version in "12")
    assert list(differences_between(one, other)) == ["service version: 2, was 1"]


def test_names_of_figures_are_those_of_slos() -> None:
    assert Figure("ttft", "p99").name == "p99_ttft"
    assert Figure("goodput").name == "goodput"
    assert Figure("e2e", "mean", "store", "get").words == "store: get: mean E2E"


KEPT = Path(__file__).resolve().parents[2] / "golden" / "bundles" / "v1"


@pytest.mark.parametrize("name", sorted(path.name for path in KEPT.glob("BM-*")))
def test_run_of_an_older_version_is_compared(name: str) -> None:
    bundle = open_bundle(name, KEPT)
    comparison = compare([bundle], [bundle])
    assert sentence(comparison)
    assert not any(one.is_real for _, one in comparison.told)


def test_neighbours_that_are_found_no_more_are_a_regression(tmp_path: Path) -> None:
    comparison = compare([make_stored(tmp_path, Stored())], [make_stored(tmp_path, Stored(n_missed=2))])
    recall = found(comparison)["recall"]
    assert recall.change == pytest.approx(-0.1, abs=0.01)
    assert recall.low is not None
    assert recall.high is not None
    assert recall.low < -0.1 < recall.high < 0
    assert word(comparison, "recall") is Word.WORSE
    assert word(comparison, "success_ratio") is Word.SAME
    assert sentence(comparison).startswith("B is finding less: recall 10 points lower (")


def test_searches_for_different_numbers_of_neighbours_are_not_compared_by_recall(tmp_path: Path) -> None:
    a, b = make_stored(tmp_path, Stored()), make_stored(tmp_path, Stored())
    path = b.folder / "run.json"
    path.write_text(path.read_text().replace('"top_k": 10', '"top_k": 5'))
    comparison = compare([a], [open_bundle(b.folder, tmp_path)])
    assert "recall" not in found(comparison)
    assert "not compared: recall: they ask for different numbers of neighbours" in text(comparison)
