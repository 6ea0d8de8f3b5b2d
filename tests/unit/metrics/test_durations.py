"""Per-request durations, token instants and goodput against plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from made_records import MS, Made, block_of, requests, streamed

from loadgen.metrics.columns import Columns
from loadgen.metrics.latency import PER_REQUEST, per_request_ns, present
from loadgen.metrics.slo import meets_every
from loadgen.metrics.streaming import pick, token_arrivals
from loadgen.recipe.slo import parse_slo
from loadgen.records import NEVER, TokenSource

some_requests = st.lists(requests(), min_size=1, max_size=12)


def columns_of(made: list[Made]) -> Columns:
    return Columns(block_of(made))


def minus(end: int | None, begin: int | None) -> int:
    return NEVER if end is None or begin is None else max(end - begin, 0)


def naive(metric: str, made: Made) -> int:
    spans = {
        "ttft": (made.first_token, made.planned),
        "service_ttft": (made.first_token, made.sent),
        "e2e": (made.done, made.planned),
        "service_e2e": (made.done, made.sent),
        "send_lag": (made.sent, made.planned),
    }
    if metric in spans:
        return minus(*spans[metric])
    if metric == "read_lag":
        return NEVER if made.first_byte is None else made.read_lag
    if metric == "tpot":
        span = minus(made.last_token, made.first_token)
        return NEVER if span < 0 or (made.output_tokens or 0) < 2 else round(span / (made.output_tokens - 1))  # type: ignore[operator]
    return NEVER


@given(some_requests, st.sampled_from(PER_REQUEST))
def test_each_duration_is_what_its_definition_says(made: list[Made], metric: str) -> None:
    assert per_request_ns(metric, columns_of(made)).tolist() == [naive(metric, one) for one in made]


def test_clocks_that_disagree_by_a_microsecond_give_zero_and_not_absence() -> None:
    made = streamed(sent=100, first_token=99)
    assert per_request_ns("service_ttft", columns_of([made])).tolist() == [0]


@given(some_requests, st.sampled_from(PER_REQUEST))
def test_what_never_happened_is_left_out_where_it_is_not_present(made: list[Made], metric: str) -> None:
    expected = [value for one in made if (value := naive(metric, one)) >= 0]
    assert present(metric, columns_of(made))[0].tolist() == expected


@given(some_requests)
def test_token_instants_are_first_token_plus_the_gaps_so_far(made: list[Made]) -> None:
    arrivals = token_arrivals(block_of(made))
    weights = np.ones(len(arrivals.at_ns)) if arrivals.tokens is None else arrivals.tokens
    expected = sorted((at, one.tokens_an_event()) for one in made for at in one.token_instants())
    assert sorted(zip(arrivals.at_ns.tolist(), weights.tolist(), strict=True)) == expected


def test_an_event_of_several_tokens_counts_for_all_of_them() -> None:
    arrivals = token_arrivals(block_of([streamed(output_tokens=6)]))
    assert arrivals.n_tokens_of(arrivals.at_ns >= 0) == pytest.approx(6)


def test_events_count_for_one_where_the_server_gave_no_usage() -> None:
    arrivals = token_arrivals(block_of([streamed(output_tokens=4, token_source=TokenSource.EVENTS)]))
    assert arrivals.tokens is None


@given(some_requests, st.data())
def test_picked_requests_keep_their_own_gaps(made: list[Made], data: st.DataObject) -> None:
    chosen = data.draw(st.lists(st.booleans(), min_size=len(made), max_size=len(made)))
    picked = pick(block_of(made), np.array(chosen))
    expected = block_of([one for one, wanted in zip(made, chosen, strict=True) if wanted])
    assert picked.records.tobytes() == expected.records.tobytes()
    assert picked.gaps_ns.tolist() == expected.gaps_ns.tolist()


def statistic_of(gaps: list[int], statistic: str) -> float:
    exact = {"mean": lambda: sum(gaps) / len(gaps), "max": lambda: max(gaps), "min": lambda: min(gaps)}
    if statistic in exact:
        return exact[statistic]()
    return sorted(gaps)[max(int(float(statistic[1:]) * len(gaps) / 100 + 0.5), 1) - 1]


def naive_meets(made: Made, text: str) -> bool:
    slo = parse_slo(text)
    if slo.metric == "itl":
        return not made.gaps or slo.holds(statistic_of(made.gaps, slo.statistic or ""))
    value = naive(slo.metric, made)
    return value < 0 or slo.holds(value)


bounds = st.builds(
    "{}_{} {} {} ms".format,
    st.sampled_from(["p50", "p90", "p99", "p99.9", "mean", "max", "min"]),
    st.sampled_from(["ttft", "service_ttft", "itl", "tpot", "e2e", "service_e2e"]),
    st.sampled_from(["<", "<=", ">", ">="]),
    st.sampled_from([0, 10, 100, 150, 1000]),
)


@given(some_requests, st.lists(bounds, max_size=3))
def test_goodput_counts_what_meets_every_bound_by_itself(made: list[Made], texts: list[str]) -> None:
    met = meets_every(columns_of(made), [parse_slo(text) for text in texts])
    assert met.tolist() == [all(naive_meets(one, text) for text in texts) for one in made]


@pytest.mark.parametrize(
    ("text", "met"), [("max_itl < 30 ms", False), ("max_itl <= 30 ms", True), ("p50_itl < 21 ms", True)]
)
def test_gap_bounds_look_at_the_request_alone(text: str, met: bool) -> None:
    assert meets_every(columns_of([streamed()]), [parse_slo(text)]).tolist() == [met]


def test_bounds_on_ratios_and_rates_are_no_matter_of_a_single_request() -> None:
    slos = [parse_slo("success_ratio >= 99 %"), parse_slo("goodput > 1000 /s")]
    assert meets_every(columns_of([streamed(done=900 * MS)]), slos).tolist() == [True]
