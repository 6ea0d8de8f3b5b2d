"""PostgreSQL, and what speaks its protocol."""

from typing import Any

from loadgen.recipe.kinds import Kind
from loadgen.targets.postgresql.models import PostgresqlService, PostgresqlWorkload


def _target(recipe: Any) -> Any:
    from loadgen.targets.postgresql.target import PostgresqlTarget

    return PostgresqlTarget(recipe)


KIND = Kind(
    PostgresqlService,
    PostgresqlWorkload,
    _target,
    metrics=frozenset({"recall"}),
    about="PostgreSQL: rows, pgbench's transaction, statements of your own, vectors with pgvector",
)
