"""Plans built by hand, so that the engines' tests need no recipe and no draws."""

import json
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from loadgen.plan.model import MAX_VALUES, SLOT_BYTES, Dues, Operation, Plan, Pool, Request, Slot, Wire, pool_of
from loadgen.units import NS_PER_MS, NS_PER_S

SLOT = b"0" * SLOT_BYTES
CHAT = Operation("chat", expects_tokens=True)
EMBEDDINGS = Operation("embeddings", expects_tokens=False)
PLAIN = Operation("get", expects_tokens=False)
LONG_NS = 60 * NS_PER_S
"""A limit that no test reaches."""


def chat_request(prompt: str = "hello", *, operation: int = 0, path: str = "/v1/chat/completions") -> Request:
    """A POST with both slots: the X-Request-Id, and a nonce at the prompt's start."""
    content = json.dumps({"messages": [{"role": "user", "content": SLOT.decode() + " " + prompt}], "stream": True})
    head = (
        f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
        f"X-Request-Id: {SLOT.decode()}\r\nContent-Length: {len(content)}\r\n\r\n"
    )
    raw = (head + content).encode()
    first = raw.index(SLOT)
    return Request(raw, (Slot(first), Slot(raw.index(SLOT, first + 1))), operation)


def get_request(path: str = "/") -> Request:
    """A GET with an X-Request-Id."""
    raw = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Request-Id: {SLOT.decode()}\r\n\r\n".encode()
    return Request(raw, (Slot(raw.index(SLOT)),))


def closed(pauses_ns: Sequence[int] = (0,)) -> Callable[[int, int], Dues]:
    """Pauses by index; the last one for ever."""

    def draw(first: int, count: int) -> Dues:
        at = np.minimum(np.arange(first, first + count), len(pauses_ns) - 1)
        return Dues(np.zeros(count, np.uint32), np.array(pauses_ns, np.int64)[at])

    return draw


def opened(when_ns: Sequence[int]) -> Callable[[int, int], Dues]:
    """Arrivals at these instants, and then no more."""

    def draw(first: int, count: int) -> Dues:
        instants = np.array(when_ns[first : first + count], np.int64)
        return Dues(np.zeros(len(instants), np.uint32), instants)

    return draw


def every(gap_ns: int) -> Callable[[int, int], Dues]:
    """An arrival every so many ns, for ever; the first after one gap."""

    def draw(first: int, count: int) -> Dues:
        return Dues(np.zeros(count, np.uint32), (np.arange(first, first + count, dtype=np.int64) + 1) * gap_ns)

    return draw


def over_pool(draw: Callable[[int, int], Dues], n_payloads: int) -> Callable[[int, int], Dues]:
    """The same draws, each index with the pool's next request."""

    def drawn(first: int, count: int) -> Dues:
        when_ns = draw(first, count).when_ns
        return Dues((np.arange(first, first + len(when_ns)) % n_payloads).astype(np.uint32), when_ns)

    return drawn


def with_values(draw: Callable[[int, int], Dues], values: Callable[[int], Sequence[int]]) -> Callable[[int, int], Dues]:
    """The same draws, each index with values of its own; what is not given is 0."""

    def drawn(first: int, count: int) -> Dues:
        dues = draw(first, count)
        rows = np.zeros((len(dues.when_ns), MAX_VALUES), np.int32)
        for place in range(len(rows)):
            own = values(first + place)
            rows[place, : len(own)] = own
        return dues._replace(values=rows)

    return drawn


def plan_of(requests: int | None = 1, *, pool: Pool | None = None, **changes: Any) -> Plan:
    """A closed loop of one client that sends so many chat requests; what differs is named."""
    settings: dict[str, Any] = {
        "wire": Wire.OPENAI,
        "pool": pool or pool_of(iter([chat_request()])),
        "operations": (CHAT,),
        "draw": closed(),
        "open_loop": False,
        "connections": 1,
        "threads": 1,
        "warmup_ns": 0,
        "warmup_requests": None,
        "duration_ns": None,
        "requests": requests,
        "drain_ns": LONG_NS,
        "timeout_ns": LONG_NS,
        "give_up_ns": LONG_NS,
        "fail_on_truncated": False,
        "seed": 0,
        "digest": "0" * 64,
        "dataset": {"name": None, "sha256": None},
    }
    return Plan(**{**settings, **changes})


def open_plan_of(when_ns: Sequence[int], **changes: Any) -> Plan:
    """An open loop with these arrivals."""
    return plan_of(**{"requests": None, "open_loop": True, "connections": 8, "draw": opened(when_ns), **changes})


def plain_plan_of(requests: int | None = 1, **changes: Any) -> Plan:
    """GETs whose answers are counted, not read."""
    return plan_of(
        requests, **{"wire": Wire.HTTP, "pool": pool_of(iter([get_request()])), "operations": (PLAIN,), **changes}
    )


def ollama_plan_of(requests: int | None = 1, **changes: Any) -> Plan:
    return plan_of(requests, **{"wire": Wire.OLLAMA, **changes})


MS = NS_PER_MS
S = NS_PER_S
