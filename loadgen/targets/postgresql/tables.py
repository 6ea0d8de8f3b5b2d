"""The tables that loadgen's own operations work on: made and filled, or looked over where they are there already."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from loadgen.errors import TargetError
from loadgen.plan.model import KEY_DIGITS, STAMP_BYTES
from loadgen.plan.stamps import CRC_START, NO_TAG, crc32c, digits, filler, read_stamp, stamps
from loadgen.targets.postgresql import tpcb
from loadgen.targets.postgresql.client import Refusal, Session
from loadgen.targets.postgresql.vectors import VECTORS, VectorData, texts_of, vector_of

ROWS, INSERTS = "loadgen_rows", "loadgen_inserts"

COPY_ROWS = 5_000
"""Rows a message of COPY."""

N_LOOKED_AT = 100

Progress = Callable[[int, int], None]
"""How many rows are there, and how many there will be."""


class TableSet(Protocol):
    """Tables that belong together."""

    @property
    def names(self) -> Sequence[str]:
        """The first one stands for all."""

    def create(self) -> Iterator[str]:
        """One statement a table."""

    def fill(self, session: Session, progress: Progress) -> None:
        """Bring in all rows, and what must come after them. The tables are there, and empty."""

    def check_fit(self, session: Session) -> None:
        """Raises TargetError where tables that are there already are not as the recipe needs them."""


@dataclass(frozen=True)
class RowTable:
    """A number and a value each. Values end in a stamp of FIRST_VERSION, where they are long enough."""

    n_rows: int
    value_bytes: int
    seed: int
    names: Sequence[str] = (ROWS,)

    @property
    def is_stamped(self) -> bool:
        return self.value_bytes >= STAMP_BYTES

    @property
    def filler(self) -> bytes:
        """What stands before the stamp, or all of the value."""
        return filler(self.seed, self.value_bytes - (STAMP_BYTES if self.is_stamped else 0))

    def create(self) -> Iterator[str]:
        yield f"CREATE TABLE {ROWS} (id bigint PRIMARY KEY, value text NOT NULL)"

    def fill(self, session: Session, progress: Progress) -> None:
        session.copy_in(f"COPY {ROWS} (id, value) FROM STDIN", self._lines(progress))
        session.ask(f"VACUUM ANALYZE {ROWS}")

    def _lines(self, progress: Progress) -> Iterator[bytes]:
        """All of one width, so that they are columns of a matrix."""
        register, before = crc32c(CRC_START, self.filler), np.frombuffer(b"\t" + self.filler, np.uint8)
        for first in range(0, self.n_rows, COPY_ROWS):
            keys = np.arange(first, min(first + COPY_ROWS, self.n_rows), dtype=np.int64)
            columns = [digits(keys, KEY_DIGITS), np.tile(before, (len(keys), 1))]
            if self.is_stamped:
                columns.append(stamps(register, NO_TAG, keys))
            yield np.hstack([*columns, np.full((len(keys), 1), ord("\n"), np.uint8)]).tobytes()
            progress(first + len(keys), self.n_rows)

    def check_fit(self, session: Session) -> None:
        n = int(session.ask_one(f"SELECT count(value) FROM {ROWS} WHERE id BETWEEN 0 AND {self.n_rows - 1}") or 0)
        if n < self.n_rows:
            raise TargetError(f"{ROWS} has {n} of the rows 0 to {self.n_rows - 1}: give workload.rows what it has")

    def are_stamped(self, session: Session) -> bool:
        """Whether the values that are there can be checked."""
        sql = f"SELECT id, value FROM {ROWS} WHERE id < {self.n_rows} ORDER BY random() LIMIT {N_LOOKED_AT}"
        read = [(key, read_stamp((value or "").encode())) for key, value in session.ask(sql)]
        return all(stamp is not None and stamp.key == int(key or -1) for key, stamp in read)


@dataclass(frozen=True)
class InsertTable:
    """What `insert` brings in, under the request's own id."""

    names: Sequence[str] = (INSERTS,)

    def create(self) -> Iterator[str]:
        yield f"CREATE TABLE {INSERTS} (id text PRIMARY KEY, value text NOT NULL)"

    def fill(self, session: Session, progress: Progress) -> None:
        """It begins empty."""

    def check_fit(self, session: Session) -> None:
        session.ask(f"SELECT id, value FROM {INSERTS} LIMIT 0")


@dataclass(frozen=True)
class TpcbTables:
    """pgbench's four."""

    scale: int
    names: Sequence[str] = tpcb.TABLES

    def create(self) -> Iterator[str]:
        return tpcb.create()

    def fill(self, session: Session, progress: Progress) -> None:
        for n_accounts, sql in tpcb.fill(self.scale):
            session.ask(sql)
            progress(n_accounts, self.scale * tpcb.ACCOUNTS)
        for sql in tpcb.finish():
            session.ask(sql)

    def check_fit(self, session: Session) -> None:
        scale = int(session.ask_one("SELECT count(*) FROM pgbench_branches") or 0)
        session.ask("SELECT tid, bid, aid, delta, mtime FROM pgbench_history LIMIT 0")
        if scale != self.scale:
            raise TargetError(f"pgbench_branches has {scale} rows: give workload.scale: {scale}")


@dataclass(frozen=True)
class VectorTable:
    """A number and a vector each, and pgvector's index over them. index: hnsw, ivfflat or none."""

    vectors: VectorData
    index: str
    is_checked: bool
    names: Sequence[str] = (VECTORS,)

    def create(self) -> Iterator[str]:
        yield f"CREATE TABLE {VECTORS} (id bigint PRIMARY KEY, embedding vector({self.vectors.dimensions}) NOT NULL)"

    def fill(self, session: Session, progress: Progress) -> None:
        session.copy_in(f"COPY {VECTORS} (id, embedding) FROM STDIN", self._lines(progress))
        if self.index != "none":
            session.ask(f"CREATE INDEX ON {VECTORS} USING {self.index} (embedding {self.vectors.operator_class})")
        session.ask(f"VACUUM ANALYZE {VECTORS}")

    def _lines(self, progress: Progress) -> Iterator[bytes]:
        for first in range(0, self.vectors.n, COPY_ROWS):
            texts = texts_of(self.vectors.base[first : first + COPY_ROWS])
            lines = [b"%d\t%s\n" % (key, text) for key, text in enumerate(texts, first)]
            yield b"".join(lines)
            progress(first + len(lines), self.vectors.n)

    def check_fit(self, session: Session) -> None:
        sql = f"SELECT atttypmod FROM pg_attribute WHERE attrelid = to_regclass('{VECTORS}') AND attname = 'embedding'"
        dimensions = int(session.ask_one(sql) or -1)
        if dimensions not in (-1, self.vectors.dimensions):
            wanted = f"workload.dimensions is {self.vectors.dimensions}"
            raise TargetError(f"{VECTORS} has vectors of {dimensions} dimensions, and {wanted}")
        if self.is_checked and not self._has_ours(session):
            raise TargetError(
                f"{VECTORS} has other vectors than this recipe draws, so that nobody knows the true neighbours: "
                "say workload.check: false, or give rows, dimensions and seed of the run that made it"
            )

    def _has_ours(self, session: Session) -> bool:
        if int(session.ask_one(f"SELECT count(*) FROM {VECTORS}") or 0) != self.vectors.n:
            return False
        chosen = sorted({0, self.vectors.n // 2, self.vectors.n - 1})
        listed = ", ".join(map(str, chosen))
        rows = session.ask(f"SELECT embedding FROM {VECTORS} WHERE id IN ({listed}) ORDER BY id")
        texts = [text or "" for (text,) in rows]
        return len(texts) == len(chosen) and all(
            np.array_equal(vector_of(text), self.vectors.base[key]) for key, text in zip(chosen, texts, strict=True)
        )


def make_extension(session: Session) -> bool:
    """pgvector's, in this database. Returns whether it was not there before. Raises TargetError."""
    if session.ask_one("SELECT 1 FROM pg_extension WHERE extname = 'vector'"):
        return False
    try:
        session.ask("CREATE EXTENSION IF NOT EXISTS vector")
    except Refusal as error:
        raise TargetError(f"vector_search needs the extension pgvector: {error}") from None
    return True
