"""The plan of a run: what and when, drawn from the recipe's seed, and their digest."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import RecipeError
from loadgen.plan.arrivals import Instants, RateProfile, pauses, ramp, scheduled, steady, steps, until
from loadgen.plan.choice import choices
from loadgen.plan.model import Dues, Plan, Pool, Request, Wire, Work, pool_of
from loadgen.plan.streams import BLOCK
from loadgen.recipe.load import Load
from loadgen.recipe.model import Recipe
from loadgen.units import ns_from_s

if TYPE_CHECKING:
    from loadgen.targets.base import Target

MAX_POOL_BYTES = 512 << 20
N_DIGESTED_DRAWS = 1024
FILL_CONNECTIONS = 16
"""More of them make no store faster that is filled from one machine."""
DIGESTED_LIMITS = (
    *("open_loop", "connections", "warmup_ns", "warmup_requests", "duration_ns", "requests"),
    *("drain_ns", "timeout_ns", "give_up_ns", "fail_on_truncated"),
)


def build_plan(recipe: Recipe, target: "Target") -> Plan:
    """All that the engine needs. Best after target.prepare(), which finds how requests must be. Raises RecipeError."""
    load = recipe.load
    instants = build_instants(load, recipe.seed)
    work = target.work(_n_requests(load, instants))
    plan = Plan(
        wire=target.wire,
        pool=pool_of(_within_memory(work.requests), work.bodies),
        operations=target.operations,
        draw=_drawer(recipe.seed, instants, work),
        open_loop=load.mode == "open",
        connections=load.n_connections,
        threads=load.threads,
        warmup_ns=ns_from_s(load.warmup_s),
        warmup_requests=load.warmup_requests,
        duration_ns=None if load.duration_s is None else ns_from_s(load.duration_s),
        requests=load.requests,
        drain_ns=ns_from_s(load.drain_s),
        timeout_ns=ns_from_s(load.timeout_s),
        give_up_ns=ns_from_s(load.give_up_s),
        fail_on_truncated=bool(getattr(recipe.workload, "fail_on_truncated", False)),
        seed=recipe.seed,
        digest="",
        dataset=work.dataset,
        pipeline=work.pipeline,
        n_keys=work.n_keys,
        n_existing=work.n_existing,
        renewed=work.renewed,
    )
    return replace(plan, digest=_digest(plan))


def build_fill(recipe: Recipe, target: "Target", work: Work, n_requests: int) -> Plan:
    """A plan that sends n_requests once each, in their order, as fast as the connections allow: before the load.

    With one request in the work, its drawn values make the difference: draw(i, 1) is the i-th.
    """
    load = recipe.load

    def draw(first: int, count: int) -> Dues:
        payload = np.arange(first, first + count, dtype=np.uint32) % len(pool)
        values = None if work.values is None else work.values(first, count)
        return Dues(payload, np.zeros(count, np.int64), values)

    pool = pool_of(work.requests, work.bodies)
    return Plan(
        wire=target.wire,
        pool=pool,
        operations=target.operations,
        draw=draw,
        open_loop=False,
        connections=min(load.n_connections, FILL_CONNECTIONS, max(n_requests // work.pipeline, 1)),
        threads=1,
        warmup_ns=0,
        warmup_requests=None,
        duration_ns=None,
        requests=n_requests,
        drain_ns=0,
        timeout_ns=ns_from_s(load.timeout_s),
        give_up_ns=ns_from_s(load.give_up_s),
        fail_on_truncated=False,
        seed=recipe.seed,
        digest="",
        dataset=work.dataset,
        pipeline=work.pipeline,
        n_keys=work.n_keys,
        is_fill=True,
    )


def _drawer(seed: int, instants: Instants, work: Work) -> Callable[[int, int], Dues]:
    choose = choices(seed, work.sizes, work.weights)

    def draw(first: int, count: int) -> Dues:
        when_ns = instants(first, count)
        values = None if work.values is None else work.values(first, len(when_ns))
        return Dues(choose(first, len(when_ns)), when_ns, values)

    return draw


def build_instants(load: Load, seed: int) -> Instants:
    """When: the pauses of a closed loop; the schedule of an open one, which ends with its duration or its count."""
    if load.mode == "closed":
        return pauses(load.think_time_s or 0.0, load.n_connections)
    burstiness = {"poisson": 1.0, "gamma": load.burstiness or 1.0}.get(load.arrival or "")
    endless = scheduled(_profile(load), seed, burstiness)
    n_warmup = load.warmup_requests or 0
    warmup_ns = int(endless(n_warmup, 1)[0]) if n_warmup else ns_from_s(load.warmup_s)
    end_ns = None if load.duration_s is None else warmup_ns + ns_from_s(load.duration_s)
    if load.requests is None:
        return until(endless, end_ns, None)
    return until(endless, end_ns, load.requests + (n_warmup or _n_before(endless, warmup_ns)))


def _profile(load: Load) -> RateProfile:
    stages = [(stage.rate_per_s, stage.duration_s) for stage in load.stages or ()]
    if load.arrival == "ramp":
        return ramp(stages)
    return steps(stages) if load.arrival == "steps" else steady(load.rate_per_s or 1.0)


def _n_before(instants: Instants, instant_ns: int) -> int:
    """How many arrivals are planned before an instant."""
    n = 0
    while True:
        here = int(np.searchsorted(instants(n, BLOCK), instant_ns))
        n += here
        if here < BLOCK:
            return n


def _n_requests(load: Load, instants: Instants) -> int | None:
    """How many requests will be sent, where that can be known. In an open loop no more than a block are counted."""
    if load.mode == "open":
        return len(instants(0, BLOCK))
    if load.requests is None or load.warmup_s:
        return None
    return load.requests + (load.warmup_requests or 0)


def _within_memory(requests: Iterable[Request]) -> Iterator[Request]:
    n_bytes = 0
    for request in requests:
        n_bytes += len(request.raw)
        if n_bytes > MAX_POOL_BYTES:
            raise RecipeError(
                f"workload: its requests, encoded, take more than the {MAX_POOL_BYTES >> 20} MiB that memory holds;"
                " give fewer"
            )
        yield request


def _digest(plan: Plan) -> str:
    """Over all that shapes the load: not over headers' values, which hold secrets and the address."""
    content = hashlib.sha256()
    pool, first = plan.pool, plan.draw(0, N_DIGESTED_DRAWS)
    for payload in range(len(pool)):
        content.update(_without_values(pool.text(payload)) if plan.wire <= Wire.HTTP else pool.text(payload))
    for column in _shapes(pool, plan.wire):
        content.update(column.tobytes())
    content.update(first.payload.astype("<u4").tobytes())
    content.update(first.when_ns.astype("<i8").tobytes())
    if first.values is not None:
        content.update(first.values.astype("<i4").tobytes())
    content.update(json.dumps({name: getattr(plan, name) for name in DIGESTED_LIMITS}).encode())
    return content.hexdigest()


def _shapes(pool: Pool, wire: Wire) -> Iterator[NDArray[Any]]:
    """What the requests' texts do not show: where slots lie, what is checked, and how long bodies are."""
    yield from (_slots_in_bodies(pool) if wire <= Wire.HTTP else pool.slots, pool.steps, pool.needles, pool.neighbours)
    for name in ("operation", "check", "key", "body_bytes", "expect_status", "n_slots", "n_steps"):
        yield np.ascontiguousarray(pool.payloads[name])


def _slots_in_bodies(pool: Pool) -> NDArray[Any]:
    """Slots by their place in the body, those of the head at 0: headers' values and the address are not digested."""
    slots = pool.slots.copy()
    for payload, entry in enumerate(pool.payloads):
        of_it = slice(entry["slot_from"], entry["slot_from"] + entry["n_slots"])
        slots["at"][of_it] = np.maximum(slots["at"][of_it] - pool.text(payload).find(b"\r\n\r\n"), 0)
    return slots


def _without_values(request: bytes) -> bytes:
    """A request with its headers' names alone."""
    head, _, body = request.partition(b"\r\n\r\n")
    first_line, *headers = head.split(b"\r\n")
    names = (header.partition(b":")[0].lower() for header in headers)
    return b"\n".join((first_line, *sorted(names), body)) + b"\0"
