"""Before the load: the data that it works on, brought in through the engine that will carry it."""

import asyncio

from loadgen.engine import Engine, Live
from loadgen.engine.contract import Job
from loadgen.errors import TargetError
from loadgen.plan.model import Plan
from loadgen.run.sinks import FillSink
from loadgen.run.watch import Watch
from loadgen.targets.base import Filled, Filler, Target

SHOWN_EVERY_S = 0.25


async def fill(target: Target, job: Job, engine: Engine, watch: Watch) -> None:
    """Have the target bring in its data. Raises TargetError with one line; a stop ends it in the middle."""

    async def fire(what: str, plan: Plan) -> Filled:
        sink, live = FillSink(), Live(stop_asked=watch.stop_asked)
        watch.live = live
        shown = asyncio.create_task(_show(watch, what, live, plan.n_requests or 0))
        try:
            await engine.fire([job._replace(plan=plan)], sink, live)
        finally:
            watch.live = None
            shown.cancel()
        watch.filling(what, live.n_finished, plan.n_requests or live.n_finished)
        _end_if_asked(watch, what)
        return Filled(live.n_succeeded, live.n_finished - live.n_succeeded, sink.error)

    def progress(what: str, n_done: int, n_in_all: int) -> None:
        watch.filling(what, n_done, n_in_all)
        _end_if_asked(watch, what)

    await target.fill(Filler(fire, progress))


def _end_if_asked(watch: Watch, what: str) -> None:
    if watch.stop_asked:
        raise TargetError(f"{what}: stopped before all was there")


async def _show(watch: Watch, what: str, live: Live, n_in_all: int) -> None:
    while True:
        watch.filling(what, live.n_finished, n_in_all)
        await asyncio.sleep(SHOWN_EVERY_S)
