"""What an engine is given: encoded requests, and for each index which of them, when, and with which values."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SLOT_BYTES = 28
"""Width of an ID slot. The engine writes `<run tag>-<index>`, the index zero-padded so that it is SLOT_BYTES wide."""

UUID_BYTES = 36
KEY_DIGITS = 12
"""Width of a key's decimal digits, in requests and in stamps."""

STAMP_BYTES = 38
"""At the end of a checked value: tag (8 hex digits), key (12 decimal), version (10 decimal), CRC (8 hex digits).

The tag can tell values of other writers from ours. Versions rise with every write of a run. CRC-32C (Castagnoli,
RFC 3720 B.4) of all that stands before it in the value.
"""

MAX_VALUES = 4
MAX_SLOTS = 16
NO_KEY = -1
FIRST_VERSION = 1
"""The version of values that were written before the load, by a fill."""


class Wire(IntEnum):
    """Which reader the answers need."""

    OPENAI = 0  # SSE, or one JSON document
    OLLAMA = 1  # NDJSON, or one JSON document
    HTTP = 2  # any body; what is looked for in it is the request's Check
    REDIS = 3  # RESP2 or RESP3
    POSTGRESQL = 4  # frontend/backend protocol 3.0
    CALL = 5  # no bytes: a user's own client is called; the portable engine alone


class SlotKind(IntEnum):
    """What the engine writes into a slot when it sends."""

    ID = 0  # <run tag>-<index>, SLOT_BYTES wide
    INDEX = 1  # the index, decimal digits, zero-padded to the slot's width
    UUID = 2  # a UUID (version 8, RFC 9562) of run tag and index, UUID_BYTES wide
    VALUE = 3  # one of the index's drawn values, decimal digits, zero-padded; a negative one begins with -
    STAMP = 4  # STAMP_BYTES that end a checked value


class Check(IntEnum):
    """What is looked for in an answer while it passes."""

    NONE = 0
    READ = 1  # the value must be one that was written to this key, whole, and no older than the last acknowledged
    WRITE = 2  # writes a stamped value: its acknowledgement makes earlier values of the key wrong
    DELETE = 3  # its acknowledgement makes every value of the key wrong
    CONTAINS = 4  # the body must contain the needle
    COUNT = 5  # how often the needle occurs in the body goes into n_items; cannot be wrong
    IDS = 6  # the ids that the answer names: n_items; those among the true neighbours: n_hits; cannot be wrong


class Slot(NamedTuple):
    """A place in a request that differs from send to send. at: byte offset in `raw`. value: which drawn value."""

    at: int
    kind: SlotKind = SlotKind.ID
    width: int = SLOT_BYTES
    value: int = 0


class Request(NamedTuple):
    """One ready-to-send request. In its slots bytes b"0" wait to be written over.

    body: (from, n_bytes) of the pool's bodies, sent at `body_at` of raw: large contents that are never copied.
    steps: byte offsets in raw, rising, none of them 0 or the end: the engine waits there for the server (PostgreSQL's
    ReadyForQuery) before it goes on; the request is the whole.
    key: what READ, WRITE and DELETE are about; NO_KEY: the first drawn value.
    crc: the CRC-32C register (before the final complement) of the value up to its stamp.
    expect_status: 0: any from 200 to 299.
    """

    raw: bytes
    slots: tuple[Slot, ...] = ()
    operation: int = 0
    check: Check = Check.NONE
    key: int = NO_KEY
    crc: int = 0xFFFFFFFF
    body_at: int = -1
    body: tuple[int, int] = (0, 0)
    steps: tuple[int, ...] = ()
    expect_status: int = 0
    expects_no_body: bool = False  # HEAD
    needle: bytes = b""  # at most 255 bytes
    neighbours: tuple[int, ...] = ()  # the true ones' ids


PAYLOAD_DTYPE = np.dtype(
    [
        ("raw_from", "<i8"),
        ("raw_bytes", "<i8"),
        ("body_from", "<i8"),
        ("body_bytes", "<i8"),
        ("key", "<i8"),
        ("crc", "<u4"),
        ("body_at", "<i4"),
        ("slot_from", "<i4"),
        ("n_slots", "<i4"),
        ("step_from", "<i4"),
        ("n_steps", "<i4"),
        ("needle_from", "<i4"),
        ("needle_bytes", "<i4"),
        ("neighbour_from", "<i4"),
        ("n_neighbours", "<i4"),
        ("expect_status", "<u2"),
        ("operation", "u1"),
        ("check", "u1"),
        ("expects_no_body", "u1"),
        ("unused", "V3"),
    ]
)
"""One request of a pool; ext/core/payload.pxd has the same. `*_from` count into the pool's other arrays."""

SLOT_DTYPE = np.dtype([("at", "<i4"), ("kind", "u1"), ("width", "u1"), ("value", "u1"), ("unused", "u1")])


@dataclass(frozen=True)
class Pool:
    """All different requests of a run, laid end to end.

    raw, bodies, needles: uint8. payloads: shape (n,), PAYLOAD_DTYPE. slots: SLOT_DTYPE, those of a request by rising
    place. steps: int32. neighbours: int64.
    """

    raw: NDArray[np.uint8]
    payloads: NDArray[Any]
    slots: NDArray[Any]
    steps: NDArray[np.int32]
    needles: NDArray[np.uint8]
    neighbours: NDArray[np.int64]
    bodies: NDArray[np.uint8]

    def __len__(self) -> int:
        return len(self.payloads)

    def text(self, payload: int) -> bytes:
        """A request's raw bytes, slots as zeros, its body left out."""
        entry = self.payloads[payload]
        return self.raw[entry["raw_from"] : entry["raw_from"] + entry["raw_bytes"]].tobytes()

    def slots_of(self, payload: int) -> tuple[Slot, ...]:
        entry = self.payloads[payload]
        rows = self.slots[entry["slot_from"] : entry["slot_from"] + entry["n_slots"]].tolist()
        return tuple(Slot(at, SlotKind(kind), width, value) for at, kind, width, value, _ in rows)


class Dues(NamedTuple):
    """The draws for some consecutive indexes.

    payload: shape (n,), uint32, index into the pool.
    when_ns: shape (n,), int64. Open loop: the planned instant, ns since the run began, never falling. Closed loop: the
    pause between the instant the slot became free and the planned instant (think time; 0 without).
    values: shape (n, MAX_VALUES), int32: what VALUE slots are filled with; None where no request has such a slot.
    """

    payload: NDArray[np.uint32]
    when_ns: NDArray[np.int64]
    values: NDArray[np.int32] | None = None


@dataclass(frozen=True)
class Operation:
    """service: which of several named services it belongs to; "" where there is one.

    top_k: how many true neighbours an answer could name; 0: recall is not asked.
    """

    name: str
    expects_tokens: bool = False  # an answer without generated content is empty_output
    service: str = ""
    top_k: int = 0


Values = Callable[[int, int], NDArray[np.int32]]
"""draw(first, count): shape (count, MAX_VALUES). A pure function of its arguments and the seed."""


class Work(NamedTuple):
    """What a target wants sent: every different request, and how they are drawn.

    requests: operation after operation; sizes: how many each has; weights: the share of each.
    bodies: what the requests' `body` points into. n_keys: how many keys there are, 0: nothing is checked by key.
    n_existing: keys below it hold a value of FIRST_VERSION when the load begins.
    pipeline: so many requests are sent at once on each connection (Redis).
    renewed: gives `raw` of the whole pool anew, of the same shape, for requests whose signature ages.
    """

    requests: Iterable[Request]
    sizes: tuple[int, ...]
    weights: tuple[float, ...]
    dataset: dict[str, str | None] = {"name": None, "sha256": None}  # noqa: RUF012
    values: Values | None = None
    bodies: NDArray[np.uint8] | None = None
    n_keys: int = 0
    n_existing: int = 0
    pipeline: int = 1
    renewed: Callable[[], NDArray[np.uint8]] | None = None


RENEW_AFTER_NS = 8 * 60 * 1_000_000_000
"""How old requests with a signature get before Plan.renewed is asked for new ones."""


@dataclass(frozen=True)
class Plan:
    """Everything an engine needs to know before the first send. Durations in ns; None: no such limit.

    draw(first, count) gives the Dues of indexes first .. first + count - 1: the same whatever the block size and order
    of calls. In an open loop it may return fewer: then the schedule has ended.
    """

    wire: Wire
    pool: Pool
    operations: tuple[Operation, ...]
    draw: Callable[[int, int], Dues]
    open_loop: bool
    connections: int  # closed loop: the concurrency
    threads: int
    warmup_ns: int  # with warmup_requests None: the window begins here
    warmup_requests: int | None  # these first are the warm-up; the window begins with the next one's planned instant
    duration_ns: int | None  # of the window
    requests: int | None  # of the window, the warm-up's not among them
    drain_ns: int
    timeout_ns: int
    give_up_ns: int
    fail_on_truncated: bool  # finish_reason length is a failure
    seed: int
    digest: str  # sha256 hex over the pool (slots as zeros), the first draws and the limits
    dataset: dict[str, str | None]  # {name, sha256}
    pipeline: int = 1  # requests a connection sends at once
    value_tag: bytes = b"00000000"  # the tag of stamps; the same for a run and the fill before it
    n_keys: int = 0
    n_existing: int = 0
    is_fill: bool = False  # writes have FIRST_VERSION, however many there are
    renewed: Callable[[], NDArray[np.uint8]] | None = None

    @property
    def n_requests(self) -> int | None:
        """Warm-up and window together, where a count is given."""
        if self.requests is None:
            return None
        return self.requests + (self.warmup_requests or 0)


def pool_of(requests: Iterable[Request], bodies: NDArray[np.uint8] | None = None) -> Pool:
    """Lay requests end to end."""
    laid = _Laid()
    for request in requests:
        laid.add(request)
    return Pool(
        raw=np.frombuffer(bytes(laid.raw) or b"\0", np.uint8),
        payloads=np.array(laid.payloads, PAYLOAD_DTYPE),
        slots=np.array(laid.slots, SLOT_DTYPE),
        steps=np.array(laid.steps, np.int32),
        needles=np.frombuffer(bytes(laid.needles), np.uint8),
        neighbours=np.array(laid.neighbours, np.int64),
        bodies=np.empty(0, np.uint8) if bodies is None else bodies,
    )


class _Laid:
    """Requests being laid end to end."""

    def __init__(self) -> None:
        self.raw, self.needles = bytearray(), bytearray()
        self.payloads: list[tuple[Any, ...]] = []
        self.slots: list[tuple[int, ...]] = []
        self.steps: list[int] = []
        self.neighbours: list[int] = []

    def add(self, request: Request) -> None:
        assert len(request.slots) <= MAX_SLOTS
        assert len(request.needle) <= 255
        self.payloads.append(
            (
                *(len(self.raw), len(request.raw), *request.body, request.key, request.crc, request.body_at),
                *(len(self.slots), len(request.slots), len(self.steps), len(request.steps)),
                *(len(self.needles), len(request.needle), len(self.neighbours), len(request.neighbours)),
                *(request.expect_status, request.operation, request.check, request.expects_no_body, b""),
            )
        )
        self.raw += request.raw
        self.slots += [(slot.at, slot.kind, slot.width, slot.value, 0) for slot in sorted(request.slots)]
        self.steps += request.steps
        self.needles += request.needle
        self.neighbours += request.neighbours
