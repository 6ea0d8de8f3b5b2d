"""A recipe for PostgreSQL: what it may say, where that leads, and what is sent for it."""

from typing import Any

import numpy as np
import pytest

from loadgen.errors import RecipeError
from loadgen.plan import build_plan
from loadgen.plan.model import Check, Plan, SlotKind
from loadgen.plan.stamps import CRC_START, crc32c, filler
from loadgen.recipe import Recipe, recipe_from_dict
from loadgen.targets import target_for
from loadgen.targets.postgresql.endpoint import Endpoint, endpoint_of
from loadgen.targets.postgresql.models import PostgresqlService
from loadgen.targets.postgresql.operations import Operations
from loadgen.targets.postgresql.vectors import VectorData, texts_of, vector_of


def recipe_of(service: dict[str, Any] | None = None, **workload: Any) -> Recipe:
    return recipe_from_dict({"service": {"kind": "postgresql", **(service or {})}, "workload": workload})


def plan_of(**workload: Any) -> Plan:
    recipe = recipe_of(**workload)
    return build_plan(recipe, target_for(recipe))


def endpoint(**service: Any) -> Endpoint:
    made = recipe_of(service).service
    assert isinstance(made, PostgresqlService)
    return endpoint_of(made)


def complaint(service: dict[str, Any] | None = None, **workload: Any) -> str:
    with pytest.raises(RecipeError) as raised:
        recipe_of(service, **workload)
    return str(raised.value)


def test_without_an_address_it_is_the_usual_one() -> None:
    usual = endpoint()
    assert (usual.url.host, usual.url.port, usual.user, usual.password, usual.database, usual.tls) == (
        *("127.0.0.1", 5432, "postgres", None, "postgres"),
        None,
    )
    assert usual.url.public == "postgresql://127.0.0.1/postgres"


def test_an_address_is_read_as_libpq_reads_it() -> None:
    read = endpoint(url="postgres://j%40e:p%3Aw@[::1]:5433/my%20shop")
    assert (read.url.host, read.url.port, read.user, read.password, read.database) == (
        *("::1", 5433, "j@e", "p:w"),
        "my shop",
    )
    assert endpoint(url="postgresql://joe@db.test").database == "joe"


def test_fields_come_before_the_address() -> None:
    read = endpoint(url="postgresql://127.0.0.1/shop", user="joe", password="p", database="other")
    assert (read.user, read.password, read.database) == ("joe", "p", "other")


@pytest.mark.parametrize(
    ("service", "path"),
    [
        ({"unix_socket": "/run/postgresql"}, "/run/postgresql/.s.PGSQL.5432"),
        ({"unix_socket": "/run/pg/.s.PGSQL.6000"}, "/run/pg/.s.PGSQL.6000"),
        ({"url": "postgresql:///shop?host=/run/postgresql"}, "/run/postgresql/.s.PGSQL.5432"),
        ({"url": "postgresql://joe@localhost:5433/shop?host=/tmp"}, "/tmp/.s.PGSQL.5433"),
    ],
)
def test_a_unix_socket_is_named_by_its_folder_or_itself(service: dict[str, Any], path: str) -> None:
    read = endpoint(**service)
    assert (read.url.is_socket, read.url.path, read.tls) == (True, path, None)


@pytest.mark.parametrize(
    ("service", "verify"),
    [
        ({"url": "postgresql://h/d?sslmode=require"}, False),
        ({"url": "postgresql://h/d?sslmode=require&sslrootcert=/ca.pem"}, True),
        ({"url": "postgresql://h/d?sslmode=verify-full"}, True),
        ({"url": "postgresql://h/d?sslmode=verify-ca"}, True),
        ({"url": "postgresql://h/d?sslmode=require", "tls": {"verify": True}}, True),
        ({"url": "postgresql://h/d", "tls": {}}, True),
        ({"url": "postgresql://h/d", "tls": {"verify": False}}, False),
    ],
)
def test_sslmode_and_tls_say_whether_it_is_encrypted(service: dict[str, Any], verify: bool) -> None:
    tls = endpoint(**service).tls
    assert tls is not None
    assert tls.verify is verify


@pytest.mark.parametrize(
    "service", [{"url": "postgresql://h/d"}, {"url": "postgresql://h/d?sslmode=disable", "tls": {}}]
)
def test_without_them_it_is_not(service: dict[str, Any]) -> None:
    assert endpoint(**service).tls is None


@pytest.mark.parametrize(
    ("service", "said"),
    [
        ({"url": "http://127.0.0.1:5432/"}, "service.url: must begin with postgresql:// or postgres://"),
        ({"url": "postgresql:///shop"}, "must name a host"),
        ({"url": "postgresql://h/d?sslmode=prefer"}, "sslmode must be one of disable, require"),
        ({"url": "postgresql://h/d?connect_timeout=3"}, "and not connect_timeout"),
        ({"url": "postgresql://h/d?host=other"}, "folder of a unix socket"),
        ({"url": "postgresql://joe@h/d", "user": "ann"}, "service.user: stands in the url, too"),
        ({"url": "postgresql://joe:x@h/d", "password": "y"}, "service.password: stands in the url, too"),
        ({"parameters": {"client_encoding": "LATIN1"}}, "client_encoding cannot be set here"),
        ({"unix_socket": "run"}, "service.unix_socket"),
    ],
)
def test_a_wrong_service_is_one_line(service: dict[str, Any], said: str) -> None:
    assert said in complaint(service)


@pytest.mark.parametrize(
    ("workload", "said"),
    [
        ({"operation": "select", "operations": {"insert": 1}}, "give either this or operation"),
        ({"operations": {"tpcb": 1, "select": 1}}, "tpcb draws its own accounts"),
        ({"operation": "delete"}, "workload.operation"),
        ({"operation": "vector_search", "dimensions": 3000}, "an index takes 2000 at most"),
        ({"operation": "vector_search", "rows": 5, "top_k": 10}, "must be <= rows (5), got 10"),
        ({"statements": [{"name": "a", "sql": "SELECT $1"}]}, "sql has 1 parameters, got 0"),
        ({"statements": [{"name": "a", "sql": "SELECT 1", "params": [1]}]}, "sql has 0 parameters, got 1"),
        ({"statements": [{"name": "a", "sql": "SELECT $1", "params": ["{key}" * 17]}]}, "may have 16 of {key}"),
        ({"statements": [{"name": "a", "sql": "SELECT $1, $1", "params": ["{key}" * 9]}]}, "may have 16 of {key}"),
        ({"statements": [{"name": "a", "sql": "SELECT {key}"}]}, "write $1 for {key}, and `params: ['{key}']`"),
        ({"statements": [{"name": "a", "sql": "copy t from stdin"}]}, "COPY is not answered with rows"),
        ({"statements": [{"name": "a", "sql": "SELECT 1"}] * 2}, "two are called a"),
        ({"operation": "select", "statements": [{"name": "select", "sql": "SELECT 1"}]}, "two are called select"),
        ({"scale": 20_000}, "workload.scale"),
        ({"rowz": 5}, "did you mean rows?"),
    ],
)
def test_a_wrong_workload_is_one_line(workload: dict[str, Any], said: str) -> None:
    assert said in complaint(**workload)


def test_neither_the_password_nor_what_it_is_in_the_address_is_written() -> None:
    recipe = recipe_of({"url": "postgresql://joe:p%40ss-word@127.0.0.1/d"})
    assert "p%40ss" not in str(recipe.canonical())
    assert recipe.redacted("p%40ss-word and p@ss-word, joe, postgresql") == "*** and ***, joe, postgresql"
    recipe = recipe_of({"password": "s3cret-word"})
    assert "s3cret" not in str(recipe.canonical())
    assert recipe.redacted("s3cret-word") == "***"


def test_a_users_name_is_no_secret() -> None:
    recipe = recipe_of()
    assert recipe.canonical()["service"]["url"] == "postgresql://postgres@127.0.0.1:5432/postgres"
    assert recipe_from_dict(recipe.canonical()).redacted("postgresql") == "postgresql"


def test_parameters_are_written_as_postgresql_does() -> None:
    service = recipe_of(
        {"parameters": {"jit": False, "synchronous_commit": "off", "work_mem": 64, "a.b": True}}
    ).service
    assert isinstance(service, PostgresqlService)
    assert service.session == {"jit": "off", "synchronous_commit": "off", "work_mem": "64", "a.b": "on"}


def test_a_select_is_held_against_what_was_written() -> None:
    plan = plan_of(operations={"select": 80, "update": 20}, rows=500)
    select, update = plan.pool.payloads
    assert (select["check"], update["check"]) == (Check.READ, Check.WRITE)
    assert update["crc"] == crc32c(CRC_START, filler(0, 100 - 38))
    assert [slot.kind for slot in plan.pool.slots_of(1)] == [SlotKind.STAMP, SlotKind.VALUE]
    assert (plan.n_keys, plan.n_existing) == (500, 500)


@pytest.mark.parametrize("workload", [{"check": False}, {"value_bytes": 37}])
def test_what_cannot_be_checked_has_no_stamp(workload: dict[str, Any]) -> None:
    plan = plan_of(operations={"select": 1, "update": 1}, **workload)
    assert plan.pool.payloads["check"].tolist() == [Check.NONE, Check.NONE]
    assert [slot.kind for slot in plan.pool.slots_of(1)] == [SlotKind.VALUE]
    assert plan.n_keys == 0


def test_statements_and_operations_share_one_list_of_weights() -> None:
    own = [{"name": "mine", "sql": "SELECT $1, $2", "params": ["{uuid}", None], "weight": 3}]
    recipe = recipe_of(operations={"insert": 1}, statements=own)
    assert recipe.workload.weights == {"insert": 1.0, "mine": 3.0}
    plan = build_plan(recipe, target_for(recipe))
    assert [operation.name for operation in plan.operations] == ["insert", "mine"]
    assert [slot.kind for place in range(2) for slot in plan.pool.slots_of(place)] == [SlotKind.ID, SlotKind.UUID]


def test_each_statement_is_prepared_once() -> None:
    own = [{"name": name, "sql": "SELECT 1"} for name in ("a", "b")]
    workload = recipe_of(operations={"select": 1}, statements=own).workload
    assert Operations(workload, 0).statements == ("SELECT value FROM loadgen_rows WHERE id = $1", "SELECT 1")
    assert Operations(recipe_of(operation="tpcb", prepared=False).workload, 0).statements == ()
    assert len(Operations(recipe_of(operation="tpcb").workload, 0).statements) == 7


def test_a_vector_search_knows_the_true_neighbours() -> None:
    plan = plan_of(operation="vector_search", rows=300, dimensions=4, top_k=5)
    data = VectorData(300, 4, 5, "l2", 0)
    assert plan.operations[0].top_k == 5
    assert len(plan.pool) == len(data.queries) == 300
    for payload in (0, 299):
        away = ((data.base.astype(np.float64) - data.queries[payload]) ** 2).sum(axis=1)
        begin = plan.pool.payloads[payload]["neighbour_from"]
        assert plan.pool.neighbours[begin : begin + 5].tolist() == np.argsort(away)[:5].tolist()


def test_without_a_check_nobody_computes_neighbours() -> None:
    plan = plan_of(operation="vector_search", rows=50, dimensions=4, check=False)
    assert plan.operations[0].top_k == 0
    assert plan.pool.payloads["check"].any() == 0
    assert len(plan.pool.neighbours) == 0


def test_a_vector_as_text_is_the_very_same_vector() -> None:
    vectors = VectorData(20, 7, 1, "l2", 3).base
    for row, text in zip(vectors, texts_of(vectors), strict=True):
        assert np.array_equal(vector_of(text.decode()), row)


def test_the_same_recipe_gives_the_same_plan() -> None:
    digests = {plan_of(operations={"select": 1, "update": 1}, rows=100).digest for _ in range(2)}
    digests |= {plan_of(operations={"select": 1, "update": 1}, rows=101).digest}
    assert len(digests) == 2
