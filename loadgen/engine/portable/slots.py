"""What is written into a request's slots when it is sent: see SlotKind."""

from collections.abc import Sequence

from loadgen.engine.portable import crc32c
from loadgen.plan.model import KEY_DIGITS, SLOT_BYTES, Slot, SlotKind

_VERSION_DIGITS = 10
_WORD = 2**64 - 1


class SlotWriter:
    """Knows what is the same in all requests of a run. run_tag: stands before the index in ID slots."""

    def __init__(self, run_tag: str, value_tag: bytes) -> None:
        self._run_tag = run_tag
        self._value_tag = value_tag
        self._run_bits = _mixed(_fnv1a(run_tag.encode())) & ~0xF000 | 0x8000

    def text(self, slot: Slot, index: int, values: Sequence[int]) -> bytes:
        """Of any slot but a stamp, as wide as the slot."""
        if slot.kind is SlotKind.ID:
            return f"{self._run_tag}-{index:0{SLOT_BYTES - len(self._run_tag) - 1}d}".encode()
        if slot.kind is SlotKind.UUID:
            return self._uuid(index)
        number = index if slot.kind is SlotKind.INDEX else values[slot.value]
        return b"%0*d" % (slot.width, number)

    def stamp(self, register: int, key: int, version: int) -> bytes:
        """register: the CRC's, over the value so far."""
        told = b"%s%0*d%0*d" % (self._value_tag, KEY_DIGITS, key, _VERSION_DIGITS, version)
        return b"%s%08x" % (told, crc32c.feed(register, told) ^ crc32c.START)

    def _uuid(self, index: int) -> bytes:
        """Version 8: bits of run and index. Source: RFC 9562, 5.8."""
        digits = b"%016x%016x" % (self._run_bits, _mixed(index + self._run_bits) >> 2 | 1 << 63)
        return b"-".join((digits[:8], digits[8:12], digits[12:16], digits[16:20], digits[20:]))


def _mixed(number: int) -> int:
    """splitmix64's finish: every bit of the result depends on every bit of the number."""
    number &= _WORD
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _WORD
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _WORD
    return number ^ number >> 31


def _fnv1a(text: bytes) -> int:
    number = 0xCBF29CE484222325
    for byte in text:
        number = (number ^ byte) * 0x100000001B3 & _WORD
    return number
