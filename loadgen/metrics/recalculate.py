"""The figures of a run from its records alone: for a run that was killed before it could write them."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol

from loadgen.metrics.tally import KnownFacts, OperationLike, Tally
from loadgen.recipe.slo import parse_slo
from loadgen.records import Block, Phase
from loadgen.units import ns_from_s


class KeptRun(Protocol):
    """A bundle, as far as its figures need it."""

    @property
    def run(self) -> Mapping[str, Any]: ...
    @property
    def operations(self) -> Sequence[OperationLike]: ...
    def blocks(self) -> Iterable[Block]: ...


def recalculate(kept: KeptRun) -> tuple[Tally, dict[str, Any]]:
    """Read all records again. Returns what the run would have counted and its summary, without the client's CPU.

    The window begins after warmup_s, or, with warmup_requests, at the first planned instant that was measured: then the
    records are read twice. It ends with duration_s or with the last answer, whichever comes first.
    """
    load = kept.run["recipe"].get("load", {})
    window_from_ns = _window_from_ns(load, kept.blocks)
    window_end_ns = None if load.get("duration_s") is None else window_from_ns + ns_from_s(load["duration_s"])
    tally = Tally(kept.operations, [parse_slo(text) for text in kept.run["recipe"].get("slo", ())], window_end_ns)
    tally.window_from_ns = window_from_ns
    for block in kept.blocks():
        tally.add(block)
    return tally, tally.summary(_facts(tally, window_from_ns))


def _window_from_ns(load: Mapping[str, Any], blocks: Callable[[], Iterable[Block]]) -> int:
    if not load.get("warmup_requests"):
        return ns_from_s(load.get("warmup_s") or 0)
    planned = [
        int(block.records["planned_at_ns"][measured].min())
        for block in blocks()
        if (measured := block.records["phase"] == Phase.MEASURE).any()
    ]
    return min(planned, default=0)


def _facts(tally: Tally, window_from_ns: int) -> KnownFacts:
    ends = [end for end in (tally.last_end_at_ns, tally.window_end_ns) if end is not None]
    return KnownFacts(window_from_ns=window_from_ns, window_to_ns=max(min(ends, default=0), window_from_ns))
