"""What samples come to: `monitor` and `cost` of summary.json, by hand."""

from collections.abc import Iterable, Mapping
from typing import Any

import pytest
from metrics_pages import LLAMACPP, VLLM

from loadgen.bundle.monitor import Sample
from loadgen.monitor.courses import MOST_POINTS, courses_of
from loadgen.monitor.prometheus import series_of
from loadgen.monitor.summary import watched_figures
from loadgen.units import NS_PER_S

WINDOW = {"from_ns": 2 * NS_PER_S, "to_ns": 12 * NS_PER_S, "s": 10.0, "n_tokens": 5000}
SUMMARY = {"requests": {"succeeded": 200}, "window": WINDOW, "total_prompt_tokens": 15_000}
HERE = {"service": {"kind": "vllm", "on_this_host": True}, "recipe": {}}


def samples(**sources: Iterable[tuple[float, Mapping[str, Any]]]) -> Any:
    """host=[(seconds, values), …]; values may name their `service`."""

    def of(name: str) -> Iterable[Sample]:
        for at_s, values in sources.get(name, ()):
            kept = dict(values)
            yield Sample(round(at_s * NS_PER_S), kept, kept.pop("service", ""))

    return of


def card(at_s: float, number: int = 0, **values: Any) -> tuple[float, dict[str, Any]]:
    told = {"name": "H100", "memory_total_bytes": 80, "power_limit_w": 700.0}
    return at_s, {"gpu": number, **told, "throttled_by": "", **values}


def test_nothing_watched_and_no_cost_add_nothing() -> None:
    assert watched_figures(SUMMARY, HERE, samples()) == {}


def test_a_run_without_a_window_adds_nothing() -> None:
    empty = {**SUMMARY, "window": {**WINDOW, "to_ns": WINDOW["from_ns"]}}
    run = {**HERE, "recipe": {"cost": {"per_hour": 2}}}
    host = [(0, {"load_1m": 1.0}), (20, {"load_1m": 1.0})]
    assert watched_figures(empty, run, samples(host=host)) == {}
    assert watched_figures({}, run, samples(host=host)) == {}


def test_the_host_and_the_client_have_means_and_extremes_of_the_window() -> None:
    host = [
        (0, {"cpu_ratio": None, "memory_used_bytes": 100, "memory_total_bytes": 500}),
        (2, {"cpu_ratio": 1.0, "memory_used_bytes": 100, "memory_total_bytes": 500}),
        (7, {"cpu_ratio": 0.2, "memory_used_bytes": 200, "memory_total_bytes": 500}),
        (12, {"cpu_ratio": 0.4, "memory_used_bytes": 200, "memory_total_bytes": 500}),
        (20, {"cpu_ratio": 1.0, "memory_used_bytes": 900, "memory_total_bytes": 500}),
    ]
    client = [(0, {"rss_bytes": 70, "pump_lag_ms": None}), (20, {"rss_bytes": 90, "pump_lag_ms": 3.0})]
    monitor = watched_figures(SUMMARY, HERE, samples(host=host, client=client))["monitor"]
    assert monitor["host"] == {
        "cpu_ratio": {"mean": 0.3, "min": 0.2, "max": 0.4},
        "memory_used_bytes": {"mean": 175, "min": 100, "max": 200},
        "memory_total_bytes": 500,
    }
    assert monitor["client"] == {"rss_bytes": {"mean": 77, "min": 72, "max": 82}}


def test_energy_comes_from_the_cards_own_counter() -> None:
    looks = [card(0, energy_j=0.0), card(1, energy_j=1000.0), card(5, energy_j=2200.0), card(13, energy_j=5400.0)]
    monitor = watched_figures(SUMMARY, HERE, samples(gpu=looks))["monitor"]
    (figures,) = monitor["gpus"]
    # from 2 s to 5 s 300 W, to 12 s 400 W; the look dated 0 was some time before the run, so its growth is not used
    assert (figures["energy_j"], figures["mean_power_w"]) == (3 * 300 + 7 * 400, 370)
    assert (figures["energy_from"], figures["name"], figures["gpu"]) == ("counter", "H100", 0)
    assert monitor["energy"] == {
        "mean_power_w": 370,
        "energy_j": 3700,
        "joules_per_output_token": 3700 / 5000,
        "joules_per_request": 3700 / 200,
    }


def test_energy_of_a_card_without_a_counter_comes_from_its_power() -> None:
    looks = [card(0, power_w=100.0, energy_j=None), card(7, power_w=450.0), card(20, power_w=450.0)]
    (figures,) = watched_figures(SUMMARY, HERE, samples(gpu=looks))["monitor"]["gpus"]
    # 200 W at 2 s, a line to 450 W at 7 s, then level
    assert figures["energy_j"] == pytest.approx(5 * 325 + 5 * 450)
    assert (figures["energy_from"], figures["max_power_w"]) == ("power", 450)


def test_several_cards_are_added_and_one_that_does_not_tell_leaves_the_sum_unknown() -> None:
    both = [look for at_s in (1, 13) for look in (card(at_s, energy_j=100.0 * at_s), card(at_s, 1, power_w=50.0))]
    monitor = watched_figures(SUMMARY, HERE, samples(gpu=both))["monitor"]
    assert [one["energy_j"] for one in monitor["gpus"]] == [1000, 500]
    assert monitor["energy"]["energy_j"] == 1500
    mute = [look for at_s in (1, 13) for look in (card(at_s, energy_j=100.0 * at_s), card(at_s, 1, power_w=None))]
    monitor = watched_figures(SUMMARY, HERE, samples(gpu=mute))["monitor"]
    assert [one["energy_j"] for one in monitor["gpus"]] == [1000, None]
    assert "energy" not in monitor


@pytest.mark.parametrize("service", [{}, {"on_this_host": False}, {"on_this_host": None}])
def test_energy_is_not_blamed_on_tokens_of_a_service_elsewhere(service: dict[str, Any]) -> None:
    looks = [card(1, power_w=100.0), card(13, power_w=100.0)]
    monitor = watched_figures(SUMMARY, {"service": service}, samples(gpu=looks))["monitor"]
    assert monitor["energy"] == {
        "mean_power_w": 100,
        "energy_j": 1000,
        "joules_per_output_token": None,
        "joules_per_request": None,
    }


def test_throttling_is_a_share_of_the_time_by_reason() -> None:
    looks = [
        card(0, throttled_by=""),
        card(4, throttled_by="power cap"),
        card(9, throttled_by="power cap, hardware thermal"),
        card(10, throttled_by=""),
        card(13, throttled_by="power cap"),
    ]
    (figures,) = watched_figures(SUMMARY, HERE, samples(gpu=looks))["monitor"]["gpus"]
    assert figures["throttled"] == {"power cap": 0.6, "hardware thermal": 0.1}
    untold = [card(0, throttled_by=None), card(13, throttled_by=None)]
    (figures,) = watched_figures(SUMMARY, HERE, samples(gpu=untold))["monitor"]["gpus"]
    assert figures["throttled"] is None


def test_vllms_queue_cache_and_preemptions_are_told() -> None:
    first = series_of(VLLM)
    last = {
        **first,
        'vllm:num_preemptions_total{engine="0",model_name="tiny"}': 4,
        'vllm:prefix_cache_queries_total{engine="0",model_name="tiny"}': 1200,
        'vllm:prefix_cache_hits_total{engine="0",model_name="tiny"}': 700,
    }
    server = watched_figures(SUMMARY, HERE, samples(server=[(2, first), (12, last)]))["monitor"]["server"]
    assert server == {
        "running": {"mean": 8, "min": 8, "max": 8},
        "waiting": {"mean": 2, "min": 2, "max": 2},
        "kv_cache_ratio": {"mean": 0.3, "min": 0.3, "max": 0.3},
        "preemptions": 3,
        "prefix_cache_hit_ratio": 0.75,  # of 800 tokens that were looked up 600 were there
    }


def test_llama_cpps_cache_is_told_of_all_prompt_tokens() -> None:
    first = series_of(LLAMACPP)
    last = {**first, "llamacpp:prompt_tokens_total": 61, "llamacpp:prompt_tokens_cached_total": 19}
    server = watched_figures(SUMMARY, HERE, samples(server=[(2, first), (12, last)]))["monitor"]["server"]
    assert server["prefix_cache_hit_ratio"] == 0.25


def test_of_several_services_each_has_its_own_and_the_window_is_that_of_all() -> None:
    later = {**WINDOW, "from_ns": 6 * NS_PER_S, "to_ns": 22 * NS_PER_S, "n_tokens": 1000}
    summary = {
        "services": {
            "chat": SUMMARY,
            "store": {"requests": {"succeeded": 50}, "window": {"from_ns": 2 * NS_PER_S, "to_ns": 2 * NS_PER_S}},
            "late": {"requests": {"succeeded": 150}, "window": later, "total_prompt_tokens": 3000},
        }
    }
    run = {"service": {"kind": "several", "services": {"chat": {"on_this_host": True}, "late": {"on_this_host": True}}}}
    looks = [(at_s, {"service": name, "requests_waiting": n}) for at_s in (0, 30) for name, n in (("late", 4),)]
    looks += [(at_s, {"service": "chat", "commands": 5}) for at_s in (0, 30)]
    gpu = [card(1, power_w=100.0), card(30, power_w=100.0)]
    figures = watched_figures(summary, {**run, "recipe": {"cost": {"per_hour": 3.6}}}, samples(server=looks, gpu=gpu))
    assert figures["monitor"]["server"] == {"late": {"waiting": {"mean": 4, "min": 4, "max": 4}}}
    assert figures["monitor"]["energy"]["energy_j"] == 2000
    assert figures["monitor"]["energy"]["joules_per_request"] == 5
    assert figures["cost"] == {
        "per_hour": 3.6,
        "currency": None,
        "of_window": 0.02,
        "per_1000_requests": 0.05,
        "per_million_output_tokens": pytest.approx(0.02 / 6000 * 1e6, rel=1e-5),
        "per_million_tokens": pytest.approx(0.02 / 24_000 * 1e6, rel=1e-5),
    }


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, (0.01, 0.05, 2.0, 0.5)),
        ({"requests": {"succeeded": 0}}, (0.01, None, 2.0, 0.5)),
        ({"total_prompt_tokens": None}, (0.01, 0.05, 2.0, None)),
        ({"window": {**WINDOW, "n_tokens": 0}, "total_prompt_tokens": None}, (0.01, 0.05, None, None)),
        ({"window": {"from_ns": 0, "to_ns": 10 * NS_PER_S}}, (0.01, 0.05, None, None)),
    ],
)
def test_cost_is_exact(changes: dict[str, Any], expected: tuple[float | None, ...]) -> None:
    """10 s at 3.6 an hour, 200 successes, 5,000 tokens out and 15,000 in."""
    run = {"recipe": {"cost": {"per_hour": 3.6, "currency": "EUR"}}}
    cost = watched_figures({**SUMMARY, **changes}, run, samples())["cost"]
    assert (cost.pop("per_hour"), cost.pop("currency")) == (3.6, "EUR")
    assert tuple(cost.values()) == expected
    assert list(cost) == ["of_window", "per_1000_requests", "per_million_output_tokens", "per_million_tokens"]


def test_rubbish_in_the_samples_is_as_if_it_were_not_known() -> None:
    host = [(0, {"cpu_ratio": "much", "load_1m": True}), (20, {"cpu_ratio": [1], "load_1m": {}})]
    gpu = [(0, {}), (20, {"gpu": 0, "power_w": "x", "throttled_by": 5})]
    figures = watched_figures(SUMMARY, HERE, samples(host=host, gpu=gpu, server=host))
    assert "host" not in figures["monitor"]
    assert "energy" not in figures["monitor"]


def test_courses_are_thinned_and_keep_their_ends_in_order() -> None:
    n = 10 * MOST_POINTS
    host = ((float(at_s), {"cpu_ratio": at_s / n, "memory_used_bytes": None}) for at_s in range(n))
    gpu = [card(at_s, number, power_w=100.0 + number) for at_s in range(3) for number in (0, 1)]
    server = [(at_s, {"requests_waiting": at_s, "service": "store"}) for at_s in range(3)]
    courses = courses_of(samples(host=host, gpu=gpu, server=server, client=[(0, {"cpu_ratio": 1.0})]))
    assert [(one.source, one.figure, one.of) for one in courses] == [
        ("host", "cpu_ratio", ""),
        ("gpu", "power_w", "0"),
        ("gpu", "power_w", "1"),
        ("server", "waiting", "store"),
    ]
    first = courses[0]
    assert MOST_POINTS / 2 < len(first.at_s) <= 2 * MOST_POINTS
    assert first.at_s[0] == 0
    assert first.at_s[-1] > 0.99 * n
    assert first.values == [at_s / n for at_s in first.at_s]
    assert courses[3].values == [0, 1, 2]
