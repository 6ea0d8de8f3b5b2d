"""What objects hold: slices of one array of random bytes, each object another one, so that nothing repeats and nothing
is copied; and the CRC-32C of every slice, without reading them all.
"""

from collections.abc import Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.plan.model import STAMP_BYTES
from loadgen.plan.stamps import CRC_START, Words, applied, fed, shift_by
from loadgen.plan.streams import Purpose, generator
from loadgen.plan.synthetic import drawn_lengths
from loadgen.targets.s3.models import ObjectSizes

SPREAD_BYTES = 4 << 20
"""Slices begin anywhere in so many bytes; a power of two."""

MAX_SINGLE_BYTES = 64 << 20
"""Larger objects are put in parts."""

PART_BYTES = 16 << 20

_SCATTER = 2654435761
"""Odd, so that the first SPREAD_BYTES multiples of it all differ modulo SPREAD_BYTES. Source: Knuth, TAOCP 3, 6.4."""

_STRIDE = 2048
"""The register before every so many bytes is kept."""


class Slice(NamedTuple):
    """Some bytes of Contents.octets."""

    begin: int
    n_bytes: int


def drawn_sizes(spec: int | ObjectSizes, seed: int, n: int) -> list[int]:
    """Bytes of each of n objects."""
    if isinstance(spec, int):
        return [spec] * n
    return drawn_lengths(seed, Purpose.INPUT_LENGTH, n, spec.mean, spec.std, spec.min, spec.largest)


class Contents:
    """The objects of a run. sizes: bytes of each. checks: whether each is to end in a stamp where it has room."""

    def __init__(self, seed: int, sizes: Sequence[int], checks: bool) -> None:
        self.seed, self.sizes = seed, sizes
        self._stamp_bytes = STAMP_BYTES if checks else 0

    @property
    def has_parts(self) -> bool:
        """Whether any object must be put in parts."""
        return max(self.sizes) > MAX_SINGLE_BYTES

    def is_stamped(self, number: int) -> bool:
        return 0 < self._stamp_bytes <= self.sizes[number]

    def slices(self, number: int) -> list[Slice]:
        """What an object is made of, up to its stamp: one slice, or one for each part."""
        n_bytes = self.sizes[number] - (STAMP_BYTES if self.is_stamped(number) else 0)
        if self.sizes[number] <= MAX_SINGLE_BYTES:
            return [Slice(_scattered(number), n_bytes)]
        return [
            Slice(_scattered(number + part), min(PART_BYTES, n_bytes - at))
            for part, at in enumerate(range(0, n_bytes, PART_BYTES))
        ]

    @cached_property
    def octets(self) -> NDArray[np.uint8]:
        """Every slice lies in it."""
        longest = max(PART_BYTES if size > MAX_SINGLE_BYTES else size for size in self.sizes)
        drawn = generator(self.seed, Purpose.PROMPT, 0).bytes(SPREAD_BYTES + longest)
        return np.frombuffer(drawn, np.uint8)

    @cached_property
    def registers(self) -> list[int]:
        """Of each object the CRC's register before its stamp; CRC_START where it has none."""
        slices = [self.slices(number) if self.is_stamped(number) else [] for number in range(len(self.sizes))]
        registers = np.full(len(slices), CRC_START, np.uint32)
        crcs = SliceCrcs(self.octets)
        for part in range(max(map(len, slices))):
            here = [number for number, pieces in enumerate(slices) if part < len(pieces)]
            pieces = np.array([slices[number][part] for number in here], np.int64)
            registers[here] = crcs.after(registers[here], pieces[:, 0], pieces[:, 1])
        found: list[int] = registers.tolist()
        return found


def _scattered(number: int) -> int:
    return number * _SCATTER % SPREAD_BYTES


class SliceCrcs:
    """CRC-32C of many overlapping slices of one array, at the cost of reading the array once.

    Registers are linear over GF(2): that after a slice is that after everything up to its end, less that after
    everything before it, moved on by as many zero octets as the slice has.
    """

    def __init__(self, octets: NDArray[np.uint8]) -> None:
        self._octets = octets
        n_whole = len(octets) // _STRIDE
        self._kept = np.zeros(n_whole + 1, np.uint32)
        registers = np.zeros(n_whole, np.uint32)
        for column in octets[: n_whole * _STRIDE].reshape(n_whole, _STRIDE).T:
            registers = fed(registers, column)
        self._kept[1:] = _accumulated(registers, shift_by(_STRIDE))

    def after(self, registers: Words, begins: NDArray[np.int64], n_bytes: NDArray[np.int64]) -> Words:
        """The registers after a slice each. begins, n_bytes: shape (n,), as registers."""
        moved = _shifted(registers ^ self._up_to(begins), n_bytes)
        after: Words = self._up_to(begins + n_bytes) ^ moved
        return after

    def _up_to(self, ends: NDArray[np.int64]) -> Words:
        """The registers, begun with 0, after all octets before each end."""
        rest = ends % _STRIDE
        order = np.argsort(-rest)
        at, left = (ends - rest)[order], rest[order]
        registers = self._kept[at // _STRIDE]
        for column in range(int(left[0]) if len(left) else 0):
            n = int(np.searchsorted(-left, -column))  # those with more octets left than `column`
            registers[:n] = fed(registers[:n], self._octets[at[:n] + column])
        found: Words = np.empty_like(registers)
        found[order] = registers
        return found


def _accumulated(registers: Words, shift: Words) -> Words:
    """Of consecutive pieces, each summed by itself, the registers after each with all before it."""
    reach = 1
    while reach < len(registers):
        registers = np.concatenate((registers[:reach], registers[reach:] ^ applied(shift, registers[:-reach])))
        shift, reach = applied(shift, shift), 2 * reach
    return registers


def _shifted(registers: Words, n_octets: NDArray[np.int64]) -> Words:
    """Each register after its number of zero octets."""
    registers, left, power = registers.copy(), n_octets.copy(), shift_by(1)
    while left.any():
        odd = np.flatnonzero(left & 1)
        registers[odd] = applied(power, registers[odd])
        power, left = applied(power, power), left >> 1
    return registers
