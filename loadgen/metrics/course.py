"""How a metric went over a run, in constant memory: how often each length occurred in each of 1,024 slots of time.

A slot is a power of two of nanoseconds wide. When a run outgrows its slots, neighbours are put together and all become
twice as wide: so they always fill between half and all of what there are, however long the run.
"""

from collections.abc import Iterable
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from loadgen.metrics.histogram import COARSE, OCTAVE_BINS, Counted, edges_of

N_SLOTS = 1 << 10
FINEST_BITS = 20
"""Slots are 2 ** 20 ns wide at first: about a millisecond."""

_SLOT_BITS = 10
_ROW_BITS = COARSE.bit_length() - 1
_OCTAVE_ROWS = OCTAVE_BINS // COARSE

Floats = NDArray[np.float64]
Number = TypeVar("Number", np.float64, np.uint32)


class Instants:
    """When the requests were planned whose values are counted.

    at_ns: shape (n_requests,). ends_ns: the first and the last instant of a request that has a value. n_each: how many
    values each has, where that is not one; shape (n_requests,).
    """

    def __init__(
        self, at_ns: NDArray[np.int64], ends_ns: tuple[int, int], n_each: NDArray[np.int64] | None = None
    ) -> None:
        self._at_ns = at_ns
        self._n_each = n_each
        self._first_ns, self.last_ns = max(ends_ns[0], 0), max(ends_ns[1], 0)
        self._bits = -1
        self._slots = at_ns

    @classmethod
    def of(cls, at_ns: NDArray[np.int64], n_each: NDArray[np.int64] | None = None) -> "Instants":
        """at_ns: of one request that has a value at least."""
        there = at_ns if n_each is None else at_ns[n_each > 0]
        return cls(at_ns, (int(there.min()), int(there.max())), n_each)

    def only(self, bits: int) -> int | None:
        """The one slot that all lie in; None where there are several. bits: a slot is 2 ** bits ns wide."""
        first = self._first_ns >> bits
        return first if first == self.last_ns >> bits else None

    def slots(self, bits: int) -> NDArray[np.int64]:
        """Each value's slot, shape (n_values,)."""
        if self._bits != bits:
            slots = np.maximum(self._at_ns, 0) >> bits if self._first_ns == 0 else self._at_ns >> bits
            self._slots = slots if self._n_each is None else np.repeat(slots, self._n_each)
            self._bits = bits
        return self._slots


class Strip:
    """Sums of something in each slot. values: shape (N_SLOTS,)."""

    def __init__(self) -> None:
        self.bits = FINEST_BITS
        self.values = np.zeros(N_SLOTS, np.float64)

    @property
    def slot_ns(self) -> int:
        """How wide a slot is; the first begins with the run."""
        return 1 << self.bits

    def add(self, at: Instants, weights: Floats | None = None) -> None:
        """weights: shape (n_values,); None: each counts as one."""
        self.widen(bits_for(at.last_ns))
        self.values += np.bincount(at.slots(self.bits), weights, N_SLOTS)

    def widen(self, bits: int) -> None:
        """Make slots so wide; narrower ones are put together."""
        if bits > self.bits:
            self.values = _folded(self.values, bits - self.bits)
            self.bits = bits

    @classmethod
    def merged(cls, parts: "Iterable[Strip]") -> "Strip":
        """The sums of all."""
        parts, whole = list(parts), cls()
        whole.widen(max((part.bits for part in parts), default=FINEST_BITS))
        for part in parts:
            whole.values += _folded(part.values, whole.bits - part.bits)
        return whole


class Heat(NamedTuple):
    """A metric over time. from_ns, to_ns: edges of the slots, shape (n_slots + 1,), of those from the first to the last
    that hold something; low_ns: edges of the rows, shape (n_rows + 1,); counts: shape (n_rows, n_slots).
    """

    from_ns: NDArray[np.int64]
    low_ns: NDArray[np.int64]
    counts: NDArray[np.int64]


class Batches(NamedTuple):
    """A metric's values, put together by the slot that they belong to, slots without a value left out.

    n, sums_ns: shape (n_batches,). below: shape (n_rows + 1, n_batches): how many lie below each edge of the rows, the
    last of which is above all values. edges_ns: those edges, shape (n_rows + 1,).
    """

    n: Floats
    sums_ns: Floats
    below: NDArray[np.int64]
    edges_ns: NDArray[np.int64]


class Course:
    """Durations of one metric: which length occurred how often in which slot, and their sum in each."""

    def __init__(self) -> None:
        self._sums = Strip()
        self._first_row = 0
        self._counts = np.zeros((0, N_SLOTS), np.uint32)  # rows between the lowest and the highest value seen

    def add(self, at: Instants, counted: Counted) -> None:
        """counted: the values, as a histogram has counted them; at: when their requests were planned."""
        self._widen(bits_for(at.last_ns))
        begins = counted.first_bin // COARSE
        self._reach(begins, begins + (len(counted.counts) - 1) // COARSE + 1)
        rows = self._counts[begins - self._first_row :]
        slot = at.only(self.bits)
        if slot is not None:
            edges = np.arange(0, len(counted.counts), COARSE)
            rows[: len(edges), slot] += np.add.reduceat(counted.counts, edges).astype(np.uint32)
            self._sums.values[slot] += counted.sum_ns
            return
        slots = at.slots(self.bits)
        cells = counted.bins >> _ROW_BITS
        cells <<= _SLOT_BITS
        cells += slots
        np.add.at(rows.reshape(-1), cells, np.uint32(1))
        self._sums.values += np.bincount(slots, counted.floats, N_SLOTS)

    def _reach(self, begin: int, end: int) -> None:
        """Have rows from begin to end, and some to spare: whole powers of two."""
        n_rows = len(self._counts)
        first = self._first_row if n_rows else begin
        if first <= begin and end <= first + n_rows:
            return
        low = min(begin, first) // _OCTAVE_ROWS * _OCTAVE_ROWS
        high = -(-max(end, first + n_rows) // _OCTAVE_ROWS) * _OCTAVE_ROWS
        counts = np.zeros((high - low, N_SLOTS), np.uint32)
        counts[first - low : first - low + n_rows] = self._counts
        self._counts, self._first_row = counts, low

    def _widen(self, bits: int) -> None:
        if bits > self.bits:
            self._counts = _folded(self._counts, bits - self.bits)
            self._sums.widen(bits)

    @classmethod
    def merged(cls, parts: "Iterable[Course]") -> "Course":
        """One that has been given what all of them were given; of a single one, that itself."""
        parts = list(parts)
        if len(parts) == 1:
            return parts[0]
        whole = cls()
        whole._widen(max((part.bits for part in parts), default=FINEST_BITS))
        for part in parts:
            n_rows, apart = len(part._counts), whole.bits - part.bits
            if n_rows:
                whole._reach(part._first_row, part._first_row + n_rows)
                begin = part._first_row - whole._first_row
                whole._counts[begin : begin + n_rows] += _folded(part._counts, apart)
                whole._sums.values += _folded(part._sums.values, apart)
        return whole

    @property
    def bits(self) -> int:
        """A slot is 2 ** bits ns wide."""
        return self._sums.bits

    @property
    def slot_ns(self) -> int:
        """How wide a slot is; the first begins with the run."""
        return self._sums.slot_ns

    @property
    def n(self) -> NDArray[np.int64]:
        """How many values lie in each slot, shape (N_SLOTS,)."""
        n: NDArray[np.int64] = self._counts.sum(axis=0, dtype=np.int64)
        return n

    @property
    def strip(self) -> Strip:
        """The same as a strip."""
        strip = Strip()
        strip.bits, strip.values = self.bits, self.n.astype(np.float64)
        return strip

    @property
    def sums_ns(self) -> Floats:
        """The sum of each slot's values, shape (N_SLOTS,)."""
        return self._sums.values

    def heat(self) -> Heat:
        """What a picture of it is made from; arrays of no length where there are no values."""
        slots, rows = np.flatnonzero(self.n), np.flatnonzero(self._counts.any(axis=1))
        if not len(slots):
            return Heat(np.zeros(0, np.int64), np.zeros(0, np.int64), np.zeros((0, 0), np.int64))
        begin, end, low, high = int(slots[0]), int(slots[-1]) + 1, int(rows[0]), int(rows[-1]) + 1
        return Heat(
            np.arange(begin, end + 1) << self.bits,
            self._edges_ns(low, high),
            self._counts[low:high, begin:end].astype(np.int64),
        )

    def batches(self) -> Batches:
        """What it is told from how sure a mean or a percentile is."""
        n = self.n
        there = np.flatnonzero(n)
        counts = self._counts[:, there]
        below = np.zeros((len(counts) + 1, len(there)), np.int64)
        np.cumsum(counts, axis=0, dtype=np.int64, out=below[1:])
        return Batches(n[there].astype(np.float64), self.sums_ns[there], below, self._edges_ns(0, len(counts)))

    def _edges_ns(self, low: int, high: int) -> NDArray[np.int64]:
        lowest, _ = edges_of((self._first_row + np.arange(low, high + 1)) * COARSE)
        return lowest


def bits_for(last_ns: int) -> int:
    """How wide slots must be for an instant to lie in one of them."""
    return max(max(last_ns, 0).bit_length() - _SLOT_BITS, FINEST_BITS)


def _folded(values: NDArray[Number], n_times: int) -> NDArray[Number]:
    """Neighbouring slots put together in pairs, n_times over. values: shape (…, N_SLOTS), and so is what returns."""
    if n_times == 0:
        return values
    each = min(1 << n_times, N_SLOTS)
    folded = np.zeros_like(values)
    folded[..., : N_SLOTS // each] = values.reshape(*values.shape[:-1], N_SLOTS // each, each).sum(
        axis=-1, dtype=values.dtype
    )
    return folded
