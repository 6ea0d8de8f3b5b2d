"""The engines, and which of them carries a run."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

from loadgen.engine.contract import Address, Ending, Job, Live, Sink, Why
from loadgen.errors import EngineError
from loadgen.plan.model import Wire

__all__ = ["Address", "Ending", "Engine", "Job", "Live", "Sink", "Why", "choose_engine"]


class Engine(NamedTuple):
    """fire(jobs, sink, live) -> Ending carries the load. reason: why this one, for run.json."""

    name: str
    reason: str
    fire: Callable[[Sequence[Job], Sink, Live], Awaitable[Ending]]


def choose_engine(wanted: str, jobs: Sequence[Job]) -> Engine:
    """The engine for a recipe's load.engine: auto takes the native one wherever it can carry all jobs.

    Raises EngineError where the native one is asked for and cannot.
    """
    obstacle = next(filter(None, map(_obstacle_of, jobs)), None) or _obstacle_here()
    if wanted == "native" and obstacle:
        raise EngineError(f"load.engine: native cannot run here: {obstacle}")
    if wanted == "portable" or obstacle:
        return Engine("portable", obstacle or "the recipe asks for it", _fire_portable)
    from loadgen.engine import native

    return Engine("native", "the recipe asks for it" if wanted == "native" else "it can carry this load", native.fire)


async def _fire_portable(jobs: Sequence[Job], sink: Sink, live: Live) -> Ending:
    """On an event loop and in a thread of its own: what the caller's loop does, a live view say, costs it nothing."""
    from loadgen.engine import portable

    def carry() -> Ending:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(portable.fire(jobs, sink, live))

    thread = asyncio.ensure_future(asyncio.to_thread(carry))
    try:
        return await asyncio.shield(thread)
    except asyncio.CancelledError:
        live.stop()
        await thread
        raise


def _loop_factory() -> Callable[[], asyncio.AbstractEventLoop] | None:
    """uvloop's where there is one."""
    try:
        import uvloop
    except ImportError:
        return None
    return uvloop.new_event_loop


def _obstacle_of(job: Job) -> str | None:
    """Why the native engine cannot carry this job, or None."""
    if job.plan.wire is Wire.CALL:
        return "a client of one's own is called by the portable engine"
    return "TLS is the portable engine's" if job.address.tls else None


def _obstacle_here() -> str | None:
    """Why it cannot carry any, or None."""
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, this is {sys.platform}"
    try:
        from loadgen.engine import _native  # noqa: F401
    except ImportError:
        return "it was not built when loadgen was installed (no compiler?)"
    return None
