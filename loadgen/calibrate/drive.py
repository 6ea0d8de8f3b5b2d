"""Drives the simulator up to what this host can do, by way of runs like any other, whose bundles are thrown away."""

import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from loadgen.calibrate.kept import Ceiling, Setting
from loadgen.errors import EngineError, LoadgenError
from loadgen.metrics.client import TRUSTED
from loadgen.recipe import recipe_from_dict
from loadgen.run import Place, Watch, run_once

TOKEN_EVERY_MS = 20
FLOOD = {"ttft_ms": 0, "itl_ms": 0}
PACED = {
    "ttft_ms": {"mean": 50, "std": 25},
    "itl_ms": {"mean": TOKEN_EVERY_MS, "std": TOKEN_EVERY_MS / 4},
}
"""Spread, or all streams would give their tokens in the same instant."""

TOKENS_OF_A_FLOOD = 256
FIRST_STREAMS = {"native": 250, "portable": 25}
MOST_STREAMS = 16_000
GAP_WITHIN = 0.1
"""Of the gap that was asked for, on average: further from it the simulator could not keep up, and gave bursts."""

LONGEST_DRAIN_S = 5

Say = Callable[[str], None]


@dataclass(frozen=True)
class Effort:
    """How thoroughly it is looked. step_s: the measured part of each run."""

    concurrencies: Sequence[int]
    step_s: float
    streams_factor: int  # from one number of streams to the next


THOROUGH = Effort((16, 64, 256), 1.5, 2)
QUICK = Effort((64,), 0.7, 4)


def settings() -> Iterator[Setting]:
    """What is calibrated: two threads only where there are two CPUs."""
    yield Setting("native", 1)
    if (os.cpu_count() or 1) >= 2:
        yield Setting("native", 2)
    yield Setting("portable", 1)


async def calibrate(effort: Effort, say: Say) -> list[Ceiling]:
    """A ceiling for each setting that this host can carry. say: told a line for each.

    Raises EngineError where none can be.
    """
    ceilings = []
    with tempfile.TemporaryDirectory(prefix="loadgen-calibrate-") as folder:
        for setting in settings():
            try:
                ceilings.append(await _ceiling(setting, effort, _Driver(Path(folder))))
            except EngineError as error:
                say(f"{_named(setting)}: {error}")
            else:
                say(f"{_named(setting)}: done")
    if not ceilings:
        raise EngineError("nothing could be calibrated: neither engine can drive the simulator here")
    return ceilings


async def _ceiling(setting: Setting, effort: Effort, driver: "_Driver") -> Ceiling:
    floods = [await driver.run(setting, FLOOD, n, TOKENS_OF_A_FLOOD, effort) for n in effort.concurrencies]
    single = [await driver.run(setting, FLOOD, n, 1, effort) for n in effort.concurrencies]
    most = max(floods, key=lambda summary: summary["output_throughput_per_s"] or 0.0)
    return Ceiling(
        engine=setting.engine,
        threads=setting.threads,
        events_per_s=most["output_throughput_per_s"],
        requests_per_s=max((one["request_throughput_per_s"] for one in single if one), default=None),
        streams=await _most_streams(setting, effort, driver),
        busy_ratio=most["client"]["busy_ratio"],
    )


async def _most_streams(setting: Setting, effort: Effort, driver: "_Driver") -> int | None:
    """Ever more streams, until one of the two cannot keep up any more or the host has no descriptors left."""
    most, n = None, FIRST_STREAMS[setting.engine]
    while n <= MOST_STREAMS:
        try:
            summary = await driver.run(setting, PACED, n, int(effort.step_s * 1000 / TOKEN_EVERY_MS / 2), effort)
        except LoadgenError:
            break
        if summary["client"]["verdict"] != TRUSTED or summary["requests"]["failed"] or not _is_paced(summary):
            break
        most, n = n, n * effort.streams_factor
    return most


def _is_paced(summary: dict[str, Any]) -> bool:
    gap_ms = summary["metrics"]["itl"]["mean"]
    return gap_ms is not None and abs(gap_ms / TOKEN_EVERY_MS - 1) <= GAP_WITHIN


@dataclass(frozen=True)
class _Driver:
    results: Path

    async def run(
        self, setting: Setting, service: dict[str, Any], concurrency: int, output_tokens: int, effort: Effort
    ) -> dict[str, Any]:
        """The summary of one run. Raises EngineError where it could not be carried."""
        recipe = recipe_from_dict(
            {
                "name": "calibrate",
                "service": {"kind": "simulator", **service},
                "workload": {"prompts": {"input_tokens": 16}, "output_tokens": output_tokens},
                "load": {
                    "engine": setting.engine,
                    "threads": setting.threads,
                    "concurrency": concurrency,
                    "warmup_s": effort.step_s / 4,
                    "duration_s": effort.step_s,
                    "drain_s": LONGEST_DRAIN_S,
                },
            }
        )
        measured = await run_once(recipe, Place(self.results), Watch())
        if measured.bundle.summary is None or measured.bundle.status != "complete":
            raise EngineError(f"a run against the simulator ended as {measured.bundle.status}")
        return measured.bundle.summary


def _named(setting: Setting) -> str:
    return f"{setting.engine}, {setting.threads} thread{'s' if setting.threads > 1 else ''}"
