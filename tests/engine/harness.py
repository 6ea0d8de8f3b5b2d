"""Runs plans on an engine against scripted servers, and holds what comes out against what must hold for every run."""

import asyncio
import gc
import os
import socket
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray
from scripted import Script, ScriptedServer

from loadgen.bundle.jsonl import format_lines
from loadgen.engine.contract import Address, Ending, Job, Live, Login, Sink
from loadgen.plan.model import SLOT_BYTES, Operation, Plan, Slot, SlotKind, Wire
from loadgen.records import NEVER, RECORD_DTYPE, Block, Outcome

T = TypeVar("T")
RUN_TAG = "BM-20260101-001"

Fire = Callable[[Sequence[Job], Sink, Live], Awaitable[Ending]]
During = Callable[[ScriptedServer, Live], Awaitable[None]]


@dataclass
class KeepingSink:
    """Keeps every block."""

    path: Path
    run_tag: str = RUN_TAG
    windows_from_ns: list[int | None] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    windows_known: list[list[int | None]] = field(default_factory=list)  # as each block came
    ended_at_ns: dict[int, int] = field(default_factory=dict)  # windows that ended before their time

    def end_window(self, job: int, to_ns: int) -> None:
        self.ended_at_ns[job] = to_ns

    def hide(self, records: NDArray[Any]) -> None:
        """Nothing is secret here."""

    def take(self, block: Block) -> None:
        self.blocks.append(Block(block.records.copy(), block.gaps_ns.copy()))
        self.windows_known.append(list(self.windows_from_ns))

    @property
    def records(self) -> NDArray[Any]:
        """All records, in the order in which the requests ended."""
        return np.concatenate([np.empty(0, RECORD_DTYPE), *(block.records for block in self.blocks)])


class Service(NamedTuple):
    """One job's load, and the script of the server that it meets."""

    plan: Plan
    script: Script
    family: int = socket.AF_INET
    login: Login | None = None


@dataclass
class Carried:
    """What came out of a run."""

    plans: list[Plan]
    servers: list[ScriptedServer]
    ending: Ending
    live: Live
    sink: KeepingSink
    text: bytes  # of requests.jsonl

    @property
    def plan(self) -> Plan:
        """Of a run of one job."""
        return self.plans[0]

    @property
    def server(self) -> ScriptedServer:
        return self.servers[0]

    @property
    def operations(self) -> list[Operation]:
        """Of all jobs, as the records number them."""
        return [operation for plan in self.plans for operation in plan.operations]

    @property
    def records(self) -> NDArray[Any]:
        """All records, in the order in which the requests ended."""
        return self.sink.records

    @property
    def by_index(self) -> NDArray[Any]:
        return np.sort(self.records, order="index")

    @property
    def outcomes(self) -> list[str]:
        """By index."""
        return [Outcome(number).name.lower() for number in self.by_index["outcome"]]

    @property
    def errors(self) -> list[str]:
        """By index: what was said."""
        return [error.decode() for error in self.by_index["error"]]

    @property
    def codes(self) -> list[str]:
        """By index: the server's own words."""
        return [code.decode() for code in self.by_index["error_code"]]

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
        login: Login | None = None,
        early: bool = False,
        resent: int | None = 0,
        renewed: bool = False,
    ) -> Carried:
        """Run the plan against the script, and check what must hold for every run.

        during: goes on beside the run. early: answers may come before their requests are sent. resent: how many
        requests the server gets once more, on a new connection; None: any number. renewed: they are not as in the pool.
        """
        service = Service(plan, script, family, login)
        return self.carry_all(service, during=during, early=early, resent=resent, renewed=renewed)

    def carry_all(
        self,
        *services: Service,
        during: During | None = None,
        early: bool = False,
        resent: int | None = 0,
        renewed: bool = False,
    ) -> Carried:
        """The same for several jobs side by side. during: sees the first one's server."""
        gc.collect()
        before = (_descriptors(), _threads())
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            carried = runner.run(self._carry(services, during))
        del runner
        gc.collect()
        assert (_descriptors(), _threads()) == before
        check_run(carried, early=early)
        for job, plan in enumerate(carried.plans):
            if plan.wire <= Wire.HTTP and not renewed:
                _check_requests(carried, job, resent)
        return carried

    async def _carry(self, services: Sequence[Service], during: During | None) -> Carried:
        servers = [ScriptedServer(service.script, service.family) for service in services]
        jobs = [await _job(service, server) for service, server in zip(services, servers, strict=True)]
        sink = KeepingSink(self.folder / "requests.jsonl")
        sink.path.unlink(missing_ok=True)
        live = Live()
        beside = asyncio.create_task(during(servers[0], live)) if during else None
        try:
            ending = await self.fire(jobs, sink, live)
            if beside is not None:
                await beside
        finally:
            for server in servers:
                await server.stop()
        return Carried([job.plan for job in jobs], servers, ending, live, sink, sink.path.read_bytes())

    def run(self, main: Coroutine[Any, Any, T]) -> T:
        """Run something on the engine's kind of loop."""
        with asyncio.Runner(loop_factory=self.new_loop) as runner:
            return runner.run(main)

    async def fire_at(self, plan: Plan, address: Address, sink: Sink, live: Live | None = None) -> Ending:
        """One job."""
        return await self.fire([Job(plan, address)], sink, live or Live())


async def _job(service: Service, server: ScriptedServer) -> Job:
    host, port = await server.start()
    return Job(service.plan, Address(service.family, host, port, host, login=service.login))


async def until(holds: Callable[[], bool]) -> None:
    """Wait until a counter that nobody announces has got there."""
    while not holds():
        await asyncio.sleep(0.002)


def check_run(carried: Carried, *, early: bool = False) -> None:
    """What holds for every run, whatever the server does."""
    _check_instants(carried.records, early=early)
    _check_gaps(carried)
    _check_counts(carried)
    lines = [format_lines(block, RUN_TAG, carried.operations) for block in carried.sink.blocks]
    assert carried.text == b"".join(lines)


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
    assert (records["operation"] < len(carried.operations)).all()
    assert len(ending.windows) == len(ending.keys) == len(carried.sink.windows_from_ns) == len(carried.plans)
    for (from_ns, to_ns), known in zip(ending.windows, carried.sink.windows_from_ns, strict=True):
        assert 0 <= from_ns <= to_ns
        assert known in (None, from_ns)
    assert 0.0 <= ending.busy_ratio <= 1.0


def _check_requests(carried: Carried, job: int, resent: int | None) -> None:
    """What a server was asked is what its plan's pool holds, with the slots filled in."""
    plan, asked_in_all, seen = carried.plans[job], carried.servers[job].asked, {}
    for asked in asked_in_all:
        assert seen.setdefault(asked.id, asked).raw == asked.raw
    assert resent is None or len(asked_in_all) - len(seen) == resent
    for record in carried.records:
        index = int(record["index"])
        request_id = id_of(index)
        if index % len(carried.plans) != job or request_id not in seen:
            continue
        raw = request_as_sent(plan, int(record["payload"]), index, index // len(carried.plans))
        assert masked(plan, int(record["payload"]), seen[request_id].raw) == raw
        assert record["request_bytes"] == len(raw)


def id_of(index: int) -> str:
    """What ID slots hold."""
    return f"{RUN_TAG}-{index:0{SLOT_BYTES - len(RUN_TAG) - 1}d}"


def request_as_sent(plan: Plan, payload: int, index: int, place: int) -> bytes:
    """The pool's request with its slots filled in; those whose content takes some reckoning stay zeros.

    place: of the request in the plan.
    """
    raw = bytearray(plan.pool.text(payload))
    for slot in plan.pool.slots_of(payload):
        raw[slot.at : slot.at + slot.width] = _text_of(plan, slot, index, place)
    entry = plan.pool.payloads[payload]
    if entry["body_bytes"]:
        body = plan.pool.bodies[entry["body_from"] : entry["body_from"] + entry["body_bytes"]]
        raw[entry["body_at"] : entry["body_at"]] = body.tobytes()
    return bytes(raw)


def _text_of(plan: Plan, slot: Slot, index: int, place: int) -> bytes:
    if slot.kind is SlotKind.ID:
        return id_of(index).encode()
    if slot.kind is SlotKind.INDEX:
        return b"%0*d" % (slot.width, index)
    if slot.kind is SlotKind.VALUE:
        values = plan.draw(place, 1).values
        assert values is not None
        return b"%0*d" % (slot.width, values[0, slot.value])
    return b"0" * slot.width


def masked(plan: Plan, payload: int, raw: bytes) -> bytes:
    """What was sent, with zeros where request_as_sent has them."""
    entry, result = plan.pool.payloads[payload], bytearray(raw)
    for slot in plan.pool.slots_of(payload):
        if slot.kind in (SlotKind.UUID, SlotKind.STAMP):
            is_behind = 0 <= entry["body_at"] <= slot.at
            at = slot.at + (int(entry["body_bytes"]) if is_behind else 0)
            result[at : at + slot.width] = b"0" * slot.width
    return bytes(result)


def _descriptors() -> list[str]:
    return sorted(os.listdir("/proc/self/fd")) if sys.platform.startswith("linux") else []


def _threads() -> int:
    return threading.active_count()
