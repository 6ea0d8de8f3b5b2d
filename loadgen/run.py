"""One run, from the recipe to the bundle: the only file that knows the whole chain."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.bundle import Bundle, open_bundle
from loadgen.bundle.environment import describe_client, describe_environment, git_state
from loadgen.bundle.write import BundleWriter, RunDescription, create_bundle
from loadgen.engine import Ending, Engine, Live, Why, choose_engine
from loadgen.errors import EngineError, LoadgenError, TargetError
from loadgen.metrics import Tally
from loadgen.plan import build_plan
from loadgen.plan.model import Plan
from loadgen.recipe import Recipe
from loadgen.records import ERROR_BYTES, Block
from loadgen.targets import target_for
from loadgen.targets.base import Readiness

STATUS = {Why.DONE: "complete", Why.STOPPED: "interrupted", Why.GAVE_UP: "failed", Why.DISK_FULL: "failed"}


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
    tally: Tally


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

    def running(self, bundle_id: str, recipe: Recipe, plan: Plan, live: Live, tally: Tally) -> None:
        """The load begins; live and tally may be read until `ran`."""

    def ran(self, bundle: Bundle) -> None:
        """The bundle is complete."""

    def noted(self, line: str) -> None:
        """Something that a person should know."""


@dataclass
class RunSink:
    """Finished requests on their way from the engine: their lines are in `path`, their figures go to the tally."""

    path: Path
    run_tag: str
    tally: Tally
    duration_ns: int | None
    redact: Callable[[str], str]
    _from_ns: int | None = field(default=None, init=False)

    @property
    def window_from_ns(self) -> int | None:
        return self._from_ns

    @window_from_ns.setter
    def window_from_ns(self, from_ns: int | None) -> None:
        if from_ns is None or from_ns == self._from_ns:
            return
        self._from_ns = self.tally.window_from_ns = from_ns
        if self.duration_ns is not None:
            self.tally.window_end_ns = from_ns + self.duration_ns

    def hide(self, records: NDArray[Any]) -> None:
        if not records["outcome"].any():
            return
        for place in np.flatnonzero(records["error"] != b""):
            said = self.redact(records["error"][place].decode("utf-8", "ignore"))
            records["error"][place] = said.encode()[:ERROR_BYTES].decode("utf-8", "ignore").encode()

    def take(self, block: Block) -> None:
        self.tally.add(block)


async def run_once(recipe: Recipe, place: Place, watch: Watch) -> Measured:
    """Run a recipe without a sweep.

    Raises TargetError before anything is measured (the service cannot be used), EngineError where this host cannot go
    on. A run that ends badly is a bundle whose status says so.
    """
    watch.preparing(recipe, place.sweep)
    target = target_for(recipe)
    build_plan(recipe, target)  # a mistake in a file that the recipe names is found before anything is sent
    try:
        readiness = await target.prepare()
        for note in readiness.notes:
            watch.noted(note)
        plan = build_plan(recipe, target)
        engine = choose_engine(recipe.load.engine, readiness.address)
        writer = create_bundle(place.results, _now(), recipe.redacted)
        writer.open_run(_describe(recipe, place, writer.id, plan, engine, readiness), _now())
        measured = await _carry(recipe, writer, plan, engine, readiness, watch)
    finally:
        await target.close()
    watch.ran(measured.bundle)
    return measured


async def _carry(
    recipe: Recipe, writer: BundleWriter, plan: Plan, engine: Engine, readiness: Readiness, watch: Watch
) -> Measured:
    """Fire, and close the bundle whatever happens."""
    tally = Tally(plan.operations, recipe.slo)
    sink = RunSink(writer.requests_path, writer.id, tally, plan.duration_ns, recipe.redacted)
    watch.live = live = Live(stop_asked=watch.stop_asked)
    watch.running(writer.id, recipe, plan, live, tally)
    try:
        ending = await engine.fire(plan, readiness.address, sink, live)
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        writer.finish(status, None, _now(), notes=[f"the engine ended early: {error or type(error).__name__}"])
        raise
    finally:
        watch.live = None
    notes = _notes_of(ending, tally)
    for note in notes:
        watch.noted(note)
    writer.finish(
        _status_of(ending, tally),
        tally.summary(ending),
        _now(),
        started_at_unix_ns=ending.started_at_unix_ns,
        notes=notes,
    )
    return Measured(open_bundle(writer.folder, writer.folder.parent), tally)


def _status_of(ending: Ending, tally: Tally) -> str:
    """A run that measured nothing but failures has failed, however orderly it ended."""
    if ending.why is Why.DONE and tally.whole.n_failed > 0 and tally.whole.n_succeeded == 0:
        return "failed"
    return STATUS[ending.why]


def _notes_of(ending: Ending, tally: Tally) -> list[str]:
    notes = list(ending.notes)
    if ending.why is Why.GAVE_UP:
        notes.append(f"gave up: nothing but failures ({_failures(tally)})")
    elif _status_of(ending, tally) == "failed" and ending.why is Why.DONE:
        notes.append(f"every request failed ({_failures(tally)})")
    if ending.why is Why.DISK_FULL:
        notes.append(f"requests.jsonl could not be written any more: {ending.error}; what was written is whole")
    if ending.n_lost_records:
        notes.append(f"{ending.n_lost_records} records are missing from requests.jsonl: the disk was too slow or full")
    if ending.n_clock_steps:
        notes.append(f"the wall clock was set {ending.n_clock_steps} times during the run: some arrivals may be off")
    return notes


def _failures(tally: Tally) -> str:
    counted = [f"{n} {outcome}" for outcome, n in tally.by_outcome.items() if outcome != "ok"]
    return ", ".join(counted) or "none in the window"


def _describe(
    recipe: Recipe, place: Place, run_id: str, plan: Plan, engine: Engine, readiness: Readiness
) -> RunDescription:
    git_commit, git_dirty = git_state(place.recipe_folder)
    return RunDescription(
        recipe=recipe.canonical(),
        recipe_hash=recipe.hash,
        target=recipe.target,
        service={**readiness.service, "settings": recipe.canonical()["service"].get("settings", {})},
        plan={
            "seed": plan.seed,
            "digest": plan.digest,
            "n_requests": plan.n_requests,
            "dataset": plan.dataset,
            "operations": [{"name": one.name, "expects_tokens": one.expects_tokens} for one in plan.operations],
        },
        clients=[describe_client(engine.name, plan.threads) | {"engine_reason": engine.reason}],
        environment=describe_environment(),
        git_commit=git_commit,
        git_dirty=git_dirty,
        rerun_of=place.rerun_of,
        sweep=place.sweep and {**place.sweep, "first_id": place.sweep["first_id"] or run_id},
        notes=readiness.notes,
    )


def _now() -> datetime:
    return datetime.now(UTC)


def error_of(bundle: Bundle) -> LoadgenError | None:
    """What a failed bundle's command line ends with; None where it did not fail."""
    if bundle.status != "failed":
        return None
    notes = bundle.run["notes"]
    kind = EngineError if any("requests.jsonl" in note for note in notes) else TargetError
    return kind(f"{bundle.id}: {notes[-1] if notes else 'the run failed'}")
