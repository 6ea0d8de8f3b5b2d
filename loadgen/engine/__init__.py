"""The engines, and which of them carries a run."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from loadgen.engine.contract import Address, Ending, Live, Sink, Why
from loadgen.errors import EngineError
from loadgen.plan.model import Plan

__all__ = ["Address", "Ending", "Engine", "Live", "Sink", "Why", "choose_engine"]


class Engine(NamedTuple):
    """fire(plan, address, sink, live) -> Ending carries the load. reason: why this one, for run.json."""

    name: str
    reason: str
    fire: Callable[[Plan, Address, Sink, Live], Awaitable[Ending]]


def choose_engine(wanted: str, address: Address) -> Engine:
    """The engine for a recipe's load.engine: auto takes the native one wherever it can carry the load.

    Raises EngineError where the native one is asked for and cannot.
    """
    obstacle = _obstacle(address)
    if wanted == "native" and obstacle:
        raise EngineError(f"load.engine: native cannot run here: {obstacle}")
    if wanted == "portable" or obstacle:
        return _portable(obstacle or "the recipe asks for it")
    from loadgen.engine import native

    return Engine("native", "the recipe asks for it" if wanted == "native" else "it can carry this load", native.fire)


def _portable(reason: str) -> Engine:
    return Engine("portable", reason, _fire_portable)


async def _fire_portable(plan: Plan, address: Address, sink: Sink, live: Live) -> Ending:
    """On an event loop and in a thread of its own: what the caller's loop does, a live view say, costs it nothing."""
    from loadgen.engine import aio

    def carry() -> Ending:
        with asyncio.Runner(loop_factory=_loop_factory()) as runner:
            return runner.run(aio.fire(plan, address, sink, live))

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


def _obstacle(address: Address) -> str | None:
    """Why the native engine cannot, or None."""
    if address.tls:
        return "TLS is the portable engine's"
    if not sys.platform.startswith("linux"):
        return f"it needs Linux, this is {sys.platform}"
    try:
        from loadgen.engine import _native  # noqa: F401
    except ImportError:
        return "it was not built when loadgen was installed (no compiler?)"
    return None
