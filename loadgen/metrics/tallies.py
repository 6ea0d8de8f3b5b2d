"""Everything that is counted of a run: a Tally for each of its services."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from loadgen.metrics.client import client_of
from loadgen.metrics.columns import Columns
from loadgen.metrics.facts import FindingLike, RunFacts, Snapshot
from loadgen.metrics.figures import Figures
from loadgen.metrics.summary import summarise_all
from loadgen.metrics.tally import Tally, by_outcome_of, snapshot_of
from loadgen.metrics.window import Window
from loadgen.records import Block, OperationLike

if TYPE_CHECKING:
    from loadgen.recipe.slo import Slo


class Tallies:
    """The figures of a run of one service (its name is "") or of several, side by side.

    operations: of all services, in the order in which records number them; those of a service stand together.
    slos: each service's. in_flight: how many requests its clients keep going at once, of each in a closed loop.
    by_service: in the order of their operations, which is that of the engine's jobs.
    """

    def __init__(
        self,
        operations: Sequence[OperationLike],
        slos: "Mapping[str, Sequence[Slo]]",
        in_flight: Mapping[str, int | None] | None = None,
    ) -> None:
        closed = in_flight or {}
        self.by_service: dict[str, Tally] = {}
        self._job_of_operation: list[int] = []
        for first, service, own in _grouped(operations):
            self._job_of_operation += [len(self.by_service)] * len(own)
            self.by_service[service] = Tally(
                own, slos.get(service, ()), first_operation=first, in_flight=closed.get(service)
            )
        if not self.by_service:  # a run that was killed before its first request was over
            self.by_service[""] = Tally((), slos.get("", ()), in_flight=closed.get(""))

    @property
    def only(self) -> Tally | None:
        """The Tally of the one service; None where there are several."""
        tallies = list(self.by_service.values())
        return tallies[0] if len(tallies) == 1 else None

    def set_window(self, job: int, from_ns: int, end_ns: int | None) -> None:
        """Where a service's window begins and ends, before any block that holds answers from after its beginning.

        job: the service's number. end_ns: None: with the last answer.
        """
        tally = list(self.by_service.values())[job]
        tally.window_from_ns, tally.window_end_ns = from_ns, end_ns

    def add(self, block: Block) -> None:
        """Take finished requests, of any service and phase. The block's arrays are not kept."""
        if not len(block.records):
            return
        requests = Columns(block)
        if self.only is not None:
            self.only.add_requests(requests)
            return
        jobs = np.array(self._job_of_operation)[requests["operation"]]
        for job, tally in enumerate(self.by_service.values()):
            places = np.flatnonzero(jobs == job)
            if len(places):
                tally.add_requests(requests.pick(places))

    @property
    def figures(self) -> list[Figures]:
        """Those of every operation of every service."""
        return [figures for tally in self.by_service.values() for figures in tally.figures]

    @property
    def n_succeeded(self) -> int:
        """Of the measured window, all services together; so are those below."""
        return self.by_outcome.get("ok", 0)

    @property
    def n_wrong(self) -> int:
        return self.by_outcome.get("wrong_answer", 0)

    @property
    def n_failed(self) -> int:
        return sum(n for outcome, n in self.by_outcome.items() if outcome not in ("ok", "cancelled"))

    @property
    def by_outcome(self) -> dict[str, int]:
        """Outcomes that occurred."""
        return by_outcome_of(self.figures)

    def snapshot(self) -> Snapshot:
        """Cheap enough to be asked for a few times a second, from any thread."""
        return snapshot_of(self.figures)

    def summary(
        self,
        facts: RunFacts,
        findings: "Mapping[str, Sequence[FindingLike]] | None" = None,
        ceiling: Mapping[str, Any] | None = None,
    ) -> dict[str, Any]:
        """summary.json as docs/bundle.md lists it, without the keys that the bundle itself adds. Never a NaN.

        findings: what each service's check after the run found. ceiling: what this host was calibrated to drive, see
        client_of().
        """
        found = findings or {}
        if self.only is not None:
            return self.only.summary(facts, [finding for own in found.values() for finding in own], ceiling)
        windows = dict(zip(self.by_service, (Window(*window) for window in facts.windows), strict=True))
        return {
            **summarise_all(self.by_service, windows, found),
            "client": client_of(list(self.by_service.values()), facts, ceiling),
        }


def _grouped(operations: Sequence[OperationLike]) -> list[tuple[int, str, list[OperationLike]]]:
    """Each service's operations, and the number of the first. Raises ValueError where they do not stand together."""
    services: dict[str, list[OperationLike]] = {}
    first: dict[str, int] = {}
    for number, operation in enumerate(operations):
        own = services.setdefault(operation.service, [])
        if first.setdefault(operation.service, number) + len(own) != number:
            raise ValueError(f"the operations of {operation.service} do not stand together")
        own.append(operation)
    return [(first[service], service, own) for service, own in services.items()]
