"""After the load: objects that were put are read once more, and held against what is known of each."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from loadgen.errors import TargetError
from loadgen.plan.model import STAMP_BYTES
from loadgen.plan.stamps import CRC_DIGITS, CRC_START, Stamp, crc32c
from loadgen.targets.base import Finding
from loadgen.targets.s3.contents import Contents
from loadgen.targets.s3.requests import key_name
from loadgen.targets.s3.session import Session

NAME = "read back"
MAX_OBJECTS = 200
MAX_BYTES = 1 << 30
"""Enough to find a store that loses objects; more would make people wait."""

_READ_BYTES = 1 << 20


def read_back(session: Session, contents: Contents, floors: NDArray[np.uint32]) -> Finding:
    """floors: shape (n_objects,): the oldest version that is right; 0: nothing is known of this object."""
    chosen = _chosen(contents, floors)
    if not chosen:
        return Finding(NAME, 0, 0, "no put was acknowledged: nothing to read back")
    try:
        reasons = {number: _why_wrong(session, contents, number, int(floors[number])) for number in chosen}
    except TargetError as error:
        return Finding(NAME, 0, 0, f"the objects could not be read back: {error}")
    wrong = [f"{key_name(number)}: {reason}" for number, reason in reasons.items() if reason]
    text = f"{len(chosen)} objects read back: " + (
        f"{len(wrong)} wrong; {wrong[0]}" if wrong else "all there and whole"
    )
    return Finding(NAME, len(chosen), len(wrong), text)


def _chosen(contents: Contents, floors: NDArray[np.uint32]) -> list[int]:
    """Objects with an acknowledged value, evenly over all of them, and no more bytes than anyone would wait for."""
    known = [number for number in np.flatnonzero(floors > 0).tolist() if contents.is_stamped(number)]
    n_bytes = sum(contents.sizes[number] for number in known)
    n_wanted = min(len(known), MAX_OBJECTS, max(MAX_BYTES * len(known) // max(n_bytes, 1), 1))
    return [known[place] for place in np.linspace(0, len(known) - 1, n_wanted).astype(np.int64)] if known else []


def _why_wrong(session: Session, contents: Contents, number: int, floor: int) -> str | None:
    with session.answer("GET", key_name(number)) as response:
        if response.status == 404:
            response.read()
            return f"is not there, though version {floor} was acknowledged"
        if response.status != 200:
            response.read()
            raise TargetError(f"GET {key_name(number)} is answered with {response.status}")
        reading = Reading(contents, number)
        while piece := response.read(_READ_BYTES):
            reading.feed(piece)
    return reading.why_wrong(floor)


class Reading:
    """One object's bytes as they come, held against what was put: compared, not summed, which is faster."""

    def __init__(self, contents: Contents, number: int) -> None:
        self._contents, self._number = contents, number
        self._expected = _expected(contents, number)
        self._piece = memoryview(b"")
        self._is_right = True
        self._tail = b""
        self._n_bytes = 0

    def feed(self, data: bytes) -> None:
        """The next bytes, cut anywhere."""
        self._n_bytes += len(data)
        left = memoryview(data)
        while left:
            if not self._piece:
                self._piece = next(self._expected, self._piece)
            if not self._piece:
                self._tail = (self._tail + left.tobytes())[: STAMP_BYTES + 1]
                return
            n = min(len(left), len(self._piece))
            self._is_right &= left[:n].tobytes() == self._piece[:n].tobytes()  # two views are compared item by item
            left, self._piece = left[n:], self._piece[n:]

    def stamp(self) -> Stamp | None:
        """None: the object is torn, or not what was put."""
        told, crc = self._tail[:-CRC_DIGITS], self._tail[-CRC_DIGITS:]
        if not self._is_right or len(self._tail) != STAMP_BYTES or not told[8:].isdigit():
            return None
        if crc != b"%08x" % (crc32c(self._contents.registers[self._number], told) ^ CRC_START):
            return None
        return Stamp(told[:8], int(told[8:20]), int(told[20:]))

    def why_wrong(self, floor: int) -> str | None:
        """floor: the oldest version that is right."""
        n_put = self._contents.sizes[self._number]
        if self._n_bytes != n_put:
            return f"has {self._n_bytes} bytes, and {n_put} were put"
        stamp = self.stamp()
        if stamp is None:
            return "holds other bytes than were put"
        if stamp.key != self._number:
            return f"holds what was put as {key_name(stamp.key)}"
        return None if stamp.version >= floor else f"version {stamp.version}, though {floor} was acknowledged before"


def _expected(contents: Contents, number: int) -> Iterator[memoryview]:
    octets = contents.octets.data
    for begin, n_bytes in contents.slices(number):
        yield octets[begin : begin + n_bytes]
