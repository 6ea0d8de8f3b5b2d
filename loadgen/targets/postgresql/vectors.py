"""vector_search: the vectors, the queries near them, and pgvector's SQL for both."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np

from loadgen.targets.postgresql.statements import Call, Value
from loadgen.targets.vectors import Floats, clustered, exact_neighbours, perturbed

VECTORS = "loadgen_vectors"
N_QUERIES = 500
"""Different ones; a longer run sends them again, in other orders."""

MAX_QUERIES_BYTES = 64 << 20
BYTES_A_NUMBER = 12

PgDistance = Literal["l2", "cosine", "ip"]

_OPERATORS: dict[PgDistance, str] = {"l2": "<->", "cosine": "<=>", "ip": "<#>"}


@dataclass(frozen=True)
class VectorData:
    """Drawn when they are first asked for, and kept."""

    n: int
    dimensions: int
    top_k: int
    distance: PgDistance
    seed: int

    @cached_property
    def base(self) -> Floats:
        return clustered(self.n, self.dimensions, self.seed)

    @cached_property
    def queries(self) -> Floats:
        n = min(N_QUERIES, self.n, max(MAX_QUERIES_BYTES // (BYTES_A_NUMBER * self.dimensions), 1))
        return perturbed(self.base, n, self.seed)

    @cached_property
    def neighbours(self) -> list[tuple[int, ...]]:
        """Of each query the true ones."""
        return [tuple(row) for row in exact_neighbours(self.base, self.queries, self.top_k, self.distance).tolist()]

    @property
    def operator_class(self) -> str:
        return f"vector_{self.distance}_ops"

    def calls(self) -> Iterator[Call]:
        """One search a query."""
        sql = f"SELECT id FROM {VECTORS} ORDER BY embedding {_OPERATORS[self.distance]} $1 LIMIT {self.top_k}"
        for text in texts_of(self.queries):
            yield Call(sql, (Value((text,)),))


def texts_of(vectors: Floats) -> Iterator[bytes]:
    """As pgvector reads them; nine digits give the very number back."""
    form = "[" + ",".join(["%.9g"] * vectors.shape[1]) + "]"
    for row in vectors:
        yield (form % tuple(row.tolist())).encode()


def vector_of(text: str) -> Floats:
    return np.array(text.strip("[]").split(","), np.float32)
