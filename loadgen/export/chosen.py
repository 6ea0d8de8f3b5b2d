"""The requests that an export is about, and the durations that other tools work out from them."""

from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.bundle.layout import OUTCOMES
from loadgen.errors import RecipeError
from loadgen.export.loaded import LoadedBundle
from loadgen.metrics.columns import Columns
from loadgen.metrics.latency import per_request_ns
from loadgen.metrics.streaming import pick, token_arrivals
from loadgen.records import NEVER, Block, Outcome, Phase
from loadgen.units import NS_PER_S


@dataclass(frozen=True, eq=False)
class Chosen:
    """Requests of one run, in the order of the plan; cancelled ones are not among them.

    run: where they come from. block: records and gaps. warmup: those of the warm-up, where they were not asked for.
    every: all that the service was asked, of any phase, cancelled ones too. left_out: what a person must know of
    what is not here, a line each.
    """

    run: LoadedBundle
    block: Block
    warmup: Block
    every: Block
    left_out: tuple[str, ...] = ()

    @property
    def records(self) -> NDArray[Any]:
        return self.block.records

    @cached_property
    def has_tokens(self) -> bool:
        """Whether any operation of these generates."""
        numbers = np.unique(self.records["operation"]).tolist()
        expecting = any(self.run.operations[number].expects_tokens for number in numbers)
        return expecting or bool((self.records["first_token_at_ns"] >= 0).any())

    @cached_property
    def succeeded(self) -> Block:
        return pick(self.block, self.records["outcome"] == Outcome.OK)

    @cached_property
    def failed(self) -> NDArray[Any]:
        failed: NDArray[Any] = self.records[self.records["outcome"] != Outcome.OK]
        return failed

    @cached_property
    def span_ns(self) -> tuple[int, int] | None:
        """From the first planned instant to the last answer; None without an answer."""
        ends = self.records["done_at_ns"][self.records["done_at_ns"] >= 0]
        return (int(self.records["planned_at_ns"].min()), int(ends.max())) if len(ends) else None

    @cached_property
    def began_at_unix_ns(self) -> int:
        """The wall clock at instant 0: to the nanosecond, or, where the run was killed, as run.json was made."""
        exact = self.run.run.get("started_at_unix_ns")
        if isinstance(exact, int):
            return exact
        return int(datetime.fromisoformat(self.run.run["created_at"]).timestamp() * NS_PER_S)

    def wall_s(self, at_ns: NDArray[np.int64]) -> NDArray[np.float64]:
        """Instants of the run as seconds since 1970: a float holds them to a quarter of a microsecond."""
        seconds: NDArray[np.float64] = (self.began_at_unix_ns + at_ns) / NS_PER_S
        return seconds

    def wall_s_of(self, at_ns: int) -> float:
        """The same of one instant, to the last bit."""
        return float(self.wall_s(np.array([at_ns], np.int64))[0])


def choose(run: LoadedBundle, *, include_warmup: bool = False, service: str | None = None) -> Chosen:
    """The measured requests of a run, with those of the warm-up or without, of one service or of all.

    Raises RecipeError where there is no such service.
    """
    services = sorted({operation.service for operation in run.operations})
    if service is not None and service not in services:
        raise RecipeError(f"--service {service}: {run.id} has {', '.join(filter(None, services)) or 'only one'}")
    of_service = np.array([service in (None, operation.service) for operation in run.operations], np.bool_)
    counted = of_service[run.records["operation"]] & (run.records["outcome"] != Outcome.CANCELLED)
    warmup = counted & (run.records["phase"] == Phase.WARMUP)
    measured = counted & (run.records["phase"] == Phase.MEASURE)
    asked = measured | warmup if include_warmup else measured
    every = pick(run.block, of_service[run.records["operation"]])
    return Chosen(run, pick(run.block, asked), pick(run.block, warmup & ~asked), every)


def only_generating(chosen: Chosen) -> Chosen:
    """Without operations that generate nothing, where others do: tools for language models know no others.

    Raises RecipeError where several services are left: such a tool's file is about one.
    """
    generating = _generating(chosen)
    operations = chosen.run.operations
    services = sorted({operations[number].service for number in np.unique(generating.records["operation"]).tolist()})
    if len(services) > 1:
        raise RecipeError(f"{chosen.run.id}: has several services, say which: --service {' or '.join(services)}")
    return generating


def _generating(chosen: Chosen) -> Chosen:
    generates = np.array([operation.expects_tokens for operation in chosen.run.operations], np.bool_)
    if not generates[chosen.records["operation"]].any():
        return chosen
    kept, kept_warmup = (pick(block, generates[block.records["operation"]]) for block in (chosen.block, chosen.warmup))
    n_left_out = len(chosen.records) - len(kept.records)
    said = (f"left out: {n_left_out} requests of operations that generate no tokens",) if n_left_out else ()
    return Chosen(chosen.run, kept, kept_warmup, chosen.every, (*chosen.left_out, *said))


def durations_ns(metric: str, block: Block) -> NDArray[np.int64]:
    """One of loadgen.metrics.latency.PER_REQUEST of each request, shape (n,); NEVER where it has none."""
    return per_request_ns(metric, Columns(block)) if len(block.records) else np.zeros(0, np.int64)


def present(values: NDArray[Any]) -> NDArray[Any]:
    """Those that are not NEVER."""
    there: NDArray[Any] = values[values != NEVER]
    return there


def said_by_server(records: NDArray[Any], name: str) -> NDArray[np.int64]:
    """A count of tokens, shape (n,); 0 where it is not known."""
    return np.maximum(records[name].astype(np.int64), 0)


def event_instants_ns(block: Block) -> NDArray[np.int64]:
    """When each content event came, in no order."""
    return token_arrivals(block).at_ns


def error_text(record: Any) -> str:
    """What went wrong with a request, for a person; never empty."""
    said = bytes(record["error"]).decode("utf-8", "replace")
    return said or OUTCOMES[int(record["outcome"])]
