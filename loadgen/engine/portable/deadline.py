"""How long a request may take: counted from its connection's opening, and anew from its sending."""

import asyncio
from collections.abc import Callable
from types import TracebackType

from loadgen.units import NS_PER_MS, s_from_ns

EARLY_NS = NS_PER_MS
"""So much too early may a loop's timer go off."""


class Deadline:
    """`async with` it: what takes longer than timeout_ns ends with TimeoutError."""

    def __init__(self, timeout_ns: int, now_ns: Callable[[], int]) -> None:
        self._timeout_ns = timeout_ns
        self._now_ns = now_ns
        self._timeout = asyncio.timeout(None)
        self._is_on = False

    async def __aenter__(self) -> "Deadline":
        await self._timeout.__aenter__()
        self._is_on = True
        self.begin(self._now_ns())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, reason: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_on = False
        await self._timeout.__aexit__(kind, reason, trace)

    def begin(self, at_ns: int) -> None:
        """Count from this instant."""
        if self._is_on:
            left_ns = at_ns + self._timeout_ns - self._now_ns() + EARLY_NS
            self._timeout.reschedule(asyncio.get_running_loop().time() + s_from_ns(left_ns))
