"""The whole plan: schedules with their ends, the pool, the digest."""

from typing import Any

import numpy as np
import pytest

from loadgen.errors import RecipeError
from loadgen.plan import plan as plan_module
from loadgen.plan.model import SLOT_BYTES, Plan
from loadgen.plan.plan import build_plan
from loadgen.recipe import recipe_from_dict
from loadgen.targets import target_for
from loadgen.units import NS_PER_S

SERVICE = {"kind": "openai", "url": "http://127.0.0.1:8000", "model": "m"}


def _plan(**sections: Any) -> Plan:
    recipe = recipe_from_dict({"service": SERVICE, **sections})
    return build_plan(recipe, target_for(recipe))


def _pool_texts(plan: Plan) -> list[bytes]:
    return [plan.pool.text(payload) for payload in range(len(plan.pool))]


def test_a_closed_loop_has_clients_and_no_pauses() -> None:
    plan = _plan(load={"concurrency": 3, "requests": 20, "warmup_requests": 5})
    assert (plan.open_loop, plan.connections, plan.n_requests) == (False, 3, 25)
    assert len(plan.pool) == 25
    dues = plan.draw(0, 100)
    assert np.all(dues.when_ns == 0)
    assert sorted(dues.payload[:25].tolist()) == list(range(25))


def test_think_time_is_the_pause_before_later_requests() -> None:
    dues = _plan(load={"concurrency": 2, "think_time_s": 0.5}).draw(0, 4)
    assert dues.when_ns.tolist() == [0, 0, NS_PER_S // 2, NS_PER_S // 2]


def test_limits_come_from_the_recipe_in_ns() -> None:
    load = {"duration_s": 2.5, "warmup_s": 1, "drain_s": 3, "timeout_s": 4, "give_up_s": 5, "threads": 2}
    plan = _plan(load=load, workload={"fail_on_truncated": True}, seed=9)
    assert (plan.duration_ns, plan.warmup_ns, plan.drain_ns) == (2_500_000_000, NS_PER_S, 3 * NS_PER_S)
    assert (plan.timeout_ns, plan.give_up_ns, plan.threads) == (4 * NS_PER_S, 5 * NS_PER_S, 2)
    assert (plan.fail_on_truncated, plan.seed, plan.requests, plan.warmup_requests) == (True, 9, None, None)


OPEN = {"mode": "open", "rate_per_s": 10, "arrival": "constant"}


@pytest.mark.parametrize(
    ("limits", "n_planned"),
    [
        ({"duration_s": 2}, 20),
        ({"duration_s": 2, "warmup_s": 1}, 30),
        ({"requests": 7}, 7),
        ({"requests": 7, "warmup_s": 1}, 17),
        ({"requests": 7, "warmup_requests": 4}, 11),
        ({"duration_s": 2, "warmup_requests": 4}, 24),
        ({"duration_s": 2, "requests": 500}, 20),
        ({"duration_s": 200, "requests": 5}, 5),
    ],
)
def test_an_open_schedule_covers_warm_up_and_window_and_ends(limits: dict[str, Any], n_planned: int) -> None:
    plan = _plan(load={**OPEN, **limits})
    assert len(plan.draw(0, 1000).when_ns) == n_planned
    assert len(plan.draw(0, 1000).payload) == n_planned
    assert len(plan.draw(n_planned, 10).when_ns) == 0
    assert len(plan.draw(n_planned + 50, 10).when_ns) == 0
    assert len(plan.pool) == n_planned


def test_a_warm_up_longer_than_a_block_is_counted_whole() -> None:
    plan = _plan(
        load={**OPEN, "rate_per_s": 10_000, "requests": 5, "warmup_s": 1.5}, workload={"prompts": {"input_tokens": 1}}
    )
    assert len(plan.draw(15_000, 100).when_ns) == 5


@pytest.mark.parametrize("arrival", ["poisson", "gamma"])
def test_random_arrivals_have_the_rate(arrival: str) -> None:
    burstiness = {"burstiness": 0.5} if arrival == "gamma" else {}
    plan = _plan(load={**OPEN, "arrival": arrival, "rate_per_s": 1000, "duration_s": 20, **burstiness})
    assert len(plan.draw(0, 100_000).when_ns) == pytest.approx(20_000, rel=0.05)


@pytest.mark.parametrize(("arrival", "n_planned"), [("steps", 30), ("ramp", 20)])
def test_stages_give_rate_and_duration(arrival: str, n_planned: int) -> None:
    stages = [{"rate_per_s": 10, "duration_s": 2}, {"rate_per_s": 10, "duration_s": 1}]
    assert len(_plan(load={"mode": "open", "arrival": arrival, "stages": stages}).draw(0, 100).when_ns) == n_planned


def test_several_operations_come_by_weight() -> None:
    plan = _plan(workload={"operations": {"chat": 75, "embeddings": 25}}, load={"requests": 100})
    assert [operation.name for operation in plan.operations] == ["chat", "embeddings"]
    assert [operation.expects_tokens for operation in plan.operations] == [True, False]
    sent = plan.pool.payloads["operation"][plan.draw(0, 20_000).payload]
    assert np.mean(sent == 0) == pytest.approx(0.75, abs=0.02)


def test_slots_hold_zeros_and_lie_in_their_request() -> None:
    plan = _plan(load={"requests": 20}, workload={"prompts": {"unique": True}})
    for payload, raw in enumerate(_pool_texts(plan)):
        request_id, nonce = plan.pool.slots_of(payload)
        assert all(raw[slot.at : slot.at + slot.width] == b"0" * SLOT_BYTES for slot in (request_id, nonce))
        assert request_id.at < raw.index(b"\r\n\r\n") < nonce.at


def test_the_same_recipe_gives_the_same_digest() -> None:
    assert _plan(seed=3).digest == _plan(seed=3).digest


def test_the_digest_of_a_known_recipe_stays_what_it_was() -> None:
    plan = _plan(seed=42, load={**OPEN, "arrival": "poisson", "requests": 50})
    assert plan.digest == "74cbde960960c5f5a325d8f50aae5c96d8b09fe699cba123a7b8687ac8347a8b"


@pytest.mark.parametrize(
    "change",
    [
        {"seed": 2},
        {"workload": {"output_tokens": 65}},
        {"workload": {"prompts": {"input_tokens": 100}}},
        {"workload": {"prompts": {"unique": False}}},
        {"workload": {"operation": "completion"}},
        {"workload": {"operations": {"chat": 1, "completion": 1}}},
        {"load": {"concurrency": 2}},
        {"load": {"duration_s": 11}},
        {"load": {"mode": "open", "rate_per_s": 3}},
        {"load": {"think_time_s": 1}},
    ],
)
def test_what_shapes_the_load_changes_the_digest(change: dict[str, Any]) -> None:
    assert _plan(**change).digest != _plan().digest


@pytest.mark.parametrize(
    "change",
    [
        {"service": {**SERVICE, "url": "http://elsewhere:9"}},
        {"load": {"engine": "portable"}},
        {"load": {"threads": 2}},
        {"name": "another", "target": "another"},
    ],
)
def test_what_does_not_shape_the_load_leaves_the_digest(change: dict[str, Any]) -> None:
    assert _plan(**change).digest == _plan().digest


def test_the_digest_does_not_depend_on_what_a_secret_holds() -> None:
    one, other = (_plan(service={**SERVICE, "api_key": key, "headers": {"X-Token": key}}) for key in ("k-1", "k-22"))
    assert one.digest == other.digest
    assert one.pool.raw.tobytes() != other.pool.raw.tobytes()


def test_prompts_beyond_memory_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan_module, "MAX_POOL_BYTES", 1000)
    with pytest.raises(RecipeError, match=r"workload: its requests, encoded, take more than"):
        _plan()


def test_plain_http_requests_come_by_weight() -> None:
    requests = [{"name": "a", "path": "/a", "weight": 3}, {"name": "b", "path": "/b?x=1"}]
    plan = _plan(service={"kind": "http", "url": "http://127.0.0.1:8000/base"}, workload={"requests": requests})
    assert [raw.split(b" ")[1] for raw in _pool_texts(plan)] == [b"/base/a", b"/base/b?x=1"]
    assert np.mean(plan.draw(0, 20_000).payload) == pytest.approx(0.25, abs=0.02)
    assert plan.dataset == {"name": None, "sha256": None}
