"""The figures of a run from its records alone: for a run that was killed before it could write them."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Protocol

import numpy as np

from loadgen.metrics.facts import KnownFacts
from loadgen.metrics.figures import TOKEN_METRICS
from loadgen.metrics.omission import in_flight_of
from loadgen.metrics.tallies import Tallies
from loadgen.metrics.tally import Tally
from loadgen.recipe.slo import Slo, parse_slo
from loadgen.records import Block, OperationLike, Phase
from loadgen.units import ns_from_s

_OF_TOKENS = (*TOKEN_METRICS, "output_throughput")


class KeptRun(Protocol):
    """A bundle, as far as its figures need it."""

    @property
    def run(self) -> Mapping[str, Any]: ...
    @property
    def operations(self) -> Sequence[OperationLike]: ...
    def blocks(self) -> Iterable[Block]: ...


def recalculate(kept: KeptRun) -> tuple[Tallies, dict[str, Any]]:
    """Read all records again. Returns what the run would have counted and its summary, without the client's CPU and
    without what was looked at after the run.

    A window begins after warmup_s, or, with warmup_requests, at the service's first planned instant that was measured:
    then the records are read twice. It ends with duration_s or with the last answer, whichever comes first.
    """
    recipe = kept.run["recipe"]
    slos = _slos(recipe.get("slo") or (), kept.operations)
    tallies = Tallies(kept.operations, slos, {service: _in_flight(recipe, service) for service in slos})
    loads = {service: _load_of(recipe, service) for service in tallies.by_service}
    begins = _begins_ns(loads, kept)
    for job, (service, load) in enumerate(loads.items()):
        from_ns, duration_s = begins[service], load.get("duration_s")
        tallies.set_window(job, from_ns, None if duration_s is None else from_ns + ns_from_s(duration_s))
    for block in kept.blocks():
        tallies.add(block)
    windows = [_window(tally, begins[service]) for service, tally in tallies.by_service.items()]
    return tallies, tallies.summary(KnownFacts(windows))


def _load_of(recipe: Mapping[str, Any], service: str) -> Mapping[str, Any]:
    load = (recipe.get("loads") or {}).get(service) if service else recipe.get("load")
    return load or {}


def _in_flight(recipe: Mapping[str, Any], service: str) -> int | None:
    workload = (recipe.get("workloads") or {}).get(service) if service else recipe.get("workload")
    return in_flight_of(_load_of(recipe, service), workload or {})


def _slos(texts: Sequence[str], operations: Sequence[OperationLike]) -> dict[str, list[Slo]]:
    """Each service's: those with its name before the dot, and those without a name that it has a figure for."""
    found: dict[str, list[Slo]] = {operation.service: [] for operation in operations} or {"": []}
    for slo in map(parse_slo, texts):
        for service, slos in found.items():
            own = [operation for operation in operations if operation.service == service]
            if slo.service == service or (not slo.service and _has_figure(slo.metric, own)):
                slos.append(slo)
    return found


def _has_figure(metric: str, operations: Sequence[OperationLike]) -> bool:
    """Whether an unnamed SLO on it is about a service among several."""
    if metric in _OF_TOKENS:
        return any(operation.expects_tokens for operation in operations)
    return metric != "recall" or any(operation.top_k for operation in operations)


def _begins_ns(loads: Mapping[str, Mapping[str, Any]], kept: KeptRun) -> dict[str, int]:
    begins = {service: ns_from_s(load.get("warmup_s") or 0) for service, load in loads.items()}
    by_count = [service for service, load in loads.items() if load.get("warmup_requests")]
    if by_count:
        first = _first_measured_ns(kept)
        begins |= {service: first.get(service, 0) for service in by_count}
    return begins


def _first_measured_ns(kept: KeptRun) -> dict[str, int]:
    """The first planned instant of each service that was measured."""
    services = [operation.service for operation in kept.operations]
    first: dict[str, int] = {}
    for block in kept.blocks():
        measured = block.records[block.records["phase"] == Phase.MEASURE]
        for number in np.unique(measured["operation"]).tolist():
            planned = int(measured["planned_at_ns"][measured["operation"] == number].min())
            first[services[number]] = min(planned, first.get(services[number], planned))
    return first


def _window(tally: Tally, from_ns: int) -> tuple[int, int]:
    ends = [end for end in (tally.last_end_at_ns, tally.window_end_ns) if end is not None]
    return from_ns, max(min(ends, default=0), from_ns)
