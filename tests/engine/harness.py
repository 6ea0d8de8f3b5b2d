"""Runs a plan on an engine against a scripted server, and holds what comes out against what must hold for every run."""

import asyncio
import gc
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray
from scripted import Script, ScriptedServer

from loadgen.bundle.jsonl import format_lines
from loadgen.engine.contract import Address, Ending, Live, Sink
from loadgen.plan.model import SLOT_BYTES, Plan
from loadgen.records import NEVER, RECORD_DTYPE, Block, Outcome

T = TypeVar("T")
RUN_TAG = "BM-20260101-001"

Fire = Callable[[Plan, Address, Sink, Live], Awaitable[Ending]]
During = Callable[[ScriptedServer, Live], Awaitable[None]]


@dataclass
class KeepingSink:
    """Keeps every block."""

    path: Path
    run_tag: str = RUN_TAG
    window_from_ns: int | None = None
    blocks: list[Block] = field(default_factory=list)
    window_known: list[int | None] = field(default_factory=list)  # as each block came

    def hide(self, records: NDArray[Any]) -> None:
        """Nothing is secret here."""

    def take(self, block: Block) -> None:
        self.blocks.append(Block(block.records.copy(), block.gaps_ns.copy()))
        self.window_known.append(self.window_from_ns)


@dataclass
class Carried:
    """What came out of a run."""

    plan: Plan
    ending: Ending
    live: Live
    sink: KeepingSink
    server: ScriptedServer
    text: bytes  # of requests.jsonl

    @property
    def records(self) -> NDArray[Any]:
        """All records, in the order in which the requests ended."""
        return np.concatenate([np.empty(0, RECORD_DTYPE), *(block.records for block in self.sink.blocks)])

    @property
    def by_index(self) -> NDArray[Any]:
        return np.sort(self.records, order="index")

    @property
    def outcomes(self) -> list[str]:
        """By index."""
        return [Outcome(number).name.lower() for number in self.by_index["outcome"]]

    @property
    def gaps_ns(self) -> NDArray[np.int64]:
        return np.concatenate([np.empty(0, np.int64), *(block.gaps_ns for block in self.sink.blocks)])

    @property
    def only(self) -> Any:
        """The record of a run of one request."""
        assert len(self.records) == 1
        return self.records[0]


@dataclass
class Engine:
    """An engine under test, and the loop it runs on."""

    name: str
    fire: Fire
    folder: Path
    new_loop: Callable[[], asyncio.AbstractEventLoop]

    def carry(
        self,
        plan: Plan,
        script: Script,
        *,
        during: During | None = None,
        family: int = socket.AF_INET,
        early: bool = False,
        resent: int | None = 0,
    ) -> Carried:
        """Run the plan against the script, and check what must hold for every run.

        during: goes on beside the run. early: answers may come before their requests are sent. resent: how many
        requests the server gets once more, on a new connection; None: any number.
        """
        gc.collect()
        before = (_descriptors(), _threads())
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            carried = runner.run(self._carry(plan, script, during, family))
        del runner
        gc.collect()
        assert (_descriptors(), _threads()) == before
        check_run(carried, early=early, resent=resent)
        return carried

    async def _carry(self, plan: Plan, script: Script, during: During | None, family: int) -> Carried:
        server = ScriptedServer(script, family)
        host, port = await server.start()
        sink = KeepingSink(self.folder / "requests.jsonl")
        sink.path.unlink(missing_ok=True)
        live = Live()
        address = Address(family, host, port, host)
        beside = asyncio.create_task(during(server, live)) if during else None
        try:
            ending = await self.fire(plan, address, sink, live)
            if beside is not None:
                await beside
        finally:
            await server.stop()
        return Carried(plan, ending, live, sink, server, sink.path.read_bytes())

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run something on the engine's kind of loop."""
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(main)

    async def fire_at(self, plan: Plan, address: Address, sink: Sink, live: Live | None = None) -> Ending:
        return await self.fire(plan, address, sink, live or Live())


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a counter that nobody announces has got there."""
    while not holds():
        await asyncio.sleep(0.002)


def check_run(carried: Carried, *, early: bool = False, resent: int | None = 0) -> None:
    """What holds for every run, whatever the server does."""
    _check_instants(carried.records, early=early)
    _check_gaps(carried)
    _check_counts(carried)
    operations = carried.plan.operations
    assert carried.text == b"".join(format_lines(block, RUN_TAG, operations) for block in carried.sink.blocks)
    _check_requests(carried, resent)


def _check_instants(records: NDArray[Any], *, early: bool) -> None:
    """planned <= sent <= first_byte <= first_token <= last_token <= done, as far as they happened."""
    assert (records["planned_at_ns"] >= 0).all()
    names = ["planned_at_ns", "sent_at_ns", "first_byte_at_ns", "first_token_at_ns", "last_token_at_ns", "done_at_ns"]
    if early:
        names.remove("sent_at_ns")
    for record in records:
        happened = [record[name] for name in names if record[name] != NEVER]
        assert happened == sorted(happened), {name: int(record[name]) for name in names}
    tokens = records["n_events"] > 0
    assert (tokens == (records["first_token_at_ns"] != NEVER)).all()
    assert (tokens == (records["last_token_at_ns"] != NEVER)).all()


def _check_gaps(carried: Carried) -> None:
    records, gaps_ns = carried.records, carried.gaps_ns
    assert (records["n_gaps"] == np.maximum(records["n_events"] - 1, 0)).all()
    assert len(gaps_ns) == records["n_gaps"].sum()
    assert (gaps_ns >= 0).all()
    ends = np.cumsum(records["n_gaps"])
    for record, end in zip(records, ends, strict=True):
        spread_ns = gaps_ns[end - record["n_gaps"] : end].sum()
        assert spread_ns == record["last_token_at_ns"] - record["first_token_at_ns"]


def _check_counts(carried: Carried) -> None:
    records, live, ending = carried.records, carried.live, carried.ending
    outcomes = records["outcome"]
    n_ok, n_cancelled = (int((outcomes == outcome).sum()) for outcome in (Outcome.OK, Outcome.CANCELLED))
    assert ending.n_planned == len(records)
    assert ending.n_lost_records == 0
    assert ending.n_sent == live.n_sent == (records["sent_at_ns"] != NEVER).sum()
    assert (live.n_finished, live.n_in_flight, live.n_waiting) == (len(records), 0, 0)
    assert (live.n_succeeded, live.n_failed) == (n_ok, len(records) - n_ok - n_cancelled)
    assert live.n_tokens == records["n_events"].sum()
    assert len(set(records["index"].tolist())) == len(records)
    assert 0 <= ending.window_from_ns <= ending.window_to_ns
    assert carried.sink.window_from_ns in (None, ending.window_from_ns)
    assert 0.0 <= ending.busy_ratio <= 1.0


def _check_requests(carried: Carried, resent: int | None) -> None:
    """What the server was asked is what the plan's pool holds, with the slots filled in."""
    pool, seen = carried.plan.pool, {}
    for asked in carried.server.asked:
        assert seen.setdefault(asked.id, asked).raw == asked.raw
    assert resent is None or len(carried.server.asked) - len(seen) == resent
    for record in carried.records:
        slot = f"{RUN_TAG}-{record['index']:0{SLOT_BYTES - len(RUN_TAG) - 1}d}".encode()
        if slot.decode() not in seen:
            continue
        payload = record["payload"]
        raw = bytearray(pool.raw[pool.from_byte[payload] : pool.from_byte[payload + 1]].tobytes())
        for at in (pool.id_at[payload], pool.nonce_at[payload]):
            if at >= 0:
                raw[at : at + SLOT_BYTES] = slot
        assert seen[slot.decode()].raw == bytes(raw)
        assert record["request_bytes"] == len(raw)


def _descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd")) if sys.platform.startswith("linux") else []


def _threads() -> int:
    return threading.active_count()
