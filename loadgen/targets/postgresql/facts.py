"""What the server says of itself: its version and settings before the load, its counters while it goes on."""

from collections.abc import Iterator
from typing import Any

from loadgen.targets.postgresql.client import Refusal, Session

SAMPLE_TIMEOUT_S = 5.0
SETTINGS_TIMEOUT_S = 60.0

SETTINGS = (
    *("max_connections", "shared_buffers", "effective_cache_size", "work_mem", "maintenance_work_mem"),
    *("fsync", "synchronous_commit", "full_page_writes", "wal_level", "wal_buffers", "wal_compression"),
    *("max_wal_size", "checkpoint_timeout", "checkpoint_completion_target", "commit_delay"),
    *("default_transaction_isolation", "autovacuum", "jit", "huge_pages", "io_method", "effective_io_concurrency"),
    *("max_parallel_workers_per_gather", "random_page_cost", "data_checksums", "block_size", "ssl"),
    *("hnsw.ef_search", "hnsw.iterative_scan", "ivfflat.probes"),
)
"""Those that decide how fast it is and what it promises; not where it lies, and nothing that may be secret."""

DATABASE_COUNTERS = (
    *("numbackends", "xact_commit", "xact_rollback", "blks_read", "blks_hit"),
    *("tup_returned", "tup_fetched", "tup_inserted", "tup_updated", "tup_deleted"),
    *("conflicts", "temp_files", "temp_bytes", "deadlocks", "checksum_failures", "blk_read_time", "blk_write_time"),
    *("session_time", "active_time", "idle_in_transaction_time"),
)
WRITER_COUNTERS = {
    "pg_stat_bgwriter": (
        *("checkpoints_timed", "checkpoints_req", "checkpoint_write_time", "checkpoint_sync_time"),
        *("buffers_checkpoint", "buffers_clean", "maxwritten_clean", "buffers_backend", "buffers_alloc"),
    ),
    "pg_stat_checkpointer": ("num_timed", "num_requested", "write_time", "sync_time", "buffers_written"),
    "pg_stat_wal": ("wal_records", "wal_fpi", "wal_bytes", "wal_buffers_full"),
}
"""Where later versions moved some of them is where they are looked for; what a server does not have is left out."""

Facts = dict[str, Any]


def version_of(session: Session) -> str:
    return session.ask_one("SHOW server_version") or ""


def settings_of(session: Session, timeout_s: float = SETTINGS_TIMEOUT_S) -> Facts:
    """As SHOW gives them. Empty where what answers only speaks PostgreSQL's protocol."""
    listed = ", ".join(f"'{name}'" for name in SETTINGS)
    sql = f"SELECT name, current_setting(name) FROM pg_settings WHERE name IN ({listed})"
    try:
        said = {name or "": value for name, value in session.ask(sql, timeout_s)}
    except Refusal:
        return {}
    return {name: said[name] for name in SETTINGS if name in said}


def pgvector_of(session: Session) -> str | None:
    """Its version in this database, or the one that would be made here; None where the server does not have it."""
    return session.ask_one(
        "SELECT coalesce(installed_version, default_version) FROM pg_available_extensions WHERE name = 'vector'"
    )


def free_connections(session: Session) -> int | None:
    """How many more the server would let in just now; None where it does not say."""
    sql = (
        "SELECT current_setting('max_connections')::int - current_setting('superuser_reserved_connections')::int "
        "- (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend')"
    )
    try:
        return int(session.ask_one(sql) or 0)
    except Refusal:
        return None


class Sampler:
    """Counters again and again, over a connection of its own."""

    def __init__(self, session: Session, settings: Facts) -> None:
        self._session, self._settings = session, settings
        self._columns: dict[str, list[str]] = {}

    def close(self) -> None:
        self._session.close()

    def open(self) -> None:
        """Raises TargetError."""
        self._session.open()
        self._columns = dict(self._usable())

    def sample(self) -> Facts:
        """Counters by `view.column`; of the settings those that are no longer as they were. Raises TargetError."""
        sampled: Facts = {}
        for view, names in self._columns.items():
            where = " WHERE datname = current_database()" if view == "pg_stat_database" else ""
            rows = self._session.ask(f"SELECT {', '.join(names)} FROM {view}{where}", SAMPLE_TIMEOUT_S)
            for row in rows[:1]:
                sampled |= {f"{view}.{name}": _number(text) for name, text in zip(names, row, strict=True)}
        now = settings_of(self._session, SAMPLE_TIMEOUT_S)
        changed = {f"setting.{name}": value for name, value in now.items() if self._settings.get(name) != value}
        return {name: value for name, value in (sampled | changed).items() if value is not None}

    def _usable(self) -> Iterator[tuple[str, list[str]]]:
        """Each view that this server has, with the columns that it has there."""
        wanted = {"pg_stat_database": DATABASE_COUNTERS, **WRITER_COUNTERS}
        for view, names in wanted.items():
            sql = f"SELECT attname FROM pg_attribute WHERE attrelid = to_regclass('pg_catalog.{view}') AND attnum > 0"
            there = {name for (name,) in self._session.ask(sql, SETTINGS_TIMEOUT_S)}
            if not there.isdisjoint(names):
                yield view, [name for name in names if name in there]


def _number(text: str | None) -> int | float | None:
    if text is None:
        return None
    return float(text) if "." in text or "e" in text else int(text)
