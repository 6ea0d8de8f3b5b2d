"""CRC-32C (Castagnoli), reflected, polynomial 0x82F63B78. Source: RFC 3720 B.4.

A register is linear in what it held and in what it is fed. So long contents are taken as lanes side by side, one numpy
call for a byte of each: 32 more lanes of zeros, begun with one bit each, say what becomes of a register over a lane.
"""

from math import isqrt

import numpy as np
from numpy.typing import NDArray

START = 0xFFFFFFFF
"""The register before the first byte; the CRC is the complement of the last."""

_POLYNOMIAL = 0x82F63B78
_SHORT_BYTES = 4096
_MOST_LANES = 4096


def _built_table() -> NDArray[np.uint32]:
    table = np.arange(256, dtype=np.uint32)
    for _ in range(8):
        table = np.where(table & 1, (table >> 1) ^ np.uint32(_POLYNOMIAL), table >> 1)
    return table


_TABLE = _built_table()
_PLAIN_TABLE: list[int] = _TABLE.tolist()


def feed(register: int, content: bytes | bytearray | memoryview) -> int:
    """The register after some more bytes."""
    if len(content) <= _SHORT_BYTES:
        return _feed_bytes(register, content)
    n_lanes = min(isqrt(len(content)), _MOST_LANES)
    n_steps = len(content) // n_lanes
    own, bits = _feed_lanes(np.frombuffer(content, np.uint8, n_lanes * n_steps).reshape(n_lanes, n_steps))
    for one in own:
        register = one ^ _carried(register, bits)
    return _feed_bytes(register, content[n_lanes * n_steps :])


def _feed_bytes(register: int, content: bytes | bytearray | memoryview) -> int:
    table = _PLAIN_TABLE
    for byte in content:
        register = table[(register ^ byte) & 0xFF] ^ (register >> 8)
    return register


def _feed_lanes(lanes: NDArray[np.uint8]) -> tuple[list[int], list[int]]:
    """The register of each lane, begun with 0, and what becomes of each bit of a register over one."""
    columns = np.zeros((lanes.shape[1], len(lanes) + 32), np.uint8)
    columns[:, : len(lanes)] = lanes.T
    registers = np.zeros(len(lanes) + 32, np.uint32)
    registers[len(lanes) :] = np.uint32(1) << np.arange(32, dtype=np.uint32)
    for column in columns:
        registers = _TABLE[(registers ^ column) & 0xFF] ^ (registers >> 8)
    words: list[int] = registers.tolist()
    return words[: len(lanes)], words[len(lanes) :]


def _carried(register: int, bits: list[int]) -> int:
    """A register after a lane of zeros."""
    carried = 0
    while register:
        lowest = register & -register
        carried ^= bits[lowest.bit_length() - 1]
        register ^= lowest
    return carried
