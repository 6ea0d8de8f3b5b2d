"""What a workload's operations are: on which tables they work, which requests they send, and what is checked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

from loadgen.plan.keys import key_values
from loadgen.plan.model import Check, Operation, Request, Values, Work
from loadgen.plan.stamps import CRC_START, crc32c, filler
from loadgen.targets.postgresql import tpcb
from loadgen.targets.postgresql.models import PostgresqlWorkload
from loadgen.targets.postgresql.statements import (
    Call,
    Value,
    number,
    prepared_request,
    simple_request,
    value_of,
)
from loadgen.targets.postgresql.tables import INSERTS, ROWS, InsertTable, RowTable, TableSet, TpcbTables, VectorTable
from loadgen.targets.postgresql.vectors import VectorData
from loadgen.targets.slots import ID, KEY, STAMP


class Asked(NamedTuple):
    """One request before it is encoded."""

    calls: Sequence[Call]
    check: Check = Check.NONE
    crc: int = 0
    neighbours: tuple[int, ...] = ()


@dataclass(frozen=True)
class Operations:
    """A workload, and the seed of its draws."""

    workload: PostgresqlWorkload
    seed: int

    @property
    def listed(self) -> tuple[Operation, ...]:
        recall = self.workload.top_k if self.workload.check else 0
        return tuple(Operation(name, top_k=recall if name == "vector_search" else 0) for name in self.workload.weights)

    @property
    def rows(self) -> RowTable:
        return RowTable(self.workload.rows, self.workload.value_bytes, self.seed)

    @cached_property
    def vectors(self) -> VectorData:
        workload = self.workload
        return VectorData(workload.rows, workload.dimensions, workload.top_k, workload.distance, self.seed)

    @property
    def works_on_rows(self) -> bool:
        return not self.workload.usual.keys().isdisjoint(("select", "update"))

    @property
    def tables(self) -> list[TableSet]:
        usual, made = self.workload.usual, list[TableSet]()
        if self.works_on_rows:
            made.append(self.rows)
        if "insert" in usual:
            made.append(InsertTable())
        if "vector_search" in usual:
            made.append(VectorTable(self.vectors, self.workload.index, self.workload.check))
        if "tpcb" in usual:
            made.append(TpcbTables(self.workload.scale))
        return made

    @cached_property
    def statements(self) -> tuple[str, ...]:
        """Every SQL that is prepared: s0, s1, …"""
        if not self.workload.prepared:
            return ()
        firsts = (next(self._asked(name, False)) for name in self.workload.weights)
        return tuple(dict.fromkeys(call.sql for asked in firsts for call in asked.calls))

    def work(self, is_checked: bool) -> Work:
        """is_checked: whether the rows' values bear stamps that can be held against what was written."""
        sizes = tuple(len(self.vectors.queries) if name == "vector_search" else 1 for name in self.workload.weights)
        n_keys = self.workload.rows if is_checked and self.works_on_rows else 0
        return Work(
            requests=tuple(self._requests(is_checked)),
            sizes=sizes,
            weights=tuple(self.workload.weights.values()),
            dataset={"name": self._dataset(), "sha256": None},
            values=self._values(),
            n_keys=n_keys,
            n_existing=n_keys,
        )

    def _requests(self, is_checked: bool) -> Iterator[Request]:
        numbers = {sql: number for number, sql in enumerate(self.statements)}
        for operation, name in enumerate(self.workload.weights):
            for asked in self._asked(name, is_checked):
                known = asked._asdict() | {"operation": operation}
                calls = known.pop("calls")
                if self.workload.prepared:
                    yield prepared_request(calls, numbers, **known)
                else:
                    yield simple_request(calls, **known)

    def _asked(self, name: str, is_checked: bool) -> Iterator[Asked]:
        """Every different request of an operation."""
        if name not in self.workload.usual:
            own = next(one for one in self.workload.statements or () if one.name == name)
            yield Asked([Call(own.sql, tuple(map(value_of, own.params)))])
        elif name == "select":
            check = Check.READ if is_checked else Check.NONE
            yield Asked([Call(f"SELECT value FROM {ROWS} WHERE id = $1", (number(KEY),))], check)
        elif name == "update":
            yield self._update(is_checked)
        elif name == "insert":
            yield Asked([Call(f"INSERT INTO {INSERTS} (id, value) VALUES ($1, $2)", (Value((ID,)), self._filler))])
        elif name == "vector_search":
            yield from self._searches()
        else:
            yield Asked(tpcb.transaction(self.workload.scale))

    def _update(self, is_checked: bool) -> Asked:
        sql = f"UPDATE {ROWS} SET value = $1 WHERE id = $2"
        if not is_checked:
            return Asked([Call(sql, (self._filler, number(KEY)))])
        before = self.rows.filler
        return Asked([Call(sql, (Value((before, STAMP)), number(KEY)))], Check.WRITE, crc32c(CRC_START, before))

    @property
    def _filler(self) -> Value:
        """A whole value without a stamp."""
        return Value((filler(self.seed, self.workload.value_bytes),))

    def _searches(self) -> Iterator[Asked]:
        calls = self.vectors.calls()
        if not self.workload.check:
            yield from (Asked([call]) for call in calls)
            return
        for call, neighbours in zip(calls, self.vectors.neighbours, strict=True):
            yield Asked([call], Check.IDS, neighbours=neighbours)

    def _values(self) -> Values:
        if "tpcb" in self.workload.usual:
            return tpcb.values(self.seed, self.workload.scale)
        return key_values(self.seed, self.workload.rows, self.workload.key_distribution)

    def _dataset(self) -> str:
        """What a person calls the data."""
        workload = self.workload
        parts = []
        if self.works_on_rows:
            parts.append(f"{workload.rows} rows of {workload.value_bytes} bytes, {workload.key_distribution}")
        if "vector_search" in workload.usual:
            parts.append(f"{workload.rows} vectors of {workload.dimensions} dimensions")
        if "tpcb" in workload.usual:
            parts.append(f"pgbench, scale {workload.scale}")
        return "; ".join(parts) or "statements"
