"""After the load: whether what the server acknowledged is there, and whether its books balance."""

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.stamps import read_stamp
from loadgen.targets.base import Finding
from loadgen.targets.postgresql import tpcb
from loadgen.targets.postgresql.client import Session
from loadgen.targets.postgresql.tables import ROWS

READ_BACK, SUMS = "read back", "tpcb sums"
MAX_KEYS = 1_000
BATCH = 250
SUMS_TIMEOUT_S = 300.0
"""All accounts are read."""


class Books(NamedTuple):
    """pgbench's sums at one instant. n: transactions in the history."""

    branches: int
    tellers: int
    accounts: int
    history: int
    n: int


def books_of(session: Session) -> Books:
    """Raises TargetError."""
    (row,) = session.ask(tpcb.SUMS, SUMS_TIMEOUT_S)
    return Books(*(int(text or 0) for text in row))


def check_books(session: Session, before: Books) -> Finding:
    """Each transaction adds its amount once to each of the four, or to none. Raises TargetError."""
    now = books_of(session)
    branches, tellers, accounts, history, n = (after - was for after, was in zip(now, before, strict=True))
    parts = {"branches": branches, "tellers": tellers, "accounts": accounts}
    wrong = [f"{name} by {amount}" for name, amount in parts.items() if amount != history]
    if wrong:
        return Finding(SUMS, 3, len(wrong), f"the history grew by {history}, {', '.join(wrong)}")
    return Finding(SUMS, 3, 0, f"branches, tellers, accounts and history agree: {history} in {n} transactions")


def read_back(session: Session, keys: NDArray[Any]) -> Finding:
    """Rows whose update was acknowledged, against the oldest version that they may have.

    keys: shape (n_keys,), KEY_DTYPE. Raises TargetError.
    """
    chosen = _chosen(keys)
    wrong = list(_wrong(session, keys["floor"], chosen))
    text = f"{len(chosen)} rows read back: " + (f"{len(wrong)} wrong; {wrong[0]}" if wrong else "all right")
    return Finding(READ_BACK, len(chosen), len(wrong), text)


def _chosen(keys: NDArray[Any]) -> list[int]:
    """Rows that were updated, evenly over all of them; rows that were not, where none was."""
    updated = np.flatnonzero(keys["floor"] > 1)
    some = updated if len(updated) else np.arange(len(keys))
    places = np.linspace(0, len(some) - 1, min(MAX_KEYS, len(some))).astype(np.int64)
    numbers: list[int] = some[places].tolist()
    return numbers


def _wrong(session: Session, floors: NDArray[np.uint32], chosen: list[int]) -> Iterator[str]:
    """A line for each row that is not as it should be."""
    for first in range(0, len(chosen), BATCH):
        numbers = chosen[first : first + BATCH]
        rows = session.ask(f"SELECT id, value FROM {ROWS} WHERE id IN ({', '.join(map(str, numbers))})")
        values = {int(key or -1): value for key, value in rows}
        for number in numbers:
            reason = _why_wrong(values.get(number), number, int(floors[number]))
            if reason:
                yield f"row {number}: {reason}"


def _why_wrong(value: str | None, key: int, floor: int) -> str | None:
    if value is None:
        return f"no value, though version {floor} was acknowledged"
    stamp = read_stamp(value.encode())
    if stamp is None:
        return "the value is torn"
    if stamp.key != key:
        return f"the value of row {stamp.key}"
    return None if stamp.version >= floor else f"version {stamp.version}, though {floor} was acknowledged"
