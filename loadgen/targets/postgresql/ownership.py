"""Whose a table is. Ours bear a comment. What bears none is somebody's: it is never removed, and worked on only where
the recipe says so.
"""

import time
from collections.abc import Sequence
from typing import NamedTuple

from loadgen import __version__
from loadgen.errors import TargetError
from loadgen.targets.postgresql.client import Session
from loadgen.targets.postgresql.tables import TableSet

MARK = "loadgen"
"""How the comment begins, and the application_name of our sessions."""

OTHERS_WITHIN_S = 5.0
BETWEEN_LOOKS_S = 0.1
REMOVE_TIMEOUT_S = 60.0


class Found(NamedTuple):
    """A table that was there before."""

    name: str
    is_ours: bool


def found(session: Session, names: Sequence[str]) -> list[Found]:
    """Those that are there."""
    listed = ", ".join(f"'{name}'" for name in names)
    rows = session.ask(
        "SELECT name, coalesce(obj_description(to_regclass(name), 'pg_class'), '') "
        f"FROM unnest(ARRAY[{listed}]) AS name WHERE to_regclass(name) IS NOT NULL"
    )
    return [Found(name or "", (comment or "").startswith(MARK)) for name, comment in rows]


def check_ownership(session: Session, sets: Sequence[TableSet], reuse: bool) -> None:
    """Raises TargetError for tables that are somebody's."""
    foreign = [one.name for tables in sets for one in found(session, tables.names) if not one.is_ours]
    if foreign and not reuse:
        raise TargetError(
            f"{' and '.join(foreign)}: there already, and not loadgen's. Left alone: say workload.reuse: true to "
            "work on what is there, or name another service.database"
        )


def are_all_there(session: Session, tables: TableSet) -> bool:
    """Raises TargetError where only some are: others cannot be made beside them without touching those."""
    there = {one.name for one in found(session, tables.names)}
    missing = [name for name in tables.names if name not in there]
    if there and missing:
        raise TargetError(f"{' and '.join(sorted(there))} cannot be used again: {' and '.join(missing)} is not there")
    return bool(there)


def application_name(sets: Sequence[TableSet]) -> str:
    """What the server shows of our sessions: on which tables they work."""
    return " ".join([MARK, *(tables.names[0] for tables in sets)])


def wait_for_others(session: Session, sets: Sequence[TableSet]) -> None:
    """A run that has just ended leaves its connections to the server for a moment.

    Raises TargetError for one that goes on working with the same tables.
    """
    ours = {tables.names[0] for tables in sets}
    give_up_at = time.monotonic() + OTHERS_WITHIN_S
    while shared := ours & _worked_on(session):
        if time.monotonic() > give_up_at:
            raise TargetError(f"another loadgen is at work on {min(shared)} in this database")
        time.sleep(BETWEEN_LOOKS_S)


def _worked_on(session: Session) -> set[str]:
    rows = session.ask(
        "SELECT application_name FROM pg_stat_activity WHERE datname = current_database() "
        f"AND pid <> pg_backend_pid() AND application_name LIKE '{MARK} %'"
    )
    return {name for (names,) in rows for name in (names or "").split()[1:]}


def make_empty(session: Session, tables: TableSet) -> None:
    """In one transaction: there is no moment at which a table of ours is without its mark."""
    statements = [f"DROP TABLE IF EXISTS {name}" for name in tables.names]
    statements += tables.create()
    statements += [f"COMMENT ON TABLE {name} IS '{MARK} {__version__}: made for a run'" for name in tables.names]
    session.ask("; ".join(statements))


def remove(session: Session, names: Sequence[str]) -> None:
    """Those of ours among them."""
    ours = [one.name for one in found(session, names) if one.is_ours]
    if ours:
        session.ask(f"DROP TABLE {', '.join(ours)}", REMOVE_TIMEOUT_S)
