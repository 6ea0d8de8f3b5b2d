"""Sorting runs into a sweep, its highest load, saturation and recommendation."""

from dataclasses import replace
from typing import Any

import pytest
from synthetic_runs import Shape, make_bundle, make_sweep

from loadgen.report.capacity import best_ceiling, recommendation, saturation
from loadgen.report.facts import Facts, facts_of
from loadgen.report.identity import what_was_run
from loadgen.report.load_axes import pens_of, spaced
from loadgen.report.points import Sweep, sweep_of
from loadgen.report.searched import search_json, trial_of
from loadgen.report.sweep_page import sweep_page
from loadgen.report.sweep_report import sweep_json
from loadgen.statistics.bracket import Trial

LOADS = [1, 4, 8, 16]

SLOS = ("p50_ttft < 400 ms", "p50_itl < 60 ms", "success_ratio >= 80 %")
"""Ten seconds of one client decide these."""

SHORT = Shape(duration_s=10.0, warmup_s=0.0, n_tokens=8, gap_ms=10.0, slos=SLOS)


def swept(bundles) -> Sweep:
    return sweep_of([facts_of(bundle) for bundle in bundles])


def test_axes_are_the_fields_in_which_the_recipes_differ(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", LOADS))
    assert sweep.axes == ("load.concurrency",)
    assert [point.axes for point in sweep.points] == [{"load.concurrency": load} for load in LOADS]


def test_axes_that_the_runs_state_are_taken_as_they_stand(tmp_path) -> None:
    bundles = [
        make_bundle(
            tmp_path, replace(SHORT, clients=n, sweep={"first_id": "x", "n_points": 3, "axes": {"load.concurrency": n}})
        )
        for n in (4, 8)
    ]
    sweep = swept(bundles)
    assert sweep.axes == ("load.concurrency",)
    assert sweep.n_planned == 3


def test_points_are_ordered_by_load_whatever_order_they_ran_in(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", [8, 1, 16, 4]))
    assert [step.load for step in sweep.lines[0].steps] == LOADS
    assert sweep.first.clients == 8


def test_the_limit_is_the_highest_load_that_holds_with_all_below_it(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", LOADS, at={4: {"fail_share": 0.5}}))
    report = sweep_json(sweep, [])
    assert [point["holds"] for point in report["points"]] == [True, False, True, True]
    assert report["slo_limit"] == {
        "axes": {"load.concurrency": 1},
        "benchmark_id": sweep.points[0].facts.benchmark_id,
        "next_fails": sweep.points[1].facts.benchmark_id,
    }


def test_where_all_hold_the_advice_is_to_sweep_further(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", [1, 4, 8]))
    best = best_ceiling(sweep)
    assert best is not None
    assert best.next is None
    assert "Holds all limits up to 8 clients" in recommendation(sweep)
    assert "sweep further" in recommendation(sweep)


def test_where_the_lowest_breaks_there_is_no_limit_and_the_reason_is_said(tmp_path) -> None:
    base = replace(SHORT, slos=("p99_ttft < 10 ms",))
    report = sweep_json(swept(make_sweep(tmp_path, base, "clients", [1, 4])), [])
    assert report["slo_limit"] is None
    assert report["slo_limit_reason"] == "the lowest load breaks the limits"
    assert report["recommendation"].startswith("Even 1 client breaks the limits: p99 time to first token is ")


def test_without_slos_nothing_holds_or_breaks(tmp_path) -> None:
    report = sweep_json(swept(make_sweep(tmp_path, replace(SHORT, slos=()), "clients", [1, 4])), [])
    assert [point["holds"] for point in report["points"]] == [None, None]
    assert report["slo_limit"] is None
    assert "no limits" in report["slo_limit_reason"]
    assert "4 clients gave the most" in report["recommendation"]


def test_an_interrupted_point_neither_holds_nor_fails_and_ends_the_search(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", [1, 4, 8], at={8: {"status": "interrupted"}}))
    report = sweep_json(sweep, [])
    assert report["points"][2]["holds"] is None
    assert report["points"][2]["state"] == "stopped by hand"
    assert report["slo_limit"]["axes"] == {"load.concurrency": 4}
    assert report["slo_limit"]["next_fails"] is None
    assert "8 clients: not measured (stopped by hand)" in report["recommendation"]


def test_a_killed_point_is_counted_from_its_requests(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", [1, 4], at={4: {"status": None}}))
    assert sweep.points[1].state == "killed or still running"
    assert sweep.points[1].facts.n_succeeded > 0
    assert sweep.points[1].holds is None


def test_a_point_without_success_is_unmeasured_and_breaks_the_limits(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", [1, 4], at={4: {"fail_share": 1.0}}))
    assert sweep.points[1].state == "every request failed"
    assert sweep.points[1].holds is False
    assert sweep.lines[0].steps[1].value(lambda facts: 0.0) is None
    assert saturation(sweep, sweep.lines[0]) == (True, "with 4 clients every request failed")


def test_throughput_that_no_longer_grows_is_saturated(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", [4, 8, 16]))
    saturated, why = saturation(sweep, sweep.lines[0])
    assert saturated
    assert why.startswith("from 8 to 16 clients (2 times the load) answers per second ")


def test_throughput_that_grows_with_the_load_is_not_saturated(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "clients", [1, 4]))
    assert not saturation(sweep, sweep.lines[0])[0]


def test_one_point_cannot_say_whether_it_is_saturated(tmp_path) -> None:
    report = sweep_json(swept(make_sweep(tmp_path, SHORT, "clients", [4])), [])
    assert report["saturated"] is False
    assert "too few" in report["saturated_why"]
    assert report["axes"] == ["load.concurrency"]
    assert report["slo_limit"]["axes"] == {"load.concurrency": 4}


def test_an_open_loop_is_saturated_where_it_falls_behind_what_is_offered(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, replace(SHORT, slos=()), "rate_per_s", [50.0, 100.0]))
    saturated, why = saturation(sweep, sweep.lines[0])
    assert sweep.is_offered_rate
    assert not saturated
    assert why == "of 100 requests/s offered it answered 98.2 per second"


def test_a_grid_has_one_line_for_each_value_of_its_other_axes(tmp_path) -> None:
    bundles = [make_bundle(tmp_path, replace(SHORT, clients=n, n_tokens=m)) for m in (8, 16) for n in (1, 4)]
    sweep = swept(bundles)
    assert set(sweep.axes) == {"load.concurrency", "workload.output_tokens"}
    assert sweep.load_axis == "load.concurrency"
    assert [dict(line.others) for line in sweep.lines] == [
        {"workload.output_tokens": 8},
        {"workload.output_tokens": 16},
    ]
    assert [one["others"] for one in sweep_json(sweep, [])["slo_limits"]] == [dict(line.others) for line in sweep.lines]


def test_without_a_load_among_the_axes_the_first_numeric_one_is_the_load(tmp_path) -> None:
    sweep = swept(make_sweep(tmp_path, SHORT, "n_tokens", [8, 16, 32]))
    assert sweep.load_axis == "workload.output_tokens"
    assert sweep.is_numeric


def test_a_sweep_over_models_compares_kinds_and_names_the_best_that_holds(tmp_path) -> None:
    at = {"slow": {"gap_ms": 90.0}, "fast": {"gap_ms": 5.0}}
    sweep = swept(make_sweep(tmp_path, SHORT, "model", ["slow", "plain", "fast"], at=at))
    report = sweep_json(sweep, [])
    assert not sweep.is_numeric
    assert report["slo_limit"] is None
    assert report["slo_limit_reason"] == "the points are kinds, not loads"
    assert report["recommendation"].startswith("Take service.model fast: of the 2 of 3 that hold the limits")


def test_repeats_of_a_load_make_one_step_that_holds_only_if_all_do(tmp_path) -> None:
    bundles = [
        make_bundle(tmp_path, replace(SHORT, clients=n, fail_share=share)) for n, share in ((1, 0), (4, 0), (4, 0.5))
    ]
    sweep = swept(bundles)
    assert [len(step.points) for step in sweep.lines[0].steps] == [1, 2]
    assert [step.holds for step in sweep.lines[0].steps] == [True, False]


def test_ids_past_999_come_after_those_before(tmp_path) -> None:
    bundles = make_sweep(tmp_path, SHORT, "clients", [1, 4])
    facts = [replace(facts_of(bundles[0]), benchmark_id="BM-20260102-1000"), facts_of(bundles[1])]
    assert sweep_of(facts).last.benchmark_id == "BM-20260102-1000"


def test_a_sweep_of_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="one run at least"):
        sweep_of([])


def test_the_first_run_of_a_sweep_cannot_name_itself_and_is_still_of_it(tmp_path) -> None:
    """Its id is not known yet when its bundle is opened: first_id is null there."""
    first = make_bundle(tmp_path, replace(SHORT, clients=1, sweep={"point": 0, "n_points": 3, "first_id": None}))
    second = make_bundle(tmp_path, replace(SHORT, clients=4, sweep={"point": 1, "n_points": 3, "first_id": first.id}))
    sweep = swept([first, second])
    assert sweep.n_planned == 3
    page = sweep_page(sweep, recommendation(sweep), [])
    assert "The sweep ended early: 2 of its 3 points were run." in page
    assert f"point 1 of 3, first {first.id}" in "\n".join(what_was_run(sweep.first))


@pytest.mark.parametrize(
    ("loads", "kept"),
    [
        ([1, 2, 4, 8, 16, 32], [1, 2, 4, 8, 16, 32]),
        ([4], [4]),
        ([0, 1, 2], [0, 1, 2]),
        ([100, 101, 200], [100, 200]),
    ],
)
def test_words_at_the_loads_stay_apart(loads: list[int], kept: list[int]) -> None:
    assert spaced(loads) == kept


def test_a_hundred_loads_have_few_words() -> None:
    assert len(spaced(list(range(1, 101)))) <= 17


def test_no_two_lines_of_a_large_grid_look_alike(tmp_path) -> None:
    bundles = [make_bundle(tmp_path, replace(SHORT, clients=n, n_tokens=m)) for m in range(4, 16) for n in (1, 2)]
    pens = pens_of(swept(bundles))
    assert len(pens) == 12
    assert len({(pen.colour, pen.mark) for pen in pens}) == 12


def verdicts_of(bundle, verdict: str, value_ratio: float = 0.5, missing: int = 40):
    """The run with its limits judged so; value_ratio: of the latency to its bound."""
    facts = facts_of(bundle)
    entries = [
        {**entry, "verdict": verdict, "value": entry["threshold"] * value_ratio, "n": 60, "needs_n": 60 + missing}
        for entry in facts.summary["slo"][:1]
    ]
    return replace(facts, summary={**facts.summary, "slo": entries})


def with_client(facts, verdict: str):
    return replace(facts, summary={**facts.summary, "client": {**facts.summary["client"], "verdict": verdict}})


def judged(tmp_path, **verdicts: str) -> Sweep:
    """c16="PASS": 16 clients hold."""
    bundles = make_sweep(tmp_path, SHORT, "clients", [int(name[1:]) for name in verdicts])
    return sweep_of([verdicts_of(bundle, one) for bundle, one in zip(bundles, verdicts.values(), strict=True)])


def test_an_undecided_load_neither_holds_nor_breaks_and_both_neighbours_are_named(tmp_path) -> None:
    sweep = judged(tmp_path, c8="PASS", c16="PASS", c24="UNDECIDED", c32="FAIL")
    report = sweep_json(sweep, [])
    assert [point["holds"] for point in report["points"]] == [True, True, None, False]
    assert report["slo_limit"]["axes"] == {"load.concurrency": 16}
    assert report["slo_limit"]["next_fails"] == report["points"][3]["benchmark_id"]
    assert report["slo_limit"]["open"] == [report["points"][2]["benchmark_id"]]
    assert "The limit lies between 16 (holds) and 32 clients (broken)" in report["recommendation"]
    assert "24 clients: undecided, 40 more samples would decide" in report["recommendation"]
    assert "undecided" in sweep_page(sweep, report["recommendation"], [])


def test_a_low_load_with_too_few_samples_does_not_hide_a_higher_one_that_holds(tmp_path) -> None:
    report = sweep_json(judged(tmp_path, c1="UNDECIDED", c8="PASS", c16="FAIL"), [])
    assert report["slo_limit"]["axes"] == {"load.concurrency": 8}
    assert "Below it, 1: too few samples to be sure." in report["recommendation"]


def test_where_nothing_is_decided_nothing_is_claimed(tmp_path) -> None:
    report = sweep_json(judged(tmp_path, c1="UNDECIDED", c8="UNDECIDED"), [])
    assert report["slo_limit"] is None
    assert report["slo_limit_reason"] == "the lowest load: 1 client: undecided, 40 more samples would decide"
    assert report["recommendation"].startswith("It is not known which load holds")


def test_a_point_whose_client_was_the_limit_counts_for_nothing(tmp_path) -> None:
    bundles = make_sweep(tmp_path, replace(SHORT, slots=100), "clients", [1, 2, 4, 8, 16])
    facts = [verdicts_of(bundle, "PASS") for bundle in bundles]
    bound = with_client(facts[-1], "bound")
    slow = replace(bound, summary={**bound.summary, "request_throughput_per_s": 1.0})
    sweep = sweep_of([*facts[:-1], slow])
    report = sweep_json(sweep, [])
    assert report["slo_limit"]["axes"] == {"load.concurrency": 8}
    assert report["points"][4]["holds"] is None
    assert report["steps"][4]["is_bound"] is True
    assert (report["saturated"], report["knee"]) == (False, None)
    assert report["usl"]["r2"] > 0.99
    assert "With 16 clients the client was the limit, not the service" in report["recommendation"]
    assert "client-bound" in sweep_page(sweep, "", [])


def searched(*trials: Facts) -> dict[str, Any]:
    """report.json's `search` of these trials."""
    search = {"field": "load.concurrency", "from": 4, "to": 8, "precision": 0.2}
    axes = [{"load.concurrency": facts.recipe["load"]["concurrency"]} for facts in trials]
    runs = [{**facts.run, "sweep": {"axes": own, "search": search}} for facts, own in zip(trials, axes, strict=True)]
    return search_json(sweep_of([replace(facts, run=run) for facts, run in zip(trials, runs, strict=True)]))


def test_of_a_search_the_trial_whose_client_was_the_limit_decides_nothing(tmp_path) -> None:
    first, second = (verdicts_of(bundle, "PASS") for bundle in make_sweep(tmp_path, SHORT, "clients", [4, 4]))
    bound = with_client(first, "bound")
    assert trial_of(bound, 4) == Trial(4, held=False, is_certain=False)
    assert searched(bound, second)["found"] == 4
    never = searched(bound, with_client(second, "bound"))
    assert never["found"] is None
    assert never["says"] == "Even the lowest load, 4 clients, does not hold: the client was the limit, not the service."


def test_of_repeats_the_one_whose_client_was_the_limit_is_left_out(tmp_path) -> None:
    bundles = make_sweep(tmp_path, SHORT, "clients", [4, 4, 4])
    facts = [verdicts_of(bundle, "PASS") for bundle in bundles]
    sweep = sweep_of([*facts[:2], with_client(facts[2], "bound")])
    (step,) = sweep.lines[0].steps
    assert (step.holds, len(step.trusted), len(step.measured)) == (True, 2, 3)


def test_repeats_show_how_far_apart_they_lie(tmp_path) -> None:
    bundles = [make_bundle(tmp_path, replace(SHORT, clients=n, ttft_ms=ms)) for n in (1, 4) for ms in (90, 100, 130)]
    sweep = swept(bundles)
    steps = sweep_json(sweep, [])["steps"]
    assert [step["n_runs"] for step in steps] == [3, 3]
    spread = steps[0]["figures"]["p50_ttft_ms"]
    assert spread["min"] < spread["median"] < spread["max"]
    assert spread["max"] > 1.3 * spread["min"]
    page = sweep_page(sweep, "", [])
    assert "## Repeats" in page
    assert "| 4 clients | 3 |" in page
    assert "## Repeats" not in sweep_page(swept(bundles[:1]), "", [])


def test_a_service_with_eight_places_has_its_knee_there_and_a_scalability_law(tmp_path) -> None:
    bundles = make_sweep(tmp_path, replace(SHORT, duration_s=30.0), "clients", [1, 2, 4, 8, 12, 16, 24])
    report = sweep_json(swept(bundles), [])
    assert report["knee"]["axes"]["load.concurrency"] == pytest.approx(8, rel=0.15)
    low, high = report["knee"]["ci95"]
    assert low <= 8 <= high
    assert report["usl"]["kappa"] > 0
    assert report["saturated"] is True


def test_a_law_that_cannot_be_fitted_has_its_reason(tmp_path) -> None:
    few = sweep_json(swept(make_sweep(tmp_path, SHORT, "clients", [1, 4])), [])
    assert (few["knee"], few["usl"]) == (None, None)
    assert few["knee_reason"] == few["usl_reason"] == "there are fewer than 4 measured loads"
    rates = sweep_json(swept(make_sweep(tmp_path, SHORT, "rate_per_s", [10.0, 20.0, 40.0, 80.0])), [])
    assert "the load is a rate" in rates["usl_reason"]
