"""The second opinion: PostgreSQL's own clients, which come with the server."""

import subprocess
from pathlib import Path

from servers import postgresql
from servers.process import Server


def program(name: str) -> Path:
    """psql, pgbench or pg_dump."""
    programs = postgresql.find()
    assert programs is not None
    return programs / name


def address(server: Server, schema: str = "public") -> str:
    """Of a session that works in a schema."""
    return f"{server.url}?options=-csearch_path%3D{schema}"


def say(server: Server, sql: str, schema: str = "public") -> list[list[str]]:
    """What psql gives, row by row."""
    command = [program("psql"), "-X", "-q", "-A", "-t", "-F", "\t", "-v", "ON_ERROR_STOP=1"]
    done = subprocess.run([*command, "-c", sql, address(server, schema)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [line.split("\t") for line in done.stdout.splitlines()]


def number(server: Server, sql: str, schema: str = "public") -> int:
    return int(say(server, sql, schema)[0][0])


def tables(server: Server, schema: str = "public") -> list[str]:
    sql = f"SELECT relname FROM pg_class WHERE relkind = 'r' AND relnamespace = '{schema}'::regnamespace ORDER BY 1"
    return [row[0] for row in say(server, sql)]


def definitions(server: Server, schema: str) -> list[str]:
    """As pg_dump writes it, without comments."""
    command = [program("pg_dump"), "--schema-only", "--no-comments", "--schema", schema, address(server, schema)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return [line for line in text.splitlines() if line and not line.startswith(("--", "\\", "SET", "SELECT"))]


def pgbench(server: Server, schema: str, *words: str) -> str:
    done = subprocess.run([program("pgbench"), *words, address(server, schema)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
