"""Values that can be checked: filler, and at its end a stamp that says whose value it is and whether it is whole.

The layout of a stamp is that of STAMP_BYTES in plan/model.py. CRC-32C: RFC 3720 B.4, reflected polynomial 0x82F63B78.
"""

import hashlib
from functools import lru_cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.model import FIRST_VERSION, KEY_DIGITS, STAMP_BYTES

NO_TAG = b"00000000"
"""The tag of a plan that names no other: Plan.value_tag's default."""

CRC_START = 0xFFFFFFFF
VERSION_DIGITS = 10
CRC_DIGITS = 8

_POLYNOMIAL = 0x82F63B78
_LANES = 1024
_LONG_BYTES = 16 * _LANES
"""From here on many pieces are summed side by side."""

_LETTERS = (b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_" * 4)[:256]

Octets = NDArray[np.uint8]
Words = NDArray[np.uint32]


class Stamp(NamedTuple):
    """What a whole value says of itself."""

    tag: bytes
    key: int
    version: int


def filler(seed: int, n_bytes: int) -> bytes:
    """Printable ASCII that no store compresses away: letters, digits, - and _."""
    return hashlib.shake_256(f"loadgen value {seed}".encode()).digest(n_bytes).translate(_LETTERS)


def crc32c(register: int, content: bytes | bytearray | memoryview) -> int:
    """The register after some more bytes. Begin with CRC_START; the CRC itself is the register's complement."""
    octets = np.frombuffer(content, np.uint8)
    n_side_by_side = len(octets) // _LANES * _LANES if len(octets) >= _LONG_BYTES else 0
    if n_side_by_side:
        register = _crc_of_lanes(register, octets[:n_side_by_side].reshape(_LANES, -1))
    table = _plain_table()
    for octet in bytes(octets[n_side_by_side:]):
        register = table[(register ^ octet) & 0xFF] ^ (register >> 8)
    return register


def stamped_value(filler: bytes, tag: bytes, key: int, version: int) -> bytes:
    """One whole value: the filler and its stamp."""
    told = b"%s%0*d%0*d" % (tag, KEY_DIGITS, key, VERSION_DIGITS, version)
    return b"%s%s%08x" % (filler, told, crc32c(crc32c(CRC_START, filler), told) ^ CRC_START)


def stamps(register: int, tag: bytes, keys: NDArray[np.int64], version: int = FIRST_VERSION) -> Octets:
    """The stamps of many values with the same filler. register: over that filler. Shape (n, STAMP_BYTES)."""
    rows = np.empty((len(keys), STAMP_BYTES), np.uint8)
    n_tag, n_told = len(tag), STAMP_BYTES - CRC_DIGITS
    rows[:, :n_tag] = np.frombuffer(tag, np.uint8)
    rows[:, n_tag : n_tag + KEY_DIGITS] = digits(keys, KEY_DIGITS)
    rows[:, n_tag + KEY_DIGITS : n_told] = digits(np.array([version]), VERSION_DIGITS)
    registers = np.full(len(keys), register, np.uint32)
    for column in range(n_told):
        registers = fed(registers, rows[:, column])
    rows[:, n_told:] = _hexadecimal(~registers)
    return rows


def digits(numbers: NDArray[np.int64], width: int) -> Octets:
    """Decimal, zero-padded, shape (n, width). numbers: none of them negative or wider."""
    powers = 10 ** np.arange(width - 1, -1, -1, dtype=np.int64)
    return (numbers[:, None] // powers % 10 + ord("0")).astype(np.uint8)


def read_stamp(value: bytes) -> Stamp | None:
    """What stands at a value's end; None where it is torn, or never had a stamp."""
    told, crc = value[:-CRC_DIGITS], value[-CRC_DIGITS:]
    if len(value) < STAMP_BYTES or crc != b"%08x" % (crc32c(CRC_START, told) ^ CRC_START):
        return None
    tag, key, version = told[-30:-22], told[-22:-10], told[-10:]
    return Stamp(tag, int(key), int(version)) if key.isdigit() and version.isdigit() else None


@lru_cache(1)
def _table() -> Words:
    registers: Words = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        registers = (registers >> np.uint32(1)) ^ (registers & np.uint32(1)) * np.uint32(_POLYNOMIAL)
    return registers


@lru_cache(1)
def _plain_table() -> list[int]:
    return [int(word) for word in _table()]


def fed(registers: Words, octets: Octets) -> Words:
    """Each register after an octet of its own."""
    fed: Words = _table()[(registers ^ octets) & np.uint32(0xFF)] ^ (registers >> np.uint32(8))
    return fed


def _crc_of_lanes(register: int, lanes: Octets) -> int:
    """The register after all lanes, end to end: each summed by itself, then neighbours joined, level by level.

    Joining is shifting the left one by as many zero octets as the right one has: linear over GF(2), so by a matrix.
    """
    registers = np.zeros(len(lanes), np.uint32)
    registers[0] = register
    for column in lanes.T:
        registers = fed(registers, column)
    shift = shift_by(lanes.shape[1])
    while len(registers) > 1:
        registers = applied(shift, registers[::2]) ^ registers[1::2]
        shift = applied(shift, shift)
    return int(registers[0])


def shift_by(n_octets: int) -> Words:
    """The matrix of n zero octets: what each of the 32 bits of a register becomes."""
    bits = np.uint32(1) << np.arange(32, dtype=np.uint32)
    result, power = bits, fed(bits, np.zeros(32, np.uint8))
    while n_octets:
        if n_octets & 1:
            result = applied(power, result)
        power, n_octets = applied(power, power), n_octets >> 1
    return result


def applied(matrix: Words, registers: Words) -> Words:
    """Each register after the octets of a matrix; a matrix after its own is that of twice as many."""
    bits = (registers[:, None] >> np.arange(32, dtype=np.uint32)) & np.uint32(1)
    applied: Words = np.bitwise_xor.reduce(bits * matrix, axis=1)
    return applied


def _hexadecimal(words: Words) -> Octets:
    """Lower case, shape (n, 8)."""
    nibbles = (words[:, None] >> np.arange(28, -1, -4, dtype=np.uint32)) & np.uint32(15)
    text: Octets = np.frombuffer(b"0123456789abcdef", np.uint8)[nibbles]
    return text
