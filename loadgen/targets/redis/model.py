"""A recipe's `service` and `workload` of kind redis."""

import re
from collections.abc import Iterator
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, model_validator

from loadgen.plan.keys import MAX_KEYS, KeyDistribution
from loadgen.plan.model import MAX_SLOTS
from loadgen.recipe.base import NonNegativeInt, PositiveFloat, PositiveInt, Section, Text, problem_at
from loadgen.recipe.secrets import MASK
from loadgen.recipe.service import ServiceSection, Tls, url_type
from loadgen.targets.url import parse_url

DEFAULT_URL = "redis://127.0.0.1:6379"
MAX_VALUE_BYTES = 512 << 20
MAX_PIPELINE = 1024

RedisOperation = Literal["get", "set", "incr", "lpush", "hset", "zadd", "ping"]

_NO_REPLY_OF_ITS_OWN = frozenset(
    {"subscribe", "psubscribe", "ssubscribe", "unsubscribe", "punsubscribe", "sunsubscribe", "monitor", "sync", "psync"}
)
_CHANGES_THE_CONNECTION = frozenset({"auth", "hello", "quit", "reset", "select", "multi", "exec", "discard", "watch"})

Password = Annotated[SecretStr, Field(min_length=1), PlainSerializer(lambda _: MASK, return_type=str)]


def _one_word(text: str) -> str:
    if re.search(r"[\x00-\x1f]", text):
        raise ValueError("must be one line")
    return text


Argument = Annotated[str, AfterValidator(_one_word)] | int | float


class RedisService(ServiceSection):
    """Redis, Valkey, and all that speak their protocol."""

    kind: Literal["redis"] = Field(description="Which service this is.")
    url: Annotated[str, url_type("redis", "rediss", "valkey", "valkeys", "unix", plain="redis")] = Field(
        default=DEFAULT_URL,
        description="Where it listens: redis://[user:password@]host:port[/database], rediss:// with TLS, unix:///path.",
    )
    user: Text | None = Field(default=None, description="Who logs in (ACL). Default: the server's default user.")
    password: Password | None = Field(default=None, description="The password; never written anywhere.")
    database: NonNegativeInt | None = Field(
        default=None, description="Which of the server's databases. Default: that of the url, or 0."
    )
    protocol: Literal["auto", 2, 3] = Field(
        default="auto", description="RESP2 or RESP3; auto: 3 where the server knows it, else 2."
    )
    tls: Tls = Field(default_factory=Tls, description="For a rediss:// address.")

    @model_validator(mode="after")
    def _each_is_said_once(self) -> "RedisService":
        url = parse_url(self.url)
        if url.database and not url.database.isdecimal():
            raise problem_at("url", "must end with the number of a database, or without a path")
        for field, given in (("user", url.user), ("password", url.password), ("database", url.database)):
            if given and getattr(self, field) is not None:
                raise problem_at(field, "stands in the url, too: give it once")
        if (self.user or url.user) and self.password is None and url.password is None:
            raise problem_at("password", "is missing: whoever logs in by name needs one")
        return self

    def secrets(self) -> Iterator[str]:
        """As it is written in the address and as it is sent; see also secrets_in()."""
        password = parse_url(self.url).password
        if password:
            yield from (password, quote(password, safe=""))


class RedisCommand(Section):
    """One command of the user's own."""

    name: Text | None = Field(default=None, description="What reports call it. Default: its first word.")
    args: Annotated[tuple[Argument, ...], Field(min_length=1, strict=False)] = Field(
        description="The command, word by word. {key} is the key's twelve digits, {value} a value of value_bytes, "
        "{index} the request's number, {uuid} a UUID of its own."
    )
    weight: PositiveFloat = Field(default=1.0, description="How often, against the others.")

    @property
    def words(self) -> tuple[str, ...]:
        return tuple(str(word) for word in self.args)

    @property
    def title(self) -> str:
        return self.name or self.words[0].lower()

    @model_validator(mode="after")
    def _has_one_answer(self) -> "RedisCommand":
        name, *rest = (word.lower() for word in self.words)
        if name in _NO_REPLY_OF_ITS_OWN or (name == "client" and rest[:1] == ["reply"]):
            raise problem_at("args", f"{self.words[0]} is not answered with one reply, and cannot be timed")
        if name in _CHANGES_THE_CONNECTION:
            raise problem_at(
                "args", f"{self.words[0]} changes what the connection's other requests mean, and cannot be one of them"
            )
        if sum(word.count(mark) for word in self.words for mark in ("{key}", "{index}", "{uuid}")) > MAX_SLOTS:
            raise problem_at("args", f"may have {MAX_SLOTS} of {{key}}, {{index}} and {{uuid}} at most")
        return self


class RedisWorkload(Section):
    """Commands to Redis."""

    operation: RedisOperation | None = Field(
        default=None, description="get, set, incr, lpush, hset, zadd or ping; or several, in `operations`."
    )
    operations: Annotated[dict[RedisOperation, PositiveFloat], Field(min_length=1)] | None = Field(
        default=None,
        description="Several operations with their weights. Default, where no command is given: {get: 80, set: 20}.",
    )
    commands: Annotated[tuple[RedisCommand, ...], Field(min_length=1, strict=False)] | None = Field(
        default=None, description="Commands of your own, beside the operations or in their place."
    )
    keys: Annotated[PositiveInt, Field(le=MAX_KEYS)] = Field(
        default=10_000, description="How many keys there are: key:000000000000 and so on."
    )
    value_bytes: PositiveInt = Field(
        default=64, description="Length of a value. From 38 bytes on values are stamped and can be checked."
    )
    key_distribution: KeyDistribution = Field(
        default="uniform",
        description="Which keys requests are about: uniform, zipfian (few are popular) or sequential.",
    )
    pipeline: Annotated[PositiveInt, Field(le=MAX_PIPELINE)] = Field(
        default=1, description="How many requests a connection sends at once; each is timed by itself."
    )
    preload: bool = Field(
        default=True,
        description="Whether the data is made before the load: every key is set where get or set is asked for, or a "
        "command names key:{key}, and what an earlier run left is removed.",
    )
    keep: bool = Field(
        default=False, description="Whether the keys stay after the run. Without preload they always do."
    )
    reuse: bool = Field(
        default=False, description="Whether keys that were there before, and are not loadgen's, may be written over."
    )
    check: bool = Field(
        default=True,
        description="Whether each get must return what was put there, whole and no older than acknowledged.",
    )

    @model_validator(mode="before")
    @classmethod
    def _get_and_set_unless_said(cls, fields: Any) -> Any:
        if isinstance(fields, dict) and not {"operation", "operations", "commands"} & fields.keys():
            return {**fields, "operations": {"get": 80.0, "set": 20.0}}
        return fields

    @model_validator(mode="after")
    def _fits_together(self) -> "RedisWorkload":
        if self.operation is not None and self.operations is not None:
            raise problem_at("operations", "give either this or operation")
        if self.value_bytes > MAX_VALUE_BYTES:
            raise problem_at("value_bytes", f"must be <= {MAX_VALUE_BYTES}, Redis's own limit, got {self.value_bytes}")
        names = [*self.usual, *(command.title for command in self.commands or ())]
        twice = next((name for name in names if names.count(name) > 1), None)
        if twice is not None:
            raise problem_at("commands", f"two are called {twice}: give each a name of its own")
        return self

    @property
    def usual(self) -> dict[str, float]:
        """The operations that are loadgen's own, with their weights."""
        if self.operations is not None:
            return {str(name): weight for name, weight in self.operations.items()}
        return {} if self.operation is None else {self.operation: 1.0}

    @property
    def weights(self) -> dict[str, float]:
        """Each operation's weight, then each command's; they need not add up to anything."""
        return self.usual | {command.title: command.weight for command in self.commands or ()}
