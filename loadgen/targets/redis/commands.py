"""What is sent: one encoded command for each operation; the keys are drawn."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

from loadgen.plan.keys import key_values
from loadgen.plan.model import KEY_DIGITS, STAMP_BYTES, Check, Request, SlotKind, Values
from loadgen.plan.stamps import CRC_START, crc32c, filler
from loadgen.targets.redis.model import RedisWorkload
from loadgen.targets.redis.resp import encode_command
from loadgen.targets.slots import KEY, STAMP, Mark, Part, lay, parts_of

KEY_PREFIX = "key:"
KEY_TEMPLATE = "key:{key}"
"""In commands of the user's own: the keys that are preloaded."""

N_FIELDS = 10
N_SETS = 10
N_SCORES = 1_000_000
FIELD = Mark(SlotKind.VALUE, 1, 1)
SET = Mark(SlotKind.VALUE, KEY_DIGITS, 1)
SCORE = Mark(SlotKind.VALUE, 6, 2)
OTHER_VALUES = ((0, max(N_FIELDS, N_SETS)), (0, N_SCORES))

Arguments = list[list[Part]]


@dataclass(frozen=True)
class Value:
    """What is written. filler: all of a value that has no stamp; else what stands before it."""

    plain: bytes
    is_stamped: bool

    @property
    def parts(self) -> list[Part]:
        return [self.plain[:-STAMP_BYTES], STAMP] if self.is_stamped else [self.plain]

    @property
    def crc(self) -> int:
        return crc32c(CRC_START, self.plain[:-STAMP_BYTES]) if self.is_stamped else CRC_START


_KEY: list[Part] = [KEY_PREFIX.encode(), KEY]

_ARGUMENTS: dict[str, Callable[[Value], Arguments]] = {
    "get": lambda _: [[b"GET"], _KEY],
    "set": lambda value: [[b"SET"], _KEY, value.parts],
    "incr": lambda _: [[b"INCR"], [b"counter:", KEY]],
    "lpush": lambda value: [[b"LPUSH"], [b"list:", KEY], [value.plain]],
    "hset": lambda value: [[b"HSET"], [b"hash:", KEY], [b"field:", FIELD], [value.plain]],
    "zadd": lambda _: [[b"ZADD"], [b"zset:", SET], [SCORE], [b"member:", KEY]],
    "ping": lambda _: [[b"PING"]],
}
_CHECKS = {"get": Check.READ, "set": Check.WRITE}
_WRITES = {"set": KEY_PREFIX, "incr": "counter:", "lpush": "list:", "hset": "hash:", "zadd": "zset:"}


def value_of(workload: RedisWorkload, seed: int) -> Value:
    return Value(filler(seed, workload.value_bytes), workload.check and workload.value_bytes >= STAMP_BYTES)


def requests_of(workload: RedisWorkload, value: Value) -> Iterator[Request]:
    """The operations, then the user's own commands."""
    for operation, name in enumerate(workload.usual):
        yield _request(_ARGUMENTS[name](value), operation, _CHECKS.get(name, Check.NONE), value)
    for operation, command in enumerate(workload.commands or (), len(workload.usual)):
        yield _request([_filled_in(word, value) for word in command.words], operation, Check.NONE, value)


def preload_request(value: Value, operation: int) -> Request:
    """Sets one key. operation: whichever; fills are not reported by operation."""
    return _request(_ARGUMENTS["set"](value), operation, Check.WRITE, value)


def _request(arguments: Arguments, operation: int, check: Check, value: Value) -> Request:
    raw, slots = lay(encode_command(arguments))
    if check is Check.NONE or not value.is_stamped:
        return Request(raw, slots, operation)
    return Request(raw, slots, operation, check, crc=value.crc if check is Check.WRITE else CRC_START)


def _filled_in(word: str, value: Value) -> list[Part]:
    parts: list[Part] = []
    for place, piece in enumerate(word.split("{value}")):
        parts += ([value.plain] if place else []) + list(parts_of(piece))
    return parts


def draws_of(workload: RedisWorkload, seed: int) -> Values:
    return key_values(seed, workload.keys, workload.key_distribution, OTHER_VALUES)


def reads_or_sets(workload: RedisWorkload) -> bool:
    """Whether requests are about the keys that a preload sets."""
    asked = any(KEY_TEMPLATE in word for command in workload.commands or () for word in command.words)
    return asked or not workload.usual.keys().isdisjoint(_CHECKS)


def written_spans(workload: RedisWorkload) -> dict[str, int]:
    """The keys that a run writes: how many of each prefix. What the user's own commands write is the user's."""
    spans = {_WRITES[name]: N_SETS if name == "zadd" else workload.keys for name in workload.usual if name in _WRITES}
    if workload.preload and reads_or_sets(workload):
        spans[KEY_PREFIX] = workload.keys
    return spans


def in_order(n_keys: int) -> Values:
    """Each key once."""
    return key_values(0, n_keys, "sequential")
