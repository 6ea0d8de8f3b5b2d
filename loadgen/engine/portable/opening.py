"""Connections that are opened before the load."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress

from loadgen.units import s_from_ns

OPENING_AT_ONCE = 64
"""They wait for each other, so that a server's backlog is not overrun."""


async def open_all(
    openings: Iterable[Callable[[], Awaitable[object]]], timeout_ns: int, *refusals: type[Exception]
) -> None:
    """Await every opening. One that is refused, or takes too long, is left to the request that will need it."""
    turn = asyncio.Semaphore(OPENING_AT_ONCE)

    async def open_one(opening: Callable[[], Awaitable[object]]) -> None:
        with suppress(TimeoutError, *refusals):
            async with turn, asyncio.timeout(s_from_ns(timeout_ns)):
                await opening()

    await asyncio.gather(*map(open_one, openings))
