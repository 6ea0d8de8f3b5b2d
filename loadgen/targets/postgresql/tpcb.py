"""pgbench's own transaction on pgbench's own tables, so that either can run where the other has been.

Source: pgbench of PostgreSQL 16, `pgbench -i -I dtGvp` and its built-in script tpcb-like; TPC-B in spirit, not by rule.
"""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.keys import key_values
from loadgen.plan.model import MAX_VALUES, SlotKind, Values
from loadgen.targets.postgresql.statements import Call, number
from loadgen.targets.slots import Mark

TELLERS, ACCOUNTS = 10, 100_000
"""A branch has so many."""

MAX_DELTA = 5_000

TABLES = ("pgbench_branches", "pgbench_tellers", "pgbench_accounts", "pgbench_history")

CREATE = {
    "pgbench_history": "tid int, bid int, aid int, delta int, mtime timestamp, filler char(22)",
    "pgbench_tellers": "tid int not null, bid int, tbalance int, filler char(84)",
    "pgbench_accounts": "aid int not null, bid int, abalance int, filler char(84)",
    "pgbench_branches": "bid int not null, bbalance int, filler char(88)",
}
KEYS = {"pgbench_branches": "bid", "pgbench_tellers": "tid", "pgbench_accounts": "aid"}

SUMS = """\
SELECT (SELECT coalesce(sum(bbalance), 0) FROM pgbench_branches),
       (SELECT coalesce(sum(tbalance), 0) FROM pgbench_tellers),
       (SELECT coalesce(sum(abalance), 0) FROM pgbench_accounts),
       (SELECT coalesce(sum(delta), 0) FROM pgbench_history),
       (SELECT count(*) FROM pgbench_history)"""


def create() -> Iterator[str]:
    for name, columns in CREATE.items():
        yield f"CREATE TABLE {name} ({columns})" + (" WITH (fillfactor=100)" if name in KEYS else "")


def fill(scale: int) -> Iterator[tuple[int, str]]:
    """Statements that bring in all rows, and how many of them accounts are there after each."""
    yield 0, f"INSERT INTO pgbench_branches (bid, bbalance) SELECT bid, 0 FROM generate_series(1, {scale}) AS bid"
    yield (
        0,
        "INSERT INTO pgbench_tellers (tid, bid, tbalance) "
        f"SELECT tid, (tid - 1) / {TELLERS} + 1, 0 FROM generate_series(1, {TELLERS * scale}) AS tid",
    )
    for branch in range(scale):
        first, last = branch * ACCOUNTS + 1, (branch + 1) * ACCOUNTS
        yield (
            last,
            "INSERT INTO pgbench_accounts (aid, bid, abalance, filler) "
            f"SELECT aid, (aid - 1) / {ACCOUNTS} + 1, 0, '' FROM generate_series({first}, {last}) AS aid",
        )


def finish() -> Iterator[str]:
    """As pgbench -i does: first vacuum, then the keys."""
    yield from (f"VACUUM ANALYZE {name}" for name in TABLES)
    yield from (f"ALTER TABLE {name} ADD PRIMARY KEY ({column})" for name, column in KEYS.items())


def transaction(scale: int) -> tuple[Call, ...]:
    """Seven round trips; the drawn values are account, branch, teller and amount."""
    limits = (ACCOUNTS * scale, scale, TELLERS * scale, -MAX_DELTA)
    aid, bid, tid, delta = (
        number(Mark(SlotKind.VALUE, len(str(limit)), column)) for column, limit in enumerate(limits)
    )
    return (
        Call("BEGIN"),
        Call("UPDATE pgbench_accounts SET abalance = abalance + $1 WHERE aid = $2", (delta, aid)),
        Call("SELECT abalance FROM pgbench_accounts WHERE aid = $1", (aid,)),
        Call("UPDATE pgbench_tellers SET tbalance = tbalance + $1 WHERE tid = $2", (delta, tid)),
        Call("UPDATE pgbench_branches SET bbalance = bbalance + $1 WHERE bid = $2", (delta, bid)),
        Call(
            "INSERT INTO pgbench_history (tid, bid, aid, delta, mtime) VALUES ($1, $2, $3, $4, CURRENT_TIMESTAMP)",
            (tid, bid, aid, delta),
        ),
        Call("END"),
    )


def values(seed: int, scale: int) -> Values:
    """As pgbench draws them: each uniform, branch and teller whether or not they are the account's own."""
    others = [(1, scale + 1), (1, TELLERS * scale + 1), (-MAX_DELTA, MAX_DELTA + 1)]
    drawn = key_values(seed, ACCOUNTS * scale, "uniform", others)
    from_one = np.array([1, 0, 0, 0], np.int32)
    assert len(from_one) == MAX_VALUES

    def draw(first: int, count: int) -> NDArray[np.int32]:
        return drawn(first, count) + from_one

    return draw
