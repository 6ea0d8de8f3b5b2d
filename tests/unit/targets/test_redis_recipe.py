"""A recipe for Redis: what it may say, and what is sent for it."""

from typing import Any

import numpy as np
import pytest

from loadgen.errors import RecipeError
from loadgen.plan import build_plan
from loadgen.plan.model import STAMP_BYTES, Check, Plan, SlotKind
from loadgen.plan.stamps import CRC_START, crc32c
from loadgen.recipe import Recipe, recipe_from_dict
from loadgen.targets import target_for
from loadgen.targets.redis.login import credentials_of
from loadgen.targets.redis.model import RedisService
from loadgen.targets.redis.resp import encode_words


def recipe_of(service: dict[str, Any] | None = None, **workload: Any) -> Recipe:
    return recipe_from_dict({"service": {"kind": "redis", **(service or {})}, "workload": workload})


def plan_of(**workload: Any) -> Plan:
    recipe = recipe_of(**workload)
    return build_plan(recipe, target_for(recipe))


def words_of(request: bytes) -> list[bytes]:
    """Back into words, each held against its length."""
    head, _, rest = request.partition(b"\r\n")
    words = []
    for _ in range(int(head.removeprefix(b"*"))):
        length, _, rest = rest.partition(b"\r\n")
        n_bytes = int(length.removeprefix(b"$"))
        words.append(rest[:n_bytes])
        assert rest[n_bytes : n_bytes + 2] == b"\r\n"
        rest = rest[n_bytes + 2 :]
    assert rest == b""
    return words


def test_the_smallest_recipe_gets_and_sets() -> None:
    recipe = recipe_of()
    assert isinstance(recipe.service, RedisService)
    assert recipe.service.url == "redis://127.0.0.1:6379"
    assert recipe.workload.weights == {"get": 80.0, "set": 20.0}


def test_commands_are_operations_too() -> None:
    commands = [{"args": ["HGET", "h", "{key}"], "weight": 3}, {"name": "top", "args": ["ZRANGE", "z", 0, 9]}]
    assert recipe_of(commands=commands).workload.weights == {"hget": 3.0, "top": 1.0}
    both = recipe_of(operation="get", commands=commands)
    assert both.workload.weights == {"get": 1.0, "hget": 3.0, "top": 1.0}
    assert [operation.name for operation in target_for(both).operations] == ["get", "hget", "top"]


@pytest.mark.parametrize(
    ("operation", "words"),
    [
        ("get", [b"GET", b"key:000000000000"]),
        ("incr", [b"INCR", b"counter:000000000000"]),
        ("zadd", [b"ZADD", b"zset:000000000000", b"000000", b"member:000000000000"]),
        ("ping", [b"PING"]),
    ],
)
def test_an_operation_is_one_command_with_slots(operation: str, words: list[bytes]) -> None:
    assert words_of(plan_of(operation=operation).pool.text(0)) == words


@pytest.mark.parametrize(("operation", "n_words"), [("set", 3), ("lpush", 3), ("hset", 4)])
def test_a_value_has_the_length_that_was_asked_for(operation: str, n_words: int) -> None:
    words = words_of(plan_of(operation=operation, value_bytes=100).pool.text(0))
    assert len(words) == n_words
    assert len(words[-1]) == 100


def test_a_value_ends_in_a_stamp_and_carries_the_crc_of_what_stands_before() -> None:
    pool = plan_of(operation="set", value_bytes=64).pool
    (entry,) = pool.payloads
    stamp = next(slot for slot in pool.slots_of(0) if slot.kind is SlotKind.STAMP)
    filler = words_of(pool.text(0))[2][:-STAMP_BYTES]
    assert pool.text(0)[stamp.at + STAMP_BYTES :] == b"\r\n"
    assert entry["check"] == Check.WRITE
    assert entry["crc"] == crc32c(CRC_START, filler)


@pytest.mark.parametrize("workload", [{"value_bytes": STAMP_BYTES - 1}, {"check": False}])
def test_what_cannot_or_shall_not_be_checked_has_no_stamp(workload: dict[str, Any]) -> None:
    plan = plan_of(**workload)
    assert plan.n_keys == 0
    assert set(plan.pool.payloads["check"]) == {Check.NONE}
    assert all(slot.kind is not SlotKind.STAMP for payload in range(2) for slot in plan.pool.slots_of(payload))


def test_a_value_of_nothing_but_its_stamp_can_be_checked() -> None:
    plan = plan_of(value_bytes=STAMP_BYTES)
    assert set(plan.pool.payloads["check"]) == {Check.READ, Check.WRITE}


def test_gets_are_checked_from_the_first_where_every_key_was_put_there() -> None:
    assert (plan_of(keys=500).n_keys, plan_of(keys=500).n_existing) == (500, 500)
    assert (plan_of(keys=500, preload=False).n_keys, plan_of(keys=500, preload=False).n_existing) == (500, 0)
    assert plan_of(operation="incr").n_keys == 0


def test_every_draw_fits_its_slot() -> None:
    plan = plan_of(operations={"get": 1, "set": 1, "hset": 1, "zadd": 1}, keys=7)
    values = plan.draw(0, 10_000).values
    assert values is not None
    assert (np.unique(values[:, 0]) == np.arange(7)).all()
    for payload in range(len(plan.pool)):
        for slot in plan.pool.slots_of(payload):
            if slot.kind is SlotKind.VALUE:
                assert values[:, slot.value].min() >= 0
                assert values[:, slot.value].max() < 10**slot.width


def test_a_ping_draws_no_keys() -> None:
    assert plan_of(operation="ping").draw(0, 5).values is None


def test_commands_have_their_slots_and_values_filled_in() -> None:
    args = ["EVAL", "return 1", 0, "a{key}b{uuid}", "{value}", "ä{index}", 1.5]
    plan = plan_of(commands=[{"args": args}], value_bytes=50)
    words = words_of(plan.pool.text(0))
    assert words[:3] == [b"EVAL", b"return 1", b"0"]
    assert words[3] == b"a" + b"0" * 12 + b"b" + b"0" * 36
    assert len(words[4]) == 50
    assert words[5:] == ["ä".encode() + b"0" * 12, b"1.5"]
    assert [slot.kind for slot in plan.pool.slots_of(0)] == [SlotKind.VALUE, SlotKind.UUID, SlotKind.INDEX]


def test_words_are_counted_in_bytes() -> None:
    assert encode_words(["SET", "ä", b"\r\n", 5]) == b"*4\r\n$3\r\nSET\r\n$2\r\n\xc3\xa4\r\n$2\r\n\r\n\r\n$1\r\n5\r\n"


def test_the_pipeline_is_the_plans() -> None:
    assert plan_of(pipeline=16).pipeline == 16


@pytest.mark.parametrize(
    ("service", "who"),
    [
        ({}, (None, None, 0)),
        ({"url": "redis://joe:p%40ss@10.0.0.1:7000/3"}, ("joe", "p@ss", 3)),
        ({"url": "redis://:p@10.0.0.1"}, (None, "p", 0)),
        ({"url": "unix:///run/redis.sock", "user": "joe", "password": "p", "database": 2}, ("joe", "p", 2)),
        ({"url": "127.0.0.1:7000", "database": 4}, (None, None, 4)),
    ],
)
def test_credentials_stand_in_the_address_or_beside_it(service: dict[str, Any], who: tuple[Any, ...]) -> None:
    section = recipe_of(service).service
    assert isinstance(section, RedisService)
    credentials = credentials_of(section)
    assert (credentials.user, credentials.password, credentials.database) == who


def test_no_password_is_ever_written() -> None:
    for service in ({"url": "redis://joe:s3%40cret@10.0.0.1"}, {"user": "joe", "password": "s3@cret"}):
        recipe = recipe_of(service)
        assert "cret" not in str(recipe.canonical())
        assert recipe.redacted("what of s3@cret?") == "what of ***?"
        assert "s3@cret" not in repr(recipe)


@pytest.mark.parametrize(
    ("service", "workload", "words"),
    [
        ({"url": "http://127.0.0.1:6379"}, {}, "service.url: must begin with redis://"),
        ({"url": "redis://127.0.0.1/one"}, {}, "service.url: must end with the number of a database"),
        ({"url": "redis://127.0.0.1/1", "database": 1}, {}, "service.database: stands in the url, too"),
        ({"url": "redis://:a@127.0.0.1", "password": "b"}, {}, "service.password: stands in the url, too"),
        ({"user": "joe"}, {}, "service.password: is missing"),
        ({"protocol": 4}, {}, "service.protocol"),
        ({"database": -1}, {}, "service.database"),
        ({}, {"operation": "del"}, "workload.operation"),
        ({}, {"operation": "get", "operations": {"set": 1}}, "workload.operations: give either this or operation"),
        ({}, {"operation": "get", "commands": [{"name": "get", "args": ["GET", "x"]}]}, "two are called get"),
        ({}, {"commands": [{"args": ["SUBSCRIBE", "news"]}]}, "is not answered with one reply"),
        ({}, {"commands": [{"args": ["client", "REPLY", "OFF"]}]}, "is not answered with one reply"),
        ({}, {"commands": [{"args": ["MULTI"]}]}, "changes what the connection's other requests mean"),
        ({}, {"commands": [{"args": []}]}, "workload.commands"),
        ({}, {"commands": [{"args": ["MGET", *["{key}"] * 17]}]}, "may have 16 of {key}"),
        ({}, {"keys": 0}, "workload.keys"),
        ({}, {"value_bytes": 600 << 20}, "workload.value_bytes"),
        ({}, {"key_distribution": "zipf"}, "workload.key_distribution"),
        ({}, {"pipline": 4}, "did you mean pipeline?"),
    ],
)
def test_a_mistake_is_one_line_at_its_field(service: dict[str, Any], workload: dict[str, Any], words: str) -> None:
    with pytest.raises(RecipeError) as raised:
        recipe_of(service, **workload)
    assert words in str(raised.value)
    assert "\n" not in str(raised.value)
