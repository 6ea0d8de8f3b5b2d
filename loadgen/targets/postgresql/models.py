"""A recipe's `service` and `workload` of kind postgresql."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import unquote, urlsplit

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, model_validator

from loadgen.plan.keys import KeyDistribution
from loadgen.plan.model import MAX_SLOTS
from loadgen.recipe.base import PositiveFloat, PositiveInt, Section, Text, problem_at
from loadgen.recipe.secrets import MASK
from loadgen.recipe.service import ServiceSection, Tls
from loadgen.targets.postgresql.endpoint import PostgresqlUrl
from loadgen.targets.postgresql.statements import SLOT_NAMES, n_parameters, n_slots, value_of
from loadgen.targets.postgresql.vectors import PgDistance

DEFAULT_URL = "postgresql://postgres@127.0.0.1:5432/postgres"

MAX_ROWS = 1_000_000_000
MAX_VALUE_BYTES = 1 << 20
MAX_SCALE = 20_000
"""From here on pgbench makes its accounts' numbers eight bytes wide."""

MAX_DIMENSIONS = 16_000
MAX_INDEXED_DIMENSIONS = 2_000
"""Limits of pgvector's type `vector`, and of its indexes."""

PostgresqlOperation = Literal["select", "insert", "update", "vector_search", "tpcb"]
Index = Literal["hnsw", "ivfflat", "none"]

Password = Annotated[SecretStr, Field(min_length=1), PlainSerializer(lambda _: MASK, return_type=str)]
_USERS_URL = PostgresqlUrl(("postgresql", "postgres"), "", True)


def _without_zero(text: str) -> str:
    if "\0" in text:
        raise ValueError("must not hold a zero byte")
    return text


def _without_slots(sql: str) -> str:
    found = next((name for name in SLOT_NAMES if name in sql), None)
    if found is not None:
        raise ValueError(f"write $1 for {found}, and `params: ['{found}']`")
    return _without_zero(sql)


Parameter = Annotated[str, AfterValidator(_without_zero)] | int | float | bool | None


class PostgresqlService(ServiceSection):
    """PostgreSQL, and what speaks its protocol."""

    kind: Literal["postgresql"] = Field(description="Which service this is.")
    url: Annotated[str, _USERS_URL] = Field(
        default=DEFAULT_URL,
        description="Where it listens: postgresql://[user[:password]@]host:port/database, and after a ? sslmode "
        "(disable, require, verify-ca, verify-full), sslrootcert, host (the folder of a unix socket).",
    )
    user: Text | None = Field(default=None, description="Who logs in. Default: that of the url, or postgres.")
    password: Password | None = Field(default=None, description="The password; never written anywhere.")
    database: Text | None = Field(
        default=None, description="Its database. Default: that of the url, or the user's name."
    )
    unix_socket: Annotated[str, Field(pattern="^/")] | None = Field(
        default=None, description="A unix socket, or the folder in which it lies, in the place of the url's host."
    )
    tls: Tls | None = Field(
        default=None, description="Given: connections are encrypted, as with sslmode=verify-full. Default: the url's."
    )
    parameters: dict[str, str | int | float | bool] = Field(
        default_factory=dict,
        description="Run-time parameters of each session, such as {synchronous_commit: off, hnsw.ef_search: 100}.",
    )

    @model_validator(mode="after")
    def _each_is_said_once(self) -> "PostgresqlService":
        parts = urlsplit(self.url)
        for name, given in (("user", parts.username), ("password", parts.password)):
            if given and getattr(self, name) is not None:
                raise problem_at(name, "stands in the url, too: give it once")
        for name in ("user", "database", "replication", "client_encoding"):
            if name in self.parameters:
                raise problem_at("parameters", f"{name} cannot be set here")
        return self

    @property
    def session(self) -> dict[str, str]:
        """`parameters` as PostgreSQL writes them."""
        return {name: _setting(value) for name, value in self.parameters.items()}

    def secrets(self) -> Iterator[str]:
        """As it is written in the address and as it is sent."""
        password = urlsplit(self.url).password
        if password:
            yield from (password, unquote(password))


def _setting(value: str | int | float | bool) -> str:
    return ("on" if value else "off") if isinstance(value, bool) else str(value)


class PostgresqlStatement(Section):
    """One statement of the user's own."""

    name: Text = Field(description="What reports call it.")
    sql: Annotated[Text, AfterValidator(_without_slots)] = Field(
        description="One SQL statement; parameters are $1, $2 and so on. With prepared: false there may be several."
    )
    params: Annotated[tuple[Parameter, ...], Field(strict=False)] = Field(
        default=(),
        description="What $1, $2 and so on are. In a text {key} is the drawn key's twelve digits (0 to rows - 1, by "
        "key_distribution), {index} the request's number, {uuid} a UUID of its own; null is NULL.",
    )
    weight: PositiveFloat = Field(default=1.0, description="How often, against the others.")

    @model_validator(mode="after")
    def _every_parameter_is_given(self) -> "PostgresqlStatement":
        wanted = n_parameters(self.sql)
        if wanted != len(self.params):
            raise problem_at("params", f"sql has {wanted} parameters, got {len(self.params)}")
        if n_slots(self.sql, list(map(value_of, self.params))) > MAX_SLOTS:
            raise problem_at("params", f"may have {MAX_SLOTS} of {', '.join(SLOT_NAMES)} in all at most")
        if re.match(r"\s*copy\b", self.sql, re.IGNORECASE):
            raise problem_at("sql", "COPY is not answered with rows, and cannot be measured")
        return self


class PostgresqlWorkload(Section):
    """Statements to PostgreSQL. loadgen makes the tables that its own operations work on."""

    operation: PostgresqlOperation | None = Field(
        default=None, description="select, insert, update, vector_search or tpcb; or several, in `operations`."
    )
    operations: Annotated[dict[PostgresqlOperation, PositiveFloat], Field(min_length=1)] | None = Field(
        default=None,
        description="Several operations with their weights. Default, where nothing else is asked for: select alone.",
    )
    statements: Annotated[tuple[PostgresqlStatement, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="Statements of your own, beside the operations or in their place."
    )
    rows: PositiveInt = Field(
        default=10_000, description="How many rows loadgen_rows has, and loadgen_vectors; how many keys are drawn from."
    )
    value_bytes: PositiveInt = Field(
        default=100, description="Length of a row's value. From 38 bytes on values are stamped and can be checked."
    )
    key_distribution: KeyDistribution = Field(
        default="uniform",
        description="Which rows requests are about: uniform, zipfian (few are popular) or sequential.",
    )
    scale: Annotated[PositiveInt, Field(lt=MAX_SCALE)] = Field(
        default=1, description="tpcb: pgbench's scale factor; each is 100,000 accounts, about 15 MB."
    )
    dimensions: Annotated[PositiveInt, Field(le=MAX_DIMENSIONS)] = Field(
        default=128, description="vector_search: how many numbers a vector has."
    )
    top_k: Annotated[PositiveInt, Field(le=1000)] = Field(
        default=10, description="vector_search: how many neighbours are asked for."
    )
    distance: PgDistance = Field(
        default="l2", description="vector_search: what is near: l2 (Euclidean), cosine, or ip (inner product)."
    )
    index: Index = Field(
        default="hnsw", description="vector_search: the index of the vectors; none: each search looks at all of them."
    )
    prepared: bool = Field(
        default=True,
        description="Whether statements are prepared once a connection; false: the simple protocol, SQL in full.",
    )
    check: bool = Field(
        default=True,
        description="Whether each select must return what was put there, whole and no older than acknowledged.",
    )
    keep: bool = Field(default=False, description="Whether the tables that the run made stay after it.")
    reuse: bool = Field(
        default=False,
        description="Whether tables that are there already are worked on as they are, and never removed. Without it "
        "loadgen's own are made anew, and those of others end the run before it begins.",
    )

    @model_validator(mode="before")
    @classmethod
    def _select_unless_said(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and not {"operation", "operations", "statements"} & fields.keys():
            return {**fields, "operation": "select"}
        return fields

    @model_validator(mode="after")
    def _fits_together(self) -> "PostgresqlWorkload":
        if self.operation is not None and self.operations is not None:
            raise problem_at("operations", "give either this or operation")
        names = [*self.usual, *(statement.name for statement in self.statements or ())]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise problem_at("statements", f"two are called {twice}: give each a name of its own")
        if "tpcb" in names and len(names) > 1:
            raise problem_at("operations", "tpcb draws its own accounts: it is run by itself")
        for name, most in (("rows", MAX_ROWS), ("value_bytes", MAX_VALUE_BYTES)):
            if getattr(self, name) > most:
                raise problem_at(name, f"must be <= {most}, got {getattr(self, name)}")
        self._check_vectors()
        return self

    def _check_vectors(self) -> None:
        if "vector_search" not in self.usual:
            return
        if self.index != "none" and self.dimensions > MAX_INDEXED_DIMENSIONS:
            raise problem_at("dimensions", f"an index takes {MAX_INDEXED_DIMENSIONS} at most; say index: none")
        if self.top_k > self.rows:
            raise problem_at("top_k", f"must be <= rows ({self.rows}), got {self.top_k}")

    @property
    def usual(self) -> dict[str, float]:
        """The operations that are loadgen's own, with their weights."""
        if self.operations is not None:
            return {str(name): weight for name, weight in self.operations.items()}
        return {} if self.operation is None else {self.operation: 1.0}

    @property
    def weights(self) -> dict[str, float]:
        """Each operation's weight, then each statement's; they need not add up to anything."""
        return self.usual | {statement.name: statement.weight for statement in self.statements or ()}
