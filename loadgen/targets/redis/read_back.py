"""After the load: what was acknowledged is read once more, and held against what the engine knows of each key."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from loadgen.engine.contract import Address
from loadgen.errors import TargetError
from loadgen.plan.stamps import read_stamp
from loadgen.targets.base import Finding
from loadgen.targets.redis.commands import KEY_PREFIX
from loadgen.targets.redis.keyspace import key_name
from loadgen.targets.redis.resp import Refusal, Reply
from loadgen.targets.redis.session import Session

NAME = "read back"
MAX_KEYS = 10_000
MAX_BYTES = 64 << 20
BATCH_BYTES = 256 << 10
MAX_BATCH = 500
"""Enough to find a store that loses writes; more would make people wait."""


def read_back(address: Address, keys: NDArray[Any], value_bytes: int) -> Finding:
    """keys: shape (n_keys,), KEY_DTYPE."""
    written = np.flatnonzero((keys["floor"] > 0) & (keys["latest_delete"] < keys["floor"]))
    chosen = _chosen(written, min(MAX_KEYS, max(MAX_BYTES // value_bytes, 1)))
    if not chosen:
        return Finding(NAME, 0, 0, "no write was acknowledged: nothing to read back")
    batch = min(max(BATCH_BYTES // value_bytes, 1), MAX_BATCH)
    try:
        with Session(address) as session:
            wrong = list(_wrong(session, keys["floor"], chosen, batch))
    except TargetError as error:
        return Finding(NAME, 0, 0, f"the keys could not be read back: {error}")
    text = f"{len(chosen):,} of {len(written):,} keys read back: " + (
        f"{len(wrong)} wrong; {wrong[0]}" if wrong else "all right"
    )
    return Finding(NAME, len(chosen), len(wrong), text)


def _chosen(written: NDArray[np.int64], at_most: int) -> list[int]:
    """Evenly over all keys with an acknowledged value."""
    if len(written) > at_most:
        written = written[np.linspace(0, len(written) - 1, at_most).astype(np.int64)]
    numbers: list[int] = written.tolist()
    return numbers


def _wrong(session: Session, floors: NDArray[np.uint32], chosen: list[int], batch: int) -> Iterator[str]:
    """A line for each key that is not as it should be."""
    for first in range(0, len(chosen), batch):
        numbers = chosen[first : first + batch]
        values = session.demand("MGET", *(key_name(KEY_PREFIX, number) for number in numbers))
        for number, value in zip(numbers, values if isinstance(values, list) else [], strict=True):
            reason = _why_wrong(value, number, int(floors[number]))
            if reason:
                yield f"{key_name(KEY_PREFIX, number)}: {reason}"


def _why_wrong(value: Reply, key: int, floor: int) -> str | None:
    if value is None or isinstance(value, Refusal):
        return f"no value, though version {floor} was acknowledged"
    stamp = read_stamp(value) if isinstance(value, bytes) else None
    if stamp is None:
        return "the value is torn"
    if stamp.key != key:
        return f"the value of another key, {key_name(KEY_PREFIX, stamp.key)}"
    return None if stamp.version >= floor else f"version {stamp.version}, though {floor} was acknowledged"
