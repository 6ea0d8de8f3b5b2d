"""One run, from the recipe to the bundle."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from loadgen.bundle import Bundle, open_bundle
from loadgen.bundle.environment import describe_client, describe_environment, git_state
from loadgen.bundle.layout import describe_operation
from loadgen.bundle.write import BundleWriter, RunDescription, create_bundle
from loadgen.calibrate.kept import Setting, ceiling_for
from loadgen.engine import Ending, Engine, Live, Why, choose_engine
from loadgen.engine.contract import Job
from loadgen.errors import EngineError, LoadgenError, TargetError
from loadgen.metrics import Tallies
from loadgen.metrics.omission import in_flight_of
from loadgen.monitor.summary import watched_figures
from loadgen.plan import build_plan
from loadgen.plan.model import Operation, Plan
from loadgen.recipe import Recipe
from loadgen.run.beside import is_on_this_host, watcher_of
from loadgen.run.fill import fill
from loadgen.run.sinks import RunSink
from loadgen.run.watch import Look, Measured, Place, Watch
from loadgen.targets import target_for
from loadgen.targets.base import Finding, Readiness, Target

STATUS = {Why.DONE: "complete", Why.STOPPED: "interrupted", Why.GAVE_UP: "failed", Why.DISK_FULL: "failed"}


@dataclass
class Part:
    """One service of a run. name: "" where there is only one."""

    name: str
    recipe: Recipe
    target: Target
    readiness: Readiness | None = None
    plan: Plan | None = None

    @property
    def job(self) -> Job:
        assert self.plan is not None
        assert self.readiness is not None
        client = getattr(self.target, "client_factory", None)
        return Job(self.plan, self.readiness.address, client and client())


async def run_once(recipe: Recipe, place: Place, watch: Watch, look: Look | None = None) -> Measured:
    """Run a recipe without a sweep. look: may end it as soon as it has shown enough.

    Raises TargetError before anything is measured (the service cannot be used), EngineError where this host cannot go
    on. A run that ends badly is a bundle whose status says so.
    """
    watch.preparing(recipe, place.sweep)
    parts = [Part(name, part, target_for(part)) for name, part in recipe.parts()]
    for part in parts:
        build_plan(
            part.recipe, part.target
        )  # a mistake in a file that the recipe names is found before anything is sent
    try:
        for part in parts:
            await _prepare(part, watch)
        engine = choose_engine(_wanted_engine(recipe), [part.job for part in parts])
        for part in parts:
            await fill(part.target, part.job, engine, watch)
            part.plan = _freshly_signed(_plan_of(part))
        writer = create_bundle(place.results, _now(), recipe.redacted)
        writer.open_run(_describe(recipe, place, writer.id, parts, engine), _now())
        measured = await _carry(recipe, writer, parts, engine, watch, look)
    finally:
        await _close(parts, watch)
    watch.ran(measured.bundle)
    return measured


async def _prepare(part: Part, watch: Watch) -> None:
    part.readiness = await part.target.prepare()
    for note in part.readiness.notes:
        watch.noted(f"{part.name}: {note}" if part.name else note)
    plan = build_plan(part.recipe, part.target)
    operations = tuple(replace(operation, service=part.name) for operation in plan.operations)
    part.plan = replace(plan, operations=operations)


def _freshly_signed(plan: Plan) -> Plan:
    """A fill may have taken its time, and signatures age."""
    return plan if plan.renewed is None else replace(plan, pool=replace(plan.pool, raw=plan.renewed()))


def _wanted_engine(recipe: Recipe) -> str:
    """Several services share one: the portable one if any of them asks for it."""
    wanted = {part.load.engine for _, part in recipe.parts()}
    return next((name for name in ("portable", "native") if name in wanted), "auto")


async def _close(parts: Sequence[Part], watch: Watch) -> None:
    """What cannot be cleared away is said, and hides nothing else that went wrong."""
    for part in parts:
        try:
            await part.target.close()
        except LoadgenError as error:
            watch.noted(str(error))


async def _carry(
    recipe: Recipe, writer: BundleWriter, parts: Sequence[Part], engine: Engine, watch: Watch, look: Look | None
) -> Measured:
    """Fire, and close the bundle whatever happens."""
    plans = [_plan_of(part) for part in parts]
    tallies = Tallies(_operations(parts), {part.name: part.recipe.slo for part in parts}, _in_flight(parts))
    sink = RunSink(writer.requests_path, writer.id, tallies, plans, recipe.redacted)
    watch.live = live = Live(stop_asked=watch.stop_asked)
    if look is not None:
        sink.looks = partial(look, live, tallies)
    watch.running(writer.id, recipe, plans, live, tallies)
    try:
        async with watcher_of(recipe, writer, {part.name: part.target for part in parts}, live) as beside:
            ending = await engine.fire([part.job for part in parts], sink, live)
    except BaseException as error:
        status = "failed" if isinstance(error, Exception) else "interrupted"
        writer.finish(status, None, _now(), notes=[f"the engine ended early: {error or type(error).__name__}"])
        raise
    finally:
        watch.live = None
    notes = [*_notes_of(ending, tallies), *beside.notes]
    findings = await _check(parts, ending, notes)
    for note in notes:
        watch.noted(note)
    summary = tallies.summary(ending, findings, ceiling_for(_setting(engine, parts)))
    writer.finish(
        _status_of(ending, tallies),
        {**summary, **watched_figures(summary, writer.run, writer.samples)},
        _now(),
        started_at_unix_ns=ending.started_at_unix_ns,
        notes=notes,
    )
    return Measured(open_bundle(writer.folder, writer.folder.parent), tallies)


async def _check(parts: Sequence[Part], ending: Ending, notes: list[str]) -> dict[str, tuple[Finding, ...]]:
    """After the load: is what was written there, and right? A service that is gone cannot be asked: that is noted."""
    findings: dict[str, tuple[Finding, ...]] = {}
    for part, keys in zip(parts, ending.keys or (None,) * len(parts), strict=True):
        if not getattr(part.recipe.workload, "check", True):
            continue
        try:
            findings[part.name] = await part.target.check(keys)
        except LoadgenError as error:
            notes.append(f"what was written could not be checked: {error}")
    return findings


def _setting(engine: Engine, parts: Sequence[Part]) -> Setting:
    """The portable engine has one thread, whatever is asked for."""
    return Setting(engine.name, sum(_plan_of(part).threads for part in parts) if engine.name == "native" else 1)


def _plan_of(part: Part) -> Plan:
    assert part.plan is not None
    return part.plan


def _in_flight(parts: Sequence[Part]) -> dict[str, int | None]:
    """How many requests the clients of each keep going at once; None: its requests leave on a schedule."""
    recipes = {part.name: part.recipe.canonical() for part in parts}
    return {name: in_flight_of(recipe["load"], recipe["workload"]) for name, recipe in recipes.items()}


def _operations(parts: Sequence[Part]) -> tuple[Operation, ...]:
    return tuple(operation for part in parts for operation in _plan_of(part).operations)


def _status_of(ending: Ending, tallies: Tallies) -> str:
    """A run that measured nothing but failures has failed, however orderly it ended."""
    if ending.why is Why.DONE and tallies.n_failed > 0 and tallies.n_succeeded == 0:
        return "failed"
    return STATUS[ending.why]


def _notes_of(ending: Ending, tallies: Tallies) -> list[str]:
    notes = list(ending.notes)
    if ending.why is Why.GAVE_UP:
        notes.append(f"gave up: nothing but failures ({_failures(tallies)})")
    elif _status_of(ending, tallies) == "failed" and ending.why is Why.DONE:
        notes.append(f"every request failed ({_failures(tallies)})")
    if ending.why is Why.DISK_FULL:
        notes.append(f"requests.jsonl could not be written any more: {ending.error}; what was written is whole")
    if ending.n_lost_records:
        notes.append(f"{ending.n_lost_records} records are missing from requests.jsonl: the disk was too slow or full")
    if ending.n_clock_steps:
        notes.append(f"the wall clock was set {ending.n_clock_steps} times during the run: some arrivals may be off")
    return notes


def _failures(tallies: Tallies) -> str:
    counted = [f"{n} {outcome}" for outcome, n in tallies.by_outcome.items() if outcome != "ok"]
    return ", ".join(counted) or "none in the window"


def _describe(recipe: Recipe, place: Place, run_id: str, parts: Sequence[Part], engine: Engine) -> RunDescription:
    git_commit, git_dirty = git_state(place.recipe_folder)
    n_threads = sum(_plan_of(part).threads for part in parts)
    return RunDescription(
        recipe=recipe.canonical(),
        recipe_hash=recipe.hash,
        target=recipe.target,
        service=_described(parts),
        plan=_describe_plan(parts),
        clients=[describe_client(engine.name, n_threads) | {"engine_reason": engine.reason}],
        environment=describe_environment(),
        git_commit=git_commit,
        git_dirty=git_dirty,
        rerun_of=place.rerun_of,
        sweep=place.sweep and {**place.sweep, "first_id": place.sweep["first_id"] or run_id},
        notes=tuple(note for part in parts if part.readiness for note in part.readiness.notes),
    )


def _described(parts: Sequence[Part]) -> dict[str, Any]:
    """run.json's `service`: what the server says of its settings, and over it what the recipe says."""
    described = {}
    for part in parts:
        assert part.readiness is not None
        said, written = part.readiness.service, part.recipe.canonical()["service"].get("settings", {})
        is_here = {"on_this_host": is_on_this_host(part.readiness.address)}
        described[part.name] = {**said, **is_here, "settings": {**said.get("settings", {}), **written}}
    return described.get("", {"kind": "several", "services": described})


def _describe_plan(parts: Sequence[Part]) -> dict[str, Any]:
    plans = {part.name: _plan_of(part) for part in parts}
    operations = {"operations": [describe_operation(one) for one in _operations(parts)]}
    first = next(iter(plans.values()))
    if len(plans) == 1:
        return {**_facts_of(first), **operations}
    return {"seed": first.seed, "services": {name: _facts_of(plan) for name, plan in plans.items()}, **operations}


def _facts_of(plan: Plan) -> dict[str, Any]:
    return {"seed": plan.seed, "digest": plan.digest, "n_requests": plan.n_requests, "dataset": plan.dataset}


def _now() -> datetime:
    return datetime.now(UTC)


def error_of(bundle: Bundle) -> LoadgenError | None:
    """What a failed bundle's command line ends with; None where it did not fail."""
    if bundle.status != "failed":
        return None
    notes = bundle.run["notes"]
    kind = EngineError if any("requests.jsonl" in note for note in notes) else TargetError
    return kind(f"{bundle.id}: {notes[-1] if notes else 'the run failed'}")
