"""The plan's pool as the carriers take it: each request with its slots filled in, in pieces that need no copy."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.engine.portable.slots import SlotWriter
from loadgen.errors import EngineError
from loadgen.plan.model import SLOT_BYTES, Check, Plan, Pool, Slot, SlotKind

if TYPE_CHECKING:
    from loadgen.engine.portable.exchange import Exchange

Piece = bytes | bytearray | memoryview

N_SPECS_KEPT = 4096


@dataclass(frozen=True, slots=True)
class Spec:
    """A request of the pool, as loadgen.plan.model.Request has it. body: what of the pool's bodies is sent."""

    raw: slice
    body: memoryview
    body_at: int
    key: int
    crc: int
    slots: tuple[Slot, ...]
    steps: tuple[int, ...]
    needle: bytes
    neighbours: frozenset[int]
    expect_status: int
    operation: int
    check: Check

    @property
    def n_bytes(self) -> int:
        """As they go over the wire."""
        return int(self.raw.stop - self.raw.start) + len(self.body)


class Parts(NamedTuple):
    """A request's bytes on both sides of the place where its body goes."""

    before: bytes
    body: memoryview
    after: bytes


class Requests:
    """Fills the slots. raw: the pool's, or what has taken its place since (see Plan.renewed)."""

    def __init__(self, plan: Plan, run_tag: str) -> None:
        if len(run_tag) > SLOT_BYTES - 8:
            raise EngineError(f"the run's tag leaves no room for an index: {run_tag}")
        self.raw: NDArray[np.uint8] = plan.pool.raw
        self._pool = plan.pool
        self._bodies = plan.pool.bodies.data
        self._writer = SlotWriter(run_tag, plan.value_tag)
        self._specs: dict[int, Spec] = {}

    def spec(self, payload: int) -> Spec:
        if payload not in self._specs:
            if len(self._specs) >= N_SPECS_KEPT:
                self._specs.clear()
            self._specs[payload] = _spec(self._pool, self._bodies, payload)
        return self._specs[payload]

    def whole(self, exchange: "Exchange") -> Parts:
        """The request as it is to be sent."""
        spec = exchange.spec
        raw = self._filled(exchange)
        body_at = spec.body_at if len(spec.body) else len(raw)
        return Parts(raw[:body_at], spec.body, raw[body_at:])

    def steps(self, exchange: "Exchange") -> list[list[Piece]]:
        """The pieces of each step; one step where the request has none."""
        spec = exchange.spec
        raw = self._filled(exchange)
        steps: list[list[Piece]] = []
        for begin, end in zip((0, *spec.steps), (*spec.steps, len(raw)), strict=True):
            if len(spec.body) and (begin <= spec.body_at < end or spec.body_at == end == len(raw)):
                steps.append([raw[begin : spec.body_at], spec.body, raw[spec.body_at : end]])
            else:
                steps.append([raw[begin:end]])
        return steps

    def _filled(self, exchange: "Exchange") -> bytes:
        spec = exchange.spec
        raw = self.raw[spec.raw].tobytes()
        if not spec.slots:
            return raw
        filled = bytearray(raw)
        for slot in spec.slots:
            filled[slot.at : slot.at + slot.width] = self._text(slot, exchange)
        return bytes(filled)

    def _text(self, slot: Slot, exchange: "Exchange") -> bytes:
        if slot.kind is SlotKind.STAMP:
            return self._writer.stamp(exchange.spec.crc, exchange.key, exchange.claim.version)
        return self._writer.text(slot, exchange.index, exchange.due.values)


def _spec(pool: Pool, bodies: memoryview, payload: int) -> Spec:
    entry = dict(zip(pool.payloads.dtype.names or (), pool.payloads[payload].item(), strict=True))

    def part(name: str, many: str) -> slice:
        return slice(entry[name], entry[name] + entry[many])

    return Spec(
        raw=part("raw_from", "raw_bytes"),
        body=bodies[part("body_from", "body_bytes")],
        body_at=entry["body_at"],
        key=entry["key"],
        crc=entry["crc"],
        slots=pool.slots_of(payload),
        steps=tuple(pool.steps[part("step_from", "n_steps")].tolist()),
        needle=pool.needles[part("needle_from", "needle_bytes")].tobytes(),
        neighbours=frozenset(pool.neighbours[part("neighbour_from", "n_neighbours")].tolist()),
        expect_status=entry["expect_status"],
        operation=entry["operation"],
        check=Check(entry["check"]),
    )
