"""What stands around a run: its place among others, who watches it, and what it leaves."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, NamedTuple

from loadgen.bundle import Bundle
from loadgen.engine import Live
from loadgen.metrics import Tallies
from loadgen.plan.model import Plan
from loadgen.recipe import Recipe


@dataclass(frozen=True)
class Place:
    """Where a run stands among others, and where its files go.

    recipe_folder: whose git commit is recorded. sweep: run.json's entry; its first_id None: this run is the first.
    """

    results: Path = Path("results")
    recipe_folder: Path = Path()
    rerun_of: str | None = None
    sweep: dict[str, Any] | None = None

    def at(self, sweep: dict[str, Any] | None) -> "Place":
        return replace(self, sweep=sweep)


class Measured(NamedTuple):
    """A run that is over: its bundle, and its figures as they were counted."""

    bundle: Bundle
    tally: Tallies


Look = Callable[[Live, Tallies], None]
"""Sees the figures each time that some were added, in the thread that adds them, and may end the run: live.enough()."""


class Watch:
    """Sees a run go by, and can end it. The command line's live view is one; this one is silent."""

    def __init__(self) -> None:
        self.stop_asked = False
        self.live: Live | None = None

    def stop(self) -> None:
        """End the run, and begin no further one. May be called from a signal handler."""
        self.stop_asked = True
        if self.live is not None:
            self.live.stop()

    def preparing(self, recipe: Recipe, sweep: dict[str, Any] | None) -> None:
        """The service is about to be probed."""

    def filling(self, what: str, n_done: int, n_in_all: int) -> None:
        """Data that the load works on is being brought in; called a few times a second, and when all is there."""

    def running(self, bundle_id: str, recipe: Recipe, plans: Sequence[Plan], live: Live, tally: Tallies) -> None:
        """The load begins; live and tally may be read until `ran`. plans: each service's."""

    def ran(self, bundle: Bundle) -> None:
        """The bundle is complete."""

    def reporting(self) -> None:
        """The last run is over, and the reports are drawn."""

    def noted(self, line: str) -> None:
        """Something that a person should know."""
