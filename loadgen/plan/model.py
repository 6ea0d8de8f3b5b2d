"""What an engine is given: encoded requests, and for each index of the run which of them and when."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import IntEnum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

SLOT_BYTES = 28
"""Width of a slot. The engine writes `<run tag>-<index>`, the index zero-padded so that it is SLOT_BYTES wide."""

NO_SLOT = -1


class Wire(IntEnum):
    """Which reader the answers need."""

    OPENAI = 0  # SSE, or one JSON document
    OLLAMA = 1  # NDJSON, or one JSON document
    HTTP = 2  # any body; counted, not read


Prompt = str | list[dict[str, Any]]
"""A text, or a chat's messages."""


class Draft(NamedTuple):
    """A request before a target encodes it. Plain HTTP needs no more than the operation.

    operation: index into the target's operations. has_nonce: synthetic.NONCE stands in the prompt.
    """

    operation: int
    prompt: Prompt = ""
    output_tokens: int = 0
    has_nonce: bool = False


class Request(NamedTuple):
    """One ready-to-send request. Slots are byte offsets into `raw`; SLOT_BYTES bytes b"0" wait there to be written."""

    raw: bytes
    id_at: int  # the X-Request-Id's value; NO_SLOT: none
    nonce_at: int = NO_SLOT  # at the prompt's start; makes a prompt that no prefix cache has seen
    operation: int = 0  # index into Plan.operations


@dataclass(frozen=True)
class Pool:
    """All different requests of a run, end to end in one array.

    raw: shape (n_bytes,), uint8. from_byte: shape (n + 1,), int64. The rest: shape (n,), int32; slot offsets count
    from the request's first byte.
    """

    raw: NDArray[np.uint8]
    from_byte: NDArray[np.int64]
    id_at: NDArray[np.int32]
    nonce_at: NDArray[np.int32]
    operation: NDArray[np.int32]

    def __len__(self) -> int:
        return len(self.id_at)


class Dues(NamedTuple):
    """The draws for some consecutive indexes.

    payload: shape (n,), uint32, index into the pool.
    when_ns: shape (n,), int64. Open loop: the planned instant, ns since the run began, never falling. Closed loop: the
    pause between the instant the slot became free and the planned instant (think time; 0 without).
    """

    payload: NDArray[np.uint32]
    when_ns: NDArray[np.int64]


@dataclass(frozen=True)
class Operation:
    name: str
    expects_tokens: bool  # an answer without generated content is empty_output


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

    @property
    def n_requests(self) -> int | None:
        """Warm-up and window together, where a count is given."""
        if self.requests is None:
            return None
        return self.requests + (self.warmup_requests or 0)


def pool_of(requests: Iterator[Request]) -> Pool:
    """Lay requests end to end."""
    kept = list(requests)
    lengths = np.array([len(request.raw) for request in kept], np.int64)
    return Pool(
        raw=np.frombuffer(b"".join(request.raw for request in kept), np.uint8),
        from_byte=np.concatenate(([0], np.cumsum(lengths))).astype(np.int64),
        id_at=np.array([request.id_at for request in kept], np.int32),
        nonce_at=np.array([request.nonce_at for request in kept], np.int32),
        operation=np.array([request.operation for request in kept], np.int32),
    )
