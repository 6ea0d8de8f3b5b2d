"""Requests put together of fixed bytes and of marks, where the engine writes something else each time."""

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from loadgen.plan.model import KEY_DIGITS, SLOT_BYTES, STAMP_BYTES, UUID_BYTES, Slot, SlotKind


class Mark(NamedTuple):
    """A slot without its place. value: which of the drawn values."""

    kind: SlotKind
    width: int
    value: int = 0


Part = bytes | Mark

ID = Mark(SlotKind.ID, SLOT_BYTES)
INDEX = Mark(SlotKind.INDEX, KEY_DIGITS)
UUID = Mark(SlotKind.UUID, UUID_BYTES)
KEY = Mark(SlotKind.VALUE, KEY_DIGITS)
STAMP = Mark(SlotKind.STAMP, STAMP_BYTES)

_NAMED = {"{index}": INDEX, "{key}": KEY, "{uuid}": UUID}
_NAMES = re.compile("|".join(re.escape(name) for name in _NAMED))


def parts_of(template: str) -> Iterator[Part]:
    """A person's text, in which {index}, {key} and {uuid} are slots."""
    at = 0
    for found in _NAMES.finditer(template):
        yield template[at : found.start()].encode()
        yield _NAMED[found[0]]
        at = found.end()
    yield template[at:].encode()


def width_of(parts: Iterable[Part]) -> int:
    """Bytes of the whole, as it will be sent."""
    return sum(part.width if isinstance(part, Mark) else len(part) for part in parts)


def lay(parts: Iterable[Part]) -> tuple[bytes, tuple[Slot, ...]]:
    """A request's raw bytes, b"0" where slots are, and its slots."""
    raw = bytearray()
    slots = []
    for part in parts:
        if isinstance(part, Mark):
            slots.append(Slot(len(raw), *part))
            raw += b"0" * part.width
        else:
            raw += part
    return bytes(raw), tuple(slots)
