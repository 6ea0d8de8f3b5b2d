"""Whole runs against a real PostgreSQL: what is sent, what is checked, what is counted; psql counts, too."""

import itertools
import json
import signal
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from servers.process import Server
from tests.servers import psql
from tests.servers.whole_runs import Ran, loadgen, n_answered, run_recipe, start_recipe, wait_until

pytestmark = pytest.mark.timeout(300)

ENGINES = pytest.mark.parametrize("engine", ["native", "portable"])
PROTOCOLS = pytest.mark.parametrize("prepared", [True, False], ids=["prepared", "simple"])
SHORT = [
    word
    for field in ("sweep={load.concurrency: [1, 2]}", "load.duration_s=0.5", "workload.scale=1", "workload.rows=1000")
    for word in ("--set", field)
]
COUNTED = {"concurrency": 4, "requests": 1200, "warmup_s": 0}

Run = Callable[..., Ran]
_numbers = itertools.count()


@pytest.fixture(scope="module")
def server(start_server: Callable[[str], Server]) -> Server:
    return start_server("postgresql")


@pytest.fixture
def schema(server: Server) -> Iterator[str]:
    """One of this test's own, in which its runs work."""
    name = f"test_{next(_numbers)}"
    psql.say(server, f"CREATE SCHEMA {name}")
    yield name
    psql.say(server, f"DROP SCHEMA {name} CASCADE")


def recipe_for(
    server: Server, schema: str, load: dict[str, Any], service: dict[str, Any] | None = None, **workload: Any
) -> dict[str, Any]:
    given = service or {}
    reached = {"kind": "postgresql", "url": server.url, **given}
    reached["parameters"] = {"search_path": schema, **given.get("parameters", {})}
    return {"service": reached, "workload": workload, "load": load}


@pytest.fixture
def run(server: Server, schema: str, tmp_path: Path) -> Run:
    """run(load, service, **workload) runs a recipe in this test's schema."""

    def run_in_schema(load: dict[str, Any], service: dict[str, Any] | None = None, **workload: Any) -> Ran:
        return run_recipe(tmp_path, recipe_for(server, schema, load, service, **workload))

    return run_in_schema


@ENGINES
@PROTOCOLS
def test_every_row_that_is_read_is_right_and_every_insert_is_there(
    server: Server, schema: str, run: Run, engine: str, prepared: bool
) -> None:
    operations = {"select": 5, "update": 3, "insert": 2}
    ran = run(COUNTED | {"engine": engine}, operations=operations, rows=50, prepared=prepared, keep=True)
    assert ran.exit_code == 0, ran.stderr
    assert ran.outcomes == {"ok": 1200}
    by_operation = Counter(line["operation"] for line in ran.lines)
    assert sum(line.get("checked", False) for line in ran.lines) == by_operation["select"]
    assert {line["n_items"] for line in ran.lines} == {1}
    assert ran.findings == [("read back", 50, 0)]
    assert (ran.summary["checked"], ran.summary["wrong"]) == (by_operation["select"] + 50, 0)
    inserted = {row[0] for row in psql.say(server, "SELECT id FROM loadgen_inserts", schema)}
    assert inserted == {line["request_id"] for line in ran.lines if line["operation"] == "insert"}
    counts = "SELECT n_tup_ins, n_tup_upd FROM pg_stat_user_tables WHERE relname = 'loadgen_rows'"
    wait_until(lambda: psql.say(server, counts, schema) == [["50", str(by_operation["update"])]])


def test_tables_are_removed_after_the_run_unless_they_are_to_stay(server: Server, schema: str, run: Run) -> None:
    operations = {"select": 1, "insert": 1, "vector_search": 1}
    small = {"operations": operations, "rows": 20, "dimensions": 4, "top_k": 2}
    assert run({"requests": 20}, **small).exit_code == 0
    assert psql.tables(server, schema) == []
    assert psql.say(server, "SELECT extname FROM pg_extension", schema) == [["plpgsql"]]
    assert run({"requests": 20}, **small, keep=True).exit_code == 0
    assert psql.tables(server, schema) == ["loadgen_inserts", "loadgen_rows", "loadgen_vectors"]
    assert run({"requests": 20}, **small).exit_code == 0  # ours are made anew
    assert psql.tables(server, schema) == []


@ENGINES
@PROTOCOLS
def test_pgbenchs_books_balance(server: Server, schema: str, run: Run, engine: str, prepared: bool) -> None:
    ran = run(COUNTED | {"engine": engine}, operation="tpcb", prepared=prepared, keep=True)
    assert ran.exit_code == 0, ran.stderr
    assert ran.outcomes == {"ok": 1200}
    assert ran.findings == [("tpcb sums", 3, 0)]
    ((n, amount),) = psql.say(server, "SELECT count(*), sum(delta) FROM pgbench_history", schema)
    assert n == "1200"
    for table, column in (("branches", "bbalance"), ("tellers", "tbalance"), ("accounts", "abalance")):
        assert psql.say(server, f"SELECT sum({column}) FROM pgbench_{table}", schema) == [[amount]]


def test_the_tables_are_those_that_pgbench_makes(server: Server, schema: str, run: Run) -> None:
    assert run({"requests": 1}, operation="tpcb", scale=2, keep=True).exit_code == 0
    ours = psql.definitions(server, schema)
    psql.pgbench(server, schema, "-n", "-t", "10", "-M", "prepared")  # it runs on ours
    psql.pgbench(server, schema, "-i", "-I", "dtGvp", "-s", "2", "-q")
    assert psql.definitions(server, schema) == ours


def test_pgbenchs_own_tables_are_worked_on_where_that_is_asked_and_stay(server: Server, schema: str, run: Run) -> None:
    psql.pgbench(server, schema, "-i", "-q")
    psql.pgbench(server, schema, "-n", "-t", "10")
    refused = run({"requests": 10}, operation="tpcb")
    assert refused.exit_code == 3
    assert "pgbench_branches and pgbench_tellers" in refused.stderr
    assert "reuse: true" in refused.stderr
    ran = run({"requests": 10}, operation="tpcb", reuse=True)
    assert ran.exit_code == 0, ran.stderr
    assert ran.findings == [("tpcb sums", 3, 0)]
    assert psql.number(server, "SELECT count(*) FROM pgbench_history", schema) == 20
    wrong_scale = run({"requests": 10}, operation="tpcb", reuse=True, scale=2)
    assert (wrong_scale.exit_code, "give workload.scale: 1" in wrong_scale.stderr) == (3, True)


@ENGINES
def test_an_error_within_a_transaction_leaves_the_connection_fit_and_the_books_balanced(
    server: Server, schema: str, run: Run, engine: str
) -> None:
    psql.pgbench(server, schema, "-i", "-q")
    psql.say(server, "ALTER TABLE pgbench_tellers ADD CHECK (tbalance < 3000)", schema)
    ran = run(COUNTED | {"engine": engine}, operation="tpcb", reuse=True)
    assert ran.exit_code == 0, ran.stderr
    failed = [line for line in ran.lines if line["outcome"] != "ok"]
    assert {(line["outcome"], line["error_code"]) for line in failed} == {("client_error", "23514")}
    assert ran.findings == [("tpcb sums", 3, 0)]
    n = psql.number(server, "SELECT count(*) FROM pgbench_history", schema)
    assert (n, n + len(failed)) == (ran.outcomes["ok"], 1200)


@ENGINES
@PROTOCOLS
def test_statements_of_ones_own_get_their_parameters(
    server: Server, schema: str, run: Run, engine: str, prepared: bool
) -> None:
    psql.say(server, "CREATE TABLE mine (id uuid PRIMARY KEY, k int, n int, t text)", schema)
    ran = run(
        COUNTED | {"engine": engine},
        statements=[
            {
                "name": "add",
                "sql": "INSERT INTO mine VALUES ($1, $2, $3, $4)",
                "params": ["{uuid}", "{key}", 5, "it's"],
            },
            {"name": "many", "sql": "SELECT generate_series(1, $1::int)", "params": [7]},
            {"name": "noisy", "sql": "DO $$ BEGIN RAISE NOTICE 'never mind'; END $$"},
        ],
        rows=30,
        prepared=prepared,
    )
    assert ran.exit_code == 0, ran.stderr
    assert ran.outcomes == {"ok": 1200}
    by_operation = Counter(line["operation"] for line in ran.lines)
    seen = psql.say(server, "SELECT count(*), count(DISTINCT k), min(k), max(k), min(n), min(t) FROM mine", schema)
    assert seen == [[str(by_operation["add"]), "30", "0", "29", "5", "it's"]]
    n_items = {line["operation"]: line.get("n_items") for line in ran.lines}
    assert (n_items["add"], n_items["many"]) == (1, 7)
    assert psql.tables(server, schema) == ["mine"]


ERRORS = {
    "twice": ("INSERT INTO once VALUES (1)", "23505", "client_error"),
    "nothing": ("SELECT 1 / 0", "22012", "client_error"),
    "slow": ("SELECT pg_sleep(9)", "57014", "server_error"),
    "big": ("SELECT set_config('work_mem', '-5', false)", "22023", "client_error"),
    "raised": ("DO $$ BEGIN RAISE 'no room' USING ERRCODE = '53100'; END $$", "53100", "server_error"),
}


@ENGINES
@PROTOCOLS
def test_the_sqlstate_is_the_code_of_an_error(
    server: Server, schema: str, run: Run, engine: str, prepared: bool
) -> None:
    psql.say(server, "CREATE TABLE once (id int PRIMARY KEY); INSERT INTO once VALUES (1)", schema)
    statements = [{"name": name, "sql": sql} for name, (sql, _, _) in ERRORS.items()]
    statements.append({"name": "fine", "sql": "SELECT 1"})
    if not prepared:
        statements.append({"name": "missing", "sql": "SELECT * FROM nowhere"})
    ran = run(
        {"concurrency": 2, "requests": 60, "engine": engine},
        {"parameters": {"statement_timeout": 20}},
        statements=statements,
        prepared=prepared,
    )
    said = {line["operation"]: (line.get("error_code"), line["outcome"]) for line in ran.lines}
    expected = {name: (code, outcome) for name, (_, code, outcome) in ERRORS.items()} | {"fine": (None, "ok")}
    if not prepared:
        expected["missing"] = ("42P01", "client_error")
    assert said == expected
    texts = {line["operation"]: line["error"] for line in ran.lines}
    assert texts["twice"] == 'duplicate key value violates unique constraint "once_pkey"'
    assert ran.summary["requests"]["by_error_code"]["23505"] == sum(line["operation"] == "twice" for line in ran.lines)


def test_a_statement_that_cannot_be_prepared_is_one_line_before_anything_is_sent(run: Run) -> None:
    ran = run({"requests": 5}, statements=[{"name": "missing", "sql": "SELECT * FROM nowhere"}])
    assert ran.exit_code == 3
    assert ran.stderr.strip().endswith(
        'the server does not prepare SELECT * FROM nowhere: relation "nowhere" does not exist [42P01]'
    )
    assert len(ran.stderr.strip().splitlines()) == 1


@ENGINES
def test_without_an_index_every_true_neighbour_is_found(run: Run, engine: str) -> None:
    vectors = {"operation": "vector_search", "rows": 500, "dimensions": 16, "index": "none"}
    ran = run(COUNTED | {"engine": engine}, **vectors)
    assert ran.exit_code == 0, ran.stderr
    assert {(line["n_items"], line["n_hits"]) for line in ran.lines} == {(10, 10)}
    assert ran.summary["recall"]["mean"] == 1.0
    assert ran.run["service"]["settings"]["pgvector"]


@pytest.mark.parametrize("distance", ["l2", "cosine", "ip"])
@PROTOCOLS
def test_the_neighbours_are_those_of_pgvectors_own_distance(run: Run, distance: str, prepared: bool) -> None:
    vectors = {"operation": "vector_search", "rows": 400, "dimensions": 8, "index": "none", "top_k": 5}
    ran = run({"requests": 300}, **vectors, distance=distance, prepared=prepared)
    assert ran.exit_code == 0, ran.stderr
    assert sum(line["n_hits"] for line in ran.lines) == 1500


def test_an_index_that_looks_at_little_misses_some(run: Run) -> None:
    vectors = {"operation": "vector_search", "rows": 3000, "dimensions": 64, "index": "ivfflat"}
    ran = run({"requests": 400}, {"parameters": {"ivfflat.probes": 1}}, **vectors)
    assert ran.exit_code == 0, ran.stderr
    mean = sum(line["n_hits"] for line in ran.lines) / (10 * len(ran.lines))
    assert 0.2 < mean < 1.0
    assert ran.summary["recall"]["mean"] == pytest.approx(mean, abs=1e-6)


def test_vectors_of_another_length_are_not_searched(server: Server, schema: str, run: Run) -> None:
    small = {"operation": "vector_search", "rows": 50, "keep": True, "top_k": 3}
    assert run({"requests": 5}, **small, dimensions=4).exit_code == 0
    ran = run({"requests": 5}, **small, dimensions=8, reuse=True)
    assert ran.exit_code == 3
    assert "loadgen_vectors has vectors of 4 dimensions, and workload.dimensions is 8" in ran.stderr
    psql.say(server, "UPDATE loadgen_vectors SET embedding = '[1,2,3,4]' WHERE id = 0", schema)
    ran = run({"requests": 5}, **small, dimensions=4, reuse=True)
    assert ran.exit_code == 3
    assert "other vectors than this recipe draws" in ran.stderr
    assert run({"requests": 5}, **small, dimensions=4, reuse=True, check=False).exit_code == 0


def test_tables_of_others_are_neither_removed_nor_overwritten(server: Server, schema: str, run: Run) -> None:
    psql.say(server, "CREATE TABLE loadgen_rows AS SELECT 1 AS id, 'theirs' AS value", schema)
    operations = {"select": 1, "update": 1}
    refused = run({"requests": 20}, operations=operations, rows=1)
    assert refused.exit_code == 3
    assert "loadgen_rows: there already, and not loadgen's" in refused.stderr
    assert psql.say(server, "SELECT * FROM loadgen_rows", schema) == [["1", "theirs"]]
    too_few = run({"requests": 20}, operations=operations, rows=5, reuse=True)
    assert (too_few.exit_code, "has 1 of the rows 0 to 4" in too_few.stderr) == (3, True)
    psql.say(server, "INSERT INTO loadgen_rows SELECT 0, 'theirs'", schema)
    ran = run({"requests": 20}, operations=operations, rows=2, reuse=True)
    assert ran.exit_code == 0, ran.stderr
    assert not any(line.get("checked") for line in ran.lines)  # what is there bears no stamps
    assert psql.tables(server, schema) == ["loadgen_rows"]


def test_what_the_server_says_of_itself_is_kept(run: Run, server: Server) -> None:
    ran = run({"concurrency": 2, "duration_s": 1}, {"settings": {"disk": "slow"}}, operation="update", rows=100)
    service = ran.run["service"]
    assert service["version"] == psql.say(server, "SHOW server_version")[0][0]
    assert service["settings"]["shared_buffers"] == psql.say(server, "SHOW shared_buffers")[0][0]
    assert service["settings"]["disk"] == "slow"
    lines = (ran.bundle / "monitor" / "server.jsonl").read_text().splitlines()
    samples = [json.loads(line) for line in lines]
    committed = [sample["pg_stat_database.xact_commit"] for sample in samples]
    assert committed[-1] - committed[0] >= ran.outcomes["ok"]
    assert loadgen("verify", str(ran.bundle)).returncode == 0


def test_a_database_that_does_not_exist_is_one_line(server: Server, tmp_path: Path) -> None:
    ran = run_recipe(tmp_path, recipe_for(server, "public", {"requests": 1}, {"database": "nowhere"}))
    assert ran.exit_code == 3
    assert 'service.database: there is no nowhere: database "nowhere" does not exist [3D000]' in ran.stderr
    assert len(ran.stderr.strip().splitlines()) == 1


def test_a_unix_socket_carries_a_run(server: Server, schema: str, tmp_path: Path) -> None:
    recipe = recipe_for(server, schema, {"requests": 50, "concurrency": 2})
    port = server.url.rpartition(":")[2].partition("/")[0]
    recipe["service"]["url"] = f"postgresql://postgres@localhost:{port}/postgres?host={server.folder}"
    ran = run_recipe(tmp_path, recipe)
    assert ran.exit_code == 0, ran.stderr
    assert ran.outcomes == {"ok": 50}
    assert ran.run["service"]["url"] == f"unix://{server.folder}/.s.PGSQL.{port}"


def test_two_runs_do_not_work_on_the_same_tables(server: Server, schema: str, tmp_path: Path) -> None:
    recipe = recipe_for(server, schema, {"duration_s": 60}, rows=10)
    first = start_recipe(tmp_path / "first", recipe)
    try:
        wait_until(lambda: n_answered(tmp_path / "first") > 0)
        second = run_recipe(tmp_path / "second", recipe)
        assert second.exit_code == 3
        assert "another loadgen is at work on loadgen_rows" in second.stderr
    finally:
        first.send_signal(signal.SIGINT)
        assert first.wait() == 130
    assert psql.tables(server, schema) == []


def test_a_stop_while_the_tables_are_filled_leaves_nothing(server: Server, schema: str, tmp_path: Path) -> None:
    searched = {"operation": "vector_search", "rows": 50_000, "dimensions": 128, "check": False}
    recipe = recipe_for(server, schema, {"requests": 5}, **searched)
    running = start_recipe(tmp_path, recipe)
    building = "SELECT count(*) FROM pg_stat_activity WHERE query LIKE 'CREATE INDEX ON loadgen_vectors%'"
    wait_until(lambda: psql.number(server, building) > 0)
    running.send_signal(signal.SIGINT)
    assert running.wait() == 130, (tmp_path / "said").read_text()
    assert psql.tables(server, schema) == []
    assert psql.number(server, building + " AND state = 'active'") == 0


def test_limits_of_the_sessions_are_meant_for_the_load(run: Run) -> None:
    limits = {"statement_timeout": 1, "lock_timeout": 1}
    ran = run({"requests": 50}, {"parameters": limits}, operations={"select": 1, "insert": 1}, rows=50_000)
    assert ran.exit_code == 0, ran.stderr
    assert set(ran.outcomes) <= {"ok", "server_error"}


@pytest.mark.parametrize("name", ["postgresql", "postgresql_tpcb"])
def test_the_shipped_sweep_runs(server: Server, schema: str, tmp_path: Path, name: str) -> None:
    places = ("--results", str(tmp_path / "results"), "--reports", str(tmp_path / "reports"))
    own = ("--set", f"service.url={server.url}", "--set", f"service.parameters={{search_path: {schema}}}")
    done = loadgen(f"recipes/{name}.yaml", *places, *own, *SHORT, "--quiet")
    assert done.returncode in (0, 1), done.stderr
    bundles = sorted((tmp_path / "results").glob("BM-*"))
    assert len(bundles) == 2
    for bundle in bundles:
        assert loadgen("verify", str(bundle)).returncode == 0
