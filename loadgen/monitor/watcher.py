"""Looks at several sources beside a run, now and again, and writes down what they say."""

import asyncio
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Any, NamedTuple, Protocol

from loadgen.bundle.monitor import sample_line
from loadgen.units import s_from_ns

MOST_OF_A_CORE = 0.01
"""So much of a core's time looking may take, all sources together; where it would take more, they look less often."""

BEGIN_LOOK_S = 0.01
"""How often the watcher looks whether the run's clock has begun: connections are opened before it."""

Values = Mapping[str, Any]


class Look(NamedTuple):
    """A line to be written. values: flat: numbers, texts, None. service: which of several said it."""

    values: Values
    service: str = ""


class Source(Protocol):
    """name: its file is monitor/NAME.jsonl. settles_s: how long after the load it needs until all of that is told.

    notes: lines for a person, taken at the end.
    """

    name: str
    settles_s: float
    notes: list[str]

    def look(self) -> Sequence[Look] | None:
        """What is known just now; None: there is nothing to be known, and it is not asked again.

        Blocking, in a thread that is not the loop's. What it raises is noted once, and it is asked again.
        """

    def close(self) -> None:
        """Give back what it holds."""


class Places(Protocol):
    def monitor_path(self, name: str) -> Path:
        """Where a file of the monitors goes."""


class Clock(Protocol):
    """origin_ns: CLOCK_MONOTONIC at the run's instant 0; 0: it has not begun."""

    origin_ns: int


class Watcher:
    """`async with` it around the load: the first look is before it and dated 0, the next when the run's clock begins,
    the last one after it. notes: what went wrong, once a source; a monitor never ends a run.
    """

    def __init__(
        self,
        sources: Sequence[Source],
        places: Places,
        clock: Clock,
        redact: Callable[[str], str],
        every_s: float = 1.0,
    ) -> None:
        self.notes: list[str] = []
        self._sources = list(sources)
        self._places, self._clock, self._redact, self._every_s = places, clock, redact, every_s
        self._cost_s = dict.fromkeys((source.name for source in sources), 0.0)
        self._failed: set[str] = set()
        self._is_over = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    @property
    def pause_s(self) -> float:
        """Between two looks, as much as the last ones cost."""
        return max(self._every_s, sum(self._cost_s.values()) / MOST_OF_A_CORE)

    async def __aenter__(self) -> "Watcher":
        saying = await asyncio.gather(*(asyncio.to_thread(self._look, source) for source in self._sources))
        self._task = asyncio.create_task(
            self._watch_all([source for source, says in zip(self._sources, saying, strict=True) if says])
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._is_over.set()
        if self._task is not None:
            await self._task
        for source in self._sources:
            with suppress(Exception):
                source.close()
            self.notes += map(self._redact, source.notes)

    async def _watch_all(self, sources: Sequence[Source]) -> None:
        while self._clock.origin_ns == 0 and not self._is_over.is_set():
            await asyncio.sleep(BEGIN_LOOK_S)
        await asyncio.gather(*(self._watch(source) for source in sources))

    async def _watch(self, source: Source) -> None:
        """Look until there is nothing more to say, and once after the load."""
        is_last = self._is_over.is_set()
        while await asyncio.to_thread(self._look, source) and not is_last:
            with suppress(TimeoutError):
                await asyncio.wait_for(self._is_over.wait(), self.pause_s)
            is_last = self._is_over.is_set()
            if is_last:
                await asyncio.sleep(source.settles_s)

    def _look(self, source: Source) -> bool:
        """Look once and write it down. False: the source is not to be asked again."""
        began_ns, cpu_s = time.monotonic_ns(), time.thread_time()
        try:
            looks = source.look()
        except Exception as error:
            self._note(source, f"could not be watched: {error or type(error).__name__}")
            return True
        if looks is None:
            return False
        at_ns = self._instant((began_ns + time.monotonic_ns()) // 2)
        try:
            self._write(source, at_ns, looks)
        except OSError as error:
            self._note(source, f"could not be written any more: {error.strerror}")
            return False
        self._cost_s[source.name] = time.thread_time() - cpu_s
        return True

    def _instant(self, monotonic_ns: int) -> int:
        origin_ns = self._clock.origin_ns
        return max(monotonic_ns - origin_ns, 0) if origin_ns else 0

    def _write(self, source: Source, at_ns: int, looks: Sequence[Look]) -> None:
        if not looks:
            return
        lines = [sample_line(at_ns, self._redacted(look.values), look.service) for look in looks]
        with self._places.monitor_path(f"{source.name}.jsonl").open("ab") as file:
            file.write(b"".join(lines))

    def _redacted(self, values: Values) -> dict[str, Any]:
        return {
            self._redact(key): self._redact(value) if isinstance(value, str) else value for key, value in values.items()
        }

    def _note(self, source: Source, text: str) -> None:
        if source.name in self._failed:
            return
        self._failed.add(source.name)
        at_s = s_from_ns(self._instant(time.monotonic_ns()))
        self.notes.append(self._redact(f"monitor/{source.name}.jsonl: at {at_s:.1f} s it {text}"))
