"""Which versions of a key may still be read: see KEY_DTYPE.

A write that is sent while others of its key are under way may be overtaken by them: its acknowledgement proves only
that no value older than all of those is right any more. One of unknown fate may be applied at any later time, so it
stays under way for ever. Nothing false is ever cried; something old may pass while writes of one key overlap.
"""

from array import array
from enum import Enum
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.engine.contract import KEY_DTYPE
from loadgen.plan.model import FIRST_VERSION, Check, Plan


class Fate(Enum):
    """What has become of a write."""

    APPLIED = 0
    REFUSED = 1  # for certain
    UNKNOWN = 2


class Claim(NamedTuple):
    """What a request remembers of its key from the moment of its sending.

    version: of a write. floor: of a write what its acknowledgement proves, of a read the oldest right version.
    """

    version: int = 0
    floor: int = 0


class Keys:
    """The states of a job's keys; of keys beyond `n` nothing is known."""

    def __init__(self, plan: Plan) -> None:
        n = plan.n_keys
        self._n = n
        self._next_version = FIRST_VERSION if plan.is_fill else FIRST_VERSION + 1
        self._version_step = 0 if plan.is_fill else 1
        self._floor = array("I", [FIRST_VERSION]) * plan.n_existing + array("I", [0]) * (n - plan.n_existing)
        self._first_in_flight, self._n_in_flight, self._latest_delete = (array("I", [0]) * n for _ in range(3))

    def send(self, check: Check, key: int) -> Claim:
        """A request is about to be sent. A second sending of the same is none."""
        if check is Check.READ:
            return Claim(floor=self._floor[key] if self._knows(key) else 0)
        if check is not Check.WRITE and check is not Check.DELETE:
            return Claim()
        version = self._next_version
        self._next_version += self._version_step
        if not self._knows(key):
            return Claim(version)
        if self._n_in_flight[key] == 0:
            self._first_in_flight[key] = version
        self._n_in_flight[key] += 1
        if check is Check.DELETE:
            self._latest_delete[key] = version
        return Claim(version, self._first_in_flight[key])

    def settle(self, check: Check, key: int, claim: Claim, fate: Fate) -> None:
        """A request has ended."""
        is_write = check is Check.WRITE or check is Check.DELETE
        if not is_write or fate is Fate.UNKNOWN or not self._knows(key):
            return
        self._n_in_flight[key] -= 1
        if fate is Fate.APPLIED:
            self._floor[key] = max(self._floor[key], claim.floor)

    def may_be_missing(self, key: int, floor: int) -> bool:
        """Whether no value at all is a right answer to a read that remembers this floor."""
        return not self._knows(key) or self._latest_delete[key] >= floor

    def states(self) -> NDArray[Any] | None:
        """Shape (n,), KEY_DTYPE; None where nothing is checked by key."""
        if self._n == 0:
            return None
        states = np.zeros(self._n, KEY_DTYPE)
        columns = (self._floor, self._first_in_flight, self._n_in_flight, self._latest_delete)
        for name, column in zip(KEY_DTYPE.names or (), columns, strict=True):
            states[name] = column
        return states

    def _knows(self, key: int) -> bool:
        return 0 <= key < self._n
