"""Pages of metrics as servers write them."""

import pytest
from metrics_pages import LLAMACPP, VLLM

from loadgen.monitor.prometheus import name_of, series_of
from loadgen.monitor.servers import counts_of, levels_of


def test_each_series_stands_with_its_labels_as_the_server_wrote_them() -> None:
    page = """# HELP collections_total number of collections
# TYPE collections_total gauge
collections_total 2
rest_responses_total{method="GET",endpoint="/",status="200"} 3 1700000000
rest_responses_duration_seconds_bucket{le="0.001"} 5
rest_responses_avg_duration_seconds{method="GET"} 2.5e-05
"""
    assert series_of(page) == {
        "collections_total": 2,
        'rest_responses_total{method="GET",endpoint="/",status="200"}': 3,
        'rest_responses_avg_duration_seconds{method="GET"}': 2.5e-05,
    }


def test_counters_keep_the_names_that_the_server_gives_them() -> None:
    assert series_of("# TYPE traffic_bytes counter\ntraffic_bytes 5\n# TYPE n_total counter\nn_total 6\n") == {
        "traffic_bytes": 5,
        "n_total": 6,
    }


def test_buckets_creation_times_and_what_is_no_number_are_left_out() -> None:
    page = 'a_bucket{le="1"} 1\na_sum 2.5\na_count 1\na_created 1.7e9\nb{quantile="0.5"} NaN\nc +Inf\n'
    assert series_of(page) == {"a_sum": 2.5, "a_count": 1}


def test_labels_may_hold_anything() -> None:
    page = 'a{path="C:\\\\x \\"y\\" {z}, w=1",b=""} 1\n'
    (series,) = series_of(page)
    assert series == 'a{path="C:\\\\x \\"y\\" {z}, w=1",b=""}'
    assert name_of(series) == "a"


def test_a_line_that_cannot_be_read_does_not_hide_the_others() -> None:
    assert series_of('good 1\nrubbish\ncut{a="\nbroken{a="b"} many\nalso_good{a="b"} 2\n') == {
        "good": 1,
        'also_good{a="b"}': 2,
    }


@pytest.mark.parametrize("page", ["<!doctype html><html></html>", '{"detail": "Not Found"}', "null", "ok", 'a{b="\n'])
def test_a_page_in_another_format_is_none(page: str) -> None:
    with pytest.raises(ValueError, match="not in Prometheus's text format"):
        series_of(page)


def test_an_empty_page_says_nothing() -> None:
    assert series_of("") == series_of("# only a comment\n\n") == {}


def test_vllm_is_understood_over_all_its_engines() -> None:
    series = series_of(VLLM)
    assert series['vllm:num_requests_running{engine="0",model_name="tiny"}'] == 3
    assert levels_of(series) == {"running": 8, "waiting": 2, "kv_cache_ratio": pytest.approx(0.3)}
    counts = counts_of(series)
    assert counts["vllm:num_preemptions_total"] == 1
    assert (counts["vllm:prefix_cache_hits_total"], counts["vllm:prefix_cache_queries_total"]) == (150, 600)


def test_llama_cpp_is_understood() -> None:
    series = series_of(LLAMACPP)
    assert len(series) == 15
    assert levels_of(series) == {"running": 2, "waiting": 1}
    assert counts_of(series) == {"llamacpp:prompt_tokens_total": 31, "llamacpp:prompt_tokens_cached_total": 9}
