"""A run's requests in blocks: they add up to the run's own figures."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from synthetic_runs import Shape, make_bundle

from loadgen.compare.reading import N_BLOCKS, Window, read_requests
from loadgen.report.facts import Facts, facts_of

SHAPE = Shape(clients=8, duration_s=10.0, warmup_s=1.0)
SHAPES = {
    "closed": SHAPE,
    "open": replace(SHAPE, rate_per_s=13.0),
    "overloaded": replace(SHAPE, clients=32),
    "failing": replace(SHAPE, fail_share=0.3),
    "without_tokens": replace(SHAPE, n_tokens=0, slos=("p99_e2e < 25 ms",)),
}


@pytest.mark.parametrize("name", SHAPES)
def test_blocks_add_up_to_the_summary(name: str, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path, SHAPES[name])
    facts = facts_of(bundle)
    whole = read_requests(bundle, facts)["", ""]
    rates = {"request_throughput": whole.answers, "goodput": whole.good}
    if facts.has_tokens:
        rates["output_throughput"] = whole.tokens
    for rate, counts in rates.items():
        assert whole.per_second(counts).ratio == pytest.approx(facts.summary[f"{rate}_per_s"], rel=1e-6)
        assert counts.min() > -1e-6
    assert whole.n_succeeded.sum() == facts.n_succeeded
    assert whole.n_finished.sum() == facts.n_finished
    for metric, counted in whole.metrics.items():
        shown = facts.metric(metric)
        assert shown is not None
        assert counted.counts.sum() == shown["n"]
        assert counted.of_means.ratio == pytest.approx(shown["mean"], rel=1e-6)
        p50 = counted.values.quantile(0.5)
        assert p50 == pytest.approx(shown["percentiles"]["p50"]["value"], rel=3e-3)


def test_work_is_spread_evenly_over_the_time_that_it_took() -> None:
    """Against the same worked out one by one."""
    window = Window(Facts("BM", {}, {"window": {"from_ns": 320_000, "to_ns": 640_000}}))
    rng = np.random.default_rng(3)
    begins = rng.integers(0, 600_000, 500)
    ends = begins + rng.integers(0, 60_000, 500)
    weights = rng.random(500)
    edges = 1000.0 * np.arange(2 * N_BLOCKS + 1)
    shares = np.clip((edges[:, None] - begins) / np.maximum(ends - begins, 1e-3), 0, 1)
    assert window.spread(begins, ends, weights) == pytest.approx(np.diff(shares @ weights), abs=1e-6)
