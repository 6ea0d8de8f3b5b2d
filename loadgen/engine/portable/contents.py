"""What a request's Check looks for in an answer, while its body passes. Of a large body nothing is kept."""

import re
from typing import Any, NamedTuple

import orjson

from loadgen.engine.portable import crc32c, cutters
from loadgen.engine.portable.requests import Spec
from loadgen.plan.model import KEY_DIGITS, STAMP_BYTES, Check

TAG_BYTES = 8
CRC_DIGITS = 8

_TRAILING_DIGITS = re.compile(r"[0-9]+\Z")
_ID_NAMES = ("id", "ids")


class Content:
    """Nothing is looked for."""

    def feed(self, text: bytes | memoryview) -> None:
        """The next bytes of the body, cut anywhere."""


class Stamp(NamedTuple):
    """What a whole value says of itself."""

    tag: bytes
    key: int
    version: int


class Value(Content):
    """A stamped value: what it says of itself, and whether it is whole. Its last bytes are all that is held."""

    def __init__(self) -> None:
        self.n_bytes = 0
        self._register = crc32c.START  # over all but the bytes in hand
        self._last = b""

    def feed(self, text: bytes | memoryview) -> None:
        self.n_bytes += len(text)
        held = self._last + bytes(text)
        n_passed = max(len(held) - STAMP_BYTES, 0)
        self._register = crc32c.feed(self._register, held[:n_passed])
        self._last = held[n_passed:]

    def stamp(self) -> Stamp | None:
        """None: the value is torn, or too short to be one."""
        told, crc = self._last[:-CRC_DIGITS], self._last[-CRC_DIGITS:]
        if self.n_bytes < STAMP_BYTES or crc != b"%08x" % (crc32c.feed(self._register, told) ^ crc32c.START):
            return None
        numbers = told[TAG_BYTES:]
        if not numbers.isdigit():
            return None
        return Stamp(told[:TAG_BYTES], int(numbers[:KEY_DIGITS]), int(numbers[KEY_DIGITS:]))


class Needles(Content):
    """How often the needle occurs; no two occurrences share a byte."""

    def __init__(self, needle: bytes) -> None:
        self.n_found = 0
        self._needle = needle
        self._rest = b""  # what an occurrence may still begin in

    def feed(self, text: bytes | memoryview) -> None:
        held = self._rest + bytes(text)
        found = held.count(self._needle)
        self.n_found += found
        begin = 0
        for _ in range(found):
            begin = held.index(self._needle, begin) + len(self._needle)
        self._rest = held[max(begin, len(held) - len(self._needle) + 1) :]


class Ids(Content):
    """The ids that an answer names: numbers and strings whose nearest key is id or ids; of a string its last digits."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._n_bytes = 0
        self.rows: list[int] = []  # of answers that are no JSON: PostgreSQL's rows

    def feed(self, text: bytes | memoryview) -> None:
        self._n_bytes += len(text)
        if self._n_bytes <= cutters.LIMIT_BYTES:
            self._parts.append(bytes(text))

    def ids(self) -> list[int]:
        """Rubbish names none."""
        try:
            document = orjson.loads(b"".join(self._parts))
        except orjson.JSONDecodeError:
            return self.rows
        return [*_ids_in(document, is_named=False), *self.rows]


def _ids_in(document: Any, is_named: bool) -> list[int]:
    """is_named: the nearest key says that these are ids."""
    if isinstance(document, dict):
        return [one for name, value in document.items() for one in _ids_in(value, name in _ID_NAMES)]
    if isinstance(document, list):
        return [one for value in document for one in _ids_in(value, is_named)]
    if not is_named or isinstance(document, bool):
        return []
    if isinstance(document, int):
        return [document]
    digits = _TRAILING_DIGITS.search(document) if isinstance(document, str) else None
    return [int(digits[0])] if digits else []


def content_for(spec: Spec) -> Content | None:
    """None: the request's answer is not looked into."""
    if spec.check is Check.READ:
        return Value()
    if spec.check in (Check.CONTAINS, Check.COUNT):
        return Needles(spec.needle)
    return Ids() if spec.check is Check.IDS else None
