"""Which versions of an object may still be read, where loadgen's own client carries the load: as KEY_DTYPE has it."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from loadgen.engine.contract import KEY_DTYPE
from loadgen.plan.model import FIRST_VERSION


class Claim(NamedTuple):
    """What a write remembers of its object from the moment of its sending. floor: what its success proves."""

    key: int
    version: int
    floor: int


class Versions:
    """The states of all objects of a run. A write that is never settled stays under way: its fate is unknown."""

    def __init__(self, n: int) -> None:
        self.states: NDArray[np.void] = np.zeros(n, KEY_DTYPE)
        self._next = FIRST_VERSION

    def send(self, key: int, is_delete: bool = False) -> Claim:
        state = self.states[key]
        version, self._next = self._next, self._next + 1
        if state["n_in_flight"] == 0:
            state["first_in_flight"] = version
        state["n_in_flight"] += 1
        if is_delete:
            state["latest_delete"] = version
        return Claim(key, version, int(state["first_in_flight"]))

    def settle(self, claim: Claim, is_applied: bool) -> None:
        """Acknowledged, or refused for certain."""
        state = self.states[claim.key]
        state["n_in_flight"] -= 1
        if is_applied:
            state["floor"] = max(int(state["floor"]), claim.floor)

    def floor(self, key: int) -> int:
        """The oldest version that a read which is sent now may find."""
        return int(self.states[key]["floor"])

    def may_be_missing(self, key: int, floor: int) -> bool:
        return int(self.states[key]["latest_delete"]) >= floor
